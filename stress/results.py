"""Results as files: the machine-readable summary, the zarr store, strict JSON."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from models import status
from stress.metrics import ACCOUNT_METRICS


def summary(results: xr.Dataset) -> dict[str, Any]:
    """The machine-readable summary: every metric with its interval, and the statuses."""
    common = {
        "horizon_hours": results.attrs["horizon_hours"],
        "paths": results.attrs["paths"],
        "estimator": results.attrs["estimator"],
    }

    def plain(value):
        return float(value) if np.isfinite(value) else None

    def sure(s: int, m: int) -> dict[str, Any]:
        """How a metric was estimated, and what speaks for or against it."""
        told: dict[str, Any] = {
            "estimator": str(results["metric_estimator"].values[s, m]),
            "paths": int(results["metric_paths"].values[s, m]),
        }
        for key in ("failed_paths", "plain_paths", "effective_paths", "largest_share", "pareto_k"):
            value = plain(results[f"metric_{key}"].values[s, m])
            told |= {} if value is None else {key: value}
        check, refusal, choice = (
            str(results[f"metric_{k}"].values[s, m]) for k in ("check", "refusal", "choice")
        )
        told |= {"chosen": choice} if choice else {}
        if check:
            value, error, low, high = map(plain, results["cross_check"].values[s, m])
            told["cross_check"] = {
                "estimator": check, "value": value, "standard_error": error, "ci95": [low, high],
                "z": plain(results["metric_agreement"].values[s, m]),
            }  # fmt: skip
        return told | ({"refused": refusal} if refusal else {})

    def row(name, values, **labels):
        value, error, low, high = map(plain, values)
        return {"id": name, **labels, "value": value, "standard_error": error, "ci95": [low, high]}

    rows = []
    for s, scenario in enumerate(results["scenario"].values):
        for m, metric in enumerate(results["metric"].values):
            told = ("unit", "definition")
            extra = {k: str(results[f"metric_{k}"].values[m]) for k in told} | common
            values = results["system"].values[s, m]
            rows.append(row(str(metric), values, scenario=str(scenario)) | extra | sure(s, m))
        for g, group in enumerate(results["group"].values):
            shares = results["group_liquidation_probability"]
            labels = {"scenario": str(scenario), "group": str(group)}
            extra = {"unit": "1", "definition": shares.attrs["definition"]} | common
            rows.append(
                row("group.liquidation_probability", shares.values[s, g, -1], **labels) | extra
            )
        for metric in ACCOUNT_METRICS:
            variable = results[metric.replace(".", "_")]
            values = variable.values[s]
            extra = {"unit": "1", "definition": variable.attrs["definition"]} | common
            for a, account in enumerate(results["account"].values):
                labels = {"scenario": str(scenario), "account": str(account)}
                rows.append(row(metric, values[a], **labels) | extra)
        shortfall = results["account_expected_shortfall_contribution"]
        extra = {"unit": "USDC", "definition": shortfall.attrs["definition"]} | common
        for a, account in enumerate(results["account"].values):
            labels = {"scenario": str(scenario), "account": str(account)}
            values = (shortfall.values[s, a], np.nan, np.nan, np.nan)
            rows.append(row("account.expected_shortfall_contribution", values, **labels) | extra)
    counts = results["status_count"].sum("scenario").values
    return {"metrics": rows, "status": dict(zip(status.NAMES, map(int, counts), strict=True))}


def save_dataset(results: xr.Dataset, folder: Path) -> None:
    """Writes results.zarr; opens with `xarray.open_zarr`. Texts are of variable length."""
    texts = {
        name: (coordinate.dims, coordinate.values.astype(object))
        for name, coordinate in results.coords.items()
        if coordinate.dtype.kind == "U"
    }
    results.assign_coords(texts).to_zarr(
        folder / "results.zarr", mode="w", consolidated=False, zarr_format=3
    )


def open_dataset(folder: Path) -> xr.Dataset:
    """Reads results.zarr of a run."""
    return xr.open_zarr(folder / "results.zarr", consolidated=False).load()


def as_json(value: object) -> str:
    """Strict JSON (no NaN), for attributes and files."""
    return json.dumps(value, indent=1, allow_nan=False, default=str)
