"""The margin state of accounts: the recorded one, the worked examples, what a person may ask."""

import dataclasses
import json

import numpy as np
import pytest
from book_cases import HALF, LATEST, book_of, close, one

from stress.book_import import import_book
from stress.errors import InputError
from stress.margin_state import AccountMargin, margin_states
from stress.venues import load_venue


@pytest.fixture(scope="module")
def recorded(shared) -> AccountMargin:
    book = import_book(shared / "data" / "recorded" / "account_2026-09-08")
    return margin_states(book, load_venue(book.venue))[0]


def test_recorded_account(recorded):
    reported, residual = recorded.reported, recorded.residual
    assert recorded.portfolio_margin_ratio == close(reported["portfolio_margin_ratio"])
    assert recorded.maintenance_margin == close(reported["maintenance_margin"])
    for token in ("USDC", "USDT0", "HYPE"):
        theirs = reported["available_after_maintenance"][token]
        assert recorded.available_after_maintenance[token] == close(theirs)
        assert abs(residual["available_after_maintenance"][token]) < 1e-9 * theirs
    assert recorded.equity == close(3320.49989393)
    assert recorded.isolated_equity == close(4988.763593)
    assert recorded.loan == close(3714.92401507 - 977.555636, 1e-5)  # less resting orders' margin
    assert recorded.status == "healthy" and recorded.mode == "portfolio"


def test_recorded_liquidation_prices(shared, recorded):
    """Every price the venue prints, to 1e-9 or half of its last decimal (5e-11).

    A cross price follows from the available amount, which the answers hold to 2e-6 USDC (positions
    print six decimals of their value): moved by that rounding, it too is met.
    """
    book = import_book(shared / "data" / "recorded" / "account_2026-09-08")
    theirs = recorded.reported["liquidation_prices"]
    isolated = {i.market for i in recorded.isolated}
    printed = recorded.reported["available_after_maintenance"]["USDC"]
    missing = printed - recorded.available_after_maintenance["USDC"]
    assert len(theirs) == 16 and len(isolated) == 14 and abs(missing) < 3e-6
    for market, price in theirs.items():
        ours = recorded.liquidation_prices[market]
        assert ours == close(price, 2e-9)
        if market not in isolated:
            size, rate = book.size[0, book.markets.index(market)], 1 / 20  # both at 10x
            ours -= missing / (size * (1 - rate * np.sign(size)))
        assert ours == pytest.approx(price, rel=1e-9, abs=5e-11)
    absent = {m for m, p in recorded.liquidation_prices.items() if p is None}
    assert absent == {"ARB", "XMR"} and not absent & set(theirs)


@pytest.mark.parametrize(
    ("shift", "figure"), [({"HYPE": 84.2}, "portfolio_margin_ratio"), ({"ZEC": 500.0}, "equity")]
)
def test_another_price_is_noticed(shared, recorded, shift, figure):
    """Negative control."""
    book = import_book(shared / "data" / "recorded" / "account_2026-09-08")
    moved = margin_states(book, load_venue(book.venue), prices=shift)[0]
    assert abs(getattr(moved, figure) / getattr(recorded, figure) - 1) > 1e-5


def test_recorded_margin_states(shared):
    """Cross equity X and a maintenance margin put together from a position at 3x."""
    file = json.loads((shared / "validation" / "recorded_margin_states.json").read_text())
    for row in file["rows"]:
        size = row["MM"] * 6
        held = {"market": "xyz:ANY", "size": size, "entry_price": 1.0, "margin": "cross"}
        account = {
            "balances": {"USDC": row["E"] - row["I"]},
            "supplied": {"HYPE": 100.04466674},
            "positions": [{**held, "max_leverage": 3.0}],
        }
        state = one(account, LATEST, **{"HYPE": row["px"], "xyz:ANY": 1.0})
        assert state.maintenance_margin == close(row["MM"])
        assert state.portfolio_margin_ratio == close(row["portfolio_margin_ratio"])
        available = state.available_after_maintenance["USDC"]
        assert available == close(row["available_after_maintenance"])
    free = file["debt_free"]
    size = 6 * (free["total"] - free["available_after_maintenance"])
    held = {"market": "xyz:ANY", "size": size, "entry_price": 1.0, "margin": "cross"}
    account = {"balances": {"USDC": free["total"]}, "positions": [{**held, "max_leverage": 3.0}]}
    state = one(account, LATEST, **{"xyz:ANY": 1.0})
    ratio = free["portfolio_margin_ratio"]
    assert state.portfolio_margin_ratio == pytest.approx(ratio, abs=5e-10)  # nine decimals
    assert state.available_after_maintenance["USDC"] == close(free["available_after_maintenance"])


def test_borrowable_and_locked():
    account = {"balances": {"USDC": -100.0}, "supplied": {"HYPE": 10_000.0}}
    assert one(account, HALF, HYPE=40.0).borrow_capacity == close(200_000.0, 1e-15)
    locked = one({**account, "supplied": {"HYPE": 5.0}}, HALF, HYPE=40.0)
    assert locked.loan == 100.0 and locked.health_factor == close(1.0, 1e-15)


def test_health_factor_of_two_tokens():
    account = {"balances": {"USDC": -42_000.0}, "supplied": {"UBTC": 1.0, "HYPE": 200.0}}
    state = one(account, HALF, BTC=80_000.0, HYPE=50.0)
    assert state.borrow_capacity == 45_000.0
    assert state.health_factor == pytest.approx(1.0714, abs=5e-5)


@pytest.mark.parametrize(
    ("price", "status"),
    [
        (36.0, "healthy"),
        (33.34, "liquidatable"),
        (33.0, "partial"),
        (30.001, "partial"),  # at 30 the threshold is 250 to the last digit
        (29.999, "full"),
    ],
)
def test_loan_of_250_on_ten_hype(price, status):
    """Takeover starts at the ratio; the thresholds of the loan come after it."""
    state = one({"balances": {"USDC": -250.0}, "supplied": {"HYPE": 10.0}}, HALF, HYPE=price)
    assert state.status == status
    assert state.portfolio_margin_ratio == close(250 / (10 * price * 0.75), 1e-14)


def test_loan_of_2000_on_hundred_hype():
    account = {"balances": {"USDC": -2000.0}, "supplied": {"HYPE": 100.0}}
    state = one(account, HYPE=40.0)
    assert state.borrow_capacity == close(2600.0, 1e-15) and state.health_factor == close(1.3)
    assert one(account, HYPE=30.77).health_factor == pytest.approx(1.0, abs=2e-4)
    assert one(account, HYPE=24.25).status == "liquidatable"
    assert one(account, HYPE=24.24).status == "partial"
    sides = state.true_liquidation_prices["HYPE"]
    assert sides == {"below": close(2000 / 100 / (0.95 * 0.825), 1e-13), "above": None}


def test_carry_trade():
    held = {"market": "BTC", "size": -1.0, "entry_price": 100e3, "margin": "cross"}
    account = {"supplied": {"UBTC": 1.0}, "positions": [held]}
    for price, ratio, owed in [(150e3, 0.470, 50e3), (200e3, 0.689, 100e3)]:
        state = one(account, BTC=price)
        assert state.portfolio_margin_ratio == pytest.approx(ratio, abs=5e-4)
        assert state.equity == -owed
    assert state.borrow_capacity == 100e3
    sides = one(account, BTC=100e3).true_liquidation_prices["BTC"]
    assert sides["below"] is None
    assert sides["above"] == pytest.approx(332.6e3, abs=50)
    assert sides["above"] == close(100e3 / (2 / 80 + 1 - 0.95 * (1 / 80 + 0.75)), 1e-13)


def test_prices_move_marks_and_tokens():
    held = {"market": "BTC", "size": -1.0, "entry_price": 100e3, "margin": "cross"}
    account = {"supplied": {"UBTC": 1.0}, "positions": [held]}
    book = book_of(account, prices={"BTC": {"mark": 100e3, "oracle": 101e3}, "UBTC": 99e3})
    [state] = margin_states(book, LATEST, prices={"BTC": 150e3})
    assert state == margin_states(book_of(account, prices={"BTC": 150e3}), LATEST)[0]
    [token] = margin_states(book, LATEST, prices={"UBTC": 150e3})
    assert token.collateral_value == 150e3 and token.notional == 100e3
    assert book.marks["BTC"] == 100e3  # the book is left alone


@pytest.mark.parametrize(
    ("prices", "words"),
    [
        ({"BTC": 0.0}, "a positive price"),
        ({"BTC": float("nan")}, "a positive price"),
        ({"BTC": float("inf")}, "a positive price"),
        ({"BTX": 1.0}, "BTC"),
    ],
)
def test_bad_prices_are_refused(prices, words):
    book = book_of({"supplied": {"UBTC": 1.0}}, prices={"BTC": 100e3})
    with pytest.raises(InputError, match=words):
        margin_states(book, LATEST, prices=prices)


def test_assumptions_are_heeded():
    account = {"balances": {"USDC": -10.0}, "supplied": {"HYPE": 1.0}}
    book = book_of(account, prices={"HYPE": 40.0})
    ratios = [
        margin_states(book, LATEST, assumptions={"min_borrow_offset": how})[0]
        for how in ("none", "floor", "additive")
    ]
    got = [state.portfolio_margin_ratio for state in ratios]
    assert got == close([10 / 33, 20 / 33, 30 / 33])


def test_fields_of_the_json():
    """Plain values under the names that the interface fixes; a lender has nothing at stake."""
    held = {"market": "SOL", "size": 10.0, "entry_price": 200.0, "margin": "cross"}
    accounts = [
        {"mode": "lender", "group": "desk", "balances": {"USDC": 5.0, "USDT0": 7.0}},
        {"mode": "cross", "balances": {"USDC": 10.0}, "positions": [held]},
    ]
    book = book_of(*accounts, prices={"SOL": 100.0, "USDT0": 0.5})
    lender, broke = (dataclasses.asdict(state) for state in margin_states(book, LATEST))
    assert json.loads(json.dumps([lender, broke])) == [lender, broke]
    assert lender["equity"] == lender["idle_supply"] == 8.5 and lender["group"] == "desk"
    assert lender["available_after_maintenance"] == {"USDC": 5.0, "USDT0": 7.0}
    assert (lender["status"], lender["loan"], lender["health_factor"]) == ("healthy", 0.0, None)
    assert lender["liquidation_prices"] == lender["true_liquidation_prices"] == {}
    assert broke["portfolio_margin_ratio"] == np.inf and broke["status"] == "full"
    stated = "id mode equity isolated_equity maintenance_margin borrow_capacity liquidation_credit"
    stated += " portfolio_margin_ratio available_after_maintenance health_factor status"
    assert {*stated.split(), "liquidation_prices", "reported", "residual"} <= set(lender)


def test_a_table_that_came_with_the_book():
    """A market the rules do not list, with tiers of its own; listed markets keep theirs."""
    held = {"market": "xyz:ANY", "size": 3e6, "entry_price": 1.0, "margin": "cross"}
    listed = {"market": "BTC", "size": 3e3, "entry_price": 100e3, "margin": "cross"}
    book = book_of(
        {"balances": {"USDC": 1e8}, "positions": [held, listed]},
        prices={"xyz:ANY": 1.0, "BTC": 100e3},
        margin_tables={"xyz:ANY": [[0.0, 10.0], [1e6, 5.0]], "BTC": [[0.0, 3.0]]},
    )
    [state] = margin_states(book, LATEST)
    assert state.maintenance_margin == close(5_625_000.0 + 1e6 / 20 + 2e6 / 10, 1e-14)
