"""A small comparison of two rule books, computed once, and a made-up one with feedback."""

import functools
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from campaign_cases import small_campaign

from stress.campaign import plan, run_blocks
from stress.config import Campaign
from stress.decide.compare import Case, cases, change_of, distinct
from stress.decide.compare_dataset import compare_dataset
from stress.totals import Totals

BEFORE, AFTER = "hyperliquid/2026-06-23", "hyperliquid/2026-08-19"
PATHS = 500
CHANGES = (("against", BEFORE), ("paths", PATHS), ("block", 512))
TOLD = {
    "title": "Rule change",
    "description": "A rule change.",
    "paths": PATHS,
    "horizon_hours": 24.0,
    "step_hours": 1.0,
    "campaign": "small",
}


def comparison(*changes: tuple[str, Any]) -> Campaign:
    """The small campaign with a second rule book."""
    with tempfile.TemporaryDirectory() as folder:
        return small_campaign(Path(folder), *CHANGES, *changes)


@functools.cache
def small_cases() -> list[Case]:
    return cases(comparison())


@functools.cache
def small_results() -> dict[str, dict[str, Totals]]:
    return {
        case.campaign.digest: run_blocks(plan(case.campaign), None, 1)
        for case in distinct(small_cases())
    }


@functools.cache
def small_dataset() -> xr.Dataset:
    told = TOLD | change_of(comparison())
    return compare_dataset(small_cases(), small_results(), told)


def made_up(worse: float, paths: int = 64) -> xr.Dataset:
    """A comparison with feedback whose losses after are larger by `worse` USDC on average."""
    import dataclasses

    rng = np.random.default_rng(3)
    scenarios = dict.fromkeys(("run", "crash"))
    spec = comparison().spec.model_copy(update={"feedback": True, "paths": paths})
    found, results = [], {}
    common = rng.random((len(scenarios), paths))
    for n, case in enumerate(small_cases()):
        campaign = dataclasses.replace(case.campaign, spec=spec, digest=str(n))
        found.append(dataclasses.replace(case, campaign=campaign))
        extra = worse * (case.side == "after")
        results[str(n)] = {
            name: totals(common[s] * 100 + extra * (1 + 0.1 * rng.random(paths)))
            for s, name in enumerate(scenarios)
        }
    return compare_dataset(found, results, TOLD | {"paths": paths} | change_of(comparison()))


def totals(loss: np.ndarray) -> Totals:
    """Totals of paths with these losses."""
    return Totals(
        paths=len(loss),
        by_path={
            "liquidated_accounts": np.round(loss / 100),
            "liquidated_debt": loss * 10,
            "bad_debt": loss,
            "cascade_paid_suppliers": loss / 2,
            "status": np.zeros(len(loss), int),
        },
    )
