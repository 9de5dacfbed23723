"""Random rules, prices and accounts of the oracles, and the same as pytrees of the kernels."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import oracles

from models.account import Account, Market
from models.margin import tiers_from_leverage
from models.venue import Assumptions, Funding, Lending, LiquidationRules, Venue

MARKETS = ("BTC", "HYPE", "SOL", "xyz:GOLD")
SETTLE = {"BTC": "USDC", "HYPE": "USDC", "SOL": "USDC", "xyz:GOLD": "USDT0"}
TOKENS = ("HYPE", "UBTC")
QUOTES = ("USDC", "USDT0")
START = {"BTC": 80_000.0, "HYPE": 40.0, "SOL": 150.0, "xyz:GOLD": 4_000.0}


def random_rules(rng: np.random.Generator, **changes: Any) -> dict[str, Any]:
    """Tiers of one to three steps, any LTV, caps low enough to bind; any key replaced."""

    def tiers() -> list[tuple[float, float]]:
        bounds = [0.0, *np.cumsum(10 ** rng.uniform(4, 6, rng.integers(0, 3)))]
        leverages = -np.sort(-rng.uniform(3, 50, len(bounds)))
        return [(float(b), float(x)) for b, x in zip(bounds, leverages, strict=True)]

    rules: dict[str, Any] = {
        "tiers": {market: tiers() for market in MARKETS},
        "settle": SETTLE,
        "ltv": {token: float(rng.uniform(0.2, 0.8)) for token in TOKENS},
        "user_supply_cap": {"HYPE": 5e3, "UBTC": 3.0},
        "user_borrow_cap": {"USDC": 2e5, "USDT0": 1e5},
        "trigger": 0.95,
        "min_borrow_offset": float(rng.choice([20.0, 5e3])),
        "offset_mode": str(rng.choice(["floor", "additive", "none"])),
    }
    return rules | changes


def random_prices(rng: np.random.Generator) -> dict[str, dict[str, float]]:
    """Marks, perp oracles and reserve prices that differ a little; USDT0 is not a dollar."""
    mark = {m: p * float(rng.uniform(0.5, 1.5)) for m, p in START.items()}
    oracle = {m: p * float(rng.uniform(0.99, 1.01)) for m, p in mark.items()}
    borrow = {"USDC": 1.0, "USDT0": float(rng.uniform(0.9, 1.02))}
    borrow |= {"HYPE": mark["HYPE"] * 1.003, "UBTC": mark["BTC"] * 0.998}
    return {"mark": mark, "oracle": oracle, "borrow": borrow}


def random_account(
    rng: np.random.Generator, rules: dict, prices: dict, mode: str, positions: bool = True
) -> dict[str, Any]:
    """An account anywhere between debt-free and hopeless, with none to four cross positions."""
    held = []
    for market in MARKETS:
        if positions and rng.random() < 0.6:
            size = float(rng.choice([-1, 1]) * 10 ** rng.uniform(3, 6.3) / prices["mark"][market])
            leverage = rules["tiers"][market][0][1] * float(rng.uniform(0.05, 1))
            entry = prices["mark"][market] * float(rng.uniform(0.8, 1.2))
            held.append(position(market, size, entry, leverage))
    value = 10 ** rng.uniform(3, 6, len(TOKENS)) * (mode == "portfolio")
    supplied = {t: float(v / prices["borrow"][t]) for t, v in zip(TOKENS, value, strict=True)}
    account = {"mode": mode, "cash": {}, "supplied": supplied, "positions": held}
    credit = oracles.collateral_credit(account, prices, rules)[1] * (mode == "portfolio")
    for quote in QUOTES:
        at = oracles.exposure({**account, "cash": {quote: 0.0}}, prices, rules)[quote]
        target = rng.uniform(-1.3, 0.6) * credit + rng.uniform(-0.5, 3) * at["MM"]
        if not positions and mode != "portfolio":
            target = abs(rng.normal()) * 1e4
        idle = not at["N"] and rng.random() < 0.5
        account["cash"][quote] = 0.0 if idle else float(target - at["X"])
    return account


def position(market: str, size: float, entry: float, leverage: float) -> dict[str, Any]:
    return {
        "market": market,
        "size": size,
        "entry_price": entry,
        "leverage": leverage,
        "margin": "cross",
    }


def venue_of(rules: dict) -> Venue:
    """The kernels' rule book with the oracles' rules."""

    def offset(mode: str) -> jax.Array:
        return scalar(rules["min_borrow_offset"] * (rules["offset_mode"] == mode))

    caps = [rules["user_borrow_cap"].get(quote, np.inf) for quote in QUOTES]
    same, no_cap = np.ones(len(QUOTES)), jnp.full(len(QUOTES), np.inf)
    return Venue(
        markets=MARKETS,
        settle=tuple(QUOTES.index(rules["settle"][m]) for m in MARKETS),
        tokens=TOKENS,
        quotes=QUOTES,
        tiers=tiers_from_leverage([rules["tiers"][m] for m in MARKETS]),
        ltv=jnp.array([rules["ltv"][t] for t in TOKENS]),
        user_supply_cap=jnp.array([rules["user_supply_cap"].get(t, np.inf) for t in TOKENS]),
        global_supply_cap=jnp.full(len(TOKENS), np.inf),
        transfer_margin=scalar(0.1),
        lending=Lending(
            base_rate=jnp.array(0.05 * same),
            kink=jnp.array(0.8 * same),
            slope=jnp.array(4.75 * same),
            buffer_share=jnp.array(0.1 * same),
            global_supply_cap=no_cap,
            global_borrow_cap=no_cap,
            user_supply_cap=no_cap,
            user_borrow_cap=jnp.array(caps),
        ),
        liquidation=LiquidationRules(
            portfolio_trigger=scalar(rules["trigger"]),
            cross_trigger=scalar(1.0),
            backstop_fraction=scalar(2 / 3),
            partial_notional=scalar(1e5),
            partial_share=scalar(0.2),
            cooldown=scalar(30 / 3600),
            takeover_share=scalar(0.2),
            takeover_interval=scalar(3 / 3600),
            twap_half_life=scalar(1 / 6),
        ),
        funding=Funding(
            interest=scalar(0.0001), clamp=scalar(0.0005), cap=scalar(0.04), interval=scalar(8.0)
        ),
        assumptions=Assumptions(
            borrow_offset_floor=offset("floor"),
            borrow_offset_additive=offset("additive"),
            reserve_liquidity_limits_credit=scalar(
                rules.get("reserve_liquidity_limits_credit", True)
            ),
            rate_is_effective=scalar(0.0),
            takeover_at_partial_threshold=scalar(0.0),
            perps_first_probability=scalar(0.5),
        ),
    )


def market_of(prices: dict) -> Market:
    """The kernels' market at one time; balances grow by nothing, everything can be borrowed."""
    mark = jnp.array([prices["mark"][m] for m in MARKETS])
    one = jnp.ones(len(QUOTES))
    return Market(
        mark=mark,
        settlement=mark,
        collateral_price=jnp.array([prices["borrow"][t] for t in TOKENS]),
        quote_price=jnp.array([prices["borrow"][q] for q in QUOTES]),
        borrow_growth=one * 0,
        supply_growth=one * 0,
        borrow_index=one,
        supply_index=one,
        free_liquidity=one * jnp.inf,
    )


def accounts_of(accounts: Sequence[dict], *, positions: bool = True) -> Account:
    """Oracle accounts of one kind of mode as one pytree, accounts last."""
    portfolio = accounts[0]["mode"] == "portfolio"
    rows: dict[str, list] = {"net_cash": [], "size": [], "inverse_leverage": [], "supplied": []}
    for account in accounts:
        assert (account["mode"] == "portfolio") == portfolio
        cash = dict.fromkeys(QUOTES, 0.0) | account["cash"]
        size, inverse = dict.fromkeys(MARKETS, 0.0), dict.fromkeys(MARKETS, 1.0)
        for held in account["positions"]:
            size[held["market"]] = held["size"]
            inverse[held["market"]] = 1 / held["leverage"]
            cash[SETTLE[held["market"]]] -= held["size"] * held["entry_price"]
        rows["net_cash"].append([cash[q] for q in QUOTES])
        rows["size"].append([size[m] for m in MARKETS] if positions else [])
        rows["inverse_leverage"].append([inverse[m] for m in MARKETS] if positions else [])
        supplied = [account["supplied"].get(t, 0.0) for t in TOKENS]
        rows["supplied"].append(supplied if portfolio else [])
    shared = [float(account["mode"] != "cross") for account in accounts]
    return Account(
        markets=tuple(range(len(MARKETS))) if positions else (),
        tokens=tuple(range(len(TOKENS))) if portfolio else (),
        portfolio=portfolio,
        shared_margin=jnp.array(shared),
        **{name: jnp.array(values, float).T for name, values in rows.items()},
    )


def one_of(accounts: Account, k: int) -> Account:
    """One account of a batch."""
    return jax.tree.map(lambda x: x[..., k], accounts)


def scaled_money(accounts: Account, factor: float) -> Account:
    """Accounts with every balance and size times `factor`."""
    names = ("net_cash", "size", "supplied")
    return dataclasses.replace(accounts, **{n: getattr(accounts, n) * factor for n in names})


def scalar(value: float) -> jax.Array:
    return jnp.asarray(float(value))
