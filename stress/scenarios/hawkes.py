"""Self-exciting jumps: every common jump raises the intensity of the next ones for a while."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stress.scenarios.gaussian import HOURS_PER_YEAR
from stress.scenarios.jumps import checked, exponential, trend

SLOTS = 24  # events of a step; one more waits for the next step
NEWTON = 12  # iterations for an event's time; meets the compensator to 1e-15 (a test)
UNSTABLE = 1.0  # branching ratio at which one event has infinitely many descendants


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Hawkes:
    """Parameters of `A` assets. Build it with `build`."""

    slots: int = field(metadata={"static": True})  # events of a step, at most
    volatility: Float[Array, "A"]  # of the diffusion, per square root of a year
    drift: Float[Array, "A"]  # per year, of the price less its jumps
    factor: Float[Array, "A A"]  # lower Cholesky factor of the diffusion's correlation
    baseline: Float[Array, ""]  # events per hour that no event caused
    excitation: Float[Array, ""]  # per hour, what an event adds to the intensity
    decay: Float[Array, ""]  # per hour
    initial: Float[Array, ""]  # per hour, intensity above the baseline now
    jump_mean: Float[Array, "A"]  # 1, of the log size
    jump_deviation: Float[Array, "A"]  # 1


def build(
    volatility: np.ndarray,
    drift: np.ndarray,
    factor: np.ndarray,
    baseline: float,
    excitation: float,
    decay: float,
    initial: float,
    jump_mean: np.ndarray,
    jump_deviation: np.ndarray,
    slots: int = SLOTS,
) -> Hawkes:
    """Builds the process; arguments as the fields of `Hawkes`.

    Errors:
      ValueError for a figure that is not finite or negative, a decay of 0, or a branching ratio
      excitation / decay of 1 or more.
    """
    checked(
        volatility=volatility, drift=drift, baseline=baseline, excitation=excitation, decay=decay,
        initial=initial, jump_mean=jump_mean, jump_deviation=jump_deviation,
    )  # fmt: skip
    if not excitation < UNSTABLE * decay:
        raise ValueError(f"excitation {excitation:g} not below the decay {decay:g}")
    return Hawkes(
        slots=slots,
        volatility=jnp.asarray(volatility),
        drift=jnp.asarray(drift),
        factor=jnp.asarray(factor),
        baseline=jnp.asarray(float(baseline)),
        excitation=jnp.asarray(float(excitation)),
        decay=jnp.asarray(float(decay)),
        initial=jnp.asarray(float(initial)),
        jump_mean=jnp.asarray(jump_mean),
        jump_deviation=jnp.asarray(jump_deviation),
    )


def normals_per_step(model: Hawkes) -> int:
    """One per asset; one a slot for the time of an event, one a slot for its size."""
    return model.volatility.shape[0] + 2 * model.slots


def log_returns(
    model: Hawkes, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A"]:
    """Log returns of one path.

        r = (drift - sigma^2 / 2) dt + sigma sqrt(dt) L z + sum over events of (m + s e)

    An event hits every asset with one draw e. Jumps are not compensated: `drift` is that of the
    price between events.

    Args:
      model: parameters.
      normals: independent standard normals: `A` of the diffusion, times and sizes of the slots.
      step_hours: length of every step, or of each.

    Returns:
      1; exact in distribution but for events beyond the last slot, which wait for the next step.

    Errors:
      Raises nothing.

    Source:
      Hawkes (1971); simulation by inverting the compensator event by event, Ozaki (1979).
    """
    size = model.volatility.shape[0]
    hours = jnp.broadcast_to(jnp.asarray(step_hours, dtype=jnp.float64), normals.shape[:1])
    dt = hours / HOURS_PER_YEAR
    happened = _happened(model, normals[:, size : size + model.slots], hours)
    noise = normals[:, size + model.slots :]
    count, shock = jnp.sum(happened, axis=1), jnp.sum(happened * noise, axis=1)
    plain = (
        trend(model.drift, model.volatility, 0 * model.drift, dt)
        + jnp.sqrt(dt)[:, None] * model.volatility[None, :] * (normals[:, :size] @ model.factor.T)
    )  # fmt: skip
    return (
        plain
        + count[:, None] * model.jump_mean[None, :]
        + shock[:, None] * model.jump_deviation[None, :]
    )


def events(
    model: Hawkes, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T"]:
    """Number of events of each step; arguments as `log_returns`."""
    size = model.volatility.shape[0]
    hours = jnp.broadcast_to(jnp.asarray(step_hours, dtype=jnp.float64), normals.shape[:1])
    return jnp.sum(_happened(model, normals[:, size : size + model.slots], hours), axis=1)


def _happened(model: Hawkes, scores: Float[Array, "T k"], hours: Float[Array, "T"]):
    """1 for every slot whose event falls into its step, `[T, k]`."""

    def step(excess, inputs):
        score, length = inputs
        waits = exponential(score)  # of the compensator, per slot

        def slot(carry, wait):
            excess, left = carry
            time = _time(model, excess, wait)
            inside = time < left
            passed = jnp.where(inside, time, left)
            excess = excess * jnp.exp(-model.decay * passed)
            excess = excess + jnp.where(inside, model.excitation, 0.0)
            return (excess, jnp.where(inside, left - time, 0.0)), inside

        # Where the last slot is used up the intensity stands still to the end of the step, so
        # that what it has yet to cause waits and is not lost.
        (excess, _), inside = jax.lax.scan(slot, (excess, length), waits)
        return excess, inside.astype(jnp.float64)

    return jax.lax.scan(step, model.initial, (scores, hours))[1]


def _time(model: Hawkes, excess, wait):
    """Hours until the compensator reaches `wait`; infinite where it never does.

    Solves b t + (y / k)(1 - exp(-k t)) = wait by Newton from the larger of two lower bounds: the
    function is concave, so that every iterate stays below the root and they rise to it.
    """
    rate, reach = model.baseline, excess / model.decay
    start = wait / jnp.maximum(rate + excess, 1e-300)
    start = jnp.maximum(start, (wait - reach) / jnp.maximum(rate, 1e-300))

    def newton(_, t):
        value = rate * t - reach * jnp.expm1(-model.decay * t)
        slope = rate + excess * jnp.exp(-model.decay * t)
        return t + (wait - value) / jnp.maximum(slope, 1e-300)

    alone = -jnp.log1p(-jnp.minimum(wait / jnp.maximum(reach, 1e-300), 1 - 1e-16)) / model.decay
    never = jnp.where(wait < reach, alone, jnp.inf)
    found = jax.lax.fori_loop(0, NEWTON, newton, start)
    return jnp.where(rate > 0, found, never)
