"""The figures of a tuning, framed with a heading, a caption and a text alternative."""

import numpy as np
import xarray as xr

from reports import selection, theme, units
from reports.frames import Plot
from reports.tuning import figures, memo, words

MOST_PANELS = 4  # constraints drawn; the table has the others
LEAST_CELLS = 4  # candidates over two variables that make a map
MARKS = "Ring: figures in force; star: best candidate that fresh seeds confirm."


def plots(results: xr.Dataset) -> dict[str, Plot]:
    """Every figure the dataset allows, by key, in the order of the page."""
    made = [fronts(results), maps(results), lines(results)]
    return {plot.key: plot for plot in made if plot is not None}


def fronts(results: xr.Dataset) -> Plot:
    """Objective against each risk."""
    needs = selection.names(results, "constraint")[:MOST_PANELS]
    with theme.canvas(
        len(needs), 1, panel_height=2.3, right=0.35, left=0.85, gaps=(0.3, 0.62), sharex=False
    ) as (figure, axes):
        for ax, name in zip(axes[:, 0], needs, strict=True):
            figures.front(results, ax, name)
        svg = theme.svg(figure)
    return Plot(
        key="front",
        heading="What more efficiency costs in risk",
        caption=(
            "Each dot is a candidate, green where every limit is kept. The line is the front: no "
            "other candidate has more at no more risk; the bars are bounds at "
            f"{words.confidence(results)} on either side, the dashed line the limit. {MARKS}"
        ),
        alternative="Scatter of objective against risk. " + memo.recommendation(results),
        svg=svg,
    )


def maps(results: xr.Dataset) -> Plot | None:
    """Objective and risks over the first two variables; none where there is no map to draw."""
    names = selection.names(results, "variable")
    if len(names) < 2:
        return None
    across, up = names[:2]
    cells = figures.lattice(results, across, up, results["objective"].values)[2]
    if min(cells.shape) < 2 or np.isfinite(cells).sum() < LEAST_CELLS:
        return None
    needs = selection.names(results, "constraint")[: MOST_PANELS - 1]
    rows = -(-(1 + len(needs)) // 2)
    with theme.canvas(
        rows, 2, panel_height=2.3, left=0.75, right=0.85, gaps=(1.35, 0.75),
        sharex=False, sharey=False,
    ) as (figure, axes):  # fmt: skip
        panels = list(axes.flat)
        figures.heat_map(results, panels[0], across, up, results["objective"].values, "objective")
        panels[0].set_title(words.objective_name(results).capitalize())
        for ax, name in zip(panels[1:], needs, strict=False):
            risk = results["risk"].sel(constraint=name, statistic="value").values
            figures.heat_map(results, ax, across, up, risk, words.unit_of(results, name))
            ax.set_title(units.shorten(words.risk(results, name), 42))
        for ax in panels[1 + len(needs) :]:
            ax.set_visible(False)
        svg = theme.svg(figure)
    number = int(results.attrs["feasible_candidates"])
    return Plot(
        key="maps",
        heading=f"{words.variable(results, across)} against {words.variable(results, up)}",
        caption=(
            "A cell is a candidate, all else as in the best; the green line bounds the candidates "
            f"whose upper bounds at {words.confidence(results)} keep every limit. {MARKS}"
        ),
        alternative=(
            f"Maps of the objective and of the risks over two variables; {units.count(number)} of "
            f"{units.count(float(results.sizes['candidate']))} candidates keep every limit."
        ),
        svg=svg,
    )


def lines(results: xr.Dataset) -> Plot:
    """Risks over their limits along each variable."""
    names = selection.names(results, "variable")
    with theme.canvas(
        len(names), 1, panel_height=2.1, left=0.78, right=1.6, gaps=(0.3, 0.65), sharex=False
    ) as (figure, axes):
        for ax, name in zip(axes[:, 0], names, strict=True):
            figures.curves(results, ax, name)
        svg = theme.svg(figure)
    return Plot(
        key="curves",
        heading="Where the limits are reached",
        caption=(
            "Each risk as a share of its limit along one variable, all else as in the best; bands "
            f"are bounds at {words.confidence(results)} on either side. A limit is kept where the "
            "whole band is below the dashed line. Dotted: in force; solid: the best."
        ),
        alternative="Line charts of risks over limits. " + memo.places(results),
        svg=svg,
    )
