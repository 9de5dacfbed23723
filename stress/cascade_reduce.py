"""What a tile of cascade paths leaves behind: outcomes of accounts, sums of paths, times.

Counts are integers and add exactly; money is kept per path in float64, as in `stress.aggregate`.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from models.status import EMPTY_DEPTH, NON_FINITE, OK, RESIDUAL, ROUND_LIMIT
from models.step import Settlement
from models.sums import total
from stress.aggregate import reduce_tile
from stress.cascade import CHANNELS, Seen, path_residual
from stress.cascade_book import roster_of
from stress.cascade_inventory import vault_equity
from stress.cascade_marking import in_one_row, see
from stress.cascade_state import Group, Now, Setting, State
from stress.engine import FrozenBook, Rows

DECADES, PER_DECADE = 12, 20  # of the histogram of cumulative value, from 1 USDC
VALUE_BINS = DECADES * PER_DECADE + 2  # none, the decades, and beyond
PARTIES = (
    "accounts", "makers", "vault", "takeover_backstop", "lending_buffer", "suppliers", "borrowers",
)  # fmt: skip
LARGEST_RESIDUAL = {"float64": 1e-9, "float32": 1e-5}


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class CascadeCounts:
    """Sums over paths."""

    value: Int[Array, "T B"]  # paths by the value liquidated so far, bins of its logarithm
    channel: Int[Array, "T 4"]  # whole USDC liquidated so far, by channel


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class CascadePaths:
    """One row per path; USDC where nothing else is said."""

    measures: dict[str, Float[Array, "p"]]
    overshoot: Float[Array, "p A"]  # greatest absolute displacement, log
    first_value: Float[Array, "p A"]
    caused: Float[Array, "p A A"]
    party: Float[Array, "p 7"]  # change of wealth against holding still, as PARTIES
    residual: Float[Array, "p"]  # 1, of the zero-sum identity
    status: Int[Array, "p"]
    log_return: Float[Array, "p A"]  # of displaced prices at the horizon
    worst_log_return: Float[Array, "p A"]
    utilization: Float[Array, "p T 1"]


def rows_of(setting: Setting, groups: Sequence[Group], state: State) -> Rows:
    """Outcomes of every margin account, `[p, N]`, in the order of `FrozenBook.row`."""
    seen = in_one_row(see(setting, groups, state.held, state.prices))
    begun = jnp.concatenate([group.equity for group in groups])
    record = state.record
    gone = ~jnp.isinf(record.first)

    def at(first, last):
        return jnp.where(gone, first, last)

    equity = at(record.equity, seen.equity + seen.collateral)
    end = Settlement(
        equity=equity,
        loan=at(record.loan, jnp.maximum(state.held.pool, 0)),
        notional=at(record.notional, seen.notional),
        collateral=at(record.collateral, seen.collateral),
        margin_ratio=at(record.ratio, seen.ratio),
    )
    return Rows(
        first=record.first,
        partial=record.partial,
        full=record.full,
        loss=begun[None, :] - equity,
        settlement=end,
    )


def reduce_cascade(
    setting: Setting, book: FrozenBook, groups, series: Now, state: State, seen: Seen, valid
):
    """Counts and rows of one tile.

    Args:
      setting: what does not change along a path.
      book: says which row belongs to which account.
      groups: structure of the accounts.
      series: the world outside.
      state: at the horizon.
      seen: of every time.
      valid: bool `[p]`, paths that count.

    Returns:
      ((`Counts`, `AccountMoney`, `CascadeCounts`), (`PathMoney`, `CascadePaths`)).
    """
    times = series.supply.shape[0]
    status = path_status(groups, state)
    known = valid & (status != NON_FINITE)
    (counts, accounts), money = reduce_tile(times, book, rows_of(setting, groups, state), known)
    value = jnp.sum(seen.channel, axis=1)
    whole = jnp.where(known[None, None], jnp.nan_to_num(seen.channel), 0)
    extra = CascadeCounts(
        value=_value_counts(value, known),
        channel=jnp.sum(jnp.round(whole).astype(jnp.int64), axis=2),
    )
    logs = series.log + seen.x
    paths = CascadePaths(
        measures={
            f.name: getattr(state.measures, f.name)
            for f in dataclasses.fields(state.measures)
            if getattr(state.measures, f.name).ndim == 1
        },
        overshoot=state.measures.overshoot.T,
        first_value=state.measures.first_value.T,
        caused=jnp.moveaxis(state.measures.caused, -1, 0),
        party=party_changes(setting, groups, state),
        residual=path_residual(groups, state),
        status=status,
        log_return=logs[-1].T,
        worst_log_return=jnp.min(logs, axis=0).T,
        utilization=seen.utilization.T[:, :, None],
    )
    return (counts, accounts, extra), (money, paths)


def path_status(groups: Sequence[Group], state: State) -> Int[Array, "p"]:
    """How each path ended, the gravest that applies."""
    finite = jnp.isfinite(total(state.held.cash))
    for leaf in (state.prices.mark, state.prices.token):
        finite = finite & jnp.isfinite(leaf).all(axis=0)
    finite = finite & jnp.isfinite(state.reserve.supply) & jnp.isfinite(state.vault_cash)
    most = LARGEST_RESIDUAL[str(state.held.cash.dtype)]
    leaks = path_residual(groups, state) > most
    result = jnp.where(state.empty_depth, EMPTY_DEPTH, OK)
    result = jnp.where(state.round_limit, ROUND_LIMIT, result)
    result = jnp.where(leaks, RESIDUAL, result)
    return jnp.where(finite, result, NON_FINITE)


def party_changes(setting: Setting, groups: Sequence[Group], state: State) -> Float[Array, "p 7"]:
    """Wealth of each party at the horizon less that of holding still what it began with.

    Prices are those of the horizon, so a party that does nothing has 0 and all sum to 0: what one
    has gained by liquidations, interest and funding another has paid.
    """
    roster, held = roster_of(setting, groups).account, state.held
    accounts = total(held.cash - roster.net_cash[0][None, :])
    bought = total(held.size - roster.size[:, None])  # contracts
    taken = jnp.zeros_like(state.takeover_held)  # tokens
    if roster.tokens:
        taken = total(held.supplied - roster.supplied[:, None])
    mark, token, p = state.prices.mark, state.prices.token, state.parties
    accounts = accounts + jnp.sum(bought * mark, axis=0) + jnp.sum(taken * token, axis=0)
    stock = jnp.sum(state.takeover_held * token, axis=0)
    perps = jnp.sum(state.vault_size * mark, axis=0)
    makers = -jnp.sum((bought + state.vault_size) * mark, axis=0)
    makers = makers - jnp.sum((taken + state.takeover_held) * token, axis=0)
    changes = (
        accounts,
        p.makers + makers,
        p.vault + perps,
        p.takeover + stock,
        p.buffer,
        p.suppliers,
        p.borrowers,
    )
    return jnp.stack(changes, axis=1)


def _value_counts(value: Float[Array, "T p"], known) -> Int[Array, "T B"]:
    """Paths by the logarithm of the value liquidated so far; bin 0: less than 1 USDC."""
    place = jnp.floor(jnp.log10(jnp.maximum(value, 1e-300)) * PER_DECADE) + 1
    bins = jnp.clip(place, 0, VALUE_BINS - 1).astype(jnp.int32)
    bins = jnp.where(value < 1, 0, bins)
    ones = jnp.broadcast_to(known[None, :], value.shape).astype(jnp.int64)
    rows = jnp.arange(value.shape[0], dtype=jnp.int32)[:, None] * VALUE_BINS + bins
    summed = jax.ops.segment_sum(ones.reshape(-1), rows.reshape(-1), value.shape[0] * VALUE_BINS)
    return summed.reshape(value.shape[0], VALUE_BINS)


__all__ = ["CHANNELS", "PARTIES", "CascadeCounts", "CascadePaths", "reduce_cascade", "vault_equity"]
