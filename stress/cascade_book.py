"""From a book of the host to the groups of a cascade: whole groups, one tile each."""

import jax
import jax.numpy as jnp

from models.venue import Venue
from stress.book import Book
from stress.cascade_state import Group
from stress.engine import FrozenBook
from stress.frozen import freeze, in_precision

WHOLE = 2**31  # accounts of a tile: all


def cascade_book(
    book: Book, venue: Venue, path_tile: int, precision: str
) -> tuple[FrozenBook, tuple[Group, ...]]:
    """Groups of a cascade, and the frozen book that says which row belongs to which account.

    Args:
      book: one quote token; its axes are the venue's.
      venue: the rule book.
      path_tile: paths of a tile.
      precision: of the accounts' figures.

    Returns:
      (`FrozenBook` with one tile a group, the groups in its order).
    """
    frozen = in_precision(freeze(book, venue, path_tile=path_tile, account_tile=WHOLE), precision)
    return frozen, groups_of(frozen)


def groups_of(frozen: FrozenBook) -> tuple[Group, ...]:
    """The groups of a book that has one tile a group, in its order."""
    return tuple(
        Group(account=jax.tree.map(lambda x: x[0], account), entry=entry[0], equity=equity[0])
        for account, entry, equity in zip(frozen.accounts, frozen.entry, frozen.equity, strict=True)
    )


def liquidation_order(
    venue: Venue, groups: tuple[Group, ...], keys: jax.Array
) -> tuple[jax.Array, ...]:
    """Whether perpetuals go before loans, bool `[p, n]` per group, drawn per account and path.

    Args:
      venue: with the reading of the assumption `liquidation_order`.
      groups: of the book.
      keys: one per path, `[p]`.

    Returns:
      The order; a path keeps its own whatever tile it is in.
    """
    share = venue.assumptions.perps_first_probability.astype(jnp.float32)
    result = []
    for g, group in enumerate(groups):
        count = group.equity.shape[0]
        if not (group.account.portfolio and group.account.markets):
            result.append(jnp.ones((keys.shape[0], count), bool))
            continue
        draws = jax.vmap(lambda k, g=g, count=count: jax.random.uniform(
            jax.random.fold_in(k, g), (count,), jnp.float32))(keys)  # fmt: skip
        result.append(draws < share)
    return tuple(result)
