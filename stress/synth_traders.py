"""Groups that trade perps: multi-asset accounts of every mode."""

import numpy as np

from stress.synth_draft import (
    Draft,
    Rng,
    draw,
    eligible_value,
    keep_healthy,
    probabilities,
    relative_size,
)
from stress.synth_margin import credits, fill, maintenance
from stress.synth_spec import Collateral, Isolation, Trader


def trader(draft: Draft, name: str, group: Trader) -> None:
    """Perps in one or several markets; notional from a share of all, or what the others leave."""
    rules, rng, rows = draft.rules, draft.rngs[name], draft.rows[name]
    weight = relative_size(rng, group.size, len(rows))
    leverage = draw(rng, group.leverage, len(rows))
    mix = _mix(draft, rng, group, len(rows))
    interest = _interest(draft)
    if group.notional is None:
        size = _take_up(draft, name, weight[:, None] * mix)
    else:
        cap = np.full(len(rows), np.inf)
        if group.mode == "portfolio":
            cap = eligible_value(draft) * leverage
        with np.errstate(divide="ignore"):
            room = draft.spec.assumed.greatest_position * interest * rules.mark / np.abs(mix)
        cap = np.minimum(cap, room.min(axis=1))
        notional = fill(weight, cap, group.notional * 2 * (interest * rules.mark).sum())
        if notional is None:
            found = f"{group.notional:.1%} of all notional above what {len(rows)} accounts may hold"
            raise draft.infeasible(name, found, "a lower notional, or more accounts")
        size = notional[:, None] * mix / rules.mark
    draft.size[rows] = size
    exposure = np.abs(size) * rules.mark
    gross = exposure.sum(axis=1)
    total = gross / leverage  # equity of every kind
    draft.gain[rows] = draw(rng, group.entry, size.shape)
    headroom = draw(rng, group.headroom, len(rows))
    if group.collateral:
        total = total - _post(draft, name, rows, group.collateral, total)
    draft.equity[rows] = total
    capacity = credits(rules, draft.supplied[rows])[0]
    usable = np.maximum(total + capacity, 1e-9 * np.maximum(gross, 1))
    selected = np.ceil(headroom * gross / usable)
    draft.leverage[rows] = np.clip(selected[:, None], 1, rules.max_leverage)
    if group.isolated:
        _isolate(draft, rng, rows, group.isolated)
    keep_healthy(draft, rows)


def _mix(draft: Draft, rng: Rng, group: Trader, count: int) -> np.ndarray:
    """Signed shares of an account's notional by market `[count, M]`; absolute values add up to 1.

    Markets are chosen in proportion to their open interest, weighted at random. A neutral account's
    legs are long and short by half each.
    """
    markets = len(draft.rules.markets)
    interest = _interest(draft) * draft.rules.mark
    held = 1 + rng.choice(len(group.markets), count, p=probabilities(group.markets))
    neutral = group.exposure == "neutral"
    held = np.clip(held, 2 if neutral else 1, markets)
    # The smallest exponential clocks win: a weighted choice without replacement.
    clock = rng.exponential(size=(count, markets)) / interest
    rank = clock.argsort(axis=1).argsort(axis=1)
    weight = np.where(rank < held[:, None], rng.uniform(0.3, 1.0, (count, markets)) * interest, 0)
    if neutral:
        sign = np.where((rank + rng.integers(0, 2, count)[:, None]) % 2 == 0, 1.0, -1.0)
        side = sign[:, :, None] == np.array([1.0, -1.0])
        leg = (weight[:, :, None] * side).sum(axis=1)  # [count, 2]
        return sign * weight / (2 * (leg[:, None, :] * side).sum(axis=2))
    way = np.where(rng.random(count) < group.long, 1.0, -1.0)[:, None]
    sign = np.where(rng.random((count, markets)) < group.conviction, way, -way)
    return sign * weight / weight.sum(axis=1, keepdims=True)


def _take_up(draft: Draft, name: str, wanted: np.ndarray) -> np.ndarray:
    """Contracts `[n, M]` that bring longs and shorts of every market to its open interest."""
    size = np.zeros_like(wanted)
    held = _all_sizes(draft)
    for m, market in enumerate(draft.rules.markets):
        interest = _interest(draft)[m]
        for sign, side in ((1.0, "long"), (-1.0, "short")):
            mine = np.flatnonzero(sign * wanted[:, m] > 0)
            left = interest - np.maximum(sign * held[m], 0).sum()
            cap = np.full(len(mine), draft.spec.assumed.greatest_position * interest)
            units = fill(np.abs(wanted[mine, m]), cap, left) if len(mine) or left else cap
            if units is None:
                found = f"{left:,.1f} {market} {side} left for {len(mine)} accounts"
                allowed = f"from 0 to {cap.sum():,.1f} by greatest_position"
                raise draft.infeasible(name, found, allowed)
            size[mine, m] = sign * units
    return size


def _post(
    draft: Draft, name: str, rows: np.ndarray, plan: Collateral, total: np.ndarray
) -> np.ndarray:
    """Puts part of some accounts' equity into collateral; returns its value, USDC.

    A token is chosen by the value that the group holds of each.
    """
    rules, rng = draft.rules, draft.rngs[name]
    names = list(plan.reserves)
    column = np.array([rules.tokens.index(token) for token in names])
    supply = np.array([draft.spec.observed.reserves[token].supplied for token in names])
    goal = supply * np.array(list(plan.reserves.values()))
    chosen = rng.choice(len(names), len(rows), p=probabilities(goal * rules.price[column]))
    posts = rng.random(len(rows)) < plan.probability
    weight = np.maximum(draw(rng, plan.part, len(rows)), 1e-9) * total
    value = np.zeros(len(rows))
    for k, token in enumerate(names):
        mine, c = np.flatnonzero(posts & (chosen == k)), column[k]
        cap = np.minimum(plan.greatest * total[mine] / rules.price[c], rules.supply_cap[c])
        units = fill(weight[mine], cap, goal[k])
        if units is None:
            found = f"{goal[k]:,.0f} {token} for {len(mine)} accounts"
            allowed = f"at most {cap.sum():,.0f} {token}, by their equity and the user cap"
            raise draft.infeasible(f"{name}.collateral", found, allowed)
        draft.supplied[rows[mine], c] = units
        value[mine] = units * rules.price[c]
    return value


def _isolate(draft: Draft, rng: Rng, rows: np.ndarray, plan: Isolation) -> None:
    """Turns one position of some accounts into an isolated one with margin of its own."""
    rules = draft.rules
    chosen = rows[rng.random(len(rows)) < plan.probability]
    held = draft.size[chosen] != 0
    market = np.where(held, rng.random(held.shape), -1).argmax(axis=1)
    share = draw(rng, plan.margin, len(chosen))
    taken = held.any(axis=1)
    chosen, market, share = chosen[taken], market[taken], share[taken]
    size, leverage = draft.size[chosen, market], draft.leverage[chosen, market]
    exposure = np.zeros((len(chosen), len(rules.markets)))
    exposure[np.arange(len(chosen)), market] = np.abs(size) * rules.mark[market]
    margin = maintenance(rules, exposure).sum(axis=1)
    least = margin / (draft.spec.assumed.greatest_margin_ratio * (1 - 1e-9))
    equity = np.maximum(share * exposure.sum(axis=1) / leverage, least)
    entry = rules.mark[market] / (1 + draft.gain[chosen, market])
    draft.isolated.append(
        {
            "account": chosen,
            "market": market,
            "size": size,
            "entry_price": entry,
            "leverage": leverage,
            "margin_balance": equity - size * (rules.mark[market] - entry),
        }
    )
    draft.size[chosen, market] = 0
    draft.equity[chosen] -= equity


def _all_sizes(draft: Draft) -> list[np.ndarray]:
    """Contracts of every position so far, cross and isolated, per market."""
    return [
        np.concatenate(
            [draft.size[:, m], *(part["size"][part["market"] == m] for part in draft.isolated)]
        )
        for m in range(len(draft.rules.markets))
    ]


def _interest(draft: Draft) -> np.ndarray:
    """Observed open interest `[M]`, contracts."""
    found = draft.spec.observed.open_interest
    return np.array([found[market].contracts for market in draft.rules.markets])
