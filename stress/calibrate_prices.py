"""Volatility, correlation, tail index and joint falls of a set of hourly price series.

Host side, NumPy. Returns are log returns of closes, one per hour, all assets on one clock; a
missing beginning is NaN. Dependence in time is respected in standard errors: whole weeks are the
units that are left out (jackknife) or resampled (bootstrap).
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special

from stress.calibrate_record import Estimate

Series = NDArray[np.float64]
WEEK = 168
HOURS_PER_YEAR = 365 * 24


def rolling_volatility(returns: Series, window: int = WEEK) -> Series:
    """Annualised realised volatility of the trailing `window` hours; NaN before it is full."""
    total = np.concatenate([[0.0], np.cumsum(returns**2)])
    result = np.full(len(returns), np.nan)
    result[window - 1 :] = np.sqrt((total[window:] - total[:-window]) / window * HOURS_PER_YEAR)
    return result


def overall_volatility(returns: Series) -> Estimate:
    """Annualised volatility, standard error from the scatter of weekly means of squares."""
    weeks = len(returns) // WEEK
    squares = (returns[: weeks * WEEK] ** 2).reshape(weeks, WEEK).mean(1)
    mean = float((returns**2).mean())
    error = float(squares.std(ddof=1)) / np.sqrt(weeks)
    scale = np.sqrt(HOURS_PER_YEAR)
    return Estimate(scale * np.sqrt(mean), scale * error / (2 * np.sqrt(mean)))


def volatility_quantile(
    returns: Series, quantile: float, *, replications: int = 400, block_days: int = 28
) -> Estimate:
    """Quantile of the rolling 7-day volatility, read once a day; moving block bootstrap."""
    daily = rolling_volatility(returns)[WEEK - 1 :: 24]
    rng = np.random.default_rng(0)
    blocks = -(-len(daily) // block_days)
    starts = rng.integers(0, max(len(daily) - block_days, 0) + 1, (replications, blocks))
    index = starts[:, :, None] + np.arange(min(block_days, len(daily)))
    again = np.quantile(daily[index.reshape(replications, -1)], quantile, axis=1)
    return Estimate(float(np.quantile(daily, quantile)), float(again.std(ddof=1)))


def shrunk_correlation(returns: Series) -> tuple[Series, float]:
    """Correlation matrix shrunk towards the identity, and the weight of the identity.

    The intensity is that of Ledoit and Wolf 2004 ("A well-conditioned estimator for large-
    dimensional covariance matrices", section 3) on standardised returns; the result is positive
    definite whenever the weight is above 0.

    Args:
      returns: [n, A], no NaN.
    """
    n, size = returns.shape
    z = (returns - returns.mean(0)) / returns.std(0)
    sample = z.T @ z / n
    distance = np.sum((sample - np.eye(size)) ** 2)
    squared = np.sum(z**2, axis=1) ** 2
    noise = (squared.mean() - np.sum(sample**2)) / n
    weight = float(np.clip(noise / distance, 0.0, 1.0)) if distance > 0 else 1.0
    return (1 - weight) * sample + weight * np.eye(size), weight


def jackknife_error(
    statistic: Callable[[Series], Series], rows: Series, week: NDArray[np.int64]
) -> Series:
    """Standard error of `statistic(rows)` by leaving out one week at a time.

    Args:
      statistic: [n, ...] -> array.
      rows: [n, ...].
      week: [n], the week each row belongs to.
    """
    labels = np.unique(week)
    values = np.array([statistic(rows[week != label]) for label in labels])
    spread = values - values.mean(0)
    error = np.sqrt((len(labels) - 1) / len(labels) * (spread**2).sum(0))
    return np.where(error < 1e-9 * np.abs(values.mean(0)), 0.0, error)  # constants, to rounding


def student_t_fit(returns: Series) -> tuple[Estimate, Series]:
    r"""Degrees of freedom and scatter of a multivariate Student-t with zero mean.

    Maximum likelihood: EM for the scatter at given degrees of freedom (Liu and Rubin 1995), outside
    it a search over log nu. The standard error comes from the curvature of the profile likelihood
    and treats hours as independent: clustering of volatility makes it too small.

    Args:
      returns: [n, A], no NaN.

    Returns:
      Degrees of freedom, and the scatter matrix [A, A] (covariance = scatter nu / (nu - 2)).
    """
    n, size = returns.shape
    scatter = returns.T @ returns / n

    def profile(nu: float) -> float:
        nonlocal scatter
        for _ in range(500):
            radius = np.sum(returns @ np.linalg.inv(scatter) * returns, axis=1)
            weights = (nu + size) / (nu + radius)
            before, scatter = scatter, (returns * weights[:, None]).T @ returns / n
            if np.max(np.abs(scatter - before)) < 1e-10 * np.max(np.abs(scatter)):
                break
        radius = np.sum(returns @ np.linalg.inv(scatter) * returns, axis=1)
        constant = special.gammaln((nu + size) / 2) - special.gammaln(nu / 2)
        constant -= size / 2 * np.log(nu * np.pi) + np.linalg.slogdet(scatter)[1] / 2
        return float(n * constant - (nu + size) / 2 * np.log1p(radius / nu).sum())

    search = optimize.minimize_scalar(
        lambda log_nu: -profile(np.exp(log_nu)),
        bounds=(np.log(1.0), np.log(100.0)),
        method="bounded",
        options={"xatol": 1e-5},
    )
    nu, step = float(np.exp(search.x)), 0.02  # type: ignore[attr-defined]
    high, low, middle = (profile(nu * np.exp(d)) for d in (step, -step, 0.0))
    information = (2 * middle - high - low) / step**2
    return Estimate(nu, nu * float(information**-0.5)), scatter


def moves_over(returns: Series, hours: int) -> Series:
    """Log return over the `hours` that end with each row; NaN before they are complete."""
    total = np.concatenate([np.zeros((1, *returns.shape[1:])), np.cumsum(returns, axis=0)])
    result = np.full_like(returns, np.nan)
    result[hours - 1 :] = total[hours:] - total[:-hours]
    return result


def beta(dependent: Series, factor: Series, week: NDArray[np.int64]) -> Estimate:
    """Slope of `dependent` on `factor` (both [n]) with a weekly jackknife error."""

    def slope(rows: Series) -> Series:
        centred = rows - rows.mean(0)
        return np.asarray((centred[:, 0] @ centred[:, 1]) / (centred[:, 1] @ centred[:, 1]))

    rows = np.column_stack([dependent, factor])
    return Estimate(float(slope(rows)), float(jackknife_error(slope, rows, week)))


def deepest(score: Series, count: int, apart: int) -> list[int]:
    """Rows of the `count` lowest scores, any two at least `apart` rows from each other."""
    left, found = np.where(np.isfinite(score), score, np.inf), []
    while len(found) < count and np.isfinite(left.min()):
        row = int(left.argmin())
        found.append(row)
        left[max(row - apart + 1, 0) : row + apart] = np.inf
    return found
