"""The hourly clock of processes that are made of real hours: their path on any grid."""

import jax.numpy as jnp
from jaxtyping import Array, Float


def rows(normals: Float[Array, "T n"], hours_per_step: int) -> Float[Array, "H m"]:
    """Normals of steps as rows of hours: `[T, n]` to `[T h, n / h]` with h hours a step."""
    return normals.reshape(normals.shape[0] * hours_per_step, -1)


def on_grid(
    hourly: Float[Array, "H A"], step_hours: Float[Array, "*t"] | float, steps: int
) -> Float[Array, "T A"]:
    """Log returns of the steps of a grid from those of hours.

    Args:
      hourly: log returns of the hours from now; after the last one prices rest.
      step_hours: length of every step, or of each.
      steps: number of steps, T.

    Returns:
      Between the hours the logarithm of the price moves straight.

    Errors:
      Raises nothing.
    """
    hours = jnp.broadcast_to(jnp.asarray(step_hours, dtype=jnp.float64), (steps,))
    times = jnp.concatenate([jnp.zeros(1), jnp.cumsum(hours)])
    level = jnp.concatenate([jnp.zeros((1, hourly.shape[1])), jnp.cumsum(hourly, axis=0)])
    place = jnp.minimum(times, float(hourly.shape[0]))
    below = jnp.minimum(place.astype(jnp.int32), hourly.shape[0] - 1)
    share = (place - below)[:, None]
    at = level[below] * (1 - share) + level[below + 1] * share
    return jnp.diff(at, axis=0)
