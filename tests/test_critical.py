"""Prices at which an account becomes liquidatable when everything of a coin moves."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from margin_cases import (
    MARKETS,
    TOKENS,
    accounts_of,
    market_of,
    one_of,
    random_account,
    random_prices,
    random_rules,
    venue_of,
)

from models.account import margin_state
from models.critical import GREATEST_SCALE, critical_scales, scaled
from models.portfolio import desired_loan, excess, requirements

COINS = {"BTC": ["UBTC"], "HYPE": ["HYPE"], "SOL": []}
WIDEST = 50.0  # the oracle's scan
_batch = jax.jit(jax.vmap(critical_scales, in_axes=(None, -1, None, None, None)))


def masks(coin):
    marks = [1.0 * (m == coin) for m in MARKETS]
    return jnp.array(marks), jnp.array([1.0 * (t in COINS[coin]) for t in TOKENS])


def draw(seed, count):
    rng = np.random.default_rng(seed)
    rules, prices = random_rules(rng, offset_mode="none"), random_prices(rng)
    accounts = [random_account(rng, rules, prices, "portfolio") for _ in range(3 * count)]
    safe = [not oracles.portfolio_state(a, prices, rules)["liquidatable"] for a in accounts]
    order = np.argsort(~np.array(safe), kind="stable")  # a few liquidatable ones at the end
    return rules, prices, [accounts[k] for k in (*order[: count - 3], *order[-3:])]


@pytest.mark.parametrize("coin", COINS)
@pytest.mark.parametrize("seed", [1, 2])
def test_prices_are_where_the_oracle_crosses(coin, seed):
    """A scan with bisection of its own; both sides, none and already liquidatable."""
    rules, prices, accounts = draw(seed, 25)
    market = market_of(prices)
    got = _batch(venue_of(rules), accounts_of(accounts), market, *masks(coin))
    lower, upper = (np.asarray(side) for side in got)
    checked = 0
    for k, account in enumerate(accounts):
        if oracles.portfolio_state(account, prices, rules)["liquidatable"]:
            assert (lower[k], upper[k]) == (1.0, 1.0)
            continue
        sides = oracles.crossing_prices(
            account, prices, rules, coin, tokens=COINS[coin], widest=WIDEST, points=300
        )
        for want, scale in zip(sides, (lower[k], upper[k]), strict=True):
            if want is None:
                assert np.isnan(scale) or not 1 / WIDEST < scale < WIDEST
            else:
                assert scale * prices["mark"][coin] == pytest.approx(want, rel=1e-9)
                checked += 1
    assert checked > 5


def test_the_excess_changes_sign_there():
    rules, prices, accounts = draw(3, 200)
    venue, market, whole = venue_of(rules), market_of(prices), accounts_of(accounts)
    found = [np.asarray(side) for side in _batch(venue, whole, market, *masks("BTC"))]

    def beyond(account, scale):
        shown = scaled(market, *masks("BTC"), scale)
        state = margin_state(venue, account, shown)
        loans = [desired_loan(venue, shown, state, q) for q in range(2)]
        return excess(venue, account, requirements(venue, account, shown, state, loans)) > 0

    at = jax.jit(jax.vmap(beyond, in_axes=(-1, 0)))
    for side, outward in zip(found, (-1, 1), strict=True):
        healthy = np.isfinite(side) & (side != 1) & (side < GREATEST_SCALE / 2) & (side > 0)
        assert healthy.sum() > 20
        assert at(whole, side * (1 + outward * 1e-9))[healthy].all()
        assert not at(whole, side * (1 - outward * 1e-9))[healthy].any()


def test_carry_trade_of_the_rule_book():
    """1 BTC spot against a short of 1 BTC from 100k: near 332.6k, never below."""
    rules = oracles.plain_rules(offset_mode="none")
    rules |= {"settle": dict.fromkeys(MARKETS, "USDC"), "tiers": {m: [(0, 40)] for m in MARKETS}}
    mark = {"BTC": 100e3, "HYPE": 40.0, "SOL": 1.0, "xyz:GOLD": 1.0}
    prices = {"mark": mark, "borrow": {"USDC": 1.0, "USDT0": 1.0, "UBTC": 100e3, "HYPE": 40.0}}
    account = one_of(accounts_of([oracles.plain_account(0.0, 1.0, size=-1.0)]), 0)
    venue, market = venue_of(rules), market_of(prices)
    lower, upper = critical_scales(venue, account, market, *masks("BTC"))
    assert np.isnan(lower)
    assert 100e3 * float(upper) == pytest.approx(332_600, abs=50)
    closed = 1 / (2 / 80 + 1 - 0.95 * (1 / 80 + 0.75))
    assert float(upper) == pytest.approx(closed, rel=1e-13)
    held = critical_scales(venue, account, market, masks("BTC")[0], jnp.zeros(2))[1]
    assert float(held) < 0.6 * float(upper)  # the venue's price leaves the collateral where it is


def test_standard_account_falls_at_its_maintenance():
    rules = oracles.plain_rules(tiers={m: [(0, 40)] for m in MARKETS})
    rules["settle"] = dict.fromkeys(MARKETS, "USDC")
    mark = {"BTC": 100e3, "HYPE": 40.0, "SOL": 1.0, "xyz:GOLD": 1.0}
    prices = {"mark": mark, "borrow": {"USDC": 1.0, "USDT0": 1.0, "UBTC": 100e3, "HYPE": 40.0}}
    for mode, trigger in (("cross", 1.0), ("unified", 0.95)):
        account = oracles.plain_account(10e3, 0.0, size=1.0, mode=mode)
        pytree = one_of(accounts_of([account]), 0)
        lower, upper = critical_scales(venue_of(rules), pytree, market_of(prices), *masks("BTC"))
        # 10,000 + 100,000 (s - 1) = 1,250 s / trigger
        assert float(lower) == pytest.approx(90e3 / (100e3 - 1250 / trigger), rel=1e-13)
        assert np.isnan(upper)
