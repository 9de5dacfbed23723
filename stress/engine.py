"""The engine: a frozen book along sampled markets, one program per campaign shape.

    market of a block of paths -> tiles of paths -> lanes -> tiles of accounts -> a scan over time

Nothing of size path x step x account exists: a tile carries `models.step.Passage` through the
scan and is settled once, at the first liquidation or the horizon. A tile of paths is reduced at
once; its lanes (`stress.lanes`) are played one after the other. Axes: `P` paths of a block, `p` of
a tile or lane, `n` margin accounts, `U` accounts of the book, `T` times (0 = now).
"""

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from models.account import Account, Market
from models.lends import Lent, lend, lent_of, only_lends
from models.reach import out_of_reach
from models.step import Passage, Settlement, follow, reached, settle, start, step
from models.venue import Venue
from stress.course import Course, course_of
from stress.lanes import lanes_here
from stress.packed import Packed, packed, unpacked


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class FrozenBook:
    """Margin accounts in groups of one structure, tiled; built by `stress.frozen.freeze`."""

    accounts: tuple[Account, ...]  # leaves [tiles, ..., tile size]
    entry: tuple[Float[Array, "tiles m n"], ...]  # quote units per contract
    equity: tuple[Float[Array, "tiles n"], ...]  # USDC now, collateral included
    row: Int[Array, "U"]  # margin account that holds an account's shared margin
    isolated_row: Int[Array, "I"]  # further margin accounts: isolated positions, other DEXs
    isolated_owner: Int[Array, "I"]  # their owner
    shared: Int[Array, "E"]  # accounts that have several margin accounts
    of_shared: Int[Array, "I"]  # place in `shared` of the owner of each further one
    row_account: Int[Array, "N"]  # account that keeps its shared margin here; `U` for others
    row_group: Int[Array, "N"]  # group of an account's only margin account; `groups` for others
    group: Int[Array, "U"]
    groups: int = field(metadata={"static": True})
    path_tile: int = field(metadata={"static": True})


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Rows:
    """What became of every margin account on every path, leaves `[p, n]`."""

    first: Float[Array, "p n"]  # time index of the first liquidation, +inf: never
    partial: Bool[Array, "p n"]
    full: Bool[Array, "p n"]
    loss: Float[Array, "p n"]  # USDC, equity now less equity at settlement
    settlement: Settlement


_over_accounts = {"in_axes": (None, -1, -1, None, None), "out_axes": -1}
_step = jax.vmap(jax.vmap(step, **_over_accounts), in_axes=(None, None, -2, -1, None), out_axes=-2)
_by_row = {"in_axes": (None, -1, -1, None), "out_axes": -1}
_by_path = {"in_axes": (None, None, -2, -1), "out_axes": -2}
_follow = jax.vmap(
    jax.vmap(follow, **_over_accounts), in_axes=(None, None, -2, -1, None), out_axes=-2
)
_out_of_reach = jax.vmap(jax.vmap(out_of_reach, **_by_row), **_by_path)
_only_lends = jax.vmap(jax.vmap(only_lends, **_by_row), **_by_path)
_lend = jax.vmap(jax.vmap(lend, **_by_row), **_by_path)
_settle = jax.vmap(
    jax.vmap(settle, in_axes=(None, -1, -1, -1), out_axes=-1),
    in_axes=(None, None, -2, -2),
    out_axes=-2,
)
_settle_together = jax.vmap(jax.vmap(settle, **_by_row), **_by_path)
_start = jax.vmap(start, in_axes=-1, out_axes=-1)
_reached = jax.vmap(jax.vmap(reached, in_axes=-1, out_axes=-1), in_axes=(None, -2), out_axes=-2)


def tile_rows(
    venue: Venue,
    account: Account,
    equity: Float[Array, "n"],
    market: Market,
    course: Course,
    lent: Lent,
) -> Rows:
    """Runs one tile of margin accounts of one structure along one tile of paths.

    A stretch of time in which no account of the tile can be reached on any of its paths is passed
    over: only loans and interest are followed, where an account has them, and in one step where all
    of them only lend.

    Args:
      venue: the rule book.
      account: leaves `[..., n]`.
      equity: USDC now, `[n]`.
      market: leaves `[F, p, T]`, prices of each path over time.
      course: the same in stretches.
      lent: each stretch as who only lends sees it, leaves `[k, F, p]`.

    Returns:
      Outcomes, `[p, n]`; float32 or float64 as the book and the market are.

    Errors:
      Raises nothing; a NaN price is never liquidatable and its losses are NaN.
    """
    paths, times = market.quote_price.shape[-2:]
    wide = jax.tree.map(
        lambda x: jnp.broadcast_to(x[..., None, :], (*x.shape[:-1], paths, x.shape[-1])),
        _start(account),
    )

    def stretch(state, parts: tuple[Course, Lent]):
        return _stretch(venue, account, state, wide, *parts), None

    state, _ = jax.lax.scan(stretch, packed(wide), (course, lent))
    passage = unpacked(state, wide)

    def apart(passage):
        at = jnp.minimum(passage.first, times - 1).astype(jnp.int32)
        return _settle(venue, account, passage, _shown(account, market, at))

    def together(passage):
        return _settle_together(venue, account, passage, jax.tree.map(lambda x: x[..., -1], market))

    end = jax.lax.cond(jnp.any(jnp.isfinite(passage.first)), apart, together, passage)
    partial, full = _reached(account, passage)
    return Rows(
        first=passage.first,
        partial=partial,
        full=full,
        loss=equity[None, :] - end.equity,
        settlement=end,
    )


def _stretch(
    venue: Venue, account: Account, state: Packed, wide: Passage, part: Course, weighed: Lent
) -> Packed:
    """A tile over one stretch: every time played, followed, or passed over in one step."""
    follows = account.portfolio and bool(account.markets)
    passage = unpacked(state, wide)
    level = _out_of_reach(venue, account, passage, part.seen).astype(jnp.int32)
    if follows:
        level = level * (1 + _only_lends(venue, account, passage, part.seen))

    def played(state):
        def body(state, now):
            index, shown = now
            after = _step(venue, account, unpacked(state, wide), shown, index)
            return packed(after), None

        return jax.lax.scan(body, state, (part.index, part.market))[0]

    def followed(state):  # first times and flags stand still
        def body(moved, now):
            index, shown = now
            before = replace(passage, accrued=moved[0], pool=moved[1])
            after = _follow(venue, account, before, shown, index)
            return (after.accrued, after.pool), None

        moved = (state.accrued, state.pool)
        accrued, pool = jax.lax.scan(body, moved, (part.index, part.market))[0]
        return replace(state, accrued=accrued, pool=pool)

    def lent_at_once(state):
        return packed(_lend(venue, account, unpacked(state, wide), weighed))

    kernels = [played, lambda x: x]
    if follows:
        kernels = [played, followed, lent_at_once]
    return jax.lax.switch(jnp.min(level), kernels, state)


def _shown(account: Account, market: Market, at: Int[Array, "p n"]) -> Market:
    """The market each account sees at its own time index; fields it does not use are left out."""

    def pick(series, wanted) -> Any:  # a tuple: stacking would cut the fused loop in two
        unused = jnp.zeros(at.shape, series.dtype)
        return tuple(
            jnp.take_along_axis(series[i], at, axis=1) if i in wanted else unused
            for i in range(series.shape[0])
        )

    quotes = range(market.quote_price.shape[0])
    return Market(
        mark=pick(market.mark, account.markets),
        settlement=pick(market.settlement, account.markets),
        collateral_price=pick(market.collateral_price, account.tokens),
        quote_price=pick(market.quote_price, quotes),
        borrow_growth=pick(market.borrow_growth, ()),
        supply_growth=pick(market.supply_growth, ()),
        borrow_index=pick(market.borrow_index, quotes),
        supply_index=pick(market.supply_index, quotes),
        free_liquidity=pick(market.free_liquidity, ()),
    )


def path_rows(venue: Venue, book: FrozenBook, market: Market) -> Rows:
    """All margin accounts along one tile of paths, in the order of `FrozenBook.row`."""
    paths = market.quote_price.shape[1]
    lanes = lanes_here(paths)
    if lanes == paths:
        return _lane_rows(venue, book, market)
    rows = jax.lax.map(partial(_lane_rows, venue, book), cut_paths(market, lanes))
    return jax.tree.map(lambda x: x.reshape(paths, x.shape[-1]), rows)


def _lane_rows(venue: Venue, book: FrozenBook, market: Market) -> Rows:
    """The same of paths that are played side by side."""

    def flat(x):
        return jnp.moveaxis(x, 0, 1).reshape(x.shape[1], -1)

    course = course_of(market)
    lent = _lent(venue, course.market)
    parts = [
        jax.tree.map(
            flat, jax.lax.map(lambda t: tile_rows(venue, t[0], t[1], market, course, lent), tiles)
        )
        for tiles in zip(book.accounts, book.equity, strict=True)
    ]
    return jax.tree.map(lambda *x: jnp.concatenate(x, axis=1), *parts)


def _lent(venue: Venue, market: Market) -> Lent:
    """The stretches of a course as who only lends sees them: `[k, s, F, p]` to `[k, F, p]`."""
    fields = (market.mark, market.settlement, market.borrow_growth, market.supply_growth)
    of_path = jax.vmap(partial(lent_of, venue.settle), in_axes=-1, out_axes=-1)
    return jax.vmap(of_path)(*fields)


def cut_paths(market: Market, width: int) -> Market:
    """The path axis of a market cut into parts: `[F, P, T]` to `[P / width, F, width, T]`."""

    def split(x):
        parts = x.shape[1] // width  # not -1: a book without perpetuals has no rows
        return jnp.moveaxis(x.reshape(x.shape[0], parts, width, x.shape[-1]), 1, 0)

    return jax.tree.map(split, market)


def owned(book: FrozenBook, values: Float[Array, "p n"], combine: str) -> Float[Array, "p U"]:
    """Values of margin accounts brought to their owners by `min`, `max` or `add`."""
    own = values[:, book.row]
    if book.isolated_row.shape[0] == 0:
        return own
    return getattr(own.at[:, book.isolated_owner], combine)(values[:, book.isolated_row])


@partial(jax.jit, static_argnames=("reduce",))
def run_block(venue, book, market, valid, reduce):
    """Runs a block of paths tile by tile and reduces each tile as it finishes.

    Args:
      venue: the rule book, in the precision of the run.
      book: the frozen book, in the precision of the run.
      market: leaves `[F, P, T]`, `P` a multiple of the path tile.
      valid: bool, `[P]`, False for paths that only fill the last tile.
      reduce: `(times, book, rows, valid [p]) -> (sums, per_path)`; static.

    Returns:
      (sums added over tiles, per-path leaves `[P, ...]`; zeros for a tile without a valid path).

    Errors:
      Raises TypeError where `P` is no multiple of the path tile.
    """
    times = market.quote_price.shape[-1]

    def reduced(shown, counted):
        return reduce(times, book, path_rows(venue, book, shown), counted)

    inputs = (cut_paths(market, book.path_tile), valid.reshape(-1, book.path_tile))
    shapes = jax.eval_shape(lambda i: reduced(*i), jax.tree.map(lambda x: x[0], inputs))
    nothing = jax.tree.map(lambda s: jnp.zeros(s.shape, s.dtype), shapes)

    def tile(total, shown_and_counted):
        wanted = jnp.any(shown_and_counted[1])
        sums, per_path = jax.lax.cond(
            wanted, lambda i: reduced(*i), lambda _: nothing, shown_and_counted
        )
        return jax.tree.map(jnp.add, total, sums), per_path

    zeros = nothing[0]
    sums, per_path = jax.lax.scan(tile, zeros, inputs)
    return sums, jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), per_path)
