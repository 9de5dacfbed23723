"""What is passed over has nothing in it: stretches out of reach against every time played."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cascade_draws import SHAPES
from cascade_draws import random_case as drawn
from cascade_engine_cases import groups_of, setting_of
from engine_cases import random_case
from margin_cases import accounts_of, venue_of
from path_cases import COUNT, STEPS, cases, markets_of

from models.account import Market
from models.liquidation import Holding, figures
from models.reach import Range, near, out_of_reach
from models.step import follow, reached, start, step
from stress import engine
from stress.campaign import plan, scenario_key
from stress.config import load_campaign
from stress.course import course_of, stretches
from stress.engine import path_rows
from stress.frozen import in_precision
from stress.market import market_paths, sample_paths

LENGTH = 7  # of 49 times
KINDS = [("portfolio", True), ("portfolio", False), ("cross", True), ("unified", True)]

each = jax.jit(jax.vmap(step, in_axes=(None, -1, -1, -1, None), out_axes=-1))
followed = jax.jit(jax.vmap(follow, in_axes=(None, -1, -1, -1, None), out_axes=-1))
far_off = jax.jit(jax.vmap(out_of_reach, in_axes=(None, -1, -1, -1), out_axes=-1))
flags_of = jax.jit(jax.vmap(reached, in_axes=-1, out_axes=-1))


def calmer(market: Market, share: float) -> Market:
    """Moves of prices a share as wide, quote tokens still; leaves `[T, F, n]`."""

    def moved(x):
        start = jnp.broadcast_to(x[:1], x.shape)
        return start * (x / start) ** share

    names = ("mark", "settlement", "collateral_price")
    changed = {n: moved(jnp.abs(getattr(market, n))) for n in names}
    changed["quote_price"] = jnp.broadcast_to(market.quote_price[:1], market.quote_price.shape)
    return Market(**{**vars(market), **changed})


def range_of(part: Market, width: float = 1.0) -> Range:
    """Ranges of a stretch; narrower ones, about the first time, for the negative control."""

    def extreme(reduce) -> Market:
        return jax.tree.map(lambda x: x[0] + width * (reduce(x, axis=0) - x[0]), part)

    return Range(low=extreme(jnp.min), high=extreme(jnp.max), growth=part.borrow_growth.sum(axis=0))


def compared(seed: int, kind: tuple[str, bool], precision: str, width: float = 1.0, **rules: Any):
    """Per stretch and account: passed over, in truth quiet, and wrong where passed over."""
    mode, positions = kind
    made, accounts, paths = cases(seed, mode, positions=positions, **rules)
    venue = in_precision(venue_of(made), precision)
    held = in_precision(accounts_of(accounts, positions=positions), precision)
    markets = in_precision(calmer(markets_of(paths), 0.25), precision)
    passage = jax.vmap(start, in_axes=-1, out_axes=-1)(held)
    gross = jnp.abs(held.net_cash).sum(0) + (jnp.abs(held.size) * 1e5).sum(0) + 1
    close = functools.partial(np.isclose, rtol=0)
    seen: dict[str, list] = {"far": [], "quiet": [], "wrong": []}
    for begin in range(0, STEPS + 1, LENGTH):
        part = jax.tree.map(lambda x, b=begin: x[b : b + LENGTH], markets)
        far = np.asarray(far_off(venue, held, passage, range_of(part, width)))
        full = light = passage
        for k in range(LENGTH):
            shown = jax.tree.map(lambda x, k=k: x[k], part)
            full = each(venue, held, full, shown, jnp.asarray(float(begin + k)))
            light = followed(venue, held, light, shown, jnp.asarray(float(begin + k)))
        before, after = flags_of(held, passage), flags_of(held, full)
        same = np.array(full.first == passage.first)
        for was, now in zip(before, after, strict=True):
            same &= np.asarray(was == now)
        right = same.copy()
        tolerance = np.asarray(gross) * (1e-12 if precision == "float64" else 1e-6)
        for x, y in zip((*full.accrued, *full.pool), (*light.accrued, *light.pool), strict=True):
            right &= close(x, y, atol=tolerance)
        seen["far"].append(far)
        seen["quiet"].append(same)
        seen["wrong"].append(far & ~right)
        passage = full
    return {name: np.array(rows) for name, rows in seen.items()}


@pytest.mark.parametrize("precision", ["float64", "float32"])
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_happens_out_of_reach(kind: tuple[str, bool], precision: str) -> None:
    passed = quiet = 0
    for seed in range(3):
        seen = compared(seed, kind, precision)
        assert not seen["wrong"].any()
        passed, quiet = passed + seen["far"].sum(), quiet + seen["quiet"].sum()
        assert seen["far"].shape[1] == COUNT
    assert 0.3 * quiet < passed < quiet  # worth it, and not everything


def test_without_the_limit_of_the_reserve() -> None:
    seen = compared(4, KINDS[0], "float64", reserve_liquidity_limits_credit=False)
    assert not seen["wrong"].any() and seen["far"].sum() > COUNT


@pytest.mark.parametrize("kind", KINDS)
def test_ranges_without_width_are_wrong(kind: tuple[str, bool]) -> None:
    """Negative control: the first prices of a stretch say nothing of the others."""
    assert sum(compared(seed, kind, "float64", 0.0)["wrong"].sum() for seed in range(3)) > 0


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_engine_passes_over_what_is_quiet(precision: str, monkeypatch) -> None:
    """The default book in a calm week, with stretches passed over and with every time played."""
    made = plan(load_campaign("campaigns/baseline", ["paths=32", f"precision={precision}"]))
    venue, book = made.venue, dataclasses.replace(made.book, path_tile=32)
    (model, today), hours = made.scenarios["calm"], jnp.asarray(made.campaign.step_hours)
    sample = sample_paths(today, model, scenario_key(1, "calm"), jnp.arange(32), hours)
    market, _ = market_paths(made.inputs.venue, today, model, sample, hours, precision)
    told: list[float] = []

    def counted(*arguments):
        far = original(*arguments)
        jax.debug.callback(lambda x: told.append(float(np.all(x))), far)
        return far

    original = engine._out_of_reach
    monkeypatch.setattr(engine, "_out_of_reach", counted)
    got = jax.jit(path_rows)(venue, book, market)
    jax.block_until_ready(got)
    jax.effects_barrier()
    assert 0.1 < np.mean(told) < 1
    monkeypatch.setattr(
        engine, "_out_of_reach", lambda v, a, passage, seen: passage.first < passage.first
    )
    want = jax.jit(path_rows)(venue, book, market)
    scale = float(jnp.abs(jnp.concatenate([e.ravel() for e in book.equity])).max())
    rounding = 1e-12 if precision == "float64" else 1e-6
    for name in ("first", "partial", "full"):
        np.testing.assert_array_equal(getattr(got, name), getattr(want, name))
    assert 0 < np.isfinite(np.asarray(want.first)).mean() < 0.3
    for name, value in {"loss": want.loss, **vars(want.settlement)}.items():
        found = got.loss if name == "loss" else getattr(got.settlement, name)
        size = 1 if name == "margin_ratio" else scale
        np.testing.assert_allclose(found, value, rtol=rounding, atol=rounding * size)


@pytest.mark.parametrize("times", [1, 2, 7, 8, 9, 25, 31, 49, 73, 169, 201, 721])
def test_stretches_cover_the_grid(times: int) -> None:
    count, length = stretches(times)
    assert 0 <= count * length - times < length
    assert length <= 16 and (times < 8 or length >= 8)
    assert count * length <= 1.1 * times or times < 32


def test_times_beyond_the_horizon_only_repeat() -> None:
    made = random_case(5)
    market = jax.tree.map(lambda x: x[..., :23], made.market)  # two stretches of twelve
    course = course_of(market)
    assert course.index.shape == (2, 12) and float(course.index[-1, -1]) == 23
    last = jax.tree.map(lambda x: x[-1, -1], course.market)
    np.testing.assert_array_equal(last.mark, market.mark[..., -1])
    assert not last.borrow_growth.any() and not last.free_liquidity.any()
    low = course.seen.low.free_liquidity[-1]
    np.testing.assert_array_equal(low, market.free_liquidity[..., 12:].min(-1))
    whole = course_of(jax.tree.map(lambda x: x[..., :24], made.market))
    np.testing.assert_array_equal(course.seen.high.mark[:1], whole.seen.high.mark[:1])


def still_market(mark, token) -> Market:
    """A market without interest."""
    one = jnp.ones(1)
    return Market(
        mark=jnp.asarray(mark), settlement=jnp.asarray(mark), collateral_price=jnp.asarray(token),
        quote_price=one, borrow_growth=0 * one, supply_growth=0 * one, borrow_index=one,
        supply_index=one, free_liquidity=0 * one,
    )  # fmt: skip


def near_and_triggered(seed: int, portfolio: bool, asked: float, reach: float):
    """Who is near at `asked` `[n]`, who is liquidatable at prices within `reach` `[60, n]`."""
    accounts, paths, rules, settings = drawn(seed, shape=SHAPES[seed % 3])
    account = groups_of(accounts, rules, paths[0])[0][portfolio].account
    venue, rng = setting_of(rules, settings).rules, np.random.default_rng(seed)
    count = account.shared_margin.shape[0]
    held = Holding(
        cash=account.net_cash[0], size=account.size, supplied=account.supplied,
        pool=jnp.asarray(rng.normal(0, 1e5, count)) * portfolio,
        rationed=jnp.asarray(rng.random(count) < 0.5), cooldown=jnp.zeros(count),
    )  # fmt: skip
    mark = np.array([paths[0]["mark"][m][0] for m in rules["tiers"]])
    token = np.array([paths[0]["price"][t][0] for t in rules["ltv"]])
    look = jax.vmap(figures, in_axes=(None, -1, -1, None))
    ask = jax.vmap(near, in_axes=(None, -1, -1, 0, None, None))
    market = still_market(mark, token)
    seen = look(venue, account, held, market)
    close = np.asarray(ask(venue, account, held, seen, market, jnp.asarray(asked)))
    triggered = []
    for _ in range(60):
        move = rng.uniform(-reach, reach, len(mark) + len(token))
        move = np.exp(np.where(rng.random(len(move)) < 0.5, np.sign(move) * reach, move))
        there = still_market(mark * move[: len(mark)], token * move[len(mark) :])
        found = look(venue, account, held, there)
        triggered.append(np.asarray(found.beyond | found.unfunded))
    return close, np.array(triggered)


@pytest.mark.parametrize("portfolio", [False, True])
def test_near_is_everybody_whom_prices_within_reach_make_liquidatable(portfolio):
    """Accounts of the cascade's oracle; the control looks two per cent as far and misses some."""
    reach = 0.05
    pairs = [near_and_triggered(seed, portfolio, reach, reach) for seed in range(6)]
    assert not any((triggered & ~close).any() for close, triggered in pairs)
    assert any((~close).any() for close, _ in pairs) and any(t.any() for _, t in pairs)
    short = [near_and_triggered(seed, portfolio, 0.02 * reach, reach) for seed in range(6)]
    assert any((triggered & ~close).any() for close, triggered in short)
