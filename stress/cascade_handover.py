"""The liquidator vault takes positions over; what no value covers is deleveraged first."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from models.adl import share_to_cover
from models.ledger import booked
from models.liquidation import Action
from stress.cascade_adl import close_winners, nothing_closed
from stress.cascade_state import Group, Setting, State, total


def hand_over(
    setting: Setting,
    groups: Sequence[Group],
    previous_mark,
    actions: Sequence[Action],
    state: State,
) -> State:
    """Deleverages against bankrupt accounts, then hands the rest of their positions to the vault.

    Args:
      setting: what does not change.
      groups: structure of the accounts.
      previous_mark: marks at the end of the previous step, `[M, p]`.
      actions: of the round, per group.
      state: at the marking of the round; figures stay those of its start.

    Returns:
      The state after; positions that are handed over are 0.
    """
    gone = [jnp.any(action.handover | action.absorb) for action in actions]
    some = gone[0]
    for flag in gone[1:]:
        some = some | flag
    return jax.lax.cond(
        some,
        lambda s: _hand_over(setting, groups, previous_mark, actions, s),
        lambda s: s,
        state,
    )


def _hand_over(setting, groups, previous_mark, actions, state: State) -> State:
    values = [(seen.equity + seen.collateral).astype(jnp.float64) for seen in state.seen]
    bankrupt = [
        action.handover & (value < 0) for action, value in zip(actions, values, strict=True)
    ]
    offers = [
        _offers(group, held, value, failed, previous_mark, state)
        for group, held, value, failed in zip(groups, state.held, values, bankrupt, strict=True)
    ]
    idle = [_idle(action, seen) for action, seen in zip(actions, state.seen, strict=True)]
    state, filled, paid = deleverage(groups, state, previous_mark, idle, offers)
    measures = dataclasses.replace(state.measures, paid_adl=state.measures.paid_adl + paid)
    state = dataclasses.replace(state, measures=measures)
    return _to_vault(groups, actions, state, previous_mark, offers, filled, values)


def _idle(action: Action, seen) -> jax.Array:
    """Accounts that nothing happens to in the round and that are healthy."""
    acts = action.book | action.handover | action.partial | action.full | action.absorb
    return ~acts & ~seen.beyond & ~seen.unfunded


def _offers(group: Group, held, value, failed, previous_mark, state: State):
    """Contracts each bankrupt account offers at the previous mark, signed, per market `[p, n]`."""
    if not group.account.markets:
        return ()
    sizes = tuple(size.astype(jnp.float64) for size in held.size)
    gains = tuple(
        jnp.broadcast_to((previous_mark[m] - state.prices.mark[m])[:, None], value.shape)
        for m in group.account.markets
    )
    _, offered = share_to_cover(jnp.where(failed, value, 0.0), sizes, gains)
    return offered


def summed_offers(groups, offers, markets: int, like) -> jax.Array:
    """Contracts offered per market and side, without sign `[M, 2, p]`."""
    result = [[jnp.zeros_like(like), jnp.zeros_like(like)] for _ in range(markets)]
    for group, offered in zip(groups, offers, strict=True):
        for m, units in zip(group.account.markets, offered, strict=True):
            result[m][0] = result[m][0] + jnp.sum(jnp.maximum(units, 0), axis=1)
            result[m][1] = result[m][1] + jnp.sum(jnp.maximum(-units, 0), axis=1)
    if not result:
        return jnp.zeros((0, 2, like.shape[0]))
    return jnp.stack([jnp.stack(sides) for sides in result])


def deleverage(groups, state: State, previous_mark, called, offers, extra=None):
    """Closes winners at the previous mark against what is offered.

    Args:
      groups: structure of the accounts.
      state: holdings, figures and prices.
      previous_mark: `[M, p]`.
      called: who may be closed, per group bool `[p, n]`.
      offers: per group and market, signed contracts `[p, n]`; () for none.
      extra: further contracts offered, signed `[M, p]`, the vault's; None for none.

    Returns:
      (state with the winners closed, filled share per market and side `[M, 2, p]`, profit the
      winners gave up `[p]`). Closing the offering side is the caller's.
    """
    markets = previous_mark.shape[0]
    offered = summed_offers(groups, offers, markets, state.vault_cash)
    if extra is not None:
        offered = offered + jnp.stack([jnp.maximum(extra, 0), jnp.maximum(-extra, 0)], axis=1)

    def close(s):
        return close_winners(groups, s, previous_mark, called, offered)

    changes, filled = jax.lax.cond(
        jnp.any(offered > 0),
        close,
        lambda s: (nothing_closed(groups, s), jnp.zeros_like(offered)),
        state,
    )
    held, paid = [], jnp.zeros_like(state.vault_cash)
    for group, own, change in zip(groups, state.held, changes, strict=True):
        cash, sizes = own.cash, []
        for i, m in enumerate(group.account.markets):
            cash = cash - change[i] * previous_mark[m][:, None].astype(own.cash.dtype)
            emptied = change[i] == -own.size[i]
            sizes.append(jnp.where(emptied, 0, own.size[i] + change[i]))
            paid = paid - total(change[i]) * (state.prices.mark[m] - previous_mark[m])
        held.append(dataclasses.replace(own, cash=cash, size=tuple(sizes)))
    share = jnp.where(offered > 0, filled / jnp.where(offered > 0, offered, 1), 0)
    notional = jnp.sum(filled * previous_mark[:, None, :], axis=(0, 1))
    measures = dataclasses.replace(
        state.measures, adl_notional=state.measures.adl_notional + notional
    )
    return dataclasses.replace(state, held=tuple(held), measures=measures), share, paid


def _to_vault(groups, actions, state: State, previous_mark, offers, filled, values) -> State:
    """Closes the offering side at the previous mark and moves what is left to the vault."""
    held = []
    vault_size = [state.vault_size[m] for m in range(state.vault_size.shape[0])]
    cash_in, notional, kept, short, charged = (jnp.zeros_like(state.vault_cash) for _ in range(5))
    for group, own, seen, action, offered, value in zip(
        groups, state.held, state.seen, actions, offers, values, strict=True
    ):
        markets, dtype = group.account.markets, own.cash.dtype
        takes, cash, gained = action.handover, own.cash, jnp.zeros_like(value)
        left = []
        for i, m in enumerate(markets):
            share = jnp.where(offered[i] > 0, filled[m, 0][:, None], filled[m, 1][:, None])
            closed = (offered[i] * share).astype(dtype)
            cash = cash + closed * previous_mark[m][:, None].astype(dtype)
            gained = gained + closed * (previous_mark[m] - state.prices.mark[m])[:, None]
            left.append(own.size[i] - closed)
        equity = seen.equity + gained.astype(dtype)
        margin = equity if not group.account.portfolio else jnp.maximum(equity + seen.credit, 0)
        moved, sizes = margin, []
        for i, m in enumerate(markets):
            mark = state.prices.mark[m]
            taken = jnp.where(takes, left[i], 0)
            moved = moved - taken * mark[:, None].astype(dtype)
            vault_size[m] = vault_size[m] + total(taken)
            notional = notional + total(jnp.abs(taken)) * mark
            sizes.append(jnp.where(takes, 0, own.size[i]))
        moved = jnp.where(takes, moved, 0)
        cash = jnp.where(takes, cash - moved, own.cash)
        if not group.account.portfolio:
            moved = jnp.where(action.absorb, own.cash, moved)
            cash = jnp.where(takes | action.absorb, 0, cash)
            lost = jnp.where(takes | action.absorb, jnp.maximum(-value, 0), 0)
            short = short + total(lost)
            charged = charged + total(jnp.where(takes | action.absorb, jnp.maximum(-equity, 0), 0))
        else:
            short = short + total(jnp.where(takes, gained, 0))
        cash_in = cash_in + total(moved)
        kept = kept + total(jnp.where(takes, jnp.maximum(margin, 0), 0))
        held.append(dataclasses.replace(own, cash=cash, size=tuple(sizes)))
    measures = dataclasses.replace(
        state.measures,
        backstop_notional=state.measures.backstop_notional + notional,
        margin_kept=state.measures.margin_kept + kept,
        shortfall=state.measures.shortfall + short,
        paid_vault=state.measures.paid_vault + charged,
    )
    return dataclasses.replace(
        state,
        held=tuple(held),
        measures=measures,
        vault_cash=state.vault_cash + cash_in,
        vault_size=jnp.stack(vault_size) if vault_size else state.vault_size,
        parties=booked(state.parties, vault=cash_in),
    )
