"""The tables of a tuning."""

import numpy as np
import xarray as xr

from reports import selection, units
from reports.tables import Cell, Column, Table, estimate_cell
from reports.tuning import words

TOP = 15  # candidates listed


def limits(results: xr.Dataset) -> Table:
    """Every limit, with its risk today, in the search and on fresh seeds."""
    best, again = int(results["best"]), int(results["best_fresh"])
    columns = ["Risk", "Allowed", "In force"] + ["Best candidate", "On fresh seeds"] * (best >= 0)
    rows = []
    for name in selection.names(results, "constraint"):
        unit = words.unit_of(results, name)
        entry = results.sel(constraint=name)
        told = ", ".join(
            str(entry[k].item()) for k in ("constraint_source", "constraint_as_of")
            if str(entry[k].item())
        )  # fmt: skip
        row = [Cell(text=words.risk(results, name), detail=told)]
        row.append(Cell(text=units.quantity(float(entry["limit"]), unit)))
        places = [("risk", {"candidate": 0})]
        if best >= 0:
            places += [("risk", {"candidate": best}), ("fresh_risk", {"fresh": again})]
        row += [estimate_cell(words.estimate(results, a, name, **at), unit) for a, at in places]
        rows.append(row)
    return Table(
        key="limits",
        caption=f"Risks with bounds at {words.confidence(results)} on either side",
        columns=[Column(heading=h, numeric=n > 0) for n, h in enumerate(columns)],
        rows=rows,
    )


def candidates(results: xr.Dataset) -> Table:
    """The figures in force and the candidates of the largest objective that keep every limit."""
    objective, kept = results["objective"].values, results["feasible"].values
    order = np.flatnonzero(kept)[np.argsort(-objective[kept], kind="stable")]
    chosen = [0, *(int(n) for n in order if n != 0)][: TOP + 1]
    names = selection.names(results, "variable")
    heads = [words.variable(results, name) for name in names]
    heads = ["", *(h[:1].upper() + h[1:] for h in heads)]
    heads += [words.objective_name(results).capitalize(), "Loans", "Most of a limit used"]
    rows = []
    for rank, n in enumerate(chosen):
        label = "In force" if n == 0 else f"{rank}."
        label += ", the best confirmed" if n == int(results["best"]) else ""
        label += "" if kept[n] else ", breaks a limit"
        row = [Cell(text=label)]
        row += [Cell(text=words.amount(results, name, float(results["values"][n, k])))
                for k, name in enumerate(names)]  # fmt: skip
        row += [
            Cell(text=words.objective(results, float(objective[n]))),
            Cell(text=units.money(float(results["standing_loans"][n]))),
            Cell(text=units.percent(float(results["usage"][n]))),
        ]
        rows.append(row)
    return Table(
        key="candidates",
        caption="Candidates that keep every limit in the search, the largest objective first",
        columns=[Column(heading=h, numeric=n > 0) for n, h in enumerate(heads)],
        rows=rows,
    )
