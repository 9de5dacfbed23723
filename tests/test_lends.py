"""A stretch over which accounts only lend, in one step against every time followed."""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from margin_cases import accounts_of, venue_of
from path_cases import STEPS, cases, markets_of
from test_reach import LENGTH, calmer, each, range_of

from models.lends import lend, lent_of, only_lends
from models.reach import out_of_reach
from models.step import follow, start
from stress import engine
from stress.engine import path_rows
from stress.frozen import in_precision
from tests.bench.frozen_case import frozen_case

followed = jax.jit(jax.vmap(follow, in_axes=(None, -1, -1, -1, None), out_axes=-1))
lent = jax.jit(jax.vmap(lend, in_axes=(None, -1, -1, -1), out_axes=-1))
by_account = {"in_axes": (None, -1, -1, -1), "out_axes": -1}
lenders = jax.jit(jax.vmap(only_lends, **by_account))
far_off = jax.jit(jax.vmap(out_of_reach, **by_account))


def compared(seed: int, precision: str, width: float = 1.0, **rules):
    """Per stretch and account: said to only lend, and wrong by more than rounding in one step."""
    made, accounts, paths = cases(seed, "portfolio", **rules)
    venue = in_precision(venue_of(made), precision)
    held = in_precision(accounts_of(accounts), precision)
    markets = in_precision(calmer(markets_of(paths), 0.25), precision)
    passage = jax.vmap(start, in_axes=-1, out_axes=-1)(held)
    gross = jnp.abs(held.net_cash).sum(0) + (jnp.abs(held.size) * 1e5).sum(0) + 1
    tolerance = np.asarray(gross) * (1e-12 if precision == "float64" else 1e-6)
    weigh = jax.vmap(partial(lent_of, venue.settle), in_axes=-1, out_axes=-1)
    said, wrong = [], []
    for begin in range(0, STEPS + 1, LENGTH):
        part = jax.tree.map(lambda x, b=begin: x[b : b + LENGTH], markets)
        seen = range_of(part, width)
        idle = lenders(venue, held, passage, seen) & far_off(venue, held, passage, seen)
        weighed = weigh(part.mark, part.settlement, part.borrow_growth, part.supply_growth)
        once, full, light = lent(venue, held, passage, weighed), passage, passage
        for k in range(LENGTH):
            shown = jax.tree.map(lambda x, k=k: x[k], part)
            full = each(venue, held, full, shown, jnp.asarray(float(begin + k)))
            light = followed(venue, held, light, shown, jnp.asarray(float(begin + k)))
        apart = np.zeros(idle.shape, bool)
        for x, y in zip((*once.accrued, *once.pool), (*light.accrued, *light.pool), strict=True):
            apart |= ~np.isclose(x, y, rtol=0, atol=tolerance)
        said.append(np.asarray(idle))
        wrong.append(apart)
        passage = full
    return np.array(said), np.array(wrong)


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_lending_in_one_step_is_following(precision: str) -> None:
    count = borrowing = 0
    for seed in range(4):
        said, wrong = compared(seed, precision)
        assert not (said & wrong).any()
        count, borrowing = count + said.sum(), borrowing + (~said & wrong).sum()
    assert count > 30 and borrowing > 30  # some only lend; of the others one step would be wrong


def test_without_the_limit_of_the_reserve() -> None:
    said, wrong = compared(4, "float64", reserve_liquidity_limits_credit=False)
    assert not (said & wrong).any() and said.any()


@pytest.fixture(scope="module")
def book():
    """A tile of the benchmark's lenders on calm paths."""
    case = frozen_case(400, 16, markets=4, path_tile=16)
    return case.venue, case.book, case.market


def levels(venue, book, market, monkeypatch) -> list[int]:
    """How each stretch of each tile is played: 0 every time, 1 followed, 2 in one step."""
    told: list[int] = []
    original = jax.lax.switch

    def counted(level, *rest):
        jax.debug.callback(lambda x: told.append(int(x)), level)
        return original(level, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(engine.jax.lax, "switch", counted)
        jax.block_until_ready(jax.jit(lambda *a: path_rows(*a))(venue, book, market))
        jax.effects_barrier()
    return told


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_engine_lends_in_one_step_where_all_of_a_tile_do(
    precision: str, book, monkeypatch
) -> None:
    venue, frozen, market = in_precision(book, precision)
    assert {0, 2} <= set(levels(venue, frozen, market, monkeypatch))
    got = jax.jit(lambda *a: path_rows(*a))(venue, frozen, market)
    monkeypatch.setattr(engine, "_only_lends", lambda v, a, passage, seen: passage.first < 0)
    assert 2 not in levels(venue, frozen, market, monkeypatch)
    want = jax.jit(lambda *a: path_rows(*a))(venue, frozen, market)
    for name in ("first", "partial", "full"):
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name))
    scale = float(jnp.abs(frozen.equity[0]).max())
    rounding = 1e-12 if precision == "float64" else 1e-6
    np.testing.assert_allclose(got.loss, want.loss, rtol=rounding, atol=rounding * scale)


def test_one_borrower_keeps_a_tile_from_it(book, monkeypatch) -> None:
    """Cash of one account of each tile taken until it must borrow, out of reach still."""
    venue, frozen, market = book
    held = frozen.accounts[0]
    units = jnp.abs(held.size[:, :, 3]).sum(axis=1)
    cash = held.net_cash.at[:, 0, 3].set(0.1 * units - held.size[:, :, 3].sum(axis=1))
    supplied = held.supplied.at[:, :, 3].set(units[:, None])
    poor = dataclasses.replace(held, net_cash=cash, supplied=supplied)
    changed = dataclasses.replace(frozen, accounts=(poor,))
    before, after = (levels(venue, b, market, monkeypatch) for b in (frozen, changed))
    assert 2 in before and 2 not in after and 1 in after
