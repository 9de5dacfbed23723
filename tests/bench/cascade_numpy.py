"""The cascade as vectorised float32 NumPy, as a good analyst writes it; one thread.

Two ideas make it fast. While no position of an account is near its second tier, maintenance less
trigger times equity is linear in marks, funding paid and one: for a block of paths and all accounts
that is one matrix product, to which the few near a tier add theirs. And nobody who has never been
liquidated has a state of its own: only pairs of path and account that have are kept, in a list, and
a round is played on that list. Axes: `b` paths of a block, `k` pairs, `n` accounts, `M` markets.
"""

from dataclasses import dataclass, fields

import numpy as np

from tests.bench.cascade_case import Case, Outcome

BLOCK = 128  # paths at once: 1 MB of excesses for 2,000 accounts, measured fastest
ROOM = 1.25  # times the world's greatest mark: an account below all second tiers there is linear
SUMS = ("book_notional", "backstop_notional", "slippage", "bad_debt", "shortfall")


@dataclass(kw_only=True)
class Pairs:
    """Accounts on paths that have been liquidated and still have something, leaves `[..., k]`."""

    path: np.ndarray
    account: np.ndarray
    cash: np.ndarray  # USDC, without the funding since the start
    size: np.ndarray  # contracts, [M, k]
    until: np.ndarray  # hours until which orders are for whole positions

    def __getitem__(self, index) -> "Pairs":
        return Pairs(**{f.name: getattr(self, f.name)[..., index] for f in fields(self)})

    def __add__(self, other: "Pairs") -> "Pairs":
        both = {f.name: (getattr(self, f.name), getattr(other, f.name)) for f in fields(self)}
        return Pairs(**{name: np.concatenate(parts, axis=-1) for name, parts in both.items()})


class Book:
    """The accounts as no path changes them, and who of them is liquidatable."""

    def __init__(self, case: Case):
        rules, size = case.rules, case.size
        self.cash, self.size, self.dtype = case.cash, size, case.cash.dtype
        rate, deduction = (x.astype(self.dtype)[:, :, None] for x in (rules.rate, rules.deduction))
        self.rate, self.deduction = rate, deduction
        trigger = np.where(case.unified, rules.unified_trigger, rules.cross_trigger)
        self.trigger = trigger.astype(self.dtype)
        self.most = ROOM * case.mark.max(axis=(0, 1))[:, None]
        top = np.abs(size) * self.most
        self.large = np.flatnonzero((rate[1] * top - deduction[1] > rate[0] * top).any(axis=0))
        # excess = mark @ (rate |size| - trigger size) + paid @ (trigger size) - trigger cash
        pull = self.trigger * size
        slope = rate[0] * np.abs(size) - pull
        self.linear = np.concatenate([slope, pull, -self.trigger[None] * case.cash[None]])

    def excess(self, mark: np.ndarray, paid: np.ndarray) -> np.ndarray:
        """Maintenance less trigger times equity, `[b, n]`; positive where liquidatable."""
        if (mark > self.most).any():
            raise ValueError("a mark has left the range in which small accounts are linear")
        one = np.ones((1, mark.shape[1]), self.dtype)
        result = np.concatenate([mark, paid, one]).T @ self.linear
        if len(self.large):
            notional = mark[:, :, None] * np.abs(self.size[:, None, self.large])
            rise, less = (self.rate[1] - self.rate[0])[..., None], self.deduction[1][..., None]
            result[:, self.large] += np.maximum(rise * notional - less, 0).sum(axis=0)
        return result

    def new_pairs(self, path: np.ndarray, account: np.ndarray) -> Pairs:
        """Accounts as they start."""
        until = np.full(len(path), -np.inf, self.dtype)
        cash, size = self.cash[account], self.size[:, account]
        return Pairs(path=path, account=account, cash=cash, size=size, until=until)


class Block:
    """State of a block of paths, leaves `[M, b]` and `[b]`, and what it has summed so far."""

    def __init__(self, case: Case, book: Book, paths: slice):
        self.case, self.rules, self.book = case, case.rules, book
        world = (case.mark[paths], case.oracle[paths], case.funding[paths])
        self.world = [np.ascontiguousarray(np.transpose(x, (1, 2, 0))) for x in world]
        shape = self.world[0][0].shape
        self.transient, self.permanent, self.x = (np.zeros(shape) for _ in range(3))
        self.paid, self.vault_size = np.zeros(shape), np.zeros(shape)  # funding of a long, USDC
        self.vault_cash = np.zeros(shape[1])
        self.fresh = np.ones((shape[1], len(book.cash)), bool)
        self.pairs = book.new_pairs(*np.zeros((2, 0), np.int64))
        self.sums = {name: np.zeros(shape[1]) for name in SUMS}
        self.coefficient = case.rules.coefficient[:, None]

    def displace(self):
        """Marks after the flows of the block."""
        lasting = self.rules.permanent_share
        flow = lasting * self.permanent + (1 - lasting) * self.transient
        self.x = self.coefficient * flow
        self.mark = self.fundamental * np.exp(self.x)

    def by_path(self, path: np.ndarray, values: np.ndarray) -> np.ndarray:
        """Float64 sums over the pairs of each path, `[b]`, or `[M, b]` of values `[M, k]`."""
        count = len(self.vault_cash)
        if values.ndim == 1:
            return np.bincount(path, values, count)
        return np.stack([np.bincount(path, row, count) for row in values])

    def trade(self, flow: np.ndarray) -> np.ndarray:
        """Executes net orders, USDC `[M, b]`; returns the price that everybody in them gets."""
        self.transient += flow
        self.permanent += flow
        return self.mark * np.exp(self.coefficient * flow / 2)

    def step(self, t: int, time: float):
        """One time of the grid."""
        r, hours = self.rules, self.case.hours[t]
        mark, oracle, funding = self.world
        if t:
            shown = oracle[t - 1] * np.exp(r.pass_through[:, None] * self.x)
            per_contract = funding[t] * hours * shown
            self.paid += per_contract
            self.vault_cash -= (self.vault_size * per_contract).sum(axis=0)
        self.transient *= np.exp2(-hours / r.half_life)
        self.fundamental = mark[t]
        self.displace()
        before, rows = self.vault_size.copy(), np.arange(mark.shape[2])
        for _ in range(r.round_limit):
            rows = self.round(rows, self.book.dtype.type(time))
            if not len(rows):
                break
        self.sell(before, 1 - np.exp2(-hours / r.twap_half_life))

    def round(self, rows: np.ndarray, time) -> np.ndarray:
        """One round on the paths `rows`; returns those on which somebody acted."""
        book, cast = self.book, self.book.dtype.type
        mark, paid = self.mark.astype(book.dtype), self.paid.astype(book.dtype)
        new = np.nonzero((book.excess(mark[:, rows], paid[:, rows]) > 0) & self.fresh[rows])
        new = rows[new[0]], new[1]
        self.fresh[new] = False
        here = np.isin(self.pairs.path, rows)
        others, p = self.pairs[~here], self.pairs[here] + book.new_pairs(*new)
        if not len(p.path):
            return rows[:0]
        value = mark[:, p.path]
        notional = np.abs(p.size) * value
        low, high = (book.rate[k] * notional - book.deduction[k] for k in range(2))
        maintenance = np.maximum(low, high).sum(axis=0)
        equity = p.cash + (p.size * (value - paid[:, p.path])).sum(axis=0)
        lost = np.maximum(-equity[len(p.path) - len(new[0]) :], 0)
        self.sums["bad_debt"] += self.by_path(new[0], lost)
        holds = (p.size != 0).any(axis=0)
        beyond = holds & (maintenance - book.trigger[p.account] * equity > 0)
        short = equity < cast(self.rules.backstop_fraction) * maintenance
        given = (beyond & short) | (~holds & (equity < 0))
        ordering = beyond & ~short
        contracts = self.orders(p, ordering, notional, time)
        self.hand_over(p, given, equity)
        self.execute(p, contracts)
        keep = (p.size != 0).any(axis=0) | (p.cash < 0)
        self.pairs = others + p[keep]
        return np.unique(p.path[ordering | given])

    def orders(self, p: Pairs, ordering, notional, time) -> np.ndarray:
        """Contracts ordered of every pair, `[M, k]`; starts cooldowns."""
        r, cast = self.rules, self.book.dtype.type
        large = (notional > r.partial_notional) & (time >= p.until)
        part = np.where(large, cast(r.partial_share), cast(1))
        p.until[ordering & large.any(axis=0)] = time + cast(r.cooldown)
        return np.where(ordering, -p.size * part, cast(0))

    def hand_over(self, p: Pairs, given: np.ndarray, equity: np.ndarray):
        """The vault takes all that the pairs `given` have."""
        if not given.any():
            return
        size, path, sums = p.size[:, given], p.path[given], self.sums
        taken = self.by_path(path, size)
        self.vault_size += taken
        self.vault_cash += self.by_path(path, equity[given]) - (taken * self.mark).sum(axis=0)
        sums["backstop_notional"] += (self.by_path(path, np.abs(size)) * self.mark).sum(axis=0)
        sums["shortfall"] += self.by_path(path, np.maximum(-equity[given], 0))
        p.size[:, given], p.cash[given] = 0, 0

    def execute(self, p: Pairs, contracts: np.ndarray):
        """Executes the orders of a round at one price per path and market."""
        mark, sums = self.mark, self.sums
        bought = self.by_path(p.path, contracts)
        price = self.trade(bought * mark)
        sums["book_notional"] += (self.by_path(p.path, np.abs(contracts)) * mark).sum(axis=0)
        sums["slippage"] += (bought * (price - mark)).sum(axis=0)
        paid = (price - self.paid).astype(p.cash.dtype)
        p.cash -= (contracts * paid[:, p.path]).sum(axis=0)
        p.size += contracts
        self.displace()

    def sell(self, before: np.ndarray, part: float):
        """Sells of the vault's inventory what it held before the rounds."""
        same = before * self.vault_size > 0
        least = np.minimum(np.abs(before), np.abs(self.vault_size))
        units = np.where(same, -part * np.sign(self.vault_size) * least, 0)
        price = self.trade(units * self.mark)
        self.vault_cash -= (units * price).sum(axis=0)
        self.vault_size += units
        self.displace()


def run_numpy(case: Case, block: int = BLOCK) -> Outcome:
    """Plays the case, `block` paths at once."""
    book, done = Book(case), []
    for begin in range(0, len(case.mark), block):
        state = Block(case, book, slice(begin, begin + block))
        for t, time in enumerate(np.cumsum(case.hours)):
            state.step(t, time)
        done.append(state)

    def joined(get):
        return np.concatenate([get(state) for state in done])

    return Outcome(
        liquidated=joined(lambda s: (~s.fresh).sum(axis=1)),
        vault_profit=joined(lambda s: s.vault_cash + (s.vault_size * s.mark).sum(axis=0)),
        displacement=joined(lambda s: s.x.T),
        by_account=np.sum([(~s.fresh).sum(axis=0) for s in done], axis=0),
        **{name: joined(lambda s, name=name: s.sums[name]) for name in SUMS},
    )


__all__ = ["BLOCK", "run_numpy"]
