"""Liquidation rounds of a step: decide, net, execute, hand over, mark again.

All decisions of a round use the marking at its start. A path without an action passes a round
unchanged, so the loop runs until no path of the tile acts, or to the round limit, which is a status
of the paths still acting.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from models.impact import Fill, execute
from models.ledger import booked
from models.liquidation import Action
from stress.cascade_handover import hand_over
from stress.cascade_record import fresh, note_actions, record_first
from stress.cascade_state import (
    Group,
    Now,
    Setting,
    State,
    decisions,
    orders_of,
    prices_at,
    see,
    shown,
    total,
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

    def actions_of(state, round_):
        may_take = jnp.broadcast_to(jnp.asarray(round_, due.dtype) < due, state.vault_cash.shape)
        odd = jnp.asarray(round_ % 2 == 1)
        return tuple(
            decisions(setting.rules, group.account, held, seen, first | odd, may_take)
            for group, held, seen, first in zip(groups, state.held, state.seen, order, strict=True)
        )

    def going(carry):
        round_, acting, *_, state, _ = carry
        new = jnp.stack([jnp.any(flag) for flag in fresh(state)]).any()
        return (jnp.any(acting) | new) & (round_ < setting.round_limit)

    def body(carry):
        round_, acting, actions, state, moved = carry
        state = record_first(setting, groups, now, state)
        # A path that is done stays as it is while others of its tile go on.
        actions = jax.tree.map(lambda flag: flag & acting[:, None], actions)
        state, effective = play_round(setting, groups, now, previous_mark, actions, state)
        some = acting & effective
        state = dataclasses.replace(state, measures=_counted(state.measures, some, round_))
        actions = actions_of(state, round_ + 1)
        return round_ + 1, some & anybody(actions), actions, state, moved | some

    actions = actions_of(state, 0)
    acting = anybody(actions)
    start = (jnp.zeros((), jnp.int32), acting, actions, state, jnp.zeros_like(acting))
    _, acting, _, state, moved = jax.lax.while_loop(going, body, start)
    return dataclasses.replace(state, round_limit=state.round_limit | acting), moved


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
    setting: Setting, groups: Sequence[Group], now: Now, previous_mark, actions, state: State
) -> tuple[State, jax.Array]:
    """One round; returns the state at its new marking, and whether anything had effect `[p]`."""
    contracts, cooldowns = [], []
    market = shown(setting, state.prices)
    for group, held, action in zip(groups, state.held, actions, strict=True):
        ordered, cooldown = orders_of(setting.rules, group, held, market, action.book, now.time)
        contracts.append(ordered)
        cooldowns.append(cooldown)
    fills = execute_orders(setting, state, market_flow(setting, groups, state, contracts))
    served = _served(setting, groups, contracts, fills, actions)
    effective = _others(actions)
    for action, got in zip(actions, served, strict=True):
        effective = effective | jnp.any(got, axis=1)
        stuck = jnp.any(action.book & ~got, axis=1)
        state = dataclasses.replace(state, empty_depth=state.empty_depth | stuck)
    cooldowns = [
        jnp.where(got, until, held.cooldown)
        for got, until, held in zip(served, cooldowns, state.held, strict=True)
    ]
    state = hand_over(setting, groups, previous_mark, actions, state)
    state = _book(setting, groups, state, contracts, cooldowns, fills)
    state = _takeover(setting, groups, actions, state)
    state = dataclasses.replace(
        state,
        transient=_stack([f.transient for f in fills], state.transient),
        permanent=_stack([f.permanent for f in fills], state.permanent),
    )
    state = moved_prices(setting, now, state)
    state = dataclasses.replace(state, record=note_actions(state.record, actions))
    return see(setting, groups, state), effective


def moved_prices(setting: Setting, now: Now, state: State) -> State:
    """Prices after the flows of the state, and how far they have ever been moved."""
    prices = prices_at(setting, now, state.transient, state.permanent, state.prices.passed)
    reach = jnp.maximum(state.measures.overshoot, jnp.abs(prices.x))
    measures = dataclasses.replace(state.measures, overshoot=reach)
    return dataclasses.replace(state, prices=prices, measures=measures)


def _stack(rows, like):
    return jnp.stack(rows) if rows else like


def market_flow(setting: Setting, groups, state: State, contracts) -> list[jax.Array]:
    """Net orders per asset at the mark, USDC `[p]`, buys positive."""
    flow = [jnp.zeros_like(state.vault_cash) for _ in range(state.transient.shape[0])]
    for group, ordered in zip(groups, contracts, strict=True):
        for m, units in zip(group.account.markets, ordered, strict=True):
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


def _served(setting: Setting, groups, contracts, fills, actions) -> list[jax.Array]:
    """Accounts of which some order is executed, bool `[p, n]` per group."""
    served = []
    for group, ordered, action in zip(groups, contracts, actions, strict=True):
        got = jnp.zeros_like(action.book)
        for m, units in zip(group.account.markets, ordered, strict=True):
            got = got | ((units != 0) & (fills[setting.market_asset[m]].share > 0)[:, None])
        served.append(got & action.book)
    return served


def _book(setting: Setting, groups, state: State, contracts, cooldowns, fills) -> State:
    """Executes the orders: sizes, cash, the makers' other side."""
    held, makers = [], jnp.zeros_like(state.vault_cash)
    notional, slippage = makers, makers
    for group, own, ordered, cooldown in zip(groups, state.held, contracts, cooldowns, strict=True):
        cash, sizes = own.cash, []
        for i, m in enumerate(group.account.markets):
            fill = fills[setting.market_asset[m]]
            mark, units = state.prices.mark[m], ordered[i]
            price = mark * jnp.exp(fill.premium)
            done = units * fill.share[:, None].astype(units.dtype)
            whole = (units == -own.size[i]) & (fill.share >= 1)[:, None]
            sizes.append(jnp.where(whole, 0, own.size[i] + done))
            cash = cash - done * price[:, None].astype(units.dtype)
            bought = total(done)
            makers = makers + bought * price
            notional = notional + total(jnp.abs(done)) * mark
            slippage = slippage + bought * (price - mark)
        held.append(dataclasses.replace(own, cash=cash, size=tuple(sizes), cooldown=cooldown))
    measures = dataclasses.replace(
        state.measures,
        book_notional=state.measures.book_notional + notional,
        slippage=state.measures.slippage + slippage,
    )
    return dataclasses.replace(
        state, held=tuple(held), measures=measures, parties=booked(state.parties, makers=makers)
    )


def _takeover(setting: Setting, groups, actions, state: State) -> State:
    """The backstop takes collateral and loans at the reserve's oracle price."""
    held = []
    taken = [jnp.zeros_like(state.vault_cash) for _ in range(state.takeover_held.shape[0])]
    cash_out, value, surplus, short = (jnp.zeros_like(state.vault_cash) for _ in range(4))
    share = setting.rules.liquidation.takeover_share
    for group, own, seen, action in zip(groups, state.held, state.seen, actions, strict=True):
        if not group.account.portfolio:
            held.append(own)
            continue
        debt = jnp.maximum(-seen.equity, 0)
        part = jnp.where(action.full, 1, jnp.where(action.partial, share, 0))
        part = part.astype(own.cash.dtype)
        paid = jnp.where(action.full, debt, part * seen.collateral)
        supplied = []
        for i, c in enumerate(group.account.tokens):
            units = own.supplied[i]
            taken[c] = taken[c] + total(part * units)
            supplied.append(jnp.where(action.full, 0, units - part * units))
        held.append(dataclasses.replace(own, cash=own.cash + paid, supplied=tuple(supplied)))
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
    return dataclasses.replace(
        state,
        held=tuple(held),
        measures=measures,
        takeover_cash=state.takeover_cash - cash_out,
        takeover_held=_stack(
            [h + t for h, t in zip(state.takeover_held, taken, strict=True)], state.takeover_held
        ),
        parties=booked(state.parties, takeover=-cash_out),
    )
