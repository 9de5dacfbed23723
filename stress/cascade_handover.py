"""The liquidator vault takes positions over; what no value covers is deleveraged first."""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from models.adl import share_to_cover
from models.ledger import booked
from models.liquidation import Action, Figures
from stress.cascade_adl import close_winners
from stress.cascade_marking import once, rows_at, sums_at, total
from stress.cascade_seats import Seats
from stress.cascade_state import Group, Setting, State


def hand_over(
    setting: Setting,
    groups: Sequence[Group],
    seats: Sequence[Seats],
    seen: Sequence[Figures],
    previous_mark,
    actions: Sequence[Action],
    state: State,
) -> tuple[tuple[Seats, ...], State]:
    """Deleverages against bankrupt accounts, then hands the rest of their positions to the vault.

    Args:
      setting: what does not change.
      groups: structure of the accounts.
      seats: accounts that the round acts on.
      seen: their figures at the start of the round.
      previous_mark: marks at the end of the previous step, `[M, p]`.
      actions: of the round, per group.
      state: at the marking of the round.

    Returns:
      (seats, state) after; positions that are handed over are 0.
    """
    gone = [jnp.any(action.handover | action.absorb) for action in actions]
    some = gone[0]
    for flag in gone[1:]:
        some = some | flag

    def change(carry):
        held, state = carry
        own = tuple(dataclasses.replace(s, held=h) for s, h in zip(seats, held, strict=True))
        own, state = _hand_over(setting, groups, own, seen, previous_mark, actions, state)
        return tuple(seat.held for seat in own), state

    held, state = once(some, change, (tuple(seat.held for seat in seats), state))
    seats = tuple(dataclasses.replace(s, held=h) for s, h in zip(seats, held, strict=True))
    return seats, state


def _hand_over(setting, groups, seats, figures, previous_mark, actions, state: State):
    values = [(seen.equity + seen.collateral).astype(jnp.float64) for seen in figures]
    bankrupt = [
        action.handover & (value < 0) for action, value in zip(actions, values, strict=True)
    ]
    offers = [
        _offers(seat, value, failed, previous_mark, state)
        for seat, value, failed in zip(seats, values, bankrupt, strict=True)
    ]
    offered = summed_offers(seats, offers, previous_mark.shape[0], state.vault_cash)
    state, filled, paid = deleverage(setting, groups, state, previous_mark, offered)
    measures = dataclasses.replace(state.measures, paid_adl=state.measures.paid_adl + paid)
    state = dataclasses.replace(state, measures=measures)
    return _to_vault(seats, figures, actions, state, previous_mark, offers, filled, values)


def _offers(seat: Seats, value, failed, previous_mark, state: State):
    """Contracts each bankrupt account offers at the previous mark, signed `[m, p, k]`."""
    sizes = seat.held.size.astype(jnp.float64)
    if not seat.account.markets:
        return sizes
    gains = rows_at(previous_mark - state.prices.mark, seat.account.markets)[:, :, None]
    _, offered = share_to_cover(jnp.where(failed, value, 0.0), tuple(sizes), tuple(gains))
    return jnp.stack(offered)


def summed_offers(seats, offers, markets: int, like) -> jax.Array:
    """Contracts offered per market and side, without sign `[M, 2, p]`."""
    long, short = (jnp.zeros((markets, *like.shape)) for _ in range(2))
    for seat, units in zip(seats, offers, strict=True):
        long = long + sums_at(total(jnp.maximum(units, 0)), seat.account.markets, markets)
        short = short + sums_at(total(jnp.maximum(-units, 0)), seat.account.markets, markets)
    return jnp.stack([long, short], axis=1)


def deleverage(setting: Setting, groups, state: State, previous_mark, offered):
    """Closes winners at the previous mark against what is offered.

    Only who is not liquidatable at the marking of the state is closed.

    Args:
      setting: what does not change.
      groups: structure of the accounts.
      state: holdings and prices.
      previous_mark: `[M, p]`.
      offered: contracts per market and side, without sign `[M, 2, p]`.

    Returns:
      (state with the winners closed, filled share per market and side `[M, 2, p]`, profit the
      winners gave up `[p]`). Closing the offering side is the caller's.
    """

    def close(carry):
        held, contracts, *_ = carry
        now = dataclasses.replace(state, held=held)
        changes, filled = close_winners(setting, groups, now, previous_mark, offered)
        result, paid = [], jnp.zeros_like(state.vault_cash)
        owed = previous_mark - state.prices.paid
        for group, own, change in zip(groups, held, changes, strict=True):
            markets, units = group.account.markets, total(change)
            price = rows_at(owed, markets)[:, :, None].astype(own.cash.dtype)
            moved = rows_at(state.prices.mark - previous_mark, markets)
            contracts = contracts + sums_at(units, markets, contracts.shape[0])
            paid = paid - jnp.sum(units * moved, axis=0)
            size = jnp.where(change == -own.size, 0, own.size + change)
            cash = own.cash - jnp.sum(change * price, axis=0)
            result.append(dataclasses.replace(own, cash=cash, size=size))
        return tuple(result), contracts, filled, paid

    none = (jnp.zeros_like(offered), jnp.zeros_like(state.vault_cash))
    begin = (state.held, state.contracts, *none)
    held, contracts, filled, paid = once(jnp.any(offered > 0), close, begin)
    share = jnp.where(offered > 0, filled / jnp.where(offered > 0, offered, 1), 0)
    notional = jnp.sum(filled * previous_mark[:, None, :], axis=(0, 1))
    measures = dataclasses.replace(
        state.measures, adl_notional=state.measures.adl_notional + notional
    )
    state = dataclasses.replace(state, held=held, contracts=contracts, measures=measures)
    return state, share, paid


def _to_vault(seats, figures, actions, state: State, previous_mark, offers, filled, values):
    """Closes the offering side at the previous mark, the vault takes the rest; (seats, state)."""
    result = []
    vault_size, contracts = state.vault_size, state.contracts
    cash_in, notional, kept, short, charged = (jnp.zeros_like(state.vault_cash) for _ in range(5))
    for seat, seen, action, offered, value in zip(
        seats, figures, actions, offers, values, strict=True
    ):
        own = seat.held
        markets, dtype = seat.account.markets, own.cash.dtype
        takes, mark = action.handover, rows_at(state.prices.mark, markets)[:, :, None]
        before = rows_at(previous_mark, markets)[:, :, None]
        sides = [rows_at(filled[:, side], markets)[:, :, None] for side in (0, 1)]
        closed = (offered * jnp.where(offered > 0, *sides)).astype(dtype)
        cash = own.cash + jnp.sum(closed * before.astype(dtype), axis=0)
        gained = jnp.sum(closed * (before - mark), axis=0)
        equity = seen.equity + gained.astype(dtype)
        margin = equity if not seat.account.portfolio else jnp.maximum(equity + seen.credit, 0)
        taken = jnp.where(takes[None], own.size - closed, 0)
        gone = jnp.where(takes[None], own.size, 0)
        paid = rows_at(state.prices.paid, markets)[:, :, None].astype(dtype)
        moved = margin - jnp.sum(taken * mark.astype(dtype), axis=0)
        cash = cash - jnp.sum(gone * paid, axis=0)
        vault_size = vault_size + sums_at(total(taken), markets, vault_size.shape[0])
        contracts = contracts - sums_at(total(gone), markets, contracts.shape[0])
        notional = notional + jnp.sum(total(jnp.abs(taken)) * mark[:, :, 0], axis=0)
        moved = jnp.where(takes, moved, 0)
        cash = jnp.where(takes, cash - moved, own.cash)
        if not seat.account.portfolio:
            moved = jnp.where(action.absorb, own.cash, moved)
            cash = jnp.where(takes | action.absorb, 0, cash)
            lost = jnp.where(takes | action.absorb, jnp.maximum(-value, 0), 0)
            short = short + total(lost)
            charged = charged + total(jnp.where(takes | action.absorb, jnp.maximum(-equity, 0), 0))
        else:
            short = short + total(jnp.where(takes, gained, 0))
        cash_in = cash_in + total(moved)
        kept = kept + total(jnp.where(takes, jnp.maximum(margin, 0), 0))
        own = dataclasses.replace(own, cash=cash, size=own.size - gone)
        result.append(dataclasses.replace(seat, held=own))
    measures = dataclasses.replace(
        state.measures,
        backstop_notional=state.measures.backstop_notional + notional,
        margin_kept=state.measures.margin_kept + kept,
        shortfall=state.measures.shortfall + short,
        paid_vault=state.measures.paid_vault + charged,
    )
    state = dataclasses.replace(
        state,
        measures=measures,
        vault_cash=state.vault_cash + cash_in,
        vault_size=vault_size,
        contracts=contracts,
        parties=booked(state.parties, vault=cash_in),
    )
    return tuple(result), state
