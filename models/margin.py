"""Tiered margin of perpetual positions.

One position of one account on one path; batch with `jax.vmap`, accounts last. Money in USDC.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class MarginTiers:
    """Maintenance schedules of `M` markets, `K` tiers each. Build it with `tiers_from_leverage`."""

    rate: Float[Array, "K M"]  # 1, maintenance rate, non-decreasing along K
    deduction: Float[Array, "K M"]  # quote units, keeps the margin continuous between tiers


def tiers_from_leverage(schedules: list[list[tuple[float, float]]]) -> MarginTiers:
    """Builds margin schedules from the venue's tables of maximum leverage (host side).

    A market with fewer tiers than the others repeats its last one.

    Args:
      schedules: per market the tiers as (lower bound of the notional in quote units, maximum
        leverage), lower bounds ascending from 0.

    Returns:
      Schedules in float64: rate_k = 1 / (2 max_leverage_k), deduction_0 = 0,
      deduction_k = deduction_{k-1} + lower_bound_k (rate_k - rate_{k-1}).

    Errors:
      Raises ValueError where bounds do not ascend from 0 or leverage does not fall.

    Source:
      Hyperliquid docs, "Margin tiers", read 2026-11-22.
    """
    tiers = max((len(s) for s in schedules), default=1)
    rate = np.zeros((tiers, len(schedules)))
    deduction = np.zeros_like(rate)
    for m, schedule in enumerate(schedules):
        bounds = [float(b) for b, _ in schedule]
        rates = [1 / (2 * float(leverage)) for _, leverage in schedule]
        if not schedule or bounds[0] != 0 or sorted(set(bounds)) != bounds:
            raise ValueError(f"margin tiers {schedule}: lower bounds must ascend from 0")
        if sorted(rates) != rates or rates[0] <= 0:
            raise ValueError(f"margin tiers {schedule}: maximum leverage must be positive and fall")
        total = 0.0
        for k in range(tiers):
            j = min(k, len(schedule) - 1)
            if 0 < k == j:
                total += bounds[k] * (rates[k] - rates[k - 1])
            rate[k, m], deduction[k, m] = rates[j], total
    return MarginTiers(rate=jnp.asarray(rate), deduction=jnp.asarray(deduction))


def maintenance_margin(
    rate: Float[Array, "K"], deduction: Float[Array, "K"], notional: Float[Array, ""]
) -> Float[Array, ""]:
    r"""Maintenance margin of one position.

    Rates rise with size, so the schedule is convex and equals the upper envelope of its tier
    lines: a maximum, no branch, a gradient everywhere but at the bounds.

        MM(n) = max_k (rate_k n - deduction_k),    n = |size| * mark price

    Args:
      rate: 1, the market's maintenance rates.
      deduction: quote units, the market's deductions.
      notional: quote units, non-negative.

    Returns:
      Quote units.

    Errors:
      Raises nothing; NaN in gives NaN out. Rounding below 1 USDC in float32 up to a notional of
      1e8 USDC, below 1e-6 USDC in float64.

    Source:
      Hyperliquid docs, "Margin tiers", read 2026-11-22.
    """
    highest = rate[0] * notional - deduction[0]
    for k in range(1, rate.shape[0]):
        line = rate[k] * notional - deduction[k]
        highest = jnp.where(line > highest, line, highest)  # no line alone is NaN: one comparison
    return highest


def maintenance_rate(
    rate: Float[Array, "K"], deduction: Float[Array, "K"], notional: Float[Array, ""]
) -> Float[Array, ""]:
    """Marginal maintenance rate of the tier that holds `notional` (1 / (2 max leverage)).

    Args:
      rate: 1, the market's maintenance rates.
      deduction: quote units, the market's deductions.
      notional: quote units, non-negative.

    Returns:
      1, the slope of `maintenance_margin` at `notional`; at a bound the higher tier's.

    Errors:
      Raises nothing; NaN in gives the first tier's rate.

    Source:
      Hyperliquid docs, "Liquidations", read 2026-11-22: l = 1 / maintenance leverage.
    """
    result, highest = rate[0], rate[0] * notional - deduction[0]
    for k in range(1, rate.shape[0]):
        line = rate[k] * notional - deduction[k]
        result, highest = jnp.where(line >= highest, rate[k], result), jnp.maximum(highest, line)
    return result
