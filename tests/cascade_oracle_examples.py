"""One-account worlds for hand-worked examples of the cascade oracle."""

from typing import Any

from cascade_oracle import simulate

PRICES = {"BTC": 80000.0, "HYPE": 40.0}
SECONDS = 1 / 3600


def account(kind: str, cash: float, size=None, supplied=None, **more: Any) -> dict[str, Any]:
    """An account; entry prices are today's, leverage 20."""
    return {
        "kind": kind,
        "cash": cash,
        "size": size or {},
        "entry": more.get("entry", PRICES),
        "leverage": dict.fromkeys(PRICES, 20.0),
        "supplied": supplied or {},
        "coin": more.get("coin", 1),
    }


def play(accounts, moves, *, hours=(0.0, SECONDS * 3), **change: Any) -> dict[str, Any]:
    """Run accounts through price factors; no impact, no interest, no funding unless changed.

    Args:
      accounts: of `account`.
      moves: {asset: factor of every time}; an asset that is missing stands still.
      hours: times.
      change: of path (`funding`, `supply`, `borrow`), rules and settings by name; `depth` is
        that of linear impact.
    """
    import math

    flat = [1.0] * len(hours)
    line = {a: [p * f for f in moves.get(a, flat)] for a, p in PRICES.items()}
    path = {
        "hours": list(hours),
        "mark": line,
        "oracle": line,
        "price": {"HYPE": line["HYPE"], "UBTC": line["BTC"]},
        "log": {a: [math.log(f) for f in moves.get(a, flat)] for a in PRICES},
        "funding": 0.0,
        "supply": [1e12] * len(hours),
        "borrow": [1e9] * len(hours),
    }
    rules = {
        "tiers": {"BTC": [(0.0, 40.0)], "HYPE": [(0.0, 10.0)]},
        "ltv": {"HYPE": 0.65, "UBTC": 0.5},
        "user_supply_cap": {},
        "user_borrow_cap": 1e12,
        "global_borrow_cap": 1e15,
        "min_borrow_offset": 20.0,
        "offset_mode": "none",
        "reserve_liquidity_limits_credit": True,
        "takeover_starts_at": "pmr",
        "cooldown": 30 * SECONDS,
        "takeover_interval": 3 * SECONDS,
        "twap_half_life": 1 / 6,
        "partial_notional": 1e5,
        "market_asset": {"BTC": "BTC", "HYPE": "HYPE"},
        "token_asset": {"HYPE": "HYPE", "UBTC": "BTC"},
    }
    settings = {
        "impact": {a: {"shape": "linear", "depth": change.pop("depth", 1e15)} for a in ("BTC",)},
        "volatility": dict.fromkeys(PRICES, 0.05),
        "reach": 0.5,
        "permanent_share": 0.0,
        "half_life": 1e9,
        "pass_through": 0.0,
        "depth_collapse": 0.0,
        "depth_half_life": 1.0,
        "depth_floor": 0.1,
        "vault_capital": 1e6,
        "vault_lent_share": 0.0,
        "takeover_capital": 0.0,
        "round_limit": 50,
    }
    settings["impact"]["HYPE"] = {"shape": "linear", "depth": 1e15}
    for name, value in change.items():
        part = next(p for p in (path, rules, settings) if name in p)
        part[name] = value
    return simulate(accounts, path, rules, settings)
