"""Mergeable accumulators: what a tile of paths leaves behind.

Counts are integers and add exactly, so they do not depend on how paths were cut into blocks. Money
is kept per path in float64 and never summed across paths here.
"""

import math
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from stress.engine import FrozenBook, Rows, owned
from stress.liquidated import Liquidated, gone_and_lost, liquidated

RATIO_STEP = 0.0125  # width of a bin of the margin ratio
RATIO_BINS = 161  # [0, 2) and one for everything above
LANES = 16  # margin accounts summed side by side


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Counts:
    """Sums over paths. Group 0 is the whole book.

    Those of accounts are int32, half the memory that every tile writes anew: enough for the paths
    of a block. `stress.totals` adds blocks in int64.
    """

    paths: Int[Array, ""]
    first: Int[Array, "T1 U"]  # paths whose first liquidation is at each time; last row: never
    partial: Int[Array, "U"]
    full: Int[Array, "U"]
    bad_debt: Int[Array, "U"]
    ratio: Int[Array, "B U"]  # margin ratio at settlement, bins of RATIO_STEP
    group: Int[Array, "T G"]  # liquidated accounts of a group by each time, summed over paths
    group_square: Int[Array, "T G"]  # the same squared, for the error across paths


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class PathMoney:
    """Totals over the book on each path, float64."""

    liquidated_accounts: Float[Array, "p"]
    liquidated_notional: Float[Array, "p"]  # USDC, perpetuals of accounts at first liquidation
    liquidated_debt: Float[Array, "p"]  # USDC, loans of accounts at first liquidation
    bad_debt: Float[Array, "p"]  # USDC, negative equity at first liquidation
    equity_loss: Float[Array, "p"]  # USDC, equity now less equity at horizon or liquidation


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class AccountMoney:
    """Totals of each account over the counted paths, float64 USDC; used to split a book's tail."""

    bad_debt: Float[Array, "U"]
    equity_loss: Float[Array, "U"]


def reduce_tile(times: int, book: FrozenBook, rows: Rows, valid: Bool[Array, "p"]):
    """Counts and totals of one tile of paths.

    Args:
      times: `T`, grid points including now.
      book: the frozen book.
      rows: outcomes, leaves `[p, n]`.
      valid: paths that count.

    Returns:
      ((`Counts`, `AccountMoney`), `PathMoney`).
    """
    found = liquidated(times, book, rows, valid)
    bins = jnp.clip(rows.settlement.margin_ratio / RATIO_STEP, 0, RATIO_BINS - 1)
    by_group = _by_group(times, book, rows, found) * valid[:, None, None]
    counts = Counts(
        paths=jnp.sum(valid, dtype=jnp.int64),
        first=_first_times(times, book, rows, valid, found),
        partial=_of_accounts(book, found.partial, rows.partial, valid),
        full=_of_accounts(book, found.full, rows.full, valid),
        bad_debt=_of_accounts(book, found.bad_debt, gone_and_lost(rows)[1] > 0, valid),
        ratio=_histogram(
            bins.astype(jnp.int32), book.row_account, valid, RATIO_BINS, book.row.shape[0]
        ),
        group=jnp.sum(by_group, axis=0).T,
        group_square=jnp.sum(by_group**2, axis=0).T,
    )

    def by_account(total):
        return total[book.row].at[book.isolated_owner].add(total[book.isolated_row])

    loss = jnp.sum(jnp.where(valid[:, None], rows.loss, 0).astype(jnp.float64), axis=0)
    accounts = AccountMoney(bad_debt=by_account(found.lost), equity_loss=by_account(loss))
    return (counts, accounts), _money(book, rows, found)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Courses:
    """Totals over the book up to each time on each path: what only grows, float64."""

    liquidated_accounts: Float[Array, "p T"]
    liquidated_notional: Float[Array, "p T"]
    liquidated_debt: Float[Array, "p T"]
    bad_debt: Float[Array, "p T"]


def money_of_tile(times: int, book: FrozenBook, rows: Rows, valid: Bool[Array, "p"]):
    """Totals of one tile of paths alone, with nothing by account: (no sums, `PathMoney`)."""
    return (), _money(book, rows, liquidated(times, book, rows, valid))


def courses_of_tile(times: int, book: FrozenBook, rows: Rows, valid: Bool[Array, "p"]):
    """Totals of one tile of paths and how they came about: (no sums, (`PathMoney`, `Courses`))."""
    _, lost = gone_and_lost(rows)

    def course(first, values):
        paths = first.shape[0]
        index = jnp.where(jnp.isinf(first), times, first).astype(jnp.int32)
        cell = index + jnp.arange(paths, dtype=jnp.int32)[:, None] * (times + 1)
        flat = values.astype(jnp.float64).reshape(-1)
        sums = jax.ops.segment_sum(flat, cell.reshape(-1), paths * (times + 1))
        return jnp.cumsum(sums.reshape(paths, times + 1)[:, :times], axis=1)

    owners = owned(book, rows.first, "min")
    courses = Courses(
        liquidated_accounts=course(owners, jnp.ones_like(owners)),
        liquidated_notional=course(rows.first, rows.settlement.notional),
        liquidated_debt=course(rows.first, rows.settlement.loan),
        bad_debt=course(rows.first, lost),
    )
    return (), (_money(book, rows, liquidated(times, book, rows, valid)), courses)


def _money(book: FrozenBook, rows: Rows, found: Liquidated) -> PathMoney:
    """Totals over the book of each path of a tile."""
    gone, _ = gone_and_lost(rows)
    shared = jnp.sum(_of_shared(book, gone, "max"), axis=1)
    return PathMoney(
        liquidated_accounts=(found.path_accounts + shared).astype(jnp.float64),
        liquidated_notional=found.path_notional,
        liquidated_debt=found.path_debt,
        bad_debt=found.path_lost,
        equity_loss=_over_rows(rows.loss),
    )


def _over_rows(values: Float[Array, "p N"]) -> Float[Array, "p"]:
    """Sum over margin accounts in float64: lanes apart first, as vectors add."""
    paths, rows = values.shape
    lanes = math.gcd(rows, LANES)
    apart = values.astype(jnp.float64).reshape(paths, rows // lanes, lanes)
    return jnp.sum(jnp.sum(apart, axis=1), axis=1)


def _of_accounts(
    book: FrozenBook, counts: Int[Array, "N"], flags: Bool[Array, "p N"], valid: Bool[Array, "p"]
):
    """Paths on which a flag of an account is set, `[U]`, from those of margin accounts.

    Most accounts have one, whose count is theirs; those with several are combined path by path.
    """
    if book.shared.shape[0] == 0:
        return counts[book.row]
    several = _of_shared(book, flags, "max") & valid[:, None]
    return counts[book.row].at[book.shared].set(jnp.sum(several, axis=0, dtype=jnp.int32))


def _of_shared(book: FrozenBook, values, combine: str):
    """Figures of the accounts with several margin accounts, `[p, E]`."""
    kind = values.dtype
    values = values.astype(jnp.int32) if kind == jnp.bool_ else values
    own = values[:, book.row[book.shared]]
    return getattr(own.at[:, book.of_shared], combine)(values[:, book.isolated_row]).astype(kind)


def _histogram(
    index: Int[Array, "p n"],
    account: Int[Array, "n"],
    valid: Bool[Array, "p"],
    bins: int,
    accounts: int,
) -> Int[Array, "bins U"]:
    """Counts of `index` per account over the paths that count; `accounts` and beyond is nobody."""
    cell = jnp.where(account < accounts, account, bins * accounts).astype(jnp.int32)
    flat = (index * accounts + cell[None, :]).reshape(-1)
    ones = jnp.broadcast_to(valid[:, None], index.shape).astype(jnp.int32).reshape(-1)
    summed = jax.ops.segment_sum(ones, flat, bins * accounts)
    return summed.reshape(bins, accounts)


def _first_times(
    times: int, book: FrozenBook, rows: Rows, valid: Bool[Array, "p"], found: Liquidated
):
    """Paths by the time of an account's first liquidation, `[T1, U]`."""
    never = jnp.sum(valid, dtype=jnp.int32) - jnp.sum(found.first, axis=0, dtype=jnp.int32)
    counts = jnp.concatenate([found.first, never[None, :]])
    if book.shared.shape[0] == 0:
        return counts
    first = _first_of_shared(times, book, rows)
    every = jnp.arange(first.shape[1], dtype=jnp.int32)
    several = _histogram(first, every, valid, times + 1, first.shape[1])
    return counts.at[:, book.shared].set(several)


def _first_of_shared(times: int, book: FrozenBook, rows: Rows):
    """First time of the accounts with several margin accounts, `[p, E]`; `T`: never."""
    index = jnp.where(jnp.isinf(rows.first), times, rows.first).astype(jnp.int32)
    return _of_shared(book, index, "min")


def _by_group(times: int, book: FrozenBook, rows: Rows, found: Liquidated):
    """Accounts of each group liquidated by each time on each path; group 0 is the book."""
    counts = found.group
    if book.shared.shape[0]:
        first = _first_of_shared(times, book, rows)
        path = jnp.arange(first.shape[0])[:, None]
        cell = counts.at[path, book.group[book.shared][None, :], first]
        counts = cell.add(1, mode="drop")
    counts = counts.astype(jnp.int64)
    whole = jnp.sum(counts, axis=1, keepdims=True)
    return jnp.cumsum(jnp.concatenate([whole, counts], axis=1), axis=2)
