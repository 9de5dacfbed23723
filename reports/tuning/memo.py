"""The memo of a tuning: the recommendation first, then what stands behind it, in sentences.

Every number is read from the dataset.
"""

import numpy as np
import xarray as xr

from reports import selection, units
from reports.phrases import listed
from reports.selection import Estimate
from reports.tuning import words


def lead(results: xr.Dataset) -> list[str]:
    """The memo's sentences, the recommendation first.

    Args:
      results: dataset of a tuning.

    Returns:
      Sentences of plain text.
    """
    said = [recommendation(results), limits(results), against_today(results), steps(results)]
    said += [edge(results), fresh(results), places(results), *prices(results)]
    said += [words.RESPONSES[str(results.attrs["borrower_response"])], lost(results)]
    return [sentence for sentence in said if sentence]


def recommendation(results: xr.Dataset) -> str:
    """What to do, in one sentence."""
    best, sure = int(results["best"]), words.confidence(results)
    number = results.sizes["candidate"]
    if best < 0:
        return _nothing(results, number, sure)
    values, today = results["values"].values[best], results["variable_today"].values
    moves = words.change(results, today, values)
    before, after = (float(results["objective"][n]) for n in (0, best))
    if not moves:
        return (
            f"Recommendation: change nothing; of {_candidates(number)} that were looked at, the "
            f"figures in force have the largest {words.objective_name(results)} "
            f"({words.objective(results, before)}) that keeps every limit at {sure} confidence."
        )
    effect = (
        f"{words.objective_name(results)} goes from {words.objective(results, before)} to "
        f"{words.objective(results, after)}, and every limit is kept at {sure} confidence on "
        "random numbers that the search had not seen"
    )
    planned = results["step_values"].values
    if len(planned) < 2:
        if not results["step_feasible"].values.all():
            return _nothing(results, number, sure)
        return f"Recommendation: {listed(moves)}; {effect}."
    done = int(results["step_feasible"].values.sum())
    if done == 0:
        return (
            "Recommendation: change nothing yet; the best candidate "
            f"({words.point(results, values)}) keeps every limit, but the first step on the way "
            "to it does not."
        )
    first = words.change(results, today, planned[0])
    if done < len(planned):
        reach = words.point(results, planned[done - 1])
        return (
            f"Recommendation: {listed(first)} now and go no farther than {reach}; the best "
            f"candidate ({words.point(results, values)}) keeps every limit, but a step on the way "
            "to it does not."
        )
    return (
        f"Recommendation: {listed(first)} now, the first of {done} steps "
        f"to {words.point(results, values)}; there {effect}."
    )


def _nothing(results: xr.Dataset, number: int, sure: str) -> str:
    kept = int(results.attrs["feasible_candidates"])
    if kept:
        return (
            f"Recommendation: none; {kept} of {_candidates(number)} keep every limit in the "
            "search, but none that was run again with fresh seeds does there."
        )
    usage = results["usage"].values
    nearest = int(np.argmin(usage))
    text = (
        f"Recommendation: none; of {_candidates(number)} none is shown to keep every limit at "
        f"{sure} confidence"
    )
    if not np.isfinite(usage[nearest]):
        return f"{text}, and no risk has a bound: more paths."
    return (
        f"{text}; the nearest ({words.point(results, results['values'].values[nearest])}) uses "
        f"{units.percent(float(usage[nearest]))} of one."
    )


def _candidates(number: int) -> str:
    return f"{units.count(number)} candidates" if number != 1 else "one candidate"


def advised(results: xr.Dataset) -> int:
    """Place on fresh seeds of what the memo speaks of: the best, or the last step that holds."""
    done = int(results["step_feasible"].values.sum())
    if 0 < done < results.sizes["step"]:
        return int(results["step_fresh"][done - 1])
    return int(results["best_fresh"])


def limits(results: xr.Dataset) -> str:
    """Every risk of the recommendation on fresh seeds against its limit."""
    at = advised(results)
    if at < 0:
        return ""
    parts = []
    for name in selection.names(results, "constraint"):
        unit = words.unit_of(results, name)
        found = words.estimate(results, "fresh_risk", name, fresh=at)
        limit = units.quantity(float(results["limit"].sel(constraint=name)), unit)
        parts.append(
            f"{words.risk(results, name)} is {words.with_bounds(found, unit)}, allowed {limit}"
        )
    paths = units.count(float(results.attrs["fresh_paths"]))
    point = words.point(results, results["fresh_values"].values[at])
    return f"At {point}, on {paths} fresh paths: {'; '.join(parts)}."


def against_today(results: xr.Dataset) -> str:
    """How the risks differ from those of the figures in force, path by path."""
    at = advised(results)
    if at <= 0:
        return ""
    parts = []
    for name in selection.names(results, "constraint"):
        unit = words.unit_of(results, name)
        found = words.estimate(results, "fresh_difference", name, fresh=at)
        today = words.estimate(results, "fresh_risk", name, fresh=0)
        if not found.known:
            continue
        if found.value == 0 and found.low == found.high:
            parts.append(f"{words.risk(results, name)} does not move on any path")
            continue
        sign = "by " if found.value < 0 else "by +"
        parts.append(
            f"{words.risk(results, name)} moves {sign}{words.with_bounds(found, unit)} from "
            f"{units.value(today, unit)}"
        )
    return f"Against the figures in force, on the same paths: {'; '.join(parts)}." if parts else ""


def steps(results: xr.Dataset) -> str:
    """The plan where a variable may not move all the way at once."""
    planned, kept = results["step_values"].values, results["step_feasible"].values
    if len(planned) < 2:
        return ""
    parts = []
    for n, (values, fine) in enumerate(zip(planned, kept, strict=True)):
        told = "" if fine else ", where a limit is not shown to hold"
        parts.append(f"{n + 1}. {words.point(results, values)}{told}")
    return (
        f"Steps, each within the largest change allowed and run on fresh seeds: {'; '.join(parts)}."
    )


def edge(results: xr.Dataset) -> str:
    """Variables whose best value is an end of what was looked at: a wider range may hold more."""
    best = int(results["best"])
    if best < 0:
        return ""
    values, ends = results["values"].values, []
    for k, name in enumerate(selection.names(results, "variable")):
        low, high = values[:, k].min(), values[:, k].max()
        if low < high and values[best, k] in (low, high):
            ends.append(f"the {words.variable(results, name)}")
    if not ends:
        return ""
    return f"The best candidate is at an end of the range of {listed(ends)}: look farther there."


def fresh(results: xr.Dataset) -> str:
    """Whether fresh seeds show what the search had promised."""
    tried = results["tried"].values
    if not len(tried):
        return ""
    inside = str(results.attrs["inside_bands"]) == "true"
    first = "The best of the search" if len(tried) == 1 else "The first of them"
    text = (
        ""
        if len(tried) == 1
        else f"{units.count(len(tried))} candidates were run again with fresh seeds until one kept "
        "every limit. "
    )
    verdict = "inside" if inside else "outside"
    more = "" if inside else ": choosing the best of many has flattered it"
    return (
        f"{text}{first} lies on fresh seeds {verdict} the bands that the search had stated for "
        f"such a repeat{more}."
    )


def places(results: xr.Dataset) -> str:
    """Where each variable reaches the limits, all else as in the best candidate."""
    parts = []
    for v in selection.names(results, "variable"):
        for c in selection.names(results, "constraint"):
            found = selection.estimate(results["reached"].sel(variable=v, constraint=c))
            if not found.known:
                continue
            low, high = (words.amount(results, v, x) for x in (found.low, found.high))
            between = f" ({low} to {high})" if units.MISSING not in (low, high) else ""
            parts.append(
                f"the {words.variable(results, v)} at {words.amount(results, v, found.value)}"
                f"{between} brings {words.risk(results, c)} to its limit"
            )
    return f"All else as in the best candidate, {listed(parts)}." if parts else ""


def prices(results: xr.Dataset) -> list[str]:
    """What relaxing each limit would buy."""
    if int(results["best"]) < 0:
        return []
    said = []
    for name in selection.names(results, "constraint"):
        entry = results.sel(constraint=name)
        unit, gain = words.unit_of(results, name), float(entry["price_gain"])
        if gain <= 0:
            said.append(
                f"Relaxing the limit on {words.risk(results, name)} alone buys nothing among the "
                "candidates."
            )
            continue
        per, each = (0.01, "percentage point") if unit == "1" else (1e6, "$1M")
        found = selection.estimate(entry["price"])
        price = [words.objective(results, x * per) if np.isfinite(x) else "more" for x in (
            found.value, found.low, found.high)]  # fmt: skip
        said.append(
            f"Shadow price of {words.risk(results, name)}: {price[0]} of "
            f"{words.objective_name(results)} per {each} ({price[1]} to {price[2]}); the next "
            f"candidate, {words.point(results, entry['price_next'].values)}, would need a limit of "
            f"{units.quantity(float(entry['price_limit']), unit)}."
        )
    return said


def lost(results: xr.Dataset) -> str:
    """Paths that did not end well."""
    failed = int(results["failed"].sum()) + int(results["fresh_failed"].sum())
    flagged = int(results["flagged"].sum())
    parts = [f"{units.count(failed)} paths were not finite and count against every limit"] * (
        failed > 0
    )
    parts += [
        f"{units.count(flagged)} paths of the search ended with a status other than fine, such as "
        "the limit of rounds; their figures count"
    ] * (flagged > 0)
    return f"Over all candidates, {listed(parts)}." if parts else ""


def markdown(results: xr.Dataset) -> str:
    """The memo as text; the first line is the recommendation."""
    first, *rest = lead(results)
    attrs = results.attrs
    about = (
        f"{attrs['name']}: {units.count(float(results.sizes['candidate']))} candidates by "
        f"{attrs['search']}, {units.count(float(attrs['paths']))} paths each (seed "
        f"{attrs['seed']}), fresh {units.count(float(attrs['fresh_paths']))} (seed "
        f"{attrs['fresh_seed']}); campaign {attrs['campaign']}, rules {attrs['venue']}, book "
        f"{attrs['book']}, {units.count(float(attrs['accounts']))} accounts, horizon "
        f"{units.hours(float(attrs['horizon_hours']))}, feedback "
        f"{'on' if attrs['feedback'] == 'true' else 'off'}."
    )
    sure = (
        f"Numbers in brackets are one-sided bounds at {words.confidence(results)}, differences and "
        "shadow prices have 95 % intervals; they cover the error of sampling alone."
    )
    lines = [first, "", *(f"- {sentence}" for sentence in rest), "", about, "", sure, ""]
    return "\n".join(lines).replace(units.SPACE, " ")


__all__ = ["Estimate", "lead", "markdown", "recommendation"]
