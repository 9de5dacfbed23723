"""Figures of a backtest: how often losses went beyond the forecast, and where."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.dates
import numpy as np
from matplotlib.axes import Axes

from reports import theme, units

ZONES = {"green": "#00876C", "yellow": "#A67C00", "red": "#C0392B"}
WIDEST = 6.0  # ratio at which an axis ends; beyond, a mark at the edge
BINS = 20  # of a histogram of transforms
Key = tuple[str, str, int]  # subject, model, horizon in hours
Drawn = Mapping[Key, Mapping[str, np.ndarray]]


def write_figures(records: Sequence[Mapping[str, Any]], drawn: Drawn, folder: Path) -> list[Path]:
    """Writes the figures of a backtest as SVG and PNG.

    Args:
      records: one of each subject, model, horizon and side (`stress.backtest.scores`).
      drawn: forecasts by subject, model and horizon: hour, loss, limit, upper, transform.
      folder: where to.

    Returns:
      The files.
    """
    written = []
    for name, make in (
        ("backtest", exceedances), ("backtest_transforms", transforms), ("backtest_losses", losses),
    ):  # fmt: skip
        with make(records, drawn) as (figure, _):
            for suffix, data in (("svg", theme.svg(figure).encode()), ("png", None)):
                path = folder / f"{name}.{suffix}"
                if data is None:
                    figure.savefig(path, dpi=160)
                else:
                    path.write_bytes(data)
                written.append(path)
    return written


class _Made:
    """A canvas that is drawn on when it is entered."""

    def __init__(self, canvas, draw) -> None:
        self.canvas, self.draw = canvas, draw

    def __enter__(self):
        figure, axes = self.canvas.__enter__()
        self.draw(figure, axes)
        return figure, axes

    def __exit__(self, *error):
        return self.canvas.__exit__(*error)


def exceedances(records: Sequence[Mapping[str, Any]], drawn: Drawn) -> _Made:
    """Exceedances over expected of every model and subject, a panel for each horizon and side."""
    horizons = sorted({r["horizon_hours"] for r in records})
    subjects = list(dict.fromkeys(r["subject"] for r in records))
    models = list(dict.fromkeys(r["model"] for r in records))
    sides = list(dict.fromkeys(r["side"] for r in records))
    rows = len(subjects) * (len(models) + 1) - 1
    places = {
        (s, m): rows - (i * (len(models) + 1) + j)
        for i, s in enumerate(subjects) for j, m in enumerate(models)
    }  # fmt: skip

    def draw(figure, axes) -> None:
        for row, side in enumerate(sides):
            for ax, h in zip(axes[row], horizons, strict=True):
                some = [r for r in records if r["horizon_hours"] == h and r["side"] == side]
                for r in some:
                    _ratio(ax, r, places[r["subject"], r["model"]])
                ax.axvline(1, color=theme.MUTED, linewidth=0.9, zorder=0)
                ax.set_xlim(0, WIDEST)
                ax.set_ylim(0, rows + 1)
                ax.set_title(f"{units.hours(h)} ahead, {side}")
                ax.grid(axis="y", visible=False)
                ax.set_yticks(list(places.values()), [units.name(m) for _, m in places])
                for i, subject in enumerate(subjects):
                    top = rows - i * (len(models) + 1) + 0.45
                    ax.text(WIDEST, top, subject, ha="right", va="top", fontweight="bold")
        for ax in axes[-1]:
            ax.set_xlabel("exceedances / expected, colour: Basel zone")

    canvas = theme.canvas(
        len(sides), len(horizons), panel_height=0.13 * (rows + 1), left=0.85, right=0.15,
        gaps=(0.18, 0.5),
    )  # fmt: skip
    return _Made(canvas, draw)


def _ratio(ax: Axes, record: Mapping[str, Any], y: float) -> None:
    """A point with its 95 % interval, in the colour of its zone."""
    level = record["expected"] / record["n"]
    value, low, high = (record[k] / level for k in ("coverage", "coverage_low", "coverage_high"))
    colour = ZONES[record["zone"]]
    ax.plot([min(low, WIDEST), min(high, WIDEST)], [y, y], color=colour, linewidth=1.4)
    marker = ">" if value > WIDEST else "o"
    ax.plot([min(value, WIDEST)], [y], marker, color=colour, markersize=4, clip_on=False)


def transforms(records: Sequence[Mapping[str, Any]], drawn: Drawn) -> _Made:
    """Histograms of the probability transforms, a row for each subject, a column for each model."""
    horizon = _shown_horizon(drawn)
    keys = [k for k in drawn if k[2] == horizon]
    subjects = list(dict.fromkeys(k[0] for k in sorted(keys, key=lambda k: _order(records, k[0]))))
    models = list(dict.fromkeys(r["model"] for r in records))

    def draw(figure, axes) -> None:
        for row, subject in zip(axes, subjects, strict=True):
            for ax, model in zip(row, models, strict=True):
                u = drawn[subject, model, horizon]["transform"]
                heights, edges = np.histogram(u, bins=BINS, range=(0, 1))
                share = heights / len(u) * BINS
                ax.bar(edges[:-1], share, 1 / BINS, align="edge", color="#0072B2", linewidth=0)
                band = 1.96 * np.sqrt(BINS / len(u))
                ax.axhspan(1 - band, 1 + band, color=theme.MUTED, alpha=0.25, linewidth=0)
                ax.axhline(1, color=theme.MUTED, linewidth=0.8)
                ax.set_xlim(0, 1)
                ax.set_ylim(0, 2)
                ax.set_xticks([0, 0.5, 1], ["0", "½", "1"])
            row[0].set_ylabel(subject)
        for ax, model in zip(axes[0], models, strict=True):
            ax.set_title(units.name(model))
        figure.supxlabel(
            f"probability transform of the return over {units.hours(horizon)}; even where the "
            "forecast is right, band: 95 %", fontsize=theme.FONT_SIZE, color=theme.MUTED,
        )  # fmt: skip

    canvas = theme.canvas(
        len(subjects), len(models), panel_height=0.8, right=0.15, gaps=(0.12, 0.18), bottom=0.6
    )
    return _Made(canvas, draw)


def losses(records: Sequence[Mapping[str, Any]], drawn: Drawn) -> _Made:
    """Losses of the first subject over a day against each model's value at risk."""
    horizon, subject = _shown_horizon(drawn), records[0]["subject"]
    models = list(dict.fromkeys(r["model"] for r in records))

    def draw(figure, axes) -> None:
        for ax, model in zip(axes[:, 0], models, strict=True):
            found = drawn[subject, model, horizon]
            when = np.asarray(found["hour"]).astype("datetime64[h]")
            loss, limit = 100 * found["loss"], 100 * found["limit"]
            ax.plot(when, loss, color="#9fb3c4", linewidth=0.6)
            ax.plot(when, limit, color="#0072B2", linewidth=1.1)
            hits = loss > limit
            ax.plot(when[hits], loss[hits], "o", color=ZONES["red"], markersize=3)
            ax.set_title(f"{units.name(model)}: {int(hits.sum())} of {len(hits)} beyond")
            ax.set_ylabel("loss, %")
        locator = matplotlib.dates.AutoDateLocator()
        axes[-1, 0].xaxis.set_major_locator(locator)
        axes[-1, 0].xaxis.set_major_formatter(matplotlib.dates.ConciseDateFormatter(locator))
        figure.supxlabel(
            f"{subject}: loss over {units.hours(horizon)} (grey) and 99 % value at risk (blue)",
            fontsize=theme.FONT_SIZE, color=theme.MUTED,
        )  # fmt: skip

    canvas = theme.canvas(
        len(models), 1, panel_height=1.15, right=0.15, gaps=(0.3, 0.42), bottom=0.6
    )
    return _Made(canvas, draw)


def _shown_horizon(drawn: Drawn) -> int:
    """A day where there is one, else the shortest horizon."""
    horizons = {k[2] for k in drawn}
    return 24 if 24 in horizons else min(horizons)


def _order(records: Sequence[Mapping[str, Any]], subject: str) -> int:
    names = list(dict.fromkeys(r["subject"] for r in records))
    return names.index(subject) if subject in names else len(names)
