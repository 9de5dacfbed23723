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
import tempfile
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
from campaign_cases import VENUE, write

from models.funding import funding_rate
from stress.campaign import plan, run_blocks
from stress.config import load_campaign
from stress.totals import Totals
from stress.venues import build_venue, load_venue

FILE = Path(__file__).resolve().parents[2] / "shared" / "validation" / "reference_values.json"
NO_FUNDING = -0.0005  # premium: its distance to the interest is more than the formula clamps
LTV, SPOT = 0.65, 100.0
BARRIERS = (90.0, 80.0, 70.0, 55.0)
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


def document(days: int, step: str, paths: int, volatility: float) -> dict[str, Any]:
    """A looper and four barriers under Brownian motions; volatilities times `volatility`."""
    rules = load_venue(VENUE).file
    maintenance = 1 / (2 * rules.margin_tables[rules.markets["BTC"].value].value[0][1])
    long = {"market": "BTC", "size": 1.0, "entry_price": SPOT, "margin": "cross"}
    accounts: list[dict[str, Any]] = [
        {
            "id": "looper",
            "mode": "portfolio",
            "balances": {"USDC": -LTV * 1000 * SPOT},
            "supplied": {"HYPE": 1000.0},
        }
    ]
    for barrier in BARRIERS:
        cash = SPOT - barrier * (1 - maintenance)
        accounts.append(
            {
                "id": f"at-{barrier:g}",
                "mode": "cross",
                "balances": {"USDC": cash},
                "positions": [long],
            }
        )
    return {
        "name": "references",
        "venue": VENUE,
        "book": {
            "as_of": "2026-09-08T00:00:00Z",
            "venue": VENUE,
            "prices": {"BTC": SPOT, "HYPE": SPOT},
            "reserves": {"USDC": {"supplied": 4e8, "borrowed": 2e8}},
            "accounts": accounts,
        },
        "horizon": f"{days}d",
        "step": step,
        "paths": paths,
        "seed": 20260908,
        "precision": "float64",
        "block": 8192,
        "scenarios": {
            "base": {
                "prices": {
                    "process": "gbm",
                    "volatility": {"BTC": 0.8 * volatility, "HYPE": 1.2 * volatility},
                    "drift": {"BTC": 0.0, "HYPE": 0.0},
                    "correlation": 0.0,
                },
                "utilization": {"process": "constant", "USDC": 0.5},
                "funding": {"premium": NO_FUNDING},
            }
        },
        "assumptions": {"min_borrow_offset": "none"},
    }


def totals_of(
    folder: Path, days: int, step: str = "1h", paths: int = 2**17, volatility: float = 1.0
) -> Totals:
    file = write(folder, document(days, step, paths, volatility))
    return run_blocks(plan(load_campaign(file)), None, 2)["base"]


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


def rows_of(folder: Path, days: int, step: str = "1h", **options: Any) -> list[Row]:
    totals = totals_of(folder, days, step, **options)
    monitored = len(totals.counts["first"]) - 2
    looper = looper_rows(totals, days) if step == "1h" else []
    return looper + barrier_rows(totals, days, monitored)


def test_nothing_but_the_price_moves_a_barrier() -> None:
    """Funding is zero to the last bit; the loan of the looper grows at 5 %."""
    venue = build_venue(load_venue(VENUE), ["BTC"])
    assert float(funding_rate(venue.funding, jnp.asarray(NO_FUNDING))) == 0
    assert oracles.funding_rate(NO_FUNDING) == 0 != oracles.funding_rate(0.0)
    assert oracles.borrow_rate(0.5) == 0.05
    assert np.asarray(venue.ltv)[venue.tokens.index("HYPE")] == LTV


def test_a_week_by_the_hour(tmp_path: Path, shared: Path) -> None:
    """Six of the references with 2^16 paths; a volatility 3 % too high fails with half of them."""
    rows = rows_of(tmp_path, 7, paths=2**16)
    assert len(rows) == 6
    assert max(abs(row.z) for row in rows) < LIMIT, rows
    wrong = rows_of(tmp_path, 7, paths=2**15, volatility=1.03)
    assert [row.z > LIMIT for row in wrong[:4]] == [True] * 4, wrong


CAMPAIGNS = ((1, "1h", 4), (7, "1h", 6), (30, "1h", 3), (7, "1d", 1))


@pytest.mark.slow
@pytest.mark.parametrize(("days", "step", "number"), CAMPAIGNS)
def test_every_reference(tmp_path: Path, shared: Path, days: int, step: str, number: int) -> None:
    rows = rows_of(tmp_path, days, step)
    assert len(rows) == number and rows[0].paths == 2**17
    assert max(abs(row.z) for row in rows) < LIMIT, rows


if __name__ == "__main__":
    print(f"{'reference':28} {'campaign':>12} {'exact':>12} {'z':>6}")
    for of_days, of_step, _ in CAMPAIGNS:
        began = time.perf_counter()
        with tempfile.TemporaryDirectory() as made:
            for found in rows_of(Path(made), of_days, of_step):
                print(f"{found.name:28} {found.value:12.6g} {found.exact:12.6g} {found.z:6.2f}")
        print(f"  {of_days} d in steps of {of_step}: {time.perf_counter() - began:.1f} s")
