"""From a book of the host to the groups of a cascade: whole groups, one tile each."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from models.account import Account
from models.venue import Venue
from stress.book import Book
from stress.cascade_state import Group, Roster, Setting
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


def roster_of(setting: Setting, groups: Sequence[Group]) -> Roster:
    """The same accounts by structure and in one row.

    Args:
      setting: says how many markets and tokens there are.
      groups: of the book.

    Returns:
      The roster, leaves `[..., N]` in the order of the groups.
    """
    borrows = any(group.account.portfolio for group in groups)
    markets = tuple(range(len(setting.market_asset)))
    tokens = tuple(range(len(setting.token_asset))) if borrows else ()

    def rows(values, own, every, fill):  # [len(own), n] at the places of `own` among `every`
        wide = jnp.full((len(every), values.shape[1]), fill, values.dtype)
        return wide.at[np.asarray(own, int)].set(values)

    def row(of):
        return jnp.concatenate([of(group) for group in groups], axis=-1)

    account = Account(
        markets=markets,
        tokens=tokens,
        portfolio=borrows,
        net_cash=row(lambda g: g.account.net_cash),
        size=row(lambda g: rows(g.account.size, g.account.markets, markets, 0)),
        inverse_leverage=row(
            lambda g: rows(g.account.inverse_leverage, g.account.markets, markets, 0)
        ),
        supplied=row(lambda g: rows(g.account.supplied, g.account.tokens, tokens, 0)),
        shared_margin=row(lambda g: g.account.shared_margin),
    )
    return Roster(
        kinds=tuple(sorted({group.account.portfolio for group in groups})),
        groups=tuple(groups),
        account=account,
        portfolio=row(lambda g: jnp.full(g.equity.shape, g.account.portfolio)),
        entry=row(lambda g: rows(g.entry, g.account.markets, markets, 1)),
        equity=row(lambda g: g.equity),
    )


def liquidation_order(venue: Venue, groups: tuple[Group, ...], keys: jax.Array) -> jax.Array:
    """Whether perpetuals go before loans, bool `[p, N]`, drawn per account and path.

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
    return jnp.concatenate(result, axis=1)
