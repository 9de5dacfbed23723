"""Sampled markets: keyed paths, and what accounts see of them against the oracles."""

import dataclasses
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from campaign_cases import BOOK, small_campaign
from margin_cases import random_rules, venue_of
from test_utilization import shipped

from models.account import Market
from models.status import NON_FINITE, OK, PRICE_RANGE
from models.venue import Venue
from stress.campaign import plan, run_blocks, scenario_key
from stress.factors import Factors
from stress.market import PathView, Pool, Scenario, normals_per_step, sample_block
from stress.metrics import account_estimates, failed_paths
from stress.quotes import Today
from stress.scenarios import gbm
from stress.utilization_model import no_spike

STEPS, BLOCK = 24, 32
PREMIUM = -3e-3  # the rate is negative: shorts pay
RUN = dataclasses.replace(no_spike(), run_share=jnp.asarray(0.3), run_start=jnp.asarray(4.0))


@cache
def venue() -> Venue:
    return venue_of(random_rules(np.random.default_rng(1)))


def today() -> Today:
    """Four markets, two of which move together; two tokens; a second quote that moves with SOL."""
    return Today(
        market_asset=(0, 1, 2, 0),
        token_asset=(1, 0),
        quote_asset=(-1, 2),
        quote_pegged=(False, False),
        mark=jnp.array([80_000.0, 40.0, 150.0, 4_000.0]),
        oracle=jnp.array([80_100.0, 39.9, 150.0, 4_001.0]),
        collateral_price=jnp.array([40.1, 79_900.0]),
        quote_price=jnp.array([1.0, 0.98]),
        supplied=jnp.array([4e8, 2e6]),
        borrowed=jnp.array([3.4e8, 8e5]),
    )


def quiet(times: int, assets: int, premium: float) -> Factors:
    """No basis, no depeg, full depth, a live oracle."""
    flat = jnp.zeros((times, assets))
    return Factors(
        basis=flat,
        peg=jnp.zeros(times),
        depth=flat + 1,
        premium=flat + premium,
        shown=jnp.broadcast_to(jnp.arange(times)[:, None], flat.shape),
        basis_noise=None,
        peg_noise=None,
    )


def scenario(*, moving: bool = True, **changes: Any) -> Scenario:
    factor = np.linalg.cholesky(np.array([[1, 0.6, 0.2], [0.6, 1, 0.1], [0.2, 0.1, 1]]))
    process = gbm.Gbm(
        volatility=jnp.array([0.6, 1.2, 0.9]),
        drift=jnp.array([0.0, 0.1, -0.1]),
        factor=jnp.asarray(factor),
    )
    overlay = np.zeros((STEPS + 1, 3))
    overlay[10:, 2] = np.log(0.8)
    pools = (
        Pool(model=shipped() if moving else None, spike=RUN if moving else no_spike()),
        Pool(model=None, spike=no_spike()),
    )
    made = Scenario(
        driver=0 if moving else -1,
        process=process,
        overlay=jnp.asarray(overlay),
        factors=quiet(STEPS + 1, 3, PREMIUM),
        pools=pools,
    )
    return dataclasses.replace(made, **changes)


def sample(
    paths: Any = None, of: Scenario | None = None, key: jax.Array | None = None, **options: Any
) -> tuple[Market, PathView]:
    numbers = jnp.asarray(np.arange(BLOCK) if paths is None else np.asarray(paths))
    key = scenario_key(5, "one") if key is None else key
    rules = options.pop("rules", venue())
    chosen = scenario() if of is None else of
    return sample_block(rules, today(), chosen, key, numbers, jnp.asarray(1.0), **options)


@cache
def whole() -> tuple[Market, PathView]:
    return sample()


def by_path(sampled: tuple[Market, PathView]) -> list[np.ndarray]:
    """Every leaf with the path first."""
    market, view = sampled
    leaves = [np.moveaxis(np.asarray(x), 1, 0) for x in jax.tree.leaves(market)]
    return leaves + [np.asarray(x) for x in jax.tree.leaves(view)]


def test_a_path_is_the_same_anywhere_in_a_block() -> None:
    for got, want in zip(by_path(sample(np.arange(BLOCK)[::-1])), by_path(whole()), strict=True):
        np.testing.assert_array_equal(got, want[::-1])


def test_a_path_is_the_same_alone() -> None:
    """Another shape is another program: to rounding."""
    for got, want in zip(by_path(sample([5])), by_path(whole()), strict=True):
        np.testing.assert_allclose(got, want[[5]], rtol=1e-13, atol=1e-15 * np.abs(want).max())


def test_precision_is_cast_last() -> None:
    narrow, wide = sample(precision="float32"), whole()
    for got, want in zip(jax.tree.leaves(narrow[0]), jax.tree.leaves(wide[0]), strict=True):
        assert got.dtype == np.float32
        np.testing.assert_array_equal(got, np.asarray(want).astype(np.float32))
    jax.tree.map(np.testing.assert_array_equal, narrow[1], wide[1])


def test_other_seeds_and_scenarios_have_other_paths() -> None:
    """Seed 0 is a seed like any other."""
    keys = [scenario_key(s, n) for s, n in ((0, "one"), (1, "one"), (2**63 - 1, "one"), (0, "two"))]
    returns = [np.asarray(sample(key=key)[1].log_return[:, 0]) for key in keys]
    assert len(np.unique(np.concatenate(returns))) == len(keys) * BLOCK
    again = np.asarray(sample(key=scenario_key(0, "one"))[1].log_return[:, 0])
    np.testing.assert_array_equal(again, returns[0])


def test_prices_do_not_depend_on_the_pool() -> None:
    """Common random numbers: the pool's process takes its own."""
    still = scenario(moving=False)
    assert normals_per_step(scenario()) > normals_per_step(still) == 3
    market, view = sample(of=still)
    moved, seen = whole()
    for name in ("mark", "settlement", "collateral_price", "quote_price"):
        np.testing.assert_array_equal(getattr(market, name), getattr(moved, name))
    np.testing.assert_array_equal(view.log_return, seen.log_return)
    used = np.asarray(view.utilization)
    np.testing.assert_allclose(used[..., 0], 0.85, rtol=1e-15)
    assert (np.asarray(seen.utilization)[:, 1:, 0] != used[:, 1:, 0]).all()
    np.testing.assert_array_equal(np.asarray(seen.utilization)[..., 1], used[..., 1])


def test_every_price_moves_with_its_asset() -> None:
    at, (market, view) = today(), whole()
    logs = np.log(np.asarray(market.mark) / np.asarray(at.mark)[:, None, None])
    np.testing.assert_allclose(logs[3], logs[0], atol=1e-12)
    np.testing.assert_allclose(logs[:3, :, -1].T, view.log_return, atol=1e-12)
    np.testing.assert_allclose(logs[:3].min(axis=2).T, view.worst_log_return, atol=1e-12)
    assert (view.worst_log_return <= 0).all() and (np.asarray(view.log_return)[:, 2] < -0.1).all()
    want = np.asarray(at.collateral_price)[:, None, None] * np.exp(logs[[1, 0]])
    np.testing.assert_allclose(market.collateral_price, want, rtol=1e-12)
    np.testing.assert_allclose(market.quote_price[1], 0.98 * np.exp(logs[2]), rtol=1e-12)
    assert (np.asarray(market.quote_price[0]) == 1).all()
    assert (logs[:, :, 0] == 0).all()


def test_funding_is_what_the_oracle_pays() -> None:
    market, _ = whole()
    rate = oracles.funding_rate(PREMIUM)
    assert rate < 0
    for m in range(4):
        basis = float(today().oracle[m] / today().mark[m])
        for p in (0, 7):
            mark = np.asarray(market.mark[m, p])
            paid = [0.0]
            for price in mark[:-1]:
                paid.append(paid[-1] + oracles.funding_payment(1.0, price * basis, rate))
            np.testing.assert_allclose(market.settlement[m, p], mark - paid, rtol=1e-13)
            assert abs(paid[-1]) > 1e-4 * mark[0]  # a wrong rate or price would show


def test_interest_is_what_the_oracle_accrues() -> None:
    market, view = whole()
    used = np.asarray(view.utilization)
    assert used[..., 0].max() == pytest.approx(1, abs=1e-12) and used[..., 0].min() < 0.8
    for p in range(BLOCK):
        for q in range(2):
            level = used[p, :-1, q].tolist()
            owed, lent = oracles.accrue_debt(1.0, level), oracles.accrue_supply(1.0, level)
            np.testing.assert_allclose(market.borrow_index[q, p], owed, rtol=1e-13)
            np.testing.assert_allclose(market.supply_index[q, p], lent, rtol=1e-13)
            for line, growth in ((owed, market.borrow_growth), (lent, market.supply_growth)):
                want = np.array(line)[1:] / np.array(line)[:-1] - 1
                np.testing.assert_allclose(growth[q, p, 1:], want, rtol=1e-9)
                assert growth[q, p, 0] == 0
    effective = dataclasses.replace(venue().assumptions, rate_is_effective=jnp.asarray(1.0))
    other, _ = sample(rules=dataclasses.replace(venue(), assumptions=effective))
    want = oracles.accrue_debt(1.0, used[0, :-1, 0].tolist(), "effective")
    np.testing.assert_allclose(other.borrow_index[0, 0], want, rtol=1e-13)
    assert float(other.borrow_index[0, 0, -1]) < float(market.borrow_index[0, 0, -1])


def test_the_reserve_lends_within_its_supply_and_the_global_cap() -> None:
    """Constant reserves: 4e8 supplied and 3.4e8 borrowed, 2e6 and 8e5."""
    still = scenario(moving=False)
    for cap, free in ((np.inf, 0.6e8), (3.6e8, 0.2e8), (3.0e8, 0.0)):
        caps = jnp.array([cap, 1e6])
        lending = dataclasses.replace(venue().lending, global_borrow_cap=caps)
        market, _ = sample(of=still, rules=dataclasses.replace(venue(), lending=lending))
        np.testing.assert_allclose(market.free_liquidity[0], free, rtol=1e-12)
        np.testing.assert_allclose(market.free_liquidity[1], 2e5, rtol=1e-12)
    moving = np.asarray(whole()[0].free_liquidity[0])
    full = np.asarray(whole()[1].utilization[..., 0]) >= 1 - 1e-12
    assert (moving >= 0).all() and full.any() and (moving[full] < 1).all()


def test_statuses() -> None:
    def status_of(**changes: Any) -> list[int]:
        process = dataclasses.replace(scenario().process, **changes)
        _, view = sample(of=scenario(process=process))
        return np.unique(np.asarray(view.status)).tolist()

    three = jnp.ones(3)
    assert status_of() == [OK]
    assert status_of(drift=three * jnp.nan) == [NON_FINITE]
    assert status_of(volatility=three * jnp.inf) == [NON_FINITE]
    assert status_of(drift=-three * 365 * 14.0) == [PRICE_RANGE]  # exp(-14) is beyond a millionth
    assert status_of(drift=-three * 365 * 12.0) == [OK]
    assert status_of(drift=three * 365 * 1e3) == [NON_FINITE]  # the logarithm is finite, exp is not


def test_a_price_that_overflows_in_single_precision_has_a_status() -> None:
    process = dataclasses.replace(scenario().process, drift=jnp.ones(3) * 365 * 100.0)
    for precision, status in (("float64", PRICE_RANGE), ("float32", NON_FINITE)):
        _, view = sample(of=scenario(process=process), precision=precision)
        assert (np.asarray(view.status) == status).all()


def test_paths_that_fail_are_shown_and_widen_every_interval(tmp_path: Path) -> None:
    """A campaign on some of whose paths prices leave what a double can hold."""
    volatility = 700.0 / (24 / 8760) ** 0.5  # 700 in the logarithm over the day
    wild = {
        "process": "gbm",
        "volatility": {"default": volatility},
        "drift": {"default": volatility**2 / 2},
        "correlation": 0.5,
    }
    crash = {"prices": wild, "utilization": {"process": "constant", "USDC": 0.64}}
    accounts = [BOOK["accounts"][i] for i in (0, 4)]
    changes = [("scenarios", {"crash": crash}), ("paths", 512), ("book.accounts", accounts)]
    total = run_blocks(plan(small_campaign(tmp_path, *changes)), None, 1)["crash"]
    lost = total.by_path["status"] == NON_FINITE
    failed = failed_paths(total)
    assert 50 < failed == lost.sum() < 462
    assert (total.by_path["status"][~lost] == PRICE_RANGE).all()
    for name in ("equity_loss", "bad_debt", "liquidated_notional", "liquidated_accounts"):
        np.testing.assert_array_equal(np.isnan(total.by_path[name]), lost, err_msg=name)
    counts = total.counts
    assert int(counts["paths"]) == 512 - failed
    assert (counts["first"].sum(axis=0) == 512 - failed).all()
    found = account_estimates(total)["account.liquidation_probability"]
    gone = counts["first"][:-1].sum(axis=0)
    np.testing.assert_allclose(found.value, gone / (512 - failed))
    assert (found.low < gone / 512 + 1e-12).all() and (
        found.high > (gone + failed) / 512 - 1e-12
    ).all()
