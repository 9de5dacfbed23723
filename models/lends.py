"""A stretch of time over which a portfolio account only lends, in one step.

While nothing is drawn and the initial margin is what transfers must leave, the idle balance is
linear in prices, so the interest of a whole stretch is that of weighted sums of prices: the same
figures as `models.step.follow` time by time, but for rounding. One account on one path; batch with
`jax.vmap`, accounts last.
"""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.account import Account, Scalar
from models.reach import SLACK, Range, worst_corner
from models.step import Passage
from models.venue import Venue


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Lent:
    """What one path shows to who only lends over a stretch of times 1 to n.

    With s_t the supply rate of the step that ends at time t, a balance at time t adds
    weight_t = s_{t+1} (1 + s_{t+2}) ... (1 + s_n) of itself to the interest by time n.
    """

    mark: Float[Array, "M"]  # quote units, sum of weight_t mark_t
    settlement: Float[Array, "M"]  # quote units, sum of weight_t settlement_t
    weight: Float[Array, "Q"]  # 1, sum of weights
    growth: Float[Array, "Q"]  # 1, (1 + s_2) ... (1 + s_n)
    borrow_growth: Float[Array, "Q"]  # 1, of the step that ends at time 1
    supply_growth: Float[Array, "Q"]  # 1, likewise
    last_mark: Float[Array, "M"]  # quote units, at time n
    last_settlement: Float[Array, "M"]  # quote units


def lent_of(
    settle: tuple[int, ...],
    mark: Float[Array, "n M"],
    settlement: Float[Array, "n M"],
    borrow_growth: Float[Array, "n Q"],
    supply_growth: Float[Array, "n Q"],
) -> Lent:
    """Weighs the prices of a stretch of one path; `settle` is each market's quote token."""
    after = jnp.concatenate([supply_growth[1:], jnp.zeros_like(supply_growth[:1])])
    grown = jnp.cumprod(1 + after[::-1], axis=0)[::-1]  # (1 + s_{t+1}) ... (1 + s_n)
    later = jnp.concatenate([grown[1:], jnp.ones_like(grown[:1])])
    weight = after * later
    by_market = weight[:, jnp.asarray(settle, int)] if settle else jnp.zeros_like(mark)
    return Lent(
        mark=jnp.sum(by_market * mark, axis=0),
        settlement=jnp.sum(by_market * settlement, axis=0),
        weight=jnp.sum(weight, axis=0),
        growth=grown[0],
        borrow_growth=borrow_growth[0],
        supply_growth=supply_growth[0],
        last_mark=mark[-1],
        last_settlement=settlement[-1],
    )


def only_lends(venue: Venue, account: Account, passage: Passage, seen: Range) -> Scalar:
    """Whether an account that is out of reach draws nothing at any time of a stretch.

    And whether its initial margin is at least the share of the notional that transfers must leave
    at all those times, so that `lend` may replace `models.step.follow`.

    Args:
      venue: the rule book.
      account: one account, of the portfolio kind and with positions.
      passage: its state before the stretch.
      seen: ranges of prices and rates over the stretch.

    Returns:
      Bool. False may be wrong, True never: it is a bound with `SLACK` for rounding.

    Errors:
      Raises nothing; NaN in gives False.

    Source:
      The loan of `models.portfolio.desired_loan`.
    """
    state, gross, known = worst_corner(venue, account, passage, seen)
    limits = venue.assumptions.reserve_liquidity_limits_credit > 0
    safe = known
    for q in range(len(venue.quotes)):
        safe = safe & (state.transfer[q] - state.equity[q] + SLACK * gross <= 0)
        safe = safe & (~limits | (seen.low.free_liquidity[q] >= 0))
        least = jnp.zeros_like(gross)  # initial margin less the share of the notional
        for i, m in enumerate(account.markets):
            if venue.settle[m] == q:
                share = account.inverse_leverage[i] - venue.transfer_margin
                above = jnp.abs(account.size[i]) * jnp.maximum(share, 0)
                below = jnp.abs(account.size[i]) * jnp.minimum(share, 0)
                least = least + above * seen.low.mark[m] + below * seen.high.mark[m]
        safe = safe & (least - SLACK * gross >= 0)
    return safe | jnp.isfinite(passage.first)  # liquidated: its interest stands still


def lend(venue: Venue, account: Account, passage: Passage, lent: Lent) -> Passage:
    """`models.step.follow` over all times of a stretch for an account that only lends.

        idle_t = cash + accrued_t + sum_m size_m settlement_mt - sum_m |size_m| mark_mt / leverage_m
        accrued_{t+1} = accrued_t + s_{t+1} idle_t

    Args:
      venue: the rule book.
      account: one account; `only_lends` says where.
      passage: its state before the stretch.
      lent: what its path shows.

    Returns:
      The state after the stretch; `first` and `worst` as they were.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Algebra of `models.step.follow`.
    """
    alive = jnp.isinf(passage.first)
    accrued, pool = [], []
    for q, (before, owed) in enumerate(zip(passage.accrued, passage.pool, strict=True)):
        weighted, last = account.net_cash[q] * lent.weight[q], account.net_cash[q]
        for i, m in enumerate(account.markets):
            if venue.settle[m] == q:
                size, kept = account.size[i], jnp.abs(account.size[i]) * account.inverse_leverage[i]
                weighted = weighted + (size * lent.settlement[m] - kept * lent.mark[m])
                last = last + (size * lent.last_settlement[m] - kept * lent.last_mark[m])
        begun = before - owed * jnp.where(owed > 0, lent.borrow_growth[q], lent.supply_growth[q])
        after = begun * lent.growth[q] + weighted
        accrued.append(jnp.where(alive, after, before))
        pool.append(jnp.where(alive, -(last + after), owed))
    return dataclasses.replace(passage, accrued=tuple(accrued), pool=tuple(pool))
