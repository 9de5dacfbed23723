"""The cascade as one fused Numba kernel, parallel over paths, as a good engineer writes it.

A path is played from beginning to end by one thread in scratch memory that stays in its cache. The
accounts nobody has touched are marked in one vectorised sweep over the book, which all paths
share; accounts that have been liquidated are copied and followed one by one, event by event.
Axes as in `cascade_case`.
"""

import math

import numpy as np
from numba import njit, prange, set_num_threads  # pyright: ignore[reportMissingImports] # an extra

from tests.bench.cascade_case import Case, Outcome
from tests.bench.cascade_numba_round import (
    BACKSTOP,
    BAD_DEBT,
    BOOK_SUM,
    COUNT,
    FAST,
    FRESH,
    SHORTFALL,
    SLIPPAGE,
    VAULT,
    Book,
    Path,
    displace,
    play_round,
    scratch,
    trade,
)

CHUNK = 8  # paths that a thread takes at once


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


def run_numba(case: Case, threads: int = 1, chunk: int = CHUNK) -> Outcome:
    """Plays the case with `threads` threads."""
    dtype = case.cash.dtype
    trigger = np.where(case.unified, case.rules.unified_trigger, case.rules.cross_trigger)
    book = Book(
        cash=case.cash,
        size=case.size,
        trigger=trigger.astype(dtype),
        rate=case.rules.rate.astype(dtype),
        deduction=case.rules.deduction.astype(dtype),
    )
    set_num_threads(threads)
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
