"""The oracles against the venue: the recorded account, then the worked examples."""

import json

import oracles
import pytest
from oracles import (
    plain_account,
    plain_prices,
    plain_rules,
    portfolio_state,
    recorded_account,
)

VENUE = 1e-9  # relative; the venue prints about ten digits


def close(value, tolerance=VENUE):
    return pytest.approx(value, rel=tolerance, abs=0.0)


def test_recorded_equity_and_margins(shared):
    account, prices, rules, reported = recorded_account(shared)
    state = portfolio_state(account, prices, rules)["quotes"]["USDC"]
    assert state["E"] == close(reported["total"])
    assert state["I"] == close(reported["isolated_margin"])
    assert state["MM"] == close(reported["maintenance_margin"])
    assert state["M"] == close(reported["initial_margin"])
    assert reported["total"] == close(reported["account_value"] - reported["borrowed"])
    for position in account["positions"]:
        if position["margin"] == "isolated":
            margin = oracles.isolated_equity(position, prices["mark"][position["market"]])
            assert margin == close(reported["margin_used"][position["market"]])


def test_recorded_ratio_and_available(shared):
    account, prices, rules, reported = recorded_account(shared)
    state = portfolio_state(account, prices, rules)
    available = reported["available_after_maintenance"]
    assert state["portfolio_margin_ratio"] == close(reported["portfolio_margin_ratio"])
    usdc = state["quotes"]["USDC"]["available_after_maintenance"]
    assert usdc == close(available["USDC"])
    # What is free in another quote token, and how many HYPE may leave, are the same dollars.
    account["cash"]["USDT0"] = 0.0
    other = portfolio_state(account, prices, rules)
    assert other["portfolio_margin_ratio"] == state["portfolio_margin_ratio"]
    usdt0 = other["quotes"]["USDT0"]["available_after_maintenance"]
    assert usdt0 == close(available["USDT0"])
    assert usdc / (prices["borrow"]["HYPE"] * 0.825) == close(available["HYPE"])


@pytest.mark.parametrize("change", ["additive", "full_weight", "isolated_counts", "mark_price"])
def test_recorded_ratio_rejects_wrong_rules(shared, change):
    """Negative control: each plausible misreading misses the venue's ratio by far more."""
    account, prices, rules, reported = recorded_account(shared)
    if change == "additive":
        rules["offset_mode"] = "additive"
    elif change == "full_weight":
        rules["ltv"]["HYPE"] = 2 * (2 + 0.65) / 3 - 1
    elif change == "isolated_counts":
        account["cash"]["USDC"] += reported["isolated_margin"]
    else:
        prices["borrow"]["HYPE"] = prices["mark"]["HYPE"]
    wrong = portfolio_state(account, prices, rules)["portfolio_margin_ratio"]
    assert abs(wrong / reported["portfolio_margin_ratio"] - 1) > 1e-5


def test_recorded_liquidation_prices(shared):
    """Cross positions stop at X + C_liq, isolated ones at their own margin."""
    account, prices, rules, reported = recorded_account(shared)
    state = portfolio_state(account, prices, rules)["quotes"]["USDC"]
    checked = 0
    for position in account["positions"]:
        market, size = position["market"], position["size"]
        mark, tiers = prices["mark"][market], rules["tiers"][market]
        if position["margin"] == "isolated":
            equity, others = oracles.isolated_equity(position, mark), 0.0
        else:
            own = oracles.maintenance_margin(tiers, abs(size) * mark)
            equity, others = state["X"] + state["C_liq"], state["MM"] - own
        got = oracles.liquidation_price(mark, size, equity, tiers, others)
        want = reported["liquidation_price"][market]
        assert (got is None) == (want is None)
        if got is not None:
            assert got == close(want, 2e-9)  # ten printed decimals of prices from 0.026 up
            checked += 1
    assert checked == len(account["positions"]) - 2  # ARB and XMR have none


def test_recorded_loan_and_orders(shared):
    """Two answers of the venue imply the same orders' margin; with it the loan follows."""
    account, prices, rules, reported = recorded_account(shared)
    account["orders_margin"] = {"USDC": reported["orders_margin"]}
    state = portfolio_state(account, prices, rules)
    usdc = state["quotes"]["USDC"]
    to_trade = -reported["usdt0_hold"] * prices["borrow"]["USDT0"]
    assert usdc["available_to_trade"] == close(to_trade, 1e-7)
    assert usdc["borrowed"] == close(reported["borrowed"], 0.013)
    assert usdc["borrowed"] + reported["withdrawable"] == close(reported["borrowed"], 1e-5)
    assert usdc["supplied"] == 0.0


def test_recorded_margin_states(shared):
    recorded = json.loads((shared / "validation" / "recorded_margin_states.json").read_text())
    for row in recorded["rows"]:
        credit, equity = 100.04466674 * row["px"] * (1 + 0.65) / 2, row["E"] - row["I"]
        ratio = oracles.portfolio_margin_ratio(equity, row["MM"], credit)
        assert ratio == close(row["portfolio_margin_ratio"])
        available = equity + credit - row["MM"]
        assert available == close(row["available_after_maintenance"])
    free = recorded["debt_free"]
    maintenance = free["total"] - free["available_after_maintenance"]
    ratio = oracles.portfolio_margin_ratio(free["total"], maintenance, 0.0)
    assert ratio == close(free["portfolio_margin_ratio"], 1e-8)  # nine decimals are printed
    offset = oracles.portfolio_margin_ratio(
        free["total"], maintenance, 0.0, offset=20.0, offset_mode="additive"
    )
    assert abs(offset / free["portfolio_margin_ratio"] - 1) > 1e-5


def test_recorded_reserves_and_funding(shared):
    reserves = recorded_account(shared)[3]["reserves"]
    for state in reserves.values():
        u = oracles.utilization(state["totalBorrowed"], state["totalSupplied"])
        assert u == pytest.approx(state["utilization"], abs=1e-10)
        assert oracles.borrow_rate(u) == close(state["borrowYearlyRate"])
        assert oracles.supply_rate(u) == pytest.approx(state["supplyYearlyRate"], abs=1e-10)
    folder = shared / "data" / "recorded"
    _, contexts = json.loads((folder / "metaAndAssetCtxs_2026.json").read_text())
    for context in contexts:
        rate = oracles.funding_rate(float(context["premium"]))
        assert rate == close(float(context["funding"]))


# Section 8: worked examples


def test_borrowable_locked_and_health():
    assert oracles.borrowable({"TOKEN": 10_000 * 40.0}, {"TOKEN": 0.5}) == 200_000.0
    assert oracles.locked_collateral(100.0, 40.0, 0.5) == 5.0
    values = {"BTC": 80_000.0, "HYPE": 200 * 50.0}
    health = oracles.health_factor(values, {"BTC": 0.5, "HYPE": 0.5}, 42_000.0)
    assert health == pytest.approx(1.0714, abs=5e-5)


def test_loan_of_250_on_ten_hype():
    rules = plain_rules(ltv={"HYPE": 0.5})
    for price, status in [(33.34, "healthy"), (33.0, "partial"), (30.0, "partial"), (29.9, "full")]:
        assert oracles.loan_status(250.0, {"HYPE": 10 * price}, {"HYPE": 0.5}) == status
        account = plain_account(-250.0, 10.0, token="HYPE")
        state = portfolio_state(account, plain_prices(hype=price), rules)
        assert state["partial"] is (status != "healthy")
        assert state["full"] is (status == "full")
    partial, _ = oracles.loan_thresholds({"HYPE": 330.0}, {"HYPE": 0.5})
    _, full = oracles.loan_thresholds({"HYPE": 300.0}, {"HYPE": 0.5})
    assert partial == close(247.5) and full == close(250.0)


def test_loan_of_2000_on_hundred_hype():
    ltv, account, rules = {"HYPE": 0.65}, plain_account(-2000.0, 100.0, token="HYPE"), plain_rules()
    state = portfolio_state(account, plain_prices(), rules)
    assert state["C_ltv"] == close(2600.0) and state["health_factor"] == close(1.3)
    at_limit = oracles.health_factor({"HYPE": 100 * 30.77}, ltv, 2000.0)
    assert at_limit == pytest.approx(1.0, abs=2e-4)
    assert oracles.loan_status(2000.0, {"HYPE": 100 * 24.25}, ltv) == "healthy"
    assert oracles.loan_status(2000.0, {"HYPE": 100 * 24.24}, ltv) == "partial"


def test_carry_trade():
    """Long spot, short perp from 100k: the venue's three figures."""
    account, rules = plain_account(0.0, 1.0, size=-1.0), plain_rules(offset_mode="none")
    for price, ratio, loan in [(150_000.0, 0.470, 50_000.0), (200_000.0, 0.689, 100_000.0)]:
        state = portfolio_state(account, plain_prices(price), rules)
        assert state["portfolio_margin_ratio"] == pytest.approx(ratio, abs=5e-4)
        assert -state["quotes"]["USDC"]["X"] == loan
    assert portfolio_state(account, plain_prices(200_000.0), rules)["C_ltv"] == loan
    below, above = oracles.crossing_prices(account, plain_prices(), rules, "BTC", tokens=["UBTC"])
    assert below is None
    assert above == pytest.approx(332_600.0, abs=50.0)
    assert above == close(100_000 / (2 / 80 + 1 - 0.95 * (1 / 80 + 0.75)))
    only_perp = oracles.crossing_prices(account, plain_prices(), rules, "BTC", tokens=[])[1]
    assert only_perp is not None and above is not None and only_perp < 0.6 * above


def test_crossing_price_of_a_plain_loan(shared):
    """Liquidation price over price at start, as in the reference values."""
    text = (shared / "validation" / "reference_values.json").read_text()
    row = json.loads(text)["portfolio_margin_one_collateral"]["rows"][0]
    rules, account = plain_rules(), plain_account(-2600.0, 100.0, token="HYPE")
    below, above = oracles.crossing_prices(account, plain_prices(), rules, "HYPE")
    assert above is None
    assert below == close(40.0 * row["H_over_S"])
