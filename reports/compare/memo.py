"""The verdict on a rule change in plain sentences, each number read from the dataset."""

import xarray as xr

from reports import selection, units
from reports.compare import lookup
from reports.compare.lookup import BORROWERS, DEAR, OPEN, SAFE, Cell
from reports.phrases import called, listed, paths

ODDS, EFFICIENCY = "liquidation_odds", "capital_efficiency"


def lead(results: xr.Dataset) -> list[str]:
    """The verdict first, then losses, odds, efficiency, readings and what could not stand.

    Args:
      results: dataset of a comparison.

    Returns:
      Sentences of plain text.
    """
    scenarios = selection.names(results, "scenario")
    said = [verdict(results), meaning(results)]
    said += [losses(results, s) for s in scenarios]
    said += [odds(results), efficiency(results), readings(results), standing(results)]
    return [sentence for sentence in said if sentence]


def verdict(results: xr.Dataset) -> str:
    """Safe, not safe or undecided, scenario by scenario."""
    by_scenario = {s: lookup.verdict(results, s) for s in selection.names(results, "scenario")}
    parts = []
    for word in (SAFE, DEAR, OPEN):
        named = [f"“{called(s)}”" for s, found in by_scenario.items() if found == word]
        parts += [f"{word} under {listed(named)}"] if named else []
    return f"{subject(results)} is {listed(parts)}, judged by this book."


def subject(results: xr.Dataset) -> str:
    """The change in a few words: the rule itself where only one or two changed."""
    found = lookup.changes(results)
    date = str(selection.attribute(results, "after")).split("/")[-1]
    if 0 < len(found) <= 2:
        parts = [
            f"{rule(c['key'])} from {shown(c['before'])} to {shown(c['after'])}" for c in found
        ]
        return f"The change of {date} ({listed(parts)})"
    return f"The change of {date} ({len(found)} rules)"


def rule(key: str) -> str:
    """A rule's key in words: `tokens.HYPE.ltv` is `HYPE LTV`."""
    words = key.split(".", 1)[-1].replace(".", " ").replace("_", " ").split()
    return " ".join("LTV" if word == "ltv" else word for word in words)


def shown(value: object) -> str:
    """A constant before or after."""
    if value is None:
        return "nothing"
    return f"{value:,.10g}" if isinstance(value, float | int) else str(value)


def meaning(results: xr.Dataset) -> str:
    """What the words of the verdict mean."""
    horizon = units.hours(float(selection.attribute(results, "horizon_hours", float("nan"))))
    return (
        "Safe: for every response of borrowers and every reading of the rules, even the upper end "
        "of the added bad debt and of the added loss of suppliers stays within what the reserve "
        f"keeps of interest in {horizon}, {units.money(lookup.kept(results))}; not safe: in one of "
        "them even the lower end exceeds it; undecided: neither. Losses are those expected once "
        "the scenario has come; how likely it is to come is not judged. The ends are those of "
        "intervals wide enough to hold for all responses and readings at once."
    )


def losses(results: xr.Dataset, scenario: str) -> str:
    """The loss that is surest to have grown under a scenario, and what it is worth."""
    found = {m: lookup.worst(results, scenario, m) for m in lookup.losses(results)}
    parts: dict[str, list[str]] = {}
    for measure, cell in found.items():
        name = lookup.label_of(results, measure).lower()
        if cell.before.value == cell.after.value == 0:
            nowhere = f"on all {units.count(paths(results))} paths of both sides"
            parts.setdefault(nowhere, []).append(f"{name} is zero")
            continue
        change, between = lookup.difference(cell.change, "USDC")
        parts.setdefault(f"where {where(results, cell)}", []).append(
            f"{name} goes from {units.money(cell.before.value)} to {units.money(cell.after.value)} "
            f"({change}, {between})"
        )
    if not parts:
        return ""
    told = [f"{listed(what)} {place}" for place, what in parts.items()]
    text = f"Under “{called(scenario)}”, at worst, {listed(told)}"
    grown = [c.together.low for c in found.values() if c.together.low > lookup.kept(results) > 0]
    if grown:
        horizon = float(selection.attribute(results, "horizon_hours", float("nan")))
        days = max(grown) / lookup.kept(results) * horizon / 24
        text += f"; at least {units.significant(days)} days of the interest that the reserve keeps"
    return text + "."


def where(results: xr.Dataset, cell: Cell) -> str:
    """The response, and the reading where it is not the stated one."""
    text = BORROWERS.get(cell.response, cell.response)
    return text if cell.reading == lookup.stated(results) else f"{text} ({cell.reading})"


def odds(results: xr.Dataset) -> str:
    """Change of the liquidation odds by response, stated reading, under each scenario."""
    parts = []
    for scenario in selection.names(results, "scenario"):
        told = []
        for response in selection.names(results, "response"):
            cell = lookup.cell(results, scenario, response, lookup.stated(results), ODDS)
            change, between = lookup.difference(cell.change, "1")
            told.append(f"{change} ({between}) {units.name(response)}")
        parts.append(f"under “{called(scenario)}” {', '.join(told)}")
    text = "; ".join(parts)
    return f"Liquidation odds of an account change by borrower response: {text}." if text else ""


def efficiency(results: xr.Dataset) -> str:
    """Capital efficiency and borrowing power before and after."""
    parts = []
    for response in selection.names(results, "response"):
        at = results["standing"].sel(response=response).isel(reading=0)
        before, after = (float(at.sel(side=s, figure=EFFICIENCY)) for s in ("before", "after"))
        power = at.sel(figure="power_per_collateral")
        low, high = (units.percent(float(power.sel(side=s))) for s in ("before", "after"))
        parts.append(
            f"{units.multiple(before)} to {units.multiple(after)} {units.name(response)} "
            f"(borrowing power {low} to {high} of collateral)"
        )
    return f"Capital efficiency goes from {'; '.join(parts)}."


def readings(results: xr.Dataset) -> str:
    """Whether a reading of what the rules leave open turns a loss."""
    count = len(selection.names(results, "reading"))
    if count < 2:
        return ""
    turned = []
    for scenario in selection.names(results, "scenario"):
        for measure in lookup.losses(results):
            for response in selection.names(results, "response"):
                signs = {
                    side(lookup.cell(results, scenario, response, r, measure))
                    for r in selection.names(results, "reading")
                }
                if {-1, 1} <= signs:
                    name = lookup.label_of(results, measure).lower()
                    turned.append(f"{name} under “{called(scenario)}” ({units.name(response)})")
    if not turned:
        return (
            f"No reading of the rules turns a loss measurably from worse to better: "
            f"{units.count(count)} readings were run."
        )
    return f"The answer hangs on the reading of the rules for {listed(turned)}."


def side(cell: Cell) -> int:
    """1 where the difference is surely positive, -1 surely negative, else 0."""
    return 1 if cell.together.low > 0 else -1 if cell.together.high < 0 else 0


def standing(results: xr.Dataset) -> str:
    """Accounts that one of the rule books makes liquidatable at once: the book could not stand."""
    parts = []
    for response in selection.names(results, "response"):
        at = results["standing"].sel(response=response, figure="liquidatable_now").isel(reading=0)
        counts = {s: float(at.sel(side=s)) for s in ("before", "after")}
        parts += [f"{units.count(n)} {s} ({units.name(response)})" for s, n in counts.items() if n]
    if not parts:
        return ""
    return (
        f"Accounts liquidatable at once, before any price moves: {listed(parts)}; on those sides "
        "the book could not have stood as it is, and their liquidation is in every figure."
    )


def markdown(results: xr.Dataset) -> str:
    """The memo as Markdown: verdict and the stated reading's figures."""
    lines = [f"# {selection.attribute(results, 'title')}", ""]
    lines += [line for sentence in lead(results) for line in (sentence, "")]
    for scenario in selection.names(results, "scenario"):
        lines += [f"## {units.title(scenario)}", ""]
        lines += ["| borrowers | figure | before | after | after less before [95 %] |",
                  "|---|---|---|---|---|"]  # fmt: skip
        for response in selection.names(results, "response"):
            for measure in selection.names(results, "measure"):
                cell = lookup.cell(results, scenario, response, lookup.stated(results), measure)
                unit = lookup.unit_of(results, measure)
                change, between = lookup.difference(cell.change, unit)
                sides = [units.quantity(e.value, unit) for e in (cell.before, cell.after)]
                label = lookup.label_of(results, measure)
                lines.append(f"| {units.name(response)} | {label} | {sides[0]} | {sides[1]} | "
                             f"{change} [{between}] |")  # fmt: skip
        lines.append("")
    return "\n".join(lines)
