"""Block bootstrap of real hours: all assets together, in blocks that keep what follows on what."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from stress.scenarios import clock


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Bootstrap:
    """Real hourly log returns of `A` assets. Build it with `build`."""

    circular: bool = field(metadata={"static": True})  # blocks of one length, else geometric
    hours_per_step: int = field(metadata={"static": True})  # hours that a row of normals feeds
    table: Float[Array, "N A"]  # hourly log returns, in order of time
    mean_block: Float[Array, ""]  # hours


def build(
    table: np.ndarray, mean_block: float, scheme: str = "stationary", hours_per_step: int = 1
) -> Bootstrap:
    """Builds the process.

    Args:
      table: hourly log returns, `[N, A]`.
      mean_block: hours of a block, 1 or more; whole for circular blocks.
      scheme: stationary (geometric lengths) or circular (equal lengths); both wrap around the end.
      hours_per_step: hours that a row of normals feeds; the longest step rounded up.

    Errors:
      ValueError for an empty table, one that is not finite, a block below 1 or an unknown scheme.
    """
    if scheme not in ("stationary", "circular"):
        raise ValueError(f"scheme {scheme!r}")
    if not mean_block >= 1:
        raise ValueError(f"a block of {mean_block:g} hours")
    if not (len(table) and np.isfinite(table).all()):
        raise ValueError("a table that is empty or not finite")
    return Bootstrap(
        circular=scheme == "circular",
        hours_per_step=hours_per_step,
        table=jnp.asarray(table),
        mean_block=jnp.asarray(float(mean_block)),
    )


def normals_per_step(model: Bootstrap) -> int:
    """Two an hour: whether a block begins, and where."""
    return 2 * model.hours_per_step


def log_returns(
    model: Bootstrap, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A"]:
    """Log returns of one path.

    Every hour a new block begins with probability 1 / mean block (stationary), or every mean-block
    hours from a random phase (circular); it begins at an hour of the table drawn uniformly.

    Args:
      model: the table.
      normals: independent standard normals.
      step_hours: length of every step, or of each.

    Returns:
      1.

    Errors:
      Raises nothing.

    Source:
      Politis and Romano (1994), "The stationary bootstrap"; (1992) for circular blocks.
    """
    draws = clock.rows(normals, model.hours_per_step)
    hourly = model.table[hours_drawn(model, draws)]
    return clock.on_grid(hourly, step_hours, normals.shape[0])


def hours_drawn(model: Bootstrap, draws: Float[Array, "H 2"]) -> Array:
    """Rows of the table of every hour, `[H]`."""
    count = model.table.shape[0]
    start = jnp.minimum((ndtr(draws[:, 1]) * count).astype(jnp.int32), count - 1)
    hour = jnp.arange(draws.shape[0])
    if model.circular:
        length = jnp.maximum(jnp.round(model.mean_block), 1)
        phase = jnp.floor(ndtr(draws[0, 0]) * length)
        begins = jnp.mod(hour + phase, length) == 0
    else:
        begins = ndtr(draws[:, 0]) < 1 / model.mean_block
    begins = begins | (hour == 0)

    def step(row, inputs):
        new, first = inputs
        row = jnp.where(new, first, jnp.mod(row + 1, count))
        return row, row

    return jax.lax.scan(step, jnp.zeros((), jnp.int32), (begins, start))[1]
