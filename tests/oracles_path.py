"""One account along one hourly path of a frozen book, in a plain Python loop.

At every time: prices are marked, the loan follows, the account is tested; then interest and
funding of the coming hour accrue. Nothing the account suffers changes its positions.
"""

import math
from collections.abc import Mapping
from typing import Any

from oracles_lending import borrow_rate, growth_factor, supply_rate
from oracles_margin import Record, isolated_state, standard_state
from oracles_portfolio import portfolio_state
from oracles_prices import funding_payment, funding_rate

FLAGS = ("liquidatable", "partial", "full")


def prices_at(path: Record, t: int) -> dict[str, dict[str, float]]:
    """The prices of hour t; the perp oracle is the mark where the path gives none."""
    oracle = path.get("oracle", path["mark"])
    return {
        "mark": {market: float(line[t]) for market, line in path["mark"].items()},
        "oracle": {market: float(line[t]) for market, line in oracle.items()},
        "borrow": {token: float(line[t]) for token, line in path["borrow"].items()},
    }


def follow_loan(
    quote: Record, ltv_credit: float, cap: float, free: float, previous: float | None
) -> tuple[float, bool]:
    """Loan of this hour in quote units, and whether the reserve's free liquidity limited it.

    Args:
      quote: figures of one quote from `portfolio_state`.
      ltv_credit: C_ltv in quote units.
      cap: user borrow cap, quote units.
      free: what the reserve can still lend, quote units.
      previous: loan of the hour before; None at the start, where liquidity does not limit.
    """
    target = min(quote["borrowed"], cap, max(ltv_credit, quote["b"]))
    if previous is None or target <= previous:
        return target, False
    granted = min(target, previous + max(0.0, free))
    return granted, granted < target


def borrow_step(
    state: Record, prices: Record, rules: Record, free: Mapping[str, float], loans: Mapping
) -> tuple[dict[str, float], bool]:
    """Loans of this hour per quote, and whether some credit was not honoured."""
    result, refused = {}, False
    for name, quote in state["quotes"].items():
        cap = rules["user_borrow_cap"].get(name, math.inf)
        credit = state["C_ltv"] / prices["borrow"][name]
        room = free.get(name, math.inf)
        result[name], limited = follow_loan(quote, credit, cap, room, loans.get(name))
        refused |= limited and quote["X"] + result[name] < quote["MM"]
    return result, refused and rules.get("reserve_liquidity_limits_credit", True)


def pay_funding(
    account: dict[str, Any], prices: Record, premium: Any, rules: Record, hours: float
) -> None:
    """Take the coming hours' funding from cross cash or from the isolated margin, in place."""
    for position in account["positions"]:
        market = position["market"]
        rate = funding_rate(premium[market] if isinstance(premium, Mapping) else premium)
        paid = hours * funding_payment(position["size"], prices["oracle"][market], rate)
        if position["margin"] == "isolated":
            position["margin_balance"] -= paid
        else:
            quote = rules["settle"][market]
            account["cash"][quote] = account["cash"].get(quote, 0.0) - paid


def own_copy(account: Record) -> dict[str, Any]:
    """A copy whose cash and positions may be changed."""
    return {
        **account,
        "cash": dict(account.get("cash", {})),
        "positions": [dict(position) for position in account.get("positions", [])],
    }


def observe(
    account: Record, prices: Record, rules: Record, free: Mapping[str, float], loans: Mapping
) -> dict[str, Any]:
    """Ratio, flags, equity, loan and idle supply of the cross side at one time.

    Args:
      account: now.
      prices: now.
      rules: as in `oracles`.
      free: what each quote's reserve can still lend; unlimited where absent.
      loans: of the hour before; empty at the start.
    """
    if account["mode"] != "portfolio":
        state = standard_state(account, prices, rules)
        seen = {"ratio": state["ratio"], "refused": False, "loan": {}, "supplied": {}}
        flags = {"partial": False, "full": state["full"], "liquidatable": state["liquidatable"]}
    else:
        state = portfolio_state(account, prices, rules)
        loan, refused = borrow_step(state, prices, rules, free, loans)
        idle = {quote: q["supplied"] for quote, q in state["quotes"].items()}
        ratio = state["portfolio_margin_ratio"]
        seen = {"ratio": ratio, "refused": refused, "loan": loan, "supplied": idle}
        flags = {name: state[name] for name in ("partial", "full")}
        flags["liquidatable"] = state["liquidatable"] or refused
    equity = {quote: q["X"] for quote, q in state["quotes"].items()}
    return {**seen, **flags, "equity": equity}


def observe_isolated(account: Record, prices: Record, rules: Record) -> list[dict[str, Any]]:
    """State of every position that stands alone; an empty dict in the place of a cross one."""
    result: list[dict[str, Any]] = []
    for position in account["positions"]:
        market, alone = position["market"], {}
        if position["margin"] == "isolated":
            alone = isolated_state(position, prices["mark"][market], rules["tiers"][market])
        result.append(alone)
    return result


def pay_interest(
    account: dict[str, Any], seen: Record, rates: Mapping[str, float], hours: float, convention: str
) -> dict[str, float]:
    """Charge the coming hours' interest to cash, in place; return each quote's debt growth."""
    grown = {}
    for quote, loan in seen["loan"].items():
        grown[quote] = growth_factor(borrow_rate(rates[quote]), hours, convention)
        gain = growth_factor(supply_rate(rates[quote]), hours, convention) - 1.0
        cash = account["cash"].get(quote, 0.0)
        account["cash"][quote] = cash + seen["supplied"][quote] * gain - loan * (grown[quote] - 1.0)
    return grown


def first_index(history: list[dict[str, Any]], name: str) -> int | None:
    """First time at which a flag is set."""
    return next((t for t, seen in enumerate(history) if seen.get(name, False)), None)


def simulate_path(
    account: Record,
    path: Record,
    rules: Record,
    *,
    hours: float = 1.0,
    convention: str = "nominal",
    interest_needs_liquidity: bool = True,
) -> dict[str, Any]:
    """Follow one account along given hourly arrays.

    Args:
      account: as in `oracles`; `mode` chooses the rule.
      path: `mark` {market: [T+1]}, `borrow` {token or quote: [T+1]}, `utilization` {quote:
        [T+1]}, `premium` (a number or {market: number}); optional `oracle` like `mark`, and
        `free` {quote: [T+1]} in quote units (unlimited where absent).
      rules: as in `oracles`; `reserve_liquidity_limits_credit` defaults to True.
      hours: length of a step.
      convention: of `growth_factor`.
      interest_needs_liquidity: True compares the loan with the previous hour's as it stood;
        False with that loan plus its interest, which draws nothing from the reserve.

    Returns:
      `first_liquidatable`, `first_partial`, `first_full` (index or None, cross side only),
      `isolated_first`, `isolated_full` (one index or None per position), and lists over time:
      `ratio`, `refused` (credit not honoured), and per quote `equity` (X), `loan`, `supplied`.
    """
    account = own_copy(account)
    history: list[dict[str, Any]] = []
    alone: list[list[dict[str, Any]]] = [[] for _ in account["positions"]]
    loans: dict[str, float] = {}
    for t in range(len(next(iter(path["borrow"].values())))):
        prices = prices_at(path, t)
        free = {quote: float(line[t]) for quote, line in path.get("free", {}).items()}
        seen = observe(account, prices, rules, free, loans)
        history.append(seen)
        for line, state in zip(alone, observe_isolated(account, prices, rules), strict=True):
            line.append(state)
        rates = {quote: float(path["utilization"][quote][t]) for quote in seen["loan"]}
        grown = pay_interest(account, seen, rates, hours, convention)
        pay_funding(account, prices, path["premium"], rules, hours)
        kept = 0.0 if interest_needs_liquidity else 1.0
        loans = {q: loan * (1.0 + kept * (grown[q] - 1.0)) for q, loan in seen["loan"].items()}
    lists = ("ratio", "refused", "equity", "loan", "supplied")
    return {
        **{f"first_{name}": first_index(history, name) for name in FLAGS},
        "isolated_first": [first_index(line, "liquidatable") for line in alone],
        "isolated_full": [first_index(line, "full") for line in alone],
        **{name: [seen[name] for seen in history] for name in lists},
    }
