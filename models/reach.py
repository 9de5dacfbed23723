"""Whether prices of a stretch of time can push an account to its trigger at all.

The margin rules are monotone: less equity, more maintenance, less credit never help. So the rules
at the worst corner of the prices' ranges bound what any moment of the stretch can show. An account
that is within its limits there needs no margining at the times between: nothing of the rules is
approximated. One account on one path; batch with `jax.vmap`, accounts last.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.account import Account, MarginState, Market, Scalar, collateral
from models.liquidation import Figures, Holding, judge
from models.margin import maintenance_margin
from models.portfolio import excess, requirements
from models.step import Passage, thresholds
from models.venue import Venue

SLACK = 1e-5  # of an account's gross value: hundred times the rounding of float32
DEAREST = 0.5  # growth of a loan over the stretch up to which its interest is bounded


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Range:
    """What one path shows over a stretch of time, field by field."""

    low: Market  # least of each figure
    high: Market  # greatest
    growth: Float[Array, "Q"]  # 1, growths of a loan added over the stretch


def out_of_reach(venue: Venue, account: Account, passage: Passage, seen: Range) -> Scalar:
    """Whether nothing can happen to an account in a stretch but its loan's and interest's course.

    True only where at no time of the stretch it is liquidatable, beyond a threshold, refused
    liquidity that it needs or beyond its borrowing capacity; then `models.step.follow` replaces
    `models.step.step`. Of an account that is liquidated already, thresholds alone can be news.

    Args:
      venue: the rule book; triggers below 2.
      account: one account.
      passage: its state before the stretch.
      seen: ranges of prices and rates over the stretch.

    Returns:
      Bool. False may be wrong, True never: it is a bound with `SLACK` for rounding.

    Errors:
      Raises nothing; NaN in gives False.

    Source:
      Monotony of the formulas of `models.portfolio`; hyperstress, 2026-11.
    """
    low, high = seen.low, seen.high
    state, gross, known = worst_corner(venue, account, passage, seen)
    wanted = _wanted(account, state)
    loans = wanted if account.markets else tuple(jnp.maximum(-x, 0) for x in state.equity)
    needs = requirements(venue, account, high, state, loans if account.portfolio else ())
    safe = known & (venue.liquidation.portfolio_trigger < 2)
    safe = safe & (excess(venue, account, needs) + SLACK * gross <= 0)
    if account.portfolio and account.markets:
        free = venue.assumptions.reserve_liquidity_limits_credit == 0
        for q, loan in enumerate(wanted):
            capacity = state.borrow_capacity / high.quote_price[q]
            short = state.maintenance[q] - state.equity[q]
            funded = free | (loan + SLACK * gross <= low.free_liquidity[q])
            funded = funded | (short + SLACK * gross <= 0)  # limited, but nothing is missing
            safe = safe & funded & (short + SLACK * gross <= capacity)
    safe = safe | jnp.isfinite(passage.first)  # liquidated: loan and interest stand still
    for beyond, before in zip(
        thresholds(venue, account, high, state, needs), passage.worst, strict=True
    ):
        safe = safe & ((before > 0) | (beyond + SLACK * gross <= 0))
    if account.portfolio:
        for q in range(len(venue.quotes)):
            safe = safe & (low.quote_price[q] == high.quote_price[q])
    if not account.markets:
        idle = known
        for equity in state.equity:
            idle = idle & (equity >= 0)
        safe = safe | idle  # owes nothing and has nothing to maintain
    return safe


def near(
    venue: Venue, account: Account, held: Holding, seen: Figures, market: Market, reach: Scalar
) -> Scalar:
    """Whether prices within a log distance of the present ones can make an account liquidatable.

    Equity at its least, maintenance at its most, credit at its least, each over all prices p with
    |log p - log p now| <= reach; what is held, owed and refused stays as it is.

    Args:
      venue: the rule book, one quote token; triggers below 2.
      account: its structure.
      held: what it holds now.
      seen: its figures at the present prices.
      market: the present prices.
      reach: 1, log distance that every price may move.

    Returns:
      Bool. True may be wrong, False never: it is a bound with `SLACK` for rounding.

    Errors:
      Raises nothing; NaN in gives False.

    Source:
      Monotony of the formulas of `models.portfolio`; hyperstress, 2026-11.
    """
    up, maintenance = jnp.expm1(reach), jnp.zeros_like(seen.equity)
    for i, m in enumerate(account.markets):
        exposure = jnp.abs(held.size[i]) * market.mark[m] * (1 + up)
        maintenance = maintenance + maintenance_margin(
            venue.tiers.rate[:, m], venue.tiers.deduction[:, m], exposure
        )
    gross = jnp.abs(held.cash) + seen.notional + seen.collateral
    corner = dataclasses.replace(
        seen,
        equity=seen.equity - up * seen.notional - SLACK * gross,
        maintenance=maintenance,
        partial_credit=seen.partial_credit * jnp.exp(-reach),
    )
    worst = judge(venue, account, held, corner, market)
    return worst.beyond | worst.unfunded


def _wanted(account: Account, state: MarginState) -> tuple[Scalar, ...]:
    """The most that could be drawn, quote units; empty for an account that draws nothing."""
    if not (account.portfolio and account.markets):
        return ()
    pairs = zip(state.transfer, state.equity, strict=True)
    return tuple(jnp.maximum(kept - equity, 0) for kept, equity in pairs)


def worst_corner(
    venue: Venue, account: Account, passage: Passage, seen: Range
) -> tuple[MarginState, Scalar, Scalar]:
    """Figures at the worst corner, the gross money, and whether interest is bounded.

    Interest: with `owed` the most owed without it and G the growth of the stretch, what is paid is
    at most (owed + paid) G, so paid <= owed G / (1 - G).
    """
    low, high = seen.low, seen.high
    zero = jnp.zeros_like(account.shared_margin)
    quotes = range(len(venue.quotes))
    equity = [_least_balance(account, passage, low, high, q) for q in quotes]
    maintenance, initial, notional = ([zero for _ in quotes] for _ in range(3))
    for i, m in enumerate(account.markets):
        q, size = venue.settle[m], account.size[i]
        exposure = jnp.abs(size) * high.mark[m]
        long, short = jnp.maximum(size, 0), jnp.minimum(size, 0)
        equity[q] = equity[q] + long * low.settlement[m] + short * high.settlement[m]
        notional[q] = notional[q] + exposure
        initial[q] = initial[q] + exposure * account.inverse_leverage[i]
        maintenance[q] = maintenance[q] + maintenance_margin(
            venue.tiers.rate[:, m], venue.tiers.deduction[:, m], exposure
        )
    value, capacity, partial, full = collateral(venue, account, low.collateral_price)
    transfer = [jnp.maximum(initial[q], venue.transfer_margin * notional[q]) for q in quotes]
    known = zero == 0
    if account.portfolio and account.markets:
        for q in quotes:
            growth, earned = seen.growth[q], low.supply_growth[q]
            drawn = jnp.maximum(transfer[q] - equity[q], 0)
            owed = jnp.maximum(jnp.maximum(passage.pool[q], 0), drawn)
            equity[q] = equity[q] - owed * growth / (1 - jnp.minimum(growth, DEAREST))
            known = known & (growth <= DEAREST) & (low.borrow_growth[q] >= 0) & (earned >= 0)
    state = MarginState(
        equity=tuple(equity),
        maintenance=tuple(maintenance),
        notional=tuple(notional),
        transfer=tuple(transfer),
        collateral_value=value,
        borrow_capacity=capacity,
        partial_credit=partial,
        full_credit=full,
    )
    return state, _gross(account, high, state), known


def _least_balance(account: Account, passage: Passage, low: Market, high: Market, q: int) -> Scalar:
    """Least cash with its interest before that of the stretch, quote units."""
    cash = account.net_cash[q]
    if account.portfolio and not account.markets:
        return cash * jnp.where(cash < 0, high.borrow_index[q], low.supply_index[q])
    return cash + passage.accrued[q] if len(passage.accrued) else cash


def _gross(account: Account, high: Market, state: MarginState) -> Scalar:
    """Size of the figures whose rounding counts, USDC."""
    amounts: Sequence[Scalar] = [
        (jnp.abs(account.net_cash[q]) + notional) * high.quote_price[q]
        for q, notional in enumerate(state.notional)
    ]
    return sum(amounts, state.collateral_value)
