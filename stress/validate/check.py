"""One comparison with a known value, and how it is judged."""

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

LIMIT = 4.0  # standard errors


@dataclass(frozen=True, kw_only=True)
class Check:
    """A value of ours beside the exact one."""

    group: str
    name: str
    value: float
    exact: float
    standard_error: float  # 0: no sampling, judged by `tolerance`
    tolerance: float = 1e-9  # relative, where nothing is sampled
    paths: int = 0

    @property
    def z(self) -> float:
        """Distance in standard errors; NaN where nothing is sampled."""
        if self.standard_error > 0:
            return (self.value - self.exact) / self.standard_error
        return math.nan

    @property
    def passed(self) -> bool:
        """Within four standard errors, or within the tolerance; never with NaN."""
        if not np.isfinite(self.value):
            return False
        if self.standard_error > 0:
            return abs(self.z) < LIMIT
        return abs(self.value - self.exact) <= self.tolerance * max(abs(self.exact), 1e-300)

    def row(self) -> dict[str, Any]:
        """For JSON; NaN as None."""
        z = None if math.isnan(self.z) else self.z
        fields = ("group", "name", "value", "exact", "standard_error", "paths")
        return {name: getattr(self, name) for name in fields} | {"z": z, "passed": self.passed}


Checks = Iterator[Check]


@cache
def references() -> dict[str, Any]:
    """Values of references.json by key."""
    text = resources.files("stress").joinpath("references.json").read_text("utf-8")
    return {key: entry["value"] for key, entry in json.loads(text).items() if key != "_doc"}


def of_sample(group: str, name: str, sample: ArrayLike, exact: float) -> Check:
    """Mean of independent values against the exact one."""
    x = np.asarray(sample, np.float64)
    error = float(x.std(ddof=1) / np.sqrt(len(x)))
    return Check(group=group, name=name, value=float(x.mean()), exact=float(exact),
                 standard_error=error, paths=len(x))  # fmt: skip


def of_share(group: str, name: str, happened: ArrayLike, exact: float) -> Check:
    """Share of independent paths, with the error the exact probability gives it."""
    x = np.asarray(happened, np.float64)
    error = math.sqrt(exact * (1 - exact) / len(x))
    return Check(group=group, name=name, value=float(x.mean()), exact=float(exact),
                 standard_error=error, paths=len(x))  # fmt: skip


def of_estimate(group: str, name: str, found: Any, exact: float) -> Check:
    """A number of `stress.rare` against the exact one; a refused one is no value."""
    value = math.nan if found.refusal else float(found.estimate.value)
    error = float(found.estimate.standard_error)
    return Check(group=group, name=name, value=value, exact=float(exact), standard_error=error,
                 paths=found.paths)  # fmt: skip


def known(group: str, name: str, value: float, exact: float, tolerance: float) -> Check:
    """A value without sampling."""
    return Check(group=group, name=name, value=float(value), exact=float(exact),
                 standard_error=0.0, tolerance=tolerance)  # fmt: skip
