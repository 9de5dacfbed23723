"""Samples with known tails, and how often intervals of repeated samples contain the truth."""

import math
from functools import cache

import numpy as np
from scipy import stats

from stress import estimate
from stress.estimate import Estimate

Z95 = 1.959963984540054
REPEATS = 1000
PATHS = 4096


def t4_tail(level: float) -> tuple[float, float]:
    """Quantile and expected shortfall of a Student t with 4 degrees of freedom, unit variance."""
    q = float(stats.t.ppf(level, 4))
    shortfall = stats.t.pdf(q, 4) / (1 - level) * (4 + q**2) / 3
    return q / math.sqrt(2), float(shortfall) / math.sqrt(2)


def lognormal_tail(level: float, share: float = 1.0) -> tuple[float, float]:
    """The same of exp(N(0, 1)) with probability `share` and 0 otherwise; share > 1 - level."""
    z = float(stats.norm.isf((1 - level) / share))
    return math.exp(z), math.exp(0.5) * float(stats.norm.cdf(1 - z)) * share / (1 - level)


def normal_tail(level: float) -> tuple[float, float]:
    z = float(stats.norm.ppf(level))
    return z, float(stats.norm.pdf(z)) / (1 - level)


@cache
def losses(kind: str) -> np.ndarray:
    """Samples `[REPEATS, PATHS]`."""
    rng, shape = np.random.default_rng([13, *kind.encode()]), (REPEATS, PATHS)
    if kind == "normal":
        return rng.standard_normal(shape)
    if kind == "t4":
        return rng.standard_t(4, shape) / math.sqrt(2)
    x = np.exp(rng.standard_normal(shape))
    return x if kind == "lognormal" else np.where(rng.random(shape) < 0.05, x, 0)


TAILS = {
    "normal": normal_tail,
    "t4": t4_tail,
    "lognormal": lognormal_tail,
    "mostly zero": lambda level: lognormal_tail(level, 0.05),
}
MEANS = {"normal": 0.0, "t4": 0.0, "lognormal": math.exp(0.5), "mostly zero": 0.05 * math.exp(0.5)}


def coverage(e: Estimate, exact: float) -> float:
    """Share of intervals that contain the exact value."""
    assert e.value.shape == (REPEATS,)
    return float(np.mean((e.low <= exact) & (exact <= e.high)))


def covers(e: Estimate, exact: float) -> bool:
    return 0.93 <= coverage(e, exact) <= 0.97


def exact_coverage(e: Estimate, n: int, p: np.ndarray) -> np.ndarray:
    """Probability that the interval of a binomial count contains p, summed over the counts."""
    contains = (e.low[:, None] <= p) & (p <= e.high[:, None])
    return np.sum(stats.binom.pmf(np.arange(n + 1)[:, None], n, p) * contains, axis=0)


def clusters(rng, p: float, correlation: float, shape: tuple[int, ...], size: int) -> np.ndarray:
    """Beta-binomial counts: accounts of a path share a random probability of mean p."""
    strength = 1 / correlation - 1
    return rng.binomial(size, rng.beta(p * strength, (1 - p) * strength, shape))


def summed(counts: np.ndarray, size: int, **options) -> Estimate:
    """`clustered_proportion` of counts with paths last."""
    total, square = counts.sum(axis=-1), (counts**2).sum(axis=-1)
    return estimate.clustered_proportion(total, square, counts.shape[-1], size, **options)
