"""One function per plot of a cascade: `(results, ax, ...) -> ax`.

What liquidations that move prices and the lending pool set off, and who pays for it.
"""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator, NullLocator

from reports import cascade, figures, scales, selection, theme, units

TOTAL, NOTHING = "all together", "nothing liquidated in any path"
PALE, DEEP, BLANK = "#f3f7fa", "#0b4f7d", "#e3e7eb"  # ends of the map's scale, no value
LIGHT = 0.65  # share of the map's scale from which text on a cell is white
APART = 1e-3  # difference from which two fixed points are drawn apart
ANNOTATED = 6  # assets up to which a cell of the map has room for a percent sign


def timeline(results: xr.Dataset, ax: Axes, scenario: str) -> Axes:
    """Quantiles over paths of the value liquidated through all channels by each time.

    Args:
      results: dataset of a campaign with feedback.
      ax: panel to draw on.
      scenario: the one to show, on a scale of its own.

    Returns:
      `ax`, vertical axis in dollars, time in hours or days.
    """
    fan = results["cascade_timeline"].sel(scenario=scenario)
    time = scales.time_axis(results, ax)
    ax.set_ylabel("liquidated ($, USDC)")
    shown = fan.sel(quantile=slice(0, 0.992)).values.astype(float)
    top = np.nanmax(shown[np.isfinite(shown)], initial=0.0)
    if top <= 0:
        ever = any(v > 0 for v in cascade.channels(results, scenario).values())
        return empty(ax.yaxis, shown, "nothing in 99 of 100 paths" if ever else NOTHING)
    colour = theme.scenario_colours(selection.names(results, "scenario"))[scenario]
    for low, high, opacity in figures.FAN:
        edges = [selection.at_quantile(fan, q).values.astype(float) for q in (low, high)]
        ax.fill_between(time, edges[0], edges[1], color=colour, alpha=opacity, lw=0)
    ax.plot(time, selection.at_quantile(fan, 0.5).values.astype(float), color=colour)
    money_up(ax, top)
    labels = []
    for level in (0.01, 0.5, 0.99):
        end = float(selection.at_quantile(fan, level).values[-1])
        text = f"{figures.FAN_NAMES[level]} {units.money(end)}"
        labels.append((end, text, theme.INK if level == 0.5 else theme.MUTED))
    theme.label_ends(ax, labels)
    return ax


def channels(results: xr.Dataset, ax: Axes, scenario: str) -> Axes:
    """Mean value liquidated by each time, stacked by the channel it goes through.

    Args:
      results: dataset of a campaign with feedback.
      ax: panel to draw on.
      scenario: the one to show, on a scale of its own.

    Returns:
      `ax`, vertical axis in dollars, time in hours or days.
    """
    names = selection.names(results, "channel")
    parts = results["cascade_channel"].sel(scenario=scenario).transpose("channel", "time")
    values = parts.values.astype(float)
    time = scales.time_axis(results, ax)
    ax.set_ylabel("mean ($, USDC)")
    heights = np.cumsum(np.nan_to_num(values), axis=0)
    top = heights.max(initial=0.0)
    if top <= 0:
        return empty(ax.yaxis, values, NOTHING)
    colours, below = theme.group_colours(names), np.zeros_like(time)
    labels = []
    for name, height in zip(names, heights, strict=True):
        if height[-1] > below[-1]:
            ax.fill_between(time, below, height, color=colours[name], alpha=0.68, lw=0)
            ax.plot(time, height, color="white", lw=0.7)
            amount = units.money(float(parts.sel(channel=name)[-1]))
            middle = (below[-1] + height[-1]) / 2
            labels.append((middle, f"{cascade.called(name)} {amount}", colours[name]))
        below = height
    money_up(ax, top)
    theme.label_ends(ax, labels)
    return ax


def shortfall(results: xr.Dataset, ax: Axes, scenario: str, *, tail: bool = False) -> Axes:
    """What all payers bear of the shortfall together, and each of them, one bar after the other.

    Args:
      results: dataset of a campaign with feedback.
      ax: panel to draw on.
      scenario: the one to show, on a scale of its own.
      tail: whether to show the mean of the worst 1 % of paths instead of that of all.

    Returns:
      `ax`, horizontal axis in dollars.
    """
    found = cascade.payments(results, scenario, tail=tail)
    value = np.array([e.value for e in found.values()])
    ends = np.cumsum(np.nan_to_num(value))
    starts = np.append(0.0, ends[:-1]) if ends.size else ends
    rows = np.arange(len(found) + 1)
    ax.set_yticks(rows, [TOTAL, *map(cascade.called, found)], parse_math=False)
    ax.set_ylim(len(found) + 0.6, -0.6)
    ax.tick_params(axis="y", length=0, labelcolor=theme.INK)
    ax.grid(visible=False, axis="y")
    ax.set_xlabel("worst 1 % of paths ($, USDC)" if tail else "mean ($, USDC)")
    total = ends[-1] if ends.size else 0.0
    if not np.nanmax(np.abs(value), initial=0.0) > 0:
        return empty(ax.xaxis, value, "no shortfall" if tail else "no shortfall in any path")
    colour = theme.scenario_colours(selection.names(results, "scenario"))[scenario]
    ax.barh([0], [total], height=0.62, color=theme.MUTED, alpha=0.75, lw=0)
    colours = [theme.INK if payer == cascade.UNCOVERED else colour for payer in found]
    ax.barh(rows[1:], ends - starts, left=starts, height=0.62, color=colours, alpha=0.8, lw=0)
    ax.vlines(ends[:-1], rows[1:-1] - 0.31, rows[2:] + 0.31, color=theme.MUTED, lw=0.7)
    high = np.nan_to_num(np.array([e.high for e in found.values()]), nan=-np.inf)
    reach = np.maximum(np.maximum(starts, ends), starts + high)
    whiskers(ax, rows[1:], ends, value, found)
    ax.set_xlim(min(0.0, starts.min(), ends.min()), 1.32 * max(total, reach.max()))
    texts = [amount(x) for x in (total, *value)]
    for row, end, text in zip(rows, [total, *reach], texts, strict=True):
        ax.annotate(text, xy=(end, row), xytext=(4, 0), textcoords="offset points", va="center",
                    ha="left", color=theme.INK if row == 0 else theme.MUTED,
                    fontsize=theme.FONT_SIZE - 0.8)  # fmt: skip
    ax.grid(visible=True, axis="x")
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.xaxis.set_major_formatter(scales.MONEY)
    return ax


def amount(value: float) -> str:
    """Money beside a bar: cents beside millions are said to be less than a dollar."""
    return "<$1" if 0 < value < 1 else units.money(float(value))


def whiskers(ax: Axes, rows: np.ndarray, ends: np.ndarray, value: np.ndarray, found: dict) -> None:
    """The 95 % intervals of amounts, at the ends of their bars; none where there are none."""
    low, high = (np.array([getattr(e, k) for e in found.values()]) for k in ("low", "high"))
    some = np.isfinite(low) & np.isfinite(high) & (high > low)
    if some.any():
        span = [(value - low)[some].clip(0), (high - value)[some].clip(0)]
        ax.errorbar(ends[some], rows[some], xerr=span, fmt="none", ecolor=theme.INK,
                    elinewidth=0.9, capsize=2)  # fmt: skip


def contagion(results: xr.Dataset, ax: Axes, scenario: str, assets: list[str]) -> Axes:
    """Share of the value liquidated in each asset that liquidations in another one caused.

    Args:
      results: dataset of a campaign with feedback.
      ax: panel to draw on.
      scenario: the one to show. The colours are on the scale of all scenarios.
      assets: shown, both as cause (rows) and as effect (columns).

    Returns:
      `ax`, every cell annotated in percent.
    """
    every = results["contagion"].sel(statistic="value", source_asset=assets, asset=assets)
    share = every.sel(scenario=scenario).transpose("source_asset", "asset").values.astype(float)
    top = float(np.nanmax(every.values[np.isfinite(every.values)], initial=0.01))
    colours = LinearSegmentedColormap.from_list("share", [PALE, DEEP])
    ax.set_facecolor(BLANK)
    edges = np.arange(len(assets) + 1) - 0.5
    ax.pcolormesh(edges, edges, np.ma.masked_invalid(share), cmap=colours, vmin=0, vmax=top,
                  edgecolors="white", linewidth=1.2)  # fmt: skip
    sign = f"{units.SPACE}%" if len(assets) <= ANNOTATED else ""
    for (row, column), value in np.ndenumerate(share):
        text = cell(value, sign)
        ink = (
            theme.MUTED if not np.isfinite(value) else "white" if value > LIGHT * top else theme.INK
        )
        ax.text(column, row, text, ha="center", va="center", color=ink,
                fontsize=theme.FONT_SIZE - (1.0 if sign else 2.0))  # fmt: skip
    names = [units.shorten(a, 9) for a in assets]
    ax.set_xticks(range(len(assets)), names, rotation=0 if sign else 90, parse_math=False)
    ax.set_yticks(range(len(assets)), names, parse_math=False)
    ax.set_ylim(len(assets) - 0.5, -0.5)
    ax.tick_params(length=0, labelcolor=theme.INK)
    ax.grid(visible=False)
    ax.set_xlabel("liquidated (% of its value)")
    ax.set_ylabel("caused by the impact of")
    return ax


def cell(share: float, sign: str) -> str:
    """A share in a cell of the map: whole percents, `<1 %` for a small one that is not zero."""
    if not np.isfinite(share):
        return units.MISSING
    whole = f"{100 * share:.0f}" if share >= 0.01 or share <= 0 else "<1"
    return whole + sign


def static_response(
    results: xr.Dataset, ax: Axes, assets: list[str], *, added: bool = False
) -> Axes:
    """Fall of every asset that an instantaneous fall of all of them ends in, cascade included.

    Args:
      results: dataset of a campaign with feedback.
      ax: panel to draw on.
      assets: those to show.
      added: whether to draw what the cascade adds to the shock instead of the whole fall.

    Returns:
      `ax`, both axes in percent; solid: least fixed point, dashed: greatest, where it differs.
    """
    shock = results["shock"].values.astype(float)
    fall = results["static_response"].sel(asset=assets) - results["shock"] * added
    colours = theme.group_colours(selection.names(results, "asset"))
    ax.set_xlabel("fall of all prices at once (%)")
    ax.set_ylabel("added (% points)" if added else "after the cascade (%)")
    known = fall.sel(bound=["least", "greatest"]).values.astype(float)
    if not np.isfinite(known).any():
        return empty(ax.yaxis, known, "no estimate")
    end = float(shock.max(initial=0.01))
    top = max(float(np.nanmax(known)), 0.01 if added else end)
    ax.set_xlim(0, end)
    ax.set_ylim(0, 1.04 * top)
    ax.plot([0, end], [0, 0 if added else end], color=theme.MUTED, lw=1.0, ls=":")
    labels = [(0.0 if added else end, "no cascade", theme.MUTED)]
    for asset in assets:
        least, greatest = (
            fall.sel(asset=asset, bound=b).values.astype(float) for b in ("least", "greatest")
        )
        ax.plot(shock, least, color=colours[asset])
        apart = np.abs(greatest - least) > APART
        near = apart | np.append(apart[1:], False) | np.append(False, apart[:-1])
        if apart.any():
            ax.plot(shock, np.where(near, greatest, np.nan), color=colours[asset], ls=(0, (3, 1.5)))
        labels.append((float(least[-1]), units.shorten(asset, 14), colours[asset]))
    ax.xaxis.set_major_locator(MaxNLocator(7))
    ax.yaxis.set_major_locator(MaxNLocator(5))
    ax.xaxis.set_major_formatter(scales.PERCENT)
    ax.yaxis.set_major_formatter(scales.PERCENT)
    theme.label_ends(ax, labels)
    return ax


def money_up(ax: Axes, top: float) -> None:
    """A vertical axis from zero to a little above an amount."""
    ax.set_ylim(0, 1.05 * top)
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_formatter(scales.MONEY)


def empty(axis: Axis, values: np.ndarray, text: str) -> Axes:
    """A panel that says why nothing is drawn: a sentence, or that nothing is known."""
    theme.note(axis.axes, text if np.isfinite(values).any() else "no estimate")
    axis.set_major_locator(NullLocator())
    return axis.axes
