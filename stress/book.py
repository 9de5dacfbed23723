"""A book: every account of a venue at one time, as arrays on the host.

Axes: `U` accounts, `Q` quote tokens, `C` collateral tokens, `M` perpetual markets, `I` isolated
positions, `N` margin accounts. Names on an axis are sorted, so that equal books have equal digests.
`stress.book_io` reads and writes books, `stress.synth` makes them, `margin_accounts` turns one into
the rows that the kernels of `models` margin one by one.
"""

import dataclasses
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

MODES = ("portfolio", "unified", "cross", "lender")
_ROWS = ("ids", "modes", "groups", "cash", "supplied", "size", "entry_price", "leverage")
Tiers = tuple[tuple[float, float], ...]  # (lower bound of the notional, maximum leverage)


@dataclass(frozen=True, kw_only=True)
class Isolated:
    """Isolated positions; each margins alone."""

    account: np.ndarray  # [I] int, index into the book's accounts
    market: np.ndarray  # [I] int, index into the book's markets
    size: np.ndarray  # [I] contracts, signed
    entry_price: np.ndarray  # [I] quote units per contract
    leverage: np.ndarray  # [I] 1, selected
    margin_balance: np.ndarray  # [I] quote units put behind it, without its unrealized PnL


@dataclass(frozen=True, kw_only=True)
class DexCash:
    """Collateral that standard cross accounts keep on builder-deployed (HIP-3) DEXs."""

    account: np.ndarray  # [D] int, index into the book's accounts
    dex: np.ndarray  # [D] str, prefix of the DEX's markets ("xyz" of "xyz:TSLA")
    cash: np.ndarray  # [D, Q] quote units, without unrealized PnL


@dataclass(frozen=True, kw_only=True)
class Book:
    """Accounts and the prices and reserves at which they were taken. Build it with `make_book`."""

    name: str
    as_of: str
    venue: str
    marks: dict[str, float]  # quote units, per perpetual market or underlying
    oracles: dict[str, float]  # same keys
    token_prices: dict[str, float]  # USDC, reserve oracle price of collateral and quote tokens
    reserves: dict[str, tuple[float, float]]  # token -> (supplied, borrowed), tokens
    ids: np.ndarray  # [U] str
    modes: np.ndarray  # [U] str, one of MODES
    groups: np.ndarray  # [U] str
    quotes: tuple[str, ...]
    cash: np.ndarray  # [U, Q] quote units, without unrealized PnL and isolated margin; < 0: loan
    tokens: tuple[str, ...]
    supplied: np.ndarray  # [U, C] tokens
    markets: tuple[str, ...]
    size: np.ndarray  # [U, M] contracts, signed, cross positions
    entry_price: np.ndarray  # [U, M] quote units per contract, 0 where there is no position
    leverage: np.ndarray  # [U, M] 1, selected; 1 where there is no position
    isolated: Isolated
    dex_cash: DexCash
    max_leverage: dict[str, float]  # market -> one flat tier, where the venue lists no table
    margin_tables: dict[str, Tiers]  # likewise, a whole table: goes before max_leverage
    settle: dict[str, str]  # market -> quote token; markets not named settle in the first quote
    reported: dict[str, dict[str, Any]]  # account id -> the venue's own figures
    digest: str = field(default="")  # SHA-256 of the content, the same from JSON and parquet


@dataclass(frozen=True, kw_only=True)
class MarginAccounts:
    """One row per account that margins alone; the first U rows are the book's accounts in order.

    Then one row per standard account and HIP-3 DEX, then one per isolated position. The net cash is
    cash less size * entry price (the venue's rawUsd): equity = net_cash + sum size * mark.
    """

    owner: np.ndarray  # [N] int, index into the book's accounts
    kind: np.ndarray  # [N] str: portfolio, unified, cross, lender, isolated
    net_cash: np.ndarray  # [N, Q] quote units
    size: np.ndarray  # [N, M] contracts, signed
    entry_price: np.ndarray  # [N, M] quote units per contract; unused where there is no position
    leverage: np.ndarray  # [N, M] 1, selected; 1 where there is no position
    supplied: np.ndarray  # [N, C] tokens, collateral of portfolio accounts only


def make_book(**fields: Any) -> Book:
    """Builds a book and its digest; checks nothing (`stress.book_table` checks).

    Args:
      fields: all fields of `Book` but the digest.

    Returns:
      The book with the digest of everything but its name and the venue's own figures.
    """
    book = Book(**fields)
    hasher = hashlib.sha256()
    for item in dataclasses.fields(book):
        if item.name not in ("digest", "name", "reported"):
            _feed(hasher, item.name, getattr(book, item.name))
    return dataclasses.replace(book, digest=hasher.hexdigest())


def group_names(book: Book) -> list[str]:
    """Groups in the order in which their first accounts stand in the book."""
    names, first = np.unique(book.groups, return_index=True)
    return [str(name) for name in names[np.argsort(first)]]


def select_accounts(book: Book, accounts: np.ndarray | Sequence[int | str]) -> Book:
    """The book with some of its accounts, in the order given.

    Args:
      book: a book.
      accounts: boolean mask `[U]`, indices, or ids.

    Returns:
      A book with the same prices, reserves and axes.

    Errors:
      Raises KeyError for an unknown id, ValueError for an account named twice.
    """
    chosen = np.asarray(accounts)
    if chosen.dtype == bool:
        chosen = np.flatnonzero(chosen)
    elif chosen.dtype.kind in "UO":
        place = {name: u for u, name in enumerate(book.ids.tolist())}
        chosen = np.array([place[str(name)] for name in chosen], dtype=int)
    if len(np.unique(chosen)) != len(chosen):
        raise ValueError("select_accounts: an account is named twice")
    moved = np.full(len(book.ids), -1)
    moved[chosen] = np.arange(len(chosen))
    rows = {name: getattr(book, name)[chosen] for name in _ROWS}
    kept = set(rows["ids"].tolist())
    return make_book(
        **{f.name: getattr(book, f.name) for f in dataclasses.fields(book) if f.name != "digest"}
        | rows
        | {
            "isolated": _follow(book.isolated, moved),
            "dex_cash": _follow(book.dex_cash, moved),
            "reported": {k: v for k, v in book.reported.items() if k in kept},
        }
    )


def dex_of(market: str) -> str:
    """DEX of a market: "xyz" of "xyz:TSLA", "" of the venue's own markets."""
    return market.partition(":")[0] if ":" in market else ""


def market_tiers(book: Book, market: str) -> Tiers | None:
    """Margin tiers that came with the book for a market its venue does not list; else None."""
    if market in book.margin_tables:
        return book.margin_tables[market]
    leverage = book.max_leverage.get(market)
    return None if leverage is None else ((0.0, leverage),)


def used_quotes(book: Book) -> tuple[str, ...]:
    """Quote tokens in which some account holds or owes money or a market settles; the first always.

    The others add terms that are zero for every account.
    """
    settled = {book.quotes[q] for q in settle_index(book)}
    held = np.any(book.cash != 0, axis=0) | np.any(book.dex_cash.cash != 0, axis=0)
    return tuple(
        token for q, token in enumerate(book.quotes) if q == 0 or held[q] or token in settled
    )


def settle_index(book: Book) -> np.ndarray:
    """Index `[M]` of each market's settlement token in the book's quotes."""
    default = book.quotes[0]
    return np.array([book.quotes.index(book.settle.get(m, default)) for m in book.markets], int)


def margin_accounts(book: Book) -> MarginAccounts:
    """Splits a book into accounts that margin alone.

    Portfolio and unified accounts margin all their cross positions together, on every DEX. A
    standard (cross) account margins each DEX alone: its first row keeps the venue's own markets,
    every HIP-3 DEX on which it has cash or positions gets a further row. Each isolated position is
    a row with one market. Whoever builds the engine's accounts uses the rows as they are, sums a
    row's equity to its owner, and counts an owner liquidated when any of its rows is.

    Args:
      book: a book.

    Returns:
      Rows `[0, U)` the accounts, then (account, DEX) rows, then isolated positions in book order.

    Source:
      Hyperliquid docs, "Margining" and "Portfolio margin", read 2026-11-22; HIP-3 DEXs have
      separate collateral for standard accounts, portfolio accounts count them together.
    """
    settle, iso = settle_index(book), book.isolated
    users, quotes, markets = len(book.ids), len(book.quotes), len(book.markets)
    names, away, cash = _dex_rows(book)
    owners = np.concatenate([np.arange(users), away[:, 0], iso.account]).astype(int)
    rows, dexes, first = len(owners), _dexes(book), users + len(away)

    size, leverage = np.zeros((rows, markets)), np.ones((rows, markets))
    entry = np.zeros((rows, markets))
    stays = np.ones((users, markets), dtype=bool)
    stays[np.ix_(book.modes == "cross", [dex != "" for dex in dexes])] = False
    size[:users] = np.where(stays, book.size, 0)
    leverage[:users] = np.where(stays, book.leverage, 1)
    entry[:users] = book.entry_price
    for k, (account, number) in enumerate(away):
        here = np.array([dex == names[number] for dex in dexes], dtype=bool)
        size[users + k] = np.where(here, book.size[account], 0)
        leverage[users + k] = np.where(here, book.leverage[account], 1)
        entry[users + k] = book.entry_price[account]
    at = np.arange(first, rows)
    size[at, iso.market], leverage[at, iso.market] = iso.size, iso.leverage
    entry[at, iso.market] = iso.entry_price

    net_cash = np.concatenate([book.cash, cash, np.zeros((len(at), quotes))])
    net_cash[at, settle[iso.market]] += iso.margin_balance
    for m in range(markets):
        net_cash[:, settle[m]] -= size[:, m] * entry[:, m]
    supplied = np.zeros((rows, len(book.tokens)))
    supplied[:users] = np.where((book.modes == "portfolio")[:, None], book.supplied, 0)
    return MarginAccounts(
        owner=owners,
        kind=np.concatenate([book.modes, ["cross"] * len(away), ["isolated"] * len(at)]),
        net_cash=net_cash,
        size=size,
        entry_price=entry,
        leverage=leverage,
        supplied=supplied,
    )


def _dexes(book: Book) -> list[str]:
    return [dex_of(market) for market in book.markets]


def _dex_rows(book: Book) -> tuple[list[str], np.ndarray, np.ndarray]:
    """DEX names; (account, DEX number) `[D, 2]` of standard accounts off the main DEX; cash."""
    dexes = _dexes(book)
    names = sorted(set(dexes) | set(book.dex_cash.dex.tolist()))
    number = {dex: k for k, dex in enumerate(names)}
    pairs = {
        (int(account), number[str(dex)]): cash
        for account, dex, cash in zip(
            book.dex_cash.account, book.dex_cash.dex, book.dex_cash.cash, strict=True
        )
    }
    for m, dex in enumerate(dexes):
        if dex:
            for account in np.flatnonzero((book.size[:, m] != 0) & (book.modes == "cross")):
                pairs.setdefault((int(account), number[dex]), np.zeros(len(book.quotes)))
    order = sorted(pairs)
    return (
        names,
        np.array(order, dtype=int).reshape(len(order), 2),
        np.array([pairs[key] for key in order], dtype=float).reshape(len(order), len(book.quotes)),
    )


def _follow(part: Any, moved: np.ndarray) -> Any:
    """Rows of `Isolated` or `DexCash` whose accounts remain, in the accounts' new order."""
    account = moved[part.account]
    order = np.flatnonzero(account >= 0)
    order = order[np.argsort(account[order], kind="stable")]
    values = {f.name: getattr(part, f.name)[order] for f in dataclasses.fields(part)}
    return type(part)(**values | {"account": account[order]})


def _feed(hasher: Any, name: str, value: object) -> None:
    """Adds one field to the digest: arrays by their bytes, mappings by sorted keys."""
    if dataclasses.is_dataclass(value):
        for item in dataclasses.fields(value):
            _feed(hasher, f"{name}.{item.name}", getattr(value, item.name))
    elif isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
        kind = "<f8" if value.dtype.kind == "f" else "<i8"
        hasher.update(f"{name}{value.shape}".encode() + (value.astype(kind) + 0).tobytes())
    elif isinstance(value, np.ndarray):
        hasher.update(f"{name}{value.shape}".encode() + "\0".join(value.tolist()).encode())
    elif isinstance(value, Mapping):
        hasher.update(f"{name}{sorted(value.items())!r}".encode())
    else:
        hasher.update(f"{name}{value!r}".encode())
