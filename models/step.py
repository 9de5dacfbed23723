"""One step of a frozen account: the order of play, as named calls.

Frozen: an account keeps its positions, liquidations move nothing and its balances change by
interest and funding alone. Each time on the grid (0 = now) plays

    interest of the step that ends accrues -> mark -> loan follows -> margin -> observe

The first passage is observed exactly; so are the worst distances to the partial and the full
threshold over the whole path, as if the account had not been touched. Interest of an account with
positions stops at its first liquidation, where it is settled.
"""

import dataclasses
import functools
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from models.account import Account, MarginState, Market, Scalar, margin_state
from models.portfolio import (
    Requirement,
    desired_loan,
    excess,
    idle_balance,
    liquidation_credit,
    margin_ratio,
    requirements,
    trigger,
)
from models.venue import Venue

ROUNDING = 16.0  # last bits of an account's gross money that a loan may differ by without a draw
LOG_RANGE = 20.0  # of the log margin ratio over its trigger; beyond it nothing is told apart


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Passage:
    """What a frozen account carries along a path.

    Every leaf costs one more pass over the tile, so only what the account can need is there:
    `accrued` and `pool` have one entry per quote token for a portfolio account with positions, else
    none; `worst` has a second entry for one without.
    """

    accrued: tuple[Scalar, ...]  # quote units, interest received less paid; stops at liquidation
    pool: tuple[Scalar, ...]  # quote units owed to the pool, negative: lent to it; stops likewise
    first: Scalar  # index of the first time it is liquidatable; +inf: never
    worst: tuple[Scalar, ...]  # USDC, greatest distance beyond the full (and partial) threshold


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Settlement:
    """An account at its first liquidation, or at the horizon if it has none. USDC."""

    equity: Scalar  # cross net equity and all collateral at their prices
    loan: Scalar
    notional: Scalar
    collateral: Scalar
    margin_ratio: Scalar  # 1


def start(account: Account) -> Passage:
    """The state before the first time: nothing accrued, nothing owed."""
    zero = jnp.zeros_like(account.shared_margin)
    quotes = account.net_cash.shape[0] if account.portfolio and account.markets else 0
    kinds = 2 if account.portfolio and not account.markets else 1
    return Passage(
        accrued=(zero,) * quotes,
        pool=(zero,) * quotes,
        first=zero + jnp.inf,
        worst=(zero - jnp.inf,) * kinds,
    )


def step(
    venue: Venue, account: Account, passage: Passage, market: Market, index: Scalar
) -> Passage:
    """Plays one time of the grid for one account on one path.

    Args:
      venue: the rule book.
      account: one account.
      passage: its state after the previous time.
      market: prices and rates at this time.
      index: place of this time on the grid, 0 = now.

    Returns:
      The state after this time.

    Errors:
      Raises nothing; a NaN price never counts as liquidatable, the engine gives the path a status.

    Source:
      Order of play: hyperstress design, 2026-11; rules as cited in `models.portfolio`.
    """
    alive = jnp.isinf(passage.first)
    accrued = _accrued(market, passage, alive)
    state = margin_state(venue, account, market, accrued)
    loans, unfunded = _loans(venue, account, market, state, passage, index)
    needs = requirements(venue, account, market, state, loans)
    liquidatable = (excess(venue, account, needs) > 0) | unfunded
    here = jnp.where(liquidatable, index, jnp.inf).astype(passage.first.dtype)
    distances = thresholds(venue, account, market, state, needs)
    return Passage(
        accrued=accrued,
        pool=tuple(
            jnp.where(alive, loan - idle_balance(state, q), before)
            for q, (loan, before) in enumerate(zip(loans, passage.pool, strict=False))
        ),
        first=jnp.minimum(passage.first, here),
        worst=tuple(map(jnp.maximum, passage.worst, distances)),
    )


def follow(
    venue: Venue, account: Account, passage: Passage, market: Market, index: Scalar
) -> Passage:
    """`step` for an account that is out of reach of everything but its loan and interest.

    It wants less than its borrowing capacity gives beyond maintenance, and neither its first
    liquidation nor a threshold can come; `models.reach.out_of_reach` says where.

    Args:
      venue: the rule book.
      account: one account.
      passage: its state after the previous time.
      market: prices and rates at this time.
      index: place of this time on the grid, 0 = now.

    Returns:
      The state after this time; `first` and `worst` as they were.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      The loan of `models.portfolio.desired_loan`.
    """
    alive = jnp.isinf(passage.first)
    accrued = _accrued(market, passage, alive)
    state = margin_state(venue, account, market, accrued)
    pool = []
    for q, before in enumerate(passage.pool):
        wanted = jnp.maximum(state.transfer[q] - state.equity[q], 0)
        limit = state.borrow_capacity / market.quote_price[q]
        wanted = jnp.minimum(jnp.minimum(wanted, venue.lending.user_borrow_cap[q]), limit)
        loan, _ = _granted(venue, account, market, state, passage, q, wanted, index)
        pool.append(jnp.where(alive, loan - idle_balance(state, q), before))
    return dataclasses.replace(passage, accrued=accrued, pool=tuple(pool))


def distance(
    venue: Venue, account: Account, passage: Passage, market: Market, index: Scalar
) -> tuple[Scalar, Scalar]:
    """How far an account is from its trigger at one time of the grid.

    Args:
      venue: the rule book.
      account: one account.
      passage: its state after the previous time, as `step` takes it.
      market: prices and rates at this time.
      index: place of this time on the grid.

    Returns:
      (`models.portfolio.excess` in quote units, log of the margin ratio over its trigger): both are
      positive where `step` finds the account liquidatable, but for credit the reserve cannot fund,
      which shows in the logarithm alone. The logarithm lies within +-LOG_RANGE.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      The margin ratio and trigger of `models.portfolio`.
    """
    accrued = _accrued(market, passage, jnp.isinf(passage.first))
    state = margin_state(venue, account, market, accrued)
    loans, unfunded = _loans(venue, account, market, state, passage, index)
    needs = requirements(venue, account, market, state, loans)
    limit = trigger(venue, account)
    least = jnp.asarray(1e-6, limit.dtype)  # a millionth of a quote unit: below it nothing is owed
    logs = [
        jnp.where(
            r.required > least,
            jnp.log(jnp.maximum(r.required, least) / jnp.maximum(limit * r.available, least)),
            -LOG_RANGE,
        )
        for r in needs
    ]
    ratio = jnp.clip(functools.reduce(jnp.maximum, logs), -LOG_RANGE, LOG_RANGE)
    return excess(venue, account, needs), jnp.where(unfunded, jnp.maximum(ratio, least), ratio)


def reached(account: Account, passage: Passage) -> tuple[Scalar, Scalar]:
    """Whether the partial and the full threshold were reached at any time.

    Portfolio account without positions: debt above collateral at weights (1+LTV)/2 and (2+LTV)/3.
    With positions the backstop takes its perpetuals below 2/3 of maintenance, which comes before
    either, so both are that. Other accounts: partial is the order book (liquidatable), full the
    backstop.
    """
    full = passage.worst[0] > 0
    if account.portfolio:
        return passage.worst[-1] > 0, full
    return jnp.isfinite(passage.first), full


def settle(venue: Venue, account: Account, passage: Passage, market: Market) -> Settlement:
    """Values an account at its first liquidation or the horizon, whichever `market` shows."""
    state = margin_state(venue, account, market, passage.accrued)
    loans = tuple(jnp.maximum(owed, 0) for owed in passage.pool)
    if account.portfolio and not account.markets:
        loans = tuple(jnp.maximum(-x, 0) for x in state.equity)
    needs = requirements(venue, account, market, state, loans)
    zero = jnp.zeros_like(passage.first)
    return Settlement(
        equity=_worth(market, state.equity) + state.collateral_value,
        loan=_worth(market, loans) + zero,
        notional=_worth(market, state.notional),
        collateral=state.collateral_value,
        margin_ratio=margin_ratio(needs),
    )


def _loans(
    venue: Venue,
    account: Account,
    market: Market,
    state: MarginState,
    passage: Passage,
    index: Scalar,
) -> tuple[tuple[Scalar, ...], Scalar]:
    """Loans after the reserve's limits, and whether a maintenance shortfall is left unfunded.

    Existing debt stands and grows by its interest; only what must be drawn anew needs free
    liquidity, and today's loans are taken as funded. Credit the reserve cannot fund does not
    protect perpetuals (assumption `reserve_liquidity_limits_credit`).
    """
    unfunded = jnp.zeros_like(passage.first) > 0
    if not account.portfolio:
        return (), unfunded
    if not account.markets:
        return tuple(jnp.maximum(-x, 0) for x in state.equity), unfunded
    loans = []
    for q in range(len(venue.quotes)):
        wanted = desired_loan(venue, market, state, q)
        loan, draws = _granted(venue, account, market, state, passage, q, wanted, index)
        shortfall = state.maintenance[q] - state.equity[q]
        # Where there is nothing to maintain the shortfall is old debt.
        unfunded = unfunded | (draws & (state.maintenance[q] > 0) & (shortfall > loan))
        loans.append(loan)
    return tuple(loans), unfunded


def _granted(
    venue: Venue,
    account: Account,
    market: Market,
    state: MarginState,
    passage: Passage,
    q: int,
    wanted: Scalar,
    index: Scalar,
) -> tuple[Scalar, Scalar]:
    """The loan within what the reserve lets stand, and whether it stays below what is wanted.

    What stands is the old loan with its interest, and what the reserve has left. A loan that grew
    by its interest alone differs from that by rounding, which is no draw.
    """
    limits = (venue.assumptions.reserve_liquidity_limits_credit > 0) & (index > 0)
    owed = jnp.maximum(passage.pool[q], 0) * (1 + market.borrow_growth[q])
    reach = jnp.where(limits, owed + market.free_liquidity[q], jnp.inf)
    gross = jnp.abs(account.net_cash[q]) + state.notional[q]
    refused = wanted > reach + ROUNDING * jnp.finfo(gross.dtype).eps * gross
    return jnp.where(refused, reach, wanted), refused


def thresholds(
    venue: Venue,
    account: Account,
    market: Market,
    state: MarginState,
    needs: tuple[Requirement, ...],
) -> tuple[Scalar, ...]:
    """Distances beyond the full and, where it is another event, the partial threshold.

    Args:
      venue: the rule book.
      account: one account.
      market: prices of one path at one time.
      state: the account's `margin_state`.
      needs: its `requirements`.

    Returns:
      USDC, positive beyond; one entry, or (full, partial) for a portfolio account without
      positions, as `Passage.worst`.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Hyperliquid docs, "Liquidations" and "Portfolio margin", read 2026-11-22; see `reached`.
    """
    if account.portfolio and not account.markets:
        debt = _worth(market, [jnp.maximum(-x, 0) for x in state.equity])
        return debt - state.full_credit, debt - state.partial_credit
    borrow = tuple(r.borrow for r in needs)
    worst = jnp.full_like(state.collateral_value, -jnp.inf)
    for q in range(len(venue.quotes)):
        credit = liquidation_credit(venue, market, state, borrow, q) if account.portfolio else 0
        floor = venue.liquidation.backstop_fraction * state.maintenance[q]
        short = (floor - state.equity[q] - credit) * market.quote_price[q]
        if account.portfolio and len(venue.quotes) > 1:  # no backstop without positions, only debt
            short = jnp.where(state.maintenance[q] > 0, short, -jnp.inf)
        worst = jnp.maximum(worst, short)
    if account.portfolio and len(venue.quotes) > 1:
        owed = [b * market.quote_price[q] for q, b in enumerate(borrow)]
        for q in range(len(venue.quotes)):
            left = state.full_credit - sum(owed[:q] + owed[q + 1 :], 0.0)
            debt = -state.equity[q] * market.quote_price[q]
            worst = jnp.maximum(worst, debt - jnp.maximum(left, 0))
    return (worst,)


def _accrued(market: Market, passage: Passage, alive: Scalar) -> tuple[Scalar, ...]:
    """Interest of the step that ends: paid on what was owed, earned on what was lent."""
    result = []
    for q, (accrued, owed) in enumerate(zip(passage.accrued, passage.pool, strict=True)):
        rate = jnp.where(owed > 0, market.borrow_growth[q], market.supply_growth[q])
        result.append(accrued - jnp.where(alive, owed * rate, 0))
    return tuple(result)


def _worth(market: Market, amounts) -> Scalar:
    """Quote amounts in USDC, one per quote token; 0 for none."""
    worth = [a * market.quote_price[q] for q, a in enumerate(amounts)]
    return sum(worth[1:], worth[0]) if worth else jnp.zeros_like(market.quote_price[0])
