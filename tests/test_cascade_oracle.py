"""The cascade oracle as a whole: nothing is lost, every branch occurs, planted faults show."""

import functools
from collections import Counter

import cascade_oracle_adl as adl
import cascade_oracle_pool as pool
import cascade_oracle_rounds as rounds
import pytest
from cascade_cases import random_case
from cascade_oracle import simulate
from test_cascade_oracle_hand import adl_example, loss_example

SEEDS, TOLERANCE = 60, 1e-9
BRANCHES = (
    "book_whole", "book_partial", "book_cooldown", "handover_standard", "handover_portfolio",
    "adl_filled", "adl_unfilled", "partial", "full", "alternates", "absorb", "unfunded",
    "rationed", "rationed_by_cap", "outside_held", "queued", "capital", "buffer", "haircut",
    "vault_short", "vault_adl", "vault_locked", "vault_uncovered", "vault_withdraws", "sale",
    "cut_by_depth", "sale_cut_by_depth", "empty_depth", "round_limit", "cascade",
)  # fmt: skip


def leak(seed: int) -> tuple[float, Counter]:
    """Greatest residual of a case relative to its gross money, and its events."""
    accounts, paths, rules, settings = random_case(seed)
    worst, events = 0.0, Counter()
    for path in paths:
        start = {m: line[0] for m, line in path["mark"].items()}
        gross = path["supply"][0] + sum(
            abs(a["cash"]) + sum(abs(s) * start[m] for m, s in a["size"].items()) for a in accounts
        )
        result = simulate(accounts, path, rules, settings)
        money = [result["residual_cash"]]
        money += [s * start[m] for m, s in result["residual_size"].items()]
        money += [s * path["price"][c][0] for c, s in result["residual_tokens"].items()]
        worst = max(worst, max(abs(x) for x in money) / gross)
        events += result["events"]
    return worst, events


@functools.cache
def everything() -> tuple[float, Counter]:
    found = [leak(seed) for seed in range(SEEDS)]
    return max(worst for worst, _ in found), sum((e for _, e in found), Counter())


def test_no_party_gains_what_no_other_loses():
    assert everything()[0] <= TOLERANCE


@pytest.mark.parametrize("branch", BRANCHES)
def test_every_branch_occurs(branch):
    assert everything()[1][branch] > 0


def test_most_accounts_start_healthy_and_many_are_liquidated():
    firsts = []
    for seed in range(20):
        accounts, paths, rules, settings = random_case(seed)
        firsts += simulate(accounts, paths[0], rules, settings)["first"]
    assert firsts.count(0) <= 0.1 * len(firsts)
    assert sum(f is not None for f in firsts) >= 0.4 * len(firsts)


def no_payment(world, account, m, contracts):
    sign = 1.0 if account.size[m] > 0 else -1.0
    account.size[m] -= sign * contracts


LEAKS = [
    (adl, "close_winner", no_payment),
    (pool, "cut_suppliers", lambda world, share: None),
    (rounds, "absorb", lambda world, a: setattr(a, "cash", 0.0)),
]


@pytest.mark.parametrize(("module", "name", "fault"), LEAKS, ids=[n for _, n, _ in LEAKS])
def test_a_planted_leak_shows_in_the_residual(monkeypatch, module, name, fault):
    monkeypatch.setattr(module, name, fault)
    assert max(leak(seed)[0] for seed in range(SEEDS)) > TOLERANCE


def test_adl_at_the_mark_shows_in_the_example(monkeypatch):
    right = adl_example()["cash"][1]
    monkeypatch.setattr(adl, "closing_price", lambda world, m: world.mark[m])
    assert adl_example()["cash"][1] == pytest.approx(right + 0.4 * 10000)


def test_a_haircut_that_is_not_applied_shows_in_the_example(monkeypatch):
    right = loss_example()["cash"][1]
    monkeypatch.setattr(pool, "cut_suppliers", lambda world, share: None)
    wrong = loss_example()
    assert wrong["cash"][1] > right + 100 and abs(wrong["residual_cash"]) > 100
