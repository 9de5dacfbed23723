"""Parts of sentences: probabilities and shares with their intervals, lists, names of scenarios."""

import math

import xarray as xr

from reports import selection, units
from reports.selection import Estimate


def probability(found: Estimate, paths: int, among: str = "of paths") -> str:
    """A probability with its interval; zero as `none of 16,384 paths`, with its upper bound."""
    if not found.known:
        return "not estimated"
    if found.value == 0:
        bound = found.high
        none = f"none of {units.count(paths)} paths"
        if math.isfinite(bound) and bound > 0:
            return f"{none}; below {units.below(bound)} at 95{units.SPACE}% confidence"
        return none
    interval = units.interval(found, "1")
    text = f"{units.value(found, '1')} {among}".rstrip()
    return text if interval == units.MISSING else f"{text} ({interval})"


def percentage(found: Estimate) -> str:
    """A share with its interval in brackets; the page says once that these are at 95 %."""
    interval = units.interval(found, "1")
    text = units.value(found, "1")
    return text if interval == units.MISSING else f"{text} ({interval})"


def paths(results: xr.Dataset) -> int:
    """Paths for each scenario, from the dataset's attributes."""
    return int(selection.attribute(results, "paths", 0) or 0)


def listed(parts: list[str]) -> str:
    """`a, b and c`; semicolons where a part has one of its own."""
    if len(parts) < 2:
        return "".join(parts)
    comma = "; " if any(";" in p for p in parts) else ", "
    last = comma + "and " if comma == "; " else " and "
    return comma.join(parts[:-1]) + last + parts[-1]


def called(scenario: str) -> str:
    """The scenario's name as it stands in a sentence."""
    return units.shorten(units.name(scenario), 40)
