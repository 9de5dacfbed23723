"""One margin account, and what the market shows it.

An isolated position margins alone, so it is an account of its own here (one market, no
collateral); its owner is bookkeeping of `stress.book`. Axes: `m` the account's markets, `c` its
collateral tokens, `Q` quote tokens. Batch accounts and paths with `jax.vmap`, accounts last.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.margin import maintenance_margin
from models.venue import Venue

Scalar = Float[Array, ""]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Account:
    """Positions and balances of one margin account.

    `markets` and `tokens` index the venue's axes and hold only what a group of accounts uses:
    terms that are zero for all of them are left out when the program is built.
    """

    markets: tuple[int, ...] = field(metadata={"static": True})
    tokens: tuple[int, ...] = field(metadata={"static": True})
    portfolio: bool = field(metadata={"static": True})  # collateral counts, borrowing is automatic
    net_cash: Float[Array, "Q"]  # quote units, cash less size * entry price (the venue's rawUsd)
    size: Float[Array, "m"]  # contracts, signed
    inverse_leverage: Float[Array, "m"]  # 1 / selected leverage
    supplied: Float[Array, "c"]  # tokens lent as collateral
    shared_margin: Float[Array, ""]  # 1: portfolio or unified account, 0: standard or isolated


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Market:
    """What one path shows at one time; prices after impact, lag and overlays."""

    mark: Float[Array, "M"]  # quote units per contract
    settlement: Float[Array, "M"]  # mark less the funding a long has paid per contract so far
    collateral_price: Float[Array, "C"]  # USDC per token, the reserve oracle's
    quote_price: Float[Array, "Q"]  # USDC per quote token, the reserve oracle's
    borrow_growth: Float[Array, "Q"]  # 1, interest on a loan over the step that ends here
    supply_growth: Float[Array, "Q"]  # 1, interest on a supply over the step that ends here
    borrow_index: Float[Array, "Q"]  # 1, what a loan of 1 has grown to since the start
    supply_index: Float[Array, "Q"]  # 1, what a supply of 1 has grown to since the start
    free_liquidity: Float[Array, "Q"]  # quote tokens the reserve can still lend


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class MarginState:
    """Margin figures of one account at one time; tuples have one entry per quote token.

    Tuples of scalars, not `[Q]` arrays: stacking would cut the fused loop in two.
    """

    equity: tuple[Scalar, ...]  # X, quote units: cross net equity without isolated positions
    maintenance: tuple[Scalar, ...]  # MM, quote units
    notional: tuple[Scalar, ...]  # N, quote units
    transfer: tuple[Scalar, ...]  # R, quote units: margin that transfers leave on the perp side
    collateral_value: Scalar  # USDC
    borrow_capacity: Scalar  # C_ltv, USDC: weights LTV
    partial_credit: Scalar  # USDC: weights (1 + LTV) / 2, before the user borrow cap
    full_credit: Scalar  # USDC: weights (2 + LTV) / 3


def margin_state(
    venue: Venue, account: Account, market: Market, accrued: Sequence[Scalar] = ()
) -> MarginState:
    """Marks an account: equity, requirements and credit.

        X_q = net_cash_q + accrued_q + sum_m size_m settlement_m      with positions
        X_q = net_cash_q * index_q (of loans or of supplies)           without
        MM_q = sum_m MM_m(|size_m| mark_m)
        R_q = max(sum_m |size_m| mark_m / leverage_m, 0.1 sum_m |size_m| mark_m)
        credit = sum_c min(supplied_c, user_supply_cap_c) price_c weight_c

    Args:
      venue: the rule book.
      account: one account.
      market: prices of one path at one time.
      accrued: quote units per quote token, interest received less paid since the start, of an
        account with positions; empty for none.

    Returns:
      The account's figures; terms the account cannot have are zero.

    Errors:
      Raises nothing; NaN in gives NaN out. Relative rounding 1e-15 of the gross notional in
      float64, 1e-7 in float32.

    Source:
      Hyperliquid docs, "Portfolio margin" and "Margining", read 2026-11-22; recorded accounts of
      2026-09-08 for the transfer margin and the meaning of X.
    """
    zero = jnp.zeros_like(account.shared_margin)
    quotes = range(len(venue.quotes))
    equity = [_balance(account, market, accrued, q) for q in quotes]
    maintenance, initial, notional = ([zero for _ in quotes] for _ in range(3))
    for i, m in enumerate(account.markets):
        q = venue.settle[m]
        exposure = jnp.abs(account.size[i]) * market.mark[m]
        equity[q] = equity[q] + account.size[i] * market.settlement[m]
        notional[q] = notional[q] + exposure
        initial[q] = initial[q] + exposure * account.inverse_leverage[i]
        maintenance[q] = maintenance[q] + maintenance_margin(
            venue.tiers.rate[:, m], venue.tiers.deduction[:, m], exposure
        )
    value, capacity, partial, full = collateral(venue, account, market.collateral_price)
    return MarginState(
        equity=tuple(equity),
        maintenance=tuple(maintenance),
        notional=tuple(notional),
        transfer=tuple(
            jnp.maximum(initial[q], venue.transfer_margin * notional[q]) for q in quotes
        ),
        collateral_value=value,
        borrow_capacity=capacity,
        partial_credit=partial,
        full_credit=full,
    )


def collateral(
    venue: Venue, account: Account, prices: Float[Array, "C"]
) -> tuple[Scalar, Scalar, Scalar, Scalar]:
    """Value of what is supplied, and credit at the weights LTV, (1 + LTV) / 2, (2 + LTV) / 3, USDC.

    Credit counts what is supplied up to the user's cap; the value counts all of it.

    Args:
      venue: the rule book.
      account: one account.
      prices: USDC per token, of one path at one time.

    Returns:
      (value, credit at LTV, at (1 + LTV) / 2, at (2 + LTV) / 3), USDC; zeros without tokens.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Hyperliquid docs, "Portfolio margin", read 2026-11-22.
    """
    value = capacity = partial = full = jnp.zeros_like(account.shared_margin)
    for i, c in enumerate(account.tokens):
        price, ltv = prices[c], venue.ltv[c]
        counted = jnp.minimum(account.supplied[i], venue.user_supply_cap[c]) * price
        value = value + account.supplied[i] * price
        capacity = capacity + counted * ltv
        partial = partial + counted * ((1 + ltv) / 2)
        full = full + counted * ((2 + ltv) / 3)
    return value, capacity, partial, full


def _balance(account: Account, market: Market, accrued: Sequence[Scalar], q: int) -> Scalar:
    """Net cash with its interest, quote units.

    Without positions the loan is the balance itself, so it follows the reserve's index; with
    positions it changes every step and the interest is carried along the path.
    """
    cash = account.net_cash[q]
    if account.portfolio and not account.markets:
        return cash * jnp.where(cash < 0, market.borrow_index[q], market.supply_index[q])
    return cash + accrued[q] if len(accrued) else cash
