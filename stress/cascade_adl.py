"""Auto-deleveraging across a book: bankrupt positions against the winners, by rank.

It runs only where somebody is bankrupt, for one market, side and path after the other.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.adl import close_by_rank, eligible, rank
from stress.cascade_marking import in_one_row, see
from stress.cascade_state import Roster, Setting, State


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Closed:
    """What closing winners has changed."""

    size: Float[Array, "M p N"]  # of the book, after
    cash: Float[Array, "p N"]
    units: Float[Array, "M p"]  # contracts that winners have bought
    filled: Float[Array, "M 2 p"]  # contracts of the offer, without sign
    paid: Float[Array, "p"]  # profit that winners gave up, USDC


def close_winners(setting: Setting, roster: Roster, state: State, previous_mark, offered) -> Closed:
    """Closes winners of every market and side until the offer or the winners are used up.

    Args:
      setting: what does not change.
      roster: the accounts.
      state: holdings and prices at this marking; who is liquidatable at it is not closed.
      previous_mark: quote units per contract, `[M, p]`, the price of the closing.
      offered: contracts without sign, `[M, 2, p]`, second axis long and short.

    Returns:
      What has changed.
    """
    own, mark = state.held, state.prices.mark
    seen = in_one_row(see(setting, roster.groups, own, state.prices))
    value = (seen.equity + seen.collateral).astype(jnp.float64)
    called = ~seen.beyond & ~seen.unfunded
    price = (previous_mark - state.prices.paid).astype(own.cash.dtype)
    entry = jnp.where(roster.entry > 0, roster.entry, 1).astype(jnp.float64)
    begun = (offered > 0).reshape(-1)

    def one(carry: tuple[jax.Array, Closed]) -> tuple[jax.Array, Closed]:
        left, so_far = carry
        i = jnp.argmax(left)
        m, side, p = jnp.unravel_index(i, offered.shape)
        before = so_far.size[m, p]
        size, at = before.astype(jnp.float64), previous_mark[m, p]
        able = eligible(at, entry[m], size, value[p], side == 0) & called[p] & (size != 0)
        ranks = rank(mark[m, p], entry[m], size, value[p])
        closed = close_by_rank(ranks, jnp.abs(size), able, offered[m, side, p])
        change = (-jnp.sign(size) * closed).astype(before.dtype)
        units = jnp.sum(change.astype(jnp.float64))
        after = jnp.where(change == -before, 0, before + change)
        return left & (jnp.arange(left.shape[0]) != i), Closed(
            size=_at(so_far.size, after, m, p),
            cash=_at(so_far.cash, so_far.cash[p] - change * price[m, p], p),
            units=_at(so_far.units, so_far.units[m, p] + units, m, p),
            filled=_at(so_far.filled, jnp.sum(closed), m, side, p),
            paid=_at(so_far.paid, so_far.paid[p] - units * (mark[m, p] - at), p),
        )

    begin = Closed(
        size=own.size,
        cash=own.cash,
        units=jnp.zeros_like(mark),
        filled=jnp.zeros_like(offered),
        paid=jnp.zeros_like(state.vault_cash),
    )
    return jax.lax.while_loop(lambda carry: carry[0].any(), one, (begun, begin))[1]


def _at(values: Array, new: Array, *place: Array) -> Array:
    """`values` with the new ones at a place of their leading axes."""
    block = new.reshape((1,) * len(place) + new.shape)
    begin = (*place, *(0 for _ in new.shape))
    return jax.lax.dynamic_update_slice(values, block, begin)
