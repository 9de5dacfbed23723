"""What liquidations leave behind on a tile of paths, counted where there are any.

Most accounts are left alone on all paths of a tile, and accounts alike lie side by side. So rows
are looked at in windows, and a window in which nothing happened on any path is passed over: it
would add nothing but zeros, to the last bit.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from stress.engine import FrozenBook, Rows

WINDOW = 128  # margin accounts looked at together


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Liquidated:
    """Sums over the margin accounts or paths of a tile at which something happened.

    `first` and `group` are of accounts with one margin account alone. Counts are int32, money is
    float64 USDC.
    """

    first: Int[Array, "T U"]  # counted paths by the time of an account's first liquidation
    group: Int[Array, "p G T"]  # accounts of each group by the time of their first liquidation
    partial: Int[Array, "N"]  # counted paths
    full: Int[Array, "N"]
    bad_debt: Int[Array, "N"]
    lost: Float[Array, "N"]  # bad debt over the counted paths
    path_accounts: Int[Array, "p"]  # accounts
    path_notional: Float[Array, "p"]
    path_debt: Float[Array, "p"]
    path_lost: Float[Array, "p"]


def gone_and_lost(rows: Rows) -> tuple[Bool[Array, "p n"], Float[Array, "p n"]]:
    """Which margin accounts are liquidated, and their bad debt, USDC."""
    gone = ~jnp.isinf(rows.first)
    return gone, jnp.where(gone, jnp.maximum(-rows.settlement.equity, 0), 0)


def liquidated(times: int, book: FrozenBook, rows: Rows, valid: Bool[Array, "p"]) -> Liquidated:
    """Sums up what happened on a tile of paths.

    Args:
      times: `T`, grid points including now.
      book: the frozen book.
      rows: outcomes, leaves `[p, N]`.
      valid: paths that count in sums over paths.

    Returns:
      The sums; those of a path do not depend on the other paths of the tile.

    Errors:
      Raises nothing; money of a path that is not finite is NaN on that path alone.
    """
    paths, every = rows.first.shape
    if not every:
        return _nothing(times, book, paths, every)
    width = min(WINDOW, every)
    count = -(-every // width)
    shown = jnp.arange(count)[:, None] * width + jnp.arange(width)[None, :]
    marked = jnp.any(~jnp.isinf(rows.first) | rows.partial | rows.full, axis=0)
    lit = jnp.any(marked[jnp.minimum(shown, every - 1)], axis=1)
    windows = jnp.nonzero(lit, size=count, fill_value=0)[0]

    def add(k, total: Liquidated) -> Liquidated:
        begin = windows[k] * width
        place = jnp.minimum(begin, every - width)  # the last window overlaps the one before
        fresh = place + jnp.arange(width) >= begin

        def cut(x):
            return jax.lax.dynamic_slice_in_dim(x, place, width, axis=-1)

        return _added(times, book, jax.tree.map(cut, rows), valid, fresh, place, total)

    return jax.lax.fori_loop(0, jnp.sum(lit), add, _nothing(times, book, paths, every))


def _nothing(times: int, book: FrozenBook, paths: int, rows: int) -> Liquidated:
    counts = jnp.zeros(rows, jnp.int32)
    money = jnp.zeros(paths, jnp.float64)
    return Liquidated(
        first=jnp.zeros((times, book.row.shape[0]), jnp.int32),
        group=jnp.zeros((paths, book.groups, times), jnp.int32),
        partial=counts,
        full=counts,
        bad_debt=counts,
        lost=jnp.zeros(rows, jnp.float64),
        path_accounts=jnp.zeros(paths, jnp.int32),
        path_notional=money,
        path_debt=money,
        path_lost=money,
    )


def _added(
    times: int,
    book: FrozenBook,
    part: Rows,
    valid: Bool[Array, "p"],
    fresh: Bool[Array, "w"],
    place: Int[Array, ""],
    total: Liquidated,
) -> Liquidated:
    """With one window of rows; `fresh` are those not seen before."""
    gone, lost = gone_and_lost(part)
    gone, lost = gone & fresh[None, :], jnp.where(fresh[None, :], lost, 0)
    shown = (valid[:, None] & fresh[None, :]).astype(jnp.int32)
    row = place + jnp.arange(fresh.shape[0])
    time = jnp.where(gone, part.first, times).astype(jnp.int32)  # beyond the last: dropped
    group, account = book.row_group[row], book.row_account[row]
    alone = group < book.groups
    path = jnp.arange(valid.shape[0])[:, None]
    counted = total.first.at[time, jnp.where(alone, account, book.row.shape[0])[None, :]]
    by_group = total.group.at[path, group[None, :], time]  # no group: dropped

    def of_row(before, values):
        values = values.astype(before.dtype) * shown.astype(before.dtype)
        return before.at[row].add(jnp.sum(values, axis=0, dtype=before.dtype))

    def of_path(before, values):
        return before + jnp.sum(values, axis=1, dtype=before.dtype)

    end = part.settlement
    return Liquidated(
        first=counted.add(shown, mode="drop"),
        group=by_group.add(1, mode="drop"),
        partial=of_row(total.partial, part.partial),
        full=of_row(total.full, part.full),
        bad_debt=of_row(total.bad_debt, lost > 0),
        lost=of_row(total.lost, jnp.where(valid[:, None], lost, 0)),
        path_accounts=of_path(total.path_accounts, gone & alone[None, :]),
        path_notional=of_path(total.path_notional, jnp.where(gone, end.notional, 0)),
        path_debt=of_path(total.path_debt, jnp.where(gone, end.loan, 0)),
        path_lost=of_path(total.path_lost, lost),
    )
