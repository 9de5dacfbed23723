"""Auto-deleveraging across a book: bankrupt positions against the winners, by rank.

It runs only where somebody is bankrupt: a sort of all accounts is what it costs.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp

from models.adl import close_by_rank, eligible, rank
from stress.cascade_state import Group, State

SIDES = (True, False)  # the bankrupt are long; they are short


def nothing_closed(groups: Sequence[Group], state: State) -> tuple[tuple[jax.Array, ...], ...]:
    """No change of any position: per group and market `[p, n]`."""
    return tuple(tuple(jnp.zeros_like(size) for size in held.size) for held in state.held)


def close_winners(
    groups: Sequence[Group], state: State, previous_mark, called, offered
) -> tuple[tuple[tuple[jax.Array, ...], ...], jax.Array]:
    """Closes winners of every market and side until the offer or the winners are used up.

    Args:
      groups: structure of the accounts.
      state: holdings, their figures and prices at this marking.
      previous_mark: quote units per contract, `[M, p]`, the price of the closing.
      called: per group bool `[p, n]`, who may be closed (not liquidatable itself).
      offered: contracts without sign, `[M, 2, p]`, second axis as SIDES.

    Returns:
      (change of each position, signed, per group and market `[p, n]`; contracts filled
      `[M, 2, p]`).
    """
    changes = [[jnp.zeros_like(size) for size in held.size] for held in state.held]
    filled = []
    for m in range(previous_mark.shape[0]):
        places = [
            (g, group.account.markets.index(m))
            for g, group in enumerate(groups)
            if m in group.account.markets
        ]
        sides = []
        for s, long in enumerate(SIDES):
            if not places:
                sides.append(jnp.zeros_like(previous_mark[m]))
                continue
            rows = [_row(groups[g], state, g, i, m, previous_mark[m], called[g], long)
                    for g, i in places]  # fmt: skip
            ranks, sizes, open_ = (
                jnp.concatenate(part, axis=1) for part in zip(*rows, strict=True)
            )
            closed = jax.vmap(close_by_rank)(ranks, sizes, open_, offered[m, s])
            sides.append(jnp.sum(closed, axis=1))
            start = 0
            for g, i in places:
                width = state.held[g].size[i].shape[1]
                part = closed[:, start : start + width]
                start += width
                toward = jnp.where(state.held[g].size[i] > 0, -part, part)
                changes[g][i] = changes[g][i] + toward.astype(changes[g][i].dtype)
        filled.append(jnp.stack(sides))
    return tuple(tuple(part) for part in changes), jnp.stack(filled)


def _row(group: Group, state: State, g: int, i: int, m: int, price, called, long: bool):
    """Rank, size and whether it may be closed, `[p, n]` each, of one group in one market."""
    size = state.held[g].size[i].astype(jnp.float64)
    seen = state.seen[g]
    value = (seen.equity + seen.collateral).astype(jnp.float64)
    entry = jnp.broadcast_to(group.entry[i].astype(jnp.float64), size.shape)
    mark = jnp.broadcast_to(state.prices.mark[m][:, None], size.shape)
    price = jnp.broadcast_to(price[:, None], size.shape)
    has = size != 0
    safe = jnp.where(entry > 0, entry, 1)
    ranks = rank(mark, safe, size, value)
    open_ = called & has & eligible(price, entry, size, value, jnp.asarray(long))
    return ranks, jnp.abs(size), open_
