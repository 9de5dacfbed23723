"""Portfolio margin by plain loops: credit, ratio per quote token, health, liquidation prices.

Rule book, section 1. Amounts of a quote token stay in that token; credit and collateral are in
USD, and the two meet at the token's borrow price.
"""

import math
from collections.abc import Sequence
from typing import Any

from oracles_margin import Record, exposure, ratio_or_infinite


def weights(ltv: float) -> tuple[float, float, float]:
    """Collateral weights: what may be borrowed, partial threshold, full threshold."""
    return ltv, (1 + ltv) / 2, (2 + ltv) / 3


def collateral_credit(account: Record, prices: Record, rules: Record) -> tuple[float, float, float]:
    """Supplied collateral at the three weights, USD, up to the user supply caps.

    Returns:
      (C_ltv, C_liq before the borrow cap, C_full).
    """
    totals = [0.0, 0.0, 0.0]
    for token, units in account.get("supplied", {}).items():
        counted = min(units, rules["user_supply_cap"].get(token, math.inf))
        value = counted * prices["borrow"][token]
        for k, weight in enumerate(weights(rules["ltv"][token])):
            totals[k] += value * weight
    return totals[0], totals[1], totals[2]


def hypothetical_borrow(equity: float, maintenance: float) -> float:
    """Borrow that would restore maintenance, b = max(0, MM - X); it is not the loan."""
    return max(0.0, maintenance - equity)


def portfolio_margin_ratio(
    equity: float,
    maintenance: float,
    credit: float,
    *,
    owes: bool = False,
    offset: float = 0.0,
    offset_mode: str = "none",
) -> float:
    """PMR = (MM + b) / (X + b + C), with the minimum borrow offset as chosen.

    Args:
      equity: X, USD.
      maintenance: MM, USD.
      credit: C, USD.
      owes: whether a debt exists (only `floor` asks).
      offset: USD.
      offset_mode: `floor` requirement at least offset if it owes; `additive`; `none`.

    Returns:
      The ratio; infinite for a positive requirement over a value <= 0.
    """
    borrow = hypothetical_borrow(equity, maintenance)
    requirement = maintenance + borrow
    if offset_mode == "additive":
        requirement += offset
    elif offset_mode == "floor" and owes:
        requirement = max(requirement, offset)
    return ratio_or_infinite(requirement, equity + borrow + credit)


def portfolio_state(account: Record, prices: Record, rules: Record) -> dict[str, Any]:
    """State of a portfolio account, per quote and as a whole.

    For quote q the credit is what the other quotes' hypothetical borrows leave,
    C_q = max(0, C - sum of b_q' * price_q'), for the liquidation credit (then at most the user
    borrow cap of q) and for the full-takeover credit (no borrow cap: section 6 names none).
    A quote without equity and without requirement has ratio 0.

    Returns:
      `portfolio_margin_ratio`, `C_ltv`, `C_liq`, `C_full` (USD, before other quotes),
      `borrowed` (USD), `health_factor` (infinite without a loan), `liquidatable`, `partial`,
      `full`, and `quotes`: exposure's figures plus b, C_liq and C_full left to q, ratio,
      available_after_maintenance, available_to_trade, borrowed and supplied in quote units.
    """
    ltv_credit, liq_credit, full_credit = collateral_credit(account, prices, rules)
    quotes: dict[str, dict[str, Any]] = {}
    base = exposure(account, prices, rules)
    gaps = {q: hypothetical_borrow(e["X"], e["MM"]) * prices["borrow"][q] for q, e in base.items()}
    for quote, e in base.items():
        price = prices["borrow"][quote]
        others = sum(gap for q, gap in gaps.items() if q != quote)
        cap = rules["user_borrow_cap"].get(quote, math.inf) * price
        credit = max(0.0, min(cap, liq_credit - others))
        full = max(0.0, full_credit - others)
        borrowed = max(0.0, e["R"] - e["X"])
        idle = e["X"] == 0 and e["MM"] == 0
        ratio = portfolio_margin_ratio(
            e["X"] * price,
            e["MM"] * price,
            credit,
            owes=e["X"] < 0 or borrowed > 0,
            offset=rules["min_borrow_offset"],
            offset_mode="none" if idle else rules["offset_mode"],
        )
        debt = -e["X"] * price
        short = e["X"] * price + credit < 2 / 3 * e["MM"] * price
        quotes[quote] = {
            **e,
            "b": gaps[quote] / price,
            "C_liq": credit,
            "C_full": full,
            "ratio": ratio,
            "available_after_maintenance": e["X"] - e["MM"] + credit / price,
            "available_to_trade": e["X"] + ltv_credit / price - e["M"] - 1.01 * e["O"],
            "borrowed": borrowed,
            "supplied": max(0.0, e["X"] - e["R"]),
            "partial": debt > credit,
            "full": debt > full or (e["MM"] > 0 and short),
        }
    ratio = max((q["ratio"] for q in quotes.values()), default=0.0)
    borrowed = sum(q["borrowed"] * prices["borrow"][name] for name, q in quotes.items())
    return {
        "portfolio_margin_ratio": ratio,
        "liquidatable": ratio > rules["trigger"],
        "partial": any(q["partial"] for q in quotes.values()),
        "full": any(q["full"] for q in quotes.values()),
        "C_ltv": ltv_credit,
        "C_liq": liq_credit,
        "C_full": full_credit,
        "borrowed": borrowed,
        "health_factor": ltv_credit / borrowed if borrowed > 0 else math.inf,
        "quotes": quotes,
    }


def moved(prices: Record, coin: str, tokens: Sequence[str], factor: float) -> dict[str, Any]:
    """Prices with the coin's mark, its oracle and its collateral tokens times `factor`."""
    result = {kind: dict(table) for kind, table in prices.items()}
    for kind, names in (("mark", [coin]), ("oracle", [coin]), ("borrow", tokens)):
        for name in names:
            if name in result.get(kind, {}):
                result[kind][name] *= factor
    return result


def crossing_prices(
    account: Record,
    prices: Record,
    rules: Record,
    coin: str,
    *,
    tokens: Sequence[str] | None = None,
    widest: float = 1e4,
    points: int = 2000,
) -> tuple[float | None, float | None]:
    """Nearest prices of a coin below and above today's at which PMR crosses the trigger.

    The perp mark and the collateral price move together, everything else stays. A scan in
    equal logarithmic steps finds the first change of `PMR > trigger`, bisection locates it.

    Args:
      account: a portfolio account.
      prices: today's.
      rules: as everywhere.
      coin: market that moves.
      tokens: collateral tokens that move with it (default: the token of the same name).
      widest: largest factor scanned either way.
      points: scan steps either way.

    Returns:
      (below, above), as mark prices where the coin has a mark, else as the collateral price;
      None where nothing is crossed within the scan.
    """
    carried = [coin] if tokens is None else list(tokens)
    today = prices["mark"][coin] if coin in prices["mark"] else prices["borrow"][carried[0]]

    def breached(log_factor: float) -> bool:
        at = moved(prices, coin, carried, math.exp(log_factor))
        return portfolio_state(account, at, rules)["portfolio_margin_ratio"] > rules["trigger"]

    start, answers = breached(0.0), []
    for direction in (-1.0, 1.0):
        answer, inner = None, 0.0
        for k in range(1, points + 1):
            outer = direction * math.log(widest) * k / points
            if breached(outer) != start:
                for _ in range(80):
                    middle = 0.5 * (inner + outer)
                    inner, outer = (middle, outer) if breached(middle) == start else (inner, middle)
                answer = today * math.exp(0.5 * (inner + outer))
                break
            inner = outer
        answers.append(answer)
    return answers[0], answers[1]
