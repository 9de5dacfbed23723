"""The cascade as one fused Numba kernel, parallel over paths, as a good engineer writes it.

A path is played from beginning to end by one thread in scratch memory that stays in its cache. The
accounts nobody has touched are marked in one vectorised sweep over the book, which all paths
share; accounts that have been liquidated are copied and followed one by one, event by event.
Accounts in the precision of the case, sums of a path in float64. Axes as in `cascade_case`.
"""

import math
from typing import Any, NamedTuple

import numba
import numpy as np
from numba import njit, prange

from tests.bench.cascade_case import Case, Outcome

CHUNK = 8  # paths that a thread takes at once
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


@njit(fastmath=FAST)
def sell(rules, path, before, part):
    """Sells of the vault's inventory what it held before the rounds."""
    for m in range(before.shape[0]):
        units = 0.0
        if before[m] * path.vault_size[m] > 0:
            least = min(abs(before[m]), abs(path.vault_size[m]))
            units = -part * math.copysign(least, path.vault_size[m])
        price = trade(rules, path, m, units)
        path.sums[VAULT] -= units * price
        path.vault_size[m] += units
    displace(rules, path)


@njit(fastmath=FAST)
def play_path(book, rules, hours, mark, oracle, funding, path, touched):
    """One path from now to the horizon; world leaves `[T, M]`."""
    touched.status[:] = FRESH
    for values in (path.transient, path.permanent, path.x, path.paid, path.vault_size, path.sums):
        values[:] = 0
    before = np.empty(mark.shape[1])
    live, time = 0, 0.0
    for t in range(hours.shape[0]):
        time += hours[t]
        fade = 2.0 ** (-hours[t] / rules.half_life)
        for m in range(mark.shape[1]):
            if t > 0:
                shown = oracle[t - 1, m] * math.exp(rules.pass_through[m] * path.x[m])
                per_contract = funding[t, m] * hours[t] * shown
                path.paid[m] += per_contract
                path.sums[VAULT] -= path.vault_size[m] * per_contract
            path.transient[m] *= fade
            path.calm[m] = mark[t, m]
            before[m] = path.vault_size[m]
        displace(rules, path)
        for _ in range(rules.round_limit):
            acted, live = play_round(book, rules, path, touched, live, time)
            if not acted:
                break
        sell(rules, path, before, 1 - 2.0 ** (-hours[t] / rules.twap_half_life))
    for m in range(mark.shape[1]):
        path.sums[VAULT] += path.vault_size[m] * path.mark[m]


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


@njit(parallel=True, fastmath=FAST)
def play(book, rules, hours, mark, oracle, funding, chunk):
    """All paths; (sums `[P, 7]`, displacement `[P, M]`, counts by chunk of paths `[c, n]`)."""
    paths, _, markets = mark.shape
    n = book.cash.shape[0]
    chunks = (paths + chunk - 1) // chunk
    sums, x = np.empty((paths, COUNT + 1)), np.empty((paths, markets))
    counts = np.zeros((chunks, n), np.int64)
    for c in prange(chunks):
        touched = scratch(n, markets, book.cash)
        state = np.empty((7, markets))
        for p in range(c * chunk, min(paths, (c + 1) * chunk)):
            s = state
            path = Path(s[0], s[1], s[2], s[3], s[4], s[5], s[6], sums[p])
            play_path(book, rules, hours, mark[p], oracle[p], funding[p], path, touched)
            x[p] = path.x
            for i in range(n):
                counts[c, i] += touched.status[i] != FRESH
    return sums, x, counts


def run_numba(case: Case, threads: int | None = None, chunk: int = CHUNK) -> Outcome:
    """Plays the case with `threads` threads, None: all."""
    dtype = case.cash.dtype
    trigger = np.where(case.unified, case.rules.unified_trigger, case.rules.cross_trigger)
    book = Book(
        cash=case.cash,
        size=case.size,
        trigger=trigger.astype(dtype),
        rate=case.rules.rate.astype(dtype),
        deduction=case.rules.deduction.astype(dtype),
    )
    numba.set_num_threads(threads or numba.config.NUMBA_NUM_THREADS)
    world = (case.mark, case.oracle, case.funding)
    sums, x, counts = play(book, case.rules, case.hours, *world, chunk)
    return Outcome(
        liquidated=sums[:, COUNT].astype(np.int64),
        book_notional=sums[:, BOOK_SUM],
        backstop_notional=sums[:, BACKSTOP],
        slippage=sums[:, SLIPPAGE],
        bad_debt=sums[:, BAD_DEBT],
        shortfall=sums[:, SHORTFALL],
        vault_profit=sums[:, VAULT],
        displacement=x,
        by_account=counts.sum(axis=0),
    )
