"""Margin ratio of an account, what it may borrow, and where it is liquidated.

Standard, unified and isolated accounts have the ratio MM / X. One account on one path.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.account import Account, MarginState, Market, Scalar
from models.margin import maintenance_margin, maintenance_rate
from models.venue import Venue


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Requirement:
    """The margin ratio of one quote token as a fraction, quote units."""

    required: Scalar  # MM + b, with the least-borrow offset
    available: Scalar  # X + b + C_liq
    borrow: Scalar  # b = max(0, MM - X), the hypothetical borrow that restores maintenance


def requirements(
    venue: Venue, account: Account, market: Market, state: MarginState, loans: Sequence[Scalar] = ()
) -> tuple[Requirement, ...]:
    """Numerator and denominator of the margin ratio for each quote token.

        b_q = max(0, MM_q - X_q)
        C_q = max(0, min(user_borrow_cap_q, (credit - sum_{p != q} b_p price_p) / price_q))
        ratio_q = (MM_q + b_q) / (X_q + b_q + C_q)      portfolio account
        ratio_q = MM_q / X_q                            other accounts

    The credit that the shortfall of another quote token takes is not counted twice; the venue
    does not publish how it treats two shortfalls, with one it is the recorded formula. An additive
    offset applies where there is a debt or a maintenance margin.

    Args:
      venue: the rule book, with the reading of the least-borrow offset.
      account: one account.
      market: prices of one path at one time.
      state: the account's `margin_state`.
      loans: quote units per quote token, for the offset's "while a debt exists"; empty for none.

    Returns:
      One `Requirement` per quote token.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Hyperliquid docs, "Portfolio margin", read 2026-11-22; branch form from recorded accounts of
      2026-09-08 (residual 1e-8).
    """
    quotes = range(len(venue.quotes))
    if not account.portfolio:
        nothing = jnp.zeros_like(state.collateral_value)
        return tuple(
            Requirement(required=state.maintenance[q], available=state.equity[q], borrow=nothing)
            for q in quotes
        )
    borrow = [jnp.maximum(state.maintenance[q] - state.equity[q], 0) for q in quotes]
    result = []
    for q in quotes:
        owes = state.equity[q] < 0
        if len(loans):
            owes = owes | (loans[q] > 0)
        exposed = owes | (state.maintenance[q] > 0)
        price = market.quote_price[q]
        floor = jnp.where(owes, venue.assumptions.borrow_offset_floor / price, 0)
        offset = jnp.where(exposed, venue.assumptions.borrow_offset_additive / price, 0)
        required = jnp.maximum(state.maintenance[q] + borrow[q], floor) + offset
        credit = liquidation_credit(venue, market, state, borrow, q)
        available = state.equity[q] + borrow[q] + credit
        result.append(Requirement(required=required, available=available, borrow=borrow[q]))
    return tuple(result)


def liquidation_credit(
    venue: Venue, market: Market, state: MarginState, borrow: Sequence[Scalar], q: int
) -> Scalar:
    """Credit C_liq that collateral gives in quote token `q`, quote units (see `requirements`)."""
    credit = state.partial_credit / market.quote_price[q]
    for p in range(len(venue.quotes)):
        if p != q:
            credit = credit - borrow[p] * (market.quote_price[p] / market.quote_price[q])
    return jnp.maximum(jnp.minimum(venue.lending.user_borrow_cap[q], credit), 0)


def trigger(venue: Venue, account: Account) -> Scalar:
    """Margin ratio above which an account is liquidatable: 0.95 shared margin, 1 standard."""
    rules = venue.liquidation
    return jnp.where(account.shared_margin > 0, rules.portfolio_trigger, rules.cross_trigger)


def margin_ratio(requirements: Sequence[Requirement]) -> Scalar:
    """Margin ratio of an account: the greatest over its quote tokens.

    Args:
      requirements: of one account, one per quote token.

    Returns:
      1; 0 where nothing is required, +inf where something is and nothing is available.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Hyperliquid docs, "Portfolio margin", read 2026-11-22.
    """
    ratios = []
    for r in requirements:
        funded = r.available > 0
        ratio = jnp.where(funded, r.required / jnp.where(funded, r.available, 1), jnp.inf)
        ratios.append(jnp.where(r.required > 0, ratio, r.required * 0))
    result = ratios[0]
    for ratio in ratios[1:]:
        result = jnp.maximum(result, ratio)
    return result


def excess(venue: Venue, account: Account, requirements: Sequence[Requirement]) -> Scalar:
    """Signed distance beyond the trigger, quote units: positive exactly where liquidatable.

        excess = max_q (required_q - trigger * available_q)

    Piecewise linear and convex in prices but for the jump of the least-borrow offset (20 USDC)
    where a debt begins; finite where the ratio is infinite. Where nothing is
    required and nothing available it is 0, not liquidatable.
    """
    limit = trigger(venue, account)
    result = requirements[0].required - limit * requirements[0].available
    for r in requirements[1:]:
        result = jnp.maximum(result, r.required - limit * r.available)
    return result


def shortfall(
    venue: Venue, account: Account, requirements: Sequence[Requirement]
) -> tuple[Scalar, ...]:
    """What must be paid in so that no quote token's ratio is beyond the trigger.

    A payment first takes the place of the hypothetical borrow, which leaves the ratio's
    denominator as it is, and then adds to what is available:

        excess_q = required_q - trigger * available_q
        shortfall_q = min(excess_q, b_q) + max(excess_q - b_q, 0) / trigger

    Args:
      venue: the rule book.
      account: one account.
      requirements: of the account, one per quote token.

    Returns:
      Quote units per quote token, 0 where nothing is missing. Too small by at most the least-borrow
      offset where that is what is required; with shortfalls in several quote tokens an upper bound,
      as paying one gives credit to another.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Algebra of `requirements`.
    """
    limit = trigger(venue, account)
    missing = []
    for r in requirements:
        beyond = jnp.maximum(r.required - limit * r.available, 0)
        missing.append(jnp.minimum(beyond, r.borrow) + jnp.maximum(beyond - r.borrow, 0) / limit)
    return tuple(missing)


def available_after_maintenance(
    venue: Venue, market: Market, state: MarginState
) -> tuple[Scalar, ...]:
    """What an account could still lose or take out before maintenance is missing: X + C_liq - MM.

    Args:
      venue: the rule book.
      market: prices of one path at one time.
      state: the account's `margin_state`.

    Returns:
      Quote units per quote token; may be negative. A token the account does not hold shows what
      collateral would lend in it after the other tokens' shortfall.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Recorded account of 2026-09-08 (USDC and USDT0, residual 2e-6 USDC).
    """
    quotes = range(len(venue.quotes))
    borrow = [jnp.maximum(state.maintenance[q] - state.equity[q], 0) for q in quotes]
    return tuple(
        state.equity[q] + liquidation_credit(venue, market, state, borrow, q) - state.maintenance[q]
        for q in quotes
    )


def desired_loan(venue: Venue, market: Market, state: MarginState, q: int) -> Scalar:
    """Loan the venue draws by itself for a portfolio account, before the reserve's limits.

        loan = min(max(0, R - X), user_borrow_cap, max(C_ltv, MM - X))

    Transfers may draw up to the LTV limit; a shortfall of maintenance is drawn beyond it.

    Args:
      venue: the rule book.
      market: prices of one path at one time.
      state: the account's `margin_state`.
      q: quote token.

    Returns:
      Quote units, non-negative.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Recorded portfolio accounts of 2026-09 (within 1.3 %, lag between adjustments); "Portfolio
      margin", read 2026-11-22, for the limits.
    """
    wanted = jnp.maximum(state.transfer[q] - state.equity[q], 0)
    limit = jnp.maximum(
        state.borrow_capacity / market.quote_price[q], state.maintenance[q] - state.equity[q]
    )
    return jnp.minimum(jnp.minimum(wanted, venue.lending.user_borrow_cap[q]), limit)


def idle_balance(state: MarginState, q: int) -> Scalar:
    """Quote balance a portfolio account lends to the pool: max(0, X - R), quote units."""
    return jnp.maximum(state.equity[q] - state.transfer[q], 0)


def health_factor(state: MarginState, loans: Sequence[Scalar], market: Market) -> Scalar:
    """Borrowing capacity over loans, sum value * LTV / borrowed; +inf without a loan."""
    owed = sum((loan * market.quote_price[q] for q, loan in enumerate(loans)), 0.0)
    return jnp.where(owed > 0, state.borrow_capacity / jnp.where(owed > 0, owed, 1), jnp.inf)


def liquidation_price(
    mark: Scalar,
    size: Scalar,
    available: Scalar,
    rate: Float[Array, "K"],
    deduction: Float[Array, "K"],
) -> Scalar:
    """The price at which the venue's page says a position is liquidated, all else unchanged.

        liq = mark - side * available / |size| / (1 - l * side),   l = maintenance rate at liq

    Collateral of the same coin does not move in it; `models.critical` has the price at which
    everything of the coin moves.

    Args:
      mark: quote units per contract.
      size: contracts, signed, not 0.
      available: quote units, account value (isolated: its margin) less maintenance.
      rate: 1, the market's maintenance rates.
      deduction: quote units.

    Returns:
      Quote units per contract; NaN where it is not positive. Within a tier the price is exact; it
      is solved again with the tier found at the price, so one change of tier is exact too.

    Errors:
      Raises nothing; size 0 gives NaN.

    Source:
      Hyperliquid docs, "Liquidations", read 2026-11-22; recorded prices of 2026-09-08
      (1.3e-10, CHIP 1.1e-9 by its printed digits).
    """
    side, units = jnp.sign(size), jnp.abs(size)
    value = available + maintenance_margin(rate, deduction, units * mark)
    price = mark
    for _ in range(rate.shape[0] + 1):
        slope = maintenance_rate(rate, deduction, units * jnp.maximum(price, 0))
        notional = units * jnp.maximum(price, 0)
        offset = slope * notional - maintenance_margin(rate, deduction, notional)
        price = (units * mark * side - value - offset) / (units * (side - slope))
    return jnp.where(price > 0, price, jnp.nan)
