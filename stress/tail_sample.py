"""Tails of losses down to one path in a million: one weighted sample of a scenario for all of them.

Paths are drawn from the target and from shifts towards the worst points of each loss at three
distances, so that every depth of the tail is somebody's ordinary path.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special

from stress.estimate import Estimate, as_estimate
from stress.metrics import MEASURES
from stress.path_function import PathFunction
from stress.sampling.design import worst_point
from stress.sampling.draws import PLAIN
from stress.sampling.tilt import PARTS, Mixture, likelihood_ratio, mixture, shares, tilted
from stress.shifts import ALIKE, cosine, starts, worst_step
from stress.smooth import smooth_limit
from stress.weighted import (
    Diagnostics,
    diagnostics,
    refusal,
    weighted_expected_shortfall,
    weighted_proportion,
    weighted_quantile,
)

DEEPEST = 1e-6  # least probability of a curve
PROBABILITIES = 10.0 ** -np.arange(0.5, 6.01, 0.25)
DISTANCES = (0.4, 0.7, 1.0)  # of the deepest probability's distance
DEFENSIVE = 2  # sixteenths drawn from the target itself, at least
GUIDES = ("liquidated_debt", "liquidated_notional", "equity_loss", "bad_debt")  # aims of shifts


@dataclass(frozen=True, eq=False)
class TailSample:
    """Weighted paths of one scenario."""

    losses: dict[str, np.ndarray]  # measure -> [n], USDC; NaN: the path is not finite
    weights: dict[str, np.ndarray]  # measure -> [n, T], ratio at every time; [n, 1]: of the whole
    courses: dict[str, np.ndarray]  # measure -> [n, T], totals up to every time
    stratum: np.ndarray  # [n]


@dataclass(frozen=True, eq=False)
class TailCurve:
    """P(loss > x) of one measure; leaves `[L]`, NaN where a point is refused."""

    level: np.ndarray  # USDC
    probability: Estimate
    effective: np.ndarray  # effective paths behind each point
    paths: int


def tail_mixture(paths: PathFunction) -> Mixture:
    """The proposals of a scenario's tails; the target alone where no gradient leads anywhere.

    For each loss the worst lasting moves, and the worst single step where that alone does more:
    with fat-tailed steps it does by far.
    """
    far = float(-special.ndtri(DEEPEST))
    points: list[list[np.ndarray]] = [[], []]  # the first of every loss, then the second
    bursts: list[np.ndarray] = []
    for measure in GUIDES:
        limit = smooth_limit(paths, measure, 1.0)
        reached = -np.inf
        for order, begin in enumerate(starts(limit, paths.shape, paths.price_columns)[:2]):
            point = worst_point(limit, begin, far)
            if point is not None:
                reached = max(reached, limit(point)[0])
                points[order].append(point)
        burst = worst_step(limit, paths, far)
        if burst is not None and burst[1] > reached:
            bursts.append(burst[0])
    return _shared(paths.shape, _apart(points[0] + points[1]), _apart(bursts))


def _apart(points: list[np.ndarray]) -> list[np.ndarray]:
    """Points without those that are nearly another before them."""
    kept: list[np.ndarray] = []
    for point in points:
        if all(cosine(point, other) < ALIKE for other in kept):
            kept.append(point)
    return kept


def _shared(shape: tuple[int, int], points: list[np.ndarray], bursts: list[np.ndarray]) -> Mixture:
    """A mixture of the target, points and bursts at three distances, in nearly equal shares."""
    room = (PARTS - DEFENSIVE) // len(DISTANCES)
    bursts = bursts[: max(room - 1, 0)]
    points = points[: room - len(bursts)]
    shifts = [np.zeros(shape), *(share * p for p in points for share in DISTANCES)]
    single = [share * b for b in bursts for share in DISTANCES]
    parts = shares(len(shifts) - 1 + len(single), DEFENSIVE)
    return mixture(np.stack(shifts), parts, np.array(single).reshape(-1, shape[1]))


def tail_sample(
    paths: PathFunction, mix: Mixture, key: jax.Array, count: int, batch: int
) -> TailSample:
    """Draws a scenario's weighted paths, `count` made whole for batches."""
    steps, width = paths.shape
    rows: list[dict[str, np.ndarray]] = []
    for start in range(0, count, batch):
        drawn, which = tilted(mix, PLAIN, key, jnp.arange(start, start + batch), steps, width)
        ratio = np.asarray(likelihood_ratio(mix, drawn))
        money, courses = paths.courses(drawn)
        row = {"stratum": np.asarray(which), "ratio": ratio}
        for measure in MEASURES:
            row[measure] = np.asarray(getattr(money, measure))
            if courses is not None and hasattr(courses, measure):
                row[f"{measure}.course"] = np.asarray(getattr(courses, measure))
        rows.append(row)
    whole = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    courses = {m: whole[f"{m}.course"] for m in MEASURES if f"{m}.course" in whole}
    weights = {m: whole["ratio"] if m in courses else whole["ratio"][:, -1:] for m in MEASURES}
    losses = {m: whole[m] for m in MEASURES}
    return TailSample(losses, weights, courses, whole["stratum"])


def tail_curve(sample: TailSample, measure: str) -> TailCurve:
    """P(loss > x) at the losses exceeded with PROBABILITIES.

    Args:
      sample: weighted paths.
      measure: of `stress.metrics.MEASURES`.

    Returns:
      Points in the order of PROBABILITIES, each at a loss of the sample; a loss that many paths
      share is one point with its own probability. NaN where the sample holds no such loss, where
      the loss is zero or where the diagnostics of a point fail. Paths that are not finite count as
      the largest loss at the high end and as none at the low one.
    """
    loss = sample.losses[measure]
    whole = sample.weights[measure][:, -1]
    known = ~np.isnan(loss)
    order = np.argsort(np.where(known, loss, -np.inf), kind="stable")[::-1]
    beyond = np.cumsum(whole[order]) / len(loss)
    levels, values, seen = [], [], []
    lost = float(whole[~known].sum()) / len(loss)
    for p in PROBABILITIES:
        place = int(np.searchsorted(beyond, p))
        level = float(loss[order[place]]) if place < known.sum() else 0.0
        level = float(np.nextafter(level, 0))  # of losses that many paths share: at least that
        terms = weights_above(sample, measure, level) if level > 0 else np.zeros(len(loss))
        found = weighted_proportion(terms > 0, terms, sample.stratum)
        shown = diagnostics(terms)
        good = level > 0 and not refusal(found, shown)
        levels.append(level if good else np.nan)
        seen.append(shown.effective_sample_size)
        ends = (found.value, found.standard_error, found.low, min(float(found.high) + lost, 1.0))
        values.append(ends if good else (np.nan,) * 4)
    return TailCurve(
        np.array(levels), as_estimate(*np.array(values, float).T), np.array(seen), len(loss)
    )


def weights_above(sample: TailSample, measure: str, level: float) -> np.ndarray:
    """Weight of each path with a loss above a level, taken when the loss first passed it.

    Args:
      sample: weighted paths.
      measure: of `stress.metrics.MEASURES`.
      level: USDC.

    Returns:
      `[n]`, 0 for a path without; its mean is P(loss > level).
    """
    weights = sample.weights[measure]
    happened = np.nan_to_num(sample.losses[measure], nan=-np.inf) > level
    if measure not in sample.courses:
        return np.where(happened, weights[:, -1], 0.0)
    beyond = np.nan_to_num(sample.courses[measure], nan=-np.inf) > level
    when = np.where(beyond.any(axis=1), beyond.argmax(axis=1), weights.shape[1] - 1)
    return np.where(happened, np.take_along_axis(weights, when[:, None], axis=1)[:, 0], 0.0)


def plain_curve(loss: np.ndarray) -> TailCurve:
    """The same of independent or batched paths without weights, `[n]`; NaN as `tail_curve`."""
    ones = np.ones((len(loss), 1))
    alone = TailSample({"loss": loss}, {"loss": ones}, {}, np.zeros(len(loss), int))
    return tail_curve(alone, "loss")


def combined(one: TailCurve, other: TailCurve) -> TailCurve:
    """Each point from the first curve, from the second where the first refuses it."""
    use = np.isnan(one.level)

    def pick(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.where(use, b, a)

    names = ("value", "standard_error", "low", "high")
    parts = (pick(getattr(one.probability, n), getattr(other.probability, n)) for n in names)
    return TailCurve(
        pick(one.level, other.level),
        as_estimate(*parts),
        pick(one.effective, other.effective),
        one.paths + other.paths,
    )


def weighted_metric(sample: TailSample, measure: str, kind: str) -> tuple[Estimate, Diagnostics]:
    """A metric of a loss from weighted paths.

    Args:
      sample: weighted paths.
      measure: of `stress.metrics.MEASURES`.
      kind: `var_99`, `es_99` or `probability` of a loss above 0.

    Returns:
      (scalars, diagnostics of the terms they rest on); NaN where a path is not finite.
    """
    loss, weight = sample.losses[measure], sample.weights[measure][:, -1]
    if np.isnan(loss).any():
        return as_estimate(*[np.nan] * 4), diagnostics(np.zeros(1))
    if kind == "probability":
        found = weighted_proportion(loss > 0, weight, sample.stratum)
        return found, diagnostics(weight * (loss > 0))
    boundary = weighted_quantile(loss, weight, 0.99, sample.stratum)
    if kind == "var_99":
        return boundary, diagnostics(weight * (loss > boundary.value))
    found = weighted_expected_shortfall(loss, weight, 0.99, sample.stratum)
    return found, diagnostics(weight * np.maximum(loss - boundary.value, 0))
