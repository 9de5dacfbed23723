"""Paths of a cascade's tile in lanes (`stress.lanes`): cut, played, and joined again.

Axes: `p` paths of a tile, `l` of a lane.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool

from stress.cascade_state import Now, State

SHARED = ("index", "time", "hours", "next_hours")  # leaves of the world that all paths share


def parted(series: Now, width: int) -> dict[str, Array]:
    """What paths of the world do not share, by name: `[..., p]` to `[p / width, ..., width]`."""

    def split(x):
        parts = x.reshape(*x.shape[:-1], x.shape[-1] // width, width)  # a book may have no tokens
        return jnp.moveaxis(parts, -2, 0)

    names = (f.name for f in dataclasses.fields(series) if f.name not in SHARED)
    return {name: split(getattr(series, name)) for name in names}


def in_lanes(
    play: Callable[[Bool[Array, "l N"], Now], tuple[State, Any]],
    order: Bool[Array, "p N"],
    series: Now,
    lanes: int,
) -> tuple[State, Any]:
    """Plays the paths of a tile, some at a time.

    Args:
      play: plays some paths, from their order and world; returns (state, leaves `[..., l]`).
      order: whether perpetuals are liquidated before loans.
      series: the world outside, leaves `[T, ..., p]`.
      lanes: paths at a time, a divisor of `p`.

    Returns:
      What `play` returns of all paths, in their order.
    """
    paths, accounts = order.shape
    if lanes == paths:
        return play(order, series)

    def some(inputs):
        parts, own = inputs
        return play(own, dataclasses.replace(series, **parts))

    def joined(axis):  # paths lie along this axis of what a lane returns
        def join(x):
            x = jnp.moveaxis(x, 0, axis - 1)
            before, after = x.shape[: axis - 1 + x.ndim], x.shape[x.ndim + axis + 1 :]
            return x.reshape(*before, paths, *after)

        return join

    inputs = (parted(series, lanes), order.reshape(-1, lanes, accounts))
    state, seen = jax.lax.map(some, inputs)
    held, record = jax.tree.map(joined(-2), (state.held, state.record))
    rest = dataclasses.replace(state, held=None, record=None)
    rest, seen = jax.tree.map(joined(-1), (rest, seen))
    return dataclasses.replace(rest, held=held, record=record), seen
