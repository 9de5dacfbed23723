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
from stress.sampling.keys import path_key

PARTS = 16  # shares of components are whole sixteenths, so that strata are exact
BURSTS = 0xB0057  # folded into the seed's key for the steps of bursts


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Mixture:
    """Proposals: normals with the means `shifts`, or with one step of their own among all.

    Component k is drawn with the share `parts[k] / PARTS`: first the shifts, then the bursts. A
    burst moves the normals of one step, each step as likely as any other: where increments have
    fat tails, the way to a loss is one bad hour and nobody knows which.
    """

    shifts: Float[Array, "K T n"]
    bursts: Float[Array, "B n"]
    parts: tuple[int, ...] = field(metadata={"static": True})


def mixture(
    shifts: np.ndarray, parts: tuple[int, ...], bursts: np.ndarray | None = None
) -> Mixture:
    """Builds a mixture (host side).

    Args:
      shifts: `[K, T, n]`; the first must be zero, the defensive one.
      parts: sixteenths of each component, K and then B of them.
      bursts: `[B, n]`; None for none.

    Errors:
      ValueError where shares do not add up to 16, or nothing is defensive.
    """
    single = np.zeros((0, shifts.shape[2])) if bursts is None else np.asarray(bursts)
    if len(parts) != len(shifts) + len(single) or sum(parts) != PARTS or min(parts) < 1:
        raise ValueError(f"shares {parts} of {len(shifts)} components: sixteenths that add up")
    if np.any(shifts[0]):
        raise ValueError("the first component must be the target itself, without a shift")
    return Mixture(shifts=jnp.asarray(shifts), bursts=jnp.asarray(single), parts=tuple(parts))


def shares(others: int, defensive: int) -> tuple[int, ...]:
    """Sixteenths of the target, at least `defensive`, and of as many others, nearly equal.

    Errors:
      ValueError for more others than there is room for.
    """
    if others > PARTS - defensive:
        raise ValueError(f"{others} components beside {defensive} sixteenths of the target")
    if not others:
        return (PARTS,)
    each, more = divmod(PARTS - defensive, others)
    return (defensive, *(each + (k < more) for k in range(others)))


@partial(jax.jit, static_argnames=("steps", "width"))
def tilted(
    mix: Mixture, how: Draws, seed_key: Array, paths: Int[Array, "P"], steps: int, width: int
) -> tuple[Float[Array, "P T n"], Int[Array, "P"]]:
    """Normals of numbered paths under the mixture, and the component that drew each.

    Paths 16 k to 16 k + 15 hold every component by its share exactly; so do the points of a
    scrambling. The step of a burst is drawn from the path's own key.

    Args:
      mix: the proposals.
      how: the way to draw what they are added to.
      seed_key: of the sample.
      paths: path numbers.
      steps: `T`.
      width: `n`.

    Returns:
      (normals, component of each path), float64.
    """
    edges = jnp.asarray(np.cumsum(mix.parts)[:-1] / PARTS)
    which = jnp.searchsorted(edges, spare_uniform(how, seed_key, paths), side="right")
    drawn = normals(how, seed_key, paths, steps, width)
    count = mix.shifts.shape[0]
    moved = drawn + mix.shifts[jnp.minimum(which, count - 1)] * (which < count)[:, None, None]
    if mix.bursts.shape[0]:
        key = jax.random.fold_in(seed_key, BURSTS)
        at = jax.vmap(lambda p: jax.random.randint(path_key(key, p), (), 0, steps))(paths)
        here = (jnp.arange(steps)[None] == at[:, None]) & (which >= count)[:, None]
        own = mix.bursts[jnp.maximum(which - count, 0)]
        moved = moved + here[:, :, None] * own[:, None, :]
    return moved, which


def likelihood_ratio(mix: Mixture, drawn: Float[Array, "P T n"]) -> Float[Array, "P T1"]:
    r"""Density of the target over the mixture, of the path up to each time (1 at time 0, now).

        w_t = 1 / sum_k a_k exp(sum_{j<=t} (<m_kj, z_j> - |m_kj|^2 / 2))

    where a burst's term is the mean over the steps it may fall on; on those after t it is 1. An
    event that is decided at time t is weighted with w_t: what follows adds nothing but noise.

    Args:
      mix: the proposals.
      drawn: normals of paths, however they came about.

    Returns:
      Ratios, above 0, at most one over the share of the target; float64. NaN in gives NaN out.

    Source:
      Glasserman (2003), Monte Carlo Methods in Financial Engineering, 4.6; mixtures: Owen and Zhou
      (2000), JASA 95, 135-143.
    """
    along = jnp.einsum("ktn,ptn->pkt", mix.shifts, drawn)
    half = jnp.sum(mix.shifts**2, axis=-1) / 2
    exponent = jnp.cumsum(along - half[None], axis=-1)
    if mix.bursts.shape[0]:
        steps = drawn.shape[1]
        each = jnp.einsum("bn,ptn->pbt", mix.bursts, drawn)
        each = each - jnp.sum(mix.bursts**2, axis=-1)[None, :, None] / 2
        so_far = jax.lax.cumlogsumexp(each, axis=2)
        left = jnp.log(jnp.arange(steps - 1, -1, -1.0))[None, None]
        mean = jnp.logaddexp(so_far, jnp.broadcast_to(left, so_far.shape)) - jnp.log(1.0 * steps)
        exponent = jnp.concatenate([exponent, mean], axis=1)
    shares = jnp.asarray(np.array(mix.parts) / PARTS)
    log_mixture = jax.scipy.special.logsumexp(exponent, axis=1, b=shares[None, :, None])
    now = jnp.zeros((drawn.shape[0], 1))
    return jnp.exp(-jnp.concatenate([now, log_mixture], axis=1))
