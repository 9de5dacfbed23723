"""Keys: a path's random numbers depend on (seed, scenario, path number) and nothing else."""

from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int


def path_key(seed_key: Array, path: Int[Array, ""]) -> Array:
    """Key of one path; `seed_key` is the seed's, folded with the scenario's name."""
    return jax.random.fold_in(seed_key, path)


@partial(jax.jit, static_argnames=("steps", "width"))
def pseudo_random(
    seed_key: Array, paths: Int[Array, "P"], steps: int, width: int
) -> Float[Array, "P T n"]:
    """Independent standard normals of numbered paths, float64.

    Drawn factor by factor: the numbers of a path's prices stay the same whatever else it needs.
    """

    def one(path):
        return jax.random.normal(path_key(seed_key, path), (width, steps), jnp.float64).T

    return jax.vmap(one)(paths)
