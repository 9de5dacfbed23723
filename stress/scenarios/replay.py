"""A real path put on today's book: the same on every path."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stress.scenarios import clock


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Replay:
    """Hourly log returns of `A` assets from now on."""

    table: Float[Array, "H A"]


def build(table: np.ndarray) -> Replay:
    """Builds the process from hourly log returns `[H, A]`; ValueError where it is not finite."""
    if not (len(table) and np.isfinite(table).all()):
        raise ValueError("a table that is empty or not finite")
    return Replay(table=jnp.asarray(table))


def normals_per_step(model: Replay) -> int:
    """None: nothing is drawn."""
    return 0


def log_returns(
    model: Replay, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A"]:
    """Log returns of the path; straight between its hours, at rest after its end.

    Args:
      model: the path.
      normals: `[T, 0]`, for the number of steps.
      step_hours: length of every step, or of each.

    Returns:
      1.

    Errors:
      Raises nothing.
    """
    return clock.on_grid(model.table, step_hours, normals.shape[0])
