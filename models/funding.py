"""Funding of perpetuals: from the premium to what a long pays per contract."""

import jax.numpy as jnp

from models.account import Scalar
from models.venue import Funding


def funding_rate(funding: Funding, premium: Scalar) -> Scalar:
    """Funding rate per hour.

        F = premium + clip(interest - premium, -clamp, +clamp),  rate = clip(F / 8, -cap, +cap)

    Args:
      funding: the venue's formula.
      premium: 1, impact price over oracle price less 1.

    Returns:
      Per hour of notional at the oracle price; positive: longs pay. 0.0000125 at premium 0.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Hyperliquid docs, "Funding", read 2026-11-22.
    """
    basis = premium + jnp.clip(funding.interest - premium, -funding.clamp, funding.clamp)
    return jnp.clip(basis / funding.interval, -funding.cap, funding.cap)


def funding_per_contract(rate: Scalar, oracle: Scalar, hours: Scalar) -> Scalar:
    """What a long pays per contract over `hours`, quote units: rate * oracle price * hours.

    Source:
      Hyperliquid docs, "Funding", read 2026-11-22: payments use the oracle price.
    """
    return rate * oracle * hours
