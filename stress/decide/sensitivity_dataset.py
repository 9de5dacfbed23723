"""From a study of sensitivity to a labelled dataset and a summary."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from stress.book import group_names
from stress.campaign import TAIL
from stress.config import Campaign
from stress.decide.euler import MEASURES, NO_ASSET, Attribution
from stress.decide.sensitivity import Study
from stress.estimate import Estimate, mean, paired_difference
from stress.labels import STATISTICS, attrs, stacked

UNITS = {"liquidated_accounts": "accounts"}  # of measures; USDC for the others


def sensitivity_dataset(
    campaign: Campaign, found: Study, assets: tuple[str, ...], attributes: Mapping[str, object]
) -> xr.Dataset:
    """Builds the dataset of a study.

    Args:
      campaign: that was studied.
      found: the study.
      assets: of the book, in order.
      attributes: of the dataset, numbers and strings.

    Returns:
      Dataset with `first` and `total` (Sobol indices), `base`, `tornado` (paired differences), and
      the attribution of expected shortfall; dims scenario, measure, input, bar, statistic, loss,
      account, group, asset, mechanism.
    """
    spec = campaign.spec
    names, measures = list(campaign.scenarios), list(spec.sensitivity.measures)
    shape = (len(names), len(measures), len(found.inputs))
    units = "unit of the measure"
    moved = [stacked(paired_difference(bar.figures, found.base)) for bar in found.bars]
    variables: dict[str, Any] = {
        "first": _indices(found.indices.first, shape, "first index", "by itself"),
        "total": _indices(found.indices.total, shape, "total index", "with all it does together"),
        "base": (("scenario", "measure", "statistic"), stacked(mean(found.base)),
                 attrs(units, "as stated", "Mean over paths with all inputs as stated.")),
        "tornado": (("bar", "scenario", "measure", "statistic"), np.array(moved),
                    attrs(units, "difference", "Mean over paths of the measure with one input "
                          "changed less as stated, on the same random numbers.")),
        **_attribution(names, found.attribution),
    }  # fmt: skip
    coordinates: dict[str, Any] = {
        "scenario": names,
        "measure": measures,
        "measure_unit": ("measure", [UNITS.get(m, "USDC") for m in measures]),
        "input": [one.name for one in found.inputs],
        "input_key": ("input", [one.key for one in found.inputs]),
        "input_law": ("input", [one.text for one in found.inputs]),
        "bar": np.arange(len(found.bars)),
        "bar_input": ("bar", [bar.name for bar in found.bars]),
        "bar_value": ("bar", [_shown(bar.value) for bar in found.bars]),
        "statistic": list(STATISTICS),
        "loss": list(MEASURES),
        "account": list(map(str, campaign.book.ids)),
        "group": group_names(campaign.book),
        "asset": [*assets, NO_ASSET],
        "mechanism": list(next(iter(found.attribution.values()))[MEASURES[0]].mechanism),
    }
    return xr.Dataset(variables, coords=coordinates, attrs=dict(attributes))


def sensitivity_summary(results: xr.Dataset) -> dict[str, Any]:
    """The machine-readable summary: indices, tornado and attribution, strict JSON."""

    def row(values: np.ndarray) -> dict[str, float | None]:
        return {
            str(k): float(v) if np.isfinite(v) else None
            for k, v in zip(results["statistic"].values, values, strict=True)
        }

    def labels(at: xr.DataArray, *dims: str) -> dict[str, str]:
        return {d: str(at[d].item()) for d in dims}

    indices, bars, parts = [], [], []
    for s in range(results.sizes["scenario"]):
        for m in range(results.sizes["measure"]):
            for i in range(results.sizes["input"]):
                at = results.isel(scenario=s, measure=m, input=i)
                indices.append(
                    labels(at["first"], "scenario", "measure", "input")
                    | {"first": row(at["first"].values), "total": row(at["total"].values)}
                )
            for b in range(results.sizes["bar"]):
                at = results["tornado"].isel(scenario=s, measure=m, bar=b)
                told = {"input": str(at["bar_input"].item()), "value": str(at["bar_value"].item())}
                bars.append(labels(at, "scenario", "measure") | told | row(at.values))
        for k in range(results.sizes["loss"]):
            at = results.isel(scenario=s, loss=k)
            split = {
                dim: dict(zip(map(str, results[dim].values), map(float, at[f"{dim}_part"].values),
                              strict=True))
                for dim in ("group", "asset", "mechanism")
            }  # fmt: skip
            whole = {"expected_shortfall": float(at["shortfall"]), "gap": float(at["gap"])}
            parts.append(labels(at["shortfall"], "scenario", "loss") | whole | split)
    return {"indices": indices, "tornado": bars, "attribution": parts}


def _indices(found: Estimate, shape: tuple[int, ...], name: str, how: str) -> tuple:
    """A variable of Sobol indices."""
    table = stacked(found).reshape(*shape, len(STATISTICS))
    text = (
        f"Share of the variance over the inputs that an input explains {how}; bootstrap interval."
    )
    return ("scenario", "measure", "input", "statistic"), table, attrs("1", name, text)


def _attribution(names: list[str], found: Mapping[str, Mapping[str, Attribution]]) -> dict:
    """Variables of the attribution: the whole, its parts, and how far their sums are from it."""
    share = f"{TAIL:.0%}"

    def table(of) -> np.ndarray:
        return np.array([[of(found[s][m]) for m in MEASURES] for s in names])

    def told(part: str) -> dict[str, str]:
        return attrs("USDC", part, f"Mean loss on the worst {share} of paths: {part}.")

    dims = ("scenario", "loss")
    return {
        "shortfall": (dims, table(lambda a: a.shortfall), told("expected shortfall of the book")),
        "gap": (dims, table(lambda a: a.gap),
                attrs("1", "gap", "Largest relative difference of a sum of parts from the whole.")),
        "account_part": ((*dims, "account"), table(lambda a: a.account), told("by account")),
        "group_part": ((*dims, "group"), table(lambda a: a.group), told("by group")),
        "asset_part": ((*dims, "asset"), table(lambda a: a.asset),
                       told("by asset, an account's part split by its gross exposure now")),
        "mechanism_part": ((*dims, "mechanism"), table(lambda a: list(a.mechanism.values())),
                           told("without feedback, and what feedback adds")),
    }  # fmt: skip


def _shown(value: Any) -> str:
    """A value of an input."""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:,.4g}" if isinstance(value, int | float) else str(value)
