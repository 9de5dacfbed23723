"""Section 1: the portfolio margin ratio, its offset, its caps and its several quote tokens."""

import math

import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from oracles import plain_account, plain_prices, plain_rules, portfolio_state

VENUE = 1e-9  # relative; the venue prints about ten digits


def close(value, tolerance=VENUE):
    return pytest.approx(value, rel=tolerance, abs=0.0)


money = st.floats(0.0, 1e9)


@given(st.floats(-1e9, 1e9), money, money)
def test_trigger_as_two_lines(equity, maintenance, credit):
    """PMR > 0.95 is the larger of two linear scores, wherever rounding cannot decide."""
    ratio = oracles.portfolio_margin_ratio(equity, maintenance, credit)
    score = max(1.05 * maintenance - equity, maintenance - 0.95 * equity) - 0.95 * credit
    if abs(score) > 1e-12 * (abs(equity) + maintenance + credit):
        assert (ratio > 0.95) == (score > 0)


@pytest.mark.parametrize(
    ("mode", "cash", "want"),
    [
        ("none", -3.0, 0.1),
        ("floor", -3.0, 20 / 30),
        ("additive", -3.0, 23 / 30),
        ("floor", 3.0, 0.0),
        ("floor", -24.0, 0.8),
        ("none", -31.0, 31 / 30),
    ],
)
def test_borrow_offset(mode, cash, want):
    rules, prices = plain_rules(offset_mode=mode), plain_prices()
    account = plain_account(cash, 30 / (100_000 * 0.75))
    assert portfolio_state(account, prices, rules)["portfolio_margin_ratio"] == close(want)


def test_ratio_is_infinite_without_anything_behind_it():
    account, rules = plain_account(-1.0, 0.0), plain_rules(offset_mode="none")
    state = portfolio_state(account, plain_prices(), rules)
    assert state["portfolio_margin_ratio"] == math.inf and state["liquidatable"] and state["full"]
    empty = portfolio_state(
        plain_account(0.0, 0.0), plain_prices(), plain_rules(offset_mode="additive")
    )
    assert empty["portfolio_margin_ratio"] == 0.0


def test_supply_and_borrow_caps():
    rules = plain_rules(user_supply_cap={"UBTC": 2.0}, user_borrow_cap={"USDC": 120_000.0})
    state = portfolio_state(plain_account(-60_000.0, 3.0), plain_prices(), rules)
    assert (state["C_ltv"], state["C_liq"]) == (100_000.0, 150_000.0)
    assert state["portfolio_margin_ratio"] == close(0.5)  # the borrow cap is less than C_liq


def test_two_quote_tokens():
    """Each quote keeps the credit that the other's shortfall leaves; the worst ratio counts."""
    rules = plain_rules(settle={"BTC": "USDC", "HYPE": "USDT0"}, offset_mode="none")
    prices = plain_prices()
    prices["borrow"]["USDT0"] = 0.98
    account = plain_account(-10_000.0, 1.0, size=0.8)
    account["positions"] += plain_account(0.0, 0.0, 500.0, entry=40.0, market="HYPE")["positions"]
    account["cash"]["USDT0"] = -20_000.0
    state = portfolio_state(account, prices, rules)
    # Maintenance 1,000 USDC and 1,000 USDT0; b = 11,000 USDC and 21,000 USDT0 = 20,580 USD.
    usdc, usdt0 = state["quotes"]["USDC"], state["quotes"]["USDT0"]
    assert usdc["ratio"] == close(12_000 / (1_000 + 75_000 - 20_580))
    assert usdt0["ratio"] == close(22_000 * 0.98 / (980 + 75_000 - 11_000))
    assert state["portfolio_margin_ratio"] == usdt0["ratio"]
    assert usdt0["available_after_maintenance"] == close((75_000 - 11_000 - 20_580) / 0.98)
    assert usdt0["C_full"] == close(250_000 / 3 - 11_000)
    assert usdc["borrowed"] == 18_000.0 and usdt0["borrowed"] == 22_000.0


@given(st.floats(-2e5, 1e5), st.floats(-3.0, 3.0), st.floats(3e4, 3e5))
def test_money_has_no_scale(cash, size, price):
    """A hundredth of the account has the same ratio (one tier, no offset)."""
    rules = plain_rules(tiers={"BTC": [(0.0, 40.0)]}, offset_mode="none")
    whole = portfolio_state(plain_account(cash, 2.0, size), plain_prices(price), rules)
    part = portfolio_state(plain_account(cash / 100, 0.02, size / 100), plain_prices(price), rules)
    if abs(cash + size * (price - 1e5)) > 1e-3:  # else the sign of the equity is rounding
        want = whole["portfolio_margin_ratio"]
        assert part["portfolio_margin_ratio"] == pytest.approx(want, rel=1e-7)
