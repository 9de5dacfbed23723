"""Normals of numbered paths: plain, antithetic or scrambled Sobol.

A path's normals depend on its number and the seed alone, whatever the block or the worker.
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtri
from jaxtyping import Array, Float, Int, UInt32

from stress.sampling import sobol
from stress.sampling.keys import pseudo_random
from stress.sampling.ordering import Ordering, rotation

Method = Literal["plain", "antithetic", "sobol"]
SCRAMBLES = 0x50B01  # folded into the seed's key for the scramblings


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Draws:
    """How the normals of paths are drawn. Build it with `draws`."""

    method: Method = field(metadata={"static": True})
    replicates: int = field(metadata={"static": True})  # of Sobol: independent scramblings
    directions: UInt32[Array, "D 32"] | np.ndarray  # of Sobol; without rows otherwise
    rotation: Float[Array, "T T"] | np.ndarray  # of Sobol; without rows otherwise


PLAIN = Draws(
    method="plain",
    replicates=1,
    directions=np.zeros((0, sobol.BITS), np.uint32),
    rotation=np.zeros((0, 0)),
)


def draws(
    method: Method,
    hours: np.ndarray,
    width: int,
    replicates: int = 16,
    ordering: Ordering = "bridge",
) -> Draws:
    """Builds a way to draw (host side).

    Args:
      method: `plain`; `antithetic`, where paths 2k and 2k + 1 mirror each other; `sobol`, where
        path p is point p // replicates of scrambling p % replicates.
      hours: length of every step, `[T]`.
      width: standard normals a step needs.
      replicates: independent scramblings, at least 2; each holds every replicates-th path.
      ordering: of Sobol coordinates, see `ordering.rotation`.

    Errors:
      ValueError for an unknown method, ordering or fewer than two replicates.
    """
    if method in ("plain", "antithetic"):
        return replace(PLAIN, method=method)
    if method != "sobol":
        raise ValueError(f"method {method!r}: plain, antithetic or sobol")
    if replicates < 2:
        raise ValueError(f"{replicates} scramblings: at least 2, or there is no error to see")
    dimensions = min(1 + len(hours) * width, sobol.MOST_DIMENSIONS)
    return Draws(
        method=method,
        replicates=replicates,
        directions=jnp.asarray(sobol.direction_numbers(dimensions)),
        rotation=jnp.asarray(rotation(ordering, hours)),
    )


def normals(
    how: Draws, seed_key: Array, paths: Int[Array, "P"], steps: int, width: int
) -> Float[Array, "P T n"]:
    """Standard normals of numbered paths, float64.

    Args:
      how: the way to draw.
      seed_key: key of (seed, scenario).
      paths: path numbers.
      steps: `T`.
      width: `n`.

    Returns:
      Normals that are independent within a path. Of a path that needs more than scipy's tables
      have (21,201 numbers), the last coordinates of the ordering are pseudo-random.

    Errors:
      Raises nothing. Sobol numbers have 2^32 values a dimension: none is beyond 6.3 deviations.
    """
    if how.method == "plain":
        return pseudo_random(seed_key, paths, steps, width)
    if how.method == "antithetic":
        sign = (1 - 2 * (paths % 2)).astype(jnp.float64)
        return sign[:, None, None] * pseudo_random(seed_key, paths // 2, steps, width)
    return _sobol(how, seed_key, paths, steps, width)


def spare_uniform(how: Draws, seed_key: Array, paths: Int[Array, "P"]) -> Float[Array, "P"]:
    """One more uniform number of every path, for a choice between sixteen: exact in its strata.

    Of Sobol points their first coordinate; else the middle of the stratum of the path's number
    (of the pair's, where paths mirror each other).
    """
    if how.method == "sobol":
        first = replace(how, directions=how.directions[:1])
        return _uniforms(first, seed_key, paths)[:, 0]
    number = paths // 2 if how.method == "antithetic" else paths
    return (number % 16 + 0.5) / 16


def _uniforms(how: Draws, seed_key: Array, paths: Int[Array, "P"]) -> Float[Array, "P D"]:
    """Scrambled points of numbered paths; the first coordinate is spare."""
    dimensions = how.directions.shape[0]
    key = jax.random.fold_in(seed_key, SCRAMBLES)
    raw = sobol.points(jnp.asarray(how.directions), paths // how.replicates)
    seeds = sobol.seeds_of(key, how.replicates, dimensions)[paths % how.replicates]
    return sobol.uniform(sobol.scramble(raw, seeds))


@partial(jax.jit, static_argnames=("steps", "width"))
def _sobol(how: Draws, seed_key: Array, paths: Int[Array, "P"], steps: int, width: int):
    scores = ndtri(_uniforms(how, seed_key, paths)[:, 1:])
    missing = steps * width - scores.shape[1]
    if missing > 0:
        rest = pseudo_random(seed_key, paths, missing, 1)[..., 0]
        scores = jnp.concatenate([scores, rest], axis=1)
    coordinates = scores.reshape(-1, steps, width)
    return jnp.einsum("tk,pkn->ptn", how.rotation, coordinates)
