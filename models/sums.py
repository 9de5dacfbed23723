"""Sums over accounts, in parts that a processor adds side by side.

XLA adds in the order of the figures, each after the one before; a processor could add many at once.
"""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Array

PARTS = 16  # a power of 2


def total(values: Array, of: Callable[..., Array] = lambda x: x, *more: Array) -> Array:
    """Sum of `of(values, *more)` over accounts, the last axis, float64.

    In `PARTS` rows side by side, then along them; `of`, element by element, is taken of each row,
    so that what is summed is never written.

    Args:
      values: `[..., n]`.
      of: element by element; the unit of its result is that of the sum.
      *more: further arguments of `of`, last axis `n`.

    Returns:
      `[...]`, float64; in another order than that of the accounts, so equal but for rounding.

    Errors:
      Raises nothing; a NaN gives NaN.
    """
    given = (values, *more)
    width = values.shape[-1] // PARTS

    def part(start, stop):
        return of(*(x[..., start:stop] for x in given)).astype(jnp.float64)

    if width < 2:
        return jnp.sum(part(0, None), axis=-1)
    rows = [part(i * width, (i + 1) * width) for i in range(PARTS)]
    while len(rows) > 1:
        rows = [a + b for a, b in zip(rows[::2], rows[1::2], strict=True)]
    summed = jnp.sum(rows[0], axis=-1)
    if values.shape[-1] > PARTS * width:
        summed = summed + jnp.sum(part(PARTS * width, None), axis=-1)
    return summed
