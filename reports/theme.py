"""Colours, type and layout of the figures; nothing global is changed outside `canvas`.

Scenario colours are Okabe and Ito's, group colours Paul Tol's "muted" set, the light ones
darkened to be legible as text: both stay apart under the common forms of colour blindness, and
every line carries its name besides its colour.
"""

import io
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib
import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

INK, MUTED, RULE = "#1c2733", "#5a6773", "#d5dbe1"
SCENARIO_COLOURS = ("#0072B2", "#D55E00", "#00876C", "#9A5EA1", "#A67C00", "#56B4E9")
GROUP_COLOURS = (
    "#882255", "#332288", "#117733", "#C0566A", "#2F8F80", "#7D7A1E", "#AA4499", "#3D94BF",
)  # fmt: skip
WIDTH = 7.2  # inches; the page shows it 500 to 900 px wide
LAYOUT_FONT = "DejaVu Sans"  # ships with matplotlib and is wide: text set in another font fits too
PAGE_FONT = "Inter, 'Helvetica Neue', Helvetica, Arial, 'Liberation Sans', sans-serif"
FONT_SIZE = 8.6  # points

RC: dict[Any, Any] = {
    **seaborn.axes_style("ticks"),
    "font.family": "sans-serif",
    "font.sans-serif": [LAYOUT_FONT],
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE + 0.6,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 7.0,
    "axes.labelsize": FONT_SIZE,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": RULE,
    "axes.linewidth": 0.8,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.unicode_minus": True,
    "grid.color": "#e8ecf0",
    "grid.linewidth": 0.8,
    "text.color": INK,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
    "xtick.color": RULE,
    "ytick.color": RULE,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "xtick.labelsize": FONT_SIZE - 0.6,
    "ytick.labelsize": FONT_SIZE - 0.6,
    "lines.linewidth": 1.6,
    "lines.solid_capstyle": "round",
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "svg.fonttype": "none",
    "svg.hashsalt": "reports",
}


@contextmanager
def canvas(
    rows: int,
    columns: int,
    *,
    panel_height: float,
    left: float = 0.72,
    right: float = 1.35,
    top: float = 0.32,
    bottom: float = 0.52,
    gaps: tuple[float, float] = (0.3, 0.55),
    sharex: bool = True,
    sharey: bool | Literal["col"] = True,
) -> Iterator[tuple[Figure, np.ndarray]]:
    """A figure of the page's width with a grid of panels; all lengths in inches.

    Fixed margins rather than a layout engine: labels at the right end of lines need to know the
    height of their panel before they are drawn, and panels of different figures line up.

    Args:
      rows: of panels.
      columns: of panels.
      panel_height: of one row.
      left: margin for the labels of the vertical axis.
      right: margin for the names of lines.
      top: margin for titles.
      bottom: margin for the labels of the horizontal axis.
      gaps: between columns, between rows.
      sharex: as in `Figure.subplots`.
      sharey: as in `Figure.subplots`.

    Yields:
      The figure and its axes [rows, columns]. Settings hold inside the block only.
    """
    gap_x, gap_y = gaps
    height = top + bottom + rows * panel_height + (rows - 1) * gap_y
    panel_width = (WIDTH - left - right - (columns - 1) * gap_x) / columns
    with matplotlib.rc_context(RC):
        figure = Figure(figsize=(WIDTH, height))
        FigureCanvasAgg(figure)
        grid = {
            "left": left / WIDTH,
            "right": 1 - right / WIDTH,
            "bottom": bottom / height,
            "top": 1 - top / height,
            "wspace": gap_x / panel_width,
            "hspace": gap_y / panel_height,
        }
        axes = figure.subplots(
            rows, columns, sharex=sharex, sharey=sharey, squeeze=False, gridspec_kw=grid
        )
        yield figure, axes


def svg(figure: Figure) -> str:
    """The figure as SVG text, without date or random identifiers: equal data, equal bytes.

    Must be called inside the `canvas` block. Text stays text, set in the fonts of the page.
    """
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # The reader's browser draws the text, so a name outside the layout font is no fault.
        warnings.filterwarnings("ignore", message=".*[Gg]lyph .* missing")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    text = re.sub(rf"['\"]?{LAYOUT_FONT}['\"]?", PAGE_FONT, text)
    return text[text.index("<svg") :].strip()


def scenario_colours(scenarios: Sequence[str]) -> dict[str, str]:
    """The colour of every scenario, by its place in the dataset."""
    return {s: SCENARIO_COLOURS[i % len(SCENARIO_COLOURS)] for i, s in enumerate(scenarios)}


def group_colours(groups: Sequence[str]) -> dict[str, str]:
    """The colour of every group, by its place in the dataset."""
    return {g: GROUP_COLOURS[i % len(GROUP_COLOURS)] for i, g in enumerate(groups)}


def label_ends(
    ax: Axes, labels: Sequence[tuple[float, str, str]], *, at: float = 1.0, bold: str = ""
) -> None:
    """Names beside the ends of lines, moved apart vertically so that none overlap.

    Call it when the limits of the axes are final.

    Args:
      ax: axes whose lines are named.
      labels: (height of the line's end in data units, text, colour).
      at: horizontal place of the labels, in fractions of the axes.
      bold: the text to set in bold, if any.
    """
    drawn = [(y, text, colour) for y, text, colour in labels if np.isfinite(y)]
    if not drawn:
        return
    heights = ax.transAxes.inverted().transform(
        ax.transData.transform([(ax.get_xlim()[0], y) for y, _, _ in drawn])
    )[:, 1]
    size = FONT_SIZE - 0.4
    gap = 1.22 * size / (ax.get_window_extent().height / ax.figure.dpi * 72)
    floor = 0.0 if at >= 1 else 0.6 * gap  # inside the axes, stay above the horizontal one
    heights = spread(np.clip(heights, floor, 1), gap)
    for (_, text, colour), height in zip(drawn, heights, strict=True):
        ax.annotate(
            text,
            xy=(at, height),
            xycoords="axes fraction",
            xytext=(5, 0),
            textcoords="offset points",
            va="center",
            ha="left",
            color=colour,
            fontsize=size,
            fontweight="bold" if text == bold else "normal",
            annotation_clip=False,
        )


def spread(heights: np.ndarray, gap: float) -> np.ndarray:
    """Heights moved as little as a pass up and a pass down need to lie `gap` apart.

    Args:
      heights: [n], fractions of the axes, any order.
      gap: smallest distance.

    Returns:
      New heights [n] in the order given, centred on [0, 1] if they do not fit in it.
    """
    order = np.argsort(heights, kind="stable")
    placed = heights[order].astype(float)
    for i in range(1, len(placed)):
        placed[i] = max(placed[i], placed[i - 1] + gap)
    ceiling = max(1.0, (len(placed) - 1) * gap / 2 + 0.5)
    for i in reversed(range(len(placed))):
        limit = ceiling if i == len(placed) - 1 else placed[i + 1] - gap
        placed[i] = min(placed[i], limit)
    result = np.empty_like(placed)
    result[order] = placed
    return result


def note(ax: Axes, text: str) -> None:
    """A sentence in the middle of a panel that has nothing to draw."""
    ax.text(0.5, 0.5, text, transform=ax.transAxes, ha="center", va="center", color=MUTED)
