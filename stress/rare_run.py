"""What a campaign estimates on paths of its own: events, tails, the cost of watching by steps."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import jax
import jax.numpy as jnp
import numpy as np

from stress.answers import BEYOND_CHANCE, Answer, answer, event_key
from stress.batches import batch_of, batched, cautious, within
from stress.campaign import Plan, path_function, scenario_key
from stress.estimate import Estimate, paired_difference
from stress.estimator_check import check_estimator
from stress.estimator_schema import Estimator
from stress.events import RareEvent, narrowed
from stress.metrics import MEASURES, METRICS, Metric, failed_paths, share_of
from stress.path_function import PathFunction
from stress.rare import Case, Found, counted
from stress.replicates import agreement
from stress.sampling.draws import PLAIN, normals
from stress.tail_sample import (
    TailCurve,
    combined,
    plain_curve,
    tail_curve,
    tail_mixture,
    tail_sample,
    weighted_metric,
)
from stress.totals import Totals
from stress.weighted import Diagnostics, diagnostics, refusal

TAILS = 0x7A115  # folded into the seed's key for tail samples
GAPS = 0x6A9  # for the paths on which both ways of watching are compared
GAP_PATHS = 256
MOST_TAIL_PATHS = 16_384


@dataclass(frozen=True, eq=False)
class Gap:
    """Watching between the times of the grid less watching at them, on the same paths."""

    accounts: Estimate  # margin accounts
    debt: Estimate  # USDC, loans now of those accounts
    step_accounts: float  # of the same paths, at the times of the grid
    step_debt: float
    paths: int


@dataclass(frozen=True, eq=False)
class Chosen:
    """A metric of the whole book taken from weighted paths, because a pilot promised less error."""

    estimate: Estimate
    paths: int
    diagnostics: Diagnostics


@dataclass(frozen=True, eq=False)
class Rare:
    """Results by scenario."""

    events: tuple[RareEvent, ...] = ()
    answers: dict[str, list[Answer]] = field(default_factory=dict)
    curves: dict[str, dict[str, TailCurve]] = field(default_factory=dict)
    metrics: dict[str, dict[str, Chosen]] = field(default_factory=dict)  # by metric id
    gaps: dict[str, Gap] = field(default_factory=dict)


def rare_run(
    plan: Plan,
    totals: Mapping[str, Totals],
    say: Callable[[str], None] = lambda sentence: None,
) -> Rare:
    """Estimates the events and, where the estimator reaches for them, the tails of a campaign.

    Args:
      plan: the campaign, built.
      totals: of its own paths.
      say: called with a sentence about what is being done.

    Returns:
      The results.

    Errors:
      InputError as `check_estimator`.
    """
    spec = plan.campaign.spec
    found = Rare(events=check_estimator(plan), curves=alone(totals, spec.estimator).curves)
    for name, total in totals.items():
        paths, key = path_function(plan, name), scenario_key(spec.seed, name)
        found.answers[name] = [
            answer(case, own_paths(plan, total, case), say)
            for case in (_case(plan, event, paths, key) for event in found.events)
        ]
        if spec.estimator.reaches:
            say(f"tails of losses under {name}")
            curves, found.metrics[name] = _tails(plan, total, paths, jax.random.fold_in(key, TAILS))
            plain = found.curves[name]
            found.curves[name] = {m: combined(curves[m], plain[m]) for m in MEASURES}
        if plan.cascade is None and paths.brownian:
            found.gaps[name] = monitoring_gap(paths, jax.random.fold_in(key, GAPS), GAP_PATHS)
    return found


def alone(totals: Mapping[str, Totals], settings: Estimator) -> Rare:
    """What the campaign's own paths say: no events, tails as deep as they reach."""

    def curve(loss: np.ndarray) -> TailCurve:
        found = plain_curve(loss)
        return replace(found, probability=cautious(found.probability, settings))

    return Rare(
        curves={
            name: {m: curve(total.by_path[m]) for m in MEASURES} for name, total in totals.items()
        }
    )


def own_paths(plan: Plan, total: Totals, case: Case) -> Found | None:
    """What the campaign's own paths say of an event; None where other paths are asked for."""
    settings = plan.campaign.spec.estimator
    if settings.reaches or case.continuous:
        return None
    batch = batch_of(settings, total.paths)
    failed = failed_paths(total)
    if case.event.account:
        place = [str(i) for i in plan.campaign.book.ids].index(case.event.account)
        hits = int(total.counts["first"][:-1, place].sum())
        found = counted("plain", hits, total.paths, failed, diagnostics(np.ones(max(hits, 1))))
        return replace(found, method=settings.main, estimate=cautious(found.estimate, settings))
    loss = total.by_path[case.event.measure]
    beyond = np.nan_to_num(loss, nan=-np.inf) > case.event.level
    found = counted("plain", int(beyond.sum()), total.paths, failed, diagnostics(beyond))
    if batch is None:
        return found
    marked = Totals(total.paths, by_path={"beyond": beyond, "status": total.by_path["status"]})
    shared = batched(lambda t: share_of(t, t.by_path["beyond"]), marked, batch)
    number = len(np.unique(batch))
    return replace(found, method=settings.main, estimate=within(shared, 0, 1), repeats=number)


def _case(plan: Plan, event: RareEvent, paths: PathFunction, key: jax.Array) -> Case:
    own = narrowed(paths, plan.campaign, plan.inputs.venue, event)
    settings = plan.campaign.spec.estimator
    return Case(event, own, settings, event_key(key, event.name))


def _tails(
    plan: Plan, total: Totals, paths: PathFunction, key: jax.Array
) -> tuple[dict[str, TailCurve], dict[str, Chosen]]:
    """Tail curves of a scenario, and the metrics that weighted paths know better."""
    batch = paths.batch
    count = -(-min(total.paths, MOST_TAIL_PATHS) // batch) * batch
    first, second = jax.random.split(key)
    mix = tail_mixture(paths)
    pilot = tail_sample(paths, mix, first, batch, batch)
    sample = tail_sample(paths, mix, second, count, batch)
    chosen = {}
    for metric, (measure, kind) in WEIGHTED.items():
        promised = float(weighted_metric(pilot, measure, kind)[0].standard_error)
        plain = _plain_error(total, metric, min(batch, total.paths))
        if not 0 < promised / np.sqrt(count) < plain / np.sqrt(total.paths):
            continue
        found, seen = weighted_metric(sample, measure, kind)
        own = _metric(metric).estimate(total)
        apart = agreement(found, own)
        if not refusal(found, seen) and (np.isnan(apart) or abs(apart) < BEYOND_CHANCE):
            chosen[metric] = Chosen(found, count, seen)
    return {measure: tail_curve(sample, measure) for measure in MEASURES}, chosen


def _plain_error(total: Totals, metric: str, count: int) -> float:
    """Error of a metric by the first paths of the campaign; infinite where they give none."""
    part = Totals(count, by_path={n: values[:count] for n, values in total.by_path.items()})
    error = float(_metric(metric).estimate(part).standard_error)
    return error if np.isfinite(error) and error > 0 else float("inf")


def _metric(name: str) -> Metric:
    return next(m for m in METRICS if m.id == name)


WEIGHTED = {
    f"system.{measure}.{kind}": (measure, kind)
    for measure in MEASURES
    for kind in ("var_99", "es_99")
} | {"system.probability_bad_debt": ("bad_debt", "probability")}


def monitoring_gap(paths: PathFunction, key: jax.Array, count: int) -> Gap:
    """How much is missed between the times of the grid, on the same paths.

    Args:
      paths: a scenario with Brownian prices between times.
      key: of the paths.
      count: paths.

    Returns:
      Differences, with errors between paths; an account crosses between two times with the
      probability of a Brownian bridge given its distances (`stress.sampling.crossing`).
    """
    steps, width = paths.shape
    drawn = normals(PLAIN, key, jnp.arange(count), steps, width)
    found = np.asarray(paths.liquidated(drawn))
    seen, ever = found[:, 0], found[:, 1]
    accounts, debt = (paired_difference(ever[:, k], seen[:, k]) for k in (0, 1))
    step_accounts, step_debt = map(float, seen.mean(axis=0))
    return Gap(accounts, debt, step_accounts, step_debt, count)
