"""The dated rule book of a venue as one pytree.

Axes: `M` perpetual markets, `C` collateral tokens, `Q` quote tokens (settlement and loans), `K`
margin tiers. Names and sizes are static; every figure and every switch is a leaf, so a sweep over
parameters or assumptions never retraces. Host-side builder: `stress.venues.build_venue`.
"""

from dataclasses import dataclass, field

import jax
from jaxtyping import Array, Float

from models.margin import MarginTiers


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Lending:
    """Reserves of the quote tokens. An absent cap is +inf."""

    base_rate: Float[Array, "Q"]  # per year, borrow rate up to the kink
    kink: Float[Array, "Q"]  # 1, utilization where the rate starts to rise
    slope: Float[Array, "Q"]  # per year per unit of utilization beyond the kink
    buffer_share: Float[Array, "Q"]  # 1, part of the interest kept against liquidation losses
    global_supply_cap: Float[Array, "Q"]  # tokens
    global_borrow_cap: Float[Array, "Q"]  # tokens
    user_supply_cap: Float[Array, "Q"]  # tokens
    user_borrow_cap: Float[Array, "Q"]  # tokens


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class LiquidationRules:
    """Who is liquidated, when and in which portions."""

    portfolio_trigger: Float[
        Array, ""
    ]  # 1, a portfolio or unified ratio above this is liquidatable
    cross_trigger: Float[Array, ""]  # 1, maintenance / equity above this (standard, isolated)
    backstop_fraction: Float[Array, ""]  # 1, of maintenance; equity below it goes to the backstop
    partial_notional: Float[Array, ""]  # USDC, positions above it are first liquidated in part
    partial_share: Float[Array, ""]  # 1, part of such a position in the first order
    cooldown: Float[Array, ""]  # hours after a partial liquidation
    takeover_share: Float[Array, ""]  # 1, part of collateral and loans taken per takeover round
    takeover_interval: Float[Array, ""]  # hours between takeover rounds
    twap_half_life: Float[Array, ""]  # hours, sale of taken-over collateral


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Funding:
    """Funding-rate formula of perpetuals."""

    interest: Float[Array, ""]  # per 8 hours
    clamp: Float[Array, ""]  # per 8 hours, greatest distance of the rate from the premium
    cap: Float[Array, ""]  # per hour
    interval: Float[Array, ""]  # hours that the formula's rate covers


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Assumptions:
    """Readings of the rules that the venue has not published; switches are 0 or 1."""

    borrow_offset_floor: Float[Array, ""]  # USDC, least requirement while a debt exists
    borrow_offset_additive: Float[Array, ""]  # USDC, added to every requirement
    reserve_liquidity_limits_credit: Float[Array, ""]  # switch
    rate_is_effective: Float[Array, ""]  # switch: rates are effective per year, not nominal
    takeover_at_partial_threshold: Float[Array, ""]  # switch: not yet at the trigger of the ratio
    perps_first_probability: Float[Array, ""]  # 1, chance that perpetuals go before loans


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Venue:
    """The rules of one venue on one date."""

    markets: tuple[str, ...] = field(metadata={"static": True})
    settle: tuple[int, ...] = field(metadata={"static": True})  # per market, index into quotes
    tokens: tuple[str, ...] = field(metadata={"static": True})
    quotes: tuple[str, ...] = field(metadata={"static": True})
    tiers: MarginTiers
    ltv: Float[Array, "C"]  # 1, loan-to-value
    user_supply_cap: Float[Array, "C"]  # tokens that count per account
    global_supply_cap: Float[Array, "C"]  # tokens
    transfer_margin: Float[Array, ""]  # 1, of cross notional: least margin kept on the perp side
    lending: Lending
    liquidation: LiquidationRules
    funding: Funding
    assumptions: Assumptions
