"""Outside lenders and borrowers who answer to the utilization and prices that a cascade makes.

The process is `stress.utilization`, fed with the utilization of the whole reserve and the return of
the displaced price; without `react` its levels are given, as without feedback.
"""

import dataclasses

import jax
import jax.numpy as jnp

from models.reserve import used_share
from stress.cascade_state import Now, Setting, State
from stress.utilization import PoolState, pool_step


def start_outside(setting: Setting, paths: int):
    """State of the outside process; None where levels are given."""
    if setting.lending != "react" or setting.pool is None:
        return None
    zero = jnp.zeros(paths)
    variance = zero + setting.pool.reference_volatility**2
    return PoolState(zero, zero, zero, variance), zero


def outside_flows(setting: Setting, now: Now, state: State) -> State:
    """Lenders and borrowers outside the book move over the step that ends.

    With `react`: `now.supply` and `now.borrow` are today's levels; their logs follow the process.
    """
    if state.outside is None:
        return state
    model, spike = setting.pool, setting.spike
    assert model is not None and spike is not None
    before, level_before = state.outside
    driver = setting.driver
    level = state.level[driver] if driver >= 0 else jnp.zeros_like(level_before)
    used = jnp.log(jnp.maximum(used_share(state.reserve), LEAST))
    today = jnp.log(now.borrow / now.supply)
    begun = now.time - now.hours

    def move(own, normals, market_return, at, first):
        return pool_step(
            model, spike, jnp.exp(first), own, normals, market_return, begun,
            jnp.where(now.index > 0, now.hours, 1.0), log_utilization=at,
        )  # fmt: skip

    after = jax.vmap(move)(before, now.draws.T, level - level_before, used, today)
    after = PoolState(*(jnp.where(now.index > 0, a, b) for a, b in zip(after, before, strict=True)))
    return dataclasses.replace(state, outside=(after, level))


LEAST = 1e-9  # utilization below it counts as this, for its logarithm


def outside_levels(state: State, now: Now):
    """Wanted supply and borrow of the whole reserve as if the book stood still, USDC `[p]`."""
    if state.outside is None:
        return now.supply, now.borrow
    own = state.outside[0]
    return now.supply * jnp.exp(own.log_wanted_supply), now.borrow * jnp.exp(own.log_borrow)


def reached(state: State, now: Now) -> State:
    """Puts back what liquidity let outside borrowers reach: nobody carries phantom loans."""
    if state.outside is None:
        return state
    own, level = state.outside
    ratio = state.reserve.outside_borrow / now.borrow
    own = own._replace(log_borrow=jnp.log(jnp.maximum(ratio, LEAST)))
    return dataclasses.replace(state, outside=(own, level))
