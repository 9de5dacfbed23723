"""The tables of a cascade: how far liquidations move prices, and who gains and who loses."""

import xarray as xr

from reports import cascade, selection, units
from reports.tables import Cell, Column, Table, estimate_cell, scenario_columns


def overshoot(results: xr.Dataset) -> Table | None:
    """Greatest displacement of every price by liquidations; none without the variable."""
    assets = selection.names(results, "asset")
    if "overshoot" not in results or not assets:
        return None
    rows = []
    for asset in assets:
        row = [Cell(text=units.shorten(asset), title=asset)]
        for s in selection.names(results, "scenario"):
            found = results["overshoot"].sel(scenario=s, asset=asset)
            middle, tail = (float(selection.at_quantile(found, q)) for q in (0.5, 0.99))
            row.append(Cell(text=units.percent(middle), detail=f"1 in 100: {units.percent(tail)}"))
        rows.append(row)
    return Table(
        key="overshoot",
        caption="Greatest displacement of each price by liquidations along a path: median path, "
        "and 1 path in 100",
        columns=[Column(heading="Price", numeric=False), *scenario_columns(results)],
        rows=rows,
    )


def parties(results: xr.Dataset) -> Table | None:
    """Mean change of every party's wealth by liquidations, interest and funding."""
    if "party_change" not in results:
        return None
    rows = []
    for party in selection.names(results, "party"):
        name = cascade.called(party)
        row = [Cell(text=name[:1].upper() + name[1:], title=party)]
        for s in selection.names(results, "scenario"):
            found = selection.estimate(results["party_change"].sel(scenario=s, party=party))
            row.append(estimate_cell(found, "USDC"))
        rows.append(row)
    return Table(
        key="parties",
        caption="Mean change of wealth over the horizon by liquidations, interest and funding",
        columns=[Column(heading="Party", numeric=False), *scenario_columns(results)],
        rows=rows,
    )
