"""Seats: the few accounts of a path that a round of liquidation acts on.

A round looks at every account of the book only to see who is liquidatable. Those take seats, what
they hold is gathered to them, everything that a round decides and moves is of size paths x seats,
and what they hold afterwards goes back to the book. Axes: `p` paths of a tile, `n` accounts of a
group, `k` seats of a group.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Int

from models.account import Account
from models.liquidation import Holding
from stress.cascade_state import Group, Record, State

WORD = 32  # flags of a machine word


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Seats:
    """Accounts of a group that a round acts on, in the order of the book."""

    who: Int[Array, "p k"]  # place in the group; its number of accounts: an empty seat
    taken: Bool[Array, "p k"]
    account: Account  # leaves [..., p, k]
    held: Holding
    first_time: Bool[Array, "p k"]  # not liquidatable before
    perps_first: Bool[Array, "p k"]


def places(flags: Bool[Array, "p n"], seats: int) -> Int[Array, "p k"]:
    """Places of the flags that are set, ascending; `n` where there are no more.

    Flags are packed into words, whose counts say in which word the k-th set flag is (a binary
    search over their running sum); the bit is found in the word by halves.

    Args:
      flags: of `n` accounts.
      seats: `k`, how many places are wanted at most.

    Returns:
      The first `k` places of each row.

    Errors:
      Raises nothing; set flags beyond the first `k` are left out.
    """
    paths, count = flags.shape
    words = -(-count // WORD)
    padded = jnp.pad(flags, ((0, 0), (0, words * WORD - count)))
    bits = jnp.left_shift(jnp.uint32(1), jnp.arange(WORD, dtype=jnp.uint32))
    packed = jnp.sum(
        jnp.where(padded.reshape(paths, words, WORD), bits, jnp.uint32(0)), axis=2, dtype=jnp.uint32
    )
    ones = jax.lax.population_count(packed).astype(jnp.int32)
    upto = jnp.cumsum(ones, axis=1)
    wanted = jnp.broadcast_to(jnp.arange(seats, dtype=jnp.int32), (paths, seats))
    word = jnp.zeros_like(wanted)

    def at(values, index):
        return jnp.take_along_axis(values, index, axis=1, mode="clip")

    for power in reversed(range(words.bit_length())):
        probe = word + (1 << power)
        passed = (probe <= words) & (at(upto, probe - 1) <= wanted)
        word = jnp.where(passed, probe, word)
    here = jnp.minimum(word, words - 1)
    rank = (wanted - (at(upto, here) - at(ones, here))).astype(jnp.uint32)
    place = _bit(at(packed, here), rank)
    return jnp.where(word < words, here * WORD + place, count)


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


def take_seats(
    groups: Sequence[Group], state: State, order: Sequence[Array], flags, seats: int
) -> tuple[Seats, ...]:
    """Gathers the flagged accounts.

    Args:
      groups: structure of the accounts.
      state: what they hold.
      order: per group bool `[p, n]`, whether perpetuals go first.
      flags: per group bool `[p, n]`.
      seats: of a group at most; no path flags more.

    Returns:
      Seats per group.
    """
    result = []
    for group, held, record, first, flag in zip(
        groups, state.held, state.record, order, flags, strict=True
    ):
        count = flag.shape[1]
        width = min(seats, count)
        who = places(flag, width)
        taken = who < count

        def of_path(x, who=who):
            at = who.reshape(*(1 for _ in x.shape[2:]), *who.shape)
            return jnp.take_along_axis(x, at, axis=-1, mode="clip")

        def of_book(x, who=who):
            return jnp.take(x, who, axis=-1, mode="clip")

        result.append(
            Seats(
                who=who,
                taken=taken,
                account=jax.tree.map(of_book, group.account),
                held=jax.tree.map(of_path, held),
                first_time=taken & jnp.isinf(of_path(record.first)),
                perps_first=of_path(first),
            )
        )
    return tuple(result)


def put(into: Array, who: Int[Array, "p k"], values: Array) -> Array:
    """`into` `[..., p, n]` with values `[..., p, k]` at their places; a place of `n`: nobody's."""
    rows = jnp.arange(who.shape[0], dtype=who.dtype)[:, None]
    return into.at[..., rows, who].set(values, mode="drop")


def leave_seats(seats: Sequence[Seats], held: Sequence[Holding]) -> tuple[Holding, ...]:
    """Holdings of the book, `[p, n]`, with what a round changes of those in the seats."""
    result = []
    for seat, old in zip(seats, held, strict=True):
        back = {
            name: put(getattr(old, name), seat.who, getattr(seat.held, name))
            for name in ("cash", "size", "supplied", "cooldown")
        }
        result.append(dataclasses.replace(old, **back))
    return tuple(result)


def note(seats: Seats, which, record: Record, values: dict[str, Array]) -> Record:
    """The record `[p, n]` with `values` `[p, k]` of those seats for which `which` `[p, k]`."""
    who = jnp.where(which, seats.who, record.first.shape[1])
    changed = {name: put(getattr(record, name), who, value) for name, value in values.items()}
    return dataclasses.replace(record, **changed)
