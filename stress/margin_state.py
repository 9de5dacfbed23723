"""The margin state of every account of a book now, and against the venue's own figures.

    margin_states -> book_venue (rules) -> row_figures (arrays) -> AccountMargin (one per account)

Statuses: `healthy`; `liquidatable`, beyond the trigger; `partial`, a portfolio account without
positions that owes more than its collateral at weights (1+LTV)/2; `full`, the backstop takes
everything (equity below 2/3 of maintenance, or debt above the weights (2+LTV)/3). An account has
the worst status of its cross side, its HIP-3 DEXs and its isolated positions.
"""

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from stress.book import Book, MarginAccounts, dex_of, margin_accounts, settle_index
from stress.errors import InputError
from stress.files import suggest
from stress.margin_critical import true_prices
from stress.margin_figures import STATUSES, RowFigures, book_venue, row_figures
from stress.venue_files import VenueBook

Sides = dict[str, float | None]  # "below" and "above" today's price


@dataclass(frozen=True, kw_only=True)
class IsolatedMargin:
    """One isolated position, quote units of its market."""

    market: str
    size: float  # contracts, signed
    notional: float
    margin: float  # what was put behind it plus its unrealized PnL
    maintenance_margin: float
    margin_ratio: float  # 1, maintenance over margin; +inf without margin
    liquidation_price: float | None
    status: str


@dataclass(frozen=True, kw_only=True)
class AccountMargin:
    """Margin state of one account. USDC where nothing else is said; cross side unless isolated."""

    id: str
    mode: str
    group: str
    equity: float  # E: cash, loans and all PnL, isolated positions included, no collateral
    isolated_equity: float  # I
    maintenance_margin: float  # MM
    notional: float  # N
    collateral_value: float  # supplied tokens at the reserve oracle's prices
    borrow_capacity: float  # C_ltv
    liquidation_credit: float  # C_liq in the first quote token
    portfolio_margin_ratio: float  # 1; other modes: maintenance / equity; +inf without equity
    available_after_maintenance: dict[str, float]  # tokens; key dex:TOKEN on a standard's DEX
    health_factor: float | None  # 1, capacity over loan; None without a loan
    loan: float
    idle_supply: float  # quote balance lent to the pool
    status: str
    liquidation_prices: Sides  # per market; the venue's: collateral stays; None: no such price
    true_liquidation_prices: dict[str, Sides]  # per coin; its perps and collateral move together
    isolated: list[IsolatedMargin]
    reported: dict[str, Any]  # the venue's own figures
    residual: dict[str, Any]  # ours less reported; relative for prices


def margin_states(
    book: Book,
    venue_book: VenueBook,
    *,
    assumptions: Mapping[str, object] = MappingProxyType({}),
    prices: Mapping[str, float] | None = None,
) -> list[AccountMargin]:
    """Margin state of every account of a book.

    Loans are what the venue draws by itself at these prices, not limited by what reserves have
    left. A true liquidation price is a mark where the account has a position in the coin, else the
    collateral's price; it stops at the trigger (ratio 0.95), the venue's price at ratio 1.

    Args:
      book: the book.
      venue_book: its rules.
      assumptions: values that replace those of the rules' named assumptions.
      prices: per coin a price that replaces its marks, oracle prices and the price of tokens that
        follow it; per market or token that price alone.

    Returns:
      One state per account, in book order.

    Errors:
      Raises InputError for an unknown name or a price that is not positive; EnvironmentUnusable
      where 64-bit floats are off. Float64; the recorded account is met to 1e-9 relative.

    Source:
      As cited in `models.portfolio` and `models.critical`.
    """
    book = repriced(book, venue_book, prices or {})
    venue = book_venue(book, venue_book, assumptions)
    rows = margin_accounts(book)
    figures = row_figures(book, venue, rows)
    true = true_prices(book, venue_book, venue, rows, figures)
    owned: list[list[int]] = [[] for _ in book.ids]
    for row, owner in enumerate(rows.owner.tolist()):
        owned[owner].append(row)
    build = _Builder(book, rows, figures, true)
    return [build.account(u, mine) for u, mine in enumerate(owned)]


def repriced(book: Book, venue_book: VenueBook, prices: Mapping[str, float]) -> Book:
    """The book at other prices (see `margin_states`); its digest is that of the given book."""
    file = venue_book.file
    follows = {n: t.underlying for n, t in {**file.tokens, **file.quotes}.items()}
    marks, oracles, tokens = dict(book.marks), dict(book.oracles), dict(book.token_prices)
    known = {*marks, *(m.split(":")[-1] for m in marks), *tokens}
    known |= {follows.get(t, t) for t in tokens}
    for name, price in prices.items():
        if name not in known:
            raise InputError("prices", name, "an unknown coin", suggest(name, sorted(known)))
        if isinstance(price, bool) or not 0 < price < math.inf:
            raise InputError("prices", name, repr(price), "a positive price")
        for market in marks:
            if name in (market, market.split(":")[-1]):
                marks[market] = oracles[market] = float(price)
        for token in tokens:
            if name in (token, follows.get(token)):
                tokens[token] = float(price)
    return dataclasses.replace(book, marks=marks, oracles=oracles, token_prices=tokens)


class _Builder:
    """Turns rows of arrays into accounts; everything it indexes is a list, not an array."""

    def __init__(
        self, book: Book, rows: MarginAccounts, figures: RowFigures, true: list[dict[str, Sides]]
    ) -> None:
        self.book, self.true = book, true
        self.settle = settle_index(book).tolist()
        self.kind, self.size = rows.kind.tolist(), rows.size
        self.supplied = rows.supplied.tolist()
        self.worth = np.array([book.token_prices.get(q, 1.0) for q in book.quotes])
        names = [f.name for f in dataclasses.fields(figures)]
        self.of = {name: getattr(figures, name).tolist() for name in names}
        money = ("equity", "maintenance", "notional", "loan", "idle")
        self.usdc = {name: (getattr(figures, name) @ self.worth).tolist() for name in money}
        self.held = [np.flatnonzero(row).tolist() for row in rows.size]

    def account(self, u: int, rows: Sequence[int]) -> AccountMargin:
        book, of, usdc = self.book, self.of, self.usdc
        cross = [n for n in rows if self.kind[n] != "isolated"]
        alone = [n for n in rows if self.kind[n] == "isolated"]
        isolated = [self._isolated(n) for n in alone]
        own = cross[0]
        loan = sum(usdc["loan"][n] for n in cross)
        prices = {i.market: i.liquidation_price for i in isolated}
        for n in cross:
            prices |= {book.markets[m]: _price(of["liquidation"][n][m]) for m in self.held[n]}
        apart = sum(usdc["equity"][n] for n in alone)
        reported = book.reported.get(str(book.ids[u]), {})
        state = AccountMargin(
            id=str(book.ids[u]),
            mode=str(book.modes[u]),
            group=str(book.groups[u]),
            equity=sum(usdc["equity"][n] for n in cross) + apart,
            isolated_equity=apart,
            maintenance_margin=sum(usdc["maintenance"][n] for n in cross),
            notional=sum(usdc["notional"][n] for n in cross),
            collateral_value=of["collateral_value"][own],
            borrow_capacity=of["borrow_capacity"][own],
            liquidation_credit=of["credit"][own],
            portfolio_margin_ratio=max(of["ratio"][n] for n in cross),
            available_after_maintenance=self._available(own, cross),
            health_factor=of["borrow_capacity"][own] / loan if loan > 0 else None,
            loan=loan,
            idle_supply=sum(usdc["idle"][n] for n in cross),
            status=STATUSES[max(of["status"][n] for n in rows)],
            liquidation_prices=prices,
            true_liquidation_prices=_nearest([self.true[n] for n in cross]),
            isolated=isolated,
            reported=reported,
            residual={},
        )
        if not reported:
            return state
        return dataclasses.replace(state, residual=_residual(state))

    def _isolated(self, n: int) -> IsolatedMargin:
        of, m = self.of, self.held[n][0]
        q = self.settle[m]
        return IsolatedMargin(
            market=self.book.markets[m],
            size=float(self.size[n, m]),
            notional=of["notional"][n][q],
            margin=of["equity"][n][q],
            maintenance_margin=of["maintenance"][n][q],
            margin_ratio=of["ratio"][n],
            liquidation_price=_price(of["liquidation"][n][m]),
            status=STATUSES[of["status"][n]],
        )

    def _available(self, own: int, cross: Sequence[int]) -> dict[str, float]:
        """Quote tokens, then collateral tokens that may leave before maintenance is missing."""
        book, of = self.book, self.of
        found = dict(zip(book.quotes, of["available"][own], strict=True))
        for c, token in enumerate(book.tokens):
            if self.supplied[own][c]:
                found[token] = of["releasable"][own][c]
        for n in cross[1:]:
            if self.held[n]:
                dex = dex_of(book.markets[self.held[n][0]])
                found |= {f"{dex}:{q}": of["available"][n][i] for i, q in enumerate(book.quotes)}
        return found


def _price(price: float) -> float | None:
    return None if math.isnan(price) else price


def _nearest(rows: Iterable[dict[str, Sides]]) -> dict[str, Sides]:
    """Per coin the greatest price below and the least above over rows that margin alone."""
    found: dict[str, Sides] = {}
    for row in rows:
        for coin, sides in row.items():
            other = found.get(coin, {"below": None, "above": None})
            below = [p for p in (sides["below"], other["below"]) if p is not None]
            above = [p for p in (sides["above"], other["above"]) if p is not None]
            found[coin] = {"below": max(below, default=None), "above": min(above, default=None)}
    return found


def _residual(state: AccountMargin) -> dict[str, Any]:
    """Ours less the venue's figure; relative for prices, None where we find no price."""
    found: dict[str, Any] = {}
    for key, theirs in state.reported.items():
        ours = getattr(state, key)
        if not isinstance(theirs, Mapping):
            found[key] = ours - theirs
        elif key == "liquidation_prices":
            found[key] = {
                m: None if ours.get(m) is None else ours[m] / theirs[m] - 1 for m in theirs
            }
        else:
            found[key] = {t: ours[t] - theirs[t] for t in theirs if t in ours}
    return found
