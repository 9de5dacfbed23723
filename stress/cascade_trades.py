"""What a round does to those in the seats: orders against the book, takeovers, prices after them.

Axes: `m` markets of a group, `c` its collateral tokens, `M` and `C` all of them, `A` assets, `p`
paths, `k` seats.
"""

import dataclasses
from collections.abc import Sequence

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from models.impact import Fill, execute, of_assets
from models.ledger import booked
from models.liquidation import Action, Figures
from stress.cascade_marking import prices_at, rows_at, sums_at, total
from stress.cascade_seats import Seats
from stress.cascade_state import Now, Setting, State


def market_flow(
    setting: Setting, seats: Sequence[Seats], state: State, orders: Sequence[Float[Array, "m p k"]]
) -> Float[Array, "A p"]:
    """Net orders per asset at the mark, USDC, buys positive."""
    flow = jnp.zeros_like(state.transient)
    for seat, units in zip(seats, orders, strict=True):
        assets = _assets(setting, seat)
        worth = total(units) * rows_at(state.prices.mark, seat.account.markets)
        flow = flow + sums_at(worth, assets, flow.shape[0])
    return flow


def execute_orders(setting: Setting, state: State, flow: Float[Array, "A p"]) -> Fill:
    """Fills of net orders per asset, leaves `[A, p]`."""
    return of_assets(execute, setting.impact, state.transient, state.permanent, state.depth, flow)


def served_of(
    setting: Setting, seats: Sequence[Seats], orders, fill: Fill, actions: Sequence[Action]
) -> list[Bool[Array, "p k"]]:
    """Accounts of which some order is executed, per group."""
    served = []
    for seat, units, action in zip(seats, orders, actions, strict=True):
        open_ = rows_at(fill.share, _assets(setting, seat))[:, :, None] > 0
        served.append(jnp.any((units != 0) & open_, axis=0) & action.book)
    return served


def book_orders(
    setting: Setting, seats: Sequence[Seats], state: State, orders, cooldowns, fill: Fill
) -> tuple[tuple[Seats, ...], State]:
    """Executes the orders: sizes, cash, the makers' other side."""
    result, makers = [], jnp.zeros_like(state.vault_cash)
    notional, slippage, contracts = makers, makers, state.contracts
    for seat, units, cooldown in zip(seats, orders, cooldowns, strict=True):
        own, markets, assets = seat.held, seat.account.markets, _assets(setting, seat)
        mark, share = rows_at(state.prices.mark, markets), rows_at(fill.share, assets)
        price = mark * jnp.exp(rows_at(fill.premium, assets))
        done = units * share[:, :, None].astype(units.dtype)
        whole = (units == -own.size) & (share >= 1)[:, :, None]
        size = jnp.where(whole, 0, own.size + done)
        after_funding = price - rows_at(state.prices.paid, markets)
        paid = jnp.sum(done * after_funding[:, :, None].astype(units.dtype), axis=0)
        bought = total(done)
        contracts = contracts + sums_at(bought, markets, contracts.shape[0])
        makers = makers + jnp.sum(bought * price, axis=0)
        notional = notional + jnp.sum(total(jnp.abs(done)) * mark, axis=0)
        slippage = slippage + jnp.sum(bought * (price - mark), axis=0)
        own = dataclasses.replace(own, cash=own.cash - paid, size=size, cooldown=cooldown)
        result.append(dataclasses.replace(seat, held=own))
    measures = dataclasses.replace(
        state.measures,
        book_notional=state.measures.book_notional + notional,
        slippage=state.measures.slippage + slippage,
    )
    parties = booked(state.parties, makers=makers)
    state = dataclasses.replace(state, contracts=contracts, measures=measures, parties=parties)
    return tuple(result), state


def take_over(
    setting: Setting,
    seats: Sequence[Seats],
    figures: Sequence[Figures],
    actions: Sequence[Action],
    state: State,
) -> tuple[tuple[Seats, ...], State]:
    """The backstop takes collateral and loans at the reserve's oracle price."""
    result, taken = [], state.takeover_held
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
        taken = taken + sums_at(
            total(part[None] * own.supplied), seat.account.tokens, taken.shape[0]
        )
        supplied = jnp.where(action.full[None], 0, own.supplied - part[None] * own.supplied)
        own = dataclasses.replace(own, cash=own.cash + paid, supplied=supplied)
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
        takeover_held=taken,
        parties=booked(state.parties, takeover=-cash_out),
    )
    return tuple(result), state


def moved_prices(setting: Setting, now: Now, state: State) -> State:
    """Prices after the flows of the state, and how far they have ever been moved."""
    prices = prices_at(setting, now, state.transient, state.permanent, state.prices)
    reach = jnp.maximum(state.measures.overshoot, jnp.abs(prices.x))
    measures = dataclasses.replace(state.measures, overshoot=reach)
    return dataclasses.replace(state, prices=prices, measures=measures)


def _assets(setting: Setting, seat: Seats) -> tuple[int, ...]:
    """Asset of each market of the group."""
    return tuple(setting.market_asset[m] for m in seat.account.markets)
