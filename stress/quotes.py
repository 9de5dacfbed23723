"""Quotes: what accounts see of a path, from its log prices, factors and reserves.

One path; the sampler maps over paths. Everything is float64. Axes: `M` markets, `C` collateral
tokens, `Q` quote tokens, `T` times (0 = now).
"""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.account import Market
from models.funding import funding_per_contract, funding_rate
from models.lending import borrow_rate, free_liquidity, growth, supply_rate, utilization
from models.venue import Venue
from stress.factors import FactorPath, Factors


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Today:
    """Prices and reserves at the start, and which asset moves which of them."""

    market_asset: tuple[int, ...] = field(metadata={"static": True})  # per market
    token_asset: tuple[int, ...] = field(metadata={"static": True})  # per token; -1: none
    quote_asset: tuple[int, ...] = field(metadata={"static": True})  # per quote token; -1: none
    quote_pegged: tuple[bool, ...] = field(metadata={"static": True})  # follows USDT/USDC
    mark: Float[Array, "M"]  # quote units per contract
    oracle: Float[Array, "M"]
    collateral_price: Float[Array, "C"]  # USDC per token
    quote_price: Float[Array, "Q"]  # USDC per quote token
    supplied: Float[Array, "Q"]  # quote tokens in the reserve
    borrowed: Float[Array, "Q"]


class Quotes(NamedTuple):
    """Prices and premiums of one path."""

    mark: Float[Array, "M T"]
    oracle: Float[Array, "M T"]  # of perpetuals
    collateral: Float[Array, "C T"]  # as the borrow oracle shows it
    spot: Float[Array, "C T"]  # as it is, also while the oracle is late or silent
    quote: Float[Array, "Q T"]
    premium: Float[Array, "M T"]  # 1, drives funding


def seen_prices(
    today: Today, factors: Factors, logs: Float[Array, "T A"], path: FactorPath
) -> Quotes:
    """Quotes of one path.

    Args:
      today: prices now.
      factors: of the scenario; says which time the oracle shows.
      logs: log prices relative to now.
      path: factors of the path.

    Returns:
      Quotes. The peg moves collateral and USDT, never perpetuals: their profit is paid in USDC one
      to one.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Hyperliquid docs, "Portfolio margin" (borrow oracle) and "Robust price indices", read
      2026-11-22.
    """
    shown = jnp.take_along_axis(logs, factors.shown, axis=0)
    premium = factors.premium + jnp.expm1(path.basis + (logs - shown))

    def moved(start, assets, by, also: Any = 0.0):
        columns = [
            start[i] * jnp.exp((by[:, a] if a >= 0 else jnp.zeros(by.shape[0])) + also)
            for i, a in enumerate(assets)
        ]
        return jnp.stack(columns) if columns else jnp.zeros((0, by.shape[0]))

    quotes = [
        today.quote_price[q]
        * jnp.exp((logs[:, a] if a >= 0 else 0 * path.peg) + (path.peg if pegged else 0.0))
        for q, (a, pegged) in enumerate(zip(today.quote_asset, today.quote_pegged, strict=True))
    ]
    premiums = [premium[:, a] for a in today.market_asset]
    return Quotes(
        moved(today.mark, today.market_asset, logs + path.basis),
        moved(today.oracle, today.market_asset, shown),
        moved(today.collateral_price, today.token_asset, shown, path.peg),
        moved(today.collateral_price, today.token_asset, logs, path.peg),
        jnp.stack(quotes),
        jnp.stack(premiums) if premiums else jnp.zeros((0, logs.shape[0])),
    )


def market_of(
    venue: Venue,
    prices: Quotes,
    supply: Float[Array, "T Q"],
    borrow: Float[Array, "T Q"],
    step_hours: Float[Array, "*t"],
) -> Market:
    """Prices, funding, growths and free liquidity along one path, leaves `[F, T]`."""
    mark, oracle, premium = prices.mark, prices.oracle, prices.premium
    step_hours = jnp.broadcast_to(step_hours, (supply.shape[0] - 1,))
    rate = funding_rate(venue.funding, premium[:, :-1])
    paid = jnp.cumsum(funding_per_contract(rate, oracle[:, :-1], step_hours[None]), axis=1)
    paid = jnp.concatenate([jnp.zeros((paid.shape[0], 1)), paid], axis=1)
    lending, effective = venue.lending, venue.assumptions.rate_is_effective
    used = utilization(supply, borrow)
    quotes = range(len(venue.quotes))

    def grows(rate):
        """Growth over the step that ends at each time (none at the first), and the index."""
        over = [growth(rate(lending, q, used[:-1, q]), step_hours, effective) for q in quotes]
        none, one = jnp.zeros((len(over), 1)), jnp.ones((len(over), 1))
        index = jnp.exp(jnp.cumsum(jnp.log1p(jnp.stack(over)), axis=1))
        return jnp.concatenate([none, jnp.stack(over)], 1), jnp.concatenate([one, index], 1)

    borrow_growth, borrow_index = grows(borrow_rate)
    supply_growth, supply_index = grows(supply_rate)
    return Market(
        mark=mark,
        settlement=mark - paid,
        collateral_price=prices.collateral,
        quote_price=prices.quote,
        borrow_growth=borrow_growth,
        supply_growth=supply_growth,
        borrow_index=borrow_index,
        supply_index=supply_index,
        free_liquidity=jnp.stack(
            [free_liquidity(lending, q, supply[:, q], borrow[:, q]) for q in quotes]
        ),
    )
