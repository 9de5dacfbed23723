"""One program per campaign shape, and nothing of size path x step x account in it."""

import dataclasses
import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from campaign_cases import BOOK, small_campaign
from engine_cases import PATHS, STEPS, random_case

from stress import campaign, market
from stress.aggregate import reduce_tile
from stress.campaign import Plan, compute_block, plan, tail_contributions
from stress.engine import run_block
from stress.frozen import freeze, used_part
from stress.totals import Totals

SMALL = (
    ("paths", 5000),
    ("block", 2048),
    ("horizon", "6h"),
    ("book.accounts", [BOOK["accounts"][i] for i in (0, 4)]),
)
STUDENT = {"process": "student_t", "volatility": {"default": 1.0}, "correlation": 0.5}
CRASH = {"prices": STUDENT | {"degrees_of_freedom": 4}, "utilization": {"process": "constant"}}
CONSTANT = (
    ("scenarios.run.utilization", {"process": "constant"}),
    ("scenarios.run.overlays", []),
    ("scenarios.crash", CRASH),
)
SWITCHES = {
    "min_borrow_offset": "additive",
    "rate_convention": "effective",
    "reserve_liquidity_limits_credit": False,
}


@pytest.fixture
def traces(monkeypatch) -> list[int]:
    """Grows whenever `run_block` is traced; what it compiled before does not count."""
    seen: list[int] = []

    def reduce(*arguments: Any):
        seen.append(1)
        return reduce_tile(*arguments)

    monkeypatch.setattr(campaign, "reduce_tile", reduce)
    return seen


def compiled(program: Any) -> int:
    """Programs that a jitted function has compiled in this process."""
    return program._cache_size()


def changed(folder: Path, *changes: tuple[str, Any]) -> Plan:
    return plan(small_campaign(folder, *SMALL, *changes))


def test_blocks_scenarios_and_parameters_share_one_program(tmp_path: Path, traces: list) -> None:
    """Also a replay of the worst paths; other figures of the rules, the market and the seed."""
    made = changed(tmp_path, *CONSTANT)
    assert made.blocks == 3 and made.block == 2048
    compute_block(made, "run", 0)
    once, known = len(traces), compiled(run_block)
    assert once > 0
    blocks = {name: [compute_block(made, name, i) for i in range(3)] for name in ("run", "crash")}
    assert not np.array_equal(blocks["run"][1]["count.first"], blocks["run"][2]["count.first"])
    totals = Totals(5000)
    for i, block in enumerate(blocks["run"]):
        totals.merge(i, 2048 * i, block)
    tail_contributions(made, {"run": totals})
    variants: tuple[tuple[tuple[str, Any], ...], ...] = (
        (("seed", 12), ("scenarios.run.prices.volatility.HYPE", 3.0)),
        (("scenarios.run.funding", {"premium": 0.01}), ("book.prices.BTC", 60_000.0)),
        (("assumptions", SWITCHES), ("book.accounts.0.balances.USDC", -100.0)),
        (("venue", "hyperliquid/2026-06-23"),),  # another LTV of HYPE
    )
    for changes in variants:
        compute_block(changed(tmp_path, *CONSTANT, *changes), "run", 0)
    assert len(traces) == once and compiled(run_block) == known
    before = changed(tmp_path, *CONSTANT, ("venue", "hyperliquid/2026-06-23"))
    assert not np.array_equal(before.venue.ltv, made.venue.ltv)
    compute_block(changed(tmp_path, *CONSTANT, ("horizon", "5h")), "crash", 0)
    assert len(traces) > once  # another shape is another program: the counter counts


def test_scenarios_of_one_kind_share_their_sampling(tmp_path: Path) -> None:
    programs = (market._price_paths, market._reserve_paths, market._market_paths)
    calm = {"prices": {"process": "gbm", "volatility": {"default": 0.4}, "correlation": 0.1}}
    calm |= {"utilization": {"process": "constant", "USDC": 0.64}}
    wild = {**calm, "prices": {**calm["prices"], "volatility": {"default": 2.0}}}
    two = changed(tmp_path, ("scenarios", {"calm": calm, "wild": wild}))
    compute_block(two, "calm", 0)
    known = [compiled(program) for program in programs]
    blocks = [compute_block(two, name, i) for name in ("calm", "wild") for i in (1, 2)]
    assert [compiled(program) for program in programs] == known
    assert len({float(b["path.log_return"][0, 0]) for b in blocks}) == 4


def jaxprs_in(value: Any) -> Iterator[Any]:
    """Programs within a parameter of an equation."""
    if hasattr(value, "eqns"):
        yield value
    elif hasattr(value, "jaxpr"):
        yield from jaxprs_in(value.jaxpr)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from jaxprs_in(part)


def shapes_of(jaxpr: Any) -> Iterator[tuple[int, ...]]:
    """Shapes of every array of a program, those within loops and branches too."""
    for variable in (*jaxpr.invars, *jaxpr.constvars, *jaxpr.outvars):
        yield getattr(variable.aval, "shape", ())
    for equation in jaxpr.eqns:
        for variable in (*equation.invars, *equation.outvars):
            yield getattr(variable.aval, "shape", ())
        for parameter in equation.params.values():
            for inner in jaxprs_in(parameter):
                yield from shapes_of(inner)


def greatest(function: Any, *arguments: Any) -> int:
    shapes = list(shapes_of(jax.make_jaxpr(function)(*arguments).jaxpr))
    assert len(shapes) > 100
    return max(math.prod(shape) for shape in shapes)


def test_nothing_of_path_times_step_times_account_exists() -> None:
    """Not even of one tile; the largest array is the market or the histogram of first times."""
    made = random_case(0)
    book = freeze(used_part(made.book), made.venue, path_tile=PATHS)
    wide = jax.tree.map(lambda x: jnp.tile(x, (1, 2, 1)), made.market)  # two tiles
    valid = jnp.ones(2 * PATHS, bool)
    block = functools.partial(run_block, reduce=reduce_tile)
    rows = sum(equity.size for equity in book.equity)
    smallest_tile = min(equity.shape[-1] for equity in book.equity)
    assert rows >= 64 and smallest_tile == 16
    found = greatest(block, made.venue, book, wide, valid)
    assert found < PATHS * (STEPS + 1) * smallest_tile
    assert found >= 4 * 2 * PATHS * (STEPS + 1)  # the walk sees the market at least

    def kept(venue, book, market, valid):
        """Negative control: an account's equity is kept along the path."""
        sums = run_block(venue, book, market, valid, reduce_tile)
        size = book.accounts[-1].size[0]
        return sums, jax.lax.map(
            lambda mark: jnp.tensordot(mark, size, ((0,), (0,))), market.mark.transpose(2, 0, 1)
        )

    assert greatest(kept, made.venue, book, wide, valid) >= PATHS * (STEPS + 1) * smallest_tile


def test_more_accounts_do_not_make_the_arrays_of_time_larger() -> None:
    """Arrays with a time axis grow with paths and factors alone, whatever the tiles of accounts."""
    made = random_case(0)
    sizes = []
    for copies in (1, 3):
        book = freeze(used_part(made.book), made.venue, path_tile=PATHS)
        many = dataclasses.replace(
            book,
            accounts=tuple(
                jax.tree.map(functools.partial(jnp.tile, reps=copies), a) for a in book.accounts
            ),
            equity=tuple(jnp.tile(e, copies) for e in book.equity),
            row_account=jnp.tile(book.row_account, copies),
            row_group=jnp.tile(book.row_group, copies),
        )
        block = functools.partial(run_block, reduce=reduce_tile)
        jaxpr = jax.make_jaxpr(block)(made.venue, many, made.market, jnp.ones(PATHS, bool)).jaxpr
        timed = [s for s in shapes_of(jaxpr) if STEPS + 1 in s]
        sizes.append(max(math.prod(s) for s in timed))
    assert sizes[0] == sizes[1]
