"""The tables of a comparison: both sides with bands, every reading, what changed, the standing."""

import xarray as xr

from reports import selection, units
from reports.compare import lookup
from reports.compare.memo import shown
from reports.tables import Cell, Column, Table, estimate_cell

SIDES = ("before", "after")


def sides(results: xr.Dataset, scenario: str) -> Table:
    """Before, after and difference of the stated reading, and the range over readings."""
    rows, breaks = [], set()
    for response in selection.names(results, "response"):
        breaks.add(len(rows))
        for measure in selection.names(results, "measure"):
            unit = lookup.unit_of(results, measure)
            cell = lookup.cell(results, scenario, response, lookup.stated(results), measure)
            every = [c.change.value for c in lookup.cells(results, scenario, measure)
                     if c.response == response]  # fmt: skip
            change, between = lookup.difference(cell.change, unit)
            sure = cell.change.low > 0 or cell.change.high < 0
            rows.append([
                Cell(text=units.title(response), detail=lookup.label_of(results, measure)),
                estimate_cell(cell.before, unit),
                estimate_cell(cell.after, unit),
                Cell(text=change, detail=between, worst=sure,
                     data={"measure": measure, "response": response, "scenario": scenario,
                           "value": repr(cell.change.value)}),
                Cell(text=lookup.signed(min(every), unit),
                     detail=f"to {lookup.signed(max(every), unit)}"),
            ])  # fmt: skip
    heads = ("Before", "After", "Difference, paired", "Over readings")
    return Table(
        key=f"sides-{scenario}",
        caption="By borrower response, stated reading: mean and 95 % interval; difference of the "
        "same paths, bold where its interval leaves out 0; least and greatest over readings",
        columns=[Column(heading="Borrowers", numeric=False), *(Column(heading=h) for h in heads)],
        rows=rows,
        breaks=frozenset(breaks - {0}),
    )


def readings(results: xr.Dataset, scenario: str) -> Table | None:
    """Paired differences under every reading; none where only the stated one was run."""
    if len(selection.names(results, "reading")) < 2:
        return None
    measures, rows, breaks = selection.names(results, "measure"), [], set()
    for response in selection.names(results, "response"):
        breaks.add(len(rows))
        for reading in selection.names(results, "reading"):
            row = [Cell(text=reading, detail=units.name(response))]
            for measure in measures:
                found = lookup.cell(results, scenario, response, reading, measure).change
                change, between = lookup.difference(found, lookup.unit_of(results, measure))
                row.append(Cell(text=change, detail=between, worst=found.low > 0))
            rows.append(row)
    return Table(
        key=f"readings-{scenario}",
        caption="After less before under every reading of the rules, with 95 % intervals; bold "
        "where the interval lies above 0",
        columns=[Column(heading="Reading", numeric=False),
                 *(Column(heading=lookup.label_of(results, m)) for m in measures)],
        rows=rows,
        breaks=frozenset(breaks - {0}),
    )  # fmt: skip


def standing(results: xr.Dataset) -> Table:
    """The book on both sides before anything moves."""
    responses, rows = selection.names(results, "response"), []
    for figure in selection.names(results, "figure"):
        entry = results["standing"].sel(figure=figure).isel(reading=0)
        unit = str(entry["figure_unit"].item())
        row = [Cell(text=str(entry["figure_label"].item()),
                    title=str(entry["figure_definition"].item()))]  # fmt: skip
        for response in responses:
            row += [Cell(text=units.quantity(float(entry.sel(response=response, side=s)), unit))
                    for s in SIDES]  # fmt: skip
        rows.append(row)
    heads = [f"{units.title(r)}, {s}" for r in responses for s in SIDES]
    return Table(
        key="standing",
        caption="The book under both rule books before anything moves; exact, no sampling",
        columns=[Column(heading="Figure", numeric=False), *(Column(heading=h) for h in heads)],
        rows=rows,
    )


def changes(results: xr.Dataset) -> Table:
    """The rules that differ."""
    rows = [
        [Cell(text=c["key"]), *(Cell(text=shown(c[s])) for s in SIDES), Cell(text=c["unit"])]
        for c in lookup.changes(results)
    ]
    return Table(
        key="changes",
        caption="Rules that differ between the two rule books",
        columns=[Column(heading="Rule", numeric=False), Column(heading="Before"),
                 Column(heading="After"), Column(heading="Unit", numeric=False)],
        rows=rows,
    )  # fmt: skip


def statuses(results: xr.Dataset) -> Table:
    """Paths by how they ended, all responses and readings of a side together."""
    rows, scenarios = [], selection.names(results, "scenario")
    for side in SIDES:
        for status in selection.names(results, "status"):
            counts = results["status_count"].sel(side=side, status=status)
            total = counts.sum(("response", "reading"))
            if float(total.sum()):
                numbers = [
                    float(total.sel(scenario=s)) for s in selection.names(results, "scenario")
                ]
                rows.append([Cell(text=f"{units.name(status)}, {side}"),
                             *(Cell(text=units.count(n)) for n in numbers)])  # fmt: skip
    heads = [units.title(s) for s in scenarios]
    return Table(
        key="statuses",
        caption="Paths by how they ended, responses and readings together",
        columns=[Column(heading="Outcome", numeric=False), *(Column(heading=h) for h in heads)],
        rows=rows,
    )
