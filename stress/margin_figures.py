"""Margin figures of every account that margins alone, as arrays: the kernels batched over a book.

Axes: `N` margin accounts (`stress.book.MarginAccounts`), `Q` quote tokens, `M` markets, `C`
collateral tokens. `stress.margin_state` makes accounts of them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from models.account import Account, Market, margin_state
from models.portfolio import (
    available_after_maintenance,
    desired_loan,
    idle_balance,
    liquidation_price,
    margin_ratio,
    requirements,
    shortfall,
)
from models.step import reached, start, step
from models.venue import Venue
from stress.arrays import device_array
from stress.book import Book, MarginAccounts
from stress.venue_files import VenueBook
from stress.venues import build_venue

STATUSES = ("healthy", "liquidatable", "partial", "full")  # each worse than the one before


@dataclass(frozen=True, kw_only=True)
class RowFigures:
    """Figures of `N` margin accounts, quote units of their token where nothing else is said."""

    equity: np.ndarray  # [N, Q] X
    maintenance: np.ndarray  # [N, Q]
    notional: np.ndarray  # [N, Q]
    loan: np.ndarray  # [N, Q]
    idle: np.ndarray  # [N, Q] lent to the pool
    available: np.ndarray  # [N, Q] after maintenance
    collateral_value: np.ndarray  # [N] USDC
    borrow_capacity: np.ndarray  # [N] USDC
    credit: np.ndarray  # [N] USDC, C_liq in the first quote token
    releasable: np.ndarray  # [N, C] tokens that may leave before maintenance is missing
    ratio: np.ndarray  # [N] 1
    status: np.ndarray  # [N] int, index into STATUSES
    shortfall: np.ndarray  # [N] USDC to pay in until no ratio is beyond the trigger
    liquidation: np.ndarray  # [N, M] quote units per contract, NaN: none


def book_venue(book: Book, venue_book: VenueBook, assumptions: Mapping[str, object]) -> Venue:
    """The rule book on a book's axes, with the margin tables that came with the book.

    Args:
      book: the book.
      venue_book: the rules; its own margin table of a market goes before the book's.
      assumptions: values that replace those of the rules' named assumptions.

    Returns:
      The venue, float64.

    Errors:
      As `stress.venues.build_venue`.
    """
    return build_venue(
        venue_book,
        book.markets,
        extra_markets={**book.max_leverage, **book.margin_tables},
        settle={market: quote for market, quote in book.settle.items() if market in book.markets},
        quotes=book.quotes,
        tokens=book.tokens,
        assumptions=assumptions,
    )


def market_now(book: Book) -> Market:
    """What every account sees at the book's prices, before any time has passed."""
    marks = device_array([book.marks[m] for m in book.markets])
    one, none = (device_array(np.full(len(book.quotes), x)) for x in (1.0, 0.0))
    return Market(
        mark=marks,
        settlement=marks,
        collateral_price=device_array([book.token_prices[t] for t in book.tokens]),
        quote_price=device_array([book.token_prices.get(q, 1.0) for q in book.quotes]),
        borrow_growth=none,
        supply_growth=none,
        borrow_index=one,
        supply_index=one,
        free_liquidity=device_array(np.full(len(book.quotes), np.inf)),
    )


def row_figures(book: Book, venue: Venue, rows: MarginAccounts) -> RowFigures:
    """Figures of every margin account, one program per kind of account.

    Args:
      book: the book.
      venue: `book_venue` of it.
      rows: `margin_accounts` of it.

    Returns:
      Figures in the order of `rows`, float64.
    """
    parts, places = [], []
    for index, account in kinds(rows):
        figures = _row_batch(venue, account, market_now(book))
        part = {name: np.moveaxis(np.asarray(x), -1, 0) for name, x in figures.items()}
        prices = np.full((len(index), len(venue.markets)), np.nan)
        prices[:, list(account.markets)] = part["liquidation"]
        parts.append(part | {"liquidation": prices})
        places.append(index)
    back = np.argsort(np.concatenate(places))
    joined = {name: np.concatenate([part[name] for part in parts])[back] for name in parts[0]}
    return RowFigures(**joined)


def _row(venue: Venue, account: Account, market: Market) -> dict[str, jax.Array]:
    """Figures of one margin account."""
    state = margin_state(venue, account, market)
    zero, quotes = jnp.zeros_like(account.shared_margin), range(len(venue.quotes))
    loans = (zero,) * len(quotes)
    if account.portfolio and account.markets:
        loans = tuple(desired_loan(venue, market, state, q) for q in quotes)
    elif account.portfolio:
        loans = tuple(jnp.maximum(-x, 0) for x in state.equity)
    needs = requirements(venue, account, market, state, loans)
    idle = [zero] * len(quotes)
    if account.portfolio:
        idle = [idle_balance(state, q) for q in quotes]
    ratio = margin_ratio(needs)
    available = available_after_maintenance(venue, market, state)
    cap = venue.lending.user_borrow_cap[0] * market.quote_price[0]
    held = np.array(account.markets, int)
    liquidation = jax.vmap(liquidation_price)(
        market.mark[held],
        account.size,
        jnp.stack([available[venue.settle[m]] for m in held]) if held.size else jnp.zeros(0),
        venue.tiers.rate[:, held].T,
        venue.tiers.deduction[:, held].T,
    )
    releasable = [zero] * len(venue.tokens)
    for i, c in enumerate(account.tokens):
        per_token = market.collateral_price[c] * (1 + venue.ltv[c]) / 2
        may_leave = jnp.maximum(available[0] * market.quote_price[0], 0) / per_token
        releasable[c] = jnp.minimum(may_leave, account.supplied[i])
    return {
        "equity": jnp.stack(state.equity),
        "maintenance": jnp.stack(state.maintenance),
        "notional": jnp.stack(state.notional),
        "loan": jnp.stack(loans),
        "idle": jnp.stack(idle),
        "available": jnp.stack(available),
        "collateral_value": state.collateral_value,
        "borrow_capacity": state.borrow_capacity,
        "credit": jnp.minimum(cap, state.partial_credit) if account.portfolio else zero,
        "releasable": jnp.stack(releasable) if releasable else jnp.zeros(0),
        "ratio": ratio,
        "status": _status(venue, account, market),
        "shortfall": _usdc(shortfall(venue, account, needs), market),
        "liquidation": liquidation,  # of the account's markets alone
    }


def _usdc(amounts: tuple[jax.Array, ...], market: Market) -> jax.Array:
    """Sum of amounts in quote tokens."""
    worth = [x * market.quote_price[q] for q, x in enumerate(amounts)]
    return sum(worth[1:], worth[0])


def _status(venue: Venue, account: Account, market: Market) -> jax.Array:
    """What the engine finds at time 0."""
    passage = step(venue, account, start(account), market, jnp.zeros_like(account.shared_margin))
    partial, full = reached(account, passage)
    liquidatable = jnp.isfinite(passage.first)
    # With positions both thresholds are the backstop's; an order on the book is `liquidatable`.
    partial = partial & (account.portfolio and not account.markets)
    return jnp.where(full, 3, jnp.where(partial, 2, jnp.where(liquidatable, 1, 0)))


_row_batch = jax.jit(jax.vmap(_row, in_axes=(None, -1, None), out_axes=-1))


def borrowing(rows: MarginAccounts) -> np.ndarray:
    """Margin accounts `[N]` whose collateral counts and that borrow by themselves."""
    return np.isin(rows.kind, ("portfolio", "lender"))


def used_markets(rows: MarginAccounts, index: np.ndarray) -> tuple[int, ...]:
    """Markets in which some of these margin accounts hold a position."""
    return tuple(np.flatnonzero((rows.size[index] != 0).any(axis=0)).tolist())


def kinds(rows: MarginAccounts) -> Iterator[tuple[np.ndarray, Account]]:
    """Margin accounts by what their programs hold: places in `rows`, and the accounts, last."""
    borrows, holds = borrowing(rows), (rows.size != 0).any(axis=1)
    for portfolio, positions in ((True, True), (True, False), (False, True), (False, False)):
        index = np.flatnonzero((borrows == portfolio) & (holds == positions))
        if len(index):
            markets = used_markets(rows, index) if positions else ()
            yield index, batch(rows, index, portfolio, markets)


def batch(
    rows: MarginAccounts, index: np.ndarray, portfolio: bool, markets: tuple[int, ...]
) -> Account:
    """Some margin accounts as one pytree, accounts last."""
    tokens = tuple(range(rows.supplied.shape[1])) if portfolio else ()
    return Account(
        markets=markets,
        tokens=tokens,
        portfolio=portfolio,
        net_cash=jnp.asarray(rows.net_cash[index].T),
        size=jnp.asarray(rows.size[index][:, list(markets)].T),
        inverse_leverage=jnp.asarray(1 / rows.leverage[index][:, list(markets)].T),
        supplied=jnp.asarray(rows.supplied[index][:, list(tokens)].T),
        shared_margin=jnp.asarray(
            np.isin(rows.kind[index], ("portfolio", "unified", "lender")) * 1.0
        ),
    )
