"""What to show of a comparison: cells, the worst of them, and the verdict on them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

from reports import selection, units
from reports.selection import Estimate

LOSSES = ("bad_debt", "supplier_loss")
SAFE, DEAR, OPEN = "safe", "not safe", "undecided"
BORROWERS = {
    "fixed": "loans stay as they are",
    "proportional": "borrowers draw the same share of what they may borrow",
    "cap_filling": "collateral fills the caps and borrowers draw the same share",
}


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One measure of one pair."""

    response: str
    reading: str
    before: Estimate
    after: Estimate
    change: Estimate  # after less before, paired
    together: Estimate  # the same with the interval that holds for all cells of a measure at once


def cell(results: xr.Dataset, scenario: str, response: str, reading: str, measure: str) -> Cell:
    """Both sides and their paired difference."""
    at = results.sel(scenario=scenario, response=response, reading=reading, measure=measure)
    change = selection.estimate(at["difference"])
    low, high = map(float, at["difference_together"].sel(end=["low", "high"]).values)
    return Cell(
        response=response,
        reading=reading,
        before=selection.estimate(at["outcome"].sel(side="before")),
        after=selection.estimate(at["outcome"].sel(side="after")),
        change=change,
        together=Estimate(value=change.value, low=low, high=high),
    )


def stated(results: xr.Dataset) -> str:
    """The reading of the rules as they are stated: the first one."""
    return selection.names(results, "reading")[0]


def cells(results: xr.Dataset, scenario: str, measure: str) -> list[Cell]:
    """Every response under every reading."""
    return [
        cell(results, scenario, response, reading, measure)
        for response in selection.names(results, "response")
        for reading in selection.names(results, "reading")
    ]


def losses(results: xr.Dataset) -> list[str]:
    """Measures of loss that the dataset holds."""
    return [m for m in selection.names(results, "measure") if m in LOSSES]


def kept(results: xr.Dataset) -> float:
    """Interest the reserve keeps over the horizon before the change, as the book stands, USDC."""
    return float(results["kept_interest"].sel(side="before").isel(response=0, reading=0))


def verdict(results: xr.Dataset, scenario: str) -> str:
    """Whether the change is safe under a scenario.

    Safe: the upper end of the added expected loss, bad debt and loss of suppliers each, is at most
    what the reserve keeps of interest in that time, for every response and reading. Not safe: the
    lower end exceeds it in some of them. Undecided: neither, or a loss is not known. The intervals
    hold together for all cells of a measure, so that many readings alone turn no verdict.
    """
    limit = kept(results)
    found = [c.together for m in losses(results) for c in cells(results, scenario, m)]
    if any(change.low > limit for change in found):
        return DEAR
    return SAFE if found and all(change.high <= limit for change in found) else OPEN


def worst(results: xr.Dataset, scenario: str, measure: str) -> Cell:
    """The pair with the largest lower end of the difference: what is surest to be bad."""
    found = cells(results, scenario, measure)
    return max(found, key=lambda c: np.nan_to_num(c.together.low, nan=-np.inf))


def changes(results: xr.Dataset) -> list[dict[str, Any]]:
    """Rules that differ."""
    found = selection.attribute(results, "changes", [])
    return found if isinstance(found, list) else []


def unit_of(results: xr.Dataset, measure: str) -> str:
    """Unit of a measure."""
    return str(results["measure_unit"].sel(measure=measure).item())


def label_of(results: xr.Dataset, measure: str) -> str:
    """What people call a measure."""
    return str(results["measure_label"].sel(measure=measure).item())


def signed(value: float, unit: str, digits: int = 3) -> str:
    """A difference with its sign: `+$1.2M`, `−0.35 points` for shares."""
    if unit == "1":
        text = f"{units.significant(100 * value, digits)}{units.SPACE}points"
    else:
        text = units.quantity(value, unit, digits)
    return f"+{text}" if value > 0 and text[:1] != "+" else text


def difference(found: Estimate, unit: str) -> tuple[str, str]:
    """A paired difference and its interval, as text."""
    if not found.known:
        return units.MISSING, ""
    if found.value == found.low == found.high == 0:
        return "0", "no path differs"
    digits = units.digits_for(found, unit)
    ends = [signed(x, unit, digits).removesuffix(f"{units.SPACE}points")
            for x in (found.low, found.high)]  # fmt: skip
    return signed(found.value, unit, digits), f"{ends[0]} to {ends[1]}"
