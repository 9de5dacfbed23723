"""Portfolio margin of random accounts against the loops of the oracles."""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import oracles
from margin_cases import (
    MARKETS,
    QUOTES,
    SETTLE,
    accounts_of,
    market_of,
    one_of,
    random_account,
    random_prices,
    random_rules,
    scalar,
    scaled_money,
    venue_of,
)
from models import portfolio
from models.account import margin_state

SEEDS = range(12)  # a rule book and prices each
COUNT = 150  # accounts each


def figures(venue, account, market):
    """Everything an account shows, as a dict of scalars and `[Q]` arrays."""
    state = margin_state(venue, account, market)
    loans = [portfolio.desired_loan(venue, market, state, q) for q in range(len(QUOTES))]
    needs = portfolio.requirements(
        venue, account, market, state, loans if account.portfolio else ()
    )
    borrow = [r.borrow for r in needs]
    credit = [portfolio.liquidation_credit(venue, market, state, borrow, q) for q in range(2)]
    available = portfolio.available_after_maintenance(venue, market, state)
    return {
        "X": jnp.stack(state.equity),
        "MM": jnp.stack(state.maintenance),
        "N": jnp.stack(state.notional),
        "R": jnp.stack(state.transfer),
        "b": jnp.stack(borrow),
        "C_ltv": state.borrow_capacity,
        "C_full": state.full_credit,
        "C_liq": jnp.stack(credit) * market.quote_price,
        "available": jnp.stack(available),
        "loan": jnp.stack(loans),
        "idle": jnp.stack([portfolio.idle_balance(state, q) for q in range(2)]),
        "health": portfolio.health_factor(state, loans, market),
        "ratio": portfolio.margin_ratio(needs),
        "excess": portfolio.excess(venue, account, needs),
    }


_batch = jax.jit(jax.vmap(figures, in_axes=(None, -1, None)))


def draw(seed, mode, count=COUNT, **changes):
    rng = np.random.default_rng(seed)
    rules, prices = random_rules(rng, **changes), random_prices(rng)
    accounts = [
        random_account(rng, rules, prices, mode, positions=bool(rng.random() < 0.8))
        for _ in range(count)
    ]
    return rules, prices, accounts


def computed(rules, prices, accounts):
    got = _batch(venue_of(rules), accounts_of(accounts), market_of(prices))
    return {name: np.asarray(value) for name, value in got.items()}


def reference(account, prices, rules, name):
    """A figure of the oracle for every quote token."""
    state = oracles.portfolio_state(account, prices, rules)["quotes"]
    return [state[q][name] for q in QUOTES]


def ratio_of(account, prices, rules):
    """Oracle ratio; an additive offset needs a debt or a maintenance margin to be added to."""
    quotes = oracles.portfolio_state(account, prices, rules)["quotes"].values()
    moot = rules["offset_mode"] == "additive"
    return max(0.0 if moot and q["MM"] == 0 and q["X"] >= 0 else q["ratio"] for q in quotes)


def gross(account, prices):
    """Money that passes through an account, for rounding."""
    size = sum(abs(p["size"]) * prices["mark"][p["market"]] for p in account["positions"])
    return size + sum(abs(c) for c in account["cash"].values())


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
    seen = {"healthy": 0, "restored": 0, "beyond": 0, "infinite": 0, "two": 0, "capped": 0}
    for seed in SEEDS:
        rules, prices, accounts = draw(seed, "portfolio", offset_mode="none")
        got = computed(rules, prices, accounts)
        short = (got["b"] > 0) & (got["MM"] > 0)
        finite = np.isfinite(got["ratio"])
        seen["healthy"] += np.sum(~short.any(1) & (got["MM"] > 0).any(1))
        seen["restored"] += np.sum(short.any(1) & (got["ratio"] < 0.95))
        seen["beyond"] += np.sum(finite & (got["ratio"] > 0.95))
        seen["infinite"] += np.sum(~finite)
        seen["two"] += np.sum((got["b"] > 0).all(1))
        held = np.array([a["supplied"]["HYPE"] for a in accounts])
        seen["capped"] += np.sum(held > rules["user_supply_cap"]["HYPE"])
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
    one = _batch(venue, whole, market)
    for share in (0.5, 0.25):
        part = _batch(venue, scaled_money(whole, share), market)
        np.testing.assert_allclose(part["ratio"], one["ratio"], rtol=1e-12)
        np.testing.assert_allclose(part["loan"], share * one["loan"], rtol=1e-12, atol=1e-9)
    tiered = venue_of({**rules, "tiers": dict.fromkeys(MARKETS, [(0.0, 9.0), (5e4, 3.0)])})
    halves = _batch(tiered, scaled_money(whole, 0.5), market)["ratio"]
    assert np.sum(np.abs(halves / _batch(tiered, whole, market)["ratio"] - 1) > 1e-3) > 20


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
    one = _batch(venue_of(rules), whole, market)
    other = _batch(venue_of(larger), scaled_money(whole, k), market)
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
    one, other = _batch(venue, whole, market), _batch(venue, turned, market)
    np.testing.assert_allclose(other["ratio"], one["ratio"], rtol=1e-10)
    unturned = dataclasses.replace(turned, size=whole.size)  # negative control
    assert not np.allclose(_batch(venue, unturned, market)["ratio"], one["ratio"], rtol=1e-3)


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
    exact = _batch(venue, whole, market)
    rough = _batch(*jax.tree.map(lambda x: x.astype("float32"), (venue, whole, market)))
    assert rough["ratio"].dtype == jnp.float32
    size = np.array([gross(a, prices) for a in accounts]) + np.asarray(exact["C_full"])
    error = np.abs(np.asarray(rough["excess"], float) - np.asarray(exact["excess"])) / size
    assert error.max() < 1e-6
    clear = np.abs(exact["excess"]) > 1e-6 * size
    flags = [np.asarray(x["excess"])[clear] > 0 for x in (exact, rough)]
    np.testing.assert_array_equal(*flags)
    common = np.asarray(exact["ratio"]) < 2
    np.testing.assert_allclose(
        np.asarray(rough["ratio"])[common], np.asarray(exact["ratio"])[common], rtol=1e-3, atol=1e-5
    )


_price = jax.jit(jax.vmap(portfolio.liquidation_price))


@pytest.mark.parametrize("seed", SEEDS)
def test_liquidation_prices(seed):
    """Every tier may hold the answer; where there is none the kernel says NaN."""
    rng = np.random.default_rng(100 + seed)
    tables = random_rules(rng)["tiers"]
    names = [MARKETS[k] for k in rng.integers(0, len(MARKETS), 200)]
    venue = venue_of(random_rules(rng, tiers=tables))
    mark = rng.uniform(10, 1000, 200)
    size = rng.choice([-1, 1], 200) * 10 ** rng.uniform(1, 4.5, 200)
    equity = rng.uniform(-0.1, 1.2, 200) * np.abs(size) * mark
    others = rng.uniform(0, 0.1, 200) * np.abs(size) * mark
    place = np.array([MARKETS.index(n) for n in names])
    own = [
        oracles.maintenance_margin(tables[n], abs(s) * p)
        for n, s, p in zip(names, size, mark, strict=True)
    ]
    got = np.asarray(
        _price(
            mark,
            size,
            equity - others - np.array(own),
            venue.tiers.rate[:, place].T,
            venue.tiers.deduction[:, place].T,
        )
    )
    none = moved = 0
    for k, name in enumerate(names):
        want = oracles.liquidation_price(mark[k], size[k], equity[k], tables[name], others[k])
        none += want is None
        assert np.isnan(got[k]) if want is None else got[k] == pytest.approx(want, rel=1e-9)
        units, bounds = abs(size[k]), [b for b, _ in tables[name]]
        tiers = [np.searchsorted(bounds, units * p, "right") for p in (mark[k], want or mark[k])]
        moved += tiers[0] != tiers[1]
    assert none and moved


@pytest.mark.parametrize(
    ("size", "raw", "leverage", "price"),
    [
        (29.72, -2801.468331, 20, 96.6790327156),
        (120, -1236.857213, 10, 10.8496246754),
        (-15, 1532.665442, 10, 97.3120915556),
    ],
)
def test_recorded_vectors(size, raw, leverage, price):
    rate, deduction = jnp.array([0.5 / leverage]), jnp.zeros(1)
    for mark in (price * 1.1, price * 0.7, 3 * price):  # whatever the mark is now
        available = raw + size * mark - rate[0] * abs(size) * mark
        got = portfolio.liquidation_price(scalar(mark), scalar(size), available, rate, deduction)
        assert float(got) == pytest.approx(price, rel=5e-12)


def recorded(price, equity, maintenance, tokens=100.04466674):
    """The ratio and the available amount of an account with the recorded figures."""
    rules = oracles.plain_rules(settle=SETTLE, tiers=dict.fromkeys(MARKETS, [(0.0, 10.0)]))
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


def test_nan_prices_never_count_as_liquidatable():
    rules, prices, accounts = draw(10, "portfolio", count=20)
    market = dataclasses.replace(market_of(prices), mark=jnp.full(len(MARKETS), np.nan))
    got = _batch(venue_of(rules), accounts_of(accounts), market)
    held = np.array([bool(a["positions"]) for a in accounts])
    assert np.isnan(np.asarray(got["ratio"])[held]).all()
    assert not np.any(np.asarray(got["excess"])[held] > 0)
