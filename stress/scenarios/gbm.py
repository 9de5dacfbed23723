"""Geometric Brownian motion with a correlation matrix."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from stress.scenarios.gaussian import HOURS_PER_YEAR


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Gbm:
    """Parameters of `A` assets."""

    volatility: Float[Array, "A"]  # per square root of a year
    drift: Float[Array, "A"]  # per year, of the price (not of its logarithm)
    factor: Float[Array, "A A"]  # lower Cholesky factor of the correlation


def normals_per_step(model: Gbm) -> int:
    """Standard normals a step needs: one per asset."""
    return model.volatility.shape[0]


def log_returns(
    model: Gbm, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A"]:
    """Log returns of one path.

        r = (drift - volatility^2 / 2) dt + volatility sqrt(dt) L z

    Args:
      model: parameters.
      normals: independent standard normals, one row a step.
      step_hours: length of every step, or of each.

    Returns:
      1, exact in distribution for any step.

    Errors:
      Raises nothing.

    Source:
      Black and Scholes (1973).
    """
    dt = jnp.broadcast_to(jnp.asarray(step_hours) / HOURS_PER_YEAR, normals.shape[:1])

    def one(z, dt):
        trend = (model.drift - model.volatility**2 / 2) * dt
        return trend + model.volatility * jnp.sqrt(dt) * (model.factor @ z)

    return jax.vmap(one)(normals, dt)


def step_root(
    model: Gbm, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A A"]:
    """Root R of the covariance R R^T of every step's log returns; a Brownian motion between."""
    dt = jnp.broadcast_to(jnp.asarray(step_hours) / HOURS_PER_YEAR, normals.shape[:1])
    return jnp.sqrt(dt)[:, None, None] * (model.volatility[:, None] * model.factor)[None]
