"""The tables of results: cells of text, ready to be set, with the raw numbers beside them.

A cell that shows a system metric carries scenario, metric and unrounded value, so that a program
that reads the page finds exactly what the dataset holds.
"""

from dataclasses import dataclass, field

import xarray as xr

from reports import selection, units
from reports.selection import Estimate

TOP = 20  # accounts listed


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One cell: what stands in it, a second line, and machine-readable attributes."""

    text: str
    detail: str = ""
    title: str = ""
    link: str = ""
    worst: bool = False
    data: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column's heading; numbers are set right, the scenario gives its colour."""

    heading: str
    numeric: bool = True
    scenario: str = ""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table; the first cell of a row is its heading, `breaks` are rows that start a block."""

    key: str
    caption: str
    columns: list[Column]
    rows: list[list[Cell]]
    breaks: frozenset[int] = frozenset()


def estimate_cell(found: Estimate, unit: str, **extra: object) -> Cell:
    """Value with its interval below."""
    if not found.known:
        return Cell(text=units.MISSING, **extra)  # type: ignore[arg-type]
    between = units.interval(found, unit)
    detail = "" if between == units.MISSING else between
    return Cell(text=units.value(found, unit), detail=detail, **extra)  # type: ignore[arg-type]


def scenario_columns(results: xr.Dataset) -> list[Column]:
    """One column for each scenario, in the dataset's order."""
    return [
        Column(heading=units.shorten(units.title(s), 40), scenario=s)
        for s in selection.names(results, "scenario")
    ]


def summary(results: xr.Dataset) -> Table:
    """System metrics by scenario, value and 95 % interval; the worst of a row stands out."""
    scenarios = selection.names(results, "scenario")
    rows, breaks, stem = [], set(), ""
    for i, metric in enumerate(selection.names(results, "metric")):
        entry = results["system"].sel(metric=metric)
        unit = units.metric_unit(metric, str(entry["metric_unit"].item()))
        found = {s: selection.system(results, s, metric) for s in scenarios}
        sign = -1 if str(entry["metric_bad"].item()) == "down" else 1
        known = {s: sign * e.value for s, e in found.items() if e.known}
        differ = len(set(known.values())) > 1
        row = [Cell(text=str(entry["metric_label"].item()), link=f"#{anchor(metric)}")]
        for s in scenarios:
            row.append(
                estimate_cell(
                    found[s],
                    unit,
                    worst=differ and known.get(s) == max(known.values()),
                    data={"metric": metric, "scenario": s, "value": repr(found[s].value),
                          "low": repr(found[s].low), "high": repr(found[s].high)},
                )
            )  # fmt: skip
        rows.append(row)
        if i and (metric.rsplit(".", 1)[0] != stem or metric.count(".") < 2):
            breaks.add(i)
        stem = metric.rsplit(".", 1)[0]
    caption = "The book as a whole: value, and 95 % interval below it"
    columns = [Column(heading="Metric", numeric=False), *scenario_columns(results)]
    return Table(
        key="summary", caption=caption, columns=columns, rows=rows, breaks=frozenset(breaks)
    )


def groups(results: xr.Dataset) -> Table:
    """Size of every group and the share of its accounts liquidated by the horizon."""
    scenarios = selection.names(results, "scenario")
    rows = []
    for group in selection.names(results, "group"):
        entry = results.sel(group=group)
        head = "All accounts" if group == selection.EVERYBODY else units.title(group)
        row = [Cell(text=units.shorten(head, 32), title=group)]
        row.append(Cell(text=units.count(float(entry["group_accounts"]))))
        for name in ("group_equity", "group_debt", "group_notional"):
            row.append(Cell(text=units.money(float(entry[name]))))
        row += [
            estimate_cell(selection.group_probability(results, s, group), "1") for s in scenarios
        ]
        rows.append(row)
    return Table(
        key="groups",
        caption="Groups: size, and expected share of accounts liquidated by the horizon",
        columns=[
            Column(heading="Group", numeric=False),
            *(Column(heading=h) for h in ("Accounts", "Equity", "Loans", "Perp notional")),
            *scenario_columns(results),
        ],
        rows=rows,
        breaks=frozenset({1}),
    )


def accounts(results: xr.Dataset) -> Table:
    """The accounts with the largest probability x exposure."""
    ids = selection.names(results, "account")
    scenarios = selection.names(results, "scenario")
    rows = []
    for i in selection.top_accounts(results, TOP):
        entry = results.isel(account=i)
        group, mode = (str(entry[f"account_{k}"].item()) for k in ("group", "mode"))
        kind = f"{units.shorten(units.name(group))}, {units.shorten(mode, 16)}"
        row = [Cell(text=units.shorten(ids[i]), title=ids[i], detail=kind)]
        for name in ("account_equity", "account_debt", "account_notional"):
            row.append(Cell(text=units.money(float(entry[name]))))
        row.append(Cell(text=units.ratio(float(entry["account_pmr"]))))
        for s in scenarios:
            found = selection.account_probability(results, s, i)
            row.append(estimate_cell(found, "1"))
        rows.append(row)
    return Table(
        key="accounts",
        caption="Accounts with the largest liquidation probability × (loan + perp notional)",
        columns=[
            Column(heading="Account", numeric=False),
            *(Column(heading=h) for h in ("Equity", "Loan", "Perp notional", "Ratio now")),
            *scenario_columns(results),
        ],
        rows=rows,
    )


def anchor(identifier: str) -> str:
    """An identifier that may stand in the address of a place on the page."""
    return "def-" + "".join(c if c.isalnum() and c.isascii() else "-" for c in identifier)
