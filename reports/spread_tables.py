"""What the choice of price model does to the results, beside the error of sampling."""

import numpy as np
import xarray as xr

from reports import selection, units
from reports.tables import Cell, Column, Table, anchor

SHOWN = (
    "system.liquidated_accounts.mean",
    "system.liquidated_notional.mean",
    "system.probability_bad_debt",
    "system.bad_debt.mean",
    "system.bad_debt.es_99",
    "system.equity_loss.es_99",
    "pool.peak_utilization.mean",
    "system.probability_full_utilization",
)


def spread(results: xr.Dataset) -> Table | None:
    """Range over models, their deviation and the Monte Carlo error; none with a single model."""
    if "model_spread" not in results:
        return None
    table, rows, breaks = results["model_spread"], [], []
    metrics = [m for m in SHOWN if m in selection.names(results, "metric")]
    for base in selection.names(results, "base"):
        breaks.append(len(rows))
        for metric in metrics:
            entry = table.sel(base=base, metric=metric)
            unit = str(entry["metric_unit"].item())
            low, high, deviation, error = (
                float(entry.sel(spread=s))
                for s in ("lowest", "highest", "model_deviation", "monte_carlo_error")
            )
            label = str(entry["metric_label"].item())
            times = f"{units.significant(deviation / error)}" if error > 0 else units.MISSING
            where = [_model(results, base, metric, pick) for pick in (np.nanargmin, np.nanargmax)]
            rows.append([
                Cell(text=units.title(base)),
                Cell(text=label, link=f"#{anchor(metric)}"),
                Cell(text=units.quantity(low, unit), detail=where[0]),
                Cell(text=units.quantity(high, unit), detail=where[1]),
                Cell(text=units.quantity(deviation, unit)),
                Cell(text=units.quantity(error, unit)),
                Cell(text=times),
            ])  # fmt: skip
    columns = [Column(heading="Scenario", numeric=False), Column(heading="Metric", numeric=False)]
    columns += [
        Column(heading=h)
        for h in ("Lowest", "Highest", "Model spread", "Monte Carlo error", "Ratio")
    ]
    return Table(
        key="spread",
        caption="Model spread and Monte Carlo error: the same campaign under several price models",
        columns=columns,
        rows=rows,
        breaks=frozenset(breaks[1:]),
    )


def _model(results: xr.Dataset, base: str, metric: str, pick) -> str:
    """Name of the model with the lowest or highest value."""
    names = [s for s in selection.names(results, "scenario") if s.rpartition(".")[0] == base]
    system = results["system"].sel(metric=metric, statistic="value")
    values = [float(system.sel(scenario=s)) for s in names]
    if not np.isfinite(values).any():
        return ""
    chosen = names[int(pick(values))]
    return units.name(str(results["scenario_model"].sel(scenario=chosen).item()))
