"""Names and values of what a tuning changes, limits and aims at, as people say them."""

import math

import numpy as np
import xarray as xr

from reports import selection, units
from reports.selection import Estimate

OF = {
    "ltv": "LTV of {}",
    "user_supply_cap": "supply cap per user of {}",
    "global_supply_cap": "global supply cap of {}",
    "user_borrow_cap": "borrow cap per user of {}",
    "global_borrow_cap": "global borrow cap of {}",
    "kink": "kink of the rate curve of {}",
    "slope": "slope of the rate curve of {}",
}
SHARES = ("ltv", "kink")
RESPONSES = {
    "fixed": "Borrowers are taken not to respond: loans, collateral and positions stay as they "
    "are, so that a higher LTV only adds credit and looks safer than it would be.",
    "proportional": "Every borrower is taken to draw the same share of the borrowing power as "
    "today, so that a higher LTV means larger loans.",
    "cap_filling": "Collateral is taken to grow to its global cap, or to shrink to it, every "
    "holding alike up to the cap of a user, and every borrower to draw the same share of the "
    "borrowing power as today; positions stay.",
}


def variable(results: xr.Dataset, name: str) -> str:
    """A variable in words: `LTV of HYPE`."""
    entry = results.sel(variable=name)
    return OF[str(entry["variable_of"].item())].format(entry["variable_token"].item())


def amount(results: xr.Dataset, name: str, value: float) -> str:
    """A value of a variable: `65 %`, `10M HYPE`."""
    entry = results.sel(variable=name)
    if not math.isfinite(value):
        return units.MISSING
    if str(entry["variable_of"].item()) in SHARES:
        return f"{100 * value:.4g}{units.SPACE}%"
    if str(entry["variable_of"].item()) == "slope":
        return f"{value:.4g} per year"
    return f"{tokens(value)} {entry['variable_token'].item()}"


def tokens(value: float) -> str:
    """A number of tokens: `10M`, `1.25k`."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:.6g}{letter}"
    return f"{value:.6g}"


def risk(results: xr.Dataset, name: str) -> str:
    """A constraint's risk in words: `P(bad debt > $1.00M)`, with its scenario."""
    entry = results.sel(constraint=name)
    what, scenario = (str(entry[f"constraint_{k}"].item()) for k in ("measure", "scenario"))
    unit = str(entry["constraint_measure_unit"].item())
    if str(entry["constraint_kind"].item()) == "probability":
        above = float(entry["constraint_above"])
        text = f"P({what})" if above == 0 else f"P({what} > {units.quantity(above, unit)})"
    else:
        share = units.percent(1 - float(entry["constraint_level"]))
        text = f"{what} in the worst {share}"
    return f"{text} under {units.name(scenario)}"


def unit_of(results: xr.Dataset, name: str) -> str:
    """Unit of a constraint's risk."""
    return str(results["constraint_unit"].sel(constraint=name).item())


def estimate(results: xr.Dataset, array: str, name: str, **at: int) -> Estimate:
    """A risk of a constraint for the candidate at a place."""
    return selection.estimate(results[array].isel(at).sel(constraint=name))


def with_bounds(found: Estimate, unit: str) -> str:
    """An estimate with its bounds in brackets."""
    between = units.interval(found, unit)
    text = units.value(found, unit)
    return text if between == units.MISSING else f"{text} ({between})"


def objective_name(results: xr.Dataset) -> str:
    """The objective in words."""
    return str(results.attrs["objective_measure"]).replace("_", " ")


def objective(results: xr.Dataset, value: float) -> str:
    """A value of the objective: a ratio, or money."""
    if results.attrs["objective_measure"] == "capital_efficiency":
        return units.significant(value, 4)
    return units.money(value, 4)


def change(results: xr.Dataset, before: np.ndarray, after: np.ndarray) -> list[str]:
    """What moves, in words: `raise the LTV of HYPE from 65 % to 72 %`."""
    said = []
    for n, name in enumerate(selection.names(results, "variable")):
        if before[n] == after[n]:
            continue
        verb = "raise" if after[n] > before[n] else "lower"
        ends = (amount(results, name, float(x[n])) for x in (before, after))
        said.append(f"{verb} the {variable(results, name)} from {' to '.join(ends)}")
    return said


def point(results: xr.Dataset, values: np.ndarray) -> str:
    """A candidate in words: `LTV of HYPE 72 %, global supply cap of HYPE 14M HYPE`."""
    names = selection.names(results, "variable")
    return ", ".join(
        f"{variable(results, name)} {amount(results, name, float(v))}"
        for name, v in zip(names, values, strict=True)
    )


def confidence(results: xr.Dataset) -> str:
    """Confidence of the bounds, in percent."""
    return f"{100 * float(results.attrs['confidence']):.4g}{units.SPACE}%"
