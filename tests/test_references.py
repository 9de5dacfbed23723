"""Ordinary campaigns against closed forms and quadrature: no tolerance but their own error.

The references are ../shared/validation/reference_values.json: a looper whose loan grows at 5 %
(no perpetuals), and barriers, which are standard accounts long one contract whose maintenance is
reached at the barrier, with a premium at which funding is zero.

To print the table of all rows: python -m tests.test_references
"""

# ruff: noqa: E402
import json
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from stress.environment import prepare_environment

prepare_environment()

import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from campaign_cases import VENUE

from models.funding import funding_rate
from stress.campaign import run_blocks
from stress.totals import Totals
from stress.validate.accounts import BARRIERS, LTV, NO_FUNDING, built
from stress.venues import build_venue, load_venue

FILE = Path(__file__).resolve().parents[2] / "shared" / "validation" / "reference_values.json"
LIMIT = 4.0  # standard errors


@dataclass(frozen=True)
class Row:
    """One reference, and what a campaign made of it."""

    name: str
    exact: float
    count: int
    paths: int

    @property
    def value(self) -> float:
        return self.count / self.paths

    @property
    def z(self) -> float:
        """Distance in standard errors of the exact probability."""
        return (self.value - self.exact) / math.sqrt(self.exact * (1 - self.exact) / self.paths)


def totals_of(days: int, step: float = 1.0, paths: int = 2**17, volatility: float = 1.0) -> Totals:
    return run_blocks(built(days, step, paths, volatility), None, 2)["base"]


def gone(totals: Totals, account: int) -> int:
    return int(totals.counts["first"][:-1, account].sum())


def looper_rows(totals: Totals, days: int) -> list[Row]:
    """The three thresholds of the looper at the horizon."""
    exact = json.loads(FILE.read_text())["portfolio_margin_one_collateral"]["rows"]
    counts = {
        "PMR": gone(totals, 0),
        "partial": int(totals.counts["partial"][0]),
        "full": int(totals.counts["full"][0]),
    }
    assert [row["LTV"] for row in exact] == [LTV] * 3 and exact[0]["sigma"] == 1.2
    return [
        Row(f"looper {name}, {days} d", row[f"{days}d_hourly"], count, totals.paths)
        for (name, count), row in zip(counts.items(), exact, strict=True)
        if row["trigger"].startswith(name)
    ]


def barrier_rows(totals: Totals, days: int, monitored: int) -> list[Row]:
    """The barriers whose references have this horizon and this number of dates."""
    exact = json.loads(FILE.read_text())["gbm_lower_barrier_hit"]["rows"]
    return [
        Row(
            f"barrier {row['H']}, {days} d in {monitored}",
            row["discrete_exact"],
            gone(totals, 1 + BARRIERS.index(row["H"])),
            totals.paths,
        )
        for row in exact
        if (row["days"], row["m"]) == (days, monitored)
    ]


def rows_of(days: int, step: float = 1.0, **options: Any) -> list[Row]:
    totals = totals_of(days, step, **options)
    monitored = len(totals.counts["first"]) - 2
    looper = looper_rows(totals, days) if step == 1 else []
    return looper + barrier_rows(totals, days, monitored)


def test_nothing_but_the_price_moves_a_barrier() -> None:
    """Funding is zero to the last bit; the loan of the looper grows at 5 %."""
    venue = build_venue(load_venue(VENUE), ["BTC"])
    assert float(funding_rate(venue.funding, jnp.asarray(NO_FUNDING))) == 0
    assert oracles.funding_rate(NO_FUNDING) == 0 != oracles.funding_rate(0.0)
    assert oracles.borrow_rate(0.5) == 0.05
    assert np.asarray(venue.ltv)[venue.tokens.index("HYPE")] == LTV


def test_a_week_by_the_hour(shared: Path) -> None:
    """Six of the references with 2^16 paths; a volatility 3 % too high fails with half of them."""
    rows = rows_of(7, paths=2**16)
    assert len(rows) == 6
    assert max(abs(row.z) for row in rows) < LIMIT, rows
    wrong = rows_of(7, paths=2**15, volatility=1.03)
    assert [row.z > LIMIT for row in wrong[:4]] == [True] * 4, wrong


CAMPAIGNS = ((1, 1.0, 4), (7, 1.0, 6), (30, 1.0, 3), (7, 24.0, 1))


@pytest.mark.slow
@pytest.mark.parametrize(("days", "step", "number"), CAMPAIGNS)
def test_every_reference(shared: Path, days: int, step: float, number: int) -> None:
    rows = rows_of(days, step)
    assert len(rows) == number and rows[0].paths == 2**17
    assert max(abs(row.z) for row in rows) < LIMIT, rows


if __name__ == "__main__":
    print(f"{'reference':28} {'campaign':>12} {'exact':>12} {'z':>6}")
    for of_days, of_step, _ in CAMPAIGNS:
        began = time.perf_counter()
        for found in rows_of(of_days, of_step):
            print(f"{found.name:28} {found.value:12.6g} {found.exact:12.6g} {found.z:6.2f}")
        print(f"  {of_days} d in steps of {of_step} h: {time.perf_counter() - began:.1f} s")
