"""Jumps of a recorded pool: which moves are jumps, how often they come, how large they are."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

from stress.calibrate_prices import Series
from stress.calibrate_record import Estimate


def separate_jumps(
    supply: Series, borrow: Series, minimum: float
) -> tuple[dict[str, Series], Series, Series]:
    """Splits every move into jumps of each kind and a remainder.

    Moves of both totals in one direction, both beyond the threshold and about alike, are paired
    (looped positions); what is left of each side is judged on its own.

    Returns:
      Kind -> size (0 where there is none), and the remainders of supply and borrow (NaN where
      there is a jump).
    """
    smaller = np.minimum(np.abs(supply), np.abs(borrow))
    alike = np.abs(supply - borrow) <= np.maximum(minimum, 0.2 * smaller)
    both = (np.sign(supply) == np.sign(borrow)) & (smaller > minimum) & alike
    paired = np.where(both, (supply + borrow) / 2, 0.0)
    supply, borrow = supply - paired, borrow - paired
    sizes = {}
    for name, series in (("supply", supply), ("borrow", borrow), ("paired", paired)):
        sizes[f"{name}_in"] = np.where(series > minimum, series, 0.0)
        sizes[f"{name}_out"] = np.where(series < -minimum, -series, 0.0)
    rest = [
        np.where(both | (np.abs(series) > minimum), np.nan, series) for series in (supply, borrow)
    ]
    return sizes, rest[0], rest[1]


def fit_intensities(
    inward: NDArray[np.bool_], outward: NDArray[np.bool_], covariates: Series, hours: Series
) -> tuple[Series, Series]:
    r"""Intensities of two competing kinds of jump by maximum likelihood.

    lambda_k = exp(theta_k . (1, covariates)); within a step of h hours the probability of kind k
    is (1 - exp(-(l_1 + l_2) h)) l_k / (l_1 + l_2).

    Args:
      inward: [n], a jump of the first kind occurred.
      outward: [n], of the second kind.
      covariates: [n, q].
      hours: [n], h.

    Returns:
      theta [2, 1 + q] and its standard errors from the observed information.
    """
    design = np.column_stack([np.ones(len(hours)), covariates])
    size = design.shape[1]

    def negative(theta: Series) -> tuple[float, Series]:
        rates = np.exp(np.clip(design @ theta.reshape(2, size).T, -30, 10))
        total = rates.sum(1)
        some = inward | outward
        jump = -np.expm1(-total * hours)
        chosen = np.where(inward, rates[:, 0], rates[:, 1])
        value = np.where(some, np.log(jump / total * chosen), -total * hours).sum()
        slope = np.where(some, hours * np.exp(-total * hours) / jump - 1 / total, -hours)
        gradient = slope[:, None] * rates + np.column_stack([inward, outward])
        return -value, -(design.T @ gradient).T.ravel()

    start = np.zeros((2, size))
    start[:, 0] = [np.log(max(kind.sum(), 1) / hours.sum()) for kind in (inward, outward)]
    fit = optimize.minimize(negative, start.ravel(), jac=True, method="BFGS")
    error = np.sqrt(np.diag(_inverse_information(lambda t: negative(t)[1], fit.x)))
    return fit.x.reshape(2, size), error.reshape(2, size)


def _inverse_information(gradient: Callable[[Series], Series], at: Series) -> Series:
    """Inverse of the observed information, by central differences of the negative score."""
    steps = 1e-4 * np.eye(len(at))
    information = np.array([(gradient(at + e) - gradient(at - e)) / 2e-4 for e in steps])
    return np.asarray(np.linalg.inv((information + information.T) / 2), np.float64)


def fit_tail(
    sizes: Series, minimum: float, maximum: Series, noise: float
) -> tuple[Estimate, float]:
    """Exponent of the bounded Pareto law by maximum likelihood, sizes seen through noise.

    Observed is size + noise where that is above the minimum. A size just above the minimum may
    be lost and one is never gained, so that without the correction the law would look heavier.

    Args:
      sizes: observed jumps; beyond its bounds one counts as the bound.
      minimum: where the law begins.
      maximum: where it ends, jump by jump.
      noise: standard deviation of the normal noise, may be 0.

    Returns:
      Exponent, and the probability that a jump is seen.
    """
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    weights = weights / weights.sum()
    size = np.clip(sizes, minimum, maximum)
    behind = size[:, None] - noise * nodes
    possible = (behind >= minimum) & (behind <= maximum[:, None])
    behind = np.where(possible, behind, minimum)
    bound = np.clip(minimum - noise * nodes, minimum, maximum[:, None])

    def seen(a: float) -> Series:
        cut = (minimum / maximum[:, None]) ** a
        return ((minimum / bound) ** a - cut) / (1 - cut) @ weights

    def negative(a: float) -> float:
        density = np.where(possible, a * (minimum / behind) ** a / behind, 0.0) @ weights
        return -float(np.log(density / (1 - (minimum / maximum) ** a) / seen(a)).sum())

    search = optimize.minimize_scalar(negative, bounds=(0.01, 30.0), method="bounded")
    value = float(search.x)  # type: ignore[attr-defined]
    step = 0.02 * value
    curvature = (negative(value + step) + negative(value - step) - 2 * negative(value)) / step**2
    return Estimate(value, curvature**-0.5), float(seen(value).mean())


def mean_bounded_pareto(tail_exponent: float, minimum: float, maximum: float) -> float:
    """Mean of the bounded Pareto law, by quadrature of its density in the logarithm."""
    t, weight = np.polynomial.legendre.leggauss(64)
    span = np.log(maximum / minimum)
    t, weight = (t + 1) * span / 2, weight * span / 2
    density = np.exp(-tail_exponent * t)
    return float(minimum * (weight @ (density * np.exp(t))) / (weight @ density))
