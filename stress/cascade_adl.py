"""Auto-deleveraging across a book: bankrupt positions against the winners, by rank.

It runs only where somebody is bankrupt: a sort of all accounts is what it costs.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from models.adl import close_by_rank, eligible, rank
from models.liquidation import Figures
from stress.cascade_marking import once, see
from stress.cascade_state import Group, Setting, State

SIDES = (True, False)  # the bankrupt are long; they are short


def close_winners(
    setting: Setting, groups: Sequence[Group], state: State, previous_mark, offered
) -> tuple[tuple[jax.Array, ...], jax.Array]:
    """Closes winners of every market and side until the offer or the winners are used up.

    Args:
      setting: what does not change.
      groups: structure of the accounts.
      state: holdings and prices at this marking; who is liquidatable at it is not closed.
      previous_mark: quote units per contract, `[M, p]`, the price of the closing.
      offered: contracts without sign, `[M, 2, p]`, second axis as SIDES.

    Returns:
      (change of each position, signed, per group `[m, p, n]`; contracts filled `[M, 2, p]`).
    """
    markets = previous_mark.shape[0]
    figures = see(setting, groups, state.held, state.prices)
    pairs = list(zip(groups, figures, strict=True))
    rows = [
        [_row(group, state, g, m, seen) for g, (group, seen) in enumerate(pairs)]
        for m in range(markets)
    ]
    ranks, size, entry, value, open_ = (
        jnp.stack([jnp.concatenate([part[k] for part in row], axis=1) for row in rows])
        for k in range(5)
    )
    price = jnp.broadcast_to(previous_mark[:, :, None], size.shape)
    callable_ = jnp.stack(
        [open_ & eligible(price, entry, size, value, jnp.asarray(long)) for long in SIDES], axis=1
    )

    def of_market(_, inputs):
        """One market: a side that nobody is bankrupt on costs nothing."""
        ranks, contracts, called, wanted = inputs
        sides = []
        for side in range(len(SIDES)):
            close = partial(jax.vmap(close_by_rank), ranks, contracts, called[side], wanted[side])
            begin = jnp.zeros_like(contracts)
            sides.append(once(jnp.any(wanted[side] > 0), lambda _, f=close: f(), begin))
        return None, jnp.stack(sides)

    _, closed = jax.lax.scan(of_market, None, (ranks, jnp.abs(size), callable_, offered))
    toward = -jnp.sign(size) * jnp.sum(closed, axis=1)
    changes, start = [], 0
    for held in state.held:
        width = held.cash.shape[1]
        part = toward[:, :, start : start + width].astype(held.cash.dtype)
        start += width
        changes.append(part)
    return tuple(
        part[np.asarray(group.account.markets, int)]
        for group, part in zip(groups, changes, strict=True)
    ), jnp.sum(closed, axis=3)


def _row(group: Group, state: State, g: int, m: int, seen: Figures):
    """Rank, size, entry, value and whether it may be closed, `[p, n]`, of a group in a market."""
    called = ~seen.beyond & ~seen.unfunded
    value = (seen.equity + seen.collateral).astype(jnp.float64)
    nothing = jnp.zeros_like(value)
    if m not in group.account.markets:
        return nothing, nothing, nothing + 1, value, called & False
    i = group.account.markets.index(m)
    size = state.held[g].size[i].astype(jnp.float64)
    entry = jnp.broadcast_to(group.entry[i].astype(jnp.float64), size.shape)
    entry = jnp.where(entry > 0, entry, 1)
    mark = jnp.broadcast_to(state.prices.mark[m][:, None], size.shape)
    return rank(mark, entry, size, value), size, entry, value, called & (size != 0)
