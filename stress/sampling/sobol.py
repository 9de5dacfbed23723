"""Sobol points in JAX, as they are or scrambled by a hash that stands in for Owen's permutations.

Points are 32-bit integers; the direction numbers (Joe and Kuo 2008) are scipy's, so that the points
before scrambling are scipy's bit by bit.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import scipy  # loads its parts at their first use
from jaxtyping import Array, Float, Int, UInt32

BITS = 32
MOST_DIMENSIONS = 21_201  # of the tables of scipy.stats.qmc.Sobol


@functools.lru_cache(maxsize=8)
def direction_numbers(dimensions: int) -> np.ndarray:
    """Direction numbers, uint32 `[D, BITS]`.

    Errors:
      ValueError for fewer than one or more dimensions than the tables hold.
    """
    if not 1 <= dimensions <= MOST_DIMENSIONS:
        raise ValueError(f"{dimensions} dimensions of a Sobol sequence: 1 to {MOST_DIMENSIONS}")
    return np.asarray(scipy.stats.qmc.Sobol(dimensions, scramble=False, bits=BITS)._sv, np.uint32)


def points(directions: UInt32[Array, "D B"], index: Int[Array, "P"]) -> UInt32[Array, "P D"]:
    """Points of the sequence by number, in Gray-code order (Antonov and Saleev 1979)."""
    number = index.astype(jnp.uint32)
    gray = number ^ (number >> 1)
    found = jnp.zeros((index.shape[0], directions.shape[0]), jnp.uint32)
    for bit in range(BITS):
        chosen = ((gray >> bit) & 1)[:, None]
        found = found ^ (chosen * directions[None, :, bit])
    return found


def scramble(values: UInt32[Array, "P D"], seeds: UInt32[Array, "*p D"]) -> UInt32[Array, "P D"]:
    """Nested uniform scrambling: every bit is flipped or not by a hash of the bits above it.

    Args:
      values: points.
      seeds: one a dimension, or one for each point and dimension; independent seeds give
        independent scramblings.

    Returns:
      Points that are each uniform and keep the net's equidistribution.

    Source:
      Owen (1995), MCQMC, 299-317; the hash: Laine and Karras (2011), Burley (2020), J. Computer
      Graphics Techniques 9(4), constants of Vegdahl (2021).
    """
    x = _reversed(values)
    x = x ^ (x * jnp.uint32(0x3D20ADEA))
    x = x + seeds
    x = x * ((seeds >> 16) | jnp.uint32(1))
    x = x ^ (x * jnp.uint32(0x05526C56))
    x = x ^ (x * jnp.uint32(0x53A22864))
    return _reversed(x)


def uniform(values: UInt32[Array, "P D"]) -> Float[Array, "P D"]:
    """Integers as numbers inside (0, 1): the middle of each cell, never 0 or 1."""
    return (values.astype(jnp.float64) + 0.5) * 2.0**-BITS


def _reversed(x: UInt32[Array, "P D"]) -> UInt32[Array, "P D"]:
    """The 32 bits in reverse order."""
    for width, mask in ((1, 0x55555555), (2, 0x33333333), (4, 0x0F0F0F0F), (8, 0x00FF00FF)):
        m = jnp.uint32(mask)
        x = ((x >> width) & m) | ((x & m) << width)
    return (x >> 16) | (x << 16)


def seeds_of(key: Array, replicates: int, dimensions: int) -> UInt32[Array, "R D"]:
    """Scrambling seeds of every replicate; replicates are independent of each other.

    A dimension keeps its seed whatever the number of dimensions.
    """

    def one(replicate, dimension):
        own = jax.random.fold_in(jax.random.fold_in(key, replicate), dimension)
        return jax.random.bits(own, (), jnp.uint32)

    over = jax.vmap(jax.vmap(one, in_axes=(None, 0)), in_axes=(0, None))
    return over(jnp.arange(replicates), jnp.arange(dimensions))
