"""The lending pool of one quote token: utilization, rates, growth, free liquidity, buffer.

One reserve on one path at one time. Rates per year of 365 days, time in hours.
"""

import jax.numpy as jnp

from models.account import Scalar
from models.venue import Lending

HOURS_PER_YEAR = 365 * 24  # the year of the venue's rates


def utilization(supplied: Scalar, borrowed: Scalar) -> Scalar:
    """Share of the supply that is lent, borrowed / supplied, 1.

    Debt is part of the supply, so the denominator is the supply alone. An empty reserve with debt
    counts as fully used, one without as unused.

    Source:
      Recorded reserves of 2026-09-08: 264,565,198.26 / 416,268,254.15 = 0.635564196.
    """
    empty = supplied <= 0
    unfunded = jnp.where(borrowed > 0, 1.0, 0.0)
    return jnp.where(empty, unfunded, borrowed / jnp.where(empty, 1, supplied))


def borrow_rate(lending: Lending, q: int, used: Scalar) -> Scalar:
    """Borrow rate at utilization `used`, per year: base + slope * max(0, used - kink).

    Source:
      Hyperliquid docs, "Portfolio margin", read 2026-11-22.
    """
    return lending.base_rate[q] + lending.slope[q] * jnp.maximum(used - lending.kink[q], 0)


def supply_rate(lending: Lending, q: int, used: Scalar) -> Scalar:
    """Rate suppliers earn, per year: borrow rate * utilization * (1 - buffer share).

    Source:
      Recorded reserves of 2026-09-08, exact.
    """
    return borrow_rate(lending, q, used) * used * (1 - lending.buffer_share[q])


def growth(rate: Scalar, hours: Scalar, rate_is_effective: Scalar) -> Scalar:
    """Relative growth of a balance over `hours`, accrued continuously.

        nominal:    exp(r h / 8760) - 1
        effective:  (1 + r)^(h / 8760) - 1

    Args:
      rate: per year.
      hours: length of the interval.
      rate_is_effective: switch 0 or 1, the reading of the published rate.

    Returns:
      1. Accurate to 1e-15 relative in float64 (`expm1`).

    Errors:
      Raises nothing; an effective rate of -100 % or less gives NaN or -1.

    Source:
      Hyperliquid docs, "Portfolio margin", read 2026-11-22; the reading is an assumption.
    """
    nominal = jnp.where(rate_is_effective > 0, jnp.log1p(rate), rate)
    return jnp.expm1(nominal * hours / HOURS_PER_YEAR)


def free_liquidity(lending: Lending, q: int, supplied: Scalar, borrowed: Scalar) -> Scalar:
    """Quote tokens the reserve can still lend: within its supply and the global borrow cap."""
    limit = jnp.minimum(supplied, lending.global_borrow_cap[q])
    return jnp.maximum(limit - borrowed, 0)


def buffer_income(lending: Lending, q: int, borrowed: Scalar, borrow_growth: Scalar) -> Scalar:
    """Interest kept as a buffer against liquidation losses over an interval, quote tokens."""
    return lending.buffer_share[q] * borrowed * borrow_growth


def absorb_loss(buffer: Scalar, supplied: Scalar, loss: Scalar) -> tuple[Scalar, Scalar]:
    """Pays a loss from the buffer, then from suppliers pro rata.

    Args:
      buffer: quote tokens kept so far.
      supplied: quote tokens owed to suppliers.
      loss: quote tokens, non-negative.

    Returns:
      (paid by the buffer in quote tokens, share of their balance suppliers lose in [0, 1]).

    Errors:
      Raises nothing. Without supply the share is 0 and the rest of the loss is uncovered.

    Source:
      Assumption `pool_loss: buffer_then_suppliers`; the venue publishes no waterfall.
    """
    paid = jnp.minimum(buffer, loss)
    rest = loss - paid
    share = jnp.where(supplied > 0, rest / jnp.where(supplied > 0, supplied, 1), 0)
    return paid, jnp.minimum(share, 1)
