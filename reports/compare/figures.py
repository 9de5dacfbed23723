"""The figures of a comparison: both sides by response, and paired differences by reading."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports import scales, selection, theme, units
from reports.compare import lookup
from reports.frames import Plot
from reports.selection import Estimate

SHOWN = {
    "liquidation_odds": "Liquidation odds",
    "bad_debt": "Bad debt, mean",
    "supplier_loss": "Loss of suppliers, mean",
}
SPREAD = 0.22  # of a row, between the responses
POINTS = FuncFormatter(lambda x, _: f"{100 * x:.3g}".replace("-", "−"))


def plots(results: xr.Dataset) -> list[Plot]:
    """Every figure, in the order of the page."""
    found = [before_after(results)]
    return [*found, by_reading(results)] if len(selection.names(results, "reading")) > 1 else found


def before_after(results: xr.Dataset) -> Plot:
    """Before (hollow) and after (full) by response: a panel per scenario and measure."""
    scenarios, shown = selection.names(results, "scenario"), _shown(results)
    responses = selection.names(results, "response")
    with theme.canvas(len(scenarios), len(shown), panel_height=0.95, left=1.0, right=0.15, top=0.5,
                      gaps=(0.3, 0.72), sharex=False) as (figure, axes):  # fmt: skip
        for scenario, row in zip(scenarios, axes, strict=True):
            for measure, ax in zip(shown, row, strict=True):
                sides(results, ax, scenario, measure)
            _name(row[0], scenario)
        _heads(axes, shown)
        svg = theme.svg(figure)
    return Plot(
        key="before-after",
        heading="Before and after",
        caption=(
            "Hollow: under the rules before, full: after; bars are 95 % intervals of each side "
            "alone. The two sides share their random numbers, so that the difference is surer than "
            "the bars of the sides suggest. Stated reading of the rules."
        ),
        alternative=f"Both sides for {len(responses)} borrower responses under each scenario.",
        svg=svg,
    )


def sides(results: xr.Dataset, ax: Axes, scenario: str, measure: str) -> Axes:
    """Two points for each response, joined."""
    colours, names = response_colours(results), selection.names(results, "response")
    for y, response in enumerate(names):
        found = lookup.cell(results, scenario, response, lookup.stated(results), measure)
        colour = colours[response]
        ends = (found.before.value, found.after.value)
        ax.plot(ends, (y, y), color=colour, lw=1.0, alpha=0.5)
        _point(ax, found.before, y - 0.12, colour, hollow=True)
        _point(ax, found.after, y + 0.12, colour)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), [units.title(r) for r in names])
    ax.xaxis.set_major_locator(MaxNLocator(3))
    if not np.any(results["outcome"].sel(scenario=scenario, measure=measure, statistic="value")):
        ax.set_xticks([0])
    share = lookup.unit_of(results, measure) == "1"
    ax.xaxis.set_major_formatter(scales.PERCENT if share else scales.MONEY)
    ax.grid(axis="x")
    return ax


def by_reading(results: xr.Dataset) -> Plot:
    """Paired differences by reading and response: a panel per scenario and measure."""
    scenarios, shown = selection.names(results, "scenario"), _shown(results)
    height = 0.3 + 0.24 * len(selection.names(results, "reading"))
    with theme.canvas(
        len(scenarios), len(shown), panel_height=height, left=2.3, right=0.15, top=0.5,
        bottom=0.85, gaps=(0.25, 0.72), sharex=False,
    ) as (figure, axes):  # fmt: skip
        for scenario, row in zip(scenarios, axes, strict=True):
            for measure, ax in zip(shown, row, strict=True):
                differences(results, ax, scenario, measure)
            _name(row[0], scenario)
        _heads(axes, shown)
        for response, colour in response_colours(results).items():
            axes[-1, 0].plot([], [], "o", ms=4, color=colour, label=units.title(response))
        figure.legend(loc="lower center", ncols=3, frameon=False)
        svg = theme.svg(figure)
    return Plot(
        key="by-reading",
        heading="After less before, under each reading of the rules",
        caption=(
            "Difference of the same paths with its 95 % interval, for each reading of what the "
            "rules leave open (rows) and each borrower response (colours); right of the line the "
            "change makes it worse. Each interval holds by itself, not all of them together."
        ),
        alternative="Paired differences with intervals by reading and borrower response.",
        svg=svg,
    )


def differences(results: xr.Dataset, ax: Axes, scenario: str, measure: str) -> Axes:
    """A point with its interval for each reading and response; zero is marked."""
    names, colours = selection.names(results, "reading"), response_colours(results)
    responses = list(colours)
    for y, reading in enumerate(names):
        for k, response in enumerate(responses):
            found = lookup.cell(results, scenario, response, reading, measure).change
            shift = SPREAD * (k - (len(responses) - 1) / 2)
            _point(ax, found, y + shift, colours[response], size=3.2)
    ax.axvline(0, color=theme.INK, lw=0.8)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_yticks(range(len(names)), [n.replace("_", " ") for n in names], fontsize=6.6)
    ax.xaxis.set_major_locator(MaxNLocator(3))
    if not np.any(results["difference"].sel(scenario=scenario, measure=measure, statistic="value")):
        ax.set_xticks([0])
    share = lookup.unit_of(results, measure) == "1"
    ax.xaxis.set_major_formatter(POINTS if share else scales.MONEY)
    if share:
        ax.set_xlabel("percentage points")
    ax.grid(axis="x")
    return ax


def response_colours(results: xr.Dataset) -> dict[str, str]:
    """The colour of every response, by its place."""
    return theme.scenario_colours(selection.names(results, "response"))


def _shown(results: xr.Dataset) -> list[str]:
    return [m for m in SHOWN if m in selection.names(results, "measure")]


def _point(
    ax: Axes, found: Estimate, y: float, colour: str, *, hollow: bool = False, size: float = 4.5
) -> None:
    """A value with its interval."""
    if not found.known:
        return
    if np.isfinite(found.low) and np.isfinite(found.high):
        ax.plot((found.low, found.high), (y, y), color=colour, lw=1.2)
    fill = "white" if hollow else colour
    ax.plot([found.value], [y], "o", ms=size, color=colour, mfc=fill, mew=1.1)


def _name(ax: Axes, scenario: str) -> None:
    """The scenario over the left panel of its row."""
    ax.annotate(units.shorten(units.title(scenario), 34), xy=(0, 1), xycoords="axes fraction",
                xytext=(0, 5), textcoords="offset points", fontweight="bold",
                annotation_clip=False)  # fmt: skip


def _heads(axes: np.ndarray, shown: list[str]) -> None:
    """The measures over the columns."""
    for measure, ax in zip(shown, axes[0], strict=True):
        ax.annotate(SHOWN[measure], xy=(0, 1), xycoords="axes fraction",
                    xytext=(0, 19), textcoords="offset points", color=theme.MUTED,
                    annotation_clip=False)  # fmt: skip
