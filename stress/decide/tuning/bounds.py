"""Upper confidence bounds of risks, bands for a repeat on other paths, paired differences.

Host side, float64. `confidence` is one-sided; an interval has one such bound at either end.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import special

from stress.estimate import (
    Estimate,
    as_estimate,
    as_float,
    clopper_pearson,
    normal_quantile,
    paired_difference,
)
from stress.tail import FEWEST_TAIL_LOSSES, expected_shortfall


@dataclass(frozen=True, kw_only=True)
class Risk:
    """How a risk is read off the losses of paths."""

    kind: str  # probability or expected_shortfall
    above: float = 0.0  # probability: of a loss above this
    level: float = 0.99  # expected_shortfall: mean of the worst share 1 - level


def risk_estimate(
    risk: Risk, losses: ArrayLike, confidence: float, largest: float = 0.0
) -> Estimate:
    """A risk with its lower and upper confidence bound.

    A probability has Clopper and Pearson's bounds, whose coverage is never less than stated. An
    expected shortfall has those of `stress.tail`; where fewer than ten paths lose more than the
    quantile these do not exist, and the few losses count as weighted Poisson events, with the
    largest loss for the next one (`few_losses`).

    Args:
      risk: which.
      losses: of independent paths, `[P]`; NaN where a path's outcome is unknown.
      confidence: of each bound, one-sided.
      largest: a loss as large as the next one may be, where the paths show none themselves.

    Returns:
      Scalars. An unknown path counts against a probability's upper and for its lower bound; it
      leaves an expected shortfall unknown, NaN.

    Errors:
      Raises ValueError for an empty sample.

    Source:
      Clopper & Pearson (1934), Biometrika 26, 404-413; as cited in `stress.tail.expected_shortfall`
      and `few_losses`.
    """
    x, level = as_float(losses), 2 * confidence - 1
    if risk.kind == "probability":
        failed = int(np.isnan(x).sum())
        with np.errstate(invalid="ignore"):
            return clopper_pearson(int((x > risk.above).sum()), len(x), failed, level)
    found = expected_shortfall(x, risk.level, level)
    if np.isfinite(found.high) or np.isnan(x).any():
        return found
    return few_losses(x, risk.level, confidence, largest)


def few_losses(
    losses: Float[np.ndarray, "P"], level: float, confidence: float, largest: float
) -> Estimate:
    r"""Expected shortfall where nearly all paths lose nothing.

    With losses w_i above the quantile q, of P paths, ES = q + sum w_i / (P (1 - level)). Their
    number is Poisson; the bounds of a sum of weighted Poisson counts are, with y = sum w_i,
    v = sum w_i^2 and m = max(w_i, largest),

        low = v / (2 y) chi2_{2 y^2 / v}(1 - c),   high = (v + m^2) / (2 (y + m)) chi2_{2 (y + m)^2
        / (v + m^2)}(c)

    Args:
      losses: `[P]`, without NaN.
      level: of the quantile.
      confidence: c, one-sided.
      largest: USDC, least m; with 0 and no loss the upper bound is 0.

    Returns:
      Scalars; the standard error is sqrt(v) / (P (1 - level)).

    Source:
      Fay & Feuer (1997), Statistics in Medicine 16, 791-801.
    """
    boundary = np.sort(losses)[int(np.ceil(len(losses) * level)) - 1]
    weights = np.maximum(losses - boundary, 0)
    scale = len(losses) * (1 - level)
    y, v, m = weights.sum(), np.square(weights).sum(), max(weights.max(), largest)
    low = v / y * special.gammaincinv(y**2 / v, 1 - confidence) if y > 0 else 0.0
    high = 0.0
    if y + m > 0:
        spread = (v + m**2) / (y + m)
        high = spread * special.gammaincinv((y + m) / spread, confidence)
    value = boundary + np.array([y, low, high]) / scale
    return as_estimate(value[0], np.sqrt(v) / scale, value[1], value[2])


def repeat_band(
    found: Estimate, paths: int, again: int, confidence: float, level: float = 0.95
) -> tuple[float, float]:
    """Where an estimate from other paths of the same candidate falls with probability `level`.

    Both estimates err: the band is wider than the confidence interval, by sqrt(1 + paths / again)
    about the value on either side.

    Args:
      found: estimate with the bounds of `risk_estimate`.
      paths: it rests on.
      again: paths of the repeat.
      confidence: of each bound of `found`.
      level: chance of the repeat to lie inside.

    Returns:
      (low, high); at least 0 at the lower end.
    """
    stretch = np.sqrt(1 + paths / again)
    reach = normal_quantile(level) / normal_quantile(2 * confidence - 1) * stretch
    low = found.value - reach * (found.value - found.low)
    high = found.value + reach * (found.high - found.value)
    return float(np.maximum(low, 0)), float(high)


def risk_difference(risk: Risk, after: ArrayLike, before: ArrayLike) -> Estimate:
    """How much a risk differs between two candidates that ran on the same random numbers.

    Of a shortfall by its influence, q + (x - q)+ / (1 - level), path by path.

    Args:
      risk: which.
      after: losses `[P]`.
      before: losses of the same paths, `[P]`.

    Returns:
      after - before with its 95 % interval; NaN where a path's outcome is unknown.

    Errors:
      Raises ValueError for other numbers of paths.
    """
    return paired_difference(_influence(risk, after), _influence(risk, before))


def _influence(risk: Risk, losses: ArrayLike) -> Float[np.ndarray, "P"]:
    """What each path contributes to a risk; its mean is the risk."""
    x = as_float(losses)
    if risk.kind == "probability":
        return np.where(np.isnan(x), np.nan, x > risk.above)
    boundary = np.sort(x)[int(np.ceil(len(x) * risk.level)) - 1]
    return boundary + np.maximum(x - boundary, 0) / (1 - risk.level)


__all__ = [
    "FEWEST_TAIL_LOSSES",
    "Risk",
    "few_losses",
    "repeat_band",
    "risk_difference",
    "risk_estimate",
]
