"""Lenders and borrowers outside the book: how much is supplied to and borrowed from a reserve.

One reserve on one path; the engine maps over paths. Nothing is drawn here: every step consumes
`NORMALS_PER_STEP` independent standard normals, so pseudo-random, quasi-random and splitting
samplers drive it alike. Time in hours, rates per hour, totals as logs of their ratio to today.

Calibrated figures and their provenance: configs/calibration/utilization.yaml.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Float

from stress.utilization_model import (
    Spike,
    UtilizationModel,
    drained_by_jumps,
    integrated_growth,
    no_spike,
)

NORMALS_PER_STEP: int = 8
"""Two diffusive shocks, then arrival and size of supply, borrow and paired jumps.

A high first shock and a high arrival of supply or borrow always raise utilization.
"""


class PoolState(NamedTuple):
    """What one step hands to the next."""

    log_wanted_supply: Float[Array, ""]  # supply less the queue, log of its ratio to supply today
    log_borrow: Float[Array, ""]  # log of its ratio to the borrow today
    trailing_return: Float[Array, ""]
    variance: Float[Array, ""]  # 1/h, recent, of the market return


class PoolPath(NamedTuple):
    """Totals after each step; index 0 is now."""

    log_supply: Float[Array, " T+1"]
    log_borrow: Float[Array, " T+1"]
    queued: Float[Array, " T+1"]  # share of today's supply that wants to leave but cannot


def pool_step(
    model: UtilizationModel,
    spike: Spike,
    initial_utilization: Float[Array, ""],
    state: PoolState,
    normals: Float[Array, " n"],
    market_return: Float[Array, ""],
    start: Float[Array, ""],
    hours: Float[Array, ""],
    log_utilization: Float[Array, ""] | None = None,
) -> PoolState:
    r"""One step: market memory, exact mean reversion, jumps, overlay, barrier for borrowers.

    Lenders and borrowers answer to `log_utilization`, where it is given: the whole reserve's when
    more than this process moves it. Else to the process's own.

    With x = log u and the common level m = (1 - f) s + f b of log supply s and log borrow b
    (f: share of the correction that suppliers make),

        dm = -k_m m dt,    dx = -k_low (x - x_bar) dt - k_kink max(x - x_kink, 0) dt

    plus correlated diffusion; both are solved exactly over the step with the regime (below or
    above the kink) of its start. s counts what suppliers want to keep, so x may pass 0 while
    withdrawals are queued; the pull back then grows as a queue drives the rate's attraction.
    """
    decay = jnp.exp(-hours / model.memory_hours)
    trailing = state.trailing_return * decay + market_return
    variance = state.variance * decay + (1 - decay) * market_return**2 / hours
    s, b = state.log_wanted_supply, state.log_borrow
    log_u, x_bar = jnp.log(initial_utilization) + b - s, jnp.log(model.long_run_utilization)
    log_u = log_u if log_utilization is None else log_utilization
    kink = model.kink_utilization

    volatility = 0.5 * jnp.log(jnp.maximum(variance, 1e-12) / model.reference_volatility**2)
    past_return = jnp.clip(trailing, -model.return_range, model.return_range)
    covariates = (
        jnp.maximum(-past_return, 0),
        jnp.maximum(past_return, 0),
        jnp.clip(volatility, -model.volatility_range, model.volatility_range),
        jnp.clip(log_u - x_bar, -model.utilization_range, model.utilization_range),
        jnp.clip((jnp.exp(log_u) - kink) / (1 - kink), 0, 1),
    )
    limit, unlimited = model.liquidity_limit, model.jump_maximum
    liquidity = (-limit * log_u, -limit * x_bar)
    flows = (
        ((model.supply_out, model.supply_in), liquidity),
        ((model.borrow_in, model.borrow_out), liquidity),
        ((model.paired_out, model.paired_in), (unlimited, unlimited)),
    )
    uniforms = norm.cdf(normals[2:])  # at once: one loop to compile instead of six
    from_supply, to_borrow, from_both = (
        drained_by_jumps(model, *flow, covariates, uniforms[2 * i : 2 * i + 2], hours)
        for i, flow in enumerate(flows)
    )
    s_free, b_free = _revert(model, s, b, log_u, normals[:2], hours)
    run, surge = _overlay_flows(spike, start, hours)
    s_new = s_free - from_supply - from_both + run
    b_new = b_free + to_borrow - from_both + surge
    # New loans come from liquidity that is left after withdrawals; nobody is forced to repay.
    room = jnp.maximum(s_new - jnp.log(initial_utilization), b)
    return PoolState(s_new, jnp.minimum(b_new, room), trailing, variance)


def _revert(
    model: UtilizationModel,
    s: Float[Array, ""],
    b: Float[Array, ""],
    log_u: Float[Array, ""],
    normals: Float[Array, " 2"],
    hours: Float[Array, ""],
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Supply and borrow logs after the exact Ornstein-Uhlenbeck transition."""
    share = model.supply_share
    x_bar, x_kink = jnp.log(model.long_run_utilization), jnp.log(model.kink_utilization)
    extra = jnp.where(log_u > x_kink, model.kink_reversion, 0.0)
    speed_x, speed_m = model.utilization_reversion + extra, model.level_reversion
    force = model.utilization_reversion * x_bar + extra * x_kink
    level = (1 - share) * s + share * b

    vs, vb = model.supply_volatility, model.borrow_volatility
    cross = model.correlation * vs * vb
    rate_xx = vs**2 + vb**2 - 2 * cross
    rate_mm = ((1 - share) * vs) ** 2 + (share * vb) ** 2 + 2 * share * (1 - share) * cross
    rate_xm = share * vb**2 - (1 - share) * vs**2 + (1 - 2 * share) * cross
    var_x = rate_xx * integrated_growth(-2 * speed_x, hours)
    var_m = rate_mm * integrated_growth(-2 * speed_m, hours)
    cov = rate_xm * integrated_growth(-speed_x - speed_m, hours)
    deviation = jnp.sqrt(jnp.maximum(var_x, 1e-30))
    left = jnp.sqrt(jnp.maximum(var_m - (cov / deviation) ** 2, 0.0))

    x = log_u * jnp.exp(-speed_x * hours) + force * integrated_growth(-speed_x, hours)
    x = x + deviation * normals[0]
    level = level * jnp.exp(-speed_m * hours) + cov / deviation * normals[0] + left * normals[1]
    x_change = x - log_u + b - s
    return level - share * x_change, level + (1 - share) * x_change


def _overlay_flows(
    spike: Spike, start: Float[Array, ""], hours: Float[Array, ""]
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Logarithmic flows of the overlay within [start, start + hours]."""

    def within(begin: Float[Array, ""], duration: Float[Array, ""]) -> Float[Array, ""]:
        overlap = jnp.minimum(start + hours, begin + duration) - jnp.maximum(start, begin)
        return jnp.maximum(overlap, 0) / duration

    run = jnp.log1p(-spike.run_share) * within(spike.run_start, spike.run_hours)
    surge = jnp.log1p(spike.surge_share) * within(spike.surge_start, spike.surge_hours)
    return run, surge


def pool_path(
    model: UtilizationModel,
    normals: Float[Array, "T n"],
    market_return: Float[Array, " T"],
    step_hours: Float[Array, "*t"] | float,
    initial_utilization: Float[Array, ""] | float,
    spike: Spike | None = None,
) -> PoolPath:
    r"""Outside supply and borrow of one reserve along one path.

    Utilization after step t is u = initial_utilization exp(log_borrow - log_supply) <= 1. At
    u = 1 suppliers cannot leave: what they wanted to take stays in supply and is `queued`;
    it leaves first when loans are repaid or others supply. wanted = exp(log_supply) - queued.

    Args:
      model: one reserve's parameters.
      normals: independent standard normals, n = NORMALS_PER_STEP.
      market_return: log return of the driver over each step (the asset is named in the
        calibration: ETH).
      step_hours: h, of every step or of each, any length; jumps occur with probability
        1 - exp(-intensity step), at most one of a kind per step, so results converge with first
        order in the step.
      initial_utilization: in (0, 1].
      spike: deterministic flows; None for none.

    Returns:
      `PoolPath`; all zeros at index 0.

    Errors:
      Raises nothing; NaN in gives NaN out. u may exceed 1 by rounding, below 4 ulp.
    """
    dtype = normals.dtype
    hours, utilization = jnp.asarray(step_hours, dtype), jnp.asarray(initial_utilization, dtype)
    overlay = no_spike(dtype) if spike is None else spike
    zero = jnp.zeros((), dtype)
    first = PoolState(zero, zero, zero, jnp.asarray(model.reference_volatility, dtype) ** 2)

    def step(state: PoolState, inputs: tuple[Array, Array, Array, Array | None]):
        z, market, start, length = inputs
        length = hours if length is None else length
        # What is collected is the state that came in: collecting the new one computes it twice.
        after = pool_step(model, overlay, utilization, state, z, market, start, length)
        return after, (state.log_wanted_supply, state.log_borrow)

    index = jnp.arange(normals.shape[0], dtype=dtype)
    lengths = hours if hours.ndim else None  # one length stays out of the scan: the same last bits
    starts = index * hours if lengths is None else jnp.cumsum(lengths) - lengths
    inputs = (normals, market_return, starts, lengths)
    last, (supply, borrow) = jax.lax.scan(step, first, inputs)
    return observe(
        jnp.append(supply, last.log_wanted_supply),
        jnp.append(borrow, last.log_borrow),
        utilization,
    )


def observe(
    log_wanted_supply: Float[Array, "*t"],
    log_borrow: Float[Array, "*t"],
    initial_utilization: Float[Array, ""],
) -> PoolPath:
    """Totals at each time: supply cannot fall below borrow, the difference is queued."""
    log_supply = jnp.maximum(log_wanted_supply, log_borrow + jnp.log(initial_utilization))
    queued = jnp.exp(log_supply) - jnp.exp(log_wanted_supply)
    return PoolPath(log_supply, log_borrow, queued)


def flow_path(
    spike: Spike,
    step_hours: Float[Array, "*t"] | float,
    steps: int,
    initial_utilization: Float[Array, ""],
    inflow: tuple[Array, Array] | None = None,
) -> PoolPath:
    """Totals that only deterministic flows move, in the form of `pool_path`.

    Args:
      spike: the flows.
      step_hours: h, of every step or of each.
      steps: T.
      initial_utilization: in [0, 1].
      inflow: logarithmic flows into supply and borrow over each step, `[T]` each, on top.

    Returns:
      Totals; barriers as in `pool_path`.

    Errors:
      Raises nothing; NaN in gives NaN out.
    """
    hours = jnp.broadcast_to(jnp.asarray(step_hours, jnp.float64), (steps,))
    run, surge = jax.vmap(_overlay_flows, (None, 0, 0))(spike, jnp.cumsum(hours) - hours, hours)
    if inflow is not None:
        run, surge = run + inflow[0], surge + inflow[1]
    supply, free = jnp.cumsum(run), -jnp.log(initial_utilization)

    def step(borrow, flows):
        level, more = flows
        after = jnp.minimum(borrow + more, jnp.maximum(level + free, borrow))
        return after, after

    _, borrow = jax.lax.scan(step, jnp.zeros(()), (supply, surge))
    zero = jnp.zeros(1)
    return observe(
        jnp.concatenate([zero, supply]), jnp.concatenate([zero, borrow]), initial_utilization
    )
