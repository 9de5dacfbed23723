"""Whole books through the engine, account by account against the loop of the oracles."""

import dataclasses
import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from campaign_cases import BOOK, small_campaign
from engine_cases import SUMS, Case, random_case
from engine_oracle import oracle_row
from oracles_examples import plain_rules

from models.account import Market
from models.venue import Venue
from stress.campaign import plan, run_blocks, scenario_key
from stress.engine import FrozenBook, path_rows
from stress.frozen import freeze, in_precision, used_part
from stress.market import sample_block

SEEDS = range(20)
TOLERANCE = 1e-9  # of the gross money of an account
rows_of = jax.jit(path_rows)


@functools.cache
def case(seed: int) -> Case:
    return random_case(seed)


@functools.cache
def expected(seed: int) -> dict[str, np.ndarray]:
    """The oracle's outcome of every row on every path, `[p, n]`."""
    made = case(seed)
    found = [[oracle_row(row, path, made.rules) for row in made.rows] for path in made.paths]
    names = {name for line in found for row in line for name in row}
    return {n: np.array([[row.get(n, np.nan) for row in line] for line in found]) for n in names}


def frozen_of(made: Case) -> FrozenBook:
    return freeze(used_part(made.book), made.venue, path_tile=len(made.paths))


def engine(venue: Venue, frozen: FrozenBook, market: Market) -> dict[str, np.ndarray]:
    """The engine's outcome of every row, in the order of `stress.book.margin_accounts`."""
    none = jnp.zeros(0, int)  # the shape of the bookkeeping is not that of the program
    bare = dataclasses.replace(
        frozen, row=none, isolated_row=none, isolated_owner=none, group=none, groups=1
    )
    rows = rows_of(venue, bare, market)
    place = np.concatenate([np.asarray(frozen.row), np.asarray(frozen.isolated_row)])
    end = rows.settlement
    return {
        "first": np.asarray(rows.first)[:, place],
        "partial": np.asarray(rows.partial)[:, place],
        "full": np.asarray(rows.full)[:, place],
        "loss": np.asarray(rows.loss)[:, place],
        "ratio": np.asarray(end.margin_ratio)[:, place],
        **{name: np.asarray(getattr(end, name))[:, place] for name in SUMS[1:]},
    }


def differences(got: dict[str, np.ndarray], want: dict[str, np.ndarray]) -> dict[str, Any]:
    """Outcomes that differ, and the worst relative difference of money among equal ones."""
    same = got["first"] == want["first"]
    money = {n: np.abs(got[n] - want[n])[same] / want["gross"][same] for n in SUMS}
    judged = same & ~np.isnan(want["ratio"])  # the oracle tells no ratio of an isolated position
    endless = judged & (np.isinf(want["ratio"]) != np.isinf(got["ratio"]))
    known = judged & np.isfinite(want["ratio"]) & ~endless
    ratio = np.abs(got["ratio"][known] - want["ratio"][known]) / (1 + want["ratio"][known] ** 2)
    return {
        "first": int((~same).sum()),
        "full": int((got["full"] != want["full"]).sum()),
        "endless": int(endless.sum()),
        **{name: float(gap.max(initial=0)) for name, gap in money.items()},
        "ratio": float(ratio.max(initial=0)),
    }


def agree(found: dict[str, Any]) -> bool:
    exact = found["first"] == found["full"] == found["endless"] == 0
    return exact and max(found[name] for name in (*SUMS, "ratio")) <= TOLERANCE


@pytest.mark.parametrize("seed", SEEDS)
def test_books_end_as_the_oracle_says(seed: int) -> None:
    made = case(seed)
    frozen = frozen_of(made)
    assert np.asarray(frozen.isolated_owner).tolist() == made.owners
    found = differences(engine(made.venue, frozen, made.market), expected(seed))
    assert agree(found), found


def test_the_books_see_everything() -> None:
    """Every kind of row survives and is liquidated; thin reserves refuse."""
    seen: dict[str, list[float]] = {}
    refused = tiers = 0
    for seed in SEEDS:
        made, want = case(seed), expected(seed)
        refused += want["refused"].sum()
        for k, row in enumerate(made.rows):
            held = row["positions"]
            kind = held[0]["margin"] + row["mode"] if held else "bare" + row["mode"]
            if held and held[0]["market"] == "xyz:GOLD" and k >= len(made.book.ids):
                kind += "dex"
            seen.setdefault(kind, []).extend(np.isfinite(want["first"][:, k]) + want["full"][:, k])
        assert max(path["utilization"]["USDC"].max() for path in made.paths) == 1
        tiers += len(made.rules["tiers"]["BTC"]) == 3  # the whale is beyond the last
    del seen["barecross"]  # has all its positions on another DEX
    assert set(seen) == {
        "crossportfolio", "bareportfolio", "crossunified", "crosscross",
        "crosscrossdex", "isolatedcross", "isolatedcrossdex",
    }  # fmt: skip
    assert all({0, 1, 2} <= set(np.unique(flags)) for flags in seen.values()), seen
    assert refused > 50 and tiers > 3


CONTROLS = ["shifted", "ltv", "cap", "settlement", "interest"]


@pytest.mark.parametrize("name", CONTROLS)
def test_a_wrong_market_or_rule_is_noticed(name: str) -> None:
    made = case(0)
    venue, market = made.venue, made.market
    if name == "shifted":
        late = {n: jnp.roll(getattr(market, n), 1, axis=2) for n in ("mark", "collateral_price")}
        market = dataclasses.replace(market, **late)
    elif name == "ltv":
        venue = dataclasses.replace(venue, ltv=venue.ltv - 0.01)
    elif name == "cap":
        venue = dataclasses.replace(venue, user_supply_cap=venue.user_supply_cap * 1.05)
    elif name == "settlement":
        paid = market.mark - market.settlement
        market = dataclasses.replace(market, settlement=market.mark - 0.999 * paid)
    else:
        market = dataclasses.replace(market, borrow_growth=market.borrow_growth * 1.001)
    assert not agree(differences(engine(venue, frozen_of(made), market), expected(0)))
    assert agree(differences(engine(made.venue, frozen_of(made), made.market), expected(0)))


def test_single_precision_counts_the_same() -> None:
    """Of 20 books: first liquidations, flags, and money to the rounding of the gross money."""
    differ = total = 0
    for seed in SEEDS:
        made = case(seed)
        inputs = made.venue, frozen_of(made), made.market
        exact = engine(*inputs)
        rough = engine(*in_precision(inputs, "float32"))
        assert rough["loss"].dtype == np.float32
        same = rough["first"] == exact["first"]
        differ += (~same).sum() + sum((rough[n] != exact[n]).sum() for n in ("partial", "full"))
        total += 3 * same.size
        gap = np.abs(rough["loss"] - exact["loss"]) / expected(seed)["gross"]
        assert gap[same].max() < 2e-6
    assert total > 10_000 and differ <= 1


RULES = plain_rules(user_supply_cap={"HYPE": 1e6, "UBTC": 200.0})


def sampled(tmp_path: Path):
    """A campaign of 64 paths and the oracle's rows and paths of the same market."""
    premium = 2e-3
    changes = [
        ("paths", 64),
        ("scenarios.run.prices.volatility", {"BTC": 2.5, "HYPE": 5.0}),
        ("scenarios.crash", ...),
        ("scenarios.run.funding", {"premium": premium}),
    ]
    made = plan(small_campaign(tmp_path, *changes))
    scenario, today = made.scenarios["run"]
    key = scenario_key(made.campaign.spec.seed, "run")
    paths, hour = jnp.asarray(np.arange(made.block)), jnp.asarray(made.campaign.spec.step)
    market, view = sample_block(made.inputs.venue, today, scenario, key, paths, hour)
    mark = {m: np.asarray(market.mark[i]) for i, m in enumerate(made.inputs.venue.markets)}
    oracle = {m: mark[m] * float(today.oracle[i] / today.mark[i]) for i, m in enumerate(mark)}
    token = {
        t: np.asarray(market.collateral_price[i]) for i, t in enumerate(made.inputs.venue.tokens)
    }
    told = [
        {
            "mark": {m: x[p] for m, x in mark.items()},
            "oracle": {m: x[p] for m, x in oracle.items()},
            "borrow": {t: x[p] for t, x in token.items()} | {"USDC": np.ones(len(mark["BTC"][p]))},
            "utilization": {"USDC": np.asarray(view.utilization[p, :, 0])},
            "premium": dict.fromkeys(mark, premium),
            "free": {"USDC": np.asarray(market.free_liquidity[0, p])},
        }
        for p in range(64)
    ]
    return made, told


def campaign_rows() -> list[dict[str, Any]]:
    rows, alone = [], []
    for entry in BOOK["accounts"]:
        held = entry.get("positions", [])
        mode = "portfolio" if entry["mode"] == "lender" else entry["mode"]
        own = {"mode": mode, "cash": {"USDC": 0.0, **entry.get("balances", {})}}
        own |= {"supplied": entry.get("supplied", {})}
        rows.append({**own, "positions": [p for p in held if p["margin"] == "cross"]})
        for p in held:
            if p["margin"] == "isolated":
                alone.append({"mode": "cross", "cash": {}, "supplied": {}, "positions": [p]})
    return rows + alone


def test_a_campaign_counts_what_the_oracle_counts(tmp_path: Path) -> None:
    """From the campaign's file to its totals: prices, pool, funding, engine, accumulators."""
    made, paths = sampled(tmp_path)
    totals = run_blocks(made, None, 1)["run"]
    got = [[oracle_row(row, path, RULES) for row in campaign_rows()] for path in paths]
    want = {
        n: np.array([[row[n] for row in line] for line in got]) for n in ("first", "full", "loss")
    }
    users, owner = len(BOOK["accounts"]), 4  # of the one isolated position
    first, full = want["first"][:, :users].copy(), want["full"][:, :users].copy()
    first[:, owner] = np.minimum(first[:, owner], want["first"][:, users])
    full[:, owner] = np.maximum(full[:, owner], want["full"][:, users])
    steps = np.arange(totals.counts["first"].shape[0] - 1)
    np.testing.assert_array_equal(
        totals.counts["first"][:-1], (first[:, None] == steps[:, None]).sum(0)
    )
    np.testing.assert_array_equal(totals.counts["full"], full.sum(axis=0))
    np.testing.assert_allclose(
        totals.by_path["equity_loss"], want["loss"].sum(axis=1), rtol=1e-9, atol=1e-6
    )
    assert np.isfinite(first).sum() > 20 and full.sum() > 3
    assert max(path["utilization"]["USDC"].max() for path in paths) > 1 - 1e-9
