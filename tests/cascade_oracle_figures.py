"""Figures and verdict of one account at the marking of now (rules, sections 1, 4 and 6)."""

import math

from cascade_oracle_state import Account, World
from oracles_margin import maintenance_margin, transfer_margin
from oracles_portfolio import weights


class Figures:
    """USDC figures of one account; `judge` adds what they mean."""

    __slots__ = (
        "available",
        "breached",
        "credit",
        "debt",
        "equity",
        "full",
        "loanable",
        "maintenance",
        "notional",
        "partial",
        "required",
        "transfer",
        "triggered",
        "unfunded",
        "value",
    )

    def __init__(self, world: World, account: Account):
        equity, maintenance, notional, initial = account.cash, 0.0, 0.0, 0.0
        for m, size in enumerate(account.size):
            if size:
                mark = world.mark[m]
                value = abs(size) * mark
                equity += size * mark
                notional += value
                initial += value / account.leverage[m]
                maintenance += maintenance_margin(world.tiers[m], value)
        value = loanable = partial = full = 0.0
        for c, units in enumerate(account.supplied):
            if units:
                counted = min(units, world.supply_cap[c]) * world.px[c]
                at_ltv, at_partial, at_full = weights(world.ltv[c])
                value += units * world.px[c]
                loanable += counted * at_ltv
                partial += counted * at_partial
                full += counted * at_full
        self.equity = equity  # X
        self.maintenance = maintenance  # MM
        self.notional = notional  # N
        self.transfer = transfer_margin(initial, notional)  # R
        self.value = value  # V
        self.loanable = loanable  # C_ltv
        self.partial = partial  # w_p
        self.full = full  # w_f
        self.credit = max(0.0, min(world.rules["user_borrow_cap"], partial))  # C_liq
        self.debt = max(0.0, -equity)  # D
        self.judge(world, account)

    def judge(self, world: World, account: Account) -> None:
        """Requirement against what is available, without dividing."""
        self.unfunded = False
        if not account.portfolio:
            self.required, self.available = self.maintenance, self.equity
        else:
            gap = max(0.0, self.maintenance - self.equity)
            self.required = self.maintenance + gap
            self.available = self.equity + gap + self.credit
            offset, owes = world.rules["min_borrow_offset"], self.equity < 0 or account.pool > 0
            mode = world.rules["offset_mode"]
            if mode == "floor" and owes:
                self.required = max(self.required, offset)
            elif mode == "additive" and (owes or self.maintenance > 0):
                self.required += offset
            short = self.equity + account.pool < self.maintenance
            self.unfunded = account.rationed and self.maintenance > 0 and short
        self.breached = self.required - account.limit * self.available > 0
        self.triggered = self.breached or self.unfunded

    @property
    def net(self) -> float:
        """Account value A = X + V."""
        return self.equity + self.value

    @property
    def ratio(self) -> float:
        if self.required <= 0.0:
            return 0.0
        return self.required / self.available if self.available > 0 else math.inf


def wanted_pool(account: Account, f: Figures, borrow_cap: float) -> float:
    """Pool position the account wants: > 0 a loan, < 0 lent, USDC."""
    if not account.portfolio:
        return 0.0
    if f.notional == 0.0:
        return -f.equity
    gap = f.transfer - f.equity
    if gap <= 0.0:
        return gap
    return min(gap, borrow_cap, max(f.loanable, f.maintenance - f.equity))
