"""How sure are we: events by method and diagnostics, what was refused, what the grid misses."""

import math

import xarray as xr

from reports import selection, units
from reports.phrases import called
from reports.selection import Estimate
from reports.tables import Cell, Column, Table, anchor, scenario_columns

METHODS = {
    "plain": "plain paths",
    "antithetic": "mirrored paths",
    "sobol": "Sobol points",
    "tilt": "tilted paths",
    "tilt_sobol": "tilted Sobol points",
    "line": "lines",
    "radial": "radii",
    "splitting": "splitting",
}
WATCHED = {"accounts": "accounts", "loans": "loans"}


def events(results: xr.Dataset) -> Table | None:
    """Events by scenario: probability, interval, how it was found; none without events."""
    chosen = [m for m in selection.names(results, "metric") if m.startswith("event.")]
    if not chosen or "metric_estimator" not in results:
        return None
    rows, breaks = [], set()
    for metric in chosen:
        if rows:
            breaks.add(len(rows))
        label = str(results["metric_label"].sel(metric=metric).item())
        rows.append(_row(results, metric, label, _probability, link=f"#{anchor(metric)}"))
        rows.append(_row(results, metric, "One path in", _odds))
        rows.append(_row(results, metric, "Method", _method))
        rows.append(_row(results, metric, "Plain paths for the same error", _plain))
        if any(str(x) for x in results["metric_check"].sel(metric=metric).values):
            rows.append(_row(results, metric, "Second method", _second))
    caption = "Events: probability by the horizon, and how it was found"
    columns = [Column(heading="Event", numeric=False), *scenario_columns(results)]
    return Table(
        key="events", caption=caption, columns=columns, rows=rows, breaks=frozenset(breaks)
    )


def _row(results: xr.Dataset, metric: str, head: str, of, link: str = "") -> list[Cell]:
    entry = results.sel(metric=metric)
    cells = [of(entry.sel(scenario=s)) for s in selection.names(results, "scenario")]
    return [Cell(text=head, link=link), *cells]


def _probability(at: xr.Dataset) -> Cell:
    found = selection.estimate(at["system"])
    if not found.known:
        return Cell(text="refused", detail=str(at["metric_refusal"].item()))
    return Cell(text=units.value(found, "1"), detail=units.interval(found, "1"))


def _odds(at: xr.Dataset) -> Cell:
    found = selection.estimate(at["system"])
    if not found.known or not found.value > 0:
        return Cell(text=units.MISSING)
    return Cell(text=units.count(round(1 / found.value)))


def _method(at: xr.Dataset) -> Cell:
    name = str(at["metric_estimator"].item())
    said = [f"{units.count(float(at['metric_paths']))} paths"]
    effective, shape = float(at["metric_effective_paths"]), float(at["metric_pareto_k"])
    if math.isfinite(effective):
        said.append(f"{units.count(round(effective))} effective")
    if math.isfinite(shape):
        said.append(f"tail shape {units.significant(shape, 2)}")
    failed = float(at["metric_failed_paths"])
    if failed > 0:
        said.append(f"{units.count(failed)} not finite")
    why = str(at["metric_choice"].item())
    return Cell(text=METHODS.get(name, name), detail=", ".join(said), title=why)


def _plain(at: xr.Dataset) -> Cell:
    needed = float(at["metric_plain_paths"])
    if not math.isfinite(needed):
        return Cell(text=units.MISSING)
    return Cell(text=units.count(float(f"{needed:.2g}")))


def _second(at: xr.Dataset) -> Cell:
    name = str(at["metric_check"].item())
    found, apart = selection.estimate(at["cross_check"]), float(at["metric_agreement"])
    if not found.known:
        return Cell(text=METHODS.get(name, name) or units.MISSING, detail="refused")
    detail = f"{units.value(found, '1')} ({units.interval(found, '1')})"
    if math.isfinite(apart):
        detail += f"; {units.significant(abs(apart), 2)} standard errors apart"
    return Cell(text=METHODS.get(name, name), detail=detail)


def sentences(results: xr.Dataset) -> list[str]:
    """What a reader should know about the estimates, one sentence each."""
    said = [_other_methods(results), *_gaps(results)]
    if "metric_refusal" in results:
        for scenario in selection.names(results, "scenario"):
            for metric in selection.names(results, "metric"):
                at = results.sel(scenario=scenario, metric=metric)
                why = str(at["metric_refusal"].item())
                if why:
                    label = str(at["metric_label"].item())
                    said.append(f"{label} is not given under {called(scenario)}: {why}.")
    return [sentence for sentence in said if sentence]


def _other_methods(results: xr.Dataset) -> str:
    """Which metrics of the table above come from weighted paths."""
    if "metric_estimator" not in results:
        return ""
    found = results["metric_estimator"]
    labels = [
        str(found["metric_label"].sel(metric=m).item())
        for m in selection.names(results, "metric")
        if not m.startswith("event.") and (found.sel(metric=m).values == "tilt").any()
    ]
    if not labels:
        return ""
    names = "; ".join(labels)
    return f"Taken from tilted paths where a pilot promised less error: {names}."


def _gaps(results: xr.Dataset) -> list[str]:
    """What watching at the times of the grid misses, scenario by scenario."""
    if "monitoring_gap" not in results:
        return []
    said, unknown = [], []
    step = units.hours(float(selection.attribute(results, "step_hours", float("nan"))))
    for scenario in selection.names(results, "scenario"):
        parts = []
        for name in selection.names(results, "watched"):
            at = {"scenario": scenario, "watched": name}
            gap = selection.estimate(results["monitoring_gap"].sel(at))
            seen = float(results["monitoring_step"].sel(at))
            if gap.known and seen > 0:
                share = Estimate(value=gap.value / seen, low=gap.low / seen, high=gap.high / seen)
                parts.append(
                    f"{units.value(share, '1')} ({units.interval(share, '1')}) more {WATCHED[name]}"
                )
        if parts:
            said.append(f"{' and '.join(parts)} under {called(scenario)}")
        else:
            unknown.append(called(scenario))
    sentences = []
    if said:
        sentences.append(
            f"Watched at every moment instead of every {step}, liquidations would take "
            f"{'; '.join(said)} (a Brownian bridge between the times, on paths of its own)."
        )
    if unknown:
        sentences.append(
            "What the time grid misses is not known under " + ", ".join(unknown) + ": prices "
            "between two times are no Brownian motion there, or feedback is on."
        )
    return sentences
