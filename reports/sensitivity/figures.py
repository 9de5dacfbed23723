"""The figures of a study: Sobol indices, the tornado, and the parts of expected shortfall."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from reports import scales, selection, theme, units
from reports.frames import Plot

FIRST, TOTAL = theme.SCENARIO_COLOURS[:2]


def plots(results: xr.Dataset) -> list[Plot]:
    """Every figure, in the order of the page."""
    return [indices(results), tornado(results), parts(results)]


def indices(results: xr.Dataset) -> Plot:
    """First and total indices with intervals: a panel per scenario and measure."""
    scenarios, measures = (selection.names(results, d) for d in ("scenario", "measure"))
    height = 0.35 + 0.26 * results.sizes["input"]
    with theme.canvas(
        len(scenarios), len(measures), panel_height=height, left=1.9, right=0.2,
        top=0.45, bottom=0.75, gaps=(0.3, 0.7),
    ) as (figure, axes):  # fmt: skip
        for scenario, row in zip(scenarios, axes, strict=True):
            for measure, ax in zip(measures, row, strict=True):
                index_panel(results.sel(scenario=scenario, measure=measure), ax)
                ax.set_title(f"{units.title(scenario)}: {units.name(measure)}", fontsize=8)
        for colour, label in ((FIRST, "by itself"), (TOTAL, "with all that it does together")):
            axes[0, 0].plot([], [], "o", ms=4, color=colour, label=label)
        figure.legend(loc="lower center", ncols=2, frameon=False)
        svg = theme.svg(figure)
    return Plot(
        key="indices",
        heading="Which input explains the spread of the answer",
        caption="Share of the variance over all inputs that one explains by itself and with all "
        "that it does together with others, with 95 % bootstrap intervals. Inputs with a total "
        "near 0 may be fixed anywhere in their range.",
        alternative="First and total Sobol indices with intervals, by input.",
        svg=svg,
    )


def index_panel(at: xr.Dataset, ax: Axes) -> Axes:
    """Two points for each input."""
    names = selection.names(at, "input")
    for kind, colour, shift in (("first", FIRST, -0.13), ("total", TOTAL, 0.13)):
        for y, name in enumerate(names):
            found = selection.estimate(at[kind].sel(input=name))
            if found.known:
                ax.plot((found.low, found.high), (y + shift,) * 2, color=colour, lw=1.3)
                ax.plot([found.value], [y + shift], "o", ms=4, color=colour)
    ax.axvline(0, color=theme.INK, lw=0.8)
    _rows(ax, [units.title(n) for n in names])
    ax.set_xlabel("share of variance (1)")
    return ax


def tornado(results: xr.Dataset) -> Plot:
    """Paired differences of one input moved alone: a panel per scenario and measure."""
    scenarios, measures = (selection.names(results, d) for d in ("scenario", "measure"))
    height = 0.35 + 0.2 * results.sizes["bar"]
    with theme.canvas(
        len(scenarios), len(measures), panel_height=height, left=2.6, right=0.25,
        top=0.45, bottom=0.6, gaps=(0.3, 0.7), sharex=False,
    ) as (figure, axes):  # fmt: skip
        for scenario, row in zip(scenarios, axes, strict=True):
            for measure, ax in zip(measures, row, strict=True):
                tornado_panel(results.sel(scenario=scenario, measure=measure), ax)
                ax.set_title(f"{units.title(scenario)}: {units.name(measure)}", fontsize=8)
        svg = theme.svg(figure)
    return Plot(
        key="tornado",
        heading="One input moved at a time",
        caption="Change of the mean when one input alone moves to its 5 % or 95 % quantile, or to "
        "another value, on the same paths; lines are 95 % intervals of the paired difference.",
        alternative="Paired differences with intervals for each input and value.",
        svg=svg,
    )


def tornado_panel(at: xr.Dataset, ax: Axes) -> Axes:
    """A bar with its interval for each value, in the order of the inputs."""
    pairs = zip(at["bar_input"].values, at["bar_value"].values, strict=True)
    labels = [f"{units.name(name)} = {value}" for name, value in pairs]
    for y in range(at.sizes["bar"]):
        found = selection.estimate(at["tornado"].isel(bar=y))
        colour = theme.SCENARIO_COLOURS[1] if found.value > 0 else theme.SCENARIO_COLOURS[0]
        ax.barh(y, found.value, height=0.62, color=colour, alpha=0.55)
        ax.plot((found.low, found.high), (y, y), color=theme.INK, lw=1.0)
    ax.axvline(0, color=theme.INK, lw=0.8)
    _rows(ax, labels)
    if str(at["measure_unit"].item()) == "USDC":
        ax.xaxis.set_major_formatter(scales.MONEY)
    return ax


def parts(results: xr.Dataset) -> Plot:
    """Expected shortfall by mechanism, group and asset: a panel per scenario and loss."""
    scenarios, losses = (selection.names(results, d) for d in ("scenario", "loss"))
    rows = [(kind, n) for kind in ("mechanism", "group", "asset")
            for n in selection.names(results, kind)]  # fmt: skip
    height = 0.35 + 0.19 * len(rows)
    with theme.canvas(
        len(scenarios), len(losses), panel_height=height, left=2.0, right=0.25,
        top=0.45, bottom=0.5, gaps=(0.3, 0.6), sharex=False,
    ) as (figure, axes):  # fmt: skip
        for scenario, row in zip(scenarios, axes, strict=True):
            for loss, ax in zip(losses, row, strict=True):
                at = results.sel(scenario=scenario, loss=loss)
                for y, (kind, name) in enumerate(rows):
                    place = ("mechanism", "group", "asset").index(kind)
                    value = float(at[f"{kind}_part"].sel({kind: name}))
                    ax.barh(y, value, height=0.62, color=theme.GROUP_COLOURS[place])
                ax.axvline(0, color=theme.INK, lw=0.8)
                _rows(ax, [units.title(n) for _, n in rows])
                ax.xaxis.set_major_formatter(scales.MONEY)
                ax.set_title(f"{units.title(scenario)}: {units.name(loss)}", fontsize=8)
        svg = theme.svg(figure)
    return Plot(
        key="parts",
        heading="What makes up the mean of the worst 1 % of paths",
        caption="Three splits of the same figure, each adding up to it: by mechanism, by group, "
        "and by asset (an account's part split by its gross exposure now). A negative part makes "
        "the tail lighter.",
        alternative="Bars of the parts of expected shortfall by mechanism, group and asset.",
        svg=svg,
    )


def _rows(ax: Axes, labels: list[str]) -> None:
    """Labelled rows from the top."""
    ax.set_ylim(len(labels) - 0.5, -0.5)
    ax.set_yticks(np.arange(len(labels)), [units.shorten(x, 40) for x in labels], fontsize=7)
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.grid(axis="x")
