"""Oracle of a liquidation cascade: one path, one settlement token, plain Python, slow.

Written from the mechanics and the rule book alone; nothing of the project is imported.

    accounts = [{"kind": "portfolio" | "unified" | "cross" | "isolated",
                 "cash": raw USDC (X = cash + sum size * mark), "size": {market: contracts},
                 "entry": {market: price}, "leverage": {market: x}, "supplied": {token: units},
                 "coin": 1 perps first, 0 borrows first}]
    path     = {"hours": [...], "mark", "oracle": {market: [...]}, "price": {token: [...]},
                "log": {asset: [...]}, "funding": per hour, "supply": [...], "borrow": [...]}
    rules    = {"tiers", "ltv", "user_supply_cap", "user_borrow_cap", "global_borrow_cap",
                "min_borrow_offset", "offset_mode", "reserve_liquidity_limits_credit",
                "takeover_starts_at", "cooldown", "takeover_interval", "twap_half_life",
                "partial_notional", "market_asset", "token_asset"}
    settings = {"impact": {asset: spec}, "volatility": {asset: per day}, "reach",
                "permanent_share", "half_life", "pass_through", "depth_collapse",
                "depth_half_life", "depth_floor", "vault_capital", "vault_lent_share",
                "takeover_capital", "round_limit", "lending": "book"}

Split: `_impact` displacement, `_state` parties, marking and ledger, `_figures` accounts,
`_pool` the reserve, `_adl`, `_rounds`, `_backstop` sales and shortfalls.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cascade_oracle_backstop import sell_inventory, shortfalls
from cascade_oracle_pool import accrue, fix_growth, follow, settle_totals
from cascade_oracle_rounds import run_rounds
from cascade_oracle_state import World, decay

SERIES = ("utilization", "queued", "refused", "supply", "rounds")


def move_factors(world: World, t: int, hours: float) -> None:
    """Prices of time t, decay of impact, marking, depth multipliers, their moving averages."""
    world.load(t)
    faded = decay(hours, world.settings["half_life"])
    world.transient = [flow * faded for flow in world.transient]
    world.remark()
    kept = decay(hours, world.settings["depth_half_life"])
    for a, name in enumerate(world.assets):
        level = world.log[a] + world.x[a]
        away = abs(level - world.ema[a]) / world.settings["volatility"][name]
        depth = math.exp(-world.settings["depth_collapse"] * away)
        thin = world.path["depth"][name][t] if "depth" in world.path else 1.0
        world.depth[a] = thin * max(world.settings["depth_floor"], depth)
        world.ema[a] = level + (world.ema[a] - level) * kept
    if t == 0:
        world.prev_mark = list(world.mark)


def step(world: World, t: int) -> tuple[int, float]:
    """One step of the order of play.

    Returns:
      (effective rounds, utilization at the end).
    """
    hours = world.hours[t] - world.hours[t - 1] if t else 0.0
    move_factors(world, t, hours)
    if t:
        accrue(world, hours)
    follow(world, t, first=True)
    vault_start, held_start = list(world.vault_size), list(world.held)
    rounds = run_rounds(world, t, hours)
    sold, debt_before, sold_share = sell_inventory(world, hours, vault_start, held_start)
    lost = shortfalls(world, debt_before, sold_share)
    if rounds or sold or lost:
        follow(world, t, first=False)
    settle_totals(world, t)
    ahead = world.hours[t + 1] - world.hours[t] if t + 1 < len(world.hours) else 0.0
    u = fix_growth(world, ahead)
    world.prev_mark, world.prev_oracle = list(world.mark), list(world.oracle)
    world.events["queued"] += world.queued > 0
    world.events["cascade"] += rounds > 2
    return rounds, u


def simulate(
    accounts: Sequence[Mapping[str, Any]],
    path: Mapping[str, Any],
    rules: Mapping[str, Any],
    settings: Mapping[str, Any],
) -> dict[str, Any]:
    """Run one path over a book; the arguments are described with the module.

    Returns:
      Per account `first`, `first_state`, `cash`, `size`, `supplied`, `P`; parties `vault`,
      `takeover`, `buffer`, `written_off`, `makers_cash`, `borrowers_cash`, `suppliers_cash`;
      per time `x`, `utilization`, `queued`, `refused`, `supply`, `rounds`; `status`,
      `overshoot`, the measures by name, `events`, and the residuals of the ledger.
    """
    if settings.get("lending", "book") != "book":
        raise ValueError("lending: only `book`")
    world = World(accounts, path, rules, settings)
    x: dict[str, list] = {asset: [] for asset in world.assets}
    series: dict[str, list] = {name: [] for name in SERIES}
    for t in range(len(world.hours)):
        rounds, u = step(world, t)
        for a, asset in enumerate(world.assets):
            x[asset].append(world.x[a])
        values = (u, world.queued, world.refused, world.supply_effective, rounds)
        for name, value in zip(SERIES, values, strict=True):
            series[name].append(value)
    markets, tokens, measure = world.markets, world.tokens, world.measure
    return {
        "first": [a.first for a in world.accounts],
        "first_state": [a.first_state for a in world.accounts],
        "cash": [a.cash for a in world.accounts],
        "size": [dict(zip(markets, a.size, strict=True)) for a in world.accounts],
        "supplied": [dict(zip(tokens, a.supplied, strict=True)) for a in world.accounts],
        "P": [a.pool for a in world.accounts],
        "vault": {
            "cash": world.vault_cash,
            "size": dict(zip(markets, world.vault_size, strict=True)),
            "lent": world.lent,
        },
        "takeover": {
            "cash": world.takeover_cash,
            "held": dict(zip(tokens, world.held, strict=True)),
            "capital": world.takeover_capital,
        },
        "buffer": world.buffer,
        "written_off": world.written_off,
        "makers_cash": world.makers_cash,
        "borrowers_cash": world.borrowers_cash,
        "suppliers_cash": world.suppliers_cash,
        "x": x,
        **series,
        "status": world.status,
        "overshoot": dict(zip(world.assets, world.overshoot, strict=True)),
        **measure,
        "shortfall": measure["shortfall_perps"] + measure["shortfall_loans"],
        "events": world.events,
        "residual_cash": world.residual_cash(),
        "residual_size": world.residual_size(),
        "residual_tokens": world.residual_tokens(),
    }
