"""One function per plot of a tuning: `(results, ax, ...) -> ax`."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.ticker import FuncFormatter, MaxNLocator

from reports import scales, selection, theme, units
from reports.tuning import words

PALE, DEEP, BLANK = "#f3f7fa", "#0b4f7d", "#e3e7eb"  # ends of a map's scale, no candidate
GOOD, BAD = "#00876C", "#C0392B"
TALL = 3.0  # times a limit at which an axis of shares of limits ends


def front(results: xr.Dataset, ax: Axes, constraint: str) -> Axes:
    """Objective against one risk: all candidates, the front with its bounds, the limit.

    Args:
      results: dataset of a tuning.
      ax: panel to draw on.
      constraint: whose risk is on the horizontal axis.

    Returns:
      `ax`.
    """
    risk = results["risk"].sel(constraint=constraint)
    x, low, high = (risk.sel(statistic=s).values for s in ("value", "low", "high"))
    y, kept = results["objective"].values, results["feasible"].values
    for shown, colour, size in ((~kept, BAD, 7), (kept, GOOD, 9)):
        ax.scatter(x[shown], y[shown], s=size, color=colour, alpha=0.35, lw=0)
    on = results["front_of"].sel(constraint=constraint).values
    order = np.flatnonzero(on)[np.argsort(x[on], kind="stable")]
    ax.plot(x[order], y[order], color=theme.INK, lw=1.0, drawstyle="steps-post")
    spans = np.stack([x - low, high - x])[:, order]
    known = np.isfinite(spans).all(axis=0)
    ax.errorbar(x[order][known], y[order][known], xerr=spans[:, known].clip(0), fmt="none",
                ecolor=theme.MUTED, elinewidth=0.8)  # fmt: skip
    limit = float(results["limit"].sel(constraint=constraint))
    ax.axvline(limit, color=BAD, lw=1.0, ls=(0, (4, 2)))
    marked(results, ax, x, y)
    top = np.nanmax(np.append(x[np.isfinite(x)], limit))
    ax.set_xlim(-0.03 * top, 1.05 * top)
    ax.set_xlabel(units.shorten(words.risk(results, constraint), 60))
    ax.set_ylabel(words.objective_name(results))
    ax.xaxis.set_major_locator(MaxNLocator(4))
    ax.xaxis.set_major_formatter(_axis(words.unit_of(results, constraint)))
    ax.yaxis.set_major_formatter(FuncFormatter(lambda v, _: words.objective(results, v)))
    return ax


def marked(results: xr.Dataset, ax: Axes, x: np.ndarray, y: np.ndarray) -> None:
    """A ring round the figures in force, a star on the recommendation."""
    ax.scatter(x[:1], y[:1], s=52, facecolors="none", edgecolors=theme.INK, lw=1.3, zorder=4)
    best = int(results["best"])
    if best >= 0:
        ax.scatter(x[best], y[best], s=95, marker="*", color=theme.INK, lw=0, zorder=5)


def lattice(
    results: xr.Dataset, across: str, up: str, series: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A figure of candidates over two variables, the others as in the best.

    Args:
      results: dataset of a tuning.
      across: variable of the columns.
      up: variable of the rows.
      series: one number per candidate.

    Returns:
      (values across `[c]`, values up `[r]`, numbers `[r, c]`; NaN where no candidate is). The
      figures in force alone make no row or column.
    """
    names = selection.names(results, "variable")
    values = results["values"].values
    center = values[max(int(results["best"]), 0)]
    rest = [n for n, name in enumerate(names) if name not in (across, up)]
    shown = (values[:, rest] == center[rest]).all(axis=1)
    i, j = names.index(across), names.index(up)
    inside = shown & (np.arange(len(values)) > 0)
    columns, rows = np.unique(values[inside, i]), np.unique(values[inside, j])
    shown &= np.isin(values[:, i], columns) & np.isin(values[:, j], rows)
    cells = np.full((len(rows), len(columns)), np.nan)
    places = np.searchsorted(rows, values[shown, j]), np.searchsorted(columns, values[shown, i])
    cells[places] = series[shown]
    return columns, rows, cells


def heat_map(
    results: xr.Dataset, ax: Axes, across: str, up: str, series: np.ndarray, unit: str
) -> Axes:
    """A figure of candidates over two variables, the feasible region outlined.

    Args:
      results: dataset of a tuning.
      ax: panel to draw on.
      across: variable of the columns.
      up: variable of the rows.
      series: one number per candidate.
      unit: of the numbers; "objective" for the objective.

    Returns:
      `ax`, with a scale of colours beside it.
    """
    x, y, cells = lattice(results, across, up, series)
    kept = lattice(results, across, up, results["feasible"].values.astype(float))[2]
    columns, rows = _edges(x), _edges(y)
    found = cells[np.isfinite(cells)]
    norm = Normalize(found.min(initial=0.0) if unit != "objective" else found.min(),
                     max(found.max(initial=0.0), 1e-12))  # fmt: skip
    colours = LinearSegmentedColormap.from_list("risk", [PALE, DEEP])
    ax.set_facecolor(BLANK)
    ax.pcolormesh(columns, rows, np.ma.masked_invalid(cells), cmap=colours, norm=norm, lw=0)
    ax.add_collection(
        LineCollection(outline(columns, rows, kept == 1), colors=[GOOD], linewidths=2.0)
    )
    today = results["variable_today"]
    places = [float(today.sel(variable=v)) for v in (across, up)]
    ax.scatter(*places, s=52, facecolors="none", edgecolors=theme.INK, lw=1.3, zorder=4)
    best = int(results["best"])
    if best >= 0:
        at = results["values"].isel(candidate=best)
        ax.scatter(*(float(at.sel(variable=v)) for v in (across, up)), s=95, marker="*",
                   color=theme.INK, lw=0.8, edgecolors="white", zorder=5)  # fmt: skip
    ax.set_xlim(columns[0], columns[-1])
    ax.set_ylim(rows[0], rows[-1])
    ax.grid(visible=False)
    for axis, name in ((ax.xaxis, across), (ax.yaxis, up)):
        axis.set_label_text(words.variable(results, name))
        axis.set_major_locator(MaxNLocator(4))
        axis.set_major_formatter(_values(results, name))
    shown = ScalarMappable(norm, colours)
    place = ax.inset_axes((1.03, 0.0, 0.035, 1.0))
    bar = ax.figure.colorbar(shown, cax=place)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.yaxis.set_major_locator(MaxNLocator(4))
    bar.ax.yaxis.set_major_formatter(
        FuncFormatter(lambda v, _: words.objective(results, v))
        if unit == "objective"
        else _axis(unit)
    )
    return ax


def outline(x: np.ndarray, y: np.ndarray, inside: np.ndarray) -> list:
    """Segments between cells inside and outside a region.

    Args:
      x: edges of the columns, `[c + 1]`.
      y: edges of the rows, `[r + 1]`.
      inside: bool `[r, c]`.

    Returns:
      Pairs of points.
    """
    wide = np.pad(inside, 1)
    found = []
    for r, c in np.argwhere(wide[1:-1, 1:] != wide[1:-1, :-1]):
        found.append([(x[c], y[r]), (x[c], y[r + 1])])
    for r, c in np.argwhere(wide[1:, 1:-1] != wide[:-1, 1:-1]):
        found.append([(x[c], y[r]), (x[c + 1], y[r])])
    return found


def curves(results: xr.Dataset, ax: Axes, variable: str) -> Axes:
    """Every risk over its limit along a variable, all else as in the best, with bounds.

    Args:
      results: dataset of a tuning.
      ax: panel to draw on.
      variable: on the horizontal axis.

    Returns:
      `ax`; a limit is reached at 100 %.
    """
    names, values = selection.names(results, "variable"), results["values"].values
    n = names.index(variable)
    center = values[max(int(results["best"]), 0)]
    rest = [k for k in range(len(names)) if k != n]
    line = np.flatnonzero((values[:, rest] == center[rest]).all(axis=1))
    line = line[np.argsort(values[line, n], kind="stable")]
    x = values[line, n]
    needs = selection.names(results, "constraint")
    colours, labels, top = theme.scenario_colours(needs), [], 1.15
    for name in needs:
        risk = results["risk"].sel(constraint=name).isel(candidate=line)
        share = {s: risk.sel(statistic=s).values / float(results["limit"].sel(constraint=name))
                 for s in ("value", "low", "high")}  # fmt: skip
        ax.fill_between(x, share["low"], share["high"], color=colours[name], alpha=0.18, lw=0)
        ax.plot(x, share["value"], color=colours[name], marker="o", ms=2.6)
        known = share["value"][np.isfinite(share["value"])]
        labels.append((float(min(known[-1], TALL)) if known.size else np.nan,
                       units.shorten(name, 22), colours[name]))  # fmt: skip
        top = max(top, np.nanmax(np.append(share["high"], 0.0)))
    ax.axhline(1, color=BAD, lw=1.0, ls=(0, (4, 2)))
    ax.axvline(float(results["variable_today"][n]), color=theme.MUTED, lw=0.9, ls=":")
    if int(results["best"]) >= 0:
        ax.axvline(center[n], color=theme.INK, lw=0.9)
    ax.set_ylim(0, min(1.05 * top, TALL))
    if len(x) > 1:
        ax.set_xlim(x[0], x[-1])
    ax.set_xlabel(words.variable(results, variable))
    ax.set_ylabel("risk over its limit")
    ax.xaxis.set_major_locator(MaxNLocator(6))
    ax.xaxis.set_major_formatter(_values(results, variable))
    ax.yaxis.set_major_formatter(scales.PERCENT)
    theme.label_ends(ax, labels)
    return ax


def _edges(values: np.ndarray) -> np.ndarray:
    """Bounds of cells around ascending values."""
    if len(values) == 1:
        return values[0] * np.array([0.99, 1.01])
    middle = (values[1:] + values[:-1]) / 2
    return np.concatenate([[2 * values[0] - middle[0]], middle, [2 * values[-1] - middle[-1]]])


def _axis(unit: str) -> FuncFormatter:
    return {"1": scales.PERCENT, "USDC": scales.MONEY}.get(
        unit, FuncFormatter(lambda v, _: units.significant(v))
    )


def _values(results: xr.Dataset, name: str) -> FuncFormatter:
    """Values of a variable on an axis."""
    kind = str(results["variable_of"].sel(variable=name).item())
    if kind in words.SHARES:
        return scales.PERCENT
    return FuncFormatter(lambda v, _: words.tokens(float(f"{v:.6g}")))
