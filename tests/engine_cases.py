"""Random books over random markets, for the engine and for the oracles.

A book holds every kind of account that margins alone: shared margin of each mode, the HIP-3 DEX of
a standard account, isolated positions. `engine_oracle` says how each ends.
"""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
import oracles
from margin_cases import (
    MARKETS,
    QUOTES,
    TOKENS,
    position,
    random_account,
    random_prices,
    random_rules,
    venue_of,
)

from models.account import Market
from models.venue import Venue
from stress.book import Book
from stress.book_io import load_book
from stress.venues import load_venue

STEPS, PATHS = 24, 8
VENUE = "hyperliquid/2026-08-19"
DEX = "xyz:GOLD"
MODES = ["portfolio"] * 5 + ["borrower"] * 2 + ["unified"] * 4 + ["cross"] * 6
SUMS = ("loss", "loan", "notional", "collateral")


@dataclass(frozen=True)
class Case:
    """A book, its rules, and the same paths for the oracles and for the engine."""

    rules: dict[str, Any]
    rows: list[dict[str, Any]]  # accounts that margin alone: the book's, other DEXs', isolated
    owners: list[int]  # of the rows after the book's accounts
    paths: list[dict[str, Any]]
    market: Market  # leaves [F, p, T]
    venue: Venue
    book: Book


def random_case(seed: int) -> Case:
    """A small book of every kind of account, and eight paths of wild markets."""
    rng = np.random.default_rng(seed)
    rules, prices = random_rules(rng, min_borrow_offset=20.0), random_prices(rng)
    accounts = []
    while len(accounts) < len(MODES):
        made = _account(rng, rules, prices, MODES[len(accounts)])
        # The first holds every market, so that all books have one program.
        if made is not None and (accounts or len(made["positions"]) == len(MARKETS)):
            accounts.append(made)
    accounts.append(_whale(rules, prices))
    accounts.append({"mode": "portfolio", "cash": {"USDC": 5e4, "USDT0": 2e4}, "supplied": {}})
    accounts[-1]["positions"] = []
    debt = sum(abs(x) for a in accounts[:7] for x in a["cash"].values())
    paths = [random_path(rng, prices, debt) for _ in range(PATHS)]
    rows, owners = _rows(accounts)
    book = load_book(document(rng, accounts, prices, rules), venue=load_venue(VENUE))
    assert book.markets == MARKETS and book.tokens == TOKENS and book.quotes[:2] == QUOTES
    return Case(rules, rows, owners, paths, market_of_paths(paths), venue_of(rules), book)


def _account(rng, rules, prices, mode: str) -> dict[str, Any] | None:
    """A random account that is not lost already, with up to one isolated position; else None."""
    made = random_account(
        rng, rules, prices, "portfolio" if mode == "borrower" else mode, mode != "borrower"
    )
    judge = oracles.portfolio_state if made["mode"] == "portfolio" else oracles.standard_state
    if mode != "borrower" and not made["positions"]:
        return None
    if judge(made, prices, rules)["liquidatable"] and rng.random() < 0.97:
        return None
    for held in made["positions"]:
        held["leverage"] = min(held["leverage"], 10.0)
    free = [m for m in MARKETS if m not in {p["market"] for p in made["positions"]}]
    if mode != "borrower" and free:
        market = free[int(rng.integers(len(free)))]
        mark = prices["mark"][market]
        size = float(rng.choice([-1, 1]) * 10 ** rng.uniform(3, 5.5) / mark)
        alone = position(market, size, mark * float(rng.uniform(0.95, 1.05)), 3.0)
        alone |= {
            "margin": "isolated",
            "margin_balance": float(rng.uniform(0.1, 0.4)) * abs(size) * mark,
        }
        made["positions"].append(alone)
    return made


def _whale(rules, prices) -> dict[str, Any]:
    """A standard account whose position reaches beyond every tier."""
    mark, last = prices["mark"]["BTC"], rules["tiers"]["BTC"][-1][0]
    size = (3 * last + 1e6) / mark
    need = oracles.maintenance_margin(rules["tiers"]["BTC"], size * mark)
    held = position("BTC", size, mark, 3.0)
    return {
        "mode": "cross",
        "cash": {"USDC": need + 0.1 * size * mark},
        "supplied": {},
        "positions": [held],
    }


def _rows(accounts: list[dict]) -> tuple[list[dict[str, Any]], list[int]]:
    """Accounts that margin alone, in the order of `stress.book.margin_accounts`."""
    own, away, alone = [], [], []
    for k, account in enumerate(accounts):
        cross = [p for p in account["positions"] if p["margin"] == "cross"]
        there = [p for p in cross if p["market"] == DEX and account["mode"] == "cross"]
        cash = dict(account["cash"])
        if there:
            elsewhere = {"USDT0": cash.pop("USDT0", 0.0)}
            away.append((k, {**account, "supplied": {}, "cash": elsewhere, "positions": there}))
        own.append({**account, "cash": cash, "positions": [p for p in cross if p not in there]})
        for held in account["positions"]:
            if held["margin"] == "isolated":
                alone.append(
                    (k, {"mode": "cross", "cash": {}, "supplied": {}, "positions": [held]})
                )
    return own + [row for _, row in away + alone], [k for k, _ in away + alone]


def document(rng, accounts, prices, rules) -> dict[str, Any]:
    """The accounts as a book's JSON; what a standard account has in USDT0 lies on the DEX."""
    entries = []
    for k, account in enumerate(accounts):
        balances = dict(account["cash"])
        away = [p for p in account["positions"] if p["market"] == DEX and p["margin"] == "cross"]
        if account["mode"] == "cross" and away:
            balances["xyz:USDT0"] = balances.pop("USDT0", 0.0)
        lends = not account["positions"] and not account["supplied"]
        entries.append(
            {
                "id": f"a{k}",
                "mode": "lender" if lends else account["mode"],
                "group": "abc"[int(rng.integers(3))],
                "balances": balances,
                "supplied": account["supplied"],
                "positions": account["positions"],
            }
        )
    quoted = {m: {"mark": x, "oracle": prices["oracle"][m]} for m, x in prices["mark"].items()}
    return {
        "as_of": "2026-09-08T00:00:00Z",
        "venue": VENUE,
        "prices": quoted | {t: prices["borrow"][t] for t in ("USDT0", "UBTC")}
        | {"HYPE": {"mark": prices["mark"]["HYPE"], "oracle": prices["borrow"]["HYPE"]}},
        "settle": {DEX: "USDT0"},
        "margin_tables": {DEX: rules["tiers"][DEX]},
        "accounts": entries,
    }  # fmt: skip


def random_path(rng, prices, debt: float) -> dict[str, Any]:
    """Prices that wander and jump together; utilization up to 1; a premium of either sign."""
    common, own = rng.normal(0, 0.025, STEPS), rng.normal(0, 0.025, (5, STEPS))
    jump = rng.normal(0, 0.2, STEPS) * (rng.random(STEPS) < 0.05)

    def line(k, start):
        return start * np.exp(np.concatenate([[0], np.cumsum(common + own[k] + jump)]))

    mark = {m: line(k, prices["mark"][m]) for k, m in enumerate(MARKETS)}
    borrow = {"USDC": np.ones(STEPS + 1)}
    borrow["USDT0"] = prices["borrow"]["USDT0"] * np.linspace(1, rng.uniform(0.9, 1), STEPS + 1)
    for token, coin in (("HYPE", "HYPE"), ("UBTC", "BTC")):
        borrow[token] = mark[coin] * (prices["borrow"][token] / prices["mark"][coin])
    use = {q: rng.uniform(0.6, 1.1) + np.cumsum(rng.normal(0, 0.05, STEPS + 1)) for q in QUOTES}
    use = {q: np.clip(u, 0.1, 1.0) for q, u in use.items()}
    room = debt * rng.choice([0.1, 10.0])
    return {
        "mark": mark,
        "oracle": {m: v * (prices["oracle"][m] / prices["mark"][m]) for m, v in mark.items()},
        "borrow": borrow,
        "utilization": use,
        "premium": {m: float(rng.normal(0, 2e-3)) for m in MARKETS},
        "free": {q: room * (1 - u) for q, u in use.items()},
    }


def market_of_paths(paths: list[dict[str, Any]]) -> Market:
    """The engine's market, leaves `[F, p, T]`, from the oracles' rates."""

    def stack(names, of):
        return jnp.asarray(np.array([[of(path, name) for path in paths] for name in names]))

    def settlement(path, m):
        paid = np.cumsum(oracles.funding_rate(path["premium"][m]) * path["oracle"][m])
        return path["mark"][m] - np.concatenate([[0.0], paid[:-1]])

    def factors(curve):
        """Growth factor of the step that ends at each time, 1 at the start."""
        return lambda path, q: np.array(
            [1.0, *(oracles.growth_factor(curve(u), 1.0) for u in path["utilization"][q][:-1])]
        )

    borrow = stack(QUOTES, factors(oracles.borrow_rate))
    supply = stack(QUOTES, factors(oracles.supply_rate))
    return Market(
        mark=stack(MARKETS, lambda path, m: path["mark"][m]),
        settlement=stack(MARKETS, settlement),
        collateral_price=stack(TOKENS, lambda path, t: path["borrow"][t]),
        quote_price=stack(QUOTES, lambda path, q: path["borrow"][q]),
        borrow_growth=borrow - 1,
        supply_growth=supply - 1,
        borrow_index=jnp.cumprod(borrow, axis=2),
        supply_index=jnp.cumprod(supply, axis=2),
        free_liquidity=stack(QUOTES, lambda path, q: path["free"][q]),
    )
