"""The checks that every book passes, whatever file it came from."""

import math
import re
from typing import Any

import numpy as np

from stress.book import MODES, Book, dex_of
from stress.book_table import BookTable, Entries, axis_of, book_from_columns
from stress.errors import InputError
from stress.files import suggest
from stress.venue_files import VenueBook


def book_from_table(table: BookTable, venue: VenueBook, file: object) -> Book:
    """Checks columns against the venue and builds the book.

    Args:
      table: columns of types already checked.
      venue: the rule book that lists markets, collateral and quote tokens.
      file: named in messages.

    Returns:
      The book; zero amounts are dropped, an omitted leverage becomes the market's maximum.

    Errors:
      Raises InputError for the first fault, with the account id and the key.
    """
    check = _Checker(table, venue, file)
    check.accounts()
    maximum = check.markets()
    check.positions(maximum)
    check.balances()
    check.supply()
    quotes = tuple(venue.file.quotes)
    return book_from_columns(table, quotes, maximum, check.token_prices())


def by_account_id(error: InputError, ids: list[Any]) -> InputError:
    """The same error with `accounts[3]` replaced by the account's id, where it has one."""
    match = re.match(r"accounts\[(\d+)\](.+)", error.key)
    if not match or int(match[1]) >= len(ids) or not isinstance(ids[int(match[1])], str):
        return error
    key = f"accounts[{ids[int(match[1])]}]{match[2]}"
    return InputError(error.file, key, error.found, error.allowed)


class _Checker:
    """The checks of one table, in the order in which a person would fix the faults."""

    def __init__(self, table: BookTable, venue: VenueBook, file: object) -> None:
        self.table, self.venue, self.file = table, venue, file
        self.mode = table.modes[table.positions.account] if len(table.modes) else table.modes

    def _refuse(self, account: int, key: str, found: str, allowed: str) -> InputError:
        key = f"accounts[{self.table.ids[account]}].{key}".rstrip(".")
        return InputError(self.file, key, found, allowed)

    def _position(self, bad: np.ndarray, key: str, allowed: str, values: np.ndarray) -> None:
        """Refuses the first bad position."""
        if bad.any():
            row = int(np.argmax(bad))
            owner = self.table.positions.account
            number = row - int(np.searchsorted(owner, owner[row]))
            value, market = values[row].item(), self.table.positions.market[row]
            found = repr(value) if key == "market" else f"{_show(value)} in {market}"
            raise self._refuse(owner[row], f"positions[{number}].{key}", found, allowed)

    def _entry(self, of: str, bad: np.ndarray, allowed: str, found: str | None = None) -> None:
        """Refuses the first bad balance or supply."""
        if bad.any():
            row = int(np.argmax(bad))
            entries: Entries = getattr(self.table, of)
            found = repr(entries.amount[row].item()) if found is None else found
            raise self._refuse(entries.account[row], f"{of}.{entries.name[row]}", found, allowed)

    def accounts(self) -> None:
        ids, modes = self.table.ids, self.table.modes
        if not len(ids):
            raise InputError(self.file, "accounts", "an empty book", "at least one account")
        names, counts = np.unique(ids, return_counts=True)
        if (counts > 1).any():
            twice = names[np.argmax(counts > 1)]
            raise InputError(
                self.file, f"accounts[{twice}].id", f"the id {str(twice)!r} twice", "every id once"
            )
        for bad, key, found in (
            (ids == "", "id", "an empty id"),
            (self.table.groups == "", "group", "an empty group"),
        ):
            if bad.any():
                raise InputError(self.file, f"accounts[{np.argmax(bad)}].{key}", found, "a name")
        bad = ~np.isin(modes, MODES)
        if bad.any():
            row = int(np.argmax(bad))
            raise self._refuse(row, "mode", repr(str(modes[row])), ", ".join(MODES))

    def markets(self) -> np.ndarray:
        """Maximum leverage `[L]` of each position's market."""
        p, file = self.table.positions, self.venue.file
        listed = {name: tiers[0][1] for name, tiers in self.table.margin_tables.items()} | {
            name: file.margin_tables[market.value].value[0][1]
            for name, market in file.markets.items()
        }
        names, column = axis_of(p.market)
        maximum = np.empty(len(names))
        for n, name in enumerate(names):
            given = np.where(column == n, p.max_leverage, np.nan)
            known = given[~np.isnan(given)]
            if name in listed:
                maximum[n] = listed[name]
            elif len(known) == 0:
                allowed = f"{suggest(name, list(listed))}; or give its max_leverage"
                self._position(column == n, "market", allowed, p.market)
            else:
                maximum[n] = known[0]
                bad = (column == n) & (p.max_leverage != known[0])
                allowed = f"{known[0]:g} for every position in one market"
                self._position(bad, "max_leverage", allowed, p.max_leverage)
            if name not in self.table.prices:
                owner = self.table.ids[p.account[np.argmax(column == n)]]
                found = f"nothing, but account {owner} has a position in {name}"
                raise InputError(self.file, f"prices.{name}", found, "its mark and oracle price")
        for name, token in self.table.settle.items():
            if token not in file.quotes:
                allowed = suggest(token, list(file.quotes))
                raise InputError(self.file, f"settle.{name}", repr(token), allowed)
        return maximum[column]

    def positions(self, maximum: np.ndarray) -> None:
        p = self.table.positions
        finite = {"size": p.size, "entry_price": p.entry_price}
        for key, values in finite.items():
            self._position(~np.isfinite(values), key, "a finite number", values)
        self._position(p.size == 0, "size", "contracts, not 0", p.size)
        self._position(p.entry_price <= 0, "entry_price", "a positive price", p.entry_price)
        bad = ~np.isin(p.margin, ("cross", "isolated"))
        self._position(bad, "margin", "cross or isolated", p.margin)
        bad = ~(p.max_leverage > 0) & ~np.isnan(p.max_leverage)
        self._position(bad, "max_leverage", "a positive leverage", p.max_leverage)
        bad = ~((p.leverage > 0) & (p.leverage <= maximum)) & ~np.isnan(p.leverage)
        allowed = f"above 0, at most {maximum[np.argmax(bad)]:g}" if bad.any() else ""
        self._position(bad, "leverage", allowed, p.leverage)
        isolated = p.margin == "isolated"
        bad = isolated & ~np.isfinite(p.margin_balance)
        allowed = "the finite margin put behind an isolated position"
        self._position(bad, "margin_balance", allowed, p.margin_balance)
        bad = ~isolated & ~np.isnan(p.margin_balance)
        allowed = "no margin_balance on a cross position"
        self._position(bad, "margin_balance", allowed, p.margin_balance)
        lenders = self.mode == "lender"
        self._position(lenders, "market", "no position of a lender", p.market)
        if len(p.size):
            _, column = axis_of(p.market)
            code = p.account.astype(np.int64) * (column.max() + 1) + column
            first = np.zeros(len(code), dtype=bool)
            first[np.unique(code, return_index=True)[1]] = True
            allowed = "one position per account and market"
            self._position(~first, "market", allowed, p.market)

    def balances(self) -> None:
        b, quotes = self.table.balances, tuple(self.venue.file.quotes)
        self._entry("balances", ~np.isfinite(b.amount), "a finite number")
        names, column = axis_of(b.name)
        for n, name in enumerate(names):
            dex, token = dex_of(name), name.rpartition(":")[2]
            if token not in quotes:
                hint = "; collateral goes into supplied" if token in self.venue.file.tokens else ""
                allowed = suggest(token, quotes) + hint
                self._entry("balances", column == n, allowed, f"the token {token!r}")
            if dex:
                bad = (column == n) & (self.table.modes[b.account] != "cross")
                allowed = "one balance per token outside standard (cross) accounts"
                self._entry("balances", bad, allowed, f"a separate balance on DEX {dex!r}")
        bad = (b.amount < 0) & (self.table.modes[b.account] == "lender")
        self._entry("balances", bad, "a lender's supply, not negative")

    def supply(self) -> None:
        s, tokens = self.table.supplied, self.venue.file.tokens
        self._entry("supplied", ~np.isfinite(s.amount), "a finite number")
        self._entry("supplied", s.amount < 0, "a supply, not negative")
        names, column = axis_of(s.name)
        for n, name in enumerate(names):
            if name not in tokens:
                quote = name in self.venue.file.quotes
                hint = "; quote tokens go into balances" if quote else ""
                allowed = suggest(name, list(tokens)) + hint
                self._entry("supplied", column == n, allowed, f"the token {name!r}")
        mode = self.table.modes[s.account]
        bad = np.isin(mode, ("cross", "unified")) & (s.amount != 0)
        allowed = "collateral of portfolio accounts; that of other modes does not count"
        self._entry("supplied", bad, allowed)

    def token_prices(self) -> dict[str, float]:
        """Reserve oracle price of every token: its own entry, else that of its underlying."""
        file, prices = self.venue.file, self.table.prices
        used = {str(name) for name in self.table.supplied.name}
        used |= {str(name).rpartition(":")[2] for name in self.table.balances.name}
        used |= set(self.table.settle.values())
        found: dict[str, float] = {}
        for name, token in {**file.tokens, **file.quotes}.items():
            key = name if name in prices else token.underlying
            if key in prices:
                found[name] = prices[key][1]
            elif name in file.quotes and (name == next(iter(file.quotes)) or name not in used):
                found[name] = 1.0  # the first quote is the unit of account
            elif name in used:
                allowed = f"its oracle price in USDC, or that of {token.underlying}"
                raise InputError(self.file, f"prices.{name}", "nothing", allowed)
        return found


def _show(value: object) -> str:
    return "nothing" if isinstance(value, float) and math.isnan(value) else repr(value)
