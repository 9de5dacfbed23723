"""Small rules, prices and accounts that tests fill in."""

from typing import Any

# User caps in force since 2026-06-23 (rule book, section 2).
SUPPLY_CAPS = {"HYPE": 1e6, "UBTC": 2e3}
BORROW_CAPS = {"USDC": 50e6, "USDT0": 1e6}


def plain_rules(**changes: Any) -> dict[str, Any]:
    """Rules with one BTC and one HYPE market, today's LTVs and caps; any key replaced."""
    rules: dict[str, Any] = {
        "tiers": {"BTC": [(0.0, 40.0), (150e6, 20.0)], "HYPE": [(0.0, 10.0), (20e6, 5.0)]},
        "settle": {"BTC": "USDC", "HYPE": "USDC"},
        "ltv": {"HYPE": 0.65, "UBTC": 0.5},
        "user_supply_cap": dict(SUPPLY_CAPS),
        "user_borrow_cap": dict(BORROW_CAPS),
        "trigger": 0.95,
        "min_borrow_offset": 20.0,
        "offset_mode": "floor",
    }
    return {**rules, **changes}


def plain_prices(btc: float = 100_000.0, hype: float = 40.0) -> dict[str, dict[str, float]]:
    """Prices where mark, oracle and collateral of a coin agree."""
    perp = {"BTC": btc, "HYPE": hype}
    borrow = {"USDC": 1.0, "UBTC": btc, "HYPE": hype}
    return {"mark": perp, "oracle": dict(perp), "borrow": borrow}


def plain_account(
    cash: float,
    units: float,
    size: float = 0.0,
    *,
    entry: float = 100_000.0,
    token: str = "UBTC",
    market: str = "BTC",
    mode: str = "portfolio",
    leverage: float = 10.0,
) -> dict[str, Any]:
    """An account with one collateral token and at most one cross position."""
    position = {
        "market": market,
        "size": size,
        "entry_price": entry,
        "leverage": leverage,
        "margin": "cross",
    }
    return {
        "mode": mode,
        "cash": {"USDC": cash},
        "supplied": {token: units},
        "positions": [position] if size else [],
    }
