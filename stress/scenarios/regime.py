"""Two regimes, calm and stress: volatility, correlation, depth and jumps switch together."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from stress.scenarios.gaussian import HOURS_PER_YEAR
from stress.scenarios.jumps import checked, most_jumps, poisson_count


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Regime:
    """Parameters of `A` assets in state 0 = calm and 1 = stress. Build it with `build`."""

    most: int = field(metadata={"static": True})  # jumps in a step
    volatility: Float[Array, "2 A"]  # per square root of a year
    factor: Float[Array, "2 A A"]  # lower Cholesky factors of the correlations
    drift: Float[Array, "A"]  # per year, of the price
    leave: Float[Array, "2"]  # per hour, rate at which a state is left
    start: Float[Array, "2"]  # probability of each state now
    jump_intensity: Float[Array, "2"]  # per year, jumps that hit every asset
    jump_mean: Float[Array, "A"]  # 1, of the log size
    jump_deviation: Float[Array, "A"]  # 1
    depth_of: Float[Array, "2"]  # 1, depth multiplier


def build(
    *,
    volatility: np.ndarray,
    factor: np.ndarray,
    drift: np.ndarray,
    leave: np.ndarray,
    start: np.ndarray,
    jump_intensity: np.ndarray,
    jump_mean: np.ndarray,
    jump_deviation: np.ndarray,
    depth: np.ndarray,
    longest_step: float = 1.0,
) -> Regime:
    """Builds the process; arguments as the fields of `Regime`, `depth` for `depth_of`.

    Errors:
      ValueError for a figure that is not finite or negative, or probabilities that do not sum to 1.
    """
    checked(
        volatility=volatility, drift=drift, leave=leave, start=start, depth=depth,
        jump_intensity=jump_intensity, jump_mean=jump_mean, jump_deviation=jump_deviation,
    )  # fmt: skip
    if abs(float(np.sum(start)) - 1) > 1e-9:
        raise ValueError(f"start {start} does not sum to 1")
    return Regime(
        most=most_jumps(float(np.max(jump_intensity)) * longest_step / HOURS_PER_YEAR),
        volatility=jnp.asarray(volatility),
        factor=jnp.asarray(factor),
        drift=jnp.asarray(drift),
        leave=jnp.asarray(leave),
        start=jnp.asarray(start),
        jump_intensity=jnp.asarray(jump_intensity),
        jump_mean=jnp.asarray(jump_mean),
        jump_deviation=jnp.asarray(jump_deviation),
        depth_of=jnp.asarray(depth),
    )


def normals_per_step(model: Regime) -> int:
    """One per asset, one for the state, two for jumps."""
    return model.drift.shape[0] + 3


def states(
    model: Regime, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T"]:
    """State in force over each step, 0 or 1.

    The chain is sampled exactly at the ends of steps; over a step the state of its beginning is in
    force, so that a change within a step shows at its end. The first is drawn from `start` by the
    first step's score.

    Source:
      Transition probabilities of the two-state chain in continuous time, Norris (1997), 1.
    """
    hours = jnp.broadcast_to(jnp.asarray(step_hours, dtype=jnp.float64), normals.shape[:1])
    uniform = ndtr(normals[:, model.drift.shape[0]])
    total = model.leave[0] + model.leave[1]
    stress = model.leave[0] / total  # stationary
    kept = jnp.exp(-total * jnp.concatenate([jnp.zeros(1), hours[:-1]]))

    def step(before, inputs):
        u, keep, first = inputs
        chance = stress + (before - stress) * keep
        state = (u < jnp.where(first, model.start[1], chance)).astype(jnp.float64)
        return state, state

    first = jnp.arange(normals.shape[0]) == 0
    return jax.lax.scan(step, jnp.zeros(()), (uniform, kept, first))[1]


def log_returns(
    model: Regime, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A"]:
    """Log returns of one path.

        r = (drift - sigma_s^2 / 2 - lambda_s k) dt + sigma_s sqrt(dt) L_s z + n m + sqrt(n) s e

    in state s, with jumps as Merton's that hit every asset.

    Args:
      model: parameters.
      normals: independent standard normals: `A` of the diffusion, one for the state, count and
        size of jumps.
      step_hours: length of every step, or of each.

    Returns:
      1.

    Errors:
      Raises nothing.

    Source:
      Hamilton (1989), Econometrica 57; in continuous time.
    """
    size = model.drift.shape[0]
    dt = jnp.broadcast_to(jnp.asarray(step_hours) / HOURS_PER_YEAR, normals.shape[:1])
    state = states(model, normals, step_hours).astype(jnp.int32)
    volatility = model.volatility[state]
    shocks = jnp.einsum("tij,tj->ti", model.factor[state], normals[:, :size])
    rate = model.jump_intensity[state]
    growth = jnp.expm1(model.jump_mean + model.jump_deviation**2 / 2)
    trend = model.drift[None, :] - volatility**2 / 2 - rate[:, None] * growth[None, :]
    count = poisson_count(normals[:, size + 1], rate * dt, model.most)[:, None]
    jumps = (
        count * model.jump_mean[None, :]
        + jnp.sqrt(count) * model.jump_deviation[None, :] * normals[:, size + 2 : size + 3]
    )
    return trend * dt[:, None] + volatility * jnp.sqrt(dt)[:, None] * shocks + jumps


def depth(
    model: Regime, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A"]:
    """Depth multiplier after each step, 1, that of its state; arguments as `log_returns`."""
    state = states(model, normals, step_hours).astype(jnp.int32)
    return jnp.broadcast_to(model.depth_of[state][:, None], (state.shape[0], model.drift.shape[0]))
