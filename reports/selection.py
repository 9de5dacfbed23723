"""What to show of a results dataset: single numbers, the worst scenario, the accounts that matter.

Only looking up, ordering and picking; estimates and intervals come from the dataset as they are.
"""

import json
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

EVERYBODY = "all"  # name the dataset gives to the group of all accounts
STRESS_QUANTILE = 0.99


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A number with its 95 % interval, in the unit of the variable it was read from."""

    value: float
    low: float = float("nan")
    high: float = float("nan")

    @property
    def known(self) -> bool:
        """Whether there is a number at all."""
        return bool(np.isfinite(self.value))


def estimate(array: xr.DataArray) -> Estimate:
    """Estimate out of an array whose only dimension is `statistic`."""
    value, low, high = array.sel(statistic=["value", "low", "high"]).values
    return Estimate(value=float(value), low=float(low), high=float(high))


def names(results: xr.Dataset, dimension: str) -> list[str]:
    """Labels along a dimension, as text; none where the dataset has no such dimension."""
    return [str(x) for x in results[dimension].values] if dimension in results.coords else []


def system(results: xr.Dataset, scenario: str, metric: str) -> Estimate:
    """A metric of the book as a whole; an unknown one where the dataset does not hold it."""
    if metric not in names(results, "metric"):
        return Estimate(value=float("nan"))
    return estimate(results["system"].sel(scenario=scenario, metric=metric))


def group_probability(results: xr.Dataset, scenario: str, group: str) -> Estimate:
    """Expected share of a group's accounts liquidated by the horizon."""
    variable = results["group_liquidation_probability"]
    return estimate(variable.sel(scenario=scenario, group=group).isel(time=-1))


def account_probability(results: xr.Dataset, scenario: str, index: int) -> Estimate:
    """Liquidation probability of the account at a position."""
    variable = results["account_liquidation_probability"]
    return estimate(variable.sel(scenario=scenario).isel(account=index))


def scenarios_by_severity(results: xr.Dataset) -> list[str]:
    """Scenarios, the one that liquidates the largest share of accounts first; ties keep order."""
    return sorted(
        names(results, "scenario"),
        key=lambda s: -np.nan_to_num(group_probability(results, s, EVERYBODY).value),
    )


def groups(results: xr.Dataset) -> list[str]:
    """Groups of the book, without the one of all accounts."""
    return [g for g in names(results, "group") if g != EVERYBODY]


def groups_by_probability(results: xr.Dataset, scenario: str) -> list[str]:
    """Groups, the one most often liquidated under a scenario first."""
    return sorted(
        groups(results), key=lambda g: -np.nan_to_num(group_probability(results, scenario, g).value)
    )


def exposure(results: xr.Dataset) -> np.ndarray:
    """Loan plus perp notional of every account [account], USDC."""
    return np.nan_to_num(results["account_debt"].values + results["account_notional"].values)


def top_accounts(results: xr.Dataset, limit: int = 12) -> list[int]:
    """Positions of the accounts with the largest probability x exposure under any scenario."""
    probability = results["account_liquidation_probability"].sel(statistic="value")
    chance = np.nan_to_num(probability.transpose("scenario", "account").values)
    if not chance.size:
        return []
    size = exposure(results)
    order = np.lexsort((-size, -(chance * size).max(axis=0)))
    return [int(i) for i in order[:limit]]


def tokens(results: xr.Dataset) -> list[str]:
    """Reserves the dataset follows through time."""
    return names(results, "token") if "utilization" in results else []


def at_quantile(array: xr.DataArray, level: float) -> xr.DataArray:
    """The stored quantile nearest to a level."""
    return array.sel(quantile=level, method="nearest")


def attribute(results: xr.Dataset, key: str, default: Any = "") -> Any:
    """An attribute, decoded where it is JSON text."""
    found = results.attrs.get(key, default)
    if isinstance(found, str) and found[:1] in "{[":
        try:
            return json.loads(found)
        except json.JSONDecodeError:
            return found
    return found.item() if isinstance(found, np.generic) else found


def mapping(results: xr.Dataset, key: str) -> dict[str, Any]:
    """An attribute that should be a mapping; empty where it is absent or something else."""
    found = attribute(results, key, {})
    return found if isinstance(found, dict) else {}


def lines(results: xr.Dataset, key: str) -> list[str]:
    """An attribute that should be a list of sentences; one sentence may stand alone."""
    found = attribute(results, key, [])
    return [str(x) for x in found] if isinstance(found, list) else [str(found)] if found else []
