"""Prices after displacement, figures of accounts at them, and the small array work of a cascade.

Axes as in `stress.cascade_state`.
"""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from models.account import Market
from models.impact import of_assets, total_displacement
from models.liquidation import (
    Action,
    Figures,
    Holding,
    decide,
    figures,
    judge,
    orders,
    wanted_pool,
)
from models.reach import near
from stress.cascade_seats import Seats
from stress.cascade_state import Group, Now, Prices, Roster, Setting, State


def prices_at(setting: Setting, now: Now, transient, permanent, before: Prices) -> Prices:
    """Fundamental prices moved by the displacement of our own trades.

    What the oracle passes on of a displacement stays as it was `before` while it is late, and so
    does the funding paid.
    """
    impact = setting.impact
    x = of_assets(total_displacement, impact, transient, permanent)
    through = impact.pass_through[:, None] * x
    passed = jnp.where(now.live, through, before.passed)

    def moved(prices, assets, by):
        return prices * jnp.exp(rows_at(by, assets))

    return Prices(
        mark=moved(now.mark, setting.market_asset, x),
        oracle=moved(now.oracle, setting.market_asset, passed),
        token=moved(now.token, setting.token_asset, passed),
        spot=moved(now.spot, setting.token_asset, through),
        x=x,
        passed=passed,
        paid=before.paid,
    )


def rows_at(rows: Float[Array, "R p"], places: Sequence[int]) -> Float[Array, "m p"]:
    """The rows at given places; 0 for a place of -1."""
    if tuple(places) == tuple(range(rows.shape[0])):
        return rows
    known = np.asarray(places, int)
    if (known >= 0).all():
        return rows[known]
    return jnp.concatenate([rows, jnp.zeros_like(rows[:1])])[known]


def sums_at(rows: Float[Array, "m p"], places: Sequence[int], count: int) -> Float[Array, "R p"]:
    """Sums of the rows of each place; a row of place -1 is left out."""
    if tuple(places) == tuple(range(count)):
        return rows
    result = [jnp.zeros(rows.shape[1], rows.dtype)] * count
    for i, place in enumerate(places):
        if place >= 0:
            result[place] = result[place] + rows[i]
    return jnp.stack(result) if result else rows[:0]


def shown(setting: Setting, prices: Prices) -> Market:
    """The prices as the kernels of accounts see them, in the precision of the run."""
    dtype = setting.rules.transfer_margin.dtype
    one = jnp.ones((1, prices.x.shape[1]), dtype)
    mark = prices.mark.astype(dtype)
    return Market(
        mark=mark,
        settlement=(prices.mark - prices.paid).astype(dtype),  # interest is in the cash already
        collateral_price=prices.token.astype(dtype),
        quote_price=one,
        borrow_growth=0 * one,
        supply_growth=0 * one,
        borrow_index=one,
        supply_index=one,
        free_liquidity=0 * one,
    )


def over_accounts(kernel, shared: int):
    """A kernel `(venue, account, ...)` over paths and accounts: `[p, n]` and `[F, p]` leaves.

    Args:
      kernel: takes venue, account (leaves `[..., n]`, the same on every path), per-account leaves
        and then `shared` per-path ones.
      shared: number of trailing arguments that all accounts of a path share.
    """

    def run(venue, account, *rest):
        own, common = rest[: len(rest) - shared], rest[len(rest) - shared :]
        inner = (None, -1, *(-1 for _ in own), *(None for _ in common))
        outer = (None, None, *(-2 for _ in own), *(-1 for _ in common))
        accounts = jax.vmap(kernel, in_axes=inner, out_axes=-1)
        return jax.vmap(accounts, in_axes=outer, out_axes=-2)(venue, account, *own, *common)

    return run


figures_of = over_accounts(figures, 1)
wanted_of = over_accounts(wanted_pool, 0)
near_of = over_accounts(near, 2)


def by_kind(kernel, seats: Seats, venue, *rest):
    """A kernel over those in the seats, each under the rules of its kind of account.

    Args:
      kernel: takes venue, account and `rest`.
      seats: whose accounts they are.
      venue: the rule book.
      *rest: further arguments of the kernel, leaves `[..., k]`.

    Returns:
      What the kernel returns, leaves `[k]`.
    """
    over = jax.vmap(kernel, in_axes=(None, -1, *(-1 for _ in rest)), out_axes=-1)
    ways = [
        over(venue, dataclasses.replace(seats.account, portfolio=portfolio), *rest)
        for portfolio in seats.kinds
    ]
    if len(ways) == 1:
        return ways[0]
    first = seats.portfolio == seats.kinds[0]
    return jax.tree.map(lambda a, b: jnp.where(first, a, b), *ways)


def decisions(setting: Setting, seats: Seats, seen: Figures, perps_now, may_take) -> Action:
    """What happens to those in the seats."""
    return by_kind(decide, seats, setting.rules, seats.held, seen, perps_now, may_take)


def orders_of(setting: Setting, seats: Seats, prices: Prices, book, now):
    """Market orders `[M, k]` and cooldowns `[k]` of those in the seats."""
    held = seats.held
    marks = tuple(seats.of_path(prices.mark.astype(held.cash.dtype)))
    units, cooldown = orders(setting.rules, held, marks, book, now.astype(held.cooldown.dtype))
    return jnp.stack(units) if units else held.size, cooldown


def of_groups(groups: Sequence[Group], held: Holding) -> list[Holding]:
    """What the accounts of each group hold, leaves `[..., p, n]`: their own markets and tokens."""
    result, start = [], 0
    for group in groups:
        end = start + group.equity.shape[0]
        own = jax.tree.map(lambda x, a=start, b=end: x[..., a:b], held)
        size = rows_at(own.size, group.account.markets)
        supplied = rows_at(own.supplied, group.account.tokens)
        result.append(dataclasses.replace(own, size=size, supplied=supplied))
        start = end
    return result


def in_one_row(parts: Sequence[Any]) -> Any:
    """Leaves `[..., N]` of what groups have apart."""
    return jax.tree.map(lambda *x: jnp.concatenate(x, axis=-1), *parts)


def see(setting: Setting, groups: Sequence[Group], held: Holding, prices: Prices) -> list[Figures]:
    """Figures of each group at given prices; what a caller does not use of them is not computed."""
    market = shown(setting, prices)
    return [
        figures_of(setting.rules, group.account, own, market)
        for group, own in zip(groups, of_groups(groups, held), strict=True)
    ]


def see_closely(setting: Setting, seats: Seats, prices: Prices) -> Figures:
    """Figures of those in the seats, all of which are used, so that each is computed once."""
    market = jax.tree.map(seats.of_path, shown(setting, prices))
    over = jax.vmap(figures, in_axes=(None, -1, -1, -1), out_axes=-1)
    seen = over(setting.rules, seats.account, seats.held, market)
    kept = jax.lax.optimization_barrier(seen)
    return by_kind(judge, seats, setting.rules, seats.held, kept, market)


def triggered(setting: Setting, roster: Roster, state: State) -> Bool[Array, "p N"]:
    """Accounts that are liquidatable as the state stands."""
    seen = see(setting, roster.groups, state.held, state.prices)
    return in_one_row([figures.beyond | figures.unfunded for figures in seen])


def within_reach(
    setting: Setting, roster: Roster, state: State, reach: float
) -> Bool[Array, "p N"]:
    """Accounts that prices within a log distance of the present ones can make liquidatable."""
    market, groups = shown(setting, state.prices), roster.groups
    holdings = of_groups(groups, state.held)
    dtype = state.held.cash.dtype
    far = jnp.full(state.vault_cash.shape, reach, dtype)
    return in_one_row(
        [
            near_of(setting.rules, group.account, own, seen, market, far)
            for group, own, seen in zip(
                groups, holdings, see(setting, groups, state.held, state.prices), strict=True
            )
        ]
    )


def once(wanted, change, carry):
    """`change(carry)` where wanted, else `carry` untouched: a loop of one turn or none.

    A conditional would copy what it hands through; a loop changes its carry in place.
    """
    done = jnp.zeros((), bool)
    return jax.lax.while_loop(lambda c: c[0], lambda c: (done, change(c[1])), (wanted, carry))[1]
