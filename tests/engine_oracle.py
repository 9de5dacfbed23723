"""How one margin account of a book ends on one path, by the loop of the oracles.

Interest of an account with positions stops at its first liquidation in the engine, so what follows
it is judged with the balances of that moment.
"""

from typing import Any

import numpy as np
import oracles
import oracles_path


def oracle_row(
    row: dict[str, Any], path: dict[str, Any], rules: dict[str, Any]
) -> dict[str, float]:
    """First liquidation (inf: never), full flag and sums of one margin account on one path."""
    settled = {rules["settle"][p["market"]] for p in row["positions"]}
    # Old debt in a token without positions never draws anew; the oracle's rounding might.
    path = path | {"free": {q: x for q, x in path["free"].items() if q in settled}}
    alone = bool(row["positions"]) and row["positions"][0]["margin"] == "isolated"
    got = oracles.simulate_path(row, path, rules, interest_needs_liquidity=False)
    first = got["isolated_first"][0] if alone else got["first_liquidatable"]
    end = len(path["borrow"]["USDC"]) - 1 if first is None else first
    result = {"first": np.inf if first is None else float(first), "refused": 0.0}
    if alone:
        result |= {"full": float(got["isolated_full"][0] is not None)}
        start, after = (isolated_worth(row["positions"][0], path, rules, t) for t in (0, end))
    else:
        result |= {"full": float(full(row, path, rules, got))}
        result |= {"refused": float(first is not None and got["refused"][end])}
        start, after = (worth(row, path, got["equity"][t], t) for t in (0, end))
        # The engine's additive offset adds nothing where nothing is owed or maintained.
        result["ratio"] = got["ratio"][end] if rules["offset_mode"] != "additive" else np.nan
    loan = got["loan"][end] if not alone else {}
    return result | {
        "loss": start - after,
        "loan": sum(units * path["borrow"][q][end] for q, units in loan.items()),
        "notional": notional(row, path, rules, end),
        "collateral": sum(n * path["borrow"][t][end] for t, n in row["supplied"].items()),
        "gross": gross(row, path, rules),
    }


def worth(row, path, equity, t: int) -> float:
    held = sum(units * path["borrow"][token][t] for token, units in row["supplied"].items())
    return held + sum(x * path["borrow"][q][t] for q, x in equity.items())


def isolated_worth(held, path, rules, t: int) -> float:
    market = held["market"]
    rate = oracles.funding_rate(path["premium"][market])
    paid = sum(oracles.funding_payment(held["size"], x, rate) for x in path["oracle"][market][:t])
    gain = held["size"] * (path["mark"][market][t] - held["entry_price"])
    return (held["margin_balance"] + gain - paid) * path["borrow"][rules["settle"][market]][t]


def notional(row, path, rules, t: int) -> float:
    return sum(
        abs(p["size"])
        * path["mark"][p["market"]][t]
        * path["borrow"][rules["settle"][p["market"]]][t]
        for p in row["positions"]
    )


def gross(row, path, rules) -> float:
    """Everything the account's money is made of, USDC, at the greatest prices of the path."""
    cash = sum(abs(x) * path["borrow"][q].max() for q, x in row["cash"].items())
    held = sum(n * path["borrow"][t].max() for t, n in row["supplied"].items())
    perps = sum(
        abs(p["size"]) * (p["entry_price"] + path["mark"][p["market"]].max())
        for p in row["positions"]
    )
    return cash + held + perps + 1.0


def full(row, path, rules, got) -> bool:
    """Whether the full threshold is reached, with no interest after the first liquidation."""
    first, seen = got["first_liquidatable"], got["first_full"]
    if first is None or not row["positions"] or (seen is not None and seen <= first):
        return seen is not None
    frozen = oracles_path.own_copy(row)
    for t in range(len(path["borrow"]["USDC"])):
        prices = oracles_path.prices_at(path, t)
        if t == first:
            for q, held in oracles.exposure(frozen, prices, rules).items():
                frozen["cash"][q] = frozen["cash"].get(q, 0.0) + got["equity"][t][q] - held["X"]
        if t >= first and oracles_path.observe(frozen, prices, rules, {}, {})["full"]:
            return True
        oracles_path.pay_funding(frozen, prices, path["premium"], rules, 1.0)
    return False
