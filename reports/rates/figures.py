"""The figure of a study of interest: time to liquidation by utilization, slopes by scenario."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reports import scales, selection, theme, units
from reports.frames import Plot

TICKS = {
    24.0: "1 d",
    168.0: "1 w",
    720.0: "30 d",
    8760.0: "1 y",
    87600.0: "10 y",
    876000.0: "100 y",
}
SHADES = ("#56B4E9", "#0072B2", "#A67C00", "#D55E00", "#882255")


def plots(results: xr.Dataset) -> list[Plot]:
    """The figure."""
    scenarios = selection.names(results, "scenario")
    rows = results.sizes["scenario"] * (results.sizes["level"] + 0.8)
    with theme.canvas(
        1, 2, panel_height=max(2.4, 0.35 + 0.17 * rows), left=0.62, right=0.2, top=0.45,
        bottom=0.72, gaps=(1.05, 0.3), sharex=False, sharey=False,
    ) as (figure, axes):  # fmt: skip
        lasting(results, axes[0, 0])
        slopes(results, axes[0, 1])
        figure.legend(
            *axes[0, 1].get_legend_handles_labels(), loc="lower right", ncols=2, frameon=False,
            fontsize=7, bbox_to_anchor=(1.0, 0.0),
        )  # fmt: skip
        svg = theme.svg(figure)
    count = units.count(float(len(scenarios)))
    return [
        Plot(
            key="rates",
            heading="How long loans last, and what a point of utilization does",
            caption="Left: share of the book's loans that interest alone has made liquidatable, "
            "prices standing still and utilization held. Right: change of the share of loans "
            f"liquidated by the horizon per point of utilization, {count} scenarios, with 95 % "
            "intervals; dots: all of it, rings: by interest alone. The axis is linear within "
            "0.1 points and logarithmic beyond.",
            alternative="Share of loans liquidated over time by utilization, and slopes by "
            "scenario and level of utilization.",
            svg=svg,
        )
    ]


def lasting(results: xr.Dataset, ax: Axes) -> Axes:
    """Share of loans liquidated by each time, a step line for each utilization."""
    loan = results["loan"].values
    for i, held in enumerate(selection.names(results, "held")):
        at = results.sel(held=held)
        hours = at["hours"].values
        order = np.argsort(hours, kind="stable")
        share = np.cumsum(loan[order]) / max(loan.sum(), 1e-300)
        finite = np.isfinite(hours[order]) & (loan[order] > 0)
        used = float(at["utilization"].values[0])
        label = f"{100 * used:.3g} %" + (" (today)" if held == "today" else "")
        x = np.maximum(hours[order][finite], 1.0)
        y = share[finite]
        if x.size:
            x, y = np.append(x, 10 * x[-1]), np.append(y, y[-1])
        ax.step(x, y, where="post", color=SHADES[i % len(SHADES)], label=label)
    ax.set_xscale("log")
    ax.set_xlim(168.0, 876000.0)
    ax.set_ylim(0, 1.02)
    ax.xaxis.set_major_locator(FixedLocator(list(TICKS)))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: TICKS.get(round(x, 3), "")))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(scales.PERCENT)
    ax.set_title("Loans liquidated by interest alone", fontsize=8)
    ax.set_xlabel("time from now")
    ax.legend(title="utilization held", frameon=False, fontsize=7, title_fontsize=7)
    return ax


def slopes(results: xr.Dataset, ax: Axes) -> Axes:
    """A row for each scenario and level, with its interval: all of the slope, and interest's."""
    names, y, labels, places = selection.names(results, "scenario"), 0.0, [], []
    colours = theme.scenario_colours(names)
    for scenario in names:
        colour, name = colours[scenario], units.shorten(units.title(scenario), 30)
        ax.text(
            0.01, y, name, fontsize=7, va="center", color=colour, fontweight="bold",
            transform=ax.get_yaxis_transform(),
        )  # fmt: skip
        for level in selection.names(results, "level"):
            y += 1
            at = results["slope"].sel(scenario=scenario, level=level, group="all", share="loans")
            for channel, shift, fill in (("whole", -0.17, True), ("interest", 0.17, False)):
                found = selection.estimate(at.sel(channel=channel))
                if found.known:
                    row = y + shift
                    ax.plot([100 * found.low, 100 * found.high], [row, row], lw=1.1, color=colour)
                    face = colour if fill else "white"
                    ax.plot([100 * found.value], [row], "o", ms=3.6, color=colour, mfc=face)
            places.append(y)
            labels.append(level_name(level))
        y += 1.3
    ax.axvline(0, color=theme.INK, lw=0.8)
    ax.set_xscale("symlog", linthresh=0.1, linscale=1.0)
    ax.xaxis.set_major_locator(FixedLocator([-1, -0.1, -0.05, 0, 0.05, 0.1, 1, 10, 100]))
    ax.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}".replace("-", "−")))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_ylim(y - 0.6, -0.8)
    ax.set_yticks(places, labels, fontsize=7)
    ax.grid(axis="x")
    ax.set_xlabel("points per point of utilization")
    ax.set_title("Change of the share of loans liquidated", fontsize=8)
    ax.plot([], [], "o", ms=3.6, color=theme.MUTED, label="all")
    ax.plot([], [], "o", ms=3.6, color=theme.MUTED, mfc="white", label="by interest alone")
    return ax


def level_name(level: str) -> str:
    """A level of utilization in words."""
    return "as it moves" if level == "path" else f"held at {100 * float(level):.3g}{units.SPACE}%"
