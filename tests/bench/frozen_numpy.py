"""The frozen book in vectorised float32 NumPy: `[path, account]` arrays, a loop over time.

Twice: as it is first written, with `[path, account, market]` arrays that are summed over markets;
and tuned, with matrix products for all that is linear in prices. Both take few paths at once, so
that arrays of 2,000 accounts stay in the cache (fastest of 4 to 256).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tests.bench.frozen_case import BORROW_CAP, SUPPLY_CAP, Plain

CHUNK = 16
Marked = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass
class Outcome:
    """What every contender returns."""

    first: np.ndarray  # [T + 1, A] paths by the time of the first liquidation; last row: never
    full: np.ndarray  # [A] paths that reach the backstop
    money: np.ndarray  # [5, P] accounts, notional, loans, bad debt, loss of equity


def frozen_numpy(case: Plain, chunk: int = CHUNK) -> Outcome:
    """With matrix products."""
    units = np.abs(case.size)
    weighted = units * case.inverse_leverage

    def marked(mark: np.ndarray, settlement: np.ndarray) -> Marked:
        maintenance = np.zeros((len(mark), units.shape[1]), np.float32)
        for m in range(len(units)):
            exposure = mark[:, m, None] * units[m]
            low, high = (r * exposure - d for r, d in zip(*_tiers(case, m), strict=True))
            maintenance += np.maximum(low, high)
        return settlement @ case.size, mark @ units, mark @ weighted, maintenance

    return _played(case, chunk, marked)


def frozen_numpy_wide(case: Plain, chunk: int = 4) -> Outcome:
    """With arrays `[path, account, market]`."""
    size, lever = case.size.T.copy(), case.inverse_leverage.T.copy()
    units = np.abs(size)

    def marked(mark: np.ndarray, settlement: np.ndarray) -> Marked:
        exposure = units * mark[:, None, :]
        lines = [r * exposure - d for r, d in zip(case.rate, case.deduction, strict=True)]
        return (
            (size * settlement[:, None, :]).sum(-1), exposure.sum(-1),
            (exposure * lever).sum(-1), np.maximum(*lines).sum(-1),
        )  # fmt: skip

    return _played(case, chunk, marked)


def _tiers(case: Plain, m: int) -> tuple[np.ndarray, np.ndarray]:
    return case.rate[:, m], case.deduction[:, m]


def _played(case: Plain, chunk: int, marked: Callable[..., Marked]) -> Outcome:
    """All paths, some at a time."""
    paths, times = case.free.shape
    accounts = case.net_cash.size
    total = Outcome(
        np.zeros((times + 1, accounts), np.int64), np.zeros(accounts, np.int64),
        np.zeros((5, paths)),
    )  # fmt: skip
    for start in range(0, paths, chunk):
        _chunk(case, slice(start, min(start + chunk, paths)), total, marked)
    return total


def _chunk(c: Plain, at: slice, total: Outcome, marked: Callable[..., Marked]) -> None:
    paths, times = c.free[at].shape
    counted = np.minimum(c.supplied, np.float32(SUPPLY_CAP))
    shape = (paths, c.net_cash.size)
    accrued, pool, worst = (np.zeros(shape, np.float32) for _ in range(3))
    worst -= np.inf
    first = np.full(shape, times)
    kept = np.zeros((3, *shape), np.float32)  # equity, notional, loan at settlement
    for t in range(times):
        alive = first == times
        growth = np.where(pool > 0, c.borrow_growth[at, t, None], c.supply_growth[at, t, None])
        accrued -= np.where(alive, pool * growth, 0)
        equity, notional, initial, maintenance = marked(c.mark[at, t], c.settlement[at, t])
        equity = equity + c.net_cash + accrued
        transfer = np.maximum(initial, np.float32(0.1) * notional)
        token = c.token[at, t]
        capacity = (token * c.ltv) @ counted
        partial = (token * ((1 + c.ltv) / 2)) @ counted
        short = maintenance - equity
        wanted = np.maximum(transfer - equity, 0)
        wanted = np.minimum(np.minimum(wanted, BORROW_CAP), np.maximum(capacity, short))
        reach = np.inf
        if t > 0:
            reach = np.maximum(pool, 0) * (1 + c.borrow_growth[at, t, None]) + c.free[at, t, None]
        loan = np.minimum(wanted, reach)
        unfunded = (wanted > reach) & (maintenance > 0) & (short > loan)
        borrow = np.maximum(short, 0)
        floor = np.where((equity < 0) | (loan > 0), np.float32(20), np.float32(0))
        required = np.maximum(maintenance + borrow, floor)
        credit = np.maximum(np.minimum(partial, BORROW_CAP), 0)
        beyond = required > np.float32(0.95) * (equity + borrow + credit)
        beyond |= unfunded
        worst = np.maximum(worst, np.float32(2 / 3) * maintenance - equity - credit)
        pool = np.where(alive, loan - np.maximum(equity - transfer, 0), pool)
        new = alive & beyond
        first[new] = t
        here = alive if t == times - 1 else new
        worth = equity + token @ c.supplied
        for row, value in enumerate((worth, notional, loan)):
            np.copyto(kept[row], value, where=here)
    gone = first < times
    accounts = np.arange(c.net_cash.size)
    np.add.at(total.first, (first.ravel(), np.tile(accounts, paths)), 1)
    total.full += (worst > 0).sum(axis=0)
    lost = np.where(gone, np.maximum(-kept[0], 0), 0)
    rows = (gone, np.where(gone, kept[1], 0), np.where(gone, kept[2], 0), lost, c.equity - kept[0])
    for row, values in enumerate(rows):
        total.money[row, at] = values.sum(axis=1, dtype=np.float64)
