"""Random small books, paths and settings of cascades, for the oracle and for the engine."""

from typing import Any

import numpy as np

MARKETS = {"BTC": 8e4, "HYPE": 40.0, "SOL": 150.0}
TOKENS = {"HYPE": "HYPE", "UBTC": "BTC"}
KINDS = ("portfolio", "borrower", "lender", "unified", "cross", "isolated")
LENGTHS = np.array([3.0, 60.0, 300.0, 3600.0]) / 3600  # hours of a step
SHAPES = ("square_root", "linear", "ladder")


def random_case(
    seed: int, *, shape: str | None = None, coin: int | None = None, steps: int = 60, count: int = 4
) -> tuple[list[dict], list[dict], dict[str, Any], dict[str, Any]]:
    """(accounts, paths of one grid, rules, settings); one account of every kind.

    Args:
      seed: of everything.
      shape: of the impact; None draws one.
      coin: order of all accounts, 1 perpetuals first; None draws it for each.
      steps: of the grid, of mixed lengths from 3 s to 1 h.
      count: paths.
    """
    rng = np.random.default_rng(seed)
    start = {m: p * float(rng.uniform(0.7, 1.3)) for m, p in MARKETS.items()}
    rules = _rules(rng)
    accounts = [_account(rng, kind, start, rules, coin) for kind in KINDS]
    debt = sum(abs(a["cash"]) for a in accounts[1:3]) + 1e4
    lengths = rng.choice(LENGTHS, steps, p=[0.15, 0.35, 0.2, 0.3])
    hours = np.concatenate([[0.0], np.cumsum(lengths)])
    funding = float(rng.choice([1.25e-5, -2e-4, 1e-3]))
    paths: list[dict[str, Any]] = [
        _path(rng, start, hours, debt) | {"funding": funding} for _ in range(count)
    ]
    chosen = shape or SHAPES[int(rng.integers(3))]
    settings = _settings(rng, chosen)
    most = 0.5 * min(p["supply"][0] for p in paths)  # the vault lends less than there is
    if settings["vault_capital"] * settings["vault_lent_share"] > most:
        settings["vault_lent_share"] = most / settings["vault_capital"]
    return accounts, paths, rules, settings


def _rules(rng) -> dict[str, Any]:
    tiers = {"BTC": [(0.0, 40.0), (4e5, 20.0)], "HYPE": [(0.0, 10.0), (2e5, 5.0)],
             "SOL": [(0.0, 20.0)]}  # fmt: skip
    return {
        "tiers": tiers,
        "ltv": {"HYPE": float(rng.choice([0.5, 0.65])), "UBTC": 0.5},
        "user_supply_cap": {"HYPE": float(rng.choice([2e3, 1e6])), "UBTC": 1e6},
        "user_borrow_cap": float(rng.choice([5e4, 1e7])),
        "global_borrow_cap": float(rng.choice([6e5, 1e9])),
        "min_borrow_offset": float(rng.choice([20.0, 2e3])),
        "offset_mode": str(rng.choice(["floor", "additive", "none"])),
        "reserve_liquidity_limits_credit": bool(rng.random() < 0.8),
        "takeover_starts_at": str(rng.choice(["pmr", "partial_threshold"])),
        "cooldown": 29 / 3600,  # no whole number of steps
        "takeover_interval": 3 / 3600,
        "twap_half_life": 1 / 6,
        "partial_notional": 1e5,
        "market_asset": {m: m for m in tiers},
        "token_asset": TOKENS,
    }


def _account(rng, kind: str, start: dict, rules: dict, coin: int | None) -> dict[str, Any]:
    size, entry, leverage = {}, {}, {}
    only = str(rng.choice(list(MARKETS))) if kind == "isolated" else None
    for m, price in start.items():
        held = kind not in ("borrower", "lender") and (only is None or m == only)
        held = held and (only is not None or rng.random() < 0.75)
        notional = 10 ** rng.uniform(4, 6.3) if held else 0.0
        size[m] = float(rng.choice([-1, 1], p=[0.4, 0.6]) * notional / price)
        entry[m] = price * float(rng.uniform(0.8, 1.2))
        leverage[m] = rules["tiers"][m][0][1] * float(rng.uniform(0.2, 1))
    supplied = dict.fromkeys(TOKENS, 0.0)
    credit = 0.0
    if kind in ("portfolio", "borrower"):
        for c, a in TOKENS.items():
            value = float(10 ** rng.uniform(4, 5.7))
            supplied[c] = value / start[a]
            counted = min(supplied[c], rules["user_supply_cap"].get(c, 1e99)) * start[a]
            credit += counted * (1 + rules["ltv"][c]) / 2
    need = sum(abs(n) * start[m] / rules["tiers"][m][-1][1] / 2 for m, n in size.items())
    if kind == "lender":
        equity = float(10 ** rng.uniform(4, 6))
    elif kind == "borrower":
        equity = -min(credit, rules["user_borrow_cap"]) * float(rng.uniform(0.4, 0.93))
    elif kind == "portfolio":
        capped = min(credit, rules["user_borrow_cap"])
        equity = need * float(rng.uniform(1.1, 2.5)) - capped * float(rng.uniform(0.2, 0.9))
    else:
        equity = need * float(rng.uniform(1.15, 4)) + 50
    return {
        "kind": "portfolio" if kind in ("borrower", "lender") else kind,
        "cash": equity - sum(n * start[m] for m, n in size.items()),
        "size": size,
        "entry": entry,
        "leverage": leverage,
        "supplied": supplied,
        "coin": int(rng.integers(2)) if coin is None else coin,
    }


def _path(rng, start: dict, hours: np.ndarray, debt: float) -> dict[str, Any]:
    steps = np.diff(hours)
    common = rng.normal(0, 1, len(steps))
    jumps = rng.normal(-0.03, 0.15, len(steps)) * (rng.random(len(steps)) < 0.06)
    log = {}
    for m in start:
        own = rng.normal(0, 1, len(steps))
        moves = 0.025 * np.sqrt(steps) * (0.8 * common + 0.6 * own) + jumps * rng.uniform(0.5, 1.5)
        log[m] = np.concatenate([[0.0], np.cumsum(moves)]).tolist()
    mark = {m: (p * np.exp(log[m])).tolist() for m, p in start.items()}
    drift = float(rng.uniform(0.98, 1.02))
    used = np.clip(rng.uniform(0.6, 1.0) + np.cumsum(rng.normal(0, 0.04, len(hours))), 0.2, 1.3)
    supply = (
        debt
        * float(rng.choice([2.0, 20.0]))
        * np.exp(np.concatenate([[0.0], np.cumsum(rng.normal(0, 0.05, len(steps)))]))
    )
    used[0] = min(used[0], 0.95)
    return {
        "hours": hours.tolist(),
        "mark": mark,
        "oracle": {m: [drift * x for x in line] for m, line in mark.items()},
        "price": {c: mark[a] for c, a in TOKENS.items()},
        "log": log,
        "supply": supply.tolist(),
        "borrow": (supply * used).tolist(),
    }


def _settings(rng, shape: str) -> dict[str, Any]:
    impact: dict[str, dict[str, Any]] = {}
    for m in MARKETS:
        volume = float(10 ** rng.uniform(5.5, 7.5))
        if shape == "square_root":
            impact[m] = {"shape": shape, "scale": 1.0, "volatility": 0.04, "volume": volume}
        elif shape == "linear":
            impact[m] = {"shape": shape, "depth": 10 * volume}
        else:
            impact[m] = {"shape": shape}
            for side in ("bid", "ask"):
                distance = np.cumsum(rng.uniform(1e-3, 3e-2, 4))
                depth = np.cumsum(rng.uniform(0.02, 0.5, 4) * volume)
                impact[m][side] = list(zip(distance.tolist(), depth.tolist(), strict=True))
    return {
        "impact": impact,
        "volatility": {m: float(rng.uniform(0.02, 0.08)) for m in MARKETS},
        "reach": float(rng.choice([0.05, 0.4])),
        "permanent_share": float(rng.choice([0.0, 0.3, 1.0])),
        "half_life": float(rng.choice([0.05, 0.5])),
        "pass_through": float(rng.choice([0.0, 0.5, 1.0])),
        "depth_collapse": float(rng.choice([0.0, 0.4])),
        "depth_half_life": 0.5,
        "depth_floor": 0.05,
        "vault_capital": float(rng.choice([0.0, 1e4, 1e6])),
        "vault_lent_share": float(rng.choice([0.0, 0.5])),
        "takeover_capital": float(rng.choice([0.0, 1e3])),
        "round_limit": 40,
        "lending": "book",
    }
