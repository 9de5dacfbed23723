"""Who is liquidated, in which portions, and what it does to the account.

One account on one path in one round. All decisions of a round use the marking at its start; the
engine nets the orders of a round, executes them and marks again. Sections of the venue's rules:
order book, backstop (liquidator vault), takeover of collateral and loans. Quote units, hours.
"""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.account import Account, MarginState, Market, Scalar, margin_state
from models.portfolio import excess, liquidation_credit, margin_ratio, requirements
from models.venue import Venue

TIE = 1e-9  # a handover leaves a debt of exactly the partial threshold: rounding is not beyond
DUST = 1e-6  # USDC: a smaller debt with nothing behind it is rounding


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Holding:
    """What an account holds along a path; `m` markets and `c` tokens that it uses."""

    cash: Scalar  # USDC less size * entry price
    size: Float[Array, "m"]  # contracts, signed
    supplied: Float[Array, "c"]  # tokens
    pool: Scalar  # USDC owed to the reserve, negative: lent to it
    rationed: Scalar  # bool: the reserve refused part of what it wanted to draw
    cooldown: Scalar  # hours from the start until which orders are for whole positions


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Figures:
    """Margin figures of an account in a round, USDC."""

    equity: Scalar  # X
    maintenance: Scalar  # MM
    notional: Scalar
    transfer: Scalar  # R
    collateral: Scalar  # V
    capacity: Scalar  # C_ltv
    credit: Scalar  # C_liq
    partial_credit: Scalar
    full_credit: Scalar
    beyond: Scalar  # bool: the margin ratio is above its trigger
    unfunded: Scalar  # bool: maintenance cannot be drawn from the reserve
    ratio: Scalar  # 1


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Action:
    """What happens to an account in a round, at most one of them; bool."""

    book: Scalar  # market orders
    handover: Scalar  # the vault takes the positions
    partial: Scalar  # takeover of a share of collateral and loans
    full: Scalar  # takeover of everything supplied and owed
    absorb: Scalar  # the vault takes a negative balance without positions


def figures(venue: Venue, account: Account, held: Holding, market: Market) -> Figures:
    """Margin figures of what an account holds; see `models.portfolio` for the formulas.

    Args:
      venue: the rule book, one quote token.
      account: its structure, leverage and mode.
      held: what it holds now.
      market: prices after impact; indices 1, since interest is in the cash already.

    Returns:
      The figures; `unfunded` is the fall back to ordinary margining of an account whose credit is
      not honoured: it was refused liquidity and X + pool < MM.

    Errors:
      Raises nothing; NaN in gives NaN figures and no flag.

    Source:
      Hyperliquid docs, "Portfolio margin", "Margining", read 2026-11-22.
    """
    now = dataclasses.replace(
        account,
        net_cash=(held.cash,),  # type: ignore[arg-type] # indexed like an array, cheaper to fuse
        size=held.size,
        supplied=held.supplied,
    )
    state = margin_state(venue, now, market)
    equity, maintenance = state.equity[0], state.maintenance[0]
    zero = jnp.zeros_like(equity)
    credit = zero
    if account.portfolio:
        short = (jnp.maximum(maintenance - equity, 0),)
        credit = liquidation_credit(venue, market, state, short, 0)
    marked = Figures(
        equity=equity,
        maintenance=maintenance + zero,
        notional=state.notional[0] + zero,
        transfer=state.transfer[0] + zero,
        collateral=state.collateral_value + zero,
        capacity=state.borrow_capacity + zero,
        credit=credit + zero,
        partial_credit=state.partial_credit + zero,
        full_credit=state.full_credit + zero,
        beyond=zero > 0,
        unfunded=zero > 0,
        ratio=zero,
    )
    return judge(venue, account, held, marked, market)


def judge(venue: Venue, account: Account, held: Holding, seen: Figures, market: Market) -> Figures:
    """Figures with the flags and the ratio that follow from them and from the pool position."""
    state = MarginState(
        equity=(seen.equity,),
        maintenance=(seen.maintenance,),
        notional=(seen.notional,),
        transfer=(seen.transfer,),
        collateral_value=seen.collateral,
        borrow_capacity=seen.capacity,
        partial_credit=seen.partial_credit,
        full_credit=seen.full_credit,
    )
    loans = (jnp.maximum(held.pool, 0),) if account.portfolio else ()
    needs = requirements(venue, account, market, state, loans)
    short = seen.equity + held.pool < seen.maintenance
    return dataclasses.replace(
        seen,
        beyond=excess(venue, account, needs) > 0,
        unfunded=held.rationed & (seen.maintenance > 0) & short,
        ratio=margin_ratio(needs) + jnp.zeros_like(seen.equity),
    )


def wanted_pool(venue: Venue, account: Account, seen: Figures) -> Scalar:
    """Pool position the venue brings a portfolio account to, before the reserve's limits, USDC.

        P = R - X where that is negative (lent) or there is no position,
        P = min(R - X, user_borrow_cap, max(C_ltv, MM - X)) else

    Source:
      Recorded portfolio accounts of 2026-09 (within 1.3 %); limits as `models.portfolio`.
    """
    missing = seen.transfer - seen.equity
    if not account.markets:
        return missing
    limit = jnp.maximum(seen.capacity, seen.maintenance - seen.equity)
    drawn = jnp.minimum(jnp.minimum(missing, venue.lending.user_borrow_cap[0]), limit)
    return jnp.where((missing > 0) & (seen.notional > 0), drawn, missing)


def decide(
    venue: Venue,
    account: Account,
    held: Holding,
    seen: Figures,
    perps_now: Scalar,
    may_take: Scalar,
) -> Action:
    """What happens to an account in this round.

    Standard (cross, unified, isolated): the order book, below 2/3 of maintenance the vault.
    Portfolio: the same for its perpetuals with X + C_liq as equity, and a takeover of collateral
    and loans, partial up to the full threshold; which of the two acts in a round is the assumption
    `liquidation_order`. Without positions a negative balance that nothing backs is absorbed.

    Args:
      venue: the rule book with its readings.
      account: one account.
      held: what it holds.
      seen: its figures at the marking of the round.
      perps_now: bool, perpetuals go before loans in this round. With perpetuals first always; with
        loans first in every second round, since ever smaller parts of collateral could be taken
        without end while positions that margin is missing for stay.
      may_take: bool, whether a takeover round is due (every 3 s).

    Returns:
      The action.

    Errors:
      Raises nothing; NaN figures give no action.

    Source:
      Hyperliquid docs, "Liquidations" and "Portfolio margin" (from 2026-08-01), read 2026-11-22.
    """
    rules, no = venue.liquidation, jnp.zeros_like(seen.beyond)
    triggered, has_perps = seen.beyond | seen.unfunded, no
    for size in held.size:
        has_perps = has_perps | (size != 0)
    floor = rules.backstop_fraction * seen.maintenance
    if not account.portfolio:
        short = seen.equity < floor
        return Action(
            book=triggered & has_perps & ~short,
            handover=triggered & has_perps & short,
            partial=no,
            full=no,
            absorb=~has_perps & (seen.equity < 0),
        )
    has_tokens = no
    for units in held.supplied:
        has_tokens = has_tokens | (units > 0)
    debt = jnp.maximum(-seen.equity, 0)
    beyond_full = debt > seen.full_credit
    late = venue.assumptions.takeover_at_partial_threshold > 0
    wanted = seen.beyond & (~late | (debt > seen.partial_credit * (1 + TIE)))
    wanted = wanted & (has_tokens | (beyond_full & ~has_perps & (debt > DUST)))
    takes = wanted & may_take & ~(has_perps & (perps_now | ~has_tokens))
    perps = triggered & has_perps & ~takes
    short = seen.equity + seen.credit < floor
    return Action(
        book=perps & ~short,
        handover=perps & short,
        partial=takes & ~beyond_full,
        full=takes & beyond_full,
        absorb=no,
    )


def orders(
    venue: Venue, held: Holding, marks: tuple[Scalar, ...], book: Scalar, now: Scalar
) -> tuple[tuple[Scalar, ...], Scalar]:
    """Market orders of an account in a round, and the end of its cooldown.

    A position above 100k USDC is first ordered in part (20 %); within 30 s of that every order is
    for the whole position. All positions are ordered at once.

    Args:
      venue: the rule book.
      held: what the account holds.
      marks: of its markets.
      book: bool, whether it is liquidated through the book.
      now: hours from the start.

    Returns:
      (contracts, signed, per market; hours until which orders are whole).

    Source:
      Hyperliquid docs, "Liquidations", read 2026-11-22; all at once is the project's reading.
    """
    rules, whole = venue.liquidation, now < held.cooldown
    contracts, cooldown = [], held.cooldown
    for size, mark in zip(held.size, marks, strict=True):
        large = (jnp.abs(size) * mark > rules.partial_notional) & ~whole
        part = jnp.where(large, rules.partial_share, 1)
        contracts.append(jnp.where(book, -size * part, 0))
        cooldown = jnp.where(book & large, now + rules.cooldown, cooldown)
    return tuple(contracts), cooldown
