"""Places in a table of paths and accounts: found by flags, read, and written.

A path alone is gone through flag by flag, for its loop is one program (`stress.cascade_lanes`);
places of several are found and written at once. Axes: `p` paths, `N` accounts, `k` places.
"""

from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

WORD = 32  # flags of a machine word


def places(flags: Bool[Array, "p N"], seats: int) -> tuple[Int[Array, "k"], Int[Array, "k"]]:
    """Rows and columns of the flags that are set, row after row, ascending.

    Flags are packed into words. Each word that has any is noted at the seat of its first one, those
    after it have the same word or a later one; the bit is found in the word by halves.

    Args:
      flags: of `N` accounts on `p` paths.
      seats: `k`, how many places are wanted at most.

    Returns:
      The first `k` places; row `p` and column 0 where there are no more.

    Errors:
      Raises nothing; set flags beyond the first `k` are left out.
    """
    paths, count = flags.shape
    width = -(-count // WORD)
    if paths == 1:
        return _walked(flags[0], seats)
    words = paths * width
    padded = jnp.pad(flags, ((0, 0), (0, width * WORD - count)))
    bits = jnp.left_shift(jnp.uint32(1), jnp.arange(WORD, dtype=jnp.uint32))
    packed = jnp.sum(
        jnp.where(padded.reshape(words, WORD), bits, jnp.uint32(0)), axis=1, dtype=jnp.uint32
    )
    ones = jax.lax.population_count(packed).astype(jnp.int32)
    upto = jnp.cumsum(ones)
    begin = upto - ones  # how many flags are set before a word
    wanted = jnp.arange(seats, dtype=jnp.int32)
    at = jnp.where(ones > 0, begin, seats)
    number = jnp.arange(words, dtype=jnp.int32)
    word = jax.lax.cummax(jnp.zeros_like(wanted).at[at].max(number, mode="drop"))
    rank = (wanted - begin[word]).astype(jnp.uint32)
    place = (word % width) * WORD + _bit(packed[word], rank)
    some = wanted < upto[-1]
    return jnp.where(some, word // width, paths), jnp.where(some, place, 0)


def _walked(flags: Bool[Array, "N"], seats: int) -> tuple[Int[Array, "k"], Int[Array, "k"]]:
    """The same of one path, word by word and flag by flag: cheap where a loop is one program."""
    width = -(-flags.shape[0] // WORD)
    padded = jnp.pad(flags, (0, width * WORD - flags.shape[0])).reshape(width, WORD)
    bits = jnp.left_shift(jnp.uint32(1), jnp.arange(WORD, dtype=jnp.uint32))
    packed = jnp.sum(jnp.where(padded, bits, jnp.uint32(0)), axis=1, dtype=jnp.uint32)

    def go(carry):
        at, found, _, _ = carry
        return (at < width) & (found < seats)

    def step(carry):
        at, found, word, who = carry
        low = jax.lax.population_count((word & -word) - 1).astype(jnp.int32)
        none = word == 0
        new = jnp.where(none, 0, (at * WORD + low)).astype(jnp.int32)
        who = jax.lax.dynamic_update_slice(who, new[None], (found,))
        after = at + none
        word = jnp.where(none, packed[jnp.minimum(after, width - 1)], word & (word - 1))
        return after, found + ~none, word, who

    zero = jnp.zeros((), jnp.int32)
    begin = (zero, zero, packed[0], jnp.zeros(seats, jnp.int32))
    _, found, _, who = jax.lax.while_loop(go, step, begin)
    some = jnp.arange(seats) < found
    return jnp.where(some, 0, 1), jnp.where(some, who, 0)


def _bit(word, rank) -> Array:
    """Place of the set bit number `rank` (0 = lowest) of a word, int32."""
    place = jnp.zeros_like(word)
    for half in (16, 8, 4, 2, 1):
        low = word & jnp.uint32((1 << half) - 1)
        inside = jax.lax.population_count(low)
        beyond = rank >= inside
        rank = jnp.where(beyond, rank - inside, rank)
        word = jnp.where(beyond, word >> half, low)
        place = place + jnp.where(beyond, jnp.uint32(half), jnp.uint32(0))
    return place.astype(jnp.int32)


def gathered(values: Array, path: Int[Array, "k"], who: Int[Array, "k"]) -> Array:
    """`[..., k]` of `[..., p, N]`; what lies in a place of path `p` is somebody else's."""
    if values.shape[-2] == 1:
        return jnp.take(values[..., 0, :], who, axis=-1, mode="clip")
    return values.at[..., path, who].get(mode="clip")


def put(
    into: Mapping[str, Array],
    path: Int[Array, "k"],
    who: Int[Array, "k"],
    values: Mapping[str, Array],
) -> dict[str, Array]:
    """Tables `[..., p, N]` with values `[..., k]` at their places; on path `p`: nowhere."""
    if next(iter(into.values())).shape[-2] > 1:
        return {k: x.at[..., path, who].set(values[k], mode="drop") for k, x in into.items()}

    def one(i, tables):
        return {name: _put_one(x, path[i] == 0, who[i], values[name], i)
                for name, x in tables.items()}  # fmt: skip

    last = jnp.max(jnp.where(path == 0, 1 + jnp.arange(path.shape[0]), 0))
    return jax.lax.fori_loop(0, last, one, dict(into))


def _put_one(table, wanted, at, values, i):
    """A table of one path with place `i` written, where that is wanted."""
    new = jax.lax.dynamic_slice_in_dim(values, i, 1, -1)[..., None, :]
    old = jax.lax.dynamic_slice_in_dim(table, at, 1, -1)
    return jax.lax.dynamic_update_slice_in_dim(table, jnp.where(wanted, new, old), at, -1)
