"""What a round does to those in the seats: orders against the book, takeovers, prices after them.

Axes: `M` markets, `C` collateral tokens, `A` assets, `p` paths, `k` seats.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from models.impact import Fill, execute, of_assets
from models.ledger import booked
from models.liquidation import Action, Figures
from stress.cascade_marking import prices_at, rows_at, sums_at
from stress.cascade_seats import Seats
from stress.cascade_state import Now, Setting, State

Flow = Float[Array, "A p"]
Orders = Float[Array, "M k"]  # contracts, signed


def market_flow(setting: Setting, seats: Seats, state: State, orders: Orders) -> Flow:
    """Net orders per asset at the mark, USDC, buys positive."""
    worth = seats.total(orders) * state.prices.mark
    return sums_at(worth, setting.market_asset, state.transient.shape[0])


def execute_orders(setting: Setting, state: State, flow: Flow) -> Fill:
    """Fills of net orders per asset, leaves `[A, p]`."""
    return of_assets(execute, setting.impact, state.transient, state.permanent, state.depth, flow)


def served_of(
    setting: Setting, seats: Seats, orders: Orders, fill: Fill, action: Action
) -> Bool[Array, "k"]:
    """Accounts of which some order is executed."""
    open_ = seats.of_path(rows_at(fill.share, setting.market_asset) > 0)
    return jnp.any((orders != 0) & open_, axis=0) & action.book


def book_orders(
    setting: Setting, seats: Seats, state: State, orders: Orders, cooldown, fill: Fill
) -> tuple[Seats, State]:
    """Executes the orders: sizes, cash, the makers' other side."""
    own, mark, dtype = seats.held, state.prices.mark, orders.dtype
    share = rows_at(fill.share, setting.market_asset)
    price = mark * jnp.exp(rows_at(fill.premium, setting.market_asset))
    done = orders * seats.of_path(share.astype(dtype))
    whole = (orders == -own.size) & seats.of_path(share >= 1)
    size = jnp.where(whole, 0, own.size + done)
    after_funding = seats.of_path((price - state.prices.paid).astype(dtype))
    paid = jnp.sum(done * after_funding, axis=0)
    bought, turned = seats.totals(done, jnp.abs(done))
    notional = jnp.sum(turned * mark, axis=0)
    slippage = jnp.sum(bought * (price - mark), axis=0)
    own = dataclasses.replace(own, cash=own.cash - paid, size=size, cooldown=cooldown)
    measures = dataclasses.replace(
        state.measures,
        book_notional=state.measures.book_notional + notional,
        slippage=state.measures.slippage + slippage,
    )
    parties = booked(state.parties, makers=jnp.sum(bought * price, axis=0))
    state = dataclasses.replace(
        state, contracts=state.contracts + bought, measures=measures, parties=parties
    )
    return dataclasses.replace(seats, held=own), state


def take_over(
    setting: Setting, seats: Seats, seen: Figures, action: Action, state: State
) -> tuple[Seats, State]:
    """The backstop takes collateral and loans at the reserve's oracle price."""
    if True not in seats.kinds:
        return seats, state
    own, share = seats.held, setting.rules.liquidation.takeover_share
    debt = jnp.maximum(-seen.equity, 0)
    part = jnp.where(action.full, 1, jnp.where(action.partial, share, 0)).astype(own.cash.dtype)
    paid = jnp.where(action.full, debt, part * seen.collateral)
    gone = part[None] * own.supplied
    supplied = jnp.where(action.full[None], 0, own.supplied - gone)
    own = dataclasses.replace(own, cash=own.cash + paid, supplied=supplied)
    beyond = jnp.where(action.full, seen.collateral - debt, 0)
    cash_out, value, surplus, short, taken = seats.totals(
        paid, part * seen.collateral, jnp.maximum(beyond, 0), jnp.maximum(-beyond, 0), gone
    )
    measures = state.measures
    measures = dataclasses.replace(
        measures,
        takeover_value=measures.takeover_value + value,
        surplus_kept=measures.surplus_kept + surplus,
        shortfall=measures.shortfall + short,
    )
    state = dataclasses.replace(
        state,
        measures=measures,
        takeover_cash=state.takeover_cash - cash_out,
        takeover_held=state.takeover_held + taken,
        parties=booked(state.parties, takeover=-cash_out),
    )
    return dataclasses.replace(seats, held=own), state


def moved_prices(setting: Setting, now: Now, state: State) -> State:
    """Prices after the flows of the state, and how far they have ever been moved."""
    prices = prices_at(setting, now, state.transient, state.permanent, state.prices)
    reach = jnp.maximum(state.measures.overshoot, jnp.abs(prices.x))
    measures = dataclasses.replace(state.measures, overshoot=reach)
    return dataclasses.replace(state, prices=prices, measures=measures)
