"""The engine's canary: its stored outcome is the oracle's, and a wrong one is caught.

To write stress/engine_canary.json again: python -m tests.test_engine_canary
"""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

import jax
import numpy as np
import oracles
from oracles_examples import plain_rules

from stress import engine_canary

FILE = Path(__file__).resolve().parents[1] / "stress" / "engine_canary.json"
TIMES, PATHS = 25, 8
START = {"BTC": 80_000.0, "HYPE": 80.0}
BOOK = {
    "as_of": "2026-09-08T00:00:00Z",
    "venue": "hyperliquid/2026-08-19",
    "prices": {"BTC": 80_000.0, "HYPE": 80.0, "UBTC": 80_000.0},
    "reserves": {"USDC": {"supplied": 1e6, "borrowed": 9e5}},
    "accounts": [
        {"id": "looper", "mode": "portfolio", "balances": {"USDC": -4600.0},
         "supplied": {"HYPE": 100.0}},
        {"id": "carry", "mode": "portfolio", "balances": {"USDC": 500.0}, "supplied": {"UBTC": 1.0},
         "positions": [{"market": "BTC", "size": -9.0, "entry_price": 80_000.0, "leverage": 10,
                        "margin": "cross"}]},
        {"id": "directional", "mode": "portfolio", "balances": {"USDC": 9_000.0},
         "supplied": {"HYPE": 50.0},
         "positions": [{"market": "BTC", "size": 0.9, "entry_price": 79_000.0, "leverage": 20,
                        "margin": "cross"},
                       {"market": "HYPE", "size": 400.0, "entry_price": 81.0, "leverage": 5,
                        "margin": "cross"}]},
        {"id": "whale", "mode": "cross", "balances": {"USDC": 6.0e7},
         "positions": [{"market": "BTC", "size": 5_000.0, "entry_price": 80_000.0, "leverage": 10,
                        "margin": "cross"}]},
        {"id": "isolated", "mode": "cross", "balances": {"USDC": 100.0},
         "positions": [{"market": "HYPE", "size": -100.0, "entry_price": 80.0, "leverage": 5,
                        "margin": "isolated", "margin_balance": 1_600.0}]},
    ],
}  # fmt: skip


def make_case():
    """Input and the oracle's outcome, all plain numbers."""
    rng = np.random.default_rng(20260908)
    mark, used = [], []
    for _ in range(PATHS):
        shocks = rng.standard_normal((TIMES - 1, 2)) * [0.03, 0.05]
        logs = np.vstack([np.zeros(2), np.cumsum(shocks, axis=0)])
        mark.append(np.exp(logs) * list(START.values()))
        used.append(np.clip(0.9 + np.cumsum(rng.standard_normal(TIMES) * 0.02), 0.0, 1.0))
    mark, used = np.array(mark), np.array(used)  # [p, T, 2], [p, T]
    rate = np.vectorize(oracles.borrow_rate)(used)
    grow = np.expm1(rate / 8760)
    earn = np.expm1(rate * used * 0.9 / 8760)
    grow, earn = (np.hstack([np.zeros((PATHS, 1)), x[:, :-1]]) for x in (grow, earn))

    def index(growth):
        return np.cumprod(1 + growth, axis=1)

    free = np.maximum(1e6 * (1 - used), 0)
    market = {
        "mark": mark.transpose(2, 0, 1),
        "settlement": np.stack([settlement(path) for path in mark]).transpose(2, 0, 1),
        "collateral_price": mark.transpose(2, 0, 1)[::-1],
        "borrow_growth": grow[None],
        "supply_growth": earn[None],
        "borrow_index": index(grow)[None],
        "supply_index": index(earn)[None],
        "free_liquidity": free[None],
    }
    expected = [outcomes(mark[p], used[p], free[p]) for p in range(PATHS)]
    named = {key: [path[key] for path in expected] for key in ("first", "full", "loss")}
    return {
        "book": BOOK,
        "market": {name: values.tolist() for name, values in market.items()},
        "expected": named,
    }


def settlement(mark):
    """Mark less the funding a long has paid per contract, at premium 0."""
    paid = np.cumsum(oracles.funding_rate(0.0) * mark, axis=0)
    return mark - np.vstack([np.zeros(mark.shape[1]), paid[:-1]])


def outcomes(mark, used, free):
    """First liquidation, full flag and loss of every margin account on one path, by the oracle."""
    rules = plain_rules(user_supply_cap={"HYPE": 1e6, "UBTC": 200.0})
    path = {
        "mark": {"BTC": mark[:, 0], "HYPE": mark[:, 1]},
        "borrow": {"USDC": np.ones(TIMES), "HYPE": mark[:, 1], "UBTC": mark[:, 0]},
        "utilization": {"USDC": used},
        "free": {"USDC": free},
        "premium": 0.0,
    }
    result = {"first": [], "full": [], "loss": []}
    for spec in BOOK["accounts"]:
        account = {
            "mode": spec["mode"],
            "cash": dict(spec["balances"]),
            "supplied": dict(spec.get("supplied", {})),
            "positions": [p for p in spec.get("positions", []) if p["margin"] == "cross"],
        }
        played = oracles.simulate_path(account, path, rules, interest_needs_liquidity=False)
        worth = np.array([x.get("USDC", 0.0) for x in played["equity"]])
        for token, units in account["supplied"].items():
            worth = worth + units * path["borrow"][token]
        note(result, played["first_liquidatable"], played["first_full"], worth)
    for spec in BOOK["accounts"]:
        for position in spec.get("positions", []):
            if position["margin"] == "isolated":
                alone = {"mode": "cross", "cash": {}, "supplied": {}, "positions": [position]}
                played = oracles.simulate_path(alone, path, rules)
                coin = list(START).index(position["market"])
                move = settlement(mark)[:, coin] - position["entry_price"]
                worth = position["margin_balance"] + position["size"] * move
                note(result, played["isolated_first"][0], played["isolated_full"][0], worth)
    return result


def note(result, first, full, worth):
    """Appends one margin account: its loss is up to its first liquidation or the horizon."""
    end = len(worth) - 1 if first is None else first
    result["first"].append(-1 if first is None else first)
    result["full"].append(float(full is not None))
    result["loss"].append(float(worth[0] - worth[end]))


def test_the_stored_outcome_is_the_oracles():
    made = json.loads(json.dumps(make_case()))
    stored = json.loads(FILE.read_text())
    assert made["book"] == stored["book"]
    for part in ("market", "expected"):
        assert made[part].keys() == stored[part].keys()
        for key, values in made[part].items():
            np.testing.assert_allclose(values, stored[part][key], rtol=1e-12, atol=1e-9)


def test_the_case_exercises_every_account():
    expected = json.loads(FILE.read_text())["expected"]
    first = np.array(expected["first"])
    assert ((first >= 0).any(axis=0) & (first < 0).any(axis=0)).sum() >= 5
    assert 0 < np.mean(expected["full"]) < 1


def test_the_engine_passes_and_a_wrong_outcome_is_caught(monkeypatch):
    assert engine_canary.engine_canary(jax.devices()[0]).passed
    for key, shift in (("first", 1), ("full", 1), ("loss", 1e-3)):
        wrong = json.loads(FILE.read_text())
        wrong["expected"][key][0][0] += shift
        monkeypatch.setattr(engine_canary, "stored", lambda wrong=wrong: wrong)
        assert not engine_canary.engine_canary(jax.devices()[0]).passed


if __name__ == "__main__":
    FILE.write_text(json.dumps(make_case(), separators=(",", ":")) + "\n")
