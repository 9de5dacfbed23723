"""Figures, triggers and decisions of one account at a marking (oracle of cascades)."""

import math
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

from oracles_margin import BACKSTOP_SHARE, TRANSFER_SHARE, maintenance_margin

TRIGGER = {"portfolio": 0.95, "unified": 0.95, "cross": 1.0, "isolated": 1.0}


def equity(account: Any, mark: Mapping[str, float]) -> float:
    """X: cash (less the entry cost) and positions at the mark."""
    return account.cash + sum(size * mark[m] for m, size in account.size.items())


def figures(
    account: Any, mark: Mapping[str, float], px: Mapping[str, float], rules: Mapping[str, Any]
) -> SimpleNamespace:
    """X, MM, N, R, V, C_ltv, C_liq, w_p, w_f and what they imply."""
    f = SimpleNamespace(X=equity(account, mark), MM=0.0, N=0.0, V=0.0, C_ltv=0.0, w_p=0.0, w_f=0.0)
    initial = 0.0
    for m, size in account.size.items():
        if size != 0.0:
            value = abs(size) * mark[m]
            f.MM += maintenance_margin(rules["tiers"][m], value)
            f.N += value
            initial += value / account.leverage[m]
    f.R = max(initial, TRANSFER_SHARE * f.N)
    if account.kind == "portfolio":
        for c, held in account.supplied.items():
            ltv, counted = rules["ltv"][c], min(held, rules["user_supply_cap"][c]) * px[c]
            f.V += held * px[c]
            f.C_ltv += counted * ltv
            f.w_p += counted * (1 + ltv) / 2
            f.w_f += counted * (2 + ltv) / 3
    f.C_liq = max(0.0, min(rules["user_borrow_cap"], f.w_p))
    f.D = max(0.0, -f.X)
    f.A = f.X + f.V
    f.holds_perps = any(size != 0.0 for size in account.size.values())
    f.holds_collateral = any(held > 0.0 for held in account.supplied.values())
    f.required, f.available = requirement(account, f, rules)
    f.pmr = f.required - TRIGGER[account.kind] * f.available > 0.0
    portfolio = account.kind == "portfolio"
    f.unfunded = portfolio and account.rationed and f.MM > 0.0 and f.X + account.P < f.MM
    f.triggered = f.pmr or f.unfunded
    return f


def requirement(account: Any, f: SimpleNamespace, rules: Mapping[str, Any]) -> tuple[float, float]:
    """Numerator and denominator of the margin ratio."""
    if account.kind != "portfolio":
        return f.MM, f.X
    b = max(0.0, f.MM - f.X)
    required, owes = f.MM + b, f.X < 0.0 or account.P > 0.0
    if rules["offset_mode"] == "floor" and owes:
        required = max(required, rules["min_borrow_offset"])
    if rules["offset_mode"] == "additive" and (owes or f.MM > 0.0):
        required += rules["min_borrow_offset"]
    return required, f.X + b + f.C_liq


def ratio(f: SimpleNamespace) -> float:
    """Margin ratio; infinite when nothing stands against a requirement."""
    if f.required <= 0.0 and f.available >= 0.0:
        return 0.0
    return f.required / f.available if f.available > 0.0 else math.inf


def wanted_position(f: SimpleNamespace, rules: Mapping[str, Any]) -> float:
    """P*: what a portfolio account would hold in the pool (> 0 loan)."""
    if not f.holds_perps:
        return -f.X
    gap = f.R - f.X
    if gap <= 0.0:
        return gap
    return min(gap, rules["user_borrow_cap"], max(f.C_ltv, f.MM - f.X))


def standard_action(f: SimpleNamespace) -> str | None:
    """Action of a cross, unified or isolated account."""
    if not f.holds_perps:
        return "absorb" if f.X < 0.0 else None
    if not f.triggered:
        return None
    return "handover" if f.X < BACKSTOP_SHARE * f.MM else "book"


def portfolio_action(
    account: Any, f: SimpleNamespace, rules: Mapping[str, Any], k: int, can_take: bool, events: Any
) -> str | None:
    """Action of a portfolio account in round k."""
    if not f.triggered:
        return None
    perps = None
    if f.holds_perps:
        perps = "handover" if f.X + f.C_liq < BACKSTOP_SHARE * f.MM else "book"
    if not f.pmr:
        events["only_unfunded"] += 1
        return perps
    early = rules["takeover_starts_at"] == "pmr"
    wanted = (early or f.w_p < f.D) and (f.holds_collateral or (f.w_f < f.D and not f.holds_perps))
    if wanted and not can_take:
        events["takeover_waits"] += 1
    if not early and f.holds_collateral and not wanted:
        events["takeover_not_due"] += 1
    takeover = None
    if wanted and can_take:
        takeover = "full" if f.w_f < f.D else "partial"
    if account.coin == 0 and k % 2 == 0 and f.holds_collateral and takeover:
        events["loans_first"] += perps is not None
        return takeover
    if perps and takeover:
        events["perps_first" if account.coin else "perps_alternate"] += 1
    return perps or takeover
