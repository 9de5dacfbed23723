"""Seats: the few accounts of a tile that prices of a step's rounds can bring to their trigger.

The whole book is asked who is that near (`models.reach.near`). Those take seats, one row for all
paths of the tile: what they hold is gathered once, all rounds are played on it, and what they hold
afterwards goes back to the book. Axes: `p` paths of a tile, `N` accounts of the book, `k` seats.
"""

import dataclasses
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from models.account import Account
from models.liquidation import Action, Holding
from models.sums import total
from stress.cascade_places import gathered, places, put
from stress.cascade_state import Record, Roster, State

CHANGED = ("cash", "size", "supplied", "cooldown")  # what rounds change of a holding
NOTED = ("first", "equity", "loan", "notional", "collateral", "ratio")  # at a first liquidation


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Seats:
    """Accounts that rounds act on, path after path, in the order of the book."""

    kinds: tuple[bool, ...] = field(metadata={"static": True})  # as `Roster.kinds`
    paths: int = field(metadata={"static": True})  # of the tile
    path: Int[Array, "k"]  # number of paths: an empty seat
    who: Int[Array, "k"]  # place in the book
    taken: Bool[Array, "k"]
    account: Account  # leaves [..., k]
    portfolio: Bool[Array, "k"]
    perps_first: Bool[Array, "k"]
    held: Holding  # leaves [..., k]
    record: Record  # what is noted in this sitting; `first` of before too

    def of_path(self, values: Array) -> Array:
        """`[..., k]`: to each seat the value `[..., p]` of its path."""
        if self.paths == 1:
            return jnp.broadcast_to(values, (*values.shape[:-1], self.path.shape[0]))
        return jnp.take(values, self.path, axis=-1, mode="clip")

    def total(self, values: Array) -> Float[Array, "... p"]:
        """Sums over the seats of each path, float64; empty seats count for nobody."""
        if self.paths == 1:
            own = jnp.where(self.taken, values.astype(jnp.float64), 0)
            if own.ndim == 1:
                return total(own)[None]
            return own @ jnp.ones((own.shape[-1], 1))  # rows side by side
        zero = jnp.zeros((*values.shape[:-1], self.paths))
        return zero.at[..., self.path].add(values.astype(jnp.float64), mode="drop")

    def totals(self, *values: Array) -> list[Float[Array, "... p"]]:
        """`total` of several figures."""
        return [self.total(x) for x in values]

    def some(self, *flags: Bool[Array, "k"]) -> Bool[Array, "f p"]:
        """Paths of which some seat has a flag, a row for each of the flags."""
        if self.paths == 1:
            return jnp.stack([jnp.any(x & self.taken, keepdims=True) for x in flags])
        zero = jnp.zeros((len(flags), self.paths), jnp.int32)
        ones = jnp.stack(flags).astype(jnp.int32)
        return zero.at[:, self.path].add(ones, mode="drop") > 0


def take_seats(
    roster: Roster, state: State, order: Bool[Array, "p N"], flags: Bool[Array, "p N"], seats: int
) -> Seats:
    """Gathers the flagged accounts.

    Args:
      roster: of the book.
      state: what they hold.
      order: whether perpetuals go first.
      flags: who takes a seat, no more than there are.
      seats: their number.

    Returns:
      The seats, nothing noted yet.
    """
    path, who = places(flags, seats)

    def of_book(x):
        return jnp.take(x, who, axis=-1, mode="clip")

    zero, no = jnp.zeros(who.shape, state.held.cash.dtype), jnp.zeros(who.shape, bool)
    record = dict.fromkeys(NOTED, zero) | {"partial": no, "full": no}
    record |= {"first": gathered(state.record.first, path, who)}
    return Seats(
        kinds=roster.kinds,
        paths=flags.shape[0],
        path=path,
        who=who,
        taken=path < flags.shape[0],
        account=jax.tree.map(of_book, roster.account),
        portfolio=of_book(roster.portfolio),
        perps_first=gathered(order, path, who),
        held=jax.tree.map(lambda x: gathered(x, path, who), state.held),
        record=Record(**record),
    )


def put_back(seats: Seats, held: Holding) -> Holding:
    """Holdings of the book with what rounds have changed of those in the seats."""
    old, new = ({name: getattr(x, name) for name in CHANGED} for x in (held, seats.held))
    return dataclasses.replace(held, **put(old, seats.path, seats.who, new))


def looked_up(seats: Seats, held: Holding) -> Seats:
    """The same seats with what the book holds by now."""
    now = {name: gathered(getattr(held, name), seats.path, seats.who) for name in CHANGED}
    return dataclasses.replace(seats, held=dataclasses.replace(seats.held, **now))


def leave_seats(seats: Seats, first: Bool[Array, "k"], state: State) -> State:
    """The state with what those in the seats hold now and what was noted of them.

    Args:
      seats: after the rounds.
      first: whose first liquidation this sitting has seen.
      state: before it.

    Returns:
      The state after it.
    """

    def noted(names, where):
        old, new = (
            {name: getattr(x, name) for name in names} for x in (state.record, seats.record)
        )
        return put(old, jnp.where(where, seats.path, seats.paths), seats.who, new)

    acted = {name: noted((name,), getattr(seats.record, name)) for name in ("partial", "full")}
    values = noted(NOTED, first) | acted["partial"] | acted["full"]
    record = dataclasses.replace(state.record, **values)
    return dataclasses.replace(state, held=put_back(seats, state.held), record=record)


def note_action(seats: Seats, action: Action) -> Seats:
    """Marks what has happened to accounts: in part (book, takeover), in full (vault, takeover)."""
    record = dataclasses.replace(
        seats.record,
        partial=seats.record.partial | action.book | action.partial,
        full=seats.record.full | action.handover | action.full,
    )
    return dataclasses.replace(seats, record=record)
