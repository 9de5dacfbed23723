"""How borrowers answer a change of rules, against sums by hand and a slow oracle."""

import copy
import dataclasses
from typing import Any

import numpy as np
import pytest
from campaign_cases import BOOK, VENUE

from stress.book import Book
from stress.book_io import load_book
from stress.decide.response import RESPONSES, fill, respond, standing
from stress.errors import InputError
from stress.venue_files import VenueBook, load_venue

OLD, NEW = "hyperliquid/2026-06-23", VENUE  # HYPE's LTV 0.50 -> 0.65
USERS = {name: u for u, name in enumerate(
    ("loop-hype", "loop-btc", "carry", "unified", "standard", "lends"))}  # fmt: skip


@pytest.fixture(scope="module")
def book() -> Book:
    return load_book(BOOK)


@pytest.fixture(scope="module")
def rules() -> dict[str, VenueBook]:
    return {name: load_venue(name) for name in (OLD, NEW, "2025-12-23", "2026-05-07")}


def capped(rules: VenueBook, **quote: float) -> VenueBook:
    """The rules with other caps of USDC."""
    usdc = rules.file.quotes["USDC"]
    changed = {k: getattr(usdc, k).model_copy(update={"value": v}) for k, v in quote.items()}
    quotes = rules.file.quotes | {"USDC": usdc.model_copy(update=changed)}
    return dataclasses.replace(rules, file=rules.file.model_copy(update={"quotes": quotes}))


def price(token: str) -> float:
    return {"HYPE": 84.1, "UBTC": 78730.0}[token]


def test_fixed_is_the_book_itself(book: Book, rules: Any) -> None:
    assert respond(book, rules[OLD], rules[NEW], "fixed") is book


@pytest.mark.parametrize("response", RESPONSES)
def test_the_same_rules_change_no_loan(book: Book, rules: Any, response: Any) -> None:
    """No borrower has a reason to move; caps of HYPE and BTC are far above this book."""
    same = respond(book, rules[NEW], rules[NEW], response)
    if response != "cap_filling":
        assert same.digest == book.digest


def test_the_same_share_of_the_limit_is_drawn(book: Book, rules: Any) -> None:
    """By hand: a HYPE loan of 5,000 under 0.50 is one of 6,500 under 0.65; a BTC loan stays."""
    moved = respond(book, rules[OLD], rules[NEW], "proportional")
    usdc = moved.cash[:, moved.quotes.index("USDC")]
    assert usdc[USERS["loop-hype"]] == pytest.approx(-5000 * 0.65 / 0.50, rel=1e-12)
    assert usdc[USERS["loop-btc"]] == pytest.approx(-3500, rel=1e-12)
    others = [u for name, u in USERS.items() if not name.startswith("loop")]
    assert np.array_equal(moved.cash[others], book.cash[others])
    supplied, borrowed = moved.reserves["USDC"]
    assert supplied == book.reserves["USDC"][0]
    assert borrowed - book.reserves["USDC"][1] == pytest.approx(1500, abs=1e-6)
    assert np.array_equal(moved.supplied, book.supplied)
    assert moved.digest != book.digest


def test_there_and_back(book: Book, rules: Any) -> None:
    there = respond(book, rules[NEW], rules[OLD], "proportional")
    back = respond(there, rules[OLD], rules[NEW], "proportional")
    assert np.allclose(back.cash, book.cash, rtol=1e-12, atol=1e-9)


def test_loans_and_power_by_hand(book: Book, rules: Any) -> None:
    now = standing(book, rules[NEW])
    hype, btc = USERS["loop-hype"], USERS["loop-btc"]
    assert now.power[hype] == pytest.approx(100 * price("HYPE") * 0.65)
    assert now.power[btc] == pytest.approx(0.1 * price("UBTC") * 0.50)
    assert now.loan[hype, 0] == 5000 and now.loan[btc, 0] == 3500
    assert now.power[USERS["unified"]] == now.power[USERS["lends"]] == 0
    assert now.notional[USERS["carry"]] == pytest.approx(7873)
    assert now.notional[USERS["standard"]] == 0, "does not margin with collateral"
    assert (now.status == 0).all()


def test_the_user_borrow_cap_binds(book: Book, rules: Any) -> None:
    tight = capped(rules[NEW], user_borrow_cap=1000.0)
    moved = respond(book, rules[NEW], tight, "proportional")
    usdc = moved.cash[:, 0]
    power = 100 * price("HYPE") * 0.65
    assert usdc[USERS["loop-hype"]] == pytest.approx(-5000 * 1000 / power, rel=1e-12)


@pytest.mark.parametrize("cap", ["supply", "borrow"])
def test_a_reserve_that_gives_out_scales_every_rise(rules: Any, cap: str) -> None:
    """Of 1,500 wanted only 500 are there: the loan rises by a third of the way."""
    document = copy.deepcopy(BOOK)
    supplied = 9500.0 if cap == "supply" else 50000.0
    document["reserves"] = {"USDC": {"supplied": supplied, "borrowed": 9000.0}}
    new = rules[NEW] if cap == "supply" else capped(rules[NEW], global_borrow_cap=9500.0)
    moved = respond(load_book(document), rules[OLD], new, "proportional")
    assert moved.cash[USERS["loop-hype"], 0] == pytest.approx(-5500)
    assert moved.reserves["USDC"] == pytest.approx((supplied, 9500.0))


def test_cap_filling_stands_at_the_caps(rules: Any) -> None:
    """Reserves of 1,000 HYPE and 1 BTC of which the book holds a tenth and a fifth."""
    document = copy.deepcopy(BOOK)
    document["reserves"] |= {"HYPE": {"supplied": 9.0e6, "borrowed": 0.0}}
    document["accounts"][0] |= {"supplied": {"HYPE": 900000.0}, "balances": {"USDC": -20.0e6}}
    moved = respond(load_book(document), rules[NEW], rules[NEW], "cap_filling")
    hype = moved.tokens.index("HYPE")
    assert moved.supplied[0, hype] == pytest.approx(1.0e6)  # the cap of a user as well
    assert moved.reserves["HYPE"][0] == pytest.approx(9.1e6)
    power = np.minimum(np.array([9e5, 1e6]) * price("HYPE") * 0.65, 50e6)
    assert moved.cash[0, 0] == pytest.approx(-20.0e6 * power[1] / power[0])


def test_a_token_that_is_not_listed_counts_for_nothing(book: Book, rules: Any) -> None:
    before = standing(book, rules["2025-12-23"])
    assert before.power[USERS["loop-btc"]] == 0
    assert before.status[USERS["loop-btc"]] > 0
    moved = respond(book, rules[NEW], rules["2025-12-23"], "proportional")
    assert moved.cash[USERS["loop-btc"], 0] == 0, "nothing may be borrowed: the loan is repaid"


def test_fill_against_bisection() -> None:
    rng = np.random.default_rng(7)
    for total in (10.0, 40.0, 90.0, 150.0, 1e9):
        held = rng.pareto(1.2, 40) * (rng.random(40) < 0.8)
        most = 6.0
        got = fill(held, total, most)
        if total <= held.sum():
            assert np.allclose(got, held * total / held.sum(), rtol=1e-13)
            continue
        limit = np.where(held > 0, np.maximum(held, most), 0)
        low, high = 1.0, 1e12
        for _ in range(200):
            factor = np.sqrt(low * high)
            low, high = (low, factor) if np.minimum(limit, held * factor).sum() > total else (
                factor, high)  # fmt: skip
        assert np.allclose(got, np.minimum(limit, held * low), rtol=1e-9)
        assert (got >= held).all() and got.sum() == pytest.approx(min(total, limit.sum()))


def test_another_response_is_refused(book: Book, rules: Any) -> None:
    with pytest.raises(InputError, match="found 'panic'; allowed: fixed, proportional"):
        respond(book, rules[OLD], rules[NEW], "panic")  # type: ignore[arg-type]
