"""The page of a study of sensitivity."""

from pathlib import Path

import xarray as xr

from reports import context, selection, theme, units
from reports.page import described, head, publish, templates
from reports.phrases import called, listed
from reports.sensitivity import figures
from reports.tables import Cell, Column, Table, estimate_cell

TOP = 15  # accounts listed


def write_sensitivity(results: xr.Dataset, out: Path) -> Path:
    """Writes the report of a study; arguments and errors as `reports.page.write_report`."""
    return publish(render(results.compute()), Path(out))


def render(results: xr.Dataset) -> str:
    """The page as text."""
    scenarios = selection.names(results, "scenario")
    return templates().get_template("sensitivity.html").render(
        head=head(results),
        base_points=units.count(float(selection.attribute(results, "base_points", 0))),
        lead=lead(results),
        plots=figures.plots(results),
        inputs=inputs(results),
        indices=[indices(results, s) for s in scenarios],
        accounts=[accounts(results, s) for s in scenarios],
        scenarios=[{"name": units.title(s), "text": str(described(results).get(s, ""))}
                   for s in scenarios],
        colours=theme.scenario_colours(scenarios),
        notes=selection.lines(results, "notes"),
        provenance=context.provenance(results),
    )  # fmt: skip


def lead(results: xr.Dataset) -> list[str]:
    """Per scenario and measure the inputs that matter, surest first, and those that do not."""
    said = []
    for scenario in selection.names(results, "scenario"):
        for measure in selection.names(results, "measure"):
            at = results.sel(scenario=scenario, measure=measure)
            found = {n: selection.estimate(at["total"].sel(input=n))
                     for n in selection.names(results, "input")}  # fmt: skip
            known = sorted((n for n in found if found[n].known), key=lambda n: -found[n].value)
            if not known:
                said.append(f"Mean {units.name(measure)} under “{called(scenario)}” is the same at "
                            "every value of the inputs.")  # fmt: skip
                continue
            parts = [
                f"{units.name(n)} ({found[n].value:.2f}, {units.interval(found[n], 'ratio')})"
                for n in known[:3]
            ]
            said.append(
                f"Mean {units.name(measure)} under “{called(scenario)}” hangs most on "
                f"{listed(parts)}: total Sobol index with its 95{units.SPACE}% interval."
            )
    gap = float(results["gap"].max())
    said.append(
        f"Parts of the mean of the worst 1{units.SPACE}% of paths add up to it; the largest "
        f"relative difference is {gap:.1e}."
    )
    return said


def inputs(results: xr.Dataset) -> Table:
    """The inputs, where they stand and what they may be."""
    rows = [
        [Cell(text=units.title(n)), Cell(text=str(results["input_key"].sel(input=n).item())),
         Cell(text=str(results["input_law"].sel(input=n).item()))]
        for n in selection.names(results, "input")
    ]  # fmt: skip
    heads = ("Input", "Key", "Values")
    return Table(key="inputs", caption="Uncertain inputs, independent of each other",
                 columns=[Column(heading=h, numeric=False) for h in heads], rows=rows)  # fmt: skip


def indices(results: xr.Dataset, scenario: str) -> Table:
    """First and total indices of every measure."""
    measures, rows = selection.names(results, "measure"), []
    for n in selection.names(results, "input"):
        row = [Cell(text=units.title(n))]
        for measure in measures:
            at = results.sel(scenario=scenario, measure=measure, input=n)
            row += [estimate_cell(selection.estimate(at[k]), "ratio") for k in ("first", "total")]
        rows.append(row)
    heads = [f"{units.title(m)}, {k}" for m in measures for k in ("first", "total")]
    return Table(key=f"indices-{scenario}", caption=f"Sobol indices under {called(scenario)}",
                 columns=[Column(heading="Input", numeric=False),
                          *(Column(heading=h) for h in heads)], rows=rows)  # fmt: skip


def accounts(results: xr.Dataset, scenario: str) -> Table:
    """The accounts with the largest parts of each loss."""
    losses, rows = selection.names(results, "loss"), []
    at = results["account_part"].sel(scenario=scenario)
    order = abs(at).max("loss").argsort().values[::-1][:TOP]
    for i in order:
        row = [Cell(text=units.shorten(str(results["account"].values[i])))]
        row += [Cell(text=units.money(float(at.sel(loss=k).isel(account=i)))) for k in losses]
        rows.append(row)
    return Table(key=f"accounts-{scenario}",
                 caption=f"Accounts with the largest parts, mean on the worst 1 % of paths under "
                 f"{called(scenario)}",
                 columns=[Column(heading="Account", numeric=False),
                          *(Column(heading=units.title(k)) for k in losses)],
                 rows=rows)  # fmt: skip
