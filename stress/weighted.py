"""Figures from weighted paths: means, shares, tails, and whether their weights can be trusted.

Paths are drawn from a mixture of proposals whose shares are exact (`stress.sampling.tilt`); a
weight is the known ratio of the densities of target and mixture, so that the mean of weight times
value is unbiased: weights are never made to add up to one. Host side, float64; `stratum` names the
component that drew each path, the error leaves out what differs between components only.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from stress.estimate import Estimate, as_estimate, as_float, as_sample, normal_quantile
from stress.tail import unskewed

FEWEST = 50  # effective terms below which a number is refused
LARGEST = 0.2  # share of the largest term above which it is
HEAVIEST = 0.7  # Pareto shape above which it is
WORST = 0.5  # relative standard error above which it is


@dataclass(frozen=True, eq=False)
class Diagnostics:
    """Of the terms whose mean is the estimate."""

    effective_sample_size: float  # (sum t)^2 / sum t^2
    largest_share: float  # of one term in their sum; NaN where all are 0
    pareto_k: float  # shape of their upper tail; NaN where too few differ


def weighted_mean(
    values: ArrayLike, weights: ArrayLike, stratum: ArrayLike | None = None, level: float = 0.95
) -> Estimate:
    r"""Mean of the target from paths of a mixture.

        value = sum_i w_i x_i / n,    se^2 = sum_k n_k var_k(w x) / n^2

    with the variance within each stratum. The interval is that of a Studentised mean of skewed
    values (Hall), as `stress.tail.expected_shortfall` has it.

    Args:
      values: `[..., n]`.
      weights: likelihood ratios, at least 0, broadcast to `values`.
      stratum: whole numbers `[n]`, each stratum's size fixed beforehand; None: one stratum.
      level: coverage of the interval.

    Returns:
      `[...]`. Error and interval are NaN for fewer than two paths; a stratum of one path counts
      with the variance of the whole sample.

    Errors:
      Raises ValueError for an empty sample or negative weights. NaN in gives NaN out.

    Source:
      Hesterberg (1995), Technometrics 37, 185-194; Owen and Zhou (2000), JASA 95, 135-143; the
      interval: Hall (1992), JRSS B 54, 221-228.
    """
    x = as_sample(values, -1) * _weights(weights)
    n, z = x.shape[-1], normal_quantile(level)
    variance, third = _moments(x, stratum)
    with np.errstate(invalid="ignore", divide="ignore"):
        value, error = x.mean(axis=-1), np.sqrt(variance / n)
        skew = third / variance**1.5 / np.sqrt(n)
        low, high = (value - error * unskewed(s, skew) for s in (z, -z))
    low, high = (np.where(variance > 0, end, value) for end in (low, high))
    lone = np.isnan(error) | (n < 2)
    return as_estimate(value, error, np.where(lone, np.nan, low), np.where(lone, np.nan, high))


def weighted_proportion(
    happened: ArrayLike, weights: ArrayLike, stratum: ArrayLike | None = None, level: float = 0.95
) -> Estimate:
    """Probability of an event; as `weighted_mean` of 0 and 1, with the interval within [0, 1]."""
    found = weighted_mean(as_float(happened), weights, stratum, level)
    ends = (np.clip(end, 0, 1) for end in (found.low, found.high))
    return as_estimate(found.value, found.standard_error, *ends)


def weighted_quantile(
    values: ArrayLike,
    weights: ArrayLike,
    p: float,
    stratum: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    """Least value exceeded with a probability of at most 1 - p.

    Args:
      values: `[n]`.
      weights: `[n]`.
      p: in (0, 1).
      stratum: as `weighted_mean`.
      level: coverage.

    Returns:
      Scalars. The interval holds the values whose exceedance cannot be told from 1 - p: those of
      the sample at which the interval of `weighted_proportion` contains it. Its ends are NaN where
      the sample does not reach so far. The standard error is its width over 2 z.

    Errors:
      Raises ValueError for a level outside (0, 1).

    Source:
      Woodruff (1952), JASA 47, 635-646; weighted: Glynn (1996), MCQMC, 180-185.
    """
    if not 0 < p < 1:
        raise ValueError(f"level of a quantile {p} outside (0, 1)")
    x, w = as_sample(values, -1), _weights(weights)
    order = np.argsort(x, kind="stable")
    x, w = x[order], np.broadcast_to(w, x.shape)[order]
    which = None if stratum is None else np.asarray(stratum)[order]
    beyond = (np.cumsum(w[::-1])[::-1] - w) / len(x)  # P(X > x_i), ties by their order
    place = int(np.argmax(beyond <= 1 - p))

    def ends(i: int) -> Estimate:
        return weighted_proportion(x > x[i], w, which, level)

    first = _first(lambda i: float(ends(i).low) <= 1 - p, len(x))
    last = _first(lambda i: float(ends(i).high) < 1 - p, len(x))
    low = x[first] if first > 0 else np.nan
    high = x[last] if last < len(x) - 1 else np.nan
    return as_estimate(x[place], (high - low) / (2 * normal_quantile(level)), low, high)


def weighted_expected_shortfall(
    values: ArrayLike,
    weights: ArrayLike,
    p: float,
    stratum: ArrayLike | None = None,
    level: float = 0.95,
) -> Estimate:
    r"""Mean of the worst share 1 - p: q + E[w max(x - q, 0)] / (1 - p) with q the quantile.

    The error is that of the influence function q + max(x - q, 0) / (1 - p), whose sensitivity to q
    vanishes to first order.

    Args, Returns, Errors:
      As `weighted_quantile`; the interval is that of `weighted_mean`.

    Source:
      Rockafellar & Uryasev (2002); weighted: Sun and Hong (2010), Oper. Res. Letters 38, 246-251.
    """
    boundary = float(weighted_quantile(values, weights, p, stratum, level).value)
    excess = np.maximum(as_sample(values, -1) - boundary, 0) / (1 - p)
    found = weighted_mean(excess, weights, stratum, level)
    return as_estimate(
        boundary + found.value, found.standard_error, boundary + found.low, boundary + found.high
    )


def diagnostics(terms: ArrayLike) -> Diagnostics:
    """Whether a mean rests on many terms or on a few.

    Args:
      terms: weight times value of every path, `[n]`, at least 0.

    Returns:
      Effective size, largest share and Pareto shape.

    Source:
      Kish (1965), Survey Sampling; Vehtari, Simpson, Gelman, Yao and Gabry (2024), JMLR 25(72), for
      the shape; its fit: Zhang and Stephens (2009), Technometrics 51, 316-325.
    """
    t = np.abs(as_sample(terms, -1))
    total, square = t.sum(), (t**2).sum()
    if not total > 0:
        return Diagnostics(0.0, float("nan"), float("nan"))
    return Diagnostics(float(total**2 / square), float(t.max() / total), _pareto_shape(t))


def refusal(found: Estimate, seen: Diagnostics | None) -> str:
    """A sentence why a number is not to be used; "" where nothing speaks against it."""
    value, error = float(found.value), float(found.standard_error)
    if not value > 0:
        return "no path reached the event"
    if not error > 0:
        return "its sample gives no standard error"
    if not error <= WORST * value:
        return f"its standard error is {error / value:.0%} of the value, at most {WORST:.0%}"
    if seen is None:
        return ""
    if seen.effective_sample_size < FEWEST:
        return f"it rests on {seen.effective_sample_size:.0f} effective paths, at least {FEWEST}"
    if seen.largest_share > LARGEST:
        return f"one path makes {seen.largest_share:.0%} of the value, at most {LARGEST:.0%}"
    if seen.pareto_k > HEAVIEST:
        return f"its weights have a tail of shape {seen.pareto_k:.2f}, at most {HEAVIEST}"
    return ""


def _weights(weights: ArrayLike) -> np.ndarray:
    w = as_float(weights)
    if np.any(w < 0):
        raise ValueError("weights must be at least 0")
    return w


def _moments(x: np.ndarray, stratum: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    """Second and third central moment within strata, averaged over paths, `[...]`."""
    n = x.shape[-1]
    groups = [np.arange(n)]
    if stratum is not None:
        labels = np.asarray(stratum)
        groups = [np.flatnonzero(labels == k) for k in np.unique(labels)]
    whole = x - x.mean(axis=-1, keepdims=True)
    spread = (whole**2).sum(axis=-1) / max(n - 1, 1)
    second, third = np.zeros(x.shape[:-1]), np.zeros(x.shape[:-1])
    for members in groups:
        part = x[..., members]
        size = len(members)
        away = part - part.mean(axis=-1, keepdims=True) if size > 1 else whole[..., members]
        own = size / (size - 1) * (away**2).sum(axis=-1) if size > 1 else spread
        second = second + own / n
        third = third + (away**3).sum(axis=-1) / n
    return second, third


def _first(holds, count: int) -> int:
    """First index at which a condition that stays true once it is holds; `count` for none."""
    low, high = 0, count
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle + 1, high)
    return low


def _pareto_shape(t: np.ndarray) -> float:
    """Shape of a generalised Pareto law of the largest terms; NaN where fewer than five differ."""
    n = len(t)
    count = int(min(0.2 * n, 3 * np.sqrt(n)))
    ordered = np.sort(t)
    if count < 5 or n <= count:
        return float("nan")
    excess = ordered[-count:] - ordered[-count - 1]
    excess = excess[excess > 0]
    if len(np.unique(excess)) < 5:
        return float("nan")
    m = len(excess)
    grid = 30 + int(np.sqrt(m))
    quarter = excess[int(m / 4 + 0.5) - 1]
    b = 1 / excess[-1] + (1 - np.sqrt(grid / (np.arange(1, grid + 1) - 0.5))) / (3 * quarter)
    with np.errstate(invalid="ignore", divide="ignore"):
        k = np.log1p(-b[:, None] * excess).mean(axis=1)
        likelihood = m * (np.log(-b / k) - k - 1)
    likelihood = np.where(np.isfinite(likelihood), likelihood, -np.inf)
    weight = np.exp(likelihood - likelihood.max())
    mean_b = float((b * weight).sum() / weight.sum())
    shape = float(np.log1p(-mean_b * excess).mean())
    return (m * shape + 5) / (m + 10)  # drawn towards 1/2 by ten observations, as in PSIS
