"""What is noted of an account at its first liquidation, and what made it happen.

An account counts as liquidated by impact where, all else equal, it would not be liquidatable at
prices without the displacement by liquidations. The displacement of each asset is then charged
with its share of the equity and credit it took from the account.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from models.liquidation import Action
from stress.cascade_state import (
    Group,
    Now,
    Prices,
    Record,
    Setting,
    State,
    figures_of,
    prices_at,
    shown,
    total,
)


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


def note_actions(record: Sequence[Record], actions: Sequence[Action]) -> tuple[Record, ...]:
    """Marks what has happened to accounts: in part (book, takeover), in full (vault, takeover)."""
    return tuple(
        dataclasses.replace(
            seen,
            partial=seen.partial | action.book | action.partial,
            full=seen.full | action.handover | action.full,
        )
        for seen, action in zip(record, actions, strict=True)
    )


def fresh(state: State) -> tuple[jax.Array, ...]:
    """Accounts liquidatable for the first time at the marking of the state, bool `[p, n]`."""
    return tuple(
        jnp.isinf(record.first) & (seen.beyond | seen.unfunded)
        for record, seen in zip(state.record, state.seen, strict=True)
    )


def record_first(setting: Setting, groups: Sequence[Group], now: Now, state: State) -> State:
    """Notes the accounts that are liquidatable for the first time at the marking of the state."""
    new = fresh(state)
    some = jnp.stack([jnp.any(flag) for flag in new]).any()
    return jax.lax.cond(some, lambda s: _noted(setting, groups, now, new, s), lambda s: s, state)


def _noted(setting: Setting, groups, now: Now, new_ones, state: State) -> State:
    record = []
    for old, seen, held, new in zip(state.record, state.seen, state.held, new_ones, strict=True):
        values = {
            "first": now.index.astype(old.first.dtype),
            "equity": seen.equity + seen.collateral,
            "loan": jnp.maximum(held.pool, 0),
            "notional": seen.notional,
            "collateral": seen.collateral,
            "ratio": seen.ratio,
        }
        taken = {k: jnp.where(new, v, getattr(old, k)) for k, v in values.items()}
        record.append(dataclasses.replace(old, **taken))
    return _attributed(
        setting, groups, now, new_ones, dataclasses.replace(state, record=tuple(record))
    )


def _attributed(setting: Setting, groups, now: Now, new_ones, state: State) -> State:
    """Adds the new_ones liquidations to the sums by asset, and to those that impact caused."""
    assets = state.transient.shape[0]
    still = jnp.zeros_like(state.transient)
    calm = prices_at(setting, now, still, still, still)
    market = shown(setting, calm)
    none = jnp.zeros_like(state.vault_cash)
    value = [none for _ in range(assets)]
    caused = [[none for _ in range(assets)] for _ in range(assets)]
    caused_value = none
    for group, held, seen, new in zip(groups, state.held, state.seen, new_ones, strict=True):
        without = figures_of(setting.rules, group.account, held, market)
        pushed = new & ~(without.beyond | without.unfunded)
        exposed = exposures(setting, group, held, seen, state.prices, assets)
        shares = _shares(setting, group, held, state.prices, calm, assets)
        for j in range(assets):
            value[j] = value[j] + total(jnp.where(new, exposed[j], 0))
            caused_value = caused_value + total(jnp.where(pushed, exposed[j], 0))
            for i in range(assets):
                part = jnp.where(pushed, shares[i] * exposed[j], 0)
                caused[i][j] = caused[i][j] + total(part)
    old = state.measures
    if not assets:
        return state
    measures = dataclasses.replace(
        old,
        first_value=old.first_value + jnp.stack(value),
        caused=old.caused + jnp.stack([jnp.stack(row) for row in caused]),
        caused_value=old.caused_value + caused_value,
    )
    return dataclasses.replace(state, measures=measures)


def exposures(setting: Setting, group: Group, held, seen, prices: Prices, assets: int) -> list:
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


def _shares(setting: Setting, group: Group, held, prices: Prices, calm: Prices, assets: int):
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
    lost = [jnp.maximum(x, 0) for x in lost]
    whole = sum(lost[1:], lost[0]) if lost else jnp.ones_like(held.cash)
    return [jnp.where(whole > 0, x / jnp.where(whole > 0, whole, 1), 0) for x in lost]
