"""Perp margin by plain loops: brackets, equity, standard and isolated accounts.

Written from the rule book alone (sections 1 and 4), as a witness against the kernels. Money is
in the quote token a market settles in; `rules` and `prices` are plain dicts (see `oracles`).
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

Tiers = Sequence[tuple[float, float]]  # (lower bound of notional, maximum leverage), ascending
Record = Mapping[str, Any]

TRANSFER_SHARE = 0.1  # of notional: least margin that must stay behind on a transfer
BACKSTOP_SHARE = 2 / 3  # of maintenance: below it the backstop takes over


def maintenance_margin(tiers: Tiers, notional: float) -> float:
    """Maintenance margin, each bracket of the notional charged at its own rate.

    Args:
      tiers: (lower bound, maximum leverage) pairs in ascending order.
      notional: quote units, non-negative.

    Returns:
      Quote units.
    """
    bounds = [lower for lower, _ in tiers] + [math.inf]
    total = 0.0
    for (lower, leverage), upper in zip(tiers, bounds[1:], strict=True):
        if notional > lower:
            total += (min(notional, upper) - lower) / (2 * leverage)
    return total


def initial_margin(notional: float, leverage: float) -> float:
    """Initial margin at the leverage the user selected."""
    return notional / leverage


def transfer_margin(initial: float, notional: float) -> float:
    """Margin that must stay behind when funds leave: initial, at least a tenth of notional."""
    return max(initial, TRANSFER_SHARE * notional)


def unrealized_pnl(position: Record, mark: float) -> float:
    """Profit of a position at the mark, in its settlement token."""
    return position["size"] * (mark - position["entry_price"])


def isolated_equity(position: Record, mark: float) -> float:
    """Margin of an isolated position: what was put behind it plus its unrealized profit."""
    return position["margin_balance"] + unrealized_pnl(position, mark)


def isolated_state(position: Record, mark: float, tiers: Tiers) -> dict[str, Any]:
    """Margin, maintenance and flags of one isolated position.

    Returns:
      `margin`, `maintenance_margin`, `liquidatable` (margin < maintenance), `full`
      (margin < 2/3 of maintenance).
    """
    margin = isolated_equity(position, mark)
    maintenance = maintenance_margin(tiers, abs(position["size"]) * mark)
    return {
        "margin": margin,
        "maintenance_margin": maintenance,
        "liquidatable": margin < maintenance,
        "full": margin < BACKSTOP_SHARE * maintenance,
    }


def quotes_of(account: Record, rules: Record) -> list[str]:
    """Quote tokens the account touches: its cash and the settlement of its positions."""
    found = set(account.get("cash", {}))
    for position in account.get("positions", []):
        found.add(rules["settle"][position["market"]])
    return sorted(found)


def exposure(account: Record, prices: Record, rules: Record) -> dict[str, dict[str, float]]:
    """Equity and requirements of an account per quote token, in units of that token.

    Args:
      account: cash is cross cash without unrealized profit and without isolated margin;
        optional `orders_margin` {quote: margin of resting entry orders}.
      prices: `mark` {market: price}.
      rules: `tiers`, `settle`.

    Returns:
      Per quote: E net equity, I isolated equity, X = E - I, MM cross maintenance, M cross
      initial margin, N cross notional, O orders' margin, R = max(M, 0.1 N) + O.
    """
    result: dict[str, dict[str, float]] = {}
    for quote in quotes_of(account, rules):
        cross = account.get("cash", {}).get(quote, 0.0)
        isolated = maintenance = initial = notional = 0.0
        for position in account.get("positions", []):
            market = position["market"]
            if rules["settle"][market] != quote:
                continue
            mark = prices["mark"][market]
            value = abs(position["size"]) * mark
            if position["margin"] == "isolated":
                isolated += isolated_equity(position, mark)
                continue
            cross += unrealized_pnl(position, mark)
            maintenance += maintenance_margin(rules["tiers"][market], value)
            initial += initial_margin(value, position["leverage"])
            notional += value
        orders = account.get("orders_margin", {}).get(quote, 0.0)
        result[quote] = {
            "E": cross + isolated,
            "I": isolated,
            "X": cross,
            "MM": maintenance,
            "M": initial,
            "N": notional,
            "O": orders,
            "R": transfer_margin(initial, notional) + orders,
        }
    return result


def ratio_or_infinite(requirement: float, value: float) -> float:
    """requirement / value; infinite when nothing stands against a positive requirement."""
    if requirement <= 0.0:
        return 0.0
    if value <= 0.0:
        return math.inf
    return requirement / value


def standard_state(account: Record, prices: Record, rules: Record) -> dict[str, Any]:
    """State of a standard cross or a unified account, per quote and as a whole.

    Cross: liquidatable when account value < maintenance. Unified: when
    maintenance / (total - isolated margin) > trigger. Full: X < 2/3 of maintenance.

    Returns:
      `ratio`, `liquidatable`, `full` over all quotes, and `quotes` with each one's figures.

    Raises:
      ValueError: an account of another mode.
    """
    if account["mode"] not in ("cross", "unified"):
        raise ValueError(f"mode {account['mode']!r}; allowed: cross, unified")
    quotes: dict[str, dict[str, Any]] = {}
    for quote, e in exposure(account, prices, rules).items():
        ratio = ratio_or_infinite(e["MM"], e["X"])
        unified = account["mode"] == "unified"
        quotes[quote] = {
            **e,
            "ratio": ratio,
            "available_after_maintenance": e["X"] - e["MM"],
            "liquidatable": ratio > rules["trigger"] if unified else e["X"] < e["MM"],
            "full": e["X"] < BACKSTOP_SHARE * e["MM"],
        }
    return {
        "ratio": max((q["ratio"] for q in quotes.values()), default=0.0),
        "liquidatable": any(q["liquidatable"] for q in quotes.values()),
        "full": any(q["full"] for q in quotes.values()),
        "quotes": quotes,
    }


def liquidation_price(
    price: float, size: float, equity: float, tiers: Tiers, other_maintenance: float = 0.0
) -> float | None:
    """Venue's liquidation price of one position, every other price held.

        liq = price - side * margin_available / |size| / (1 - l * side)

    with l the maintenance rate of the tier in force at the answer: every tier is tried and the
    one that contains its own answer is taken. margin_available is equity minus maintenance,
    where the position's part is that tier's line (rate * notional - deduction) at `price`.

    Args:
      price: mark now.
      size: signed size.
      equity: account value (cross), X + C_liq (portfolio), or the margin (isolated).
      tiers: of the market.
      other_maintenance: maintenance of the account's other cross positions.

    Returns:
      The price, or None where no positive one exists.
    """
    side = math.copysign(1.0, size)
    for k, (lower, leverage) in enumerate(tiers):
        upper = tiers[k + 1][0] if k + 1 < len(tiers) else math.inf
        rate = 1 / (2 * leverage)
        deduction = rate * lower - maintenance_margin(tiers, lower)
        own = rate * abs(size) * price - deduction
        available = equity - other_maintenance - own
        answer = price - side * available / abs(size) / (1 - rate * side)
        if answer > 0 and lower <= abs(size) * answer <= upper:
            return answer
    return None
