"""Random small books, paths, rules and settings of cascades; six accounts, all modes.

Plain numbers, one generator per seed. Money is USDC, time hours.
"""

import math
import random
from typing import Any

from oracles_margin import maintenance_margin
from oracles_portfolio import weights

MARKETS = {"BTC": 80000.0, "HYPE": 40.0, "SOL": 150.0}
TOKENS = {"HYPE": "HYPE", "UBTC": "BTC"}
LENGTHS = (3 / 3600, 1 / 60, 5 / 60, 1.0)
SHAPES = ("square_root", "linear", "ladder")
ORDERS = ("random", "perps_first", "borrows_first")
TIERS = {"BTC": [(0.0, 40.0), (1e6, 20.0)], "HYPE": [(0.0, 10.0), (4e5, 5.0)],
         "SOL": [(0.0, 20.0), (7e5, 10.0)]}  # fmt: skip


def random_case(
    seed: int,
    *,
    shape: str | None = None,
    order: str | None = None,
    steps: int = 60,
    dt: float | None = None,
    count: int = 2,
) -> tuple[list[dict], list[dict], dict[str, Any], dict[str, Any]]:
    """One small campaign.

    Args:
      seed: of everything.
      shape: of the impact; None draws one per asset.
      order: random, perps_first or borrows_first; None draws one.
      steps: of every path.
      dt: hours of a step; None draws a length, or a mixture of lengths.
      count: paths.

    Returns:
      (accounts, paths, rules, settings).
    """
    rng = random.Random(seed)
    rules = random_rules(rng)
    order = order or rng.choice(ORDERS)
    kinds = ["portfolio", "borrower", "lender", "unified", "cross", "isolated"]
    if rng.random() < 0.4:
        kinds[2] = "portfolio"
    accounts = [random_account(rng, kind, rules, order) for kind in kinds]
    settings = random_settings(rng, shape)
    loan, idle = pool_bounds(accounts)
    lengths = [dt] if dt else [rng.choice(LENGTHS)] if rng.random() < 0.6 else list(LENGTHS)
    hours = [0.0]
    for _ in range(steps):
        hours.append(hours[-1] + rng.choice(lengths))
    lent = settings["vault_capital"] * settings["vault_lent_share"]
    paths = [random_path(rng, hours, loan, idle + lent) for _ in range(count)]
    for n, path in enumerate(paths):
        strange_factors(random.Random(1000 * seed + n), path)
    if rng.random() < 0.3:
        rules["global_borrow_cap"] = paths[0]["borrow"][0] * rng.uniform(1.0, 1.2)
    return accounts, paths, rules, settings


def random_rules(rng: random.Random) -> dict[str, Any]:
    """Switches, caps and tiers."""
    return {
        "tiers": TIERS,
        "ltv": {"HYPE": rng.choice([0.5, 0.65]), "UBTC": 0.5},
        "user_supply_cap": {"HYPE": rng.choice([5e3, 1e6]), "UBTC": math.inf},
        "user_borrow_cap": rng.choice([2e5, 5e7, 5e7]),
        "global_borrow_cap": 5e8,
        "min_borrow_offset": 20.0,
        "offset_mode": rng.choice(["floor", "additive", "none"]),
        "reserve_liquidity_limits_credit": rng.random() < 0.75,
        "takeover_starts_at": rng.choice(["pmr", "partial_threshold"]),
        "cooldown": 30 / 3600,
        "takeover_interval": 3 / 3600,
        "twap_half_life": 10 / 60,
        "partial_notional": 1e5,
        "market_asset": {m: m for m in MARKETS},
        "token_asset": dict(TOKENS),
    }


def random_account(rng: random.Random, kind: str, rules: dict, order: str) -> dict[str, Any]:
    """One account, mostly healthy at the start prices; borrower and lender hold no perps."""
    size, entry, leverage, supplied = {}, {}, {}, {}
    need = exposure = credit = 0.0
    markets = [] if kind in ("borrower", "lender") else rng.sample(list(MARKETS), rng.randint(1, 3))
    for m in markets[:1] if kind == "isolated" else markets:
        notional, price = math.exp(rng.uniform(math.log(1e4), math.log(3e6))), MARKETS[m]
        size[m] = rng.choice([-1, 1, 1]) * notional / price
        entry[m] = price * math.exp(rng.gauss(0, 0.15))
        leverage[m] = TIERS[m][0][1] * rng.uniform(0.3, 1.0)
        need += maintenance_margin(TIERS[m], notional)
        exposure += size[m] * price
    if kind in ("portfolio", "borrower"):
        for c in rng.sample(list(TOKENS), rng.randint(1, 2)):
            price = MARKETS[TOKENS[c]]
            supplied[c] = math.exp(rng.uniform(math.log(2e4), math.log(1.5e6))) / price
            counted = min(supplied[c], rules["user_supply_cap"][c])
            credit += counted * price * weights(rules["ltv"][c])[1]
        credit = min(credit, rules["user_borrow_cap"])
    ratio = rng.uniform(0.4, 0.92)
    if kind == "lender":
        equity = math.exp(rng.uniform(math.log(1e4), math.log(1e6)))
    elif kind == "borrower":
        equity = -ratio * credit
    elif kind == "portfolio":
        equity = need / ratio - credit
        if equity < need:
            equity = 2 * need - ratio * (need + credit)
    else:
        equity = need / ratio
    return {
        "kind": "portfolio" if kind in ("borrower", "lender") else kind,
        "cash": equity - exposure,
        "size": size,
        "entry": entry,
        "leverage": leverage,
        "supplied": supplied,
        "coin": {"random": rng.randint(0, 1), "perps_first": 1, "borrows_first": 0}[order],
    }


def pool_bounds(accounts: list[dict]) -> tuple[float, float]:
    """Upper bounds of what the portfolio accounts owe and lend at the start, USDC."""
    loan = idle = 0.0
    for a in accounts:
        if a["kind"] != "portfolio":
            continue
        equity = a["cash"] + sum(s * MARKETS[m] for m, s in a["size"].items())
        initial = sum(
            max(0.1, 1 / a["leverage"][m]) * abs(s) * MARKETS[m] for m, s in a["size"].items()
        )
        loan += max(0.0, initial - equity)
        idle += max(0.0, equity)
    return loan, idle


def random_path(rng: random.Random, hours: list[float], loan: float, idle: float) -> dict[str, Any]:
    """Prices that wander and jump; a reserve that runs."""
    steps, total = len(hours) - 1, rng.choice([0.05, 0.12, 0.25])
    log = {m: [0.0] for m in MARKETS}
    crash = {rng.randrange(steps): rng.choice([-1, -1, -1, 1]) * rng.uniform(0.03, 0.35)
             for _ in range(rng.randint(1, 3))}  # fmt: skip
    for k in range(steps):
        common = rng.gauss(0, 1)
        for m in MARKETS:
            move = total / math.sqrt(steps) * (0.8 * common + 0.6 * rng.gauss(0, 1))
            log[m].append(log[m][-1] + move + crash.get(k, 0.0) * rng.uniform(0.6, 1.4))
    basis = {m: math.exp(rng.gauss(0, 0.003)) for m in MARKETS}
    peg = math.exp(rng.gauss(0, 0.003))
    outside = rng.choice([0.02, 0.3, 3.0]) * (loan + idle) + rng.choice([0.0, 1e4])
    owed = loan + outside * rng.uniform(0.2, 0.8)
    spare = max(0.0, owed / rng.uniform(0.6, 0.99) - idle)
    supply, borrow = [idle + spare], [owed]
    run, surge = rng.choice([0.0, 0.02, 0.1]), rng.choice([0.0, 0.03, 0.1])
    for _ in range(steps):
        spare *= math.exp(rng.gauss(-0.3 * run, run))
        supply.append(idle + spare)
        borrow.append(max(loan, borrow[-1] * math.exp(rng.gauss(0, surge))))
    mark = {m: [p * math.exp(x) for x in log[m]] for m, p in MARKETS.items()}
    return {
        "hours": list(hours),
        "mark": mark,
        "oracle": {m: [basis[m] * x for x in line] for m, line in mark.items()},
        "price": {c: [peg * x for x in mark[a]] for c, a in TOKENS.items()},
        "log": log,
        "funding": rng.choice([0.0, 1.25e-5, -1e-4, 5e-4]),
        "supply": supply,
        "borrow": borrow,
    }


def strange_factors(rng: random.Random, path: dict[str, Any]) -> None:
    """Half of the paths: an oracle that falls silent, a book that thins, funding that moves."""
    if rng.random() < 0.5:
        return
    steps = len(path["hours"])
    begin, asset = rng.randrange(steps), rng.choice(list(MARKETS))
    end = min(steps, begin + rng.randint(1, steps // 2))
    silent = range(begin + 1, end)
    path["spot"] = {c: list(line) for c, line in path["price"].items()}
    path["live"] = {a: [a != asset or t not in silent for t in range(steps)] for a in MARKETS}
    lines = [path["oracle"][asset], *(path["price"][c] for c, a in TOKENS.items() if a == asset)]
    for line in lines:
        for t in silent:
            line[t] = line[begin]
    path["depth"] = {a: [1.0] * steps for a in MARKETS}
    thin = rng.choice(list(MARKETS))
    for t in range(rng.randrange(steps), steps):
        path["depth"][thin][t] = rng.uniform(0.05, 1.0)
    path["funding"] = [rng.choice([0.0, 1e-3, -2e-3, path["funding"]]) for _ in range(steps)]


def random_settings(rng: random.Random, shape: str | None) -> dict[str, Any]:
    """Impact strong enough for cascades; every switch drawn."""
    impact: dict[str, dict[str, Any]] = {}
    for a in MARKETS:
        kind, volume = shape or rng.choice(SHAPES), math.exp(rng.uniform(13.8, 18.0))
        if kind == "square_root":
            impact[a] = {"shape": kind, "scale": rng.uniform(0.5, 1.0), "volatility": 0.05,
                         "volume": volume}  # fmt: skip
        elif kind == "linear":
            impact[a] = {"shape": kind, "depth": 4.0 * volume}
        else:
            impact[a] = {"shape": kind}
            for side in ("bid", "ask"):
                points, distance, total = [], 0.0, 0.0
                for _ in range(4):
                    distance += rng.uniform(0.002, 0.04)
                    total += volume * rng.uniform(0.02, 0.3)
                    points.append((distance, total))
                impact[a][side] = points
    return {
        "impact": impact,
        "volatility": {a: rng.uniform(0.03, 0.1) for a in MARKETS},
        "reach": rng.choice([0.03, 0.15, 0.5]),
        "permanent_share": rng.choice([0.0, 0.3, 1.0]),
        "half_life": rng.choice([0.02, 0.5]),
        "pass_through": rng.choice([0.0, 0.5, 1.0]),
        "depth_collapse": rng.choice([0.0, 0.3, 1.0]),
        "depth_half_life": rng.choice([0.1, 1.0]),
        "depth_floor": 0.1,
        "vault_capital": rng.choice([0.0, 2e4, 1e6]),
        "vault_lent_share": rng.choice([0.0, 0.5, 0.9]),
        "takeover_capital": rng.choice([0.0, 5e3, 1e5]),
        "round_limit": rng.choice([3, 50, 50, 50]),
        "lending": "book",
    }
