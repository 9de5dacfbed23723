"""Errors from independent repeats, and how many paths an error takes.

Quasi-random points and splitting give numbers whose paths depend on each other: their error comes
from independent repeats of the whole. Host side, float64.
"""

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from stress.estimate import Estimate, as_estimate, as_float, mean, normal_quantile


def from_replicates(values: ArrayLike, level: float = 0.95) -> Estimate:
    """Mean of independent repeats, with Student's interval between them.

    Args:
      values: estimates `[R, ...]`, one an independent repeat.
      level: coverage.

    Returns:
      `[...]`.

    Errors:
      ValueError for fewer than two repeats, or repeats that are equal bit by bit although they are
      not 0 or 1: they share a seed. NaN in gives NaN out.

    Source:
      L'Ecuyer and Lemieux (2002), Modeling Uncertainty, 419-474, for randomised quasi-Monte Carlo.
    """
    x = as_float(values)
    if x.ndim == 0 or len(x) < 2:
        raise ValueError("an error from repeats needs two of them or more")
    same = (x == x[:1]).all(axis=0)
    if np.any(same & ~np.isin(x[0], (0.0, 1.0))):
        raise ValueError("repeats are equal bit by bit: they share a seed")
    return mean(x, axis=0, level=level)


def probability_from_replicates(values: ArrayLike, level: float = 0.95) -> Estimate:
    r"""Small probability from independent runs of a splitting, which err by a factor.

        value = mean;    interval = exp(m + s^2 / 2 -+ t_(R-1) sqrt(s^2 / R + s^4 / (2 (R - 1))))

    with mean m and deviation s of the logarithms: Cox's interval for the mean of a log-normal law.

    Args:
      values: `[R]`, at least 0.
      level: coverage.

    Returns:
      Scalars; unlike Student's interval it is never below 0 and leans towards larger values, as
      runs do. Student's own where a run found nothing. Measured to cover 0.93 to 0.97 for runs of
      relative error up to 0.5 at R = 8 and 32 (`tests/coverage_study.py`).

    Errors:
      As `from_replicates`.

    Source:
      Zhou and Gao (1997), Statistics in Medicine 16, 783-790.
    """
    plain, x = from_replicates(values, level), as_float(values)
    if not np.all(x > 0):
        return as_estimate(plain.value, plain.standard_error, max(plain.low, 0.0), plain.high)
    logs, count = np.log(x), len(x)
    square = logs.var(ddof=1)
    t = float(special.stdtrit(count - 1, special.ndtr(normal_quantile(level))))
    reach = t * np.sqrt(square / count + square**2 / (2 * (count - 1)))
    centre = logs.mean() + square / 2
    ends = (np.exp(centre - reach), np.exp(centre + reach))
    return as_estimate(plain.value, plain.standard_error, *ends)


def relative_error(found: Estimate) -> float:
    """Standard error over value; infinite where the value is 0 or nothing is known."""
    value, error = abs(float(found.value)), float(found.standard_error)
    return error / value if value > 0 and error > 0 else math.inf


def paths_needed(found: Estimate, paths: int, target: float) -> float:
    """Paths after which the relative error is the target, by the square root of their number."""
    return paths * (relative_error(found) / target) ** 2


def plain_paths(probability: float, target: float) -> float:
    """Plain paths that estimate a probability with a relative error: (1 - p) / (p target^2).

    Infinite for a probability or a target of 0.
    """
    if not probability > 0 or not target > 0:
        return math.inf
    return (1 - probability) / probability / target**2


def agreement(one: Estimate, other: Estimate) -> float:
    """Difference of two independent estimates in standard errors of the difference.

    NaN where neither has an error; 4 is beyond chance.
    """
    spread = math.hypot(float(one.standard_error), float(other.standard_error))
    return (float(one.value) - float(other.value)) / spread if spread > 0 else math.nan
