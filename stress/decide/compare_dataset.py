"""From the sides of a comparison to a labelled dataset with paired differences, and a summary."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from models.status import NAMES
from stress.decide.compare import (
    SIDES,
    STANDINGS,
    Case,
    Measure,
    kept_interest,
    measures,
    standing_figures,
)
from stress.estimate import Estimate, mean, paired_difference, proportion
from stress.labels import STATISTICS, attrs, stacked
from stress.totals import Totals

LEVEL = 0.95
TOGETHER = (
    "Interval of the paired difference, wide enough for all responses and readings of a measure "
    "under a scenario to hold at once with 95 % (Bonferroni)."
)
Results = Mapping[str, Mapping[str, Totals]]  # digest -> scenario -> totals
Shown = dict[str, np.ndarray]


def outcomes(cases: list[Case], results: Results) -> np.ndarray:
    """Figures of every path.

    Args:
      cases: in the order of `stress.decide.compare.cases`.
      results: totals by the digest of a case's campaign.

    Returns:
      `[response, reading, side, scenario, measure, path]`, in each measure's unit; NaN for paths
      that are not finite.
    """
    campaign = cases[0].campaign
    names, compared = list(campaign.scenarios), measures(campaign.spec.feedback)
    values = [
        [[np.asarray(m.of(results[c.campaign.digest][s], c), float) for m in compared]
         for s in names]
        for c in cases
    ]  # fmt: skip
    shape = (*_shape(cases), len(names), len(compared), campaign.spec.paths)
    return np.asarray(values).reshape(shape)


def compare_dataset(
    cases: list[Case], results: Results, attributes: Mapping[str, object]
) -> xr.Dataset:
    """Builds the dataset of a comparison.

    Args:
      cases: in the order of `stress.decide.compare.cases`.
      results: totals by the digest of a case's campaign.
      attributes: of the dataset, numbers and strings.

    Returns:
      Dataset with `outcome` (value of each side), `difference` (after less before on the same
      paths), `path_outcome`, `standing` (before anything moves), `kept_interest` and
      `status_count`; dims response, reading, side, scenario, measure, statistic, path, figure.
    """
    campaign = cases[0].campaign
    compared = measures(campaign.spec.feedback)
    by_path = outcomes(cases, results)
    before, after = by_path[:, :, 0], by_path[:, :, 1]
    cell = ("response", "reading", "scenario", "measure")
    each = ("response", "reading", "side", "scenario", "measure")
    at_start = np.array([[standing_figures(c)[key] for key in STANDINGS] for c in cases])
    start = at_start.reshape(*_shape(cases), len(STANDINGS))
    counts = np.array([_statuses(results[c.campaign.digest], campaign.scenarios) for c in cases])
    kept = np.array([kept_interest(c) for c in cases]).reshape(_shape(cases))
    units = "unit of the measure"
    variables: dict[str, Any] = {
        "outcome": ((*each, "statistic"), stacked(_each_side(by_path, compared)),
                    attrs(units, "outcome", "Mean over paths on each side.")),
        "difference": ((*cell, "statistic"), stacked(paired_difference(after, before)),
                       attrs(units, "after less before", "Mean over paths of the difference on the "
                             "same random numbers; 95 % interval from the differences.")),
        "difference_together": ((*cell, "end"), _together(after, before),
                                attrs(units, "after less before, together", TOGETHER)),
        "path_outcome": ((*each, "path"), by_path,
                         attrs(units, "outcome by path", "Figure of each path.")),
        "standing": (("response", "reading", "side", "figure"), start,
                     attrs("unit of the figure", "standing", "Before anything moves.")),
        "kept_interest": (("response", "reading", "side"), kept,
                          attrs("USDC", "interest kept", "What the reserve keeps of interest over "
                                "the horizon at today's rate and loans.")),
        "status_count": (("response", "reading", "side", "scenario", "status"),
                         counts.reshape(*_shape(cases), *counts.shape[1:]),
                         attrs("paths", "paths by status", "How paths ended.")),
    }  # fmt: skip
    coordinates: dict[str, Any] = {
        "response": list(dict.fromkeys(c.response for c in cases)),
        "reading": list(dict.fromkeys(c.reading for c in cases)),
        "side": list(SIDES),
        "scenario": list(campaign.scenarios),
        "statistic": list(STATISTICS),
        "end": ["low", "high"],
        "measure": [m.id for m in compared],
        "measure_label": ("measure", [m.label for m in compared]),
        "measure_unit": ("measure", [m.unit for m in compared]),
        "measure_definition": ("measure", [m.definition for m in compared]),
        "figure": list(STANDINGS),
        "figure_label": ("figure", [label for label, _, _ in STANDINGS.values()]),
        "figure_unit": ("figure", [unit for _, unit, _ in STANDINGS.values()]),
        "figure_definition": ("figure", [text for _, _, text in STANDINGS.values()]),
        "status": list(NAMES),
    }
    return xr.Dataset(variables, coords=coordinates, attrs=dict(attributes))


def compare_summary(results: xr.Dataset) -> dict[str, Any]:
    """The machine-readable summary: both sides and the paired difference of every cell."""

    def plain(estimate: xr.DataArray) -> dict[str, float | None]:
        values = estimate.values
        return {
            str(name): float(x) if np.isfinite(x) else None
            for name, x in zip(results["statistic"].values, values, strict=True)
        }

    rows, dims = [], ("scenario", "response", "reading", "measure")
    for index in np.ndindex(*(results.sizes[d] for d in dims)):
        at = dict(zip(dims, index, strict=True))
        cell = results.isel(at)
        rows.append(
            {name: str(cell[name].item()) for name in at}
            | {"unit": str(cell["measure_unit"].item()),
               "definition": str(cell["measure_definition"].item())}
            | {side: plain(cell["outcome"].sel(side=side)) for side in SIDES}
            | {"difference": plain(cell["difference"])}
        )  # fmt: skip
    common = {key: results.attrs[key] for key in ("before", "after", "paths", "horizon_hours")}
    standing = [
        {"response": str(r), "side": str(s)}
        | {str(f): float(results["standing"].sel(response=r, side=s, figure=f).isel(reading=0))
           for f in results["figure"].values}
        for r in results["response"].values for s in SIDES
    ]  # fmt: skip
    return common | {"standing": standing, "comparisons": rows}


def _together(after: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Low and high of the paired difference, `[response, reading, scenario, measure, 2]`."""
    many = after.shape[0] * after.shape[1]
    found = paired_difference(after, before, level=1 - (1 - LEVEL) / many)
    return np.stack([found.low, found.high], axis=-1)


def _shape(cases: list[Case]) -> tuple[int, int, int]:
    """Responses, readings, sides."""
    responses = len(dict.fromkeys(c.response for c in cases))
    return responses, len(cases) // responses // len(SIDES), len(SIDES)


def _each_side(by_path: np.ndarray, compared: list[Measure]) -> Estimate:
    """Mean over paths; Wilson's interval, which knows that none is not never, for probabilities."""
    found = mean(by_path)
    for m, measure in enumerate(compared):
        if measure.event:
            values = by_path[..., m, :]
            failed = np.isnan(values).sum(axis=-1)
            share = proportion(np.nansum(values, axis=-1), values.shape[-1], failed)
            for name in STATISTICS:
                getattr(found, name)[..., m] = getattr(share, name)
    return found


def _statuses(totals: Mapping[str, Totals], scenarios: Mapping[str, object]) -> np.ndarray:
    """Paths by scenario and status."""
    return np.array(
        [np.bincount(totals[s].by_path["status"], minlength=len(NAMES)) for s in scenarios]
    )
