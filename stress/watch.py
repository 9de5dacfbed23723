"""Accounts under watch: how near to liquidation a path comes, and when, at or between its times.

Where the engine asks whether and when an account is liquidatable, this asks how near it came (for
splitting and for gradients) and, by the Brownian bridge, how likely it was liquidatable between two
times of the grid. Axes: `p` paths, `n` margin accounts, `T` times (0 = now), `A` assets.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.account import Account, Market
from models.step import Settlement, distance, settle, start, step
from models.venue import Venue
from stress.engine import FrozenBook
from stress.quotes import Today
from stress.sampling.crossing import crossing_probability, standard_distance


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Watched:
    """What was seen of every margin account of a book on every path, `[P, N]`."""

    peak: Float[Array, "P N"]  # greatest log of margin ratio over trigger; > 0: liquidated
    first: Float[Array, "P N"]  # time index of the first liquidation, +inf: never
    begin: Settlement  # now
    end: Settlement  # at the first liquidation, or at the horizon


def watch(venue: Venue, book: FrozenBook, market: Market) -> Watched:
    """Watches every margin account at the times of the grid; differentiable in the market.

    Args:
      venue: the rule book.
      book: the frozen book.
      market: leaves `[F, P, T]`.

    Returns:
      Leaves `[P, N]`, in the order of `FrozenBook.row`.

    Errors:
      Raises nothing; NaN prices give NaN.
    """

    def one(shown: Market) -> Watched:
        parts = [
            jax.tree.map(
                lambda x: x.reshape(-1),
                jax.lax.map(partial(_tile, venue, shown=shown), accounts),
            )
            for accounts in book.accounts
        ]
        return jax.tree.map(lambda *x: jnp.concatenate(x), *parts)

    return jax.vmap(one, in_axes=1)(market)


def _tile(venue: Venue, accounts: Account, shown: Market) -> Watched:
    """One tile on one path; `shown` has leaves `[F, T]`."""
    begin = jax.vmap(start, in_axes=-1, out_axes=-1)(accounts)

    def at(account, passage, now, index):
        return step(venue, account, passage, now, index), distance(
            venue, account, passage, now, index
        )

    over = jax.vmap(at, in_axes=(-1, -1, None, None), out_axes=-1)

    @jax.checkpoint
    def body(carry, inputs):
        passage, peak = carry
        index, now = inputs
        after, (_, ratio) = over(accounts, passage, now, index)
        return (after, jnp.maximum(peak, ratio)), None

    times = shown.mark.shape[-1] if shown.mark.shape[0] else shown.quote_price.shape[-1]
    grid = jnp.arange(times, dtype=begin.first.dtype)
    series = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), shown)
    low = jnp.full_like(begin.first, -jnp.inf)
    (passage, peak), _ = jax.lax.scan(body, (begin, low), (grid, series))

    over_accounts = jax.vmap(partial(settle, venue), in_axes=-1, out_axes=-1)

    def settled(state, time):
        return over_accounts(accounts, state, jax.tree.map(lambda x: x[..., time], shown))

    last = jnp.minimum(passage.first, times - 1).astype(jnp.int32)
    now = jnp.zeros_like(last)
    return Watched(
        peak=peak, first=passage.first, begin=settled(begin, now), end=settled(passage, last)
    )


def survival(
    venue: Venue,
    today: Today,
    book: FrozenBook,
    market: Market,
    root: Float[Array, "P T1 A A"],
) -> Float[Array, "P T"]:
    """Probability that no margin account was liquidatable up to each time, watched at every moment.

    Args:
      venue: the rule book.
      today: says which asset moves which market and token.
      book: one account, or a few that are one event.
      market: leaves `[F, P, T]`.
      root: root of the covariance of every step's log returns.

    Returns:
      Given the path's times; non-increasing along `T`. Several margin accounts are taken as
      crossing together: the most endangered one decides (exact for one).

    Errors:
      Raises nothing; NaN prices give NaN.
    """

    def one(shown: Market, roots):
        alive = jnp.ones_like(shown.quote_price[0])
        for group in book.accounts:
            for tile in range(group.shared_margin.shape[0]):
                accounts = jax.tree.map(lambda x, tile=tile: x[tile], group)
                _, crossed = _crossings(venue, today, accounts, shown, roots)
                alive = jnp.minimum(alive, jnp.min(jnp.cumprod(1 - crossed, axis=0), axis=1))
        return alive

    return jax.vmap(one, in_axes=(1, 0))(market, root)


def liquidated(
    venue: Venue,
    today: Today,
    book: FrozenBook,
    market: Market,
    root: Float[Array, "P T1 A A"],
) -> Float[Array, "P 2 2"]:
    """What a whole book loses to liquidation by the horizon, seen at the times and at every moment.

    Args:
      venue: the rule book.
      today: says which asset moves which market and token.
      book: the frozen book.
      market: leaves `[F, P, T]`.
      root: root of the covariance of every step's log returns.

    Returns:
      Of each path (times of the grid, every moment) by (margin accounts, their loans now in USDC),
      the second expected given the path's times; float64.

    Errors:
      Raises nothing; NaN prices give NaN.
    """

    def tile(shown: Market, roots, accounts: Account):
        begin = jax.vmap(start, in_axes=-1, out_axes=-1)(accounts)
        now = jax.tree.map(lambda x: x[..., 0], shown)
        today_settled = jax.vmap(
            lambda a, p: settle(venue, a, p, now), in_axes=-1, out_axes=-1
        )(accounts, begin)  # fmt: skip
        gone = [
            (1 - jnp.prod(1 - x, axis=0)).astype(jnp.float64)
            for x in _crossings(venue, today, accounts, shown, roots)
        ]
        return jnp.array([[jnp.sum(g), jnp.sum(g * today_settled.loan)] for g in gone])

    def one(row):
        shown, roots = row
        parts = [
            jnp.sum(jax.lax.map(partial(tile, shown, roots), group), axis=0)
            for group in book.accounts
        ]
        return sum(parts[1:], parts[0])

    paths_first = jax.tree.map(lambda x: jnp.moveaxis(x, 1, 0), market)
    return jax.lax.map(one, (paths_first, root))


def _crossings(venue, today, accounts, shown, roots):
    """Liquidatable at each time (0 or 1), and the probability of it since the last, `[T, n]`."""
    assets, kind = roots.shape[-1], shown.quote_price.dtype
    roots = roots.astype(kind)

    def moved(now: Market, shift):
        def by(values, of):
            return [values[i] * jnp.exp(shift[a]) if a >= 0 else values[i]
                    for i, a in enumerate(of)]  # fmt: skip

        marks = by(now.mark, today.market_asset)
        paid = [m + (now.settlement[i] - now.mark[i]) for i, m in enumerate(marks)]
        tokens = by(now.collateral_price, today.token_asset)
        wide = {
            "mark": jnp.stack(marks) if marks else now.mark,
            "settlement": jnp.stack(paid) if paid else now.settlement,
            "collateral_price": jnp.stack(tokens) if tokens else now.collateral_price,
        }
        return Market(**{**vars(now), **wide})

    def at(account, passage, now, index, before, after):
        def excess(shift):
            return distance(venue, account, passage, moved(now, shift), index)[0]

        over = distance(venue, account, passage, now, index)
        slopes = tuple(jax.jacfwd(excess)(jnp.zeros(assets, kind)))
        away = [standard_distance(over[0], slopes, root) for root in (before, after)]
        away = [jnp.where(over[1] > 0, 0.0, x) for x in away]  # the reserve may refuse credit
        return step(venue, account, passage, now, index), over[1] > 0, away

    run = jax.vmap(at, in_axes=(-1, -1, None, None, None, None), out_axes=-1)

    def body(carry, inputs):
        passage, left = carry
        index, now, before, after = inputs
        passage, here, (arrived, leaving) = run(accounts, passage, now, index, before, after)
        seen = jnp.where(here, 1.0, 0.0).astype(kind)
        between = jnp.where(index > 0, crossing_probability(left, arrived), 0.0)
        return (passage, leaving), (seen, jnp.maximum(seen, between))

    begin = jax.vmap(start, in_axes=-1, out_axes=-1)(accounts)
    none = jnp.zeros_like(roots[:1])
    series = jax.tree.map(lambda x: jnp.moveaxis(x, -1, 0), shown)
    grid = jnp.arange(shown.quote_price.shape[-1], dtype=begin.first.dtype)
    inputs = (grid, series, jnp.concatenate([roots[:1], roots]), jnp.concatenate([roots, none]))
    far = jnp.full_like(begin.first, jnp.inf)
    return jax.lax.scan(body, (begin, far), inputs)[1]
