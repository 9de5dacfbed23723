"""Tests of forecasts against what happened: coverage, independence, traffic light, shortfall.

`hits` are booleans in order of time: the loss went beyond the value at risk. Forecasts whose
windows overlap are split into phases that do not; a p-value of the whole is twice the median of
the phases', which holds whatever their dependence.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Hits = NDArray[np.bool_]
Values = NDArray[np.float64]
ZONES = ("green", "yellow", "red")
GREEN, YELLOW = 0.95, 0.9999  # cumulative probability at which a zone ends


def coverage_interval(hits: Hits, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval of the probability of a hit; hits independent."""
    n, x, tail = len(hits), int(hits.sum()), (1 - confidence) / 2
    low = float(stats.beta.ppf(tail, x, n - x + 1)) if x else 0.0
    high = float(stats.beta.isf(tail, x + 1, n - x)) if x < n else 1.0
    return low, high


def kupiec(count: int, n: int, probability: float) -> tuple[float, float]:
    """Likelihood ratio of unconditional coverage and its p-value (chi-square, 1 degree).

    Source:
      Kupiec (1995), "Techniques for verifying the accuracy of risk measurement models".
    """
    ratio = 2 * (_log(count, n, count / n) - _log(count, n, probability))
    return ratio, float(stats.chi2.sf(ratio, 1))


def independence(hits: Hits) -> tuple[float, float]:
    """Likelihood ratio of hits independent of the hit before, and its p-value (1 degree).

    Source:
      Christoffersen (1998), "Evaluating interval forecasts".
    """
    before, after = hits[:-1], hits[1:]
    n0, n1 = int((~before).sum()), int(before.sum())
    n01, n11 = int((~before & after).sum()), int((before & after).sum())
    if n0 == 0 or n1 == 0:
        return 0.0, 1.0
    pooled = (n01 + n11) / (n0 + n1)
    apart = _log(n01, n0, n01 / n0) + _log(n11, n1, n11 / n1)
    ratio = max(2 * (apart - _log(n01 + n11, n0 + n1, pooled)), 0.0)
    return ratio, float(stats.chi2.sf(ratio, 1))


def conditional_coverage(hits: Hits, probability: float) -> tuple[float, float]:
    """Coverage and independence together: sum of both ratios, p-value with 2 degrees."""
    ratio = kupiec(int(hits.sum()), len(hits), probability)[0] + independence(hits)[0]
    return ratio, float(stats.chi2.sf(ratio, 2))


def traffic_light(count: int, n: int, probability: float = 0.01) -> str:
    """Zone by the probability of as many hits or fewer: green below 95 %, yellow below 99.99 %.

    Source:
      Basel Committee (1996), "Supervisory framework for the use of backtesting".
    """
    cumulative = float(stats.binom.cdf(count, n, probability))
    return ZONES[0] if cumulative < GREEN else ZONES[1] if cumulative < YELLOW else ZONES[2]


def acerbi_szekely(
    ratios: Values, beyond: Hits, tails: Values, probability: float, seed: int = 0, draws: int = 500
) -> tuple[float, float]:
    """Second statistic of Acerbi and Szekely for expected shortfall, and its p-value.

        Z = 1 - sum over hits of loss / ES / (n probability); 0 expected, below 0: ES too low

    Args:
      ratios: loss over the forecast ES of every time, `[n]`.
      beyond: losses beyond the value at risk, `[n]`.
      tails: losses over ES of equally likely outcomes of the forecast beyond its VaR, `[n, k]`.
      probability: of the tail.
      seed: of the simulation under the forecasts.
      draws: simulated histories.

    Returns:
      Z, and the share of histories under the forecasts with a lower one.

    Source:
      Acerbi and Szekely (2014), "Backtesting expected shortfall", Risk 27.
    """
    n, size = tails.shape
    z = 1 - float((ratios * beyond).sum()) / (n * probability)
    rng = np.random.default_rng(seed)
    simulated = np.empty(draws)
    for d in range(draws):
        hit = rng.random(n) < probability
        chosen = tails[hit, rng.integers(0, size, int(hit.sum()))]
        simulated[d] = 1 - chosen.sum() / (n * probability)
    return z, float((1 + (simulated <= z).sum()) / (draws + 1))


def uniformity(transform: Values) -> float:
    """p-value of Kolmogorov and Smirnov's test of probability transforms."""
    return float(stats.kstest(transform, "uniform").pvalue)


def over_phases(test: Callable[[slice], float], overlap: int) -> float:
    """p-value of a test on overlapping windows: twice the median over phases apart, at most 1."""
    found = [test(slice(phase, None, overlap)) for phase in range(overlap)]
    return found[0] if overlap == 1 else min(1.0, 2 * float(np.median(found)))


def block_error(hits: Hits, block: int, draws: int = 400, seed: int = 0) -> float:
    """Standard error of the share of hits by a moving block bootstrap."""
    rng, n = np.random.default_rng(seed), len(hits)
    block = min(block, n)
    starts = rng.integers(0, n - block + 1, (draws, -(-n // block)))
    index = (starts[:, :, None] + np.arange(block)).reshape(draws, -1)[:, :n]
    return float(hits[index].mean(axis=1).std(ddof=1))


def _log(count: int, n: int, p: float) -> float:
    """Log likelihood of `count` hits in `n` at probability p; 0 log 0 is 0."""
    value = count * np.log(p) if count else 0.0
    return float(value + ((n - count) * np.log1p(-p) if n > count else 0.0))
