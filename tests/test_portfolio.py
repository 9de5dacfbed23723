"""Portfolio margin of random accounts against the loops of the oracles, and the recorded states."""

import dataclasses
import json

import numpy as np
import oracles
import pytest
from margin_cases import MARKETS, QUOTES, SETTLE, accounts_of, market_of, one_of, scalar, venue_of
from portfolio_cases import COUNT, computed, draw, gross, ratio_of, reference

from models import portfolio
from models.account import margin_state

SEEDS = range(12)  # a rule book and prices each


@pytest.mark.parametrize("offset_mode", ["floor", "additive", "none"])
@pytest.mark.parametrize("seed", SEEDS)
def test_portfolio_accounts(seed, offset_mode):
    rules, prices, accounts = draw(seed, "portfolio", offset_mode=offset_mode)
    got = computed(rules, prices, accounts)
    for k, account in enumerate(accounts):
        rounding = 1e-12 * gross(account, prices)
        for name in ("X", "MM", "N", "R", "b", "C_liq"):
            want = reference(account, prices, rules, name)
            np.testing.assert_allclose(got[name][k], want, rtol=1e-11, atol=rounding)
        whole = oracles.portfolio_state(account, prices, rules)
        assert got["C_ltv"][k] == pytest.approx(whole["C_ltv"], rel=1e-12)
        assert got["C_full"][k] == pytest.approx(whole["C_full"], rel=1e-12)
        want = ratio_of(account, prices, rules)
        if np.isinf(want) or want < 1e3:  # the last dollars of a denominator are rounding
            assert got["ratio"][k] == pytest.approx(want, rel=1e-9)
        assert (got["excess"][k] > 0) == (want > rules["trigger"])


def test_the_population_reaches_every_branch():
    """What the comparison above has seen."""
    seen: dict[str, int] = {}
    for seed in SEEDS:
        rules, prices, accounts = draw(seed, "portfolio", offset_mode="none")
        got = computed(rules, prices, accounts)
        short = (got["b"] > 0) & (got["MM"] > 0)
        finite = np.isfinite(got["ratio"])
        held = np.array([a["supplied"]["HYPE"] for a in accounts])
        found = {
            "healthy": ~short.any(1) & (got["MM"] > 0).any(1),
            "restored": short.any(1) & (got["ratio"] < 0.95),
            "beyond": finite & (got["ratio"] > 0.95),
            "infinite": ~finite,
            "two": (got["b"] > 0).all(1),
            "capped": held > rules["user_supply_cap"]["HYPE"],
        }
        for name, where in found.items():
            seen[name] = seen.get(name, 0) + int(where.sum())
    assert min(seen.values()) > 25, seen


@pytest.mark.parametrize("mode", ["unified", "cross"])
@pytest.mark.parametrize("seed", SEEDS)
def test_standard_and_unified_accounts(seed, mode):
    """They are liquidatable where the oracle says; the ratio is theirs down to maintenance."""
    rules, prices, accounts = draw(seed, mode)
    got = computed(rules, prices, accounts)
    for k, account in enumerate(accounts):
        want = oracles.standard_state(account, prices, rules)
        assert (got["excess"][k] > 0) == want["liquidatable"]
        if want["ratio"] <= 1:
            assert got["ratio"][k] == pytest.approx(want["ratio"], rel=1e-9)
    assert 5 < np.sum(got["excess"] > 0) < COUNT - 5


@pytest.mark.parametrize("seed", SEEDS)
def test_what_is_borrowed_and_supplied(seed):
    rules, prices, accounts = draw(seed, "portfolio")
    got = computed(rules, prices, accounts)
    price = np.array([prices["borrow"][q] for q in QUOTES])
    for k, account in enumerate(accounts):
        rounding = 1e-12 * gross(account, prices)
        borrowed, b, idle = (
            np.array(reference(account, prices, rules, name))
            for name in ("borrowed", "b", "supplied")
        )
        cap = [rules["user_borrow_cap"][q] for q in QUOTES]
        limit = np.maximum(got["C_ltv"][k] / price, b)
        want = np.minimum(np.minimum(borrowed, cap), limit)
        np.testing.assert_allclose(got["loan"][k], want, rtol=1e-11, atol=rounding)
        np.testing.assert_allclose(got["idle"][k], idle, rtol=1e-11, atol=rounding)
        owed = float(want @ price)
        if owed > rounding:
            assert got["health"][k] == pytest.approx(got["C_ltv"][k] / owed, rel=1e-9)
    none = np.all(got["loan"] == 0, axis=1)
    assert none.any() and np.isinf(got["health"][none]).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_available_after_maintenance(seed):
    """As the oracle's, where no other token has a surplus of its own and credit remains."""
    rules, prices, accounts = draw(seed, "portfolio", user_borrow_cap=dict.fromkeys(QUOTES, 1e9))
    got, checked = computed(rules, prices, accounts), 0
    for k, account in enumerate(accounts):
        want = reference(account, prices, rules, "available_after_maintenance")
        for q in range(len(QUOTES)):
            alone = got["X"][k, 1 - q] <= got["MM"][k, 1 - q]
            if alone and got["C_liq"][k, q] > 0:
                rounding = 1e-12 * gross(account, prices)
                assert got["available"][k, q] == pytest.approx(want[q], rel=1e-9, abs=rounding)
                checked += 1
    assert checked > 30


def test_a_wrong_rule_is_noticed():
    """Negative controls: each misreading moves many ratios by more than the tolerance."""
    rules, prices, accounts = draw(3, "portfolio", offset_mode="none")
    want = np.array([ratio_of(a, prices, rules) for a in accounts])
    right = computed(rules, prices, accounts)["ratio"]
    finite = np.isfinite(want) & (want < 1e3) & (want > 0)
    assert np.max(np.abs(right[finite] / want[finite] - 1)) < 1e-9
    wrong = [
        {**rules, "ltv": {**rules["ltv"], "HYPE": rules["ltv"]["HYPE"] + 1e-6}},
        {**rules, "user_supply_cap": {"HYPE": 5.01e3, "UBTC": 3.01}},
        {**rules, "user_borrow_cap": {"USDC": 1e9, "USDT0": 1e9}},
        {**rules, "offset_mode": "additive", "min_borrow_offset": 0.01},
        {**rules, "tiers": {**rules["tiers"], "BTC": [(0.0, 47.0)]}},
    ]
    for other in wrong:
        ratio = computed(other, prices, accounts)["ratio"]
        assert np.sum(np.abs(ratio[finite] / want[finite] - 1) > 1e-9) > 5


def recorded(price, equity, maintenance, tokens=100.04466674):
    """The ratio and the available amount of an account with the recorded figures."""
    rules = oracles.plain_rules(settle=SETTLE, tiers={m: [(0.0, 10.0)] for m in MARKETS})
    venue = venue_of(rules)
    prices = {"mark": dict.fromkeys(MARKETS, 1.0), "borrow": {"HYPE": price, "UBTC": 1.0}}
    market = market_of({**prices, "borrow": {**prices["borrow"], "USDC": 1.0, "USDT0": 1.0}})
    account = oracles.plain_account(equity, tokens, token="HYPE")
    account = one_of(accounts_of([account]), 0)
    state = margin_state(venue, account, market)
    state = dataclasses.replace(state, maintenance=(scalar(maintenance), scalar(0.0)))
    ratio = portfolio.margin_ratio(portfolio.requirements(venue, account, market, state))
    return float(ratio), float(portfolio.available_after_maintenance(venue, market, state)[0])


def test_recorded_margin_states(shared):
    """Both branches of the ratio, as the venue printed them."""
    file = json.loads((shared / "validation" / "recorded_margin_states.json").read_text())
    for row in file["rows"]:
        ratio, available = recorded(row["px"], row["E"] - row["I"], row["MM"])
        assert ratio == pytest.approx(row["portfolio_margin_ratio"], rel=1e-9)
        assert available == pytest.approx(row["available_after_maintenance"], rel=1e-9)
        wrong, _ = recorded(row["px"], row["E"], row["MM"])  # isolated margin does not count
        assert wrong != pytest.approx(row["portfolio_margin_ratio"], rel=1e-5)
    free = file["debt_free"]
    needed = free["total"] - free["available_after_maintenance"]
    ratio, available = recorded(84.0, free["total"], needed, tokens=0.0)
    assert ratio == pytest.approx(free["portfolio_margin_ratio"], abs=5e-10)  # nine decimals
    assert available == pytest.approx(free["available_after_maintenance"], rel=1e-12)
