"""The price of a coin at which an account becomes liquidatable when everything of that coin moves.

The venue's liquidation price holds collateral still. Here the perpetuals and the collateral tokens
of one coin move together, which is what happens. One account; batch with `jax.vmap`.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.account import Account, Market, Scalar, margin_state
from models.portfolio import desired_loan, excess, requirements
from models.venue import Venue

GREATEST_SCALE = 1e6  # prices beyond a million times today's count as never
HALVINGS = 80  # of a bracket: below 1e-15 relative


def scaled(
    market: Market, marks: Float[Array, "M"], tokens: Float[Array, "C"], s: Scalar
) -> Market:
    """The market with the marked coins' prices times `s`; masks are 0 or 1."""
    return dataclasses.replace(
        market,
        mark=market.mark * (1 + marks * (s - 1)),
        settlement=market.settlement + market.mark * marks * (s - 1),
        collateral_price=market.collateral_price * (1 + tokens * (s - 1)),
    )


def critical_scales(
    venue: Venue,
    account: Account,
    market: Market,
    marks: Float[Array, "M"],
    tokens: Float[Array, "C"],
) -> tuple[Scalar, Scalar]:
    """Price factors nearest to 1, below and above, at which the account becomes liquidatable.

    The excess beyond the trigger is convex in the factor, so the healthy factors form one
    interval around 1 and bisection on either side is exact. (The least-borrow offset jumps by 20
    USDC where a debt begins, which matters to accounts of about that size only.)

    Args:
      venue: the rule book.
      account: one account.
      market: prices now.
      marks: 1 for the markets of the coin, else 0.
      tokens: 1 for the collateral tokens of the coin, else 0.

    Returns:
      (lower, upper), 1; NaN where no such price exists; both 1 where it is liquidatable now.

    Errors:
      Raises nothing. Accurate to 1e-13 relative in float64.

    Source:
      Definition of the portfolio margin ratio, Hyperliquid docs, read 2026-11-22.
    """

    def beyond(s):
        shifted = scaled(market, marks, tokens, s)
        state = margin_state(venue, account, shifted)
        loans = tuple(
            desired_loan(venue, shifted, state, q) if account.portfolio else jnp.zeros_like(s)
            for q in range(len(venue.quotes))
        )
        return excess(venue, account, requirements(venue, account, shifted, state, loans)) > 0

    def bisect(healthy, liquidatable):
        def halve(_, bracket):
            good, bad = bracket
            middle = (good + bad) / 2
            hit = beyond(middle)
            return jnp.where(hit, good, middle), jnp.where(hit, middle, bad)

        return jax.lax.fori_loop(0, HALVINGS, halve, (healthy, liquidatable))[1]

    one = jnp.ones_like(account.shared_margin)
    top = jax.lax.while_loop(lambda s: ~beyond(s) & (s < GREATEST_SCALE), lambda s: s * 2, one * 2)
    lower = jnp.where(beyond(one * 0), bisect(one, one * 0), jnp.nan)
    upper = jnp.where(beyond(top), bisect(one, top), jnp.nan)
    now = beyond(one)
    return jnp.where(now, 1, lower), jnp.where(now, 1, upper)
