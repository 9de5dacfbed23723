"""What the figures of the page have in common: the frame around panels, and titles of panels."""

import re
from dataclasses import dataclass

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from reports import selection, theme, units


@dataclass(frozen=True, kw_only=True)
class Plot:
    """A finished figure."""

    key: str
    heading: str
    caption: str
    alternative: str
    svg: str

    @property
    def size(self) -> tuple[int, int]:
        """Natural width and height in CSS pixels (a point is 4/3 of one)."""
        found = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', self.svg)
        width, height = found.groups() if found else ("540", "300")
        return round(float(width) * 4 / 3), round(float(height) * 4 / 3)


def title(ax: Axes, results: xr.Dataset, scenario: str, length: int = 34) -> None:
    """The scenario's name over its panel, in its colour."""
    colours = theme.scenario_colours(selection.names(results, "scenario"))
    ax.set_title(units.shorten(units.title(scenario), length), color=colours[scenario])


def outer_labels(axes: np.ndarray) -> None:
    """Keep the label of the horizontal axis on the lowest row only."""
    for ax in axes[:-1].flat:
        ax.set_xlabel("")
