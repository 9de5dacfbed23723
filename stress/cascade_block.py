"""A block of a campaign with feedback: the cascade, and beside it the same paths without.

sample -> world outside (`Now`) -> tiles of paths -> cascade -> sums and rows
-> market            -> the frozen engine, for amplification
"""

import dataclasses
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from models.account import Market
from models.funding import funding_rate
from models.status import NON_FINITE, OK
from models.venue import Venue
from stress.book import margin_accounts
from stress.build_cascade import CascadeFigures, backstops, cascade_figures, impact_model
from stress.cascade import play
from stress.cascade_book import cascade_book, liquidation_order
from stress.cascade_lanes import parted
from stress.cascade_reduce import CascadePaths, reduce_cascade
from stress.cascade_state import Group, Now, Setting
from stress.config import Campaign
from stress.engine import FrozenBook
from stress.errors import InputError
from stress.factors import Factors
from stress.market import PathView, Sample, Scenario
from stress.quotes import Today, seen_prices
from stress.sampling.keys import path_key
from stress.utilization import NORMALS_PER_STEP

PATH_TILE = 32  # paths of a tile at most: reduced together, played so unless a lane takes fewer
TILE_CELLS = 2**17  # paths x accounts of a tile at most, which bounds memory and keeps to the cache
ORDER = 0x0C0DE  # folded into a path's key for the order of its liquidations


@dataclass(frozen=True, kw_only=True)
class CascadePlan:
    """What cascades of a campaign share."""

    figures: CascadeFigures
    book: FrozenBook
    groups: tuple[Group, ...]
    settings: dict[str, Setting]  # by scenario
    hours: np.ndarray  # [T], length of the step that ends at each time, 0 first


def plan_cascade(
    campaign: Campaign, book: Any, venue: Venue, rules: Venue, scenarios: dict, assets: tuple
) -> CascadePlan:
    """Builds what a campaign with feedback needs.

    Args:
      campaign: checked.
      book: its used part.
      venue: the rule book, float64.
      rules: the same in the precision of the run.
      scenarios: name -> (`Scenario`, `Today`).
      assets: risk factors.

    Returns:
      The plan.

    Errors:
      InputError where the book holds more than one quote token, or settings lack a figure.
    """
    spec = campaign.spec
    if len(venue.quotes) > 1:
        allowed = "false, or a book that holds, owes and settles in one quote token"
        found = f"true, with {' and '.join(venue.quotes)} in the book"
        raise InputError(campaign.file, "feedback", found, allowed)
    figures = cascade_figures(spec, campaign.file, assets)
    tile = path_tile(min(spec.paths, spec.block), len(margin_accounts(book).owner))
    frozen, groups = cascade_book(book, venue, tile, spec.precision)
    impact, stands = impact_model(figures), backstops(figures)
    settings = {}
    for name, (model, today) in scenarios.items():
        reacts = spec.cascade.lending == "react" and model.pools[0].model is not None
        lending = spec.cascade.lending if reacts or spec.cascade.lending != "react" else "book"
        settings[name] = Setting(
            market_asset=today.market_asset,
            token_asset=today.token_asset,
            lending=lending,
            round_limit=spec.cascade.round_limit,
            driver=model.driver,
            rules=rules,
            venue=venue,
            impact=impact,
            backstops=stands,
            pool=model.pools[0].model if reacts else None,
            spike=model.pools[0].spike if reacts else None,
        )
    lent = float(stands.vault_capital * stands.vault_lent_share)
    for _, today in scenarios.values():
        if lent > float(today.supplied[0]):
            found = (
                f"{lent:,.0f} USDC lent by the vault of {float(today.supplied[0]):,.0f} supplied"
            )
            allowed = "a share that the reserve's supply holds"
            raise InputError(campaign.file, "cascade.vault_lent_share", found, allowed)
    hours = np.diff(campaign.grid, prepend=campaign.grid[0])
    return CascadePlan(figures=figures, book=frozen, groups=groups, settings=settings, hours=hours)


def path_tile(paths: int, accounts: int) -> int:
    """Paths of a tile, a power of 2: as many as there are and as the accounts leave room for."""
    room = max(1, TILE_CELLS // max(1, accounts))
    return min(PATH_TILE, 1 << (room.bit_length() - 1), 1 << (paths - 1).bit_length())


def world_of(
    setting: Setting,
    today: Today,
    model: Scenario,
    sample: Sample,
    market: Market,
    hours: Float[Array, "T"],
) -> Now:
    """The world outside of a block, leaves `[T, F, P]`; `market` is float64."""
    factors = model.factors
    quotes, rate = _quotes(setting.venue, today, factors, sample)
    logs = jnp.transpose(sample.logs, (1, 2, 0))
    times, _, paths = logs.shape

    def lead(x):  # [F, P, T] -> [T, F, P]
        return jnp.moveaxis(x, -1, 0)

    def level(x):  # [P, T, Q] -> [T, P], the first quote token
        return x[:, :, 0].T

    live = factors.shown == jnp.arange(times)[:, None]
    supply = level(sample.supply) - level(sample.queued) * today.supplied[0]
    borrow = level(sample.borrow)
    draws = jnp.zeros((times, NORMALS_PER_STEP, paths))
    if setting.pool is not None:
        supply = jnp.broadcast_to(today.supplied[0], supply.shape)
        borrow = jnp.broadcast_to(today.borrowed[0], borrow.shape)
        rows = jnp.moveaxis(sample.draws[:, :, :NORMALS_PER_STEP], 0, -1)
        draws = draws.at[1:].set(rows)
    elif setting.lending == "process":
        supply = level(sample.supply)
    ends = jnp.append(hours[1:], 0.0)

    def of_coming(growth):  # the market's growth of the step that ends, moved to where it begins
        series = lead(growth)[:, 0]
        return jnp.concatenate([series[1:], jnp.zeros_like(series[:1])])

    return Now(
        index=jnp.arange(times),
        time=jnp.cumsum(hours),
        hours=hours,
        next_hours=ends,
        log=logs,
        mark=lead(market.mark),
        oracle=quotes.oracle,
        token=lead(market.collateral_price),
        spot=quotes.spot,
        funding=jnp.concatenate([jnp.zeros_like(rate[:1]), rate[:-1]]),
        depth=jnp.transpose(sample.factors.depth, (1, 2, 0)),
        live=jnp.broadcast_to(live[:, :, None], logs.shape),
        supply=supply,
        borrow=borrow,
        draws=draws,
        borrow_growth=of_coming(market.borrow_growth),
        supply_growth=of_coming(market.supply_growth),
        free=lead(market.free_liquidity)[:, 0],
    )


@jax.jit
def _quotes(venue: Venue, today: Today, factors: Factors, sample: Sample):
    """Quotes, leaves `[T, F, P]`, and funding rates per hour of their premiums `[T, M, P]`."""
    found = jax.vmap(partial(seen_prices, today, factors), out_axes=-1)(sample.logs, sample.factors)
    found = jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), found)  # from [F, T, P]
    return found, funding_rate(venue.funding, found.premium)


@partial(jax.jit, static_argnames=("tile",))
def run_cascade(setting, book, groups, series, keys, valid, tile):
    """Runs a block of paths tile by tile and reduces each tile as it finishes.

    Args:
      setting: of the scenario.
      book: says which row belongs to which account.
      groups: margin accounts by structure.
      series: the world outside, leaves `[T, F, P]` or `[T, P]`; `[T]` where paths share it.
      keys: of the paths, `[P]`.
      valid: bool `[P]`, paths that count.
      tile: paths of a tile, a divisor of `P`.

    Returns:
      (sums over tiles, rows of paths, leaves `[P, ...]`).
    """

    def played(inputs):
        parts, tile_keys, counted = inputs
        now = dataclasses.replace(series, **parts)
        order = liquidation_order(setting.rules, groups, tile_keys)
        state, seen = play(setting, groups, order, now)
        return reduce_cascade(setting, book, groups, now, state, seen, counted)

    def one(so_far, inputs):
        sums, rows = jax.lax.cond(jnp.any(inputs[2]), played, lambda _: nothing, inputs)
        return jax.tree.map(jnp.add, so_far, sums), rows

    inputs = (parted(series, tile), keys.reshape(-1, tile), valid.reshape(-1, tile))
    first = jax.tree.map(lambda x: x[0], inputs)
    shapes = jax.eval_shape(played, first)
    nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)
    sums, rows = jax.lax.scan(one, nothing[0], inputs)
    return sums, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), rows)


def path_keys(seed_key: Array, paths: Array) -> Array:
    """Keys for what is drawn inside a cascade, `[P]`; apart from those of the market."""
    return jax.vmap(lambda path: jax.random.fold_in(path_key(seed_key, path), ORDER))(paths)


def seen_view(view: PathView, rows: CascadePaths, today: Today) -> PathView:
    """The paths as the cascade left them: displaced prices, the reserve's own utilization."""
    status = jnp.where((view.status == NON_FINITE) | (rows.status == OK), view.status, rows.status)
    queued = rows.measures["queued"][:, None] / today.supplied[0]
    return PathView(
        status=status,
        log_return=rows.log_return,
        worst_log_return=jnp.minimum(rows.worst_log_return, 0),
        utilization=rows.utilization,
        queued=queued,
    )
