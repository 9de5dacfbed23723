"""Frozen accounts along random paths, one by one against the loop of the oracles."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from margin_cases import (
    MARKETS,
    QUOTES,
    SETTLE,
    accounts_of,
    position,
    random_prices,
    random_rules,
    venue_of,
)
from path_cases import COUNT, NO_CAPS, STEPS, cases, disagreements, markets_of, played, run


@pytest.mark.parametrize("seed", range(6))
def test_portfolio_accounts_with_positions(seed):
    rules, accounts, paths = cases(seed, "portfolio")
    wrong, seen = disagreements(rules, accounts, paths)
    assert wrong == []
    assert min(seen.values()) > 0, seen


def test_credit_without_the_limit_of_the_reserve():
    """The switch off: loans are drawn as if the reserve lent without end."""
    rules, accounts, paths = cases(11, "portfolio", reserve_liquidity_limits_credit=False)
    wrong, seen = disagreements(rules, accounts, paths)
    assert wrong == [] and seen["refused"] == 0
    limited = {**rules, "reserve_liquidity_limits_credit": True}
    wrong, seen = disagreements(limited, accounts, paths)
    assert wrong == [] and seen["refused"] > 3
    assert (run(limited, accounts, paths)[0] < run(rules, accounts, paths)[0]).sum() > 3


def test_old_debt_needs_no_liquidity():
    """A debt in a token without positions grows by its interest with nothing left to lend.

    In float32 its interest is of the order of its rounding, which must not refuse it.
    """
    rules = random_rules(np.random.default_rng(0), offset_mode="none", **NO_CAPS)
    prices = random_prices(np.random.default_rng(0))
    held = position("BTC", 1.0, prices["mark"]["BTC"], 3.0)
    accounts: list[dict[str, Any]] = [
        {
            "mode": "portfolio",
            "cash": {"USDC": 100_000.0, "USDT0": -1000.0 * (1 + k / 7)},
            "supplied": {"HYPE": 1000.0},
            "positions": [held],
        }
        for k in range(COUNT)
    ]
    flat = {k: {n: np.full(STEPS + 1, p) for n, p in prices[k].items()} for k in prices}
    flat |= {"utilization": dict.fromkeys(QUOTES, np.ones(STEPS + 1))}
    flat |= {"premium": dict.fromkeys(MARKETS, 0.0)}
    paths = [{**flat, "free": dict.fromkeys(QUOTES, np.zeros(STEPS + 1))}] * COUNT
    inputs = venue_of(rules), accounts_of(accounts), markets_of(paths)
    assert np.isinf(played(*inputs)[0]).all()
    rough = played(*jax.tree.map(lambda x: x.astype("float32"), inputs))
    assert rough[0].dtype == jnp.float32 and np.isinf(rough[0]).all()


@pytest.mark.parametrize("seed", range(3))
def test_borrowers_without_positions(seed):
    rules, accounts, paths = cases(seed, "portfolio", positions=False, **NO_CAPS)
    wrong, seen = disagreements(rules, accounts, paths, positions=False)
    assert wrong == []
    assert seen["liquidated"] and seen["full"] and seen["survived"]


@pytest.mark.parametrize("mode", ["cross", "unified"])
def test_standard_and_unified_accounts(mode):
    rules, accounts, paths = cases(21, mode)
    wrong, seen = disagreements(rules, accounts, paths)
    assert wrong == []
    assert seen["liquidated"] > 10 and seen["full"] > 3 and seen["survived"] > 3


def test_isolated_positions():
    """Each margins alone and pays its own funding; nothing is borrowed or earned."""
    rng = np.random.default_rng(31)
    rules, accounts, paths = cases(31, "cross")
    rows, want = [], []
    for account, path in zip(accounts, paths, strict=True):
        held: dict[str, Any] = {**account["positions"][0], "margin": "isolated"}
        price = path["mark"][held["market"]][0]
        share = float(rng.uniform(0.02, 0.4))
        held["margin_balance"] = abs(held["size"]) * price * share
        held["entry_price"] = price
        quote = SETTLE[held["market"]]
        rows.append({**account, "cash": {quote: held["margin_balance"]}, "positions": [held]})
        alone = {**account, "cash": {"USDC": 0.0}, "positions": [held]}
        got = oracles.simulate_path(alone, path, rules)
        want.append((got["isolated_first"][0], got["isolated_full"][0]))
    first, _, _, (partial, full), _ = run(rules, rows, paths)
    np.testing.assert_array_equal(first, [np.inf if w is None else w for w, _ in want])
    np.testing.assert_array_equal(full, [w is not None for _, w in want])
    np.testing.assert_array_equal(partial, np.isfinite(first))
    assert 10 < np.isfinite(first).sum() < COUNT - 10 and 3 < full.sum() < np.isfinite(first).sum()


WRONG = {
    "trigger": {"trigger": 0.9},
    "ltv": {"ltv": {"HYPE": 0.3, "UBTC": 0.7}},
    "offset": {"min_borrow_offset": 2e4, "offset_mode": "additive"},
    "caps": {"user_borrow_cap": {"USDC": 1e3, "USDT0": 1e3}},
    "limit": {"reserve_liquidity_limits_credit": False},
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_parameter_is_noticed(name):
    """Negative controls: kernels with another rule than the oracle's."""
    rules, accounts, paths = cases(2, "portfolio")
    told = venue_of({**rules, **WRONG[name]})
    got = played(told, accounts_of(accounts), markets_of(paths))
    first = np.asarray(got[0])
    right = run(rules, accounts, paths)[0]
    assert (first != right).sum() >= 2
    assert disagreements(rules, accounts, paths)[0] == []


@pytest.mark.parametrize("part", ["borrow_growth", "supply_growth", "settlement"])
def test_wrong_money_is_noticed(part):
    """Negative controls: a thousandth of the interest or of the funding."""
    rules, accounts, paths = cases(4, "portfolio")
    venue, pytree, markets = venue_of(rules), accounts_of(accounts), markets_of(paths)
    right, bent = played(venue, pytree, markets), getattr(markets, part)
    bent = bent * 1.001 if part != "settlement" else bent + 1e-3 * (markets.mark - bent)
    wrong = played(venue, pytree, dataclasses.replace(markets, **{part: bent}))
    gap = np.abs(np.asarray(wrong[1]) - np.asarray(right[1])).max(axis=(0, 1))
    gross = np.array([sum(map(abs, a["cash"].values())) for a in accounts])
    assert (gap > 1e-9 * gross).sum() > 5
