"""Student-t copula and the marginals under it."""

from typing import Any

import numpy as np
from scipy import optimize, special, stats

from stress.calibrate_prices import Series
from stress.calibrate_record import Estimate

BODY = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99)
STEP = 0.02  # of the log degrees of freedom, for the curvature of the likelihood


def ranks(returns: Series) -> Series:
    """Pseudo observations, rank / (n + 1), `[n, A]`."""
    return stats.rankdata(returns, axis=0) / (len(returns) + 1)


def fit_t_copula(uniform: Series) -> tuple[Estimate, Series]:
    """Degrees of freedom and correlation of a t copula.

    Args:
      uniform: pseudo observations or probability transforms in (0, 1), `[n, A]`.

    Returns:
      Degrees of freedom (maximum likelihood at the correlation, standard error from the curvature,
      rows taken as independent), and the correlation sin(pi tau / 2) of Kendall's tau, `[A, A]`.

    Errors:
      Raises nothing; degrees of freedom beyond 100 are told as 100.

    Source:
      Demarta and McNeil (2005), "The t copula and related copulas", 4.2.
    """
    size = uniform.shape[1]
    matrix = np.eye(size)
    for i in range(size):
        for j in range(i):
            tau = float(np.asarray(stats.kendalltau(uniform[:, i], uniform[:, j])[0]))
            matrix[i, j] = matrix[j, i] = np.sin(np.pi / 2 * tau)
    inverse, (_, logs) = np.linalg.inv(matrix), np.linalg.slogdet(matrix)

    def negative(log_nu: float) -> float:
        nu = float(np.exp(log_nu))
        x = stats.t.ppf(uniform, nu)
        radius = np.sum(x @ inverse * x, axis=1)
        joint = special.gammaln((nu + size) / 2) - special.gammaln(nu / 2)
        joint -= size / 2 * np.log(nu * np.pi) + logs / 2
        density = joint - (nu + size) / 2 * np.log1p(radius / nu)
        return -float(np.sum(density - stats.t.logpdf(x, nu).sum(axis=1)))

    found = optimize.minimize_scalar(
        negative, bounds=(np.log(1.0), np.log(100.0)), method="bounded", options={"xatol": 1e-4}
    )
    at = float(found.x)  # type: ignore[attr-defined]
    curve = (negative(at + STEP) + negative(at - STEP) - 2 * negative(at)) / STEP**2
    error = float(np.exp(at) * curve**-0.5) if curve > 0 else None
    return Estimate(float(np.exp(at)), error), matrix


def fit_marginal(returns: Series) -> dict[str, Any]:
    """Body and tails of one asset's returns over their standard deviation.

    Returns:
      `probabilities`, `quantiles`, and `lower` and `upper` with Estimates `shape` and `scale` of
      the generalised Pareto law beyond the outer ones (maximum likelihood; standard errors from
      its information, rows taken as independent), and the Hill tail index beyond them.

    Source:
      McNeil, Frey and Embrechts (2015), 5.2; information after Smith (1987).
    """
    x = np.sort(returns / returns.std())
    quantiles = np.quantile(x, BODY)
    result: dict[str, Any] = {"probabilities": list(BODY), "quantiles": quantiles.tolist()}
    for side, sign, edge in (("lower", -1, quantiles[0]), ("upper", 1, quantiles[-1])):
        beyond = sign * (x - edge)
        excess = beyond[beyond > 0]
        shape, _, scale = stats.genpareto.fit(excess, floc=0)
        k = len(excess)
        hill = float(np.mean(np.log((excess + sign * edge) / (sign * edge))))
        result[side] = {
            "shape": Estimate(float(shape), float((1 + shape) / np.sqrt(k))),
            "scale": Estimate(float(scale), float(scale * np.sqrt(2 * (1 + shape) / k))),
            "tail_index": Estimate(1 / hill, float(1 / hill / np.sqrt(k))),
        }
    return result
