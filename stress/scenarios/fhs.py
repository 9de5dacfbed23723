"""Filtered historical simulation: residuals of real hours, drawn anew under today's variance."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from stress.scenarios import clock
from stress.scenarios.garch import next_variance
from stress.scenarios.gaussian import HOURS_PER_YEAR


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Fhs:
    """Residuals and GJR-GARCH parameters of `A` assets. Build it with `build`."""

    hours_per_step: int = field(metadata={"static": True})  # hours that a row of normals feeds
    table: Float[Array, "N A"]  # residuals of mean 0 and variance 1, a row an hour
    omega: Float[Array, "A"]  # variance per hour
    alpha: Float[Array, "A"]
    gamma: Float[Array, "A"]
    beta: Float[Array, "A"]
    variance: Float[Array, "A"]  # per hour, over the first hour
    drift: Float[Array, "A"]  # per year, of the logarithm


def filtered(
    table: np.ndarray, omega: np.ndarray, alpha: np.ndarray, gamma: np.ndarray, beta: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Residuals of hourly log returns under given GJR-GARCH parameters.

    Args:
      table: `[N, A]`, in order of time.
      omega: `[A]`, and so the others.
      alpha: answer to any return.
      gamma: further answer to a fall.
      beta: what stays.

    Returns:
      (residuals `[N, A]` brought to mean 0 and variance 1, variance of the hour after the last).
      The filter starts at the mean square of the first day.
    """
    h = (table[:24] ** 2).mean(axis=0)
    residuals = np.empty_like(table)
    for t, r in enumerate(table):
        residuals[t] = r / np.sqrt(h)
        h = omega + (alpha + gamma * (r < 0)) * r**2 + beta * h
    centred = residuals - residuals.mean(axis=0)
    return centred / centred.std(axis=0), h


def build(
    *,
    table: np.ndarray,
    omega: np.ndarray,
    alpha: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    variance: np.ndarray,
    drift: np.ndarray,
    hours_per_step: int = 1,
) -> Fhs:
    """Builds the process; arguments as the fields of `Fhs`.

    Errors:
      ValueError for a table that is empty or not finite.
    """
    if not (len(table) and np.isfinite(table).all()):
        raise ValueError("a table that is empty or not finite")
    return Fhs(
        hours_per_step=hours_per_step,
        table=jnp.asarray(table),
        omega=jnp.asarray(omega),
        alpha=jnp.asarray(alpha),
        gamma=jnp.asarray(gamma),
        beta=jnp.asarray(beta),
        variance=jnp.asarray(variance),
        drift=jnp.asarray(drift),
    )


def normals_per_step(model: Fhs) -> int:
    """One an hour: which hour of the table."""
    return model.hours_per_step


def log_returns(
    model: Fhs, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A"]:
    """Log returns of one path: r = drift + sqrt(h) e, e a row of residuals, h by GJR-GARCH.

    Args:
      model: residuals and parameters.
      normals: independent standard normals.
      step_hours: length of every step, or of each.

    Returns:
      1.

    Errors:
      Raises nothing.

    Source:
      Barone-Adesi, Giannopoulos and Vosper (1999), "VaR without correlations".
    """
    draws = clock.rows(normals, model.hours_per_step)[:, 0]
    count = model.table.shape[0]
    row = jnp.minimum((ndtr(draws) * count).astype(jnp.int32), count - 1)

    def step(h, e):
        return next_variance(model, h, e, 1.0), model.drift / HOURS_PER_YEAR + jnp.sqrt(h) * e

    hourly = jax.lax.scan(step, model.variance, model.table[row])[1]
    return clock.on_grid(hourly, step_hours, normals.shape[0])
