"""The path oracle against closed forms: loans, supply, funding, refused credit, isolated."""

import math
from typing import Any

import oracles
import pytest
from oracles import plain_account, plain_prices, plain_rules, simulate_path

HOURS = 200
NO_OFFSET = plain_rules(offset_mode="none")


def close(value, tolerance=1e-12):
    return pytest.approx(value, rel=tolerance, abs=0.0)


def path_of(
    btc: Any = 100_000.0,
    hype: Any = 40.0,
    *,
    u: Any = 0.64,
    premium: Any = 0.0,
    hours: int = HOURS,
    **more: Any,
) -> dict[str, Any]:
    """Constant lines, any of which may be given as a list over time."""

    def line(value):
        return list(value) if isinstance(value, list) else [value] * (hours + 1)

    perp = {"BTC": line(btc), "HYPE": line(hype)}
    borrow = {"USDC": line(1.0), "UBTC": perp["BTC"], "HYPE": perp["HYPE"]}
    base = {"mark": perp, "borrow": borrow, "utilization": {"USDC": line(u)}, "premium": premium}
    return {**base, **more}


@pytest.mark.parametrize("u", [0.64, 0.9])
@pytest.mark.parametrize("convention", ["nominal", "effective"])
def test_loan_grows_until_the_thresholds(u, convention):
    """2,000 on 100 HYPE while the price falls a third of a per cent an hour."""
    falling = [40.0 * 0.997**t for t in range(HOURS + 1)]
    account = plain_account(-2000.0, 100.0, token="HYPE")
    path = path_of(hype=falling, u=u)
    got = simulate_path(account, path, NO_OFFSET, convention=convention)
    rate = 0.05 + 4.75 * max(0.0, u - 0.8)
    grow = math.exp(rate / 8760) if convention == "nominal" else (1 + rate) ** (1 / 8760)
    first = {}
    for name, weight in [("liquidatable", 0.95 * 0.825), ("partial", 0.825), ("full", 2.65 / 3)]:
        start = math.log(4000 * weight / 2000)
        first[name] = math.ceil(start / (math.log(grow) - math.log(0.997)))
    assert {name: got[f"first_{name}"] for name in first} == first
    assert first["liquidatable"] < first["partial"] < first["full"] < HOURS
    assert got["loan"][-1]["USDC"] == close(2000 * grow**HOURS)
    assert account["cash"]["USDC"] == -2000.0  # the caller's account is left alone


def test_dear_money_liquidates_without_a_price_move():
    account = plain_account(-70_000.0, 1.0)
    assert simulate_path(account, path_of(), NO_OFFSET)["first_liquidatable"] is None
    spike = simulate_path(account, path_of(u=1.0), NO_OFFSET)["first_liquidatable"]
    assert spike == math.ceil(math.log(71_250 / 70_000) * 8760)


def test_idle_cash_earns_the_supply_rate():
    utilizations = [0.5 + 0.5 * t / HOURS for t in range(HOURS + 1)]
    account = plain_account(50_000.0, 1.0)
    got = simulate_path(account, path_of(u=utilizations), NO_OFFSET)
    earned = oracles.accrue_supply(50_000.0, utilizations)
    assert [x["USDC"] for x in got["equity"]] == close(earned[:-1])
    assert got["loan"][-1] == {"USDC": 0.0}
    for mode in ("unified", "cross"):
        flat = simulate_path({**account, "mode": mode}, path_of(u=utilizations), NO_OFFSET)
        assert flat["equity"][-1] == {"USDC": 50_000.0} and flat["supplied"][-1] == {}


def test_interest_is_paid_on_initial_margin_beyond_cash():
    """1 BTC perp at 5x against 6,000 of cash borrows 14,000, at 25x borrows 4,000."""
    for leverage, loan in [(5.0, 14_000.0), (25.0, 4_000.0)]:
        account = plain_account(6_000.0, 1.0, size=1.0, leverage=leverage)
        got = simulate_path(account, path_of(hours=1), NO_OFFSET)
        paid = loan * (math.exp(0.05 / 8760) - 1) + 0.0000125 * 100_000
        assert got["loan"][0] == {"USDC": loan}
        assert got["equity"][1]["USDC"] == close(6_000.0 - paid)


def test_loan_stops_at_credit_or_at_the_shortfall():
    """Carry: R - X would exceed the LTV value; the shortfall b may, nothing else."""
    prices = [100_000.0, 200_000.0, 250_000.0]
    account = plain_account(0.0, 1.0, size=-1.0)
    path = path_of(btc=prices, hours=2, premium=-0.0005)  # no funding
    got = simulate_path(account, path, NO_OFFSET)
    assert got["loan"][0]["USDC"] == close(10_000.0)
    assert got["loan"][1]["USDC"] == close(102_500.0, 1e-5)  # b, above C_ltv = 100,000
    assert got["loan"][2]["USDC"] == close(153_125.0, 1e-5)
    capped = plain_rules(offset_mode="none", user_borrow_cap={"USDC": 90_000.0})
    held = simulate_path(account, path, capped)
    assert held["loan"][1]["USDC"] == 90_000.0 and held["refused"] == [False] * 3


def test_funding_is_paid_on_the_oracle():
    """A long pays, a short receives; the cross account fails at the closed-form hour."""
    oracle = {"BTC": [110_000.0] * (HOURS + 1), "HYPE": [40.0] * (HOURS + 1)}
    path = path_of(premium={"BTC": 0.0085, "HYPE": 0.0}, oracle=oracle)
    hourly = (0.0085 - 0.0005) / 8 * 110_000  # 110 an hour
    long = plain_account(10_000.0, 0.0, size=1.0, mode="cross")
    got = simulate_path(long, path, NO_OFFSET)
    assert got["equity"][-1]["USDC"] == close(10_000 - HOURS * hourly)
    assert got["first_liquidatable"] == math.floor((10_000 - 1_250) / hourly) + 1
    assert got["first_full"] == math.floor((10_000 - 2 / 3 * 1_250) / hourly) + 1
    short = simulate_path(plain_account(10_000.0, 0.0, -1.0, mode="cross"), path, NO_OFFSET)
    assert short["equity"][-1]["USDC"] == close(10_000 + HOURS * hourly)
    assert short["first_liquidatable"] is None


@pytest.mark.parametrize(
    ("free", "refused"), [(math.inf, False), (5_080.0, False), (5_070.0, True), (0.0, True)]
)
def test_credit_is_refused_where_the_reserve_is_empty(free, refused):
    """A long falls from 100,000 to 86,000; only a further loan can restore its maintenance.

    Equity -14,001.3 (funding and interest of the first hour) against maintenance 1,075: the
    loan of 10,000 must grow by 5,076.3, which credit allows and the reserve may not.
    """
    path = path_of(btc=[100_000.0, 86_000.0], hours=1, free={"USDC": [0.0, free]})
    account = plain_account(0.0, 2.0, size=1.0)
    got = simulate_path(account, path, NO_OFFSET)
    assert got["equity"][1]["USDC"] == close(-14_001.3, 1e-5)
    assert got["refused"] == [False, refused]
    assert got["first_liquidatable"] == (1 if refused else None)
    lenient = {**NO_OFFSET, "reserve_liquidity_limits_credit": False}
    assert simulate_path(account, path, lenient)["first_liquidatable"] is None


def test_interest_is_no_draw_on_the_reserve():
    """With nothing free, a plain loan is refused its own interest only in the strict reading."""
    account = plain_account(-10_000.0, 1.0)
    path = path_of(free={"USDC": [0.0] * (HOURS + 1)})
    assert simulate_path(account, path, NO_OFFSET)["first_liquidatable"] == 1
    got = simulate_path(account, path, NO_OFFSET, interest_needs_liquidity=False)
    assert got["first_liquidatable"] is None
    assert got["loan"][-1]["USDC"] == close(10_000 * math.exp(0.05 * HOURS / 8760))


def test_full_takeover_of_perps_and_of_loans():
    """X + C_liq < 2/3 MM counts as full although the debt is below C_full."""
    rules = plain_rules(ltv={"HYPE": 0.65, "UBTC": 0.5}, offset_mode="none")
    account = plain_account(-60_000.0, 1.0, size=10.0)
    at = oracles.portfolio_state(account, plain_prices(), rules)
    assert not at["full"] and at["liquidatable"]  # 15,000 against two thirds of 12,500
    account["cash"]["USDC"] = -67_000.0
    got = simulate_path(account, path_of(hours=0), rules)
    assert (got["first_full"], got["first_partial"]) == (0, None)


def test_isolated_positions_fall_one_by_one():
    falling = [100_000.0 - 100 * t for t in range(HOURS + 1)]
    account = plain_account(1e6, 0.0, size=1.0)
    alone = {**account["positions"][0], "margin": "isolated"}
    account["positions"] += [{**alone, "margin_balance": m} for m in (6_000.0, 60_000.0)]
    path = path_of(btc=falling, premium=-0.0005)  # no funding
    got = simulate_path(account, path, NO_OFFSET)
    # 6,000 - 100 t against (100,000 - 100 t)/80, and against two thirds of it.
    assert got["isolated_first"] == [None, math.floor((6_000 - 1_250) / 98.75) + 1, None]
    assert got["isolated_full"][1] == math.floor((6_000 - 2_500 / 3) / (100 - 100 / 120)) + 1
    assert got["first_liquidatable"] is None


def test_two_halves_and_another_order_change_nothing():
    prices = [100_000.0 * (1 - 0.002 * t) for t in range(HOURS + 1)]
    hype = [40.0 * (1 - 0.003 * t) for t in range(HOURS + 1)]
    whole = plain_account(3_000.0, 1.0, size=1.0)
    whole["positions"] += plain_account(0, 0, 900.0, entry=40.0, market="HYPE")["positions"]
    half = {
        **whole,
        "cash": {"USDC": 1_500.0},
        "supplied": {"UBTC": 0.5},
        "positions": [{**p, "size": p["size"] / 2} for p in reversed(whole["positions"])],
    }
    path = path_of(btc=prices, hype=hype, premium=0.0)
    one, two = (simulate_path(account, path, NO_OFFSET) for account in (whole, half))
    names = ("first_liquidatable", "first_partial", "first_full")
    assert [one[name] for name in names] == [two[name] for name in names]
    # With perps the equity rule is met before the debt passes C_liq.
    assert 0 < one["first_liquidatable"] < one["first_full"] <= one["first_partial"]
    loans = [2 * loan["USDC"] for loan in two["loan"]]
    assert [loan["USDC"] for loan in one["loan"]] == close(loans)


def test_an_isolated_position_pays_its_own_funding():
    """300 an hour out of a margin of 6,000: maintenance 1,250 is reached in hour 16."""
    account = plain_account(1e6, 0.0, size=1.0)
    account["positions"][0] |= {"margin": "isolated", "margin_balance": 6_000.0}
    path = path_of(premium=0.0245)  # 0.0245 - 0.0005 in 8 hours
    got = simulate_path(account, path, NO_OFFSET)
    assert (got["isolated_first"], got["isolated_full"]) == ([16], [18])
    assert got["equity"][-1]["USDC"] > 1e6  # it only earns
    halves = simulate_path(account, path, NO_OFFSET, hours=0.5)
    assert halves["isolated_first"] == [32]


def test_a_quote_that_is_not_a_dollar():
    """Credit is in dollars, loans and caps in tokens at 0.5 dollars each."""
    rules = plain_rules(settle={"BTC": "USDT0"}, user_borrow_cap={"USDT0": 400_000.0})
    account = {**plain_account(0.0, 1.0, size=-1.0), "cash": {"USDT0": -80_000.0}}
    path = path_of(hours=0)
    path["borrow"]["USDT0"], path["utilization"]["USDT0"] = [0.5], [0.5]
    got = simulate_path(account, path, rules)
    assert got["loan"] == [{"USDT0": 90_000.0}]  # R - X, below C_ltv = 100,000 tokens
    account["cash"]["USDT0"] = -95_000.0
    assert simulate_path(account, path, rules)["loan"] == [{"USDT0": 100_000.0}]
    rules["user_borrow_cap"]["USDT0"] = 96_250.0
    assert simulate_path(account, path, rules)["ratio"] == [close(97_500 / (1_250 + 96_250))]
