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
    some = (offered > 0).reshape(-1)
    offers = jnp.nonzero(some, size=some.shape[0], fill_value=0)[0]

    def one(i, so_far: Closed) -> Closed:
        m, side, p = jnp.unravel_index(offers[i], offered.shape)
        before = so_far.size[m, p]
        size, at = before.astype(jnp.float64), previous_mark[m, p]
        able = eligible(at, entry[m], size, value[p], side == 0) & called[p] & (size != 0)
        ranks = rank(mark[m, p], entry[m], size, value[p])
        closed = close_by_rank(ranks, jnp.abs(size), able, offered[m, side, p])
        change = (-jnp.sign(size) * closed).astype(before.dtype)
        units = jnp.sum(change.astype(jnp.float64))
        after = jnp.where(change == -before, 0, before + change)
        return Closed(
            size=so_far.size.at[m, p].set(after),
            cash=so_far.cash.at[p].add(-change * price[m, p]),
            units=so_far.units.at[m, p].add(units),
            filled=so_far.filled.at[m, side, p].set(jnp.sum(closed)),
            paid=so_far.paid.at[p].add(-units * (mark[m, p] - at)),
        )

    begin = Closed(
        size=own.size,
        cash=own.cash,
        units=jnp.zeros_like(mark),
        filled=jnp.zeros_like(offered),
        paid=jnp.zeros_like(state.vault_cash),
    )
    return jax.lax.fori_loop(0, jnp.sum(some), one, begin)
