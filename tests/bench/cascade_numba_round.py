"""A liquidation round of one path, for the Numba peer: mark all, decide, execute, mark again.

Accounts in the precision of the case, sums of a path in float64. Arrays go from function to
function in tuples; loops over accounts are inside functions, since handing a tuple over takes
longer than marking an account. Axes: `n` accounts, `M` markets.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import njit  # pyright: ignore[reportMissingImports] # an extra

FAST: Any = {"contract", "nnan", "nsz"}  # sums keep their order
FRESH, LIVE, DONE = 0, 1, 2  # what an account is on a path
BOOK_SUM, BACKSTOP, SLIPPAGE, BAD_DEBT, SHORTFALL, VAULT, COUNT = range(7)  # sums of a path


class Book(NamedTuple):
    """Accounts as no path changes them, and the margin schedule, in their precision."""

    cash: np.ndarray  # [n]
    size: np.ndarray  # [M, n]
    trigger: np.ndarray  # [n]
    rate: np.ndarray  # [2, M]
    deduction: np.ndarray  # [2, M]


class Path(NamedTuple):
    """State of markets, vault and sums on one path, float64."""

    transient: np.ndarray  # USDC of flow, [M]
    permanent: np.ndarray
    x: np.ndarray  # log displacement
    calm: np.ndarray  # mark without it
    mark: np.ndarray
    paid: np.ndarray  # funding that a long has paid per contract since the start
    vault_size: np.ndarray
    sums: np.ndarray  # [7]


class Touched(NamedTuple):
    """Accounts of a path that have been liquidated, by account; `live` lists their numbers."""

    status: np.ndarray  # FRESH, LIVE or DONE, [n]
    live: np.ndarray  # [n]
    size: np.ndarray  # [n, M]
    cash: np.ndarray  # USDC, without the funding since the start
    until: np.ndarray  # hours until which orders are for whole positions
    order: np.ndarray  # contracts of this round, [n, M]
    orders: np.ndarray  # bool, whether the account orders, [n]
    equity: np.ndarray  # USDC at this marking, [n]
    need: np.ndarray  # USDC of maintenance, [n]


@njit
def scratch(n, markets, like):
    """Memory of a thread. Each array is its own: rows of one array would be thought to overlap."""
    return Touched(
        np.empty(n, np.int8),
        np.empty(n, np.int64),
        np.empty((n, markets), like.dtype),
        np.empty(n, like.dtype),
        np.empty(n, like.dtype),
        np.empty((n, markets), like.dtype),
        np.empty(n, np.bool_),
        np.empty(n, like.dtype),
        np.empty(n, like.dtype),
    )


@njit(fastmath=FAST)
def add_market(size, mark, paid, rate, deduction, equity, need):
    """Adds a market to equity and maintenance of all; few enough arrays to be vectorised."""
    low, high, less, more = rate[0], rate[1], deduction[0], deduction[1]
    due = mark - paid
    for i in range(size.shape[0]):
        notional = abs(size[i]) * mark
        equity[i] += size[i] * due
        first, second = low * notional - less, high * notional - more
        need[i] += first if first > second else second


@njit(fastmath=FAST)
def sweep(book, mark, paid, touched):
    """Equity and maintenance of all as they started; the number of new liquidatable ones."""
    equity, need, status = touched.equity, touched.need, touched.status
    equity[:] = book.cash
    need[:] = 0
    for m in range(mark.shape[0]):
        rate, deduction = book.rate[:, m], book.deduction[:, m]
        add_market(book.size[m], mark[m], paid[m], rate, deduction, equity, need)
    hits = 0
    for i in range(equity.shape[0]):
        hits += (need[i] - book.trigger[i] * equity[i] > 0) & (status[i] == FRESH)
    return hits


@njit(fastmath=FAST)
def admit(book, touched, live):
    """Copies the new accounts to the list of those that live on their own; its new length."""
    for i in range(book.cash.shape[0]):
        excess = touched.need[i] - book.trigger[i] * touched.equity[i]
        if excess > 0 and touched.status[i] == FRESH:
            touched.status[i] = LIVE
            touched.live[live] = i
            live += 1
            touched.cash[i] = book.cash[i]
            touched.until[i] = -np.inf
            for m in range(book.size.shape[0]):
                touched.size[i, m] = book.size[m, i]
    return live


@njit(fastmath=FAST)
def mark_live(book, touched, live, mark, paid):
    """Equity and maintenance of the accounts that live on their own."""
    for k in range(live):
        i = touched.live[k]
        equity = touched.cash[i]
        need = equity * 0
        for m in range(mark.shape[0]):
            size = touched.size[i, m]
            notional = abs(size) * mark[m]
            equity += size * (mark[m] - paid[m])
            first = book.rate[0, m] * notional - book.deduction[0, m]
            second = book.rate[1, m] * notional - book.deduction[1, m]
            need += first if first > second else second
        touched.equity[i], touched.need[i] = equity, need


@njit(fastmath=FAST)
def decide(book, rules, path, touched, live, time, mark, bought, traded):
    """Orders of all that are to be liquidated, or their handover; whether anybody acts."""
    acted = False
    for k in range(live):
        i = touched.live[k]
        equity, need = touched.equity[i], touched.need[i]
        touched.orders[i] = False
        # An account without positions needs nothing: it is beyond where its cash is negative.
        if need - book.trigger[i] * equity <= 0:
            continue
        acted = True
        if equity < rules.backstop_fraction * need:
            hand_over(book, path, touched, i, equity)
            continue
        touched.orders[i] = True
        whole, partly = time < touched.until[i], False
        for m in range(mark.shape[0]):
            size = touched.size[i, m]
            units = -size
            if abs(size) * mark[m] > rules.partial_notional and not whole:
                units, partly = -size * rules.partial_share, True
            touched.order[i, m] = units
            bought[m] += units
            traded[m] += abs(units)
        if partly:
            touched.until[i] = time + rules.cooldown
    return acted


@njit(fastmath=FAST)
def hand_over(book, path, touched, i, equity):
    """The vault takes all that an account has."""
    path.sums[SHORTFALL] += max(-equity, 0)
    path.sums[VAULT] += equity
    for m in range(book.size.shape[0]):
        size = np.float64(touched.size[i, m])
        path.vault_size[m] += size
        path.sums[BACKSTOP] += abs(size) * path.mark[m]
        path.sums[VAULT] -= size * path.mark[m]
        touched.size[i, m] = 0
    touched.cash[i] = 0


@njit(fastmath=FAST)
def displace(rules, path):
    """Marks after the flows of the path."""
    share = rules.permanent_share
    for m in range(path.mark.shape[0]):
        flow = share * path.permanent[m] + (1 - share) * path.transient[m]
        path.x[m] = rules.coefficient[m] * flow
        path.mark[m] = path.calm[m] * math.exp(path.x[m])


@njit(fastmath=FAST)
def trade(rules, path, m, units):
    """Executes net contracts of a market; the price that everybody in them gets."""
    flow = units * path.mark[m]
    path.transient[m] += flow
    path.permanent[m] += flow
    return path.mark[m] * math.exp(rules.coefficient[m] * flow / 2)


@njit(fastmath=FAST)
def settle(book, rules, path, touched, live, bought, traded):
    """Executes the orders of a round; the number of accounts that have something left."""
    like = book.cash
    price = np.empty(book.size.shape[0], like.dtype)
    for m in range(book.size.shape[0]):
        paid = trade(rules, path, m, bought[m])
        path.sums[BOOK_SUM] += traded[m] * path.mark[m]
        path.sums[SLIPPAGE] += bought[m] * (paid - path.mark[m])
        price[m] = paid - path.paid[m]
    left = 0
    for k in range(live):
        i = touched.live[k]
        holds = False
        for m in range(book.size.shape[0]):
            if touched.orders[i]:
                touched.cash[i] -= touched.order[i, m] * price[m]
                touched.size[i, m] += touched.order[i, m]
            holds |= touched.size[i, m] != 0
        if holds or touched.cash[i] < 0:
            touched.live[left] = i
            left += 1
        else:
            touched.status[i] = DONE
    displace(rules, path)
    return left


@njit(fastmath=FAST)
def play_round(book, rules, path, touched, live, time):
    """One round; (whether anybody acted, accounts that live on their own)."""
    mark, paid = path.mark.astype(book.cash.dtype), path.paid.astype(book.cash.dtype)
    old = live
    if sweep(book, mark, paid, touched):
        live = admit(book, touched, live)
    if live == 0:
        return False, live
    mark_live(book, touched, live, mark, paid)
    for k in range(old, live):
        path.sums[COUNT] += 1
        path.sums[BAD_DEBT] += max(-touched.equity[touched.live[k]], 0)
    bought, traded = np.zeros(mark.shape[0]), np.zeros(mark.shape[0])
    acted = decide(book, rules, path, touched, live, time, mark, bought, traded)
    if acted:
        live = settle(book, rules, path, touched, live, bought, traded)
    return acted, live
