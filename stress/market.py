"""Sampled markets: from the random numbers of a path to everything an account sees of it.

All of it is float64 and keyed by (seed, scenario, path): the random numbers of a path are the same
whatever the block, the device or the precision of the book. With blocks of the same shape a path is
bit-identical; another shape may move last bits (measured 1e-13 relative). Axes: `A` assets (risk
factors), `T` times (0 = now).
"""

import dataclasses
from dataclasses import dataclass, field
from functools import partial, reduce
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from models.account import Market
from models.lending import utilization
from models.status import NON_FINITE, OK, PRICE_RANGE
from models.venue import Venue
from stress import factors as joint
from stress import utilization as outside
from stress.factors import FactorPath, Factors
from stress.processes import PROCESSES
from stress.quotes import Today, market_of, seen_prices
from stress.sampling.draws import PLAIN, Draws, normals
from stress.utilization_model import Spike, UtilizationModel

WIDEST_RANGE = 1e6  # a price beyond this factor of its start gets a status


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Pool:
    """How the reserve of one quote token moves; with `model` None only by the flows of `spike`."""

    model: UtilizationModel | None
    spike: Spike


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One scenario, ready to sample."""

    driver: int = field(metadata={"static": True})  # asset whose return moves lenders; -1: none
    process: Any  # a pytree of one of `stress.scenarios`
    overlay: Float[Array, "T A"]  # additions to the log price
    mix: Float[Array, "T1 A A"] | None = None  # what correlates the shocks anew, step by step
    factors: Factors
    pools: tuple[Pool, ...]  # per quote token


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class PathView:
    """What is kept of every path besides its money."""

    status: Int[Array, ""]  # `models.status`
    log_return: Float[Array, "A"]  # at the horizon
    worst_log_return: Float[Array, "A"]  # least along the path, at most 0
    utilization: Float[Array, "T Q"]  # 1
    queued: Float[Array, "Q"]  # greatest share of today's supply that wants to leave but cannot


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Sample:
    """Random parts of a block of paths, before accounts see anything of them; float64."""

    logs: Float[Array, "P T A"]  # log price relative to now
    factors: FactorPath  # leaves [P, T, ...]
    draws: Float[Array, "P T1 k"]  # standard normals of the reserves, a row per step
    supply: Float[Array, "P T Q"]  # quote tokens, with what is queued
    borrow: Float[Array, "P T Q"]
    queued: Float[Array, "P T Q"]  # share of today's supply that wants to leave but cannot


def normals_per_step(scenario: Scenario) -> int:
    """Standard normals a step of a path consumes."""
    return sum(_widths(scenario))


def price_normals(scenario: Scenario) -> int:
    """Standard normals a step of the price process consumes; they are the first columns."""
    return _widths(scenario)[0]


def _widths(scenario: Scenario) -> tuple[int, int, int]:
    """Standard normals a step of the process, the reserves and the factors consumes."""
    moving = sum(pool.model is not None for pool in scenario.pools)
    module = PROCESSES[type(scenario.process)]
    return (
        module.normals_per_step(scenario.process),
        moving * outside.NORMALS_PER_STEP,
        joint.normals_per_step(scenario.factors),
    )


def sample_block(
    venue: Venue,
    today: Today,
    scenario: Scenario,
    seed_key: Array,
    paths: Int[Array, "P"],
    step_hours: Float[Array, "*t"],
    precision: str = "float64",
) -> tuple[Market, PathView]:
    """Samples a block of paths: prices, then reserves, then what accounts see of both.

    Three programs, so that scenarios share those they have in common.

    Args:
      venue: the rule book, float64.
      today: prices and reserves now.
      scenario: the scenario; `overlay` sets the number of times.
      seed_key: key of (seed, scenario).
      paths: path numbers, `[P]`.
      step_hours: hours, `[]` of every step or `[T - 1]` of each.
      precision: of the market handed to the book; sampling is float64 always.

    Returns:
      (`Market` with leaves `[F, P, T]` in `precision`, `PathView` with leaves `[P, ...]`).

    Errors:
      Raises nothing; a path that is not finite says so in its status.
    """
    sample = sample_paths(today, scenario, seed_key, paths, step_hours)
    return market_paths(venue, today, scenario, sample, step_hours, precision)


def sample_paths(
    today: Today,
    scenario: Scenario,
    seed_key: Array,
    paths: Int[Array, "P"],
    step_hours: Float[Array, "*t"],
    how: Draws = PLAIN,
) -> Sample:
    """Prices and reserves of numbered paths; arguments as `sample_block`, and how to draw."""
    return sample_of(today, scenario, path_normals(scenario, seed_key, paths, how), step_hours)


def path_normals(
    scenario: Scenario, seed_key: Array, paths: Int[Array, "P"], how: Draws = PLAIN
) -> Float[Array, "P T1 n"]:
    """Standard normals of numbered paths, a row a step."""
    steps = scenario.overlay.shape[0] - 1
    return normals(how, seed_key, paths, steps, normals_per_step(scenario))


def sample_of(
    today: Today,
    scenario: Scenario,
    drawn: Float[Array, "P T1 n"],
    step_hours: Float[Array, "*t"],
) -> Sample:
    """Prices and reserves that standard normals make; the one way from numbers to a market."""
    logs, factors, draws = _price_paths(scenario, drawn, step_hours)
    supply, borrow, queued = _levels(today, scenario, logs, draws, step_hours)
    return Sample(
        logs=logs, factors=factors, draws=draws, supply=supply, borrow=borrow, queued=queued
    )


def with_reserves(
    today: Today, scenario: Scenario, sample: Sample, step_hours: Float[Array, "*t"]
) -> Sample:
    """A sample whose reserves start at other levels or follow another model.

    Prices, factors and the random numbers of the reserves stay as they are.
    """
    supply, borrow, queued = _levels(today, scenario, sample.logs, sample.draws, step_hours)
    return dataclasses.replace(sample, supply=supply, borrow=borrow, queued=queued)


def _levels(today: Today, scenario: Scenario, logs, draws, step_hours):
    """Supplied and borrowed quote tokens and the queue, `[P, T, Q]`."""
    driver = scenario.driver
    returns = jnp.diff(logs[:, :, driver]) if driver >= 0 else jnp.zeros_like(logs[:, 1:, 0])
    return _reserve_paths(today, scenario.pools, draws, returns, step_hours)


def market_paths(
    venue: Venue,
    today: Today,
    scenario: Scenario,
    sample: Sample,
    step_hours: Float[Array, "*t"],
    precision: str = "float64",
) -> tuple[Market, PathView]:
    """What accounts see of a sample; arguments and results as `sample_block`."""
    reserves = (sample.supply, sample.borrow, sample.queued)
    world = (sample.logs, sample.factors)
    return _market_paths(venue, today, scenario.factors, world, reserves, step_hours, precision)


@jax.jit
def _price_paths(scenario: Scenario, drawn: Float[Array, "P T1 n"], step_hours):
    """Log prices `[P, T, A]`, factors, and the normals that are left for the reserves."""
    module = PROCESSES[type(scenario.process)]
    width, reserves, _ = _widths(scenario)
    driver = max(scenario.driver, 0)

    def one(row):
        own, rest = row[:, :width], row[:, width:]
        if scenario.mix is not None:
            shocks = jax.vmap(jnp.matmul)(scenario.mix, own[:, : scenario.mix.shape[1]])
            own = jnp.concatenate([shocks, own[:, scenario.mix.shape[1] :]], axis=1)
        returns = module.log_returns(scenario.process, own, step_hours)
        zero = jnp.zeros((1, returns.shape[1]))
        logs = jnp.concatenate([zero, jnp.cumsum(returns, axis=0)]) + scenario.overlay
        moves = jnp.diff(logs, axis=0)
        depth = jnp.ones_like(moves)
        if hasattr(module, "depth"):
            depth = module.depth(scenario.process, own, step_hours)
        factors = joint.factor_path(
            scenario.factors, rest[:, reserves:], moves, moves[:, driver], depth, step_hours
        )
        return logs, factors, rest[:, :reserves]

    return jax.vmap(one)(drawn)


def is_brownian(scenario: Scenario) -> bool:
    """Whether prices between two times of the grid are a Brownian motion that accounts see.

    So with gbm, and with student_t given its radii, where the oracle is live and neither basis nor
    peg wander by themselves.
    """
    factors, times = scenario.factors, jnp.arange(scenario.overlay.shape[0])[:, None]
    still = factors.basis_noise is None and factors.peg_noise is None
    known = hasattr(PROCESSES[type(scenario.process)], "step_root")
    return known and still and bool((factors.shown == times).all())


@jax.jit
def step_roots(scenario: Scenario, drawn: Float[Array, "P T1 n"], step_hours):
    """Roots of the covariance of every step's log returns, `[P, T1, A, A]`; see `is_brownian`."""
    module = PROCESSES[type(scenario.process)]
    width = module.normals_per_step(scenario.process)
    roots = jax.vmap(lambda z: module.step_root(scenario.process, z[:, :width], step_hours))(drawn)
    return roots if scenario.mix is None else roots @ scenario.mix[None]


@jax.jit
def _reserve_paths(today: Today, pools: tuple[Pool, ...], draws, driver, step_hours):
    """Supplied and borrowed quote tokens and the queue, `[P, T, Q]`."""
    return jax.vmap(lambda z, r: _reserves(today, pools, z, r, step_hours))(draws, driver)


@partial(jax.jit, static_argnames=("precision",))
def _market_paths(venue, today, factors, world, reserves, step_hours, precision):
    """`Market` `[F, P, T]` and `PathView` `[P, ...]` of a block."""

    def one(world, reserves):
        (logs, path), (supply, borrow, queued) = world, reserves
        prices = seen_prices(today, factors, logs, path)
        market = market_of(venue, prices, supply, borrow, step_hours)
        market = jax.tree.map(lambda x: x.astype(precision), market)
        # After the cast: a price may be too large for the precision of the run alone.
        seen = (logs.T, supply.T, borrow.T, *jax.tree.leaves(market))
        # All figures of a time, then all times: one loop, where an array by itself takes three.
        finite = reduce(jnp.logical_and, (jnp.isfinite(x).all(axis=0) for x in seen)).all()
        wide = jnp.abs(logs).max() > jnp.log(WIDEST_RANGE)
        view = PathView(
            status=jnp.where(finite, jnp.where(wide, PRICE_RANGE, OK), NON_FINITE),
            log_return=logs[-1],
            worst_log_return=jnp.min(logs, axis=0),
            utilization=utilization(supply, borrow),
            queued=jnp.max(queued, axis=0),
        )
        return market, view

    return jax.vmap(one, out_axes=(1, 0))(world, reserves)


def _reserves(today, pools, normals, driver, step_hours):
    """Supplied and borrowed quote tokens and the queue, `[T, Q]`, of one path."""
    supplied, borrowed, queues, used = [], [], [], 0
    for q, pool in enumerate(pools):
        level = utilization(today.supplied[q], today.borrowed[q])
        if pool.model is None:
            path = outside.flow_path(pool.spike, step_hours, driver.shape[0], level)
        else:
            draws = normals[:, used : used + outside.NORMALS_PER_STEP]
            used += outside.NORMALS_PER_STEP
            path = outside.pool_path(pool.model, draws, driver, step_hours, level, pool.spike)
        supply = today.supplied[q] * jnp.exp(path.log_supply)
        supplied.append(supply)
        borrowed.append(jnp.minimum(today.borrowed[q] * jnp.exp(path.log_borrow), supply))
        queues.append(path.queued)
    return jnp.stack(supplied, 1), jnp.stack(borrowed, 1), jnp.stack(queues, 1)
