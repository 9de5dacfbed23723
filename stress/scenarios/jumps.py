"""Pieces the jump processes share: counts and sizes from standard normals, the drift they need."""

import jax
import jax.numpy as jnp
import numpy as np
import scipy  # loads its parts at their first use
from jax.scipy.special import gammainc, ndtr
from jaxtyping import Array, Float

RARE = 1e-9  # probability that a step holds more jumps than there are slots


def poisson_count(
    score: Float[Array, "..."], mean: Float[Array, "..."], most: int
) -> Float[Array, "..."]:
    """Poisson variate at a normal score: its quantile at Phi(score), at most `most`.

    Args:
      score: standard normal; a high one gives many.
      mean: expected number, 0 or more.
      most: greatest number.

    Returns:
      Whole numbers as floats; equal to scipy's quantile at scores to +-8 (tests).
    """
    above = ndtr(-score)
    counts = [jnp.where(above < gammainc(k + 1.0, mean), 1.0, 0.0) for k in range(most)]
    return sum(counts, jnp.zeros_like(score + mean))


def most_jumps(mean: float) -> int:
    """Least number of slots that a Poisson count of this mean exceeds with probability < 1e-9."""
    return max(1, int(scipy.stats.poisson.isf(RARE, max(mean, 0.0))))


def exponential(score: Float[Array, "..."]) -> Float[Array, "..."]:
    """Standard exponential variate at a normal score: -log(1 - Phi(score))."""
    return -jax.scipy.stats.norm.logcdf(-score)


def active(count: Float[Array, "*s"], slots: int) -> Float[Array, "*s k"]:
    """1 for the slots that hold a jump, 0 for the others."""
    number = jnp.asarray(count)[..., None]
    index = jnp.arange(slots).reshape((1,) * (number.ndim - 1) + (slots,))
    return (index < number).astype(jnp.float64)


def checked(**figures: np.ndarray | float) -> None:
    """ValueError naming a figure that is not finite or negative where it may not be."""
    for name, value in figures.items():
        array = np.asarray(value, dtype=float)
        if not np.isfinite(array).all():
            raise ValueError(f"{name} {value} is not finite")
        if name not in ("drift", "jump_mean", "gamma") and (array < 0).any():
            raise ValueError(f"{name} {value} is below 0")


def trend(
    drift: Float[Array, "A"],
    volatility: Float[Array, "A"],
    compensator: Float[Array, "A"],
    dt: Float[Array, "T"],
) -> Float[Array, "T A"]:
    """Drift of the logarithm over each step: that of the price less sigma^2 / 2 and the jumps'."""
    rate = drift - volatility**2 / 2 - compensator
    return rate[None, :] * dt[:, None]
