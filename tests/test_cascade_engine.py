"""The engine of cascades against the oracle, account by account, and the oracle against itself."""

import functools
from collections import Counter
from typing import Any

import cascade_engine_cases as cases
import cascade_oracle as oracle
import cascade_oracle_rounds as rounds
import numpy as np
import pytest
from cascade_draws import SHAPES, random_case
from cascade_engine_cases import residuals, run
from cascade_oracle import simulate

PARTIES = {"makers": "makers_cash", "suppliers": "suppliers_cash", "borrowers": "borrowers_cash",
           "buffer": "buffer"}  # fmt: skip
MEASURES = {
    name: name
    for name in ("book_notional", "backstop_notional", "takeover_value", "adl_notional",
                 "shortfall", "paid_adl", "paid_buffer", "paid_suppliers", "uncovered", "slippage",
                 "margin_kept", "surplus_kept")
} | {"paid_takeover": "paid_takeover_capital"}  # fmt: skip
TOLERANCE = 1e-9  # relative to the gross money of the account, or of the book
BOOKS = 24  # of the fast test; the slow one runs 200 with 50 paths each


def gross_of(accounts, paths) -> np.ndarray:
    """Everything an account's money is made of, USDC `[n]`."""
    worth = []
    for a in accounts:
        tops = {m: max(max(p["mark"][m]) for p in paths) for m in a["size"]}
        coins = {c: max(max(p["price"][c]) for p in paths) for c in a["supplied"]}
        perps = sum(abs(n) * tops[m] for m, n in a["size"].items())
        worth.append(abs(a["cash"]) + perps + sum(n * coins[c] for c, n in a["supplied"].items()))
    return np.array(worth)


def compared(
    seed: int, count: int = 4, steps: int = 60, lanes: int | None = None, **case: Any
) -> tuple[list[str], Counter]:
    """Sentences about everything in which engine and oracle differ; events of the oracle."""
    accounts, paths, rules, settings = random_case(seed, count=count, steps=steps, **case)
    groups, places, state, seen = run(accounts, paths, rules, settings, lanes=lanes)
    gross = gross_of(accounts, paths)
    book = gross.sum()
    wrong, events = [], Counter()

    def check(what: str, got, want, scale=1.0):
        got, want = np.asarray(got, float), np.asarray(want, float)
        with np.errstate(invalid="ignore"):
            same = (got == want) | (np.abs(got - want) <= TOLERANCE * scale)
        if not same.all():
            wrong.append(f"seed {seed}: {what}: {got} {want}")

    leaks = np.asarray(residuals(tuple(groups), state))
    for p, path in enumerate(paths):
        want = simulate(accounts, path, rules, settings)
        events += want["events"]
        if abs(want["residual_cash"]) > TOLERANCE * book or leaks[p] > TOLERANCE:
            wrong.append(f"seed {seed} path {p}: leak {want['residual_cash']} {leaks[p]}")
        held, record = state.held, state.record
        for g, index in enumerate(places):
            begin = len(places[0]) * g
            for k, n in enumerate(index, begin):
                at, first = f"path {p} account {n}", want["first"][n]
                check(f"{at} first", record.first[p, k], np.inf if first is None else first)
                check(f"{at} cash", held.cash[p, k], want["cash"][n], gross[n] + 1e-3 * book)
                for i, m in enumerate(rules["tiers"]):
                    top = max(path["mark"][m])
                    check(f"{at} {m}", held.size[i][p, k] * top, want["size"][n][m] * top, book)
                if accounts[n]["kind"] == "portfolio":
                    check(f"{at} pool", held.pool[p, k], want["P"][n], book)
                    for i, c in enumerate(rules["ltv"]):
                        check(f"{at} {c}", held.supplied[i][p, k], want["supplied"][n][c], book)
                if first is not None:
                    seen_then = want["first_state"][n]
                    for name, key in (("loan", "loan"), ("notional", "N"), ("collateral", "V")):
                        check(f"{at} {name}", getattr(record, name)[p, k], seen_then[key], book)
                    worth = seen_then["X"] + seen_then["V"]
                    check(f"{at} equity", record.equity[p, k], worth, book)
        vault, takeover = want["vault"], want["takeover"]
        check(f"path {p} vault", state.vault_cash[p], vault["cash"], book)
        check(f"path {p} lent", state.reserve.vault_lent[p], vault["lent"], book)
        check(f"path {p} takeover", state.takeover_cash[p], takeover["cash"], book)
        check(f"path {p} capital", state.takeover_capital[p], takeover["capital"], book)
        for i, m in enumerate(rules["tiers"]):
            price = path["mark"][m][0]
            check(f"path {p} vault {m}", state.vault_size[i][p] * price, vault["size"][m] * price,
                  book)  # fmt: skip
        for party, key in PARTIES.items():
            check(f"path {p} {party}", getattr(state.parties, party)[p], want[key], book)
        for name, key in MEASURES.items():
            check(f"path {p} {name}", getattr(state.measures, name)[p], want[key], book)
        for i, a in enumerate(settings["impact"]):
            check(f"path {p} x {a}", seen.x[:, i, p], want["x"][a])
            check(f"path {p} overshoot {a}", state.measures.overshoot[i, p], want["overshoot"][a])
        check(f"path {p} utilization", seen.utilization[:, p], want["utilization"])
        check(f"path {p} queued", state.measures.queued[p], max(want["queued"]), book)
        check(f"path {p} rounds", np.diff(seen.rounds[:, p], prepend=0), want["rounds"])
        status = "round_limit" if state.round_limit[p] else "ok"
        status = "empty_depth" if state.empty_depth[p] and status == "ok" else status
        if status != want["status"]:
            wrong.append(f"seed {seed} path {p}: status {status} {want['status']}")
    return wrong, events


@functools.cache
def everything() -> tuple[list[str], Counter]:
    wrong, events = [], Counter()
    for seed in range(BOOKS):
        found, seen = compared(seed, shape=SHAPES[seed % 3], coin=(None, 0, 1)[seed // 3 % 3])
        wrong += found
        events += seen
    return wrong, events


def test_the_engine_agrees_with_the_oracle():
    wrong, _ = everything()
    assert not wrong, "\n".join(wrong[:12])


def test_it_agrees_where_accounts_that_cannot_borrow_come_last(monkeypatch):
    """Loans are followed from the first account on that can borrow: here of the whole book."""
    monkeypatch.setattr(cases, "KINDS", cases.KINDS[::-1])
    wrong, _ = compared(1, shape=SHAPES[1])
    assert not wrong, "\n".join(wrong[:12])


@pytest.mark.parametrize("seed", range(3))
def test_paths_side_by_side_agree_with_the_oracle_too(seed):
    """As a GPU plays them; elsewhere a path is played by itself."""
    wrong, _ = compared(seed, lanes=4, shape=SHAPES[seed % 3])
    assert not wrong, "\n".join(wrong[:12])


BRANCHES = (
    "book_whole", "book_partial", "book_cooldown", "handover_standard", "handover_portfolio",
    "adl_filled", "adl_unfilled", "partial", "full", "rationed", "queued", "capital", "buffer",
    "haircut", "vault_adl", "vault_uncovered", "sale", "cut_by_depth", "cascade",
)  # fmt: skip


@pytest.mark.parametrize("branch", BRANCHES)
def test_every_branch_is_taken(branch):
    assert everything()[1][branch] > 0


def forgotten(*_: Any) -> None:
    """A rule that does nothing."""


@pytest.mark.parametrize(
    ("module", "name", "value"),
    [
        (rounds, "BACKSTOP_SHARE", 0.5),
        (rounds, "PARTIAL_SHARE", 0.1),
        (rounds, "TAKEOVER_SHARE", 0.25),
        (rounds, "note_first", forgotten),
        (oracle, "accrue", forgotten),
    ],
)
def test_a_wrong_rule_shows(monkeypatch, module, name, value):
    monkeypatch.setattr(module, name, value)
    assert any(
        compared(seed, shape=SHAPES[seed % 3], coin=(None, 0, 1)[seed // 3 % 3])[0]
        for seed in range(BOOKS)
    )


@pytest.mark.slow
def test_two_hundred_books_with_fifty_paths():
    """200 books x 50 paths x 60 steps, every order and shape; run by `make test-slow`."""
    wrong = []
    for seed in range(1000, 1200):
        case = {"shape": SHAPES[seed % 3], "coin": (None, 0, 1)[seed // 3 % 3]}
        wrong += compared(seed, count=50, **case)[0]
    assert not wrong, "\n".join(wrong[:12])
