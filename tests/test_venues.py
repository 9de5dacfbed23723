"""The pytree of a rule book against the rule book's own figures."""

import math
from datetime import date

import jax
import numpy as np
import pytest
from jax.tree_util import tree_leaves

from models.margin import maintenance_margin
from stress.errors import EnvironmentUnusable, InputError
from stress.venues import build_venue, list_venues, load_venue

INF = math.inf
# Rule book, section 2. Quote tokens: global supply, global borrow, user supply, user borrow cap.
# Collateral: LTV, global supply cap, user supply cap.
ALPHA, HIGHER = (500e6, 100e6, 5e6, 1e6), (1e9, 200e6, 50e6, 10e6)
USDT0, HYPE_HIGHER = (50e6, 10e6, 5e6, 1e6), (0.50, 10e6, 500e3)
TABLE = {
    "2025-12-23": ({"USDC": (5e6, 1e6, INF, 1000)}, {"HYPE": (0.50, INF, 200)}),
    "2026-03-14": (
        {"USDC": ALPHA, "USDH": ALPHA},
        {"HYPE": (0.50, 1e6, 50e3), "UBTC": (0.50, 400, 20)},
    ),
    "2026-05-07": (
        {"USDC": HIGHER, "USDH": ALPHA},
        {"HYPE": HYPE_HIGHER, "UBTC": (0.50, 4000, 200)},
    ),
    "2026-06-02": (
        {"USDC": HIGHER, "USDH": ALPHA, "USDT0": USDT0},
        {"HYPE": HYPE_HIGHER, "UBTC": (0.50, 4000, 200)},
    ),
    "2026-06-21": (
        {"USDC": HIGHER, "USDT0": USDT0},
        {"HYPE": HYPE_HIGHER, "UBTC": (0.50, 4000, 200)},
    ),
    "2026-06-23": (
        {"USDC": (1e9, 500e6, 250e6, 50e6), "USDT0": USDT0},
        {"HYPE": (0.50, 10e6, 1e6), "UBTC": (0.50, 2000, 200)},
    ),
    "2026-08-19": (
        {"USDC": (1e9, 500e6, 250e6, 50e6), "USDT0": USDT0},
        {"HYPE": (0.65, 10e6, 1e6), "UBTC": (0.50, 2000, 200)},
    ),
}
# Rule book, section 4: maximum leverage up to a notional, and beyond it.
TIERS = {
    "BTC": (40, 150e6, 20),
    "ETH": (25, 100e6, 15),
    "SOL": (20, 70e6, 10),
    "XRP": (20, 40e6, 10),
    **dict.fromkeys(["HYPE", "DOGE", "AVAX", "LINK", "SUI", "AAVE"], (10, 20e6, 5)),
    **dict.fromkeys(["ARB", "BNB", "DOT"], (10, 3e6, 5)),
}
UNDERLYING = {"HYPE": "HYPE", "UBTC": "BTC", "USDT0": "USDT", "USDC": "USD", "USDH": "USDH"}
LATEST = "hyperliquid/2026-08-19"


@pytest.fixture(scope="module")
def latest():
    return load_venue(LATEST)


def test_the_table_is_complete():
    assert list_venues() == [f"hyperliquid/{day}" for day in TABLE]


@pytest.mark.parametrize("day", TABLE)
def test_every_date_is_as_the_rule_book_states_it(day):
    book = load_venue(f"hyperliquid/{day}")
    quotes, tokens = TABLE[day]
    assert (book.name, book.date) == (f"hyperliquid/{day}", date.fromisoformat(day))
    venue = build_venue(book, None)
    assert set(venue.quotes) == set(quotes) and set(venue.tokens) == set(tokens)
    for name, want in quotes.items():
        q, lending = venue.quotes.index(name), venue.lending
        got = (
            lending.global_supply_cap[q],
            lending.global_borrow_cap[q],
            lending.user_supply_cap[q],
            lending.user_borrow_cap[q],
        )
        assert tuple(map(float, got)) == want
        curve = (lending.base_rate[q], lending.kink[q], lending.slope[q], lending.buffer_share[q])
        assert tuple(map(float, curve)) == (0.05, 0.8, 4.75, 0.1)
        assert book.file.quotes[name].underlying == UNDERLYING[name]
    for name, want in tokens.items():
        c = venue.tokens.index(name)
        got = (venue.ltv[c], venue.global_supply_cap[c], venue.user_supply_cap[c])
        assert tuple(map(float, got)) == want
        assert book.file.tokens[name].underlying == UNDERLYING[name]
    tables = {m: book.file.margin_tables[e.value].value for m, e in book.file.markets.items()}
    assert tables == {m: [(0, low), (bound, high)] for m, (low, bound, high) in TIERS.items()}


def test_the_rules_of_liquidation_and_funding(latest):
    venue = build_venue(latest, ["BTC"])
    rules = {k: float(v) for k, v in vars(venue.liquidation).items()}
    assert rules == {
        "portfolio_trigger": 0.95,
        "cross_trigger": 1.0,
        "backstop_fraction": 2 / 3,
        "partial_notional": 100_000,
        "partial_share": 0.2,
        "cooldown": 30 / 3600,
        "takeover_share": 0.2,
        "takeover_interval": 3 / 3600,
        "twap_half_life": 10 / 60,
    }
    funding = {k: float(v) for k, v in vars(venue.funding).items()}
    assert funding == {"interest": 0.0001, "clamp": 0.0005, "cap": 0.04, "interval": 8}
    assert float(venue.transfer_margin) == 0.1
    assert {leaf.dtype for leaf in tree_leaves(venue)} == {np.dtype("float64")}


@pytest.mark.parametrize(
    ("coin", "notional", "want"),
    [("BTC", 300e6, 5_625_000), ("ETH", 200e6, 16e6 / 3), ("HYPE", 40e6, 3_000_000)],
)
def test_maintenance_margin_of_the_live_tables(latest, coin, notional, want):
    venue = build_venue(latest, ["SOL", "ETH", "HYPE", "BTC"])
    m = venue.markets.index(coin)
    got = maintenance_margin(
        venue.tiers.rate[:, m], venue.tiers.deduction[:, m], jax.numpy.asarray(notional)
    )
    assert float(got) == pytest.approx(want, rel=1e-14)
    flat = notional / (2 * TIERS[coin][0])  # has power: the first tier alone asks for less
    assert float(got) > 1.1 * flat


def test_markets_come_in_the_order_asked_for(latest):
    venue = build_venue(
        latest,
        ["xyz:GOLD", "HYPE", "WLD"],
        extra_markets={"xyz:GOLD": 20, "WLD": 3, "HYPE": 3},
        settle={"xyz:GOLD": "USDT0"},
        quotes=["USDT0", "USDC"],
        tokens=["UBTC"],
    )
    assert venue.markets == ("xyz:GOLD", "HYPE", "WLD") and venue.settle == (0, 1, 1)
    assert venue.quotes == ("USDT0", "USDC") and venue.tokens == ("UBTC",)
    # The market that the book lists keeps its tiers; the others are flat.
    assert np.allclose(venue.tiers.rate, [[1 / 40, 1 / 20, 1 / 6], [1 / 40, 1 / 10, 1 / 6]])
    assert np.allclose(venue.tiers.deduction, [[0, 0, 0], [0, 1e6, 0]])
    assert float(venue.lending.user_borrow_cap[0]) == 1e6
    every = build_venue(latest, None, extra_markets={"WLD": 3})
    assert every.markets == (*TIERS, "WLD")


@pytest.mark.parametrize(
    ("arguments", "key", "allowed"),
    [
        ({"markets": ["BTX"]}, "markets.BTX", "did you mean BTC?"),
        ({"markets": ["xyz:GOLD"]}, "markets.xyz:GOLD", "extra_markets"),
        ({"markets": ["BTC", "BTC"]}, "markets.BTC", "once"),
        ({"quotes": ["USDH"]}, "quotes.USDH", "USDT0"),
        ({"tokens": ["UETH"]}, "tokens.UETH", "UBTC"),
        ({"settle": {"ETH": "USDC"}}, "settle.ETH", "BTC"),
        ({"settle": {"BTC": "USDH"}}, "settle.BTC", "USDC, USDT0"),
        ({"quotes": ["USDT0"]}, "settle.BTC", "USDT0"),
        ({"markets": ["X"], "extra_markets": {"X": -3}}, "extra_markets.X", "positive"),
        ({"markets": ["X"], "extra_markets": {"X": math.nan}}, "extra_markets.X", "positive"),
    ],
)
def test_unknown_names_are_refused(latest, arguments, key, allowed):
    with pytest.raises(InputError) as error:
        build_venue(latest, **{"markets": ["BTC"], **arguments})
    assert (error.value.file, error.value.key) == (LATEST, key)
    assert allowed in error.value.allowed


def switches(venue) -> tuple[float, ...]:
    a = venue.assumptions
    credit = a.reserve_liquidity_limits_credit
    values = (a.borrow_offset_floor, a.borrow_offset_additive, credit, a.rate_is_effective)
    readings = (a.takeover_at_partial_threshold, a.perps_first_probability)
    return tuple(map(float, values + readings))


@pytest.mark.parametrize(
    ("assumptions", "want"),
    [
        ({}, (20, 0, 1, 0, 0, 0.5)),
        ({"min_borrow_offset": "additive"}, (0, 20, 1, 0, 0, 0.5)),
        ({"min_borrow_offset": "none"}, (0, 0, 1, 0, 0, 0.5)),
        ({"reserve_liquidity_limits_credit": False}, (20, 0, 0, 0, 0, 0.5)),
        ({"rate_convention": "effective", "takeover_starts_at": "pmr"}, (20, 0, 1, 1, 0, 0.5)),
        ({"liquidation_order": "perps_first"}, (20, 0, 1, 0, 0, 1)),
        ({"liquidation_order": "borrows_first"}, (20, 0, 1, 0, 0, 0)),
        ({"takeover_starts_at": "partial_threshold"}, (20, 0, 1, 0, 1, 0.5)),
    ],
)
def test_assumptions_become_switches_without_a_new_trace(latest, assumptions, want):
    default, venue = (
        build_venue(latest, ["BTC"]),
        build_venue(latest, ["BTC"], assumptions=assumptions),
    )
    assert switches(venue) == want
    assert jax.tree_util.tree_structure(venue) == jax.tree_util.tree_structure(default)


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("min_borrow_offset", "sometimes", "floor, additive, none"),
        ("min_borrow_offset", 0, "floor, additive, none"),
        ("reserve_liquidity_limits_credit", 1, "true, false"),
        ("min_borrow_ofset", "none", "did you mean min_borrow_offset?"),
        ("liquidation_order", "alphabetical", "random, perps_first, borrows_first"),
        ("takeover_starts_at", "later", "pmr, partial_threshold"),
    ],
)
def test_assumptions_are_checked_against_their_alternatives(latest, name, value, allowed):
    with pytest.raises(InputError) as error:
        build_venue(latest, ["BTC"], assumptions={name: value})
    assert error.value.key == f"assumptions.{name}"
    assert allowed in error.value.allowed


def test_float32_is_refused(latest):
    with jax.enable_x64(False), pytest.raises(EnvironmentUnusable, match="64-bit"):
        build_venue(latest, ["BTC"])
