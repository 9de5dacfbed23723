"""Liquidation rounds of a step: decide, net, execute, hand over, mark again.

All decisions of a round use the marking at its start. A path without an action passes a round
unchanged, so the loop runs until no path of the tile acts, or to the round limit, which is a status
of the paths still acting. Who is liquidatable is asked of the whole book; everything else is of the
seats that those accounts take (`stress.cascade_seats`).
"""

import dataclasses
from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp

from models.liquidation import Action, Figures
from stress.cascade_handover import hand_over
from stress.cascade_marking import decisions, once, orders_of, see_closely, shown, triggered
from stress.cascade_record import note_actions, record_first
from stress.cascade_seats import Seats, leave_seats, take_seats
from stress.cascade_state import Group, Now, Setting, State
from stress.cascade_trades import (
    book_orders,
    execute_orders,
    market_flow,
    moved_prices,
    served_of,
    take_over,
)

SLACK = 1e-9  # of a count of takeover rounds


def play_rounds(
    setting: Setting, groups: Sequence[Group], now: Now, previous_mark, order, state: State
) -> tuple[State, jax.Array]:
    """Plays rounds until nobody is left to act.

    Args:
      setting: what does not change.
      groups: structure of the accounts.
      now: the time.
      previous_mark: marks at the end of the previous step, `[M, p]`.
      order: per group bool `[p, n]`, whether perpetuals go first.
      state: marked at this time.

    Returns:
      (state after the rounds, bool `[p]`: something was liquidated).
    """
    interval = setting.venue.liquidation.takeover_interval
    due = jnp.maximum(1, jnp.floor(now.hours / interval + SLACK))

    def look(seats, round_, state):
        """Figures of those in the seats, and what is decided about them."""
        seen = see_closely(setting, seats, state.prices)
        may_take = jnp.broadcast_to(jnp.asarray(round_, due.dtype) < due, state.vault_cash.shape)
        odd = jnp.asarray(round_ % 2 == 1)
        actions = tuple(
            _of_seats(
                decisions(
                    setting.rules, seat.account, seat.held, own, seat.perps_first | odd, may_take
                ),
                seat,
            )
            for seat, own in zip(seats, seen, strict=True)
        )
        return seen, actions

    def going(carry):
        round_, flags, _, _ = carry
        some = jnp.stack([jnp.any(flag) for flag in flags]).any()
        return some & (round_ <= setting.round_limit)

    def turn(width, round_, carry):
        """One round with so many seats; flags of paths that are done are taken back."""
        flags, state, moved = carry
        seats = take_seats(groups, state, order, flags, width)
        seen, actions = look(seats, round_, state)
        acting = _anybody(actions)
        late = jnp.asarray(round_ >= setting.round_limit)  # one more look: who would still act
        state = dataclasses.replace(state, round_limit=state.round_limit | (acting & late))

        def play(carry):
            _, state, moved = carry
            state = record_first(setting, seats, seen, now, state)
            state, effective = play_round(
                setting, groups, seats, seen, now, previous_mark, actions, state
            )
            some = acting & effective
            state = dataclasses.replace(state, measures=_counted(state.measures, some, round_))
            flags = (flag & some[:, None] for flag in triggered(setting, groups, state))
            return tuple(flags), state, moved | some

        return once(~late, play, (flags, state, moved))

    def body(carry):
        round_, *rest = carry
        counts = jnp.stack([jnp.max(jnp.sum(f, axis=1, dtype=jnp.int32)) for f in rest[0]])
        most, less, left = jnp.max(counts), 0, tuple(rest)
        for width in widths:
            fits = (most > less) & (most <= width)
            left = once(fits, partial(turn, width, round_), left)
            less = width
        return round_ + 1, *left

    largest = max(group.equity.shape[0] for group in groups)
    widths = (*(width for width in setting.seats if width < largest), largest)
    no = jnp.zeros_like(state.round_limit)
    start = (jnp.zeros((), jnp.int32), triggered(setting, groups, state), state, no)
    *_, state, moved = jax.lax.while_loop(going, body, start)
    return state, moved


def _of_seats(action: Action, seat: Seats) -> Action:
    """The action where the seat is taken: what lies in an empty one is somebody else's."""
    return jax.tree.map(lambda flag: flag & seat.taken, action)


def _anybody(actions: Sequence[Action]) -> jax.Array:
    """Paths on which some account acts, bool `[p]`."""
    result = jnp.zeros(actions[0].book.shape[:1], bool)
    for action in actions:
        acts = action.book | action.handover | action.partial | action.full | action.absorb
        result = result | jnp.any(acts, axis=1)
    return result


def _counted(measures, some, round_):
    """Rounds of the path so far, and the most of one step."""
    deepest = jnp.maximum(measures.most_rounds, round_.astype(jnp.float64) + 1)
    return dataclasses.replace(
        measures,
        rounds=measures.rounds + some.astype(measures.rounds.dtype),
        most_rounds=jnp.where(some, deepest, measures.most_rounds),
    )


def play_round(
    setting: Setting,
    groups: Sequence[Group],
    seats: Sequence[Seats],
    seen: Sequence[Figures],
    now: Now,
    previous_mark,
    actions: Sequence[Action],
    state: State,
) -> tuple[State, jax.Array]:
    """One round; returns the state at its new prices, and whether anything had effect `[p]`."""
    market = shown(setting, state.prices)
    ordered = [
        orders_of(setting.rules, seat.account, seat.held, market, action.book, now.time)
        for seat, action in zip(seats, actions, strict=True)
    ]
    orders = [units for units, _ in ordered]
    fill = execute_orders(setting, state, market_flow(setting, seats, state, orders))
    served = served_of(setting, seats, orders, fill, actions)
    effective, stuck = jnp.zeros_like(state.empty_depth), state.empty_depth
    for action, got in zip(actions, served, strict=True):
        others = action.handover | action.partial | action.full | action.absorb
        effective = effective | jnp.any(got | others, axis=1)
        stuck = stuck | jnp.any(action.book & ~got, axis=1)
    cooldowns = [
        jnp.where(got, until, seat.held.cooldown)
        for got, (_, until), seat in zip(served, ordered, seats, strict=True)
    ]
    seats, state = hand_over(setting, groups, seats, seen, previous_mark, actions, state)
    seats, state = book_orders(setting, seats, state, orders, cooldowns, fill)
    seats, state = take_over(setting, seats, seen, actions, state)
    state = dataclasses.replace(
        state,
        held=leave_seats(seats, state.held),
        record=note_actions(seats, state.record, actions),
        transient=fill.transient,
        permanent=fill.permanent,
        empty_depth=stuck,
    )
    return moved_prices(setting, now, state), effective
