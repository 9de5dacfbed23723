"""How sure the results are, as variables of the dataset: events, tails, methods and diagnostics."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from stress.estimate import Estimate
from stress.estimator_schema import MAIN, Estimator
from stress.labels import attrs, stacked
from stress.metrics import MEASURES, Metric, failed_paths
from stress.rare_run import Rare
from stress.replicates import plain_paths, relative_error
from stress.tail_sample import PROBABILITIES
from stress.totals import Totals
from stress.weighted import Diagnostics

Variables = dict[str, Any]
TOLD = {
    "metric_estimator": ("estimator", "How the metric was estimated."),
    "metric_check": ("second method", "The independent method beside the first; empty: none."),
    "metric_choice": ("why this method", "How the method was chosen; empty: the campaign's own."),
    "metric_refusal": (
        "why a number is refused",
        "Why the metric is not given although it was estimated; empty: it is given.",
    ),
}
COUNTED = {
    "metric_paths": ("paths", "paths played", "Paths that the metric took."),
    "metric_failed_paths": (
        "paths",
        "paths that are not finite",
        "Evaluations on which a price or a total was not finite; the interval's high end counts "
        "paths among them as events, a line or a splitting as none.",
    ),
    "metric_plain_paths": (
        "paths",
        "plain paths for the same error",
        "Independent unweighted paths that would give the event's relative standard error, "
        "(1 - p) / (p error^2); NaN for other metrics.",
    ),
    "metric_effective_paths": (
        "paths",
        "effective paths",
        "Effective sample size of the terms whose mean the metric is, (sum t)^2 / sum t^2; NaN "
        "where paths count alike.",
    ),
    "metric_largest_share": (
        "1",
        "largest share",
        "Share of the largest term in the sum; NaN where paths count alike.",
    ),
    "metric_pareto_k": (
        "1",
        "Pareto shape of the weights",
        "Shape of the upper tail of the terms; above 0.7 a number is refused. NaN where paths "
        "count alike.",
    ),
    "metric_agreement": (
        "standard errors",
        "difference from the second method",
        "First less second estimate over the standard error of the difference; NaN without one.",
    ),
}


def event_metrics(rare: Rare) -> list[Metric]:
    """The events as metrics of the whole book; their estimates come from `rare_parts`."""
    return [
        Metric(
            id=f"event.{event.name}.probability",
            label=event.label,
            unit="1",
            bad="up",
            definition=event.definition,
            estimate=_not_of_totals,
        )
        for event in rare.events
    ]


def _not_of_totals(totals: Totals) -> Estimate:
    raise TypeError("an event is not estimated from totals")


def rare_coordinates() -> Variables:
    """Axes of tails and of watching."""
    return {"tail": list(PROBABILITIES), "watched": ["accounts", "loans"]}


def rare_parts(
    rare: Rare, name: str, metrics: list[Metric], totals: Totals, settings: Estimator
) -> Variables:
    """Variables of one scenario, name -> (dims, values, attrs)."""
    count = len(metrics)
    text: dict[str, list[str]] = {key: [""] * count for key in TOLD}
    text["metric_estimator"] = [settings.main] * count
    figures = {key: np.full(count, np.nan) for key in COUNTED}
    figures["metric_paths"][:] = totals.paths
    check = np.full((count, 4), np.nan)
    places = {metric.id: i for i, metric in enumerate(metrics)}

    def tell(i: int, seen: Diagnostics) -> None:
        figures["metric_effective_paths"][i] = seen.effective_sample_size
        figures["metric_largest_share"][i] = seen.largest_share
        figures["metric_pareto_k"][i] = seen.pareto_k

    figures["metric_failed_paths"][:] = failed_paths(totals)
    for metric, chosen in rare.metrics.get(name, {}).items():
        text["metric_estimator"][places[metric]] = "tilt"
        text["metric_choice"][places[metric]] = "less error by a pilot"
        figures["metric_paths"][places[metric]] = chosen.paths
        figures["metric_failed_paths"][places[metric]] = 0  # none, or it was not chosen
        tell(places[metric], chosen.diagnostics)
    for event, answer in zip(rare.events, rare.answers.get(name, []), strict=False):
        i, found = places[f"event.{event.name}.probability"], answer.found
        text["metric_estimator"][i] = found.method
        text["metric_refusal"][i] = found.refusal
        text["metric_choice"][i] = answer.why
        figures["metric_paths"][i] = found.paths
        figures["metric_failed_paths"][i] = found.failed
        figures["metric_plain_paths"][i] = plain_paths(
            float(found.estimate.value), relative_error(found.estimate)
        )
        if found.method not in MAIN:
            tell(i, found.diagnostics)
        if answer.check is not None:
            text["metric_check"][i] = answer.check.method
            figures["metric_agreement"][i] = answer.agreement
            if not answer.check.refusal:
                check[i] = stacked(answer.check.estimate)
    parts: Variables = {
        key: (("metric",), np.array(values, object), attrs("text", *TOLD[key]))
        for key, values in text.items()
    }
    for key, values in figures.items():
        parts[key] = (("metric",), values, attrs(*COUNTED[key]))
    parts["cross_check"] = (
        ("metric", "statistic"),
        check,
        attrs("see metric_unit", "second estimate", "The metric by its second method."),
    )
    return parts | _tails(rare, name) | _gap(rare, name)


def system_values(
    rare: Rare, name: str, metrics: list[Metric], values: Mapping[str, Estimate]
) -> np.ndarray:
    """Every metric with its statistics, `[metric, statistic]`; refused ones are NaN."""
    answers = rare.answers.get(name, [])
    events = {
        f"event.{event.name}.probability": answer.found
        for event, answer in zip(rare.events, answers, strict=True)
    }
    rows = []
    for metric in metrics:
        if metric.id in events:
            found = events[metric.id]
            refused = bool(found.refusal)
            rows.append(np.full(4, np.nan) if refused else stacked(found.estimate))
        elif metric.id in rare.metrics.get(name, {}):
            rows.append(stacked(rare.metrics[name][metric.id].estimate))
        else:
            rows.append(stacked(values[metric.id]))
    return np.stack(rows)


def _tails(rare: Rare, name: str) -> Variables:
    """Tail curves."""
    curves = rare.curves[name]
    levels = np.stack([curves[m].level for m in MEASURES])
    chances = np.stack([stacked(curves[m].probability) for m in MEASURES])
    effective = np.stack([curves[m].effective for m in MEASURES])
    about = "NaN where no sample can be trusted so far out."
    return {
        "tail_level": (
            ("measure", "tail"),
            levels,
            attrs("USDC", "loss in the tail", f"Loss that `tail_chance` is about; {about}"),
        ),
        "tail_chance": (
            ("measure", "tail", "statistic"),
            chances,
            attrs("1", "P(loss > x)", f"Probability of a loss above `tail_level`; {about}"),
        ),
        "tail_effective_paths": (
            ("measure", "tail"),
            effective,
            attrs("paths", "effective paths", "Effective sample size behind `tail_chance`."),
        ),
    }


def _gap(rare: Rare, name: str) -> Variables:
    """What watching at the times of the grid misses."""
    gap = rare.gaps.get(name)
    values = np.full((2, 4), np.nan)
    seen = np.full(2, np.nan)
    if gap is not None:
        values = np.stack([stacked(gap.accounts), stacked(gap.debt)])
        seen = np.array([gap.step_accounts, gap.step_debt])
    unit = "accounts; USDC"
    return {
        "monitoring_gap": (
            ("watched", "statistic"),
            values,
            attrs(
                unit,
                "missed between times",
                "Mean of margin accounts, and of their loans now, liquidatable at some moment, "
                "less those so at a time of the grid, on the same paths; Brownian bridge between "
                "times. NaN where prices between times are not a Brownian motion.",
            ),
        ),
        "monitoring_step": (
            ("watched",),
            seen,
            attrs(unit, "seen at the times", "Mean at the times of the grid, same paths."),
        ),
    }
