"""From a book of the host to the engine's `FrozenBook`: groups of one structure, tiled."""

import dataclasses
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from models.account import Account, Market
from models.lends import only_lends
from models.reach import Range, out_of_reach
from models.step import start
from models.venue import Venue
from stress.arrays import device_array
from stress.book import (
    Book,
    MarginAccounts,
    group_names,
    margin_accounts,
    settle_index,
    used_quotes,
)
from stress.engine import FrozenBook
from stress.margin_figures import market_now

ACCOUNT_TILE = 128  # accounts of a tile at most: small ones are passed over more often
PATH_TILE = 128  # with them its state stays in the L2 cache
MOVES = np.geomspace(0.002, 0.9, 48)  # relative, all prices at once
LENDS = 0.1  # relative move of all prices within which lenders stay lenders
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
      coarse: group by whether accounts borrow alone, with all terms, to check the first passages
        against; what has no positions then gets the thresholds of what has.

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
    accounts, entry, equity, offset = [], [], [], 0
    place = np.zeros(len(rows.owner), np.int64)
    worth = equity_now(book, rows)
    for portfolio, positions in ((False, True), (True, False), (True, True)):
        member = (borrows == portfolio) & (holds == positions)
        if coarse or not portfolio:
            member = (borrows == portfolio) & positions
        index = np.flatnonzero(member)
        if not len(index):
            continue
        every = range(len(venue.markets)), range(len(venue.tokens))
        markets = every[0] if positions else ()
        tokens = every[1] if portfolio else ()
        markets = [m for m in markets if coarse or (rows.size[index, m] != 0).any()]
        tokens = [c for c in tokens if coarse or (rows.supplied[index, c] != 0).any()]
        if len(index) > account_tile:  # tiles whose accounts are all far off are passed over
            alone = _account(
                rows, markets, tokens, portfolio, lambda x, i=index: device_array(x[i].T)
            )
            now = market_now(book)
            moves, lends = widest_moves(venue, alone, now), lenders(venue, alone, now)
            index = index[np.lexsort((moves, lends))]
        tile = _tiler(index, account_tile)
        accounts.append(_account(rows, markets, tokens, portfolio, tile))
        entry.append(tile(rows.entry_price[:, list(markets)]))
        equity.append(tile(worth))
        place[index] = offset + np.arange(len(index))
        offset += equity[-1].size
    users, names = len(book.ids), group_names(book)
    group = np.array([names.index(g) for g in book.groups], int)
    further = np.asarray(rows.owner[users:], int)
    return FrozenBook(
        accounts=tuple(accounts),
        entry=tuple(entry),
        equity=tuple(equity),
        row=device_array(place[:users], int),
        isolated_row=device_array(place[users:], int),
        isolated_owner=device_array(further, int),
        group=device_array(group, int),
        groups=len(names),
        path_tile=path_tile,
        **owners(place[:users], further, group, len(names), offset),
    )


def owners(row: np.ndarray, further: np.ndarray, group: np.ndarray, groups: int, rows: int):
    """Fields of a `FrozenBook` that say which accounts have several margin accounts (host side).

    Args:
      row: `[U]`, margin account that holds each account's shared margin.
      further: `[I]`, owner of each further margin account.
      group: `[U]`, group of each account.
      groups: their number.
      rows: `N`, margin accounts with padding.

    Returns:
      `shared`, `of_shared`, `row_account` and `row_group` by name.
    """
    shared, of_shared = np.unique(further, return_inverse=True)
    alone = np.setdiff1d(np.arange(len(row)), shared)
    row_group = np.full(rows, groups)
    row_group[row[alone]] = group[alone]
    row_account = np.full(rows, len(row))
    row_account[row] = np.arange(len(row))
    return {
        "shared": device_array(shared, int),
        "of_shared": device_array(of_shared, int),
        "row_account": device_array(row_account, int),
        "row_group": device_array(row_group, int),
    }


def equity_now(book: Book, rows: MarginAccounts) -> np.ndarray:
    """Equity of margin accounts at the book's prices, all collateral included, USDC `[N]`."""
    quote_price = np.array([book.token_prices.get(q, 1.0) for q in book.quotes])
    mark = np.array([book.marks[m] for m in book.markets])
    token = np.array([book.token_prices[t] for t in book.tokens])
    positions = rows.size @ (mark * quote_price[settle_index(book)])
    return rows.net_cash @ quote_price + positions + rows.supplied @ token


def widest_moves(venue: Venue, account: Account, now: Market) -> np.ndarray:
    """Widest of `MOVES` that all prices may make at once without an account being reached, `[n]`.

    It only orders accounts, so that those of a tile are alike; nothing else depends on it.

    Args:
      venue: the rule book.
      account: leaves `[..., n]`.
      now: today's prices.

    Returns:
      Relative moves, 1; 0 where none is safe.

    Errors:
      Raises nothing; a NaN price gives 0.

    Source:
      `models.reach`.
    """
    safely = np.asarray(_within(out_of_reach, venue, account, now, jnp.asarray(MOVES)))
    return np.max(safely * MOVES[:, None], axis=0)


def lenders(venue: Venue, account: Account, now: Market) -> np.ndarray:
    """Which accounts only lend while all prices stay within `LENDS` of today's, bool `[n]`.

    It only orders accounts, as `widest_moves`: interest of a tile of lenders takes one step for a
    whole stretch. All False for accounts that cannot lend.
    """
    if not (account.portfolio and account.markets):
        return np.zeros(account.net_cash.shape[-1], bool)
    return np.asarray(_within(only_lends, venue, account, now, jnp.asarray([LENDS])))[0]


@partial(jax.jit, static_argnums=0)
def _within(
    bound: Callable, venue: Venue, account: Account, now: Market, moves: Float[Array, "k"]
) -> Bool[Array, "k n"]:
    """A bound of `models.reach` or `models.lends` while all prices stay within each move."""

    def safe(move):
        names = ("mark", "settlement", "collateral_price")
        low, high = (
            dataclasses.replace(now, **{n: getattr(now, n) * factor for n in names})
            for factor in (1 - move, 1 + move)
        )
        seen = Range(low=low, high=high, growth=jnp.zeros_like(now.quote_price))
        fresh = jax.vmap(start, in_axes=-1, out_axes=-1)(account)
        one = partial(bound, venue)
        return jax.vmap(one, in_axes=(-1, -1, None))(account, fresh, seen)

    return jax.vmap(safe)(moves)


def _tiler(index: np.ndarray, account_tile: int) -> Callable[[np.ndarray], jax.Array]:
    """Function that brings rows `[N, ...]` of a group to leaves `[tiles, ..., tile size]`."""
    tiles = -(-len(index) // account_tile)
    size = -(-len(index) // tiles)
    size = -(-size // LANES) * LANES

    def tile(values: np.ndarray) -> jax.Array:
        full = np.zeros((tiles * size, *values.shape[1:]))
        full[: len(index)] = values[index]
        return device_array(np.moveaxis(full.reshape(tiles, size, *values.shape[1:]), 1, -1))

    return tile


def _account(
    rows: MarginAccounts,
    markets: Sequence[int],
    tokens: Sequence[int],
    portfolio: bool,
    tile: Callable[[np.ndarray], jax.Array],
) -> Account:
    """Accounts of one group, tiled."""
    return Account(
        markets=tuple(markets),
        tokens=tuple(tokens),
        portfolio=portfolio,
        net_cash=tile(rows.net_cash),
        size=tile(rows.size[:, list(markets)]),
        inverse_leverage=tile(1 / rows.leverage[:, list(markets)]),
        supplied=tile(rows.supplied[:, list(tokens)]),
        shared_margin=tile(np.isin(rows.kind, ("portfolio", "unified", "lender")) * 1.0),
    )


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
    """Floating leaves of a pytree in another precision, cast on the host; integers stay."""

    def cast(x):
        floating = jnp.issubdtype(x.dtype, jnp.floating) and x.dtype != precision
        return device_array(x, precision) if floating else x

    return jax.tree.map(cast, tree)
