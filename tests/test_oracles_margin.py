"""Section 4: tiers, isolated vectors, liquidation prices, standard accounts."""

import json
import math

import oracles
import pytest
from oracles import plain_account, plain_prices, plain_rules

VENUE = 1e-9  # relative; the venue prints about ten digits


def close(value, tolerance=VENUE):
    return pytest.approx(value, rel=tolerance, abs=0.0)


TIERS = {
    "BTC": [(0.0, 40.0), (150e6, 20.0)],
    "ETH": [(0.0, 25.0), (100e6, 15.0)],
    "SOL": [(0.0, 20.0), (70e6, 10.0)],
    "HYPE": [(0.0, 10.0), (20e6, 5.0)],
}


def test_tier_tables_are_the_recorded_ones(shared):
    folder = shared / "data" / "recorded"
    meta, _ = json.loads((folder / "metaAndAssetCtxs_2026.json").read_text())
    tables = {number: table["marginTiers"] for number, table in meta["marginTables"]}
    for market in meta["universe"]:
        rows = tables[market["marginTableId"]]
        tiers = [(float(row["lowerBound"]), float(row["maxLeverage"])) for row in rows]
        assert TIERS[market["name"]] == tiers


@pytest.mark.parametrize(
    ("market", "notional", "margin"),
    [
        ("BTC", 300e6, 5_625_000.0),
        ("ETH", 200e6, 16_000_000 / 3),
        ("HYPE", 40e6, 3e6),
        ("BTC", 150e6, 1_875_000.0),
        ("HYPE", 0.0, 0.0),
    ],
)
def test_maintenance_margin_checks(market, notional, margin):
    assert oracles.maintenance_margin(TIERS[market], notional) == pytest.approx(margin, rel=1e-15)


def test_transfer_margin():
    assert oracles.transfer_margin(oracles.initial_margin(1000.0, 5.0), 1000.0) == 200.0
    assert oracles.transfer_margin(oracles.initial_margin(1000.0, 40.0), 1000.0) == 100.0


@pytest.mark.parametrize(
    ("size", "raw", "leverage", "price"),
    [
        (29.72, -2801.468331, 20.0, 96.6790327156),
        (120.0, -1236.857213, 10.0, 10.8496246754),
        (-15.0, 1532.665442, 10.0, 97.3120915556),
    ],
)
@pytest.mark.parametrize("shift", [0.8, 1.0, 1.3])
def test_isolated_liquidation_vectors(size, raw, leverage, price, shift):
    """The price does not depend on today's mark, and the flag turns there."""
    tiers, mark = [(0.0, leverage)], price * shift
    got = oracles.liquidation_price(mark, size, raw + size * mark, tiers)
    assert got == close(price)
    position = {"size": size, "entry_price": mark, "margin_balance": raw + size * mark}
    outward = -math.copysign(1e-6, size)  # down hurts a long
    assert oracles.isolated_state(position, price * (1 + outward), tiers)["liquidatable"]
    assert not oracles.isolated_state(position, price * (1 - outward), tiers)["liquidatable"]


@pytest.mark.parametrize(("size", "equity"), [(-1400.0, 40e6), (2500.0, 120e6)])
def test_liquidation_price_in_another_tier(size, equity):
    """Equity meets maintenance exactly there, although the tier is not today's."""
    mark, tiers = 100_000.0, TIERS["BTC"]
    price = oracles.liquidation_price(mark, size, equity, tiers)
    assert price is not None
    assert (abs(size) * price > 150e6) != (abs(size) * mark > 150e6)
    left = equity + size * (price - mark)
    assert left == close(oracles.maintenance_margin(tiers, abs(size) * price))


def test_standard_and_unified_accounts():
    rules, account = plain_rules(), plain_account(10_000.0, 0.0, size=1.0)
    account["mode"] = "cross"
    # Account value p - 90,000 against p/80.
    for price, expected in [(91_140.0, False), (91_139.0, True)]:
        state = oracles.standard_state(account, plain_prices(price), rules)
        assert state["liquidatable"] is expected and not state["full"]
    assert oracles.standard_state(account, plain_prices(90_750.0), rules)["full"]
    account["mode"] = "unified"
    for ratio, expected in [(0.949, False), (0.951, True)]:
        price = 90_000.0 / (1 - 1 / (80 * ratio))
        state = oracles.standard_state(account, plain_prices(price), rules)
        assert state["ratio"] == close(ratio)
        assert state["liquidatable"] is expected
