"""Importance sampling by shifted normals: a mixture of shifts, the likelihood ratio at any time.

A shift moves the mean of every normal of a path, for prices a drift of the common factor for most
of it. Which component drew a path does not enter its weight (balance heuristic), so that one
component without a shift bounds every weight by the inverse of its share (defensive mixture).
"""

from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from stress.sampling.draws import Draws, normals, spare_uniform

PARTS = 16  # shares of components are whole sixteenths, so that strata are exact


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Proposals: normals with the means `shifts`, drawn with the shares `parts / PARTS`."""

    shifts: Float[Array, "K T n"]
    parts: tuple[int, ...] = field(metadata={"static": True})


def mixture(shifts: np.ndarray, parts: tuple[int, ...]) -> Mixture:
    """Builds a mixture (host side).

    Args:
      shifts: `[K, T, n]`; the first must be zero, the defensive one.
      parts: sixteenths of each component.

    Errors:
      ValueError where shares do not add up to 16, or nothing is defensive.
    """
    if len(parts) != len(shifts) or sum(parts) != PARTS or min(parts) < 1:
        raise ValueError(f"shares {parts} of {len(shifts)} components: sixteenths that add up")
    if np.any(shifts[0]):
        raise ValueError("the first component must be the target itself, without a shift")
    return Mixture(shifts=jnp.asarray(shifts), parts=tuple(parts))


@partial(jax.jit, static_argnames=("steps", "width"))
def tilted(
    mix: Mixture, how: Draws, seed_key: Array, paths: Int[Array, "P"], steps: int, width: int
) -> tuple[Float[Array, "P T n"], Int[Array, "P"]]:
    """Normals of numbered paths under the mixture, and the component that drew each.

    Paths 16 k to 16 k + 15 hold every component by its share exactly; so do the points of a
    scrambling.
    """
    edges = jnp.asarray(np.cumsum(mix.parts)[:-1] / PARTS)
    which = jnp.searchsorted(edges, spare_uniform(how, seed_key, paths), side="right")
    drawn = normals(how, seed_key, paths, steps, width)
    return drawn + mix.shifts[which], which


def likelihood_ratio(mix: Mixture, drawn: Float[Array, "P T n"]) -> Float[Array, "P T1"]:
    r"""Density of the target over the mixture, of the path up to each time (1 at time 0, now).

        w_t = 1 / sum_k a_k exp(sum_{j<=t} (<m_kj, z_j> - |m_kj|^2 / 2))

    An event that is decided at time t is weighted with w_t: what follows adds nothing but noise.

    Source:
      Glasserman (2003), Monte Carlo Methods in Financial Engineering, 4.6; mixtures: Owen and Zhou
      (2000), JASA 95, 135-143.
    """
    along = jnp.einsum("ktn,ptn->pkt", mix.shifts, drawn)
    half = jnp.sum(mix.shifts**2, axis=-1) / 2
    exponent = jnp.cumsum(along - half[None], axis=-1)
    shares = jnp.asarray(np.array(mix.parts) / PARTS)
    log_mixture = jax.scipy.special.logsumexp(exponent, axis=1, b=shares[None, :, None])
    now = jnp.zeros((drawn.shape[0], 1))
    return jnp.exp(-jnp.concatenate([now, log_mixture], axis=1))
