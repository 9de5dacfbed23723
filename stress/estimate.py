"""Points, standard errors and intervals of simulated figures: shares and means.

Host side, float64. `level` is the coverage of an interval; `stress.tail` has quantiles and expected
shortfalls. Intervals hold point by point and know Monte Carlo error only, not the model's.
"""

import operator
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import special

INTEGERS = np.vectorize(operator.index, otypes=[object])  # P Q passes 2^63 in large campaigns


@dataclass(frozen=True, eq=False)
class Estimate:
    """Figures with their Monte Carlo error, all in the figure's unit."""

    value: Float[np.ndarray, "*shape"]
    standard_error: Float[np.ndarray, "*shape"]
    low: Float[np.ndarray, "*shape"]  # NaN: the sample cannot give an interval
    high: Float[np.ndarray, "*shape"]


def proportion(
    successes: ArrayLike, trials: ArrayLike, failed: ArrayLike = 0, level: float = 0.95
) -> Estimate:
    r"""Probability of an event from independent paths, with Wilson's score interval.

        (p + z^2 / 2n -+ z sqrt(p (1 - p) / n + z^2 / 4n^2)) / (1 + z^2 / n)

    The low end counts every failed path as one without the event, the high end as one with it.

    Args:
      successes: paths known to have the event.
      trials: all paths, the failed ones among them.
      failed: paths whose outcome is unknown.
      level: coverage of the interval.

    Returns:
      Broadcast shape. Value and standard error sqrt(p (1 - p) / n) are over the known paths; the
      error is 0 at none and all: read the interval there. No known path: NaN, interval [0, 1].

    Errors:
      Raises ValueError for counts that contradict each other, NaN among them.

    Source:
      Wilson (1927), JASA 22, 209-212.
    """
    s, n, f = _counts(successes, trials, failed)
    low, high = (_wilson(k / np.maximum(n, 1), n, level)[i] for i, k in enumerate((s, s + f)))
    return _known_share(s, n - f, low, high)


def clopper_pearson(
    successes: ArrayLike, trials: ArrayLike, failed: ArrayLike = 0, level: float = 0.95
) -> Estimate:
    r"""As `proportion`, with an interval that never covers less than its level.

        low, high = quantiles (1 -+ level) / 2 of Beta(s, n - s + 1), Beta(s + f + 1, n - s - f)

    Args, Returns, Errors:
      As `proportion`; it covers more than the level where few events are expected.

    Source:
      Clopper & Pearson (1934), Biometrika 26, 404-413.
    """
    s, n, f = _counts(successes, trials, failed)
    tail = special.ndtr(-normal_quantile(level))
    most = s + f
    # an argument of 1 where the end is known keeps the beta function in its domain
    low = special.betaincinv(np.where(s > 0, s, 1), n - s + 1, tail)
    high = special.betainccinv(most + 1, np.where(most < n, n - most, 1), tail)
    return _known_share(s, n - f, np.where(s > 0, low, 0.0), np.where(most < n, high, 1.0))


def mean(values: ArrayLike, axis: int = -1, level: float = 0.95) -> Estimate:
    """Mean of independent values, with the t interval of Student (1908), Biometrika 6, 1-25.

    Args:
      values: sample along `axis`.
      axis: of the sample.
      level: coverage of the interval.

    Returns:
      Shape without `axis`; one value: standard error and interval NaN.

    Errors:
      Raises ValueError for an empty sample. NaN in gives NaN out. Sums are pairwise. The interval
      covers about 0.87 (measured) of 20 losses among zeros, and has no width where all are zero.
    """
    x = as_sample(values, axis)
    n = x.shape[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        value, error = x.mean(axis=-1), np.sqrt(np.divide(x.var(axis=-1), n - 1))
    t = special.stdtrit(n - 1, special.ndtr(normal_quantile(level))) if n > 1 else np.nan
    return as_estimate(value, error, value - t * error, value + t * error)


def paired_difference(a: ArrayLike, b: ArrayLike, axis: int = -1, level: float = 0.95) -> Estimate:
    """Mean of a - b where both ran on the same random numbers, so that their noise cancels.

    Args, Returns, Errors:
      As `mean`; a and b hold the same paths in the same order. Raises ValueError for other shapes.
    """
    x, y = as_float(a), as_float(b)
    if x.shape != y.shape:
        raise ValueError(f"paths do not pair: shapes {x.shape} and {y.shape}")
    with np.errstate(invalid="ignore"):
        return mean(x - y, axis, level)


def ratio_of_means(
    numerator: ArrayLike, denominator: ArrayLike, axis: int = -1, level: float = 0.95
) -> Estimate:
    r"""Ratio of two means over the same paths, paired.

        R = mean(x) / mean(y),    se = std(x - R y) / (sqrt(n) mean(y))

    Args:
      numerator: x, a value per path along `axis`.
      denominator: y, likewise; its mean must be far from 0 against its error.
      axis: of the paths.
      level: coverage of the interval R -+ z se.

    Returns:
      Estimates without `axis`. NaN where the mean of y is 0; the interval is of first order and is
      left out (NaN) where the mean of y is within three of its standard errors of 0.

    Errors:
      Raises ValueError for an empty sample. NaN in gives NaN out.

    Source:
      Cochran (1977), Sampling Techniques, 6.3.
    """
    x, y = as_sample(numerator, axis), as_sample(denominator, axis)
    n = x.shape[-1]
    with np.errstate(invalid="ignore", divide="ignore"):
        below = np.mean(y, axis=-1)
        value = np.where(below != 0, np.mean(x, axis=-1) / below, np.nan)
        scatter = np.std(x - value[..., None] * y, axis=-1, ddof=min(1, n - 1))
        error = scatter / np.sqrt(n) / np.abs(below)
        shaky = np.abs(below) <= 3 * np.std(y, axis=-1, ddof=min(1, n - 1)) / np.sqrt(n)
    error = np.where(shaky, np.nan, error)
    reach = normal_quantile(level) * error
    return as_estimate(value, error, value - reach, value + reach)


def clustered_proportion(
    total: ArrayLike,
    total_square: ArrayLike,
    paths: int | np.integer,
    size: ArrayLike,
    failed: int = 0,
    level: float = 0.95,
) -> Estimate:
    r"""Mean share of a group's accounts that meet an event; accounts of one path are dependent.

    With c_p accounts on path p, S = sum c_p and Q = sum c_p^2 over P paths:

        p = S / (P size),  se^2 = (P Q - S^2) / (P^2 (P - 1) size^2),  n_eff = p (1 - p) / se^2

    and Wilson's interval with n_eff trials, kept between P (accounts that all move together) and
    P size (independent ones); P where none or all met the event, as no dependence is seen then.

    Args:
      total: S, integers.
      total_square: Q, integers.
      paths: P, the failed ones among them.
      size: accounts of the group.
      failed: paths that are not in the sums; their accounts widen the interval as in `proportion`.
      level: coverage of the interval.

    Returns:
      Broadcast shape of `total` and `size`; NaN for a group without accounts.

    Errors:
      Raises ValueError for sums that no counts can give, TypeError where they are not integers.
      Measured at 0.95: covers 0.93 to 0.96 from 40 paths with an event on, 0.91 at 20 of them.

    Source:
      Korn & Graubard (1998), Survey Methodology 24, 193-201, for the effective number of trials.
    """
    s, q, n = np.broadcast_arrays(*(INTEGERS(x) for x in (total, total_square, size)))
    known, lost = int(paths) - int(failed), int(failed)
    possible = (s <= q) & (q <= s * n) & (s * s <= known * q) & (s <= known * n)
    if lost < 0 or not np.all((s >= 0) & possible):
        raise ValueError("sums over paths contradict the numbers of paths and accounts")
    value, error, _ = _cluster(s, q, known, n)
    ends = (_cluster(s + k * n, q + k * n * n, known + lost, n) for k in (0, lost))
    low, high = (_wilson(p, trials, level)[i] for i, (p, _, trials) in enumerate(ends))
    return as_estimate(value, error, low, high)


def as_float(x: Any) -> np.ndarray:
    """Anything array-like in float64."""
    return np.asarray(x, np.float64)


def as_estimate(*figures: Any) -> Estimate:
    """Value, standard error, low and high as one estimate in float64."""
    return Estimate(*(as_float(x) for x in figures))


def normal_quantile(level: float) -> float:
    """Half-width of a normal interval in standard errors."""
    if not 0 < level < 1:
        raise ValueError(f"coverage {level} outside (0, 1)")
    return float(special.ndtri(0.5 + level / 2))


def _counts(*counts: ArrayLike) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    s, n, f = np.broadcast_arrays(*(as_float(count) for count in counts))
    if not np.all((s >= 0) & (f >= 0) & (s + f <= n)):
        raise ValueError("successes and failed paths must be at least 0 and together within trials")
    return s, n, f


def _known_share(s: np.ndarray, known: np.ndarray, low: Any, high: Any) -> Estimate:
    with np.errstate(invalid="ignore"):
        p = s / known
        return as_estimate(p, np.sqrt(p * (1 - p) / known), low, high)


def _wilson(p: np.ndarray, n: np.ndarray, level: float) -> tuple[np.ndarray, np.ndarray]:
    """Wilson's interval, free of cancellation; exactly 0 at p = 0 and 1 at p = 1 or n = 0."""
    z = normal_quantile(level)
    ends = 2 * n * p + z**2 + z * np.sqrt(z**2 + 4 * n * p * (1 - p))
    high = np.where(p == 1, 1, np.minimum(ends / (2 * (n + z**2)), 1))
    return 2 * n * p**2 / ends, high


def _cluster(s: Any, q: Any, paths: int, size: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean share, its standard error across paths and the effective number of trials."""
    accounts, variance = as_float(paths * size), as_float(paths * q - s * s)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = as_float(s) / accounts
        error = np.sqrt(variance / np.float64(paths - 1)) / accounts
        trials = share * (1 - share) / error**2  # NaN at none and all
    return share, error, np.where(np.isnan(trials), paths, np.clip(trials, paths, accounts))


def as_sample(values: ArrayLike, axis: int) -> np.ndarray:
    """The sample along a last, contiguous axis, where NumPy sums pairwise."""
    x = np.ascontiguousarray(np.moveaxis(as_float(values), axis, -1))
    if not x.shape[-1]:
        raise ValueError("an empty sample estimates nothing")
    return x
