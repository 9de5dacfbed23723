"""Tails: the probability of a loss above each level, down to one path in a million."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullLocator

from reports import scales, selection, theme, units
from reports.frames import Plot, outer_labels

PANELS = {
    "liquidated_debt": "Loans liquidated",
    "liquidated_notional": "Perpetuals liquidated",
    "bad_debt": "Bad debt",
    "equity_loss": "Loss of equity",
}
DECADES = [1, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6]


def tail_probability(results: xr.Dataset, ax: Axes, measure: str) -> Axes:
    """P(loss > x) by scenario with 95 % bands.

    Args:
      results: dataset of a campaign.
      ax: panel to draw on.
      measure: a label of the dataset's `measure`.

    Returns:
      `ax`: probability (log, percent) against loss in dollars (log).
    """
    scenarios = selection.names(results, "scenario")
    colours = theme.scenario_colours(scenarios)
    ax.set_xlabel("loss x ($, USDC)")
    ax.set_ylabel("P(loss > x) (%)")
    labels = []
    for scenario in scenarios:
        at = {"scenario": scenario, "measure": measure}
        level = results["tail_level"].sel(at).values.astype(float)
        value, low, high = (
            results["tail_chance"].sel(at).sel(statistic=s).values.astype(float)
            for s in ("value", "low", "high")
        )
        seen = np.isfinite(level) & (level > 0) & (value > 0)
        if not seen.any():
            continue
        order = np.argsort(level[seen])
        x, y, a, b = (part[seen][order] for part in (level, value, low, high))
        colour = colours[scenario]
        ax.fill_between(x, np.maximum(a, 1e-9), b, color=colour, alpha=0.2, lw=0)
        ax.plot(x, y, color=colour, marker="." if len(x) == 1 else "")
        labels.append((float(y[-1]), units.shorten(units.name(scenario), 20), colour))
    if not labels:
        theme.note(ax, "no loss that a sample can be trusted with")
        ax.yaxis.set_major_locator(NullLocator())
        return ax
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_ylim(min(DECADES) / 2, 1)
    ax.yaxis.set_major_locator(FixedLocator(DECADES))
    ax.yaxis.set_major_formatter(scales.PERCENT)
    ax.yaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(scales.MONEY)
    ax.xaxis.set_minor_locator(NullLocator())
    theme.label_ends(ax, labels)
    return ax


def tails(results: xr.Dataset) -> Plot | None:
    """Tail curves, a panel for each loss; none without the variables."""
    if "tail_chance" not in results:
        return None
    shown = [m for m in PANELS if m in selection.names(results, "measure")]
    with theme.canvas(len(shown), 1, panel_height=1.75, left=0.85) as (figure, axes):
        for measure, ax in zip(shown, axes[:, 0], strict=True):
            tail_probability(results, ax, measure)
            ax.set_title(PANELS[measure])
        outer_labels(axes)
        svg = theme.svg(figure)
    least = _deepest(results)
    return Plot(
        key="tails",
        heading="How far out the tails are known",
        caption=(
            "Read up from a loss to the probability that a path loses more, both scales "
            "logarithmic; bands are 95 % intervals. A line ends where no sample can be trusted "
            "farther out, not where losses end."
        ),
        alternative=f"Tail curves of {len(shown)} losses by scenario; {least}.",
        svg=svg,
    )


def _deepest(results: xr.Dataset) -> str:
    """The least probability reached by each scenario, over losses."""
    said = []
    for scenario in selection.names(results, "scenario"):
        chance = results["tail_chance"].sel(scenario=scenario, statistic="value").values
        known = chance[np.isfinite(chance) & (chance > 0)]
        if known.size:
            said.append(f"{units.name(scenario)} down to {units.percent(float(known.min()))}")
    return "; ".join(said) or "none is known"
