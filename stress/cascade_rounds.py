"""Liquidation rounds of a step: decide, net, execute, hand over, mark again.

All decisions of a round use the marking at its start. A path without an action passes a round
unchanged, so the loop runs until no path of the tile acts, or to the round limit, which is a status
of the paths still acting. Who is liquidatable is asked of the whole book; everything else is of the
seats that those accounts take (`stress.cascade_seats`).
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from models.impact import Fill, execute
from models.ledger import booked
from models.liquidation import Action, Figures
from stress.cascade_handover import hand_over
from stress.cascade_record import note_actions, record_first
from stress.cascade_seats import Seats, leave_seats, take_seats
from stress.cascade_state import (
    Group,
    Now,
    Setting,
    State,
    decisions,
    once,
    orders_of,
    prices_at,
    see,
    shown,
    total,
    triggered,
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

    def look(round_, flags, state):
        """Those liquidatable take seats; their figures, and what is decided about them."""
        seats, crowded = take_seats(groups, state, order, flags, setting.seats)
        seen = see(setting, seats, [seat.held for seat in seats], state.prices)
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
        return seats, seen, actions, dataclasses.replace(state, crowded=state.crowded | crowded)

    def going(carry):
        round_, on, flags, _, _ = carry
        some = jnp.stack([jnp.any(flag & on[:, None]) for flag in flags]).any()
        return some & (round_ <= setting.round_limit)

    def body(carry):
        round_, on, flags, state, moved = carry
        seats, seen, actions, state = look(round_, flags, state)
        acting = on & anybody(actions)
        late = jnp.asarray(round_ >= setting.round_limit)  # one more look: who would still act
        state = dataclasses.replace(state, round_limit=state.round_limit | (acting & late))

        def play(carry):
            _, _, state, moved = carry
            state = record_first(setting, seats, seen, now, state)
            # A path that is done stays as it is while others of its tile go on.
            done = jax.tree.map(lambda flag: flag & acting[:, None], actions)
            state, effective = play_round(
                setting, groups, seats, seen, now, previous_mark, done, state
            )
            some = acting & effective
            state = dataclasses.replace(state, measures=_counted(state.measures, some, round_))
            return some, triggered(setting, groups, state), state, moved | some

        return round_ + 1, *once(~late, play, (on, flags, state, moved))

    no = jnp.zeros_like(state.round_limit)
    start = (jnp.zeros((), jnp.int32), ~no, triggered(setting, groups, state), state, no)
    *_, state, moved = jax.lax.while_loop(going, body, start)
    return state, moved


def _of_seats(action: Action, seat: Seats) -> Action:
    """The action where the seat is taken: what lies in an empty one is somebody else's."""
    return jax.tree.map(lambda flag: flag & seat.taken, action)


def _counted(measures, some, round_):
    """Rounds of the path so far, and the most of one step."""
    deepest = jnp.maximum(measures.most_rounds, round_.astype(jnp.float64) + 1)
    return dataclasses.replace(
        measures,
        rounds=measures.rounds + some.astype(measures.rounds.dtype),
        most_rounds=jnp.where(some, deepest, measures.most_rounds),
    )


def anybody(actions: Sequence[Action]) -> jax.Array:
    """Paths on which some account acts, bool `[p]`."""
    flags = [jnp.any(flag, axis=1) for action in actions for flag in vars(action).values()]
    result = flags[0]
    for flag in flags[1:]:
        result = result | flag
    return result


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
    contracts, cooldowns = [], []
    market = shown(setting, state.prices)
    for seat, action in zip(seats, actions, strict=True):
        ordered, cooldown = orders_of(
            setting.rules, seat.account, seat.held, market, action.book, now.time
        )
        contracts.append(ordered)
        cooldowns.append(cooldown)
    fills = execute_orders(setting, state, market_flow(setting, seats, state, contracts))
    served = _served(setting, seats, contracts, fills, actions)
    effective = _others(actions)
    for action, got in zip(actions, served, strict=True):
        effective = effective | jnp.any(got, axis=1)
        stuck = jnp.any(action.book & ~got, axis=1)
        state = dataclasses.replace(state, empty_depth=state.empty_depth | stuck)
    cooldowns = [
        jnp.where(got, until, seat.held.cooldown)
        for got, until, seat in zip(served, cooldowns, seats, strict=True)
    ]
    seats, state = hand_over(setting, groups, seats, seen, previous_mark, actions, state)
    seats, state = _book(setting, seats, state, contracts, cooldowns, fills)
    seats, state = _takeover(setting, seats, seen, actions, state)
    state = dataclasses.replace(
        state,
        held=leave_seats(seats, state.held),
        record=note_actions(seats, state.record, actions),
        transient=_stack([f.transient for f in fills], state.transient),
        permanent=_stack([f.permanent for f in fills], state.permanent),
    )
    return moved_prices(setting, now, state), effective


def moved_prices(setting: Setting, now: Now, state: State) -> State:
    """Prices after the flows of the state, and how far they have ever been moved."""
    prices = prices_at(setting, now, state.transient, state.permanent, state.prices)
    reach = jnp.maximum(state.measures.overshoot, jnp.abs(prices.x))
    measures = dataclasses.replace(state.measures, overshoot=reach)
    return dataclasses.replace(state, prices=prices, measures=measures)


def _stack(rows, like):
    return jnp.stack(rows) if rows else like


def market_flow(setting: Setting, seats, state: State, contracts) -> list[jax.Array]:
    """Net orders per asset at the mark, USDC `[p]`, buys positive."""
    flow = [jnp.zeros_like(state.vault_cash) for _ in range(state.transient.shape[0])]
    for seat, ordered in zip(seats, contracts, strict=True):
        for m, units in zip(seat.account.markets, ordered, strict=True):
            a = setting.market_asset[m]
            flow[a] = flow[a] + total(units) * state.prices.mark[m]
    return flow


def execute_orders(setting: Setting, state: State, flow: Sequence[jax.Array]) -> list[Fill]:
    """Fills of net orders per asset."""
    return [
        execute(setting.impact, a, state.transient[a], state.permanent[a], state.depth[a], q)
        for a, q in enumerate(flow)
    ]


def _others(actions: Sequence[Action]) -> jax.Array:
    return anybody([dataclasses.replace(a, book=jnp.zeros_like(a.book)) for a in actions])


def _served(setting: Setting, seats, contracts, fills, actions) -> list[jax.Array]:
    """Accounts of which some order is executed, bool `[p, k]` per group."""
    served = []
    for seat, ordered, action in zip(seats, contracts, actions, strict=True):
        got = jnp.zeros_like(action.book)
        for m, units in zip(seat.account.markets, ordered, strict=True):
            got = got | ((units != 0) & (fills[setting.market_asset[m]].share > 0)[:, None])
        served.append(got & action.book)
    return served


def _book(setting: Setting, seats, state: State, orders, cooldowns, fills):
    """Executes the orders: sizes, cash, the makers' other side; (seats, state)."""
    result, makers = [], jnp.zeros_like(state.vault_cash)
    notional, slippage, contracts = makers, makers, list(state.contracts)
    for seat, ordered, cooldown in zip(seats, orders, cooldowns, strict=True):
        own = seat.held
        cash, sizes = own.cash, []
        for i, m in enumerate(seat.account.markets):
            fill = fills[setting.market_asset[m]]
            mark, units = state.prices.mark[m], ordered[i]
            price = mark * jnp.exp(fill.premium)
            done = units * fill.share[:, None].astype(units.dtype)
            whole = (units == -own.size[i]) & (fill.share >= 1)[:, None]
            sizes.append(jnp.where(whole, 0, own.size[i] + done))
            after_funding = (price - state.prices.paid[m])[:, None].astype(units.dtype)
            cash = cash - done * after_funding
            bought = total(done)
            contracts[m] = contracts[m] + bought
            makers = makers + bought * price
            notional = notional + total(jnp.abs(done)) * mark
            slippage = slippage + bought * (price - mark)
        own = dataclasses.replace(own, cash=cash, size=tuple(sizes), cooldown=cooldown)
        result.append(dataclasses.replace(seat, held=own))
    measures = dataclasses.replace(
        state.measures,
        book_notional=state.measures.book_notional + notional,
        slippage=state.measures.slippage + slippage,
    )
    state = dataclasses.replace(
        state,
        contracts=_stack(contracts, state.contracts),
        measures=measures,
        parties=booked(state.parties, makers=makers),
    )
    return tuple(result), state


def _takeover(setting: Setting, seats, figures, actions, state: State):
    """The backstop takes collateral and loans at the reserve's oracle price; (seats, state)."""
    result = []
    taken = [jnp.zeros_like(state.vault_cash) for _ in range(state.takeover_held.shape[0])]
    cash_out, value, surplus, short = (jnp.zeros_like(state.vault_cash) for _ in range(4))
    share = setting.rules.liquidation.takeover_share
    for seat, seen, action in zip(seats, figures, actions, strict=True):
        if not seat.account.portfolio:
            result.append(seat)
            continue
        own = seat.held
        debt = jnp.maximum(-seen.equity, 0)
        part = jnp.where(action.full, 1, jnp.where(action.partial, share, 0))
        part = part.astype(own.cash.dtype)
        paid = jnp.where(action.full, debt, part * seen.collateral)
        supplied = []
        for i, c in enumerate(seat.account.tokens):
            units = own.supplied[i]
            taken[c] = taken[c] + total(part * units)
            supplied.append(jnp.where(action.full, 0, units - part * units))
        own = dataclasses.replace(own, cash=own.cash + paid, supplied=tuple(supplied))
        result.append(dataclasses.replace(seat, held=own))
        cash_out = cash_out + total(paid)
        value = value + total(part * seen.collateral)
        beyond = jnp.where(action.full, seen.collateral - debt, 0)
        surplus = surplus + total(jnp.maximum(beyond, 0))
        short = short + total(jnp.maximum(-beyond, 0))
    measures = dataclasses.replace(
        state.measures,
        takeover_value=state.measures.takeover_value + value,
        surplus_kept=state.measures.surplus_kept + surplus,
        shortfall=state.measures.shortfall + short,
    )
    state = dataclasses.replace(
        state,
        measures=measures,
        takeover_cash=state.takeover_cash - cash_out,
        takeover_held=_stack(
            [h + t for h, t in zip(state.takeover_held, taken, strict=True)], state.takeover_held
        ),
        parties=booked(state.parties, takeover=-cash_out),
    )
    return tuple(result), state
