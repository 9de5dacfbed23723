"""From a book of the host to the engine's `FrozenBook`: groups of one structure, tiled."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from models.account import Account
from models.venue import Venue
from stress.book import Book, MarginAccounts, group_names, margin_accounts, used_quotes
from stress.engine import FrozenBook

ACCOUNT_TILE = 512  # accounts of a tile at most; with 64 paths its state stays in the L2 cache
PATH_TILE = 64
LANES = 16  # accounts of a tile are a multiple of the widest vector


def freeze(
    book: Book,
    venue: Venue,
    *,
    path_tile: int = PATH_TILE,
    account_tile: int = ACCOUNT_TILE,
    coarse: bool = False,
) -> FrozenBook:
    """Groups margin accounts by the terms they can have, and tiles each group.

    A group without positions has no margin terms, one that cannot borrow no collateral terms: they
    are absent from its program, not multiplied by zero.

    Args:
      book: the book; its markets, tokens and quotes are the venue's, in its order.
      venue: the rule book.
      path_tile: paths of a tile.
      account_tile: accounts of a tile at most.
      coarse: group by whether accounts borrow alone, with all terms (checks the grouping).

    Returns:
      The engine's book, float64.

    Errors:
      ValueError where the axes of book and venue differ.
    """
    for name in ("markets", "tokens", "quotes"):
        if tuple(getattr(book, name)) != tuple(getattr(venue, name)):
            raise ValueError(f"{name} of the book {getattr(book, name)} differ from the venue's")
    rows = margin_accounts(book)
    borrows = np.isin(rows.kind, ("portfolio", "lender"))
    holds = (rows.size != 0).any(axis=1)
    accounts, place, offset = [], np.zeros(len(rows.owner), np.int64), 0
    for portfolio, positions in ((False, True), (True, False), (True, True), (False, False)):
        member = (borrows == portfolio) & (holds == positions)
        if coarse:
            member = (borrows == portfolio) & positions
        index = np.flatnonzero(member)
        if not len(index):
            continue
        every = range(len(venue.markets)), range(len(venue.tokens))
        markets = every[0] if positions else ()
        tokens = every[1] if portfolio else ()
        markets = [m for m in markets if coarse or (rows.size[index, m] != 0).any()]
        tokens = [c for c in tokens if coarse or (rows.supplied[index, c] != 0).any()]
        group, width = _tiled(rows, index, markets, tokens, portfolio, account_tile)
        accounts.append(group)
        place[index] = offset + np.arange(len(index))
        offset += width
    users, names = len(book.ids), group_names(book)
    return FrozenBook(
        accounts=tuple(accounts),
        row=jnp.asarray(place[:users]),
        isolated_row=jnp.asarray(place[users:]),
        isolated_owner=jnp.asarray(rows.owner[users:]),
        group=jnp.asarray([names.index(g) for g in book.groups]),
        groups=len(names),
        path_tile=path_tile,
    )


def _tiled(
    rows: MarginAccounts,
    index: np.ndarray,
    markets: Sequence[int],
    tokens: Sequence[int],
    portfolio: bool,
    account_tile: int,
) -> tuple[Account, int]:
    """One group with leaves `[tiles, ..., tile size]`, and its padded number of accounts."""
    tiles = -(-len(index) // account_tile)
    size = -(-len(index) // tiles)
    size = -(-size // LANES) * LANES

    def tile(values: np.ndarray):
        full = np.zeros((tiles * size, *values.shape[1:]))
        full[: len(index)] = values
        return jnp.asarray(np.moveaxis(full.reshape(tiles, size, *values.shape[1:]), 1, -1))

    account = Account(
        markets=tuple(markets),
        tokens=tuple(tokens),
        portfolio=portfolio,
        net_cash=tile(rows.net_cash[index]),
        size=tile(rows.size[index][:, list(markets)]),
        inverse_leverage=tile(1 / rows.leverage[index][:, list(markets)]),
        supplied=tile(rows.supplied[index][:, list(tokens)]),
        shared_margin=tile(np.isin(rows.kind[index], ("portfolio", "unified", "lender")) * 1.0),
    )
    return account, tiles * size


def used_part(book: Book) -> Book:
    """The book without the quote tokens that nobody holds, owes or settles in."""
    kept = [book.quotes.index(q) for q in used_quotes(book)]
    return dataclasses.replace(
        book,
        quotes=tuple(book.quotes[q] for q in kept),
        cash=book.cash[:, kept],
        dex_cash=dataclasses.replace(book.dex_cash, cash=book.dex_cash.cash[:, kept]),
    )


def in_precision(tree, precision: str):
    """Floating leaves of a pytree in another precision; integers stay."""

    def cast(x):
        return x.astype(precision) if jnp.issubdtype(x.dtype, jnp.floating) else x

    return jax.tree.map(cast, tree)
