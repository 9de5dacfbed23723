"""Prices after displacement, figures of accounts at them, and the small array work of a cascade.

Axes as in `stress.cascade_state`.
"""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from models.account import Account, Market
from models.impact import of_assets, total_displacement
from models.liquidation import Figures, Holding, decide, figures, judge, orders, wanted_pool
from stress.cascade_state import Group, Now, Prices, Setting, State


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
    known = np.asarray(places, int)
    result = jnp.zeros((count, rows.shape[1]), rows.dtype)
    return result.at[known[known >= 0]].add(rows[known >= 0])


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

    The account is the same on every path, leaves `[..., n]`, or each path's own, `[..., p, n]`.

    Args:
      kernel: takes venue, account, per-account leaves and then `shared` per-path ones.
      shared: number of trailing arguments that all accounts of a path share.
    """

    def run(venue, account, *rest):
        own, common = rest[: len(rest) - shared], rest[len(rest) - shared :]
        inner = (None, -1, *(-1 for _ in own), *(None for _ in common))
        book = None if account.shared_margin.ndim == 1 else -2
        outer = (None, book, *(-2 for _ in own), *(-1 for _ in common))
        accounts = jax.vmap(kernel, in_axes=inner, out_axes=-1)
        return jax.vmap(accounts, in_axes=outer, out_axes=-2)(venue, account, *own, *common)

    return run


figures_of = over_accounts(figures, 1)
judged = over_accounts(judge, 1)
wanted_of = over_accounts(wanted_pool, 0)
decisions = over_accounts(decide, 1)  # may_take is one per path


def orders_of(venue, account: Account, held: Holding, market: Market, book, now):
    """Market orders `[m, p, n]` per market of the account, and cooldowns `[p, n]`."""
    marks = tuple(market.mark[m][:, None] for m in account.markets)
    units, cooldown = orders(venue, held, marks, book, now.astype(held.cooldown.dtype))
    return jnp.stack(units) if units else held.size, cooldown


def total(values) -> Array:
    """Sum over accounts, the last axis, float64."""
    return jnp.sum(values.astype(jnp.float64), axis=-1)


def see(setting: Setting, groups: Sequence[Any], held, prices: Prices) -> tuple[Figures, ...]:
    """Figures at given prices; what a caller does not use of them is not computed."""
    market = shown(setting, prices)
    return tuple(
        figures_of(setting.rules, group.account, own, market)
        for group, own in zip(groups, held, strict=True)
    )


def see_closely(setting: Setting, seats: Sequence[Any], prices: Prices) -> tuple[Figures, ...]:
    """Figures of those in the seats, all of which are used, so that each is computed once."""
    market = shown(setting, prices)
    result = []
    for seat, seen in zip(seats, see(setting, seats, [s.held for s in seats], prices), strict=True):
        kept = jax.lax.optimization_barrier(seen)
        result.append(judged(setting.rules, seat.account, seat.held, kept, market))
    return tuple(result)


def triggered(setting: Setting, groups: Sequence[Group], state: State) -> tuple[Array, ...]:
    """Accounts that are liquidatable as the state stands, per group bool `[p, n]`."""
    seen = see(setting, groups, state.held, state.prices)
    return tuple(figures.beyond | figures.unfunded for figures in seen)


def once(wanted, change, carry):
    """`change(carry)` where wanted, else `carry` untouched: a loop of one turn or none.

    A conditional would copy what it hands through; a loop changes its carry in place.
    """
    done = jnp.zeros((), bool)
    return jax.lax.while_loop(lambda c: c[0], lambda c: (done, change(c[1])), (wanted, carry))[1]
