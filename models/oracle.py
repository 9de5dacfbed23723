"""Prices the venue uses: oracle, mark and the reserve's borrow price, each a median."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from models.account import Scalar


def median_of_three(a: Scalar, b: Scalar, c: Scalar) -> Scalar:
    """Median of three prices; NaN in any gives NaN."""
    return jnp.maximum(jnp.minimum(a, b), jnp.minimum(jnp.maximum(a, b), c))


def weighted_median(prices: Float[Array, "V"], weights: Float[Array, "V"]) -> Scalar:
    """Weighted median of spot mids across `V` venues: the oracle price.

    The price at which the sorted weights first reach half of their sum; where they meet it
    exactly, the mean of that price and the next.

    Args:
      prices: quote units.
      weights: non-negative, one positive.

    Returns:
      Quote units.

    Errors:
      Raises nothing; weights all 0 give the lowest price.

    Source:
      Hyperliquid docs, "Oracle", read 2026-11-22.
    """
    order = jnp.argsort(prices)
    ranked, mass = prices[order], jnp.cumsum(weights[order])
    half = mass[-1] / 2
    lower = jnp.argmax(mass >= half)
    upper = jnp.argmax(mass > half)
    return (ranked[lower] + ranked[upper]) / 2


def mark_price(
    oracle: Scalar,
    basis_average: Scalar,
    bid: Scalar,
    ask: Scalar,
    last: Scalar,
    external_perps: Scalar,
) -> Scalar:
    """Mark price of a perpetual: a median of three estimates.

        median(oracle + EMA_150s(mid - oracle), median(bid, ask, last), external perp mids' median)

    Args:
      oracle: quote units.
      basis_average: quote units, the exponential average of mid less oracle (`decayed_average`).
      bid: quote units, best bid of the venue's book.
      ask: quote units, best ask.
      last: quote units, last trade.
      external_perps: quote units, median of external perpetuals' mids.

    Returns:
      Quote units.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Hyperliquid docs, "Robust price indices", read 2026-11-22.
    """
    return median_of_three(oracle + basis_average, median_of_three(bid, ask, last), external_perps)


def decayed_average(average: Scalar, value: Scalar, hours: Scalar, constant: Scalar) -> Scalar:
    """Exponential average after `hours` at `value`; `constant` is its time constant in hours."""
    return value + (average - value) * jnp.exp(-hours / constant)


def borrow_price(spot: Scalar, mark: Scalar, oracle: Scalar, stable: Scalar) -> Scalar:
    """Reserve oracle price of a collateral token, USDC per token.

        median(spot USDC price, perp mark * USDT/USDC, perp oracle * USDT/USDC)

    Args:
      spot: USDC, the venue's own spot price.
      mark: USDT, perpetual mark.
      oracle: USDT, perpetual oracle.
      stable: USDC per USDT.

    Returns:
      USDC per token.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Hyperliquid docs, "Portfolio margin", read 2026-11-22.
    """
    return median_of_three(spot, mark * stable, oracle * stable)
