"""The margin state of random books of every mode against the oracles."""

from typing import Any

import numpy as np
import oracles
import pytest
from book_cases import LATEST, book_of, close
from margin_cases import random_account, random_prices

from stress.book import Book
from stress.margin_figures import STATUSES
from stress.margin_state import margin_states

GOLD = "xyz:GOLD"


def rules_of(markets) -> dict[str, Any]:
    """The oracles' rules, from the constants of the latest rule book."""
    file = LATEST.file
    tiers = {m: file.margin_tables[file.markets[m].value].value for m in markets if m != GOLD}
    return {
        "tiers": tiers | {GOLD: [(0.0, 20.0)]},
        "settle": {m: "USDT0" if m == GOLD else "USDC" for m in markets},
        "ltv": {name: token.ltv.value for name, token in file.tokens.items()},
        "user_supply_cap": {n: t.user_supply_cap.value for n, t in file.tokens.items()},
        "user_borrow_cap": {n: q.user_borrow_cap.value for n, q in file.quotes.items()},
        "trigger": 0.95,
        "min_borrow_offset": 20.0,
        "offset_mode": "floor",
    }


@pytest.fixture(scope="module")
def crowd():
    """A book of 120 random accounts of three modes, and what the oracles are told of it."""
    rng = np.random.default_rng(8)
    rules, prices = rules_of(["BTC", "HYPE", "SOL", GOLD]), random_prices(rng)
    prices["oracle"]["HYPE"] = prices["borrow"]["HYPE"]  # HYPE the token is priced by it
    accounts = []
    for mode in ("portfolio", "unified", "cross") * 40:
        account = random_account(rng, rules, prices, mode, positions=bool(rng.random() < 0.9))
        for held in account["positions"]:
            if rng.random() < 0.25:
                balance = abs(held["size"]) * prices["mark"][held["market"]] * rng.uniform(0, 0.3)
                held |= {"margin": "isolated", "margin_balance": float(balance)}
        accounts.append(account)
    return rules, prices, accounts, crowd_book(prices, accounts)


def crowd_book(prices, accounts) -> Book:
    """The book; a standard account keeps the cash that backs its position on xyz there."""
    entries = []
    for account in accounts:
        positions, cash = [dict(p) for p in account["positions"]], dict(account["cash"])
        away = [p for p in positions if p["market"] == GOLD]
        for held in away:
            held["max_leverage"] = 20.0
        if account["mode"] == "cross" and away:
            cash["xyz:USDT0"] = cash.pop("USDT0")
        kept = {key: account[key] for key in ("mode", "supplied")}
        if account["mode"] != "portfolio":
            kept["supplied"] = {}
        entries.append({**kept, "balances": cash, "positions": positions})
    shown = {m: {"mark": prices["mark"][m], "oracle": prices["oracle"][m]} for m in prices["mark"]}
    shown |= {name: prices["borrow"][name] for name in ("UBTC", "USDT0")}
    return book_of(*entries, prices=shown, settle={GOLD: "USDT0"})


def test_every_mode_agrees_with_the_oracles(crowd):
    rules, prices, accounts, book = crowd
    usdt0 = prices["borrow"]["USDT0"]
    seen: dict[str, int] = dict.fromkeys(STATUSES, 0)
    for state, account in zip(margin_states(book, LATEST), accounts, strict=True):
        portfolio = account["mode"] == "portfolio"
        judge = oracles.portfolio_state if portfolio else oracles.standard_state
        want = judge(account, prices, rules)
        of = {"USDC": 1.0, "USDT0": usdt0}
        total = {k: sum(q[k] * of[n] for n, q in want["quotes"].items()) for k in ("E", "I", "MM")}
        assert state.equity == pytest.approx(total["E"], rel=1e-9, abs=1e-4)
        assert state.isolated_equity == pytest.approx(total["I"], rel=1e-9, abs=1e-6)
        assert state.maintenance_margin == pytest.approx(total["MM"], rel=1e-12)
        ratio = want["portfolio_margin_ratio" if portfolio else "ratio"]
        if not 1e3 < ratio < np.inf:
            assert state.portfolio_margin_ratio == close(ratio)
        severity = [3 if want["full"] else int(want["liquidatable"])]
        for i in state.isolated:
            held = next(p for p in account["positions"] if p["market"] == i.market)
            alone = oracles.isolated_state(held, prices["mark"][i.market], rules["tiers"][i.market])
            assert i.margin == pytest.approx(alone["margin"], rel=1e-9, abs=1e-6)
            severity.append(3 if alone["full"] else int(alone["liquidatable"]))
            assert STATUSES.index(i.status) == severity[-1]
        if portfolio and want["partial"] and not state.maintenance_margin:
            severity.append(2)
        assert STATUSES.index(state.status) == max(severity)
        seen[state.status] += 1
    assert min(seen[word] for word in ("healthy", "liquidatable", "full")) > 3, seen


def test_liquidation_prices_of_every_mode(crowd):
    """Every position of a healthy account whose figures the oracle can give."""
    rules, prices, accounts, book = crowd
    checked = 0
    for state, account in zip(margin_states(book, LATEST), accounts, strict=True):
        portfolio = account["mode"] == "portfolio"
        judge = oracles.portfolio_state if portfolio else oracles.standard_state
        quotes = judge(account, prices, rules)["quotes"]
        for held in account["positions"]:
            market, tiers = held["market"], rules["tiers"][held["market"]]
            mark, q = prices["mark"][market], quotes[rules["settle"][market]]
            own = oracles.maintenance_margin(tiers, abs(held["size"]) * mark)
            credit = q["C_liq"] / prices["borrow"][rules["settle"][market]] if portfolio else 0.0
            equity, others = q["X"] + credit, q["MM"] - own
            if held["margin"] == "isolated":
                equity, others = oracles.isolated_equity(held, mark), 0.0
            want = oracles.liquidation_price(mark, held["size"], equity, tiers, others)
            got = state.liquidation_prices[market]
            assert (got is None) == (want is None)
            if want is not None:
                assert got == pytest.approx(want, rel=1e-9)
                checked += 1
    assert checked > 150


def test_true_prices_of_the_crowd(crowd):
    """At a true price, moved just beyond it, the account is liquidatable; just before it is not."""
    rules, prices, accounts, book = crowd
    states, checked = margin_states(book, LATEST), 0
    for state, account in zip(states, accounts, strict=True):
        if account["mode"] != "portfolio":
            continue
        if oracles.portfolio_state(account, prices, rules)["liquidatable"]:
            continue
        for coin, token in (("BTC", "UBTC"), ("HYPE", "HYPE")):
            held = any(p["market"] == coin and p["margin"] == "cross" for p in account["positions"])
            today = prices["mark"][coin] if held else prices["borrow"][token]
            for side, outward in (("below", -1), ("above", 1)):
                price = state.true_liquidation_prices.get(coin, {}).get(side)
                if price is None:
                    continue
                for factor, verdict in ((1 + outward * 1e-8, True), (1 - outward * 1e-8, False)):
                    at = moved(prices, coin, token, price / today * factor)
                    assert oracles.portfolio_state(account, at, rules)["liquidatable"] is verdict
                checked += 1
    assert checked > 10


def moved(prices, coin, token, factor):
    at = {kind: dict(table) for kind, table in prices.items()}
    at["mark"][coin] *= factor
    at["borrow"][token] *= factor
    return at
