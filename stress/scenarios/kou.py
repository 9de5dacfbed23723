"""Kou's jump diffusion: correlated diffusion, common and own double exponential jumps."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr
from jaxtyping import Array, Float

from stress.scenarios.gaussian import HOURS_PER_YEAR
from stress.scenarios.jumps import active, checked, exponential, most_jumps, poisson_count, trend


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Kou:
    """Parameters of `A` assets. Build it with `build`."""

    common_slots: int = field(metadata={"static": True})  # common jumps in a step, at most
    own_slots: int = field(metadata={"static": True})  # own jumps of an asset in a step, at most
    volatility: Float[Array, "A"]  # of the diffusion, per square root of a year
    drift: Float[Array, "A"]  # per year, of the price
    factor: Float[Array, "A A"]  # lower Cholesky factor of the diffusion's correlation
    common_intensity: Float[Array, ""]  # per year
    own_intensity: Float[Array, "A"]  # per year
    up_probability: Float[Array, "A"]  # 1
    mean_up: Float[Array, "A"]  # 1, log size, positive
    mean_down: Float[Array, "A"]  # 1, log size, positive


def build(
    volatility: np.ndarray,
    drift: np.ndarray,
    factor: np.ndarray,
    common_intensity: float,
    own_intensity: np.ndarray,
    up_probability: np.ndarray,
    mean_up: np.ndarray,
    mean_down: np.ndarray,
    longest_step: float = 1.0,
) -> Kou:
    """Builds the process; arguments as the fields of `Kou`.

    Args:
      volatility: `[A]`.
      drift: `[A]`.
      factor: `[A, A]`.
      common_intensity: jumps a year that hit every asset.
      own_intensity: `[A]`, jumps a year of one asset alone.
      up_probability: `[A]`, in [0, 1].
      mean_up: `[A]`, below 1: the price has a mean.
      mean_down: `[A]`.
      longest_step: hours; a step holds more jumps than are counted with probability below 1e-9.

    Errors:
      ValueError for a figure that is not finite or outside its range.
    """
    checked(
        volatility=volatility, drift=drift, common_intensity=common_intensity,
        own_intensity=own_intensity, up_probability=up_probability, mean_up=mean_up,
        mean_down=mean_down,
    )  # fmt: skip
    if np.max(mean_up, initial=0.0) >= 1:
        raise ValueError(f"mean_up {mean_up} of 1 or more: the price would have no mean")
    if np.max(up_probability, initial=0.0) > 1:
        raise ValueError(f"up_probability {up_probability} above 1")
    year = longest_step / HOURS_PER_YEAR
    return Kou(
        common_slots=most_jumps(float(common_intensity) * year),
        own_slots=most_jumps(float(np.max(own_intensity, initial=0.0)) * year),
        volatility=jnp.asarray(volatility),
        drift=jnp.asarray(drift),
        factor=jnp.asarray(factor),
        common_intensity=jnp.asarray(float(common_intensity)),
        own_intensity=jnp.asarray(own_intensity),
        up_probability=jnp.asarray(up_probability),
        mean_up=jnp.asarray(mean_up),
        mean_down=jnp.asarray(mean_down),
    )


def normals_per_step(model: Kou) -> int:
    """One per asset; a count and two a slot of common jumps; a count and one a slot of own ones."""
    assets = model.volatility.shape[0]
    return assets + 1 + 2 * model.common_slots + assets * (1 + model.own_slots)


def log_returns(
    model: Kou, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A"]:
    """Log returns of one path.

        r = (drift - sigma^2 / 2 - lambda k) dt + sigma sqrt(dt) L z + sum of n jumps,
        k = p / (1 - u) + (1 - p) / (1 + d) - 1, u and d the mean log sizes up and down

    A jump is up with probability p and exponential. Of a common jump one uniform decides the
    direction (up where it is below the asset's p) and one exponential the size, scaled by each
    asset's mean; own jumps are independent.

    Args:
      model: parameters.
      normals: independent standard normals: `A` of the diffusion, one count, direction and size of
        each common slot, then a count and a score a slot for every asset.
      step_hours: length of every step, or of each.

    Returns:
      1, exact in distribution for any step not above the one the process was built for.

    Errors:
      Raises nothing.

    Source:
      Kou (2002), "A jump-diffusion model for option pricing", Management Science 48.
    """
    size, slots = model.volatility.shape[0], model.common_slots
    dt = jnp.broadcast_to(jnp.asarray(step_hours) / HOURS_PER_YEAR, normals.shape[:1])
    up, u, d = model.up_probability, model.mean_up, model.mean_down
    growth = up / (1 - u) + (1 - up) / (1 + d) - 1
    rate = model.common_intensity + model.own_intensity
    plain = (
        trend(model.drift, model.volatility, rate * growth, dt)
        + jnp.sqrt(dt)[:, None] * model.volatility[None, :] * (normals[:, :size] @ model.factor.T)
    )  # fmt: skip
    rest = normals[:, size:]
    count = poisson_count(rest[:, 0], model.common_intensity * dt, slots)
    rises = jax.scipy.stats.norm.cdf(rest[:, 1 : 1 + slots])[..., None] < up[None, None, :]
    height = exponential(rest[:, 1 + slots : 1 + 2 * slots])[..., None]
    common = jnp.where(rises, height * u[None, None, :], -height * d[None, None, :])
    common = jnp.sum(common * active(count, slots)[..., None], axis=1)
    own = rest[:, 1 + 2 * slots :].reshape(-1, size, 1 + model.own_slots)
    counts = poisson_count(own[..., 0], model.own_intensity[None, :] * dt[:, None], model.own_slots)
    sizes = double_exponential(own[..., 1:], up[None, :, None], u[None, :, None], d[None, :, None])
    return plain + common + jnp.sum(sizes * active(counts, model.own_slots), axis=-1)


def double_exponential(score, up, mean_up, mean_down):
    """Quantile of the double exponential law at Phi(score), accurate in both tails.

    Args:
      score: standard normal.
      up: probability of a rise, in [0, 1].
      mean_up: mean rise.
      mean_down: mean fall, positive.

    Returns:
      Log size, 1; relative error of its tail probability below 1e-7 at scores to +-8 (tests).
    """
    below, above = log_ndtr(score), log_ndtr(-score)
    tiny = jnp.finfo(jnp.float64).tiny
    rise = mean_up * (jnp.log(jnp.maximum(up, tiny)) - above)
    fall = mean_down * (below - jnp.log(jnp.maximum(1 - up, tiny)))
    return jnp.where(jnp.exp(above) < up, rise, fall)
