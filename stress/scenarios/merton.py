"""Merton's jump diffusion: correlated diffusion, common and own jumps of normal log sizes."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stress.scenarios.gaussian import HOURS_PER_YEAR
from stress.scenarios.jumps import checked, most_jumps, poisson_count, trend


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Merton:
    """Parameters of `A` assets. Build it with `build`."""

    most: int = field(metadata={"static": True})  # jumps of a kind in a step
    volatility: Float[Array, "A"]  # of the diffusion, per square root of a year
    drift: Float[Array, "A"]  # per year, of the price
    factor: Float[Array, "A A"]  # lower Cholesky factor of the diffusion's correlation
    common_intensity: Float[Array, ""]  # per year
    own_intensity: Float[Array, "A"]  # per year
    jump_mean: Float[Array, "A"]  # 1, of the log size
    jump_deviation: Float[Array, "A"]  # 1


def build(
    volatility: np.ndarray,
    drift: np.ndarray,
    factor: np.ndarray,
    common_intensity: float,
    own_intensity: np.ndarray,
    jump_mean: np.ndarray,
    jump_deviation: np.ndarray,
    longest_step: float = 1.0,
) -> Merton:
    """Builds the process; arguments as the fields of `Merton`.

    Args:
      volatility: `[A]`.
      drift: `[A]`.
      factor: `[A, A]`.
      common_intensity: jumps a year that hit every asset.
      own_intensity: `[A]`, jumps a year of one asset alone.
      jump_mean: `[A]`.
      jump_deviation: `[A]`.
      longest_step: hours; a step holds more jumps than are counted with probability below 1e-9.

    Errors:
      ValueError for a figure that is not finite, or negative where it may not be.
    """
    checked(
        volatility=volatility, drift=drift, common_intensity=common_intensity,
        own_intensity=own_intensity, jump_mean=jump_mean, jump_deviation=jump_deviation,
    )  # fmt: skip
    rate = max(float(common_intensity), float(np.max(own_intensity, initial=0.0)))
    return Merton(
        most=most_jumps(rate * longest_step / HOURS_PER_YEAR),
        volatility=jnp.asarray(volatility),
        drift=jnp.asarray(drift),
        factor=jnp.asarray(factor),
        common_intensity=jnp.asarray(float(common_intensity)),
        own_intensity=jnp.asarray(own_intensity),
        jump_mean=jnp.asarray(jump_mean),
        jump_deviation=jnp.asarray(jump_deviation),
    )


def normals_per_step(model: Merton) -> int:
    """One per asset for the diffusion; two for common jumps and two per asset for own ones."""
    return 3 * model.volatility.shape[0] + 2


def log_returns(
    model: Merton, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A"]:
    """Log returns of one path.

        r = (drift - sigma^2 / 2 - lambda k) dt + sigma sqrt(dt) L z + n m + sqrt(n) s e,
        k = exp(m + s^2 / 2) - 1, lambda = common + own intensity

    A common jump hits every asset with one draw e; own jumps are independent. The sum of n normal
    jumps is one normal.

    Args:
      model: parameters.
      normals: independent standard normals: `A` of the diffusion, count and size of common jumps,
        `A` counts and `A` sizes of own jumps.
      step_hours: length of every step, or of each.

    Returns:
      1, exact in distribution for any step not above the one the process was built for.

    Errors:
      Raises nothing.

    Source:
      Merton (1976), "Option pricing when underlying stock returns are discontinuous".
    """
    size = model.volatility.shape[0]
    dt = jnp.broadcast_to(jnp.asarray(step_hours) / HOURS_PER_YEAR, normals.shape[:1])
    mean, deviation = model.jump_mean, model.jump_deviation
    growth = jnp.expm1(mean + deviation**2 / 2)
    rate = model.common_intensity + model.own_intensity
    plain = (
        trend(model.drift, model.volatility, rate * growth, dt)
        + jnp.sqrt(dt)[:, None] * model.volatility[None, :] * (normals[:, :size] @ model.factor.T)
    )  # fmt: skip
    common = poisson_count(normals[:, size], model.common_intensity * dt, model.most)[:, None]
    shock = normals[:, size + 1 : size + 2]
    expected = model.own_intensity[None, :] * dt[:, None]
    own = poisson_count(normals[:, size + 2 : 2 * size + 2], expected, model.most)
    noise = normals[:, 2 * size + 2 :]
    jumps = (common + own) * mean[None, :] + deviation[None, :] * (
        jnp.sqrt(common) * shock + jnp.sqrt(own) * noise
    )
    return plain + jumps
