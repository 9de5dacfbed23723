"""What is noted of an account at its first liquidation, and what made it happen.

An account counts as liquidated by impact where, all else equal, it would not be liquidatable at
prices without the displacement by liquidations. The displacement of each asset is then charged
with its share of the equity and credit it took from the account.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.account import Account
from models.liquidation import Figures
from stress.cascade_marking import once, prices_at, see_closely
from stress.cascade_seats import Seats
from stress.cascade_state import Measures, Now, Record, Setting, State

AT_ONCE = 8  # assets charged at once for several paths: more would need A x A figures a seat


def start_record(like: Float[Array, "p N"]) -> Record:
    """Nothing seen yet, for accounts of a figure `like`."""
    zero, no = jnp.zeros_like(like), jnp.zeros(like.shape, bool)
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


def record_first(
    setting: Setting, seats: Seats, seen: Figures, flags, now: Now, state: State
) -> tuple[Seats, State]:
    """Notes the flagged accounts that are liquidatable for the first time at this marking."""
    old = seats.record
    new = flags & jnp.isinf(old.first)
    values = {
        "first": now.index.astype(old.first.dtype),
        "equity": seen.equity + seen.collateral,
        "loan": jnp.maximum(seats.held.pool, 0),
        "notional": seen.notional,
        "collateral": seen.collateral,
        "ratio": seen.ratio,
    }
    noted = {name: jnp.where(new, value, getattr(old, name)) for name, value in values.items()}
    measures = jax.lax.cond(
        jnp.any(new),
        lambda m: _attributed(setting, seats, seen, now, new, state, m),
        lambda m: m,
        state.measures,
    )
    seats = dataclasses.replace(seats, record=dataclasses.replace(old, **noted))
    return seats, dataclasses.replace(state, measures=measures)


def _attributed(
    setting: Setting, seats: Seats, seen, now: Now, new, state: State, old: Measures
) -> Measures:
    """Adds the new liquidations to the sums by asset, and to those that impact caused."""
    assets = state.transient.shape[0]
    if not assets:
        return old
    still = jnp.zeros_like(state.transient)
    begin = dataclasses.replace(state.prices, passed=still)
    calm = prices_at(setting, now, still, still, begin)

    def at_calm_prices(_):
        without = see_closely(setting, seats, calm)
        return new & ~(without.beyond | without.unfunded)

    # A loop's result is written down; else each sum below would margin all seats anew.
    pushed = once(jnp.any(new), at_calm_prices, jnp.zeros_like(new))
    account, held = seats.account, seats.held
    was, at = ((seats.of_path(x.mark), seats.of_path(x.token)) for x in (calm, state.prices))
    exposed = jnp.stack(exposures(setting, account, held, seen.equity, at, assets))
    shares = _shares(setting, account, held, at, was, assets)
    at_once = 1 if seats.paths == 1 else AT_ONCE  # of a path alone they stay in the cache so
    own, other = (jnp.where(pushed[None], x, 0).astype(jnp.float64) for x in (exposed, shares))
    caused = jax.lax.map(lambda part: seats.total(part[None] * own), other, batch_size=at_once)
    return dataclasses.replace(
        old,
        first_value=old.first_value + seats.total(jnp.where(new[None], exposed, 0)),
        caused=old.caused + caused,
        caused_value=old.caused_value + jnp.sum(seats.total(own), axis=0),
    )


def exposures(setting: Setting, account: Account, held, like, at, assets: int) -> list:
    """What accounts have at stake in each asset, USDC: perpetuals, collateral pledged.

    Args:
      setting: says which asset moves what.
      account: structure.
      held: what they hold, leaves `[..., n]`.
      like: a figure of theirs.
      at: (marks, oracle prices of tokens), rows that broadcast with a figure.
      assets: their number.

    Returns:
      Per asset an array like `like`.
    """
    mark, token = (x.astype(like.dtype) for x in at)
    result = [jnp.zeros_like(like) for _ in range(assets)]
    for i, m in enumerate(account.markets):
        a = setting.market_asset[m]
        result[a] = result[a] + jnp.abs(held.size[i]) * mark[m]
    for i, c in enumerate(account.tokens):
        a = setting.token_asset[c]
        if a >= 0:
            result[a] = result[a] + held.supplied[i] * token[c]
    return result


def _shares(setting: Setting, account: Account, held, at, was, assets: int):
    """Share of each asset's displacement in what accounts have lost to displacement, `[A, k]`."""
    lost = [jnp.zeros_like(held.cash) for _ in range(assets)]
    falls = [(before - now).astype(held.cash.dtype) for before, now in zip(was, at, strict=True)]
    for i, m in enumerate(account.markets):
        a = setting.market_asset[m]
        lost[a] = lost[a] + held.size[i] * falls[0][m]
    for i, c in enumerate(account.tokens):
        a = setting.token_asset[c]
        if a >= 0:
            counted = jnp.minimum(held.supplied[i], setting.rules.user_supply_cap[c])
            lost[a] = lost[a] + counted * falls[1][c] * ((1 + setting.rules.ltv[c]) / 2)
    rows = jnp.maximum(jnp.stack(lost), 0)
    whole = jnp.sum(rows, axis=0, keepdims=True)
    return jnp.where(whole > 0, rows / jnp.where(whole > 0, whole, 1), 0)
