"""What portfolio margin keeps under splitting, scaling, turning round and lower precision."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from margin_cases import MARKETS, accounts_of, market_of, scaled_money, venue_of
from portfolio_cases import batch, draw, figures, gross


def one_tier(rng):
    return {m: [(0.0, float(rng.uniform(3, 50)))] for m in MARKETS}


def test_two_halves_of_an_account_have_its_ratio():
    """With one tier, no caps and no offset, margin is proportional to an account's size."""
    rules, prices, accounts = draw(
        5,
        "portfolio",
        tiers=one_tier(np.random.default_rng(5)),
        user_supply_cap={},
        user_borrow_cap={},
        offset_mode="none",
    )
    venue, market, whole = venue_of(rules), market_of(prices), accounts_of(accounts)
    one = batch(venue, whole, market)
    for share in (0.5, 0.25):
        part = batch(venue, scaled_money(whole, share), market)
        np.testing.assert_allclose(part["ratio"], one["ratio"], rtol=1e-12)
        np.testing.assert_allclose(part["loan"], share * one["loan"], rtol=1e-12, atol=1e-9)
    tiered = venue_of({**rules, "tiers": {m: [(0.0, 9.0), (5e4, 3.0)] for m in MARKETS}})
    halves = batch(tiered, scaled_money(whole, 0.5), market)["ratio"]
    assert np.sum(np.abs(halves / batch(tiered, whole, market)["ratio"] - 1) > 1e-3) > 20


def test_money_in_another_unit_changes_nothing():
    """Balances, caps, tier bounds and the offset a thousand times as large."""
    rules, prices, accounts = draw(6, "portfolio")
    k = 1e3
    larger = {
        **rules,
        "tiers": {m: [(b * k, x) for b, x in t] for m, t in rules["tiers"].items()},
        "user_supply_cap": {t: c * k for t, c in rules["user_supply_cap"].items()},
        "user_borrow_cap": {t: c * k for t, c in rules["user_borrow_cap"].items()},
        "min_borrow_offset": rules["min_borrow_offset"] * k,
    }
    whole, market = accounts_of(accounts), market_of(prices)
    one = batch(venue_of(rules), whole, market)
    other = batch(venue_of(larger), scaled_money(whole, k), market)
    np.testing.assert_allclose(other["ratio"], one["ratio"], rtol=1e-12)
    np.testing.assert_allclose(other["excess"], k * one["excess"], rtol=1e-9, atol=1e-3)


def test_the_order_of_markets_and_tokens_is_immaterial():
    rules, prices, accounts = draw(7, "portfolio")
    venue, market, whole = venue_of(rules), market_of(prices), accounts_of(accounts)
    turned = dataclasses.replace(
        whole,
        markets=whole.markets[::-1],
        tokens=whole.tokens[::-1],
        size=whole.size[::-1],
        inverse_leverage=whole.inverse_leverage[::-1],
        supplied=whole.supplied[::-1],
    )
    one, other = batch(venue, whole, market), batch(venue, turned, market)
    np.testing.assert_allclose(other["ratio"], one["ratio"], rtol=1e-10)
    unturned = dataclasses.replace(turned, size=whole.size)  # negative control
    assert not np.allclose(batch(venue, unturned, market)["ratio"], one["ratio"], rtol=1e-3)


def test_gradients_are_finite():
    """Where the ratio is infinite too, and at an account with nothing."""
    rules, prices, accounts = draw(8, "portfolio")
    nothing = {"mode": "portfolio", "cash": {"USDC": 0.0}, "supplied": {}, "positions": []}
    venue, market = venue_of(rules), market_of(prices)
    whole = accounts_of([*accounts[:40], nothing])

    def total(mark, price, account):
        shown = dataclasses.replace(market, mark=mark, settlement=mark, collateral_price=price)
        got = figures(venue, account, shown)
        return got["excess"] + jnp.where(jnp.isfinite(got["ratio"]), got["ratio"], 0)

    slope = jax.jit(jax.vmap(jax.grad(total, argnums=(0, 1, 2)), (None, None, -1)))
    for part in jax.tree.leaves(slope(market.mark, market.collateral_price, whole)):
        assert np.isfinite(part).all()


def test_gradient_is_the_slope():
    """Of the excess in the price of BTC, against central differences; kinks aside."""
    rules, prices, accounts = draw(8, "portfolio")
    venue, market, whole = venue_of(rules), market_of(prices), accounts_of(accounts)

    def excess(price, account):
        mark = market.mark.at[0].set(price)
        shown = dataclasses.replace(market, mark=mark, settlement=mark)
        return figures(venue, account, shown)["excess"]

    at, bump = market.mark[0], market.mark[0] * 1e-4
    along = jax.jit(jax.vmap(excess, (None, -1)))
    rise = (along(at + bump, whole) - along(at - bump, whole)) / (2 * bump)
    slope = jax.jit(jax.vmap(jax.grad(excess), (None, -1)))(at, whole)
    moves = np.abs(slope) > 1e-3
    assert moves.sum() > 30
    assert np.mean(np.isclose(rise, slope, rtol=1e-5, atol=1e-5)) > 0.95
    assert np.mean(np.isclose(rise, 1.01 * slope, rtol=1e-5, atol=1e-5)[moves]) < 0.05


def test_float32_agrees():
    """Flags agree beyond rounding of the gross money; ratios to a ten-thousandth."""
    rules, prices, accounts = draw(9, "portfolio", count=400)
    venue, market, whole = venue_of(rules), market_of(prices), accounts_of(accounts)
    exact = batch(venue, whole, market)
    rough = batch(*jax.tree.map(lambda x: x.astype("float32"), (venue, whole, market)))
    assert rough["ratio"].dtype == jnp.float32
    size = np.array([gross(a, prices) for a in accounts]) + np.asarray(exact["C_full"])
    error = np.abs(np.asarray(rough["excess"], float) - np.asarray(exact["excess"])) / size
    assert error.max() < 1e-6
    clear = np.abs(exact["excess"]) > 1e-6 * size
    flags = [np.asarray(x["excess"])[clear] > 0 for x in (exact, rough)]
    np.testing.assert_array_equal(flags[0], flags[1])
    common = np.asarray(exact["ratio"]) < 2
    np.testing.assert_allclose(
        np.asarray(rough["ratio"])[common], np.asarray(exact["ratio"])[common], rtol=1e-3, atol=1e-5
    )


def test_nan_prices_never_count_as_liquidatable():
    rules, prices, accounts = draw(10, "portfolio", count=20)
    market = dataclasses.replace(market_of(prices), mark=jnp.full(len(MARKETS), np.nan))
    got = batch(venue_of(rules), accounts_of(accounts), market)
    held = np.array([bool(a["positions"]) for a in accounts])
    assert np.isnan(np.asarray(got["ratio"])[held]).all()
    assert not np.any(np.asarray(got["excess"])[held] > 0)
