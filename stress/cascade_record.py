"""What is noted of an account at its first liquidation, and what made it happen.

An account counts as liquidated by impact where, all else equal, it would not be liquidatable at
prices without the displacement by liquidations. The displacement of each asset is then charged
with its share of the equity and credit it took from the account.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from models.liquidation import Action, Figures
from stress.cascade_marking import prices_at, see, total
from stress.cascade_seats import Seats, note
from stress.cascade_state import Group, Measures, Now, Prices, Record, Setting, State


def start_record(paths: int, group: Group) -> Record:
    """Nothing seen yet."""
    shape = (paths, group.equity.shape[0])
    zero = jnp.zeros(shape, group.equity.dtype)
    no = jnp.zeros(shape, bool)
    return Record(
        first=zero + jnp.inf,
        equity=zero,
        loan=zero,
        notional=zero,
        collateral=zero,
        ratio=zero,
        partial=no,
        full=no,
    )


def note_actions(
    seats: Sequence[Seats], record: Sequence[Record], actions: Sequence[Action]
) -> tuple[Record, ...]:
    """Marks what has happened to accounts: in part (book, takeover), in full (vault, takeover)."""
    result = []
    for seat, old, action in zip(seats, record, actions, strict=True):
        yes = jnp.ones_like(seat.taken)
        old = note(seat, action.book | action.partial, old, {"partial": yes})
        result.append(note(seat, action.handover | action.full, old, {"full": yes}))
    return tuple(result)


def record_first(
    setting: Setting, seats: Sequence[Seats], figures: Sequence[Figures], now: Now, state: State
) -> State:
    """Notes the accounts that are liquidatable for the first time at the marking of the state."""
    new = tuple(
        seat.first_time & (seen.beyond | seen.unfunded)
        for seat, seen in zip(seats, figures, strict=True)
    )
    record = []
    for seat, seen, old, flag in zip(seats, figures, state.record, new, strict=True):
        values = {
            "first": jnp.broadcast_to(now.index.astype(old.first.dtype), flag.shape),
            "equity": seen.equity + seen.collateral,
            "loan": jnp.maximum(seat.held.pool, 0),
            "notional": seen.notional,
            "collateral": seen.collateral,
            "ratio": seen.ratio,
        }
        record.append(note(seat, flag, old, values))
    some = jnp.stack([jnp.any(flag) for flag in new]).any()
    measures = jax.lax.cond(
        some,
        lambda m: _attributed(setting, seats, figures, now, new, state, m),
        lambda m: m,
        state.measures,
    )
    return dataclasses.replace(state, record=tuple(record), measures=measures)


def _attributed(
    setting: Setting, seats, figures, now: Now, new_ones, state: State, old: Measures
) -> Measures:
    """Adds the new liquidations to the sums by asset, and to those that impact caused."""
    assets = state.transient.shape[0]
    if not assets:
        return old
    still = jnp.zeros_like(state.transient)
    begin = dataclasses.replace(state.prices, passed=still)
    calm = prices_at(setting, now, still, still, begin)
    unmoved = see(setting, seats, [seat.held for seat in seats], calm)
    first, caused, pushed_value = old.first_value, old.caused, old.caused_value
    for seat, seen, without, new in zip(seats, figures, unmoved, new_ones, strict=True):
        pushed = new & ~(without.beyond | without.unfunded)
        exposed = jnp.stack(exposures(setting, seat, seat.held, seen, state.prices, assets))
        shares = _shares(setting, seat, seat.held, state.prices, calm, assets)
        own, other = (jnp.where(pushed[None], x, 0).astype(jnp.float64) for x in (exposed, shares))
        first = first + total(jnp.where(new[None], exposed, 0))
        pushed_value = pushed_value + jnp.sum(own, axis=(0, 2))
        caused = caused + jnp.einsum("ipk,jpk->ijp", other, own)
    return dataclasses.replace(old, first_value=first, caused=caused, caused_value=pushed_value)


def exposures(
    setting: Setting, group: Group | Seats, held, seen, prices: Prices, assets: int
) -> list:
    """What an account has at stake in each asset, USDC `[p, n]`: perpetuals, pledged collateral."""
    result = [jnp.zeros_like(seen.equity) for _ in range(assets)]
    for i, m in enumerate(group.account.markets):
        a, mark = setting.market_asset[m], prices.mark[m][:, None].astype(seen.equity.dtype)
        result[a] = result[a] + jnp.abs(held.size[i]) * mark
    for i, c in enumerate(group.account.tokens):
        a, price = setting.token_asset[c], prices.token[c][:, None].astype(seen.equity.dtype)
        if a >= 0:
            result[a] = result[a] + held.supplied[i] * price
    return result


def _shares(setting: Setting, group: Seats, held, prices: Prices, calm: Prices, assets: int):
    """Share of each asset's displacement in what the account has lost to displacement, `[p, n]`."""
    dtype = held.cash.dtype
    lost = [jnp.zeros_like(held.cash) for _ in range(assets)]
    for i, m in enumerate(group.account.markets):
        a = setting.market_asset[m]
        fall = (calm.mark[m] - prices.mark[m])[:, None].astype(dtype)
        lost[a] = lost[a] + held.size[i] * fall
    for i, c in enumerate(group.account.tokens):
        a = setting.token_asset[c]
        if a >= 0:
            fall = (calm.token[c] - prices.token[c])[:, None].astype(dtype)
            counted = jnp.minimum(held.supplied[i], setting.rules.user_supply_cap[c])
            lost[a] = lost[a] + counted * fall * ((1 + setting.rules.ltv[c]) / 2)
    rows = jnp.maximum(jnp.stack(lost), 0)
    whole = jnp.sum(rows, axis=0, keepdims=True)
    return jnp.where(whole > 0, rows / jnp.where(whole > 0, whole, 1), 0)
