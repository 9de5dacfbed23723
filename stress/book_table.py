"""A book as long columns: what JSON and parquet files both hold.

One row per account, per balance, per supply and per position. `stress.book_check` checks them.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stress.book import Book, DexCash, Isolated, Tiers, dex_of, make_book


@dataclass(frozen=True, kw_only=True)
class Entries:
    """Named amounts of accounts, sorted by account."""

    account: np.ndarray  # [B] int
    name: np.ndarray  # [B] str
    amount: np.ndarray  # [B] tokens


@dataclass(frozen=True, kw_only=True)
class Positions:
    """Positions, sorted by account; NaN where a figure is not given."""

    account: np.ndarray  # [L] int
    market: np.ndarray  # [L] str
    size: np.ndarray  # [L] contracts, signed
    entry_price: np.ndarray  # [L] quote units per contract
    margin: np.ndarray  # [L] str, cross or isolated
    leverage: np.ndarray  # [L] 1, selected; NaN: the market's maximum
    margin_balance: np.ndarray  # [L] quote units, isolated only
    max_leverage: np.ndarray  # [L] 1, for markets the venue does not list


@dataclass(frozen=True, kw_only=True)
class BookTable:
    """A book's columns with its header."""

    name: str
    as_of: str
    venue: str
    prices: dict[str, tuple[float, float]]  # mark, oracle
    reserves: dict[str, tuple[float, float]]  # supplied, borrowed
    settle: dict[str, str] = field(default_factory=dict)
    margin_tables: dict[str, Tiers] = field(default_factory=dict)
    ids: np.ndarray  # [U] str
    modes: np.ndarray  # [U] str
    groups: np.ndarray  # [U] str
    balances: Entries
    supplied: Entries
    positions: Positions
    reported: dict[str, dict[str, Any]] = field(default_factory=dict)


def book_from_columns(
    table: BookTable, quotes: tuple[str, ...], maximum: np.ndarray, token_prices: dict[str, float]
) -> Book:
    """Builds the book of columns that `stress.book_check` has checked.

    Args:
      table: columns, sorted by account.
      quotes: quote tokens of the venue.
      maximum: 1, greatest leverage of each position's market `[L]`, for leverages left out.
      token_prices: USDC, reserve oracle prices.

    Returns:
      The book; zero amounts are dropped.
    """
    p, users = table.positions, len(table.ids)
    leverage = np.where(np.isnan(p.leverage), maximum, p.leverage)
    isolated = p.margin == "isolated"
    markets, column = axis_of(p.market)
    cross = ~isolated
    arrays = {name: np.zeros((users, len(markets))) for name in ("size", "entry_price")}
    arrays["leverage"] = np.ones((users, len(markets)))
    for name, values in (("size", p.size), ("entry_price", p.entry_price), ("leverage", leverage)):
        arrays[name][p.account[cross], column[cross]] = values[cross]
    tokens, token_column = axis_of(table.supplied.name[table.supplied.amount != 0])
    supplied = np.zeros((users, len(tokens)))
    held = table.supplied.amount != 0
    supplied[table.supplied.account[held], token_column] = table.supplied.amount[held]
    cash, dex_cash = _cash(table.balances, quotes, users)
    given = ~np.isnan(p.max_leverage)
    return make_book(
        name=table.name,
        as_of=table.as_of,
        venue=table.venue,
        marks={name: mark for name, (mark, _) in table.prices.items()},
        oracles={name: oracle for name, (_, oracle) in table.prices.items()},
        token_prices=token_prices,
        reserves=table.reserves,
        ids=table.ids,
        modes=table.modes,
        groups=table.groups,
        quotes=quotes,
        cash=cash,
        tokens=tokens,
        supplied=supplied,
        markets=markets,
        **arrays,
        isolated=Isolated(
            account=p.account[isolated],
            market=column[isolated],
            size=p.size[isolated],
            entry_price=p.entry_price[isolated],
            leverage=leverage[isolated],
            margin_balance=p.margin_balance[isolated],
        ),
        dex_cash=dex_cash,
        max_leverage=dict(
            zip(p.market[given].tolist(), p.max_leverage[given].tolist(), strict=True)
        ),
        margin_tables=table.margin_tables,
        settle=table.settle,
        reported=table.reported,
    )


def table_from_book(book: Book) -> BookTable:
    """Columns of a book: an account's cross positions in market order, then its isolated ones."""
    account, quote = np.nonzero(book.cash)
    dex, dex_quote = np.nonzero(book.dex_cash.cash)
    balances = _merge(
        Entries(
            account=account,
            name=np.array(book.quotes, dtype=str)[quote],
            amount=book.cash[account, quote],
        ),
        Entries(
            account=book.dex_cash.account[dex],
            name=np.array(
                [
                    f"{d}:{book.quotes[q]}"
                    for d, q in zip(book.dex_cash.dex[dex].tolist(), dex_quote, strict=True)
                ],
                dtype=str,
            ),
            amount=book.dex_cash.cash[dex, dex_quote],
        ),
    )
    account, token = np.nonzero(book.supplied)
    return BookTable(
        name=book.name,
        as_of=book.as_of,
        venue=book.venue,
        prices={name: (mark, book.oracles[name]) for name, mark in book.marks.items()},
        reserves=book.reserves,
        settle=book.settle,
        margin_tables=book.margin_tables,
        ids=book.ids,
        modes=book.modes,
        groups=book.groups,
        balances=balances,
        supplied=Entries(
            account=account,
            name=np.array(book.tokens, dtype=str)[token],
            amount=book.supplied[account, token],
        ),
        positions=_positions(book),
        reported=book.reported,
    )


def axis_of(names: np.ndarray) -> tuple[tuple[str, ...], np.ndarray]:
    """Sorted distinct names and each row's index into them."""
    found, column = np.unique(names, return_inverse=True)
    return tuple(str(name) for name in found), column.reshape(-1)


def _cash(balances: Entries, quotes: tuple[str, ...], users: int) -> tuple[np.ndarray, DexCash]:
    """Main balances `[U, Q]` and those on HIP-3 DEXs."""
    names, column = axis_of(balances.name)
    quote = np.array([quotes.index(name.rpartition(":")[2]) for name in names], dtype=int)[column]
    dexes, dex = axis_of(np.array([dex_of(name) for name in names], dtype=str)[column])
    main = np.array([name == "" for name in dexes], dtype=bool)[dex]
    cash = np.zeros((users, len(quotes)))
    cash[balances.account[main], quote[main]] = balances.amount[main]
    away = ~main & (balances.amount != 0)
    code = balances.account[away].astype(np.int64) * max(len(dexes), 1) + dex[away]
    pairs, row = np.unique(code, return_inverse=True)
    dex_cash = np.zeros((len(pairs), len(quotes)))
    dex_cash[row.reshape(-1), quote[away]] = balances.amount[away]
    return cash, DexCash(
        account=pairs // max(len(dexes), 1),
        dex=np.array(dexes or ("",), dtype=str)[pairs % max(len(dexes), 1)],
        cash=dex_cash,
    )


def _merge(first: Entries, second: Entries) -> Entries:
    account = np.concatenate([first.account, second.account]).astype(int)
    order = np.argsort(account, kind="stable")
    return Entries(
        account=account[order],
        name=np.concatenate([first.name, second.name])[order],
        amount=np.concatenate([first.amount, second.amount])[order],
    )


def _positions(book: Book) -> Positions:
    account, market = np.nonzero(book.size)
    iso = book.isolated
    none = np.full(len(account), np.nan)
    kinds = np.repeat(["cross", "isolated"], [len(account), len(iso.account)])
    owner = np.concatenate([account, iso.account]).astype(int)
    order = np.argsort(owner, kind="stable")
    names = np.array(book.markets, dtype=str)
    column = np.concatenate([market, iso.market]).astype(int)
    flat = np.array([book.max_leverage.get(name, np.nan) for name in book.markets])

    def joined(name: str) -> np.ndarray:
        values = getattr(book, name)[account, market]
        return np.concatenate([values, getattr(iso, name)])[order]

    return Positions(
        account=owner[order],
        market=names[column][order],
        size=joined("size"),
        entry_price=joined("entry_price"),
        margin=kinds[order],
        leverage=joined("leverage"),
        margin_balance=np.concatenate([none, iso.margin_balance])[order],
        max_leverage=flat[column][order],
    )
