"""The campaign loop: blocks of paths of every scenario, in threads, resumable.

A block is a pure function of (campaign, scenario, index). Blocks are merged by index, so results
are bit-identical for any number of threads, workers or devices of one kind and any history of
interruptions.
"""

import threading
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from functools import partial
from itertools import cycle
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from models.account import Market
from models.status import NON_FINITE
from models.venue import Venue
from stress.aggregate import AccountMoney, reduce_tile
from stress.block_store import save_block
from stress.build import Inputs, build_inputs, build_scenario
from stress.cascade_block import (
    CascadePlan,
    path_keys,
    plan_cascade,
    run_cascade,
    seen_view,
    world_of,
)
from stress.cascade_state import Now
from stress.config import Campaign
from stress.devices import Device, placed
from stress.engine import FrozenBook, run_block
from stress.environment import return_memory
from stress.frozen import ACCOUNT_TILE, PATH_TILE, freeze, in_precision, used_part
from stress.market import PathView, Scenario, market_paths, normals_per_step, sample_paths
from stress.merge import Advance, Merge, Say
from stress.path_function import PathFunction
from stress.quotes import Today
from stress.sampling.draws import Draws, draws
from stress.static_response import static_response
from stress.totals import Arrays, Totals, block_arrays, cascade_arrays

TILE = PATH_TILE * ACCOUNT_TILE
WIDEST_PATH_TILE = 2048
CASCADE_BLOCK = 128  # paths of a block at most with feedback: a path costs a hundred times more
TAIL = 0.01  # share of the worst paths that expected-shortfall contributions average over


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything a block needs, built once."""

    campaign: Campaign
    inputs: Inputs
    venue: Venue  # in the precision of the run
    book: FrozenBook  # in the precision of the run
    scenarios: dict[str, tuple[Scenario, Today]]
    block: int  # paths of a block, a multiple of the path tile
    draws: dict[str, Draws]  # by scenario, how the normals of its paths are drawn
    cascade: CascadePlan | None = None  # with feedback
    device: Device | None = None  # where the arrays stay; None: where JAX puts them

    @property
    def blocks(self) -> int:
        """Blocks of a scenario."""
        return -(-self.campaign.spec.paths // self.block)


def plan(campaign: Campaign) -> Plan:
    """Builds the pytrees of a campaign (host side); every fault of the input shows here."""
    spec = campaign.spec
    held = used_part(campaign.book)
    inputs = build_inputs(held, campaign.venue, dict(spec.assumptions), campaign.file)
    scenarios = {name: build_scenario(campaign, name, inputs) for name in campaign.scenarios}
    width = min(ACCOUNT_TILE, max(16, len(campaign.book.ids)))
    tile = int(np.clip(TILE // width, 1, min(WIDEST_PATH_TILE, _above(spec.paths))))
    book = freeze(held, inputs.venue, path_tile=tile)
    rules = in_precision(inputs.venue, spec.precision)
    cascade = None
    if spec.feedback:
        cascade = plan_cascade(campaign, held, inputs.venue, rules, scenarios, inputs.assets)
        tile = int(np.lcm(tile, cascade.book.path_tile))
    wanted = spec.block if cascade is None else min(spec.block, CASCADE_BLOCK)
    size = min(max(wanted, tile), -(-spec.paths // tile) * tile)
    return Plan(
        campaign=campaign,
        inputs=inputs,
        venue=rules,
        book=in_precision(book, spec.precision),
        scenarios=scenarios,
        draws={name: _draws(campaign, model) for name, (model, _) in scenarios.items()},
        block=-(-size // tile) * tile,
        cascade=cascade,
    )


def _draws(campaign: Campaign, model: Scenario) -> Draws:
    """How the paths of a scenario are drawn."""
    settings = campaign.spec.estimator
    hours = np.diff(campaign.grid)
    return draws(
        settings.main, hours, normals_per_step(model), settings.replicates, settings.ordering
    )


def path_function(plan: Plan, name: str) -> PathFunction:
    """A scenario of the campaign as a function of a path's normals."""
    model, today = plan.scenarios[name]
    return PathFunction(
        venue=plan.inputs.venue,
        rules=plan.venue,
        today=today,
        scenario=model,
        book=plan.book,
        hours=plan.campaign.step_hours,
        precision=plan.campaign.spec.precision,
        cascade=plan.cascade,
        name=name,
    )


def _above(paths: int) -> int:
    """The power of two at or above a number of paths, at least one vector."""
    return max(16, 1 << (paths - 1).bit_length())


def scenario_key(seed: int, scenario: str) -> jax.Array:
    """Key of (seed, scenario name); a scenario keeps its paths whatever others a campaign has."""
    return jax.random.fold_in(jax.random.key(seed), zlib.crc32(scenario.encode()))


def compute_block(plan: Plan, scenario: str, index: int) -> Arrays:
    """Computes one block of one scenario.

    Args:
      plan: the campaign, built.
      scenario: its name.
      index: number of the block.

    Returns:
      The block's arrays, see `stress.totals.block_arrays`.
    """
    paths = np.arange(plan.block) + index * plan.block
    valid = paths < plan.campaign.spec.paths
    return _computed(plan, scenario, paths, valid)[0]


def _computed(
    plan: Plan, scenario: str, paths: np.ndarray, valid: np.ndarray
) -> tuple[Arrays, AccountMoney]:
    """Arrays of some paths of a scenario, and what each account lost on them in sum."""
    world = _world(plan, scenario, *jax.device_put((paths, valid), plan.device))
    (counts, accounts), money = run_block(*_frozen_inputs(plan, world))
    view, hours = world.view, plan.campaign.step_hours
    if plan.cascade is None:
        return block_arrays(counts, money, view, valid, hours), accounts
    (counts, accounts, more), (fed, rows) = run_cascade(*_cascade_inputs(plan, scenario, world))
    view = seen_view(view, rows, plan.scenarios[scenario][1])
    arrays = block_arrays(counts, fed, view, valid, hours)
    return arrays | cascade_arrays(more, rows, money, view, valid), accounts


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class World:
    """A sampled block, as the engines see it."""

    market: Market  # leaves [F, P, T], in the precision of the run
    view: PathView
    known: jax.Array  # [P], paths that count and are finite
    outside: Now | None  # with feedback, leaves [T, F, P]
    keys: jax.Array | None  # with feedback, [P], of what a cascade draws


def _world(plan: Plan, scenario: str, numbers: jax.Array, valid: jax.Array) -> World:
    """Samples some paths of a scenario; `numbers` and `valid` are `[P]`."""
    spec, (model, today) = plan.campaign.spec, plan.scenarios[scenario]
    key, hours = scenario_key(spec.seed, scenario), jnp.asarray(plan.campaign.step_hours)
    venue, cascade = plan.inputs.venue, plan.cascade
    sample = sample_paths(today, model, key, numbers, hours, plan.draws[scenario])
    market, view = market_paths(venue, today, model, sample, hours, precision=spec.precision)
    outside = keys = None
    if cascade is not None:
        exact = market
        if spec.precision != "float64":
            exact, _ = market_paths(venue, today, model, sample, hours)
        setting, lengths = cascade.settings[scenario], jnp.asarray(cascade.hours)
        outside = world_of(setting, today, model, sample, exact, lengths)
        keys = path_keys(key, numbers)
    known = valid & (view.status != NON_FINITE)
    world = World(market=market, view=view, known=known, outside=outside, keys=keys)
    return jax.device_put(world, plan.device)


def _frozen_inputs(plan: Plan, world: World) -> tuple:
    """Arguments of `run_block`."""
    return plan.venue, plan.book, world.market, world.known, reduce_tile


def _cascade_inputs(plan: Plan, scenario: str, world: World) -> tuple:
    """Arguments of `run_cascade`."""
    cascade: Any = plan.cascade
    return (
        cascade.settings[scenario], cascade.book, cascade.groups, world.outside, world.keys,
        world.known, cascade.book.path_tile,
    )  # fmt: skip


def compile_ahead(plan: Plan, scenario: str) -> None:
    """Compiles what a block of a scenario runs, the engines beside the sampling.

    Both take seconds and neither needs the other's numbers. Engines take longest, so they are
    traced first, alone: threads that trace at once wait for each other's turn of the interpreter.

    Args:
      plan: the campaign, built.
      scenario: its name.
    """
    idle = np.arange(plan.block), np.zeros(plan.block, bool)
    paths, valid = jax.device_put(idle, plan.device)
    world = jax.eval_shape(partial(_world, plan, scenario), paths, valid)
    if plan.device is not None:
        there = jax.sharding.SingleDeviceSharding(plan.device)
        world = jax.tree.map(lambda x: x.update(sharding=there), world)
    parts = [(run_block, _frozen_inputs(plan, world))]
    if plan.cascade is not None:
        parts.insert(0, (run_cascade, _cascade_inputs(plan, scenario, world)))
    with ThreadPoolExecutor(len(parts)) as pool:
        engines = [pool.submit(program.lower(*given).compile) for program, given in parts]
        _world(plan, scenario, paths, valid)
        for engine in engines:
            engine.result()


def book_response(plan: Plan) -> np.ndarray | None:
    """Static response of the book now, `[S, A, 3]`; None without feedback."""
    if plan.cascade is None:
        return None
    name = next(iter(plan.scenarios))
    model, today = plan.scenarios[name]
    hours = jnp.asarray(plan.campaign.step_hours)
    sample = sample_paths(today, model, scenario_key(0, name), jnp.zeros(1, jnp.int32), hours)
    market, _ = market_paths(plan.inputs.venue, today, model, sample, hours)
    setting = plan.cascade.settings[name]
    world = world_of(setting, today, model, sample, market, jnp.asarray(plan.cascade.hours))
    return static_response(setting, plan.cascade.groups, jax.tree.map(lambda x: x[0], world))


def run_blocks(
    plan: Plan,
    store: str | None,
    threads: int,
    advance: Advance = lambda blocks, paths: None,
    say: Say = lambda sentence: None,
    check: Callable[[], object] = lambda: None,
    devices: Sequence[Device] = (),
) -> dict[str, Totals]:
    """Runs, or finds, every block of a campaign in this process.

    Args:
      plan: the campaign, built.
      store: folder or URL whose finished blocks count; None keeps nothing.
      threads: results do not depend on it; at least one a device.
      advance: called with (blocks, paths) that a finished block adds.
      say: called with a sentence about a damaged block.
      check: called before a block is kept; raises where this machine computes wrong numbers.
      devices: that compute, see `stress.devices`; none: where JAX puts arrays. The book is copied
        to each once.

    Returns:
      Totals of every scenario.

    Errors:
      KeyboardInterrupt passes through; blocks in flight are finished and kept first.
    """
    merge = Merge(plan.scenarios, plan.campaign.spec.paths, plan.block, advance)
    missing = merge.missing(store, plan.blocks, say)
    stop = threading.Event()
    here = [placed(plan, device) for device in devices[: len(missing)]] or [plan]
    mine, places = threading.local(), cycle(here)

    def settle() -> None:
        """Gives a thread its device; a thread that is free takes the next block."""
        mine.plan = next(places)

    def work(name: str, index: int) -> None:
        """Computes, keeps and merges a block; nothing of it outlives the merge."""
        if stop.is_set():
            return
        arrays = compute_block(mine.plan, name, index)
        check()
        if store is not None:
            save_block(store, name, index, arrays)
        merge.add(name, index, arrays)

    if missing:
        for part in here:  # of GPUs, the first compiles and the others load what it kept
            compile_ahead(part, missing[0][0])
        return_memory()
    with ThreadPoolExecutor(max(1, threads, len(here)), initializer=settle) as pool:
        futures: list[Future] = [pool.submit(work, *block) for block in missing]
        try:
            for future in as_completed(futures):
                future.result()
        except BaseException:
            stop.set()
            raise
    return merge.totals


def tail_contributions(plan: Plan, totals: dict[str, Totals]) -> dict[str, dict[str, np.ndarray]]:
    """Mean losses of each account on the worst paths of the book, by running those paths again.

    Paths are keyed by their number, so the worst ones can be replayed exactly: no array of size
    path x account is kept.

    Args:
      plan: the campaign, built.
      totals: merged totals.

    Returns:
      scenario -> measure (`bad_debt`, `equity_loss`) -> USDC `[U]`; adds up to the book's expected
      shortfall of that measure at 1 - TAIL up to rounding, where TAIL of the paths is whole.
    """
    result: dict[str, dict[str, np.ndarray]] = {}
    for name, total in totals.items():
        result[name] = {}
        for measure in ("bad_debt", "equity_loss"):
            losses = total.by_path[measure]
            worst = max(1, round(TAIL * len(losses)))
            known = np.where(np.isnan(losses), -np.inf, losses)
            order = np.lexsort((np.arange(len(losses)), -known))[:worst]
            summed = np.zeros(len(plan.campaign.book.ids))
            for start in range(0, worst, plan.block):
                chosen = np.resize(order[start : start + plan.block], plan.block)
                valid = np.arange(plan.block) < worst - start
                _, accounts = _computed(plan, name, chosen, valid)
                summed += np.asarray(getattr(accounts, measure))
            result[name][measure] = summed / worst
    return result
