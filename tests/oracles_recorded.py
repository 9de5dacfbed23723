"""The recorded portfolio account of 2026-09-08, parsed from the venue's own answers."""

import json
from pathlib import Path
from typing import Any

from oracles_examples import plain_rules
from oracles_margin import Record


def parse_position(entry: Record) -> tuple[dict[str, Any], float, float]:
    """One position with its mark and its market's maximum leverage.

    The recorded rawUsd of an isolated position is margin balance - size * entry, so the
    balance follows from it.
    """
    size, value = float(entry["szi"]), float(entry["positionValue"])
    position: dict[str, Any] = {
        "market": entry["coin"],
        "size": size,
        "entry_price": float(entry["entryPx"]),
        "leverage": float(entry["leverage"]["value"]),
        "margin": entry["leverage"]["type"],
    }
    if position["margin"] == "isolated":
        raw = float(entry["leverage"]["rawUsd"])
        position["margin_balance"] = raw + size * position["entry_price"]
    return position, value / abs(size), float(entry["maxLeverage"])


def recorded_account(shared_path: Path) -> tuple[dict, dict, dict, dict]:
    """The recorded account as (account, prices, rules, reported).

    Every market has one tier at the position's own maxLeverage; the record holds no perp
    oracle, so `oracle` repeats the mark. Dust that is held but not supplied is left out. The
    resting orders' margin is not in the answers; `reported["orders_margin"]` is what
    cross account value - withdrawable - initial margin leaves.

    Args:
      shared_path: folder that holds `data/recorded`.

    Returns:
      account, prices and rules as in `oracles`, and the venue's own figures.
    """
    folder = Path(shared_path) / "data" / "recorded" / "account_2026-09-08"
    perp, spot, reserves = (
        json.loads((folder / f"{name}.json").read_text())
        for name in ("clearinghouseState", "spotClearinghouseState", "allBorrowLendReserveStates")
    )
    names = {balance["token"]: balance["coin"] for balance in spot["balances"]}
    balances = {balance["coin"]: balance for balance in spot["balances"]}
    entries = [item["position"] for item in perp["assetPositions"]]
    positions, marks, tiers = [], {}, {}
    for entry in entries:
        position, mark, leverage = parse_position(entry)
        positions.append(position)
        marks[position["market"]] = mark
        tiers[position["market"]] = [(0.0, leverage)]
    total = float(balances["USDC"]["total"])
    isolated = sum(float(e["marginUsed"]) for e in entries if e["leverage"]["type"] == "isolated")
    profit = sum(
        p["size"] * (marks[p["market"]] - p["entry_price"])
        for p in positions
        if p["margin"] == "cross"
    )
    supplied = {n: float(b["supplied"]) for n, b in balances.items() if float(b.get("supplied", 0))}
    cross = perp["crossMarginSummary"]
    reported = {
        "total": total,
        "isolated_margin": isolated,
        "maintenance_margin": float(perp["crossMaintenanceMarginUsed"]),
        "cross_account_value": float(cross["accountValue"]),
        "account_value": float(perp["marginSummary"]["accountValue"]),
        "initial_margin": float(cross["totalMarginUsed"]),
        "withdrawable": float(perp["withdrawable"]),
        "borrowed": float(balances["USDC"]["borrowed"]),
        "usdt0_hold": float(balances["USDT0"]["hold"]),
        "portfolio_margin_ratio": float(spot["portfolioMarginRatio"]),
        "available_after_maintenance": {
            names[token]: float(v) for token, v in spot["tokenToAvailableAfterMaintenance"]
        },
        "margin_used": {e["coin"]: float(e["marginUsed"]) for e in entries},
        "liquidation_price": {
            e["coin"]: None if e["liquidationPx"] is None else float(e["liquidationPx"])
            for e in entries
        },
        "reserves": {
            names[token]: {key: float(value) for key, value in state.items()}
            for token, state in reserves
        },
    }
    reported["orders_margin"] = (
        reported["cross_account_value"] - reported["withdrawable"] - reported["initial_margin"]
    )
    rules = plain_rules(tiers=tiers, settle=dict.fromkeys(marks, "USDC"))
    prices = {
        "mark": marks,
        "oracle": dict(marks),
        "borrow": {name: state["oraclePx"] for name, state in reported["reserves"].items()},
    }
    account = {
        "mode": "portfolio",
        "cash": {"USDC": total - isolated - profit},
        "supplied": supplied,
        "positions": positions,
    }
    return account, prices, rules, reported
