"""What a cascade carries along its paths, and the small pieces its rooms share.

Axes: `p` paths of a tile, `n` margin accounts of a group, `M` markets, `C` collateral tokens, `A`
assets. Account figures are in the precision of the run, everything of a path is float64.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from models.account import Account, Market
from models.impact import Impact, of_assets, total_displacement
from models.ledger import Parties
from models.liquidation import Figures, Holding, decide, figures, judge, orders, wanted_pool
from models.reserve import Reserve
from models.venue import Venue
from stress.utilization import PoolState
from stress.utilization_model import Spike, UtilizationModel

Paths = Float[Array, "p"]
SEATS = (16, 96)  # of a group, as few as suffice for every path of a tile; else all its accounts


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Backstops:
    """Settings of vault and takeover backstop, USDC."""

    vault_capital: Float[Array, ""]
    vault_lent_share: Float[Array, ""]  # 1, part of the capital that is lent to the reserve
    takeover_capital: Float[Array, ""]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Setting:
    """Everything of a cascade that does not change along a path."""

    market_asset: tuple[int, ...] = field(metadata={"static": True})
    token_asset: tuple[int, ...] = field(metadata={"static": True})  # -1: none
    lending: str = field(metadata={"static": True})  # react, book or process
    round_limit: int = field(metadata={"static": True})
    seats: tuple[int, ...] = field(default=SEATS, metadata={"static": True})  # ascending
    driver: int = field(metadata={"static": True})  # asset whose return moves lenders; -1: none
    rules: Venue  # in the precision of the run
    venue: Venue  # float64, for path-level arithmetic
    impact: Impact
    backstops: Backstops
    pool: UtilizationModel | None  # with `react`: how outside lenders and borrowers answer
    spike: Spike | None


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Group:
    """Margin accounts of one structure, leaves `[..., n]`."""

    account: Account
    entry: Float[Array, "m n"]  # quote units per contract
    equity: Float[Array, "n"]  # USDC now, collateral included


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Prices:
    """What is quoted on each path."""

    mark: Float[Array, "M p"]
    oracle: Float[Array, "M p"]
    token: Float[Array, "C p"]  # as the oracle shows it
    spot: Float[Array, "C p"]  # as it sells
    x: Float[Array, "A p"]  # displacement of marks by our own trades, log
    passed: Float[Array, "A p"]  # part of it that the oracle shows
    paid: Float[Array, "M p"]  # funding that a long has paid per contract since the start


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Record:
    """What was seen of each account at its first liquidation, leaves `[p, n]`."""

    first: Float[Array, "p n"]  # time index, +inf: never
    equity: Float[Array, "p n"]  # USDC, collateral included
    loan: Float[Array, "p n"]
    notional: Float[Array, "p n"]
    collateral: Float[Array, "p n"]
    ratio: Float[Array, "p n"]
    partial: Bool[Array, "p n"]  # through the book, or in part by the takeover
    full: Bool[Array, "p n"]  # by the vault, or whole by the takeover


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Measures:
    """Sums over a path, USDC where nothing else is said."""

    book_notional: Paths
    backstop_notional: Paths
    takeover_value: Paths
    adl_notional: Paths
    shortfall: Paths  # negative account values at handover, loans beyond collateral
    paid_adl: Paths
    paid_vault: Paths  # handed to the vault after deleveraging
    paid_takeover: Paths
    paid_buffer: Paths
    paid_suppliers: Paths
    uncovered: Paths
    slippage: Paths
    margin_kept: Paths
    surplus_kept: Paths
    rounds: Paths  # effective rounds
    most_rounds: Paths  # of one step
    hours_full: Paths
    queued: Paths  # most at any time
    refused: Paths  # most draws refused at any time
    peak_utilization: Paths
    overshoot: Float[Array, "A p"]  # greatest absolute displacement, log
    first_value: Float[Array, "A p"]  # liquidated for the first time, by asset
    caused: Float[Array, "A A p"]  # part of it that the impact of an asset (first axis) caused
    caused_value: Paths  # part of all of it that impact caused


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class State:
    """State of a tile of paths between steps."""

    held: tuple[Holding, ...]  # per group, leaves [p, n]; funding since the start not in the cash
    contracts: Float[Array, "M p"]  # of all accounts together
    record: tuple[Record, ...]
    prices: Prices
    transient: Float[Array, "A p"]  # USDC of flow
    permanent: Float[Array, "A p"]
    level: Float[Array, "A p"]  # log price with displacement, relative to the start
    average: Float[Array, "A p"]  # recent log price, from which depth measures deviations
    depth: Float[Array, "A p"]
    vault_cash: Paths
    vault_size: Float[Array, "M p"]
    takeover_cash: Paths
    takeover_capital: Paths
    takeover_held: Float[Array, "C p"]
    reserve: Reserve
    outside: Any  # `PoolState` of the reserve with `react`, else None
    parties: Parties
    measures: Measures
    round_limit: Bool[Array, "p"]
    empty_depth: Bool[Array, "p"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Now:
    """What the world outside brings at one time, leaves `[F, p]` and `[p]`."""

    index: Int[Array, ""]
    time: Float[Array, ""]  # hours
    hours: Float[Array, ""]  # of the step that ends here
    next_hours: Float[Array, ""]  # of the step that begins here
    log: Float[Array, "A p"]  # log price relative to the start
    mark: Float[Array, "M p"]
    oracle: Float[Array, "M p"]
    token: Float[Array, "C p"]  # as the oracle shows it
    spot: Float[Array, "C p"]  # as it sells
    funding: Float[Array, "M p"]  # per hour, in force over the step that ends here
    depth: Float[Array, "A p"]  # 1, multiplier on top of what moves of the price leave
    live: Bool[Array, "A p"]  # the oracle shows this very time
    supply: Paths  # wanted, whole reserve
    borrow: Paths
    draws: Float[Array, "k p"]  # normals of the reserve, with `react`
    borrow_growth: Paths  # with `process`
    supply_growth: Paths
    free: Paths


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


__all__ = [
    "Backstops",
    "Group",
    "Measures",
    "Now",
    "PoolState",
    "Prices",
    "Record",
    "Setting",
    "State",
    "decisions",
    "figures_of",
    "once",
    "orders_of",
    "over_accounts",
    "prices_at",
    "rows_at",
    "see",
    "see_closely",
    "shown",
    "sums_at",
    "total",
    "triggered",
    "wanted_of",
]
