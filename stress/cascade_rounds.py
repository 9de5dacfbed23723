"""Liquidation rounds of a step: decide, net, execute, hand over, mark again.

All decisions of a round use the marking at its start. A path is done when nobody acts, or at the
round limit, which is a status of the paths still acting. Rounds are played on seats
(`stress.cascade_seats`): the accounts that prices within `REACH` of those at the start of a sitting
can bring to their trigger. Paths for which there are no seats left, or whose prices go further,
wait for another sitting.
"""

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp

from models.liquidation import Action, Figures
from stress.cascade_handover import hand_over
from stress.cascade_marking import (
    decisions,
    once,
    orders_of,
    see_closely,
    triggered,
    within_reach,
)
from stress.cascade_record import record_first
from stress.cascade_seats import Seats, leave_seats, note_action, take_seats
from stress.cascade_state import Now, Prices, Roster, Setting, State
from stress.cascade_trades import (
    book_orders,
    execute_orders,
    market_flow,
    moved_prices,
    served_of,
    take_over,
)

SLACK = 1e-9  # of a count of takeover rounds
REACH = 0.004  # log distance that prices may go within a sitting
PARTS = (32, 8)  # a path alone has seats for one account in so many of the book, or for all
FEWEST, LANES = 64, 16  # at least so many, in whole vectors
SIDE_BY_SIDE = 256  # seats that paths played side by side share, or as many as accounts


def play_rounds(
    setting: Setting, roster: Roster, now: Now, previous_mark, order, state: State
) -> tuple[State, jax.Array]:
    """Plays rounds until nobody is left to act.

    Args:
      setting: what does not change.
      roster: the accounts.
      now: the time.
      previous_mark: marks at the end of the previous step, `[M, p]`.
      order: bool `[p, N]`, whether perpetuals go first.
      state: marked at this time.

    Returns:
      (state after the rounds, bool `[p]`: something was liquidated).
    """
    play = _Rounds(setting, roster, now, previous_mark, order)
    accounts, paths = roster.equity.shape[0], state.vault_cash.shape[0]
    widths = _widths(setting.seats, accounts, paths)
    nobody = jnp.zeros((paths, accounts), bool)

    def sit(carry):
        waiting, *rest = carry
        near = once(waiting.any(), lambda _: within_reach(setting, roster, rest[2], REACH), nobody)
        near = near & waiting[:, None]
        wanted = jnp.cumsum(jnp.sum(near, axis=1, dtype=jnp.int32))
        room = widths[-1]
        for seats in reversed(widths[:-1]):
            room = jnp.where(wanted[-1] <= seats, seats, room)
        invited = waiting & (wanted <= room)
        left = (jnp.zeros_like(waiting), *rest)
        for seats in widths:
            turn = partial(play.sitting, near & invited[:, None], invited, seats)
            left = once((room == seats) & jnp.any(waiting), turn, left)
        return left[0] | (waiting & ~invited), *left[1:]

    no = jnp.zeros_like(state.round_limit)
    begun = jnp.zeros(no.shape, jnp.int32)
    waiting = jnp.any(triggered(setting, roster, state), axis=1)
    start = (waiting, begun, ~no, state, no)
    *_, state, moved = jax.lax.while_loop(lambda carry: jnp.any(carry[0]), sit, start)
    return state, moved


def _widths(seats: int | None, accounts: int, paths: int) -> list[int]:
    """Numbers of seats that a sitting chooses from, ascending; a path always finds room."""
    usual = (SIDE_BY_SIDE,) if seats is None else (seats,)
    if seats is None and paths == 1:
        usual = tuple(max(-(-accounts // (part * LANES)) * LANES, FEWEST) for part in PARTS)
    fewest = [min(width, paths * accounts) for width in usual]
    return sorted({*fewest, max(accounts, *fewest)})


@dataclasses.dataclass(frozen=True)
class _Rounds:
    """Rounds of one step; what they share."""

    setting: Setting
    roster: Roster
    now: Now
    previous_mark: jax.Array
    order: jax.Array

    def sitting(self, near, invited, width, carry):
        """Rounds of those who are near on the invited paths.

        A path ends when nobody acts, at the limit of rounds, or where its prices leave what those
        near were sought for. The carry is (bool `[p]`: paths that need another sitting; rounds of
        each path so far; bool: whether a path acted in every round so far; state; bool: something
        was liquidated).
        """
        out, rounds, alive, state, moved = carry
        seats = take_seats(self.roster, state, self.order, near, width)
        begun, fresh, limit = state.prices, seats.record.first, self.setting.round_limit

        def flags(seats, seen, paths):
            able = (seen.beyond | seen.unfunded) & seats.taken
            return able & seats.of_path(paths)

        def playing(rounds, alive, out):
            return invited & alive & ~out & (rounds < limit)

        def going(carry):
            rounds, alive, out, seats, seen, *_ = carry
            return flags(seats, seen, playing(rounds, alive, out)).any()

        def turn(carry):
            rounds, alive, out, seats, seen, state, moved = carry
            able = playing(rounds, alive, out)
            who = flags(seats, seen, able)
            action = self._decided(seats, seen, who, rounds)
            seats, state = record_first(self.setting, seats, seen, who, self.now, state)
            seats, state, effective, closed = self._round(seats, seen, action, state)
            some = _anybody(seats, action) & effective
            state = dataclasses.replace(state, measures=_counted(state.measures, some, rounds))
            out = out | (some & _beyond(begun, state.prices)) | closed
            seen = see_closely(self.setting, seats, state.prices)
            alive = jnp.where(able, some, alive)
            return rounds + able, alive, out, seats, seen, state, moved | some

        seen = see_closely(self.setting, seats, state.prices)
        carry = (rounds, alive, out, seats, seen, state, moved)
        rounds, alive, out, seats, seen, state, moved = jax.lax.while_loop(going, turn, carry)
        late = flags(seats, seen, invited & alive & (rounds >= limit))  # one more look

        def limited(reached):
            return reached | _anybody(seats, self._decided(seats, seen, late, rounds))

        state = dataclasses.replace(state, round_limit=once(late.any(), limited, state.round_limit))
        first = jnp.isinf(fresh) & ~jnp.isinf(seats.record.first)
        return out, rounds, alive, leave_seats(seats, first, state), moved

    def _decided(self, seats: Seats, seen: Figures, flags, rounds) -> Action:
        """What happens to the flagged ones in a round."""
        rules = self.setting.venue.liquidation
        due = jnp.maximum(1, jnp.floor(self.now.hours / rules.takeover_interval + SLACK))
        may_take = seats.of_path(rounds.astype(due.dtype) < due)
        perps_now = seats.perps_first | seats.of_path(rounds % 2 == 1)
        action = decisions(self.setting, seats, seen, perps_now, may_take)
        return jax.tree.map(lambda flag: flag & flags, action)

    def _round(self, seats: Seats, seen: Figures, action: Action, state: State):
        """One round.

        Returns (seats, state at its new prices, whether anything had effect, whether winners were
        closed, `[p]`).
        """
        setting = self.setting
        orders, cooldown = orders_of(setting, seats, state.prices, action.book, self.now.time)
        fill = execute_orders(setting, state, market_flow(setting, seats, state, orders))
        got = served_of(setting, seats, orders, fill, action)
        others = action.handover | action.partial | action.full | action.absorb
        effective, stuck = seats.some(got | others, action.book & ~got)
        stuck = state.empty_depth | stuck
        cooldown = jnp.where(got, cooldown, seats.held.cooldown)
        seats, state, closed = hand_over(
            setting, self.roster, seats, seen, self.previous_mark, action, state
        )
        seats, state = book_orders(setting, seats, state, orders, cooldown, fill)
        seats, state = take_over(setting, seats, seen, action, state)
        state = dataclasses.replace(
            state, transient=fill.transient, permanent=fill.permanent, empty_depth=stuck
        )
        return note_action(seats, action), moved_prices(setting, self.now, state), effective, closed


def _anybody(seats: Seats, action: Action) -> jax.Array:
    """Paths on which some account acts, bool `[p]`."""
    acts = action.book | action.handover | action.partial | action.full | action.absorb
    return seats.some(acts)[0]


def _beyond(begun: Prices, prices: Prices) -> jax.Array:
    """Paths whose prices are out of the reach that those near were sought for, bool `[p]`."""
    gone = [jnp.abs(getattr(prices, k) - getattr(begun, k)) > REACH for k in ("x", "passed")]
    return jnp.any(gone[0] | gone[1], axis=0)


def _counted(measures, some, rounds):
    """Rounds of the path so far, and the most of one step."""
    deepest = jnp.maximum(measures.most_rounds, rounds.astype(jnp.float64) + 1)
    return dataclasses.replace(
        measures,
        rounds=measures.rounds + some.astype(measures.rounds.dtype),
        most_rounds=jnp.where(some, deepest, measures.most_rounds),
    )
