"""The liquidator vault takes positions over; what no value covers is deleveraged first."""

import dataclasses

import jax
import jax.numpy as jnp

from models.adl import share_to_cover
from models.ledger import booked
from models.liquidation import Action, Figures
from stress.cascade_adl import close_winners
from stress.cascade_marking import once
from stress.cascade_seats import CHANGED, Seats, looked_up, put_back
from stress.cascade_state import Roster, Setting, State


def hand_over(
    setting: Setting,
    roster: Roster,
    seats: Seats,
    seen: Figures,
    previous_mark,
    action: Action,
    state: State,
) -> tuple[Seats, State, jax.Array]:
    """Deleverages against bankrupt accounts, then hands the rest of their positions to the vault.

    Args:
      setting: what does not change.
      roster: the accounts.
      seats: those that the round acts on.
      seen: their figures at the start of the round.
      previous_mark: marks at the end of the previous step, `[M, p]`.
      action: of the round.
      state: at the marking of the round.

    Returns:
      (seats, state) after, positions that are handed over are 0; bool `[p]`, whether winners were
      closed, in seats or not.
    """

    def change(carry):
        held, state, _ = carry
        own = _with(seats, held)
        own, state, closed = _hand_over(setting, roster, own, seen, previous_mark, action, state)
        return _changing(own), state, closed

    gone = jnp.any(action.handover | action.absorb)
    begin = (_changing(seats), state, jnp.zeros_like(state.empty_depth))
    held, state, closed = once(gone, change, begin)
    return _with(seats, held), state, closed


def _changing(seats: Seats) -> dict[str, jax.Array]:
    return {name: getattr(seats.held, name) for name in CHANGED}


def _with(seats: Seats, held: dict[str, jax.Array]) -> Seats:
    return dataclasses.replace(seats, held=dataclasses.replace(seats.held, **held))


def _hand_over(setting, roster, seats: Seats, seen, previous_mark, action, state: State):
    value = (seen.equity + seen.collateral).astype(jnp.float64)
    bankrupt = action.handover & (value < 0)
    offers = _offers(seats, value, bankrupt, previous_mark, state)
    offered = jnp.stack(seats.totals(jnp.maximum(offers, 0), jnp.maximum(-offers, 0)), axis=1)

    def close(carry):
        _, state, _, _ = carry
        state = dataclasses.replace(state, held=put_back(seats, state.held))
        state, filled, paid = deleverage(setting, roster, state, previous_mark, offered)
        return _changing(looked_up(seats, state.held)), state, filled, paid

    none = (jnp.zeros_like(offered), jnp.zeros_like(state.vault_cash))
    begin = (_changing(seats), state, *none)
    held, state, filled, paid = once(jnp.any(offered > 0), close, begin)
    measures = dataclasses.replace(state.measures, paid_adl=state.measures.paid_adl + paid)
    state = dataclasses.replace(state, measures=measures)
    seats, state = _to_vault(
        _with(seats, held), seen, action, state, previous_mark, offers, filled, value
    )
    return seats, state, jnp.any(filled > 0, axis=(0, 1))


def _offers(seats: Seats, value, failed, previous_mark, state: State):
    """Contracts each bankrupt account offers at the previous mark, signed `[M, k]`."""
    sizes = seats.held.size.astype(jnp.float64)
    if not len(sizes):
        return sizes
    gains = seats.of_path(previous_mark - state.prices.mark)
    _, offered = share_to_cover(jnp.where(failed, value, 0.0), tuple(sizes), tuple(gains))
    return jnp.stack(offered)


def deleverage(setting: Setting, roster: Roster, state: State, previous_mark, offered):
    """Closes winners at the previous mark against what is offered.

    Only who is not liquidatable at the marking of the state is closed.

    Args:
      setting: what does not change.
      roster: the accounts.
      state: holdings and prices.
      previous_mark: `[M, p]`.
      offered: contracts per market and side, without sign `[M, 2, p]`.

    Returns:
      (state with the winners closed, filled share per market and side `[M, 2, p]`, profit the
      winners gave up `[p]`). Closing the offering side is the caller's.
    """
    found = close_winners(setting, roster, state, previous_mark, offered)
    share = jnp.where(offered > 0, found.filled / jnp.where(offered > 0, offered, 1), 0)
    notional = jnp.sum(found.filled * previous_mark[:, None, :], axis=(0, 1))
    measures = dataclasses.replace(
        state.measures, adl_notional=state.measures.adl_notional + notional
    )
    state = dataclasses.replace(
        state,
        held=dataclasses.replace(state.held, cash=found.cash, size=found.size),
        contracts=state.contracts + found.units,
        measures=measures,
    )
    return state, share, found.paid


def _to_vault(seats: Seats, seen, action, state: State, previous_mark, offers, filled, value):
    """Closes the offering side at the previous mark, the vault takes the rest; (seats, state)."""
    own, dtype, takes = seats.held, seats.held.cash.dtype, action.handover
    mark, before = seats.of_path(state.prices.mark), seats.of_path(previous_mark)
    sides = [seats.of_path(filled[:, side]) for side in (0, 1)]
    closed = (offers * jnp.where(offers > 0, *sides)).astype(dtype)
    cash = own.cash + jnp.sum(closed * before.astype(dtype), axis=0)
    gained = jnp.sum(closed * (before - mark), axis=0)
    equity = seen.equity + gained.astype(dtype)
    margin = jnp.where(seats.portfolio, jnp.maximum(equity + seen.credit, 0), equity)
    taken = jnp.where(takes[None], own.size - closed, 0)
    gone = jnp.where(takes[None], own.size, 0)
    moved = margin - jnp.sum(taken * mark.astype(dtype), axis=0)
    cash = cash - jnp.sum(gone * seats.of_path(state.prices.paid).astype(dtype), axis=0)
    moved = jnp.where(takes, moved, jnp.where(action.absorb, own.cash, 0))
    ends = takes | action.absorb  # standard accounts end with nothing
    ended = ends & ~seats.portfolio
    cash = jnp.where(ended, 0, jnp.where(takes, cash - moved, own.cash))
    gained = jnp.where(takes & seats.portfolio, gained, 0)
    cash_in, kept, short, charged, opened, turned, given = seats.totals(
        moved,
        jnp.where(takes, jnp.maximum(margin, 0), 0),
        jnp.where(ended, jnp.maximum(-value, 0), gained),
        jnp.where(ended, jnp.maximum(-equity, 0), 0),
        taken,
        jnp.abs(taken),
        gone,
    )
    measures = state.measures
    measures = dataclasses.replace(
        measures,
        backstop_notional=measures.backstop_notional + jnp.sum(turned * state.prices.mark, axis=0),
        margin_kept=measures.margin_kept + kept,
        shortfall=measures.shortfall + short,
        paid_vault=measures.paid_vault + charged,
    )
    state = dataclasses.replace(
        state,
        measures=measures,
        vault_cash=state.vault_cash + cash_in,
        vault_size=state.vault_size + opened,
        contracts=state.contracts - given,
        parties=booked(state.parties, vault=cash_in),
    )
    own = dataclasses.replace(own, cash=cash, size=own.size - gone)
    return dataclasses.replace(seats, held=own), state
