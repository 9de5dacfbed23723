"""The page of a study of interest, and the same as Markdown."""

import math
from pathlib import Path

import xarray as xr

from reports import context, selection, theme, units
from reports.page import described, head, publish, templates
from reports.phrases import called, listed
from reports.rates import figures
from reports.selection import EVERYBODY, Estimate
from reports.tables import Cell, Column, Table, estimate_cell

TODAY = "today"


def write_rates(results: xr.Dataset, out: Path) -> Path:
    """Writes the report as HTML, and as Markdown beside it; else as `reports.page.write_report`."""
    results = results.compute()
    publish(markdown(results), Path(out).with_suffix(".md"))
    return publish(render(results), Path(out))


def render(results: xr.Dataset) -> str:
    """The page as text."""
    scenarios = selection.names(results, "scenario")
    return templates().get_template("rates.html").render(
        head=head(results),
        shift=units.significant(float(selection.attribute(results, "shift_points", 1.0))),
        lead=lead(results),
        plots=figures.plots(results),
        times=times(results),
        slopes=slopes(results),
        groups=[groups(results, s) for s in scenarios],
        scenarios=[{"name": units.title(s), "text": str(described(results).get(s, ""))}
                   for s in scenarios],
        colours=theme.scenario_colours(scenarios),
        assumptions=context.assumptions(results),
        notes=selection.lines(results, "notes"),
        provenance=context.provenance(results),
    )  # fmt: skip


def markdown(results: xr.Dataset) -> str:
    """Lead and tables as Markdown."""
    tables = (times(results), slopes(results))
    parts = [f"# {head(results)['title']}", *lead(results)]
    for table in tables:
        heads = [column.heading for column in table.columns]
        lines = [heads, ["---"] * len(heads)]
        for row in table.rows:
            lines.append([f"{c.text} [{c.detail}]" if c.detail else c.text for c in row])
        parts += [f"## {table.caption}", "\n".join(f"| {' | '.join(line)} |" for line in lines)]
    return "\n\n".join(parts) + "\n"


def lead(results: xr.Dataset) -> list[str]:
    """Who goes first by interest at each level, how much follows, what a point does."""
    held = selection.names(results, "held")
    at = results.sel(group=EVERYBODY)
    if not int(at["borrowers"]):
        return ["Nobody of this book owes anything: interest liquidates nobody."]
    cells = [f"{time(float(at['earliest'].sel(held=n)))} {level(results, n)}" for n in held]
    said = [f"By interest alone, prices standing still, the first account is liquidatable after "
            f"{listed(cells)}."]  # fmt: skip
    for window in map(float, results["within"].values):
        within = at["within_share"].sel(within=window, share="loans")
        cells = [f"{units.percent(float(within.sel(held=n)))} {level(results, n)}" for n in held]
        reached = f"{listed(cells)} of the loans" if float(within.max()) else "no loan at all"
        said.append(f"Within {time(window)} it reaches {reached}.")
    for scenario in selection.names(results, "scenario"):
        cells = []
        for name in selection.names(results, "level"):
            slope = results["slope"].sel(scenario=scenario, level=name, group=EVERYBODY)
            slope = slope.sel(share="loans")
            interest = 100 * selection.estimate(slope.sel(channel="interest")).value
            cells.append(f"{points(selection.estimate(slope.sel(channel='whole')))} "
                         f"{figures.level_name(name)}, {units.significant(interest)} of it by "
                         "interest")  # fmt: skip
        said.append(f"Under “{called(scenario)}” a point more of utilization adds to the share of "
                    f"loans liquidated, in points: {'; '.join(cells)}.")  # fmt: skip
    return said


def level(results: xr.Dataset, held: str) -> str:
    """A level of utilization at which prices stand still."""
    used = units.percent(float(results["utilization"].sel(held=held).values[0]))
    return f"at today's {used}" if held == TODAY else f"at {used}"


def rate(at: xr.Dataset) -> str:
    """The borrow rate of the first quote token; rounding is no figure."""
    return units.percent(round(float(at["borrow_rate"].values[0]), 9))


def points(found: Estimate) -> str:
    """A change in points with its interval."""
    value, low, high = (units.significant(100 * x) for x in (found.value, found.low, found.high))
    return f"{value} [{low} to {high}]" if found.known else units.MISSING


def time(hours: float) -> str:
    """A time to liquidation: years from two years up, infinite as never."""
    if math.isnan(hours):
        return units.MISSING
    if math.isinf(hours):
        return "never"
    if hours < 17520:
        return units.hours(hours)
    return f"{units.significant(hours / 8760)}{units.SPACE}years"


def times(results: xr.Dataset) -> Table:
    """Earliest, median and shares by group and utilization."""
    rows, breaks = [], set()
    windows = [float(w) for w in results["within"].values]
    for group in selection.names(results, "group"):
        at = results.sel(group=group)
        if not int(at["borrowers"]):
            continue
        breaks.add(len(rows))
        for held in selection.names(results, "held"):
            at_level = at.sel(held=held)
            within = [
                at_level["within_share"].sel(within=w, share=k)
                for w in windows
                for k in ("accounts", "loans")
            ]
            texts = [
                "All accounts" if group == EVERYBODY else units.title(group),
                units.percent(float(at_level["utilization"].values[0])),
                rate(at_level),
                units.count(float(at["borrowers"])),
                units.money(float(at["group_loan"])),
                *(time(float(at_level[k])) for k in ("earliest", "median")),
                *(units.percent(float(x)) for x in within),
            ]
            cells = [Cell(text=text) for text in texts]
            rows.append(cells)
    heads = ["Utilization held", "Rate a year", "Owe", "Loans", "Earliest", "Median"]
    heads += [f"{k} within {time(w)}" for w in windows for k in ("Accounts", "Loans")]
    columns = [Column(heading="Group", numeric=False), *(Column(heading=h) for h in heads)]
    return Table(key="times", columns=columns, rows=rows, breaks=frozenset(breaks - {0}),
                 caption="Time to liquidation by interest alone, prices standing still; median of "
                 "accounts that owe")  # fmt: skip


def slopes(results: xr.Dataset) -> Table:
    """Probability and slope of the whole book by scenario and level."""
    rows, breaks = [], set()
    for scenario in selection.names(results, "scenario"):
        breaks.add(len(rows))
        for level in selection.names(results, "level"):
            row = [Cell(text=units.title(scenario)), Cell(text=figures.level_name(level))]
            for share in ("accounts", "loans"):
                at = results.sel(scenario=scenario, level=level, group=EVERYBODY, share=share)
                row.append(estimate_cell(selection.estimate(at["probability"]), "1"))
                row += _changes(at["slope"])
            rows.append(row)
    heads = [f"{k.capitalize()}{h}" for k in ("accounts", "loans")
             for h in ("", ", change", ", by interest", ", by liquidity")]  # fmt: skip
    return Table(key="slopes", rows=rows, breaks=frozenset(breaks - {0}),
                 caption="Share liquidated by the horizon, and its change in points per point of "
                 "utilization",
                 columns=[Column(heading="Scenario", numeric=False),
                          Column(heading="Utilization", numeric=False),
                          *(Column(heading=h) for h in heads)])  # fmt: skip


def groups(results: xr.Dataset, scenario: str) -> Table:
    """Slope of the share of accounts of every group that owes, by level."""
    levels, rows = selection.names(results, "level"), []
    for group in selection.names(results, "group"):
        if not int(results["borrowers"].sel(group=group)):
            continue
        row = [Cell(text="All accounts" if group == EVERYBODY else units.title(group))]
        for level in levels:
            at = results["slope"].sel(scenario=scenario, level=level, group=group, share="accounts")
            row += _changes(at)[:2]
        rows.append(row)
    heads = [f"{figures.level_name(n)}{h}" for n in levels for h in ("", ", by interest")]
    return Table(key=f"groups-{scenario}", rows=rows,
                 caption=f"Change of the share of accounts by group under {called(scenario)}, "
                 "points per point of utilization",
                 columns=[Column(heading="Group", numeric=False),
                          *(Column(heading=h) for h in heads)])  # fmt: skip


def _changes(at: xr.DataArray) -> list[Cell]:
    """Slope by channel, value and interval in points."""
    cells = []
    for channel in at["channel"].values:
        text, _, between = points(selection.estimate(at.sel(channel=channel))).partition(" [")
        cells.append(Cell(text=text, detail=between.removesuffix("]")))
    return cells
