"""Parts of a tuning: the book a candidate finds, its losses against ordinary runs, bounds."""

from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from campaign_cases import BOOK, CAMPAIGN, VENUE, change, write
from scipy.stats import chi2, poisson
from test_cascade_campaign import SMALL_BOOKS, crowd
from tuning_cases import BOOK_TUNING, SMALL, problem

from stress.campaign import plan, run_blocks
from stress.config import load_campaign
from stress.decide.response import respond, standing
from stress.decide.tuning.bounds import Risk, few_losses, repeat_band, risk_difference
from stress.decide.tuning.candidate import Change, changed, today_of
from stress.decide.tuning.choose import front
from stress.decide.tuning.curves import crossing
from stress.decide.tuning.evaluate import Evaluator
from stress.decide.tuning.response import answered
from stress.estimate import as_estimate
from stress.venue_files import load_venue

TRACE = "/jax/core/compile/jaxpr_trace_duration"
RULES = """
venue: hyperliquid
date: 2026-08-20
extends: hyperliquid/2026-08-19
tokens:
  HYPE:
    ltv: {value: 0.75, unit: "1", source: project, as_of: 2026-08-20}
    user_supply_cap: {value: 60, unit: HYPE, source: project, as_of: 2026-08-20}
    global_supply_cap: {value: 140, unit: HYPE, source: project, as_of: 2026-08-20}
"""
THREE = {
    "ltv": {"of": "ltv", "token": "HYPE", "values": [0.5, 0.65, 0.75]},
    "cap": {"of": "user_supply_cap", "token": "HYPE", "values": [60, 1e6]},
    "all": {"of": "global_supply_cap", "token": "HYPE", "values": [140, 1e7]},
}
FED = CAMPAIGN | {
    "paths": 16,
    "block": 16,
    "horizon": "6h",
    "feedback": True,
    "book": crowd(3),
    "cascade": {"impact": SMALL_BOOKS},
    "scenarios": SMALL["scenarios"],
}


def new_rules(folder: Path) -> Any:
    """The rules of the candidate (0.75, 60, 140), as a venue file."""
    path = folder / "venue.yaml"
    path.write_text(RULES, encoding="utf-8")
    return path


@pytest.mark.parametrize("response", ["fixed", "proportional", "cap_filling"])
def test_borrowers_answer_as_in_a_comparison(tmp_path: Path, response: Any) -> None:
    """Loans, collateral and powers of the compiled answer against the host's, a witness."""
    tuning = BOOK_TUNING | {"variables": THREE, "borrower_response": response}
    if response != "cap_filling":
        tuning = tuning | {"variables": {k: THREE[k] for k in ("ltv", "cap")}}
    crowded = change(BOOK, "accounts.5.supplied", {"HYPE": 300.0})
    crowded = change(crowded, "accounts.5.mode", "portfolio")
    crowded = change(crowded, "accounts.5.balances", {"USDC": -2000.0})
    made = problem(tmp_path, tuning, change(SMALL, "book", crowded))
    values = (0.75, 60.0, 140.0)[: len(made.axes)]
    _, told = Evaluator(made, 1, 256).make(values)
    before, after = load_venue(VENUE), load_venue(str(new_rules(tmp_path)))
    book = respond(made.campaign.book, before, after, response)
    stands = standing(book, after)
    assert told["loans"] == pytest.approx(float(stands.loan.sum()), rel=1e-9)
    assert told["power"] == pytest.approx(float(stands.power.sum()), rel=1e-9)
    assert told["collateral"] == pytest.approx(float(stands.collateral.sum()), rel=1e-9)
    today = standing(made.campaign.book, before)
    moved = float(stands.loan.sum()) != pytest.approx(float(today.loan.sum()), rel=1e-6)
    assert moved == (response != "fixed")


@pytest.mark.parametrize("document", [SMALL, FED], ids=["frozen", "cascade"])
def test_losses_are_those_of_an_ordinary_run(tmp_path: Path, document: Any) -> None:
    """Today's figures, and other ones as a venue file, path by path."""
    measures = ("liquidated_debt", "bad_debt")
    tuning = BOOK_TUNING | {
        "borrower_response": "fixed",
        "variables": {k: THREE[k] for k in ("ltv", "cap")},
        "constraints": {m: {"kind": "probability", "measure": m, "at_most": 0.5} for m in measures},
    }
    made = problem(tmp_path, tuning, document)
    looks = Evaluator(made, made.campaign.spec.seed, made.campaign.spec.paths)
    seen = looks.look(made.today)
    rules = RULES.replace("{value: 140,", "{value: 1e7,")
    (tmp_path / "venue.yaml").write_text(rules, encoding="utf-8")
    for values, venue in ((made.today, VENUE), ((0.75, 60.0), "venue.yaml")):
        seen = looks.look(values)
        run = load_campaign(write(tmp_path, document | {"venue": venue}, "other.yaml"))
        totals = run_blocks(plan(run), None, 1)["run"]
        assert totals.by_path["liquidated_debt"].any()
        for measure in measures:
            found = seen.losses["run", measure]
            assert np.allclose(found, totals.by_path[measure], rtol=1e-9, atol=1e-6)
    first = looks.look(made.today).losses["run", "liquidated_debt"]
    assert not np.array_equal(first, seen.losses["run", "liquidated_debt"])


@pytest.mark.parametrize("document", [SMALL, FED], ids=["frozen", "cascade"])
def test_candidates_trace_nothing_anew(tmp_path: Path, document: Any) -> None:
    work: list[str] = []

    def listen(event: str, duration_secs: float, **facts: Any) -> None:
        if event == TRACE:
            work.append(str(facts.get("fun_name")))

    tuning = BOOK_TUNING | {
        "variables": THREE,
        "borrower_response": "cap_filling",
        "constraints": {"odds": BOOK_TUNING["constraints"]["odds"]},
    }
    made = problem(tmp_path, tuning, document)
    looks = Evaluator(made, 5, made.campaign.spec.paths)
    looks.look(made.today)
    jax.monitoring.register_event_duration_secs_listener(listen)
    try:
        for values in ((0.5, 60.0, 140.0), (0.75, 1e6, 1e7)):
            looks.look(values)
        assert work == []
        jax.jit(lambda x: x + 1)(1.0)  # negative control: what is new is seen
        assert work
    finally:
        jax.monitoring.unregister_event_duration_listener(listen)


def test_a_candidate_changes_one_figure(tmp_path: Path) -> None:
    made = problem(tmp_path, BOOK_TUNING, SMALL)
    venue = made.plan.inputs.venue
    for of in ("ltv", "user_supply_cap", "global_supply_cap"):
        change_ = Change(of=of, token="HYPE")
        other = changed(venue, [change_], [0.123])
        assert today_of(other, change_) == 0.123
        again = changed(other, [change_], [today_of(venue, change_)])
        assert all(jax.tree.leaves(jax.tree.map(np.array_equal, again, venue)))
        same = jax.tree.leaves(jax.tree.map(np.array_equal, other, venue))
        assert same.count(False) == 1
    for of in ("user_borrow_cap", "global_borrow_cap", "kink", "slope"):
        change_ = Change(of=of, token="USDC")
        assert today_of(changed(venue, [change_], [0.5]), change_) == 0.5


def test_the_answer_to_nothing_is_the_same_book(tmp_path: Path) -> None:
    made = problem(tmp_path, BOOK_TUNING, SMALL)
    looks = Evaluator(made, 1, 256)
    venue = made.plan.inputs.venue
    for response in ("fixed", "proportional"):
        book, _ = answered(looks._book, venue, venue, looks._room, response)
        same = jax.tree.map(np.array_equal, book, looks._book)
        assert all(jax.tree.leaves(same))


def test_few_losses_are_poisson() -> None:
    """With equal losses the bounds are Garwood's; their coverage by the Poisson law itself."""
    paths, level, sure = 1000, 0.99, 0.95
    for number in (0, 1, 3, 7):
        losses = np.zeros(paths)
        losses[:number] = 5.0
        found = few_losses(losses, level, sure, 5.0)
        scale = 5.0 / (paths * (1 - level))
        high = chi2.ppf(sure, 2 * number + 2) / 2
        low = chi2.ppf(1 - sure, 2 * number) / 2 if number else 0.0
        assert float(found.high) == pytest.approx(high * scale, rel=1e-9)
        assert float(found.low) == pytest.approx(low * scale, rel=1e-9)
        assert poisson.cdf(number, high) == pytest.approx(1 - sure, rel=1e-9)
    assert float(few_losses(np.zeros(9), level, sure, 0.0).high) == 0


def test_a_repeat_lies_in_the_band_as_often_as_stated() -> None:
    """Means of 400 and 100 draws; the interval without the repeat's own error does not do."""
    rng = np.random.default_rng(5)
    first = rng.standard_normal(4000) / 20
    again = rng.standard_normal(4000) / 10
    inside = bare = 0
    for a, b in zip(first + 10, again + 10, strict=True):
        error, reach = 1 / 20, 1.6448536
        found = as_estimate(a, error, a - reach * error, a + reach * error)
        low, high = repeat_band(found, 400, 100, 0.95)
        inside += low <= b <= high
        bare += a - 1.96 * error <= b <= a + 1.96 * error
    bound = 4 * np.sqrt(0.05 * 0.95 * 4000)
    assert abs(inside - 3800) < bound
    assert abs(bare - 3800) > bound


def test_differences_are_paired() -> None:
    rng = np.random.default_rng(6)
    common = rng.exponential(100.0, 5000)
    risk = Risk(kind="probability", above=200.0)
    found = risk_difference(risk, common + 10, common)
    assert float(found.value) == pytest.approx((common > 190).mean() - (common > 200).mean())
    apart = risk_difference(risk, rng.exponential(100.0, 5000) + 10, common)
    assert float(found.standard_error) < 0.5 * float(apart.standard_error)
    with pytest.raises(ValueError, match="4999"):
        risk_difference(risk, common[:-1], common)


def test_front_and_crossing() -> None:
    gains, risks = [1.0, 2.0, 3.0, 3.0, 2.5], [0.1, 0.2, 0.4, 0.3, np.nan]
    assert front(gains, risks).tolist() == [True, True, False, True, False]
    x, y = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, np.nan, 2.0, 0.0])
    assert crossing(x, y, 1.0, 1.0) == pytest.approx(2.0)
    assert crossing(x, y, 1.0, 4.0) == pytest.approx(3.5)
    assert np.isnan(crossing(x, y, 3.0, 1.0))


def test_unknown_paths_count_against_a_limit(tmp_path: Path) -> None:
    """A path that is not finite is an event for the upper bound, and is counted."""
    from stress.decide.tuning.bounds import risk_estimate

    losses = np.zeros(100)
    fine = risk_estimate(Risk(kind="probability"), losses, 0.95)
    losses[:10] = np.nan
    worse = risk_estimate(Risk(kind="probability"), losses, 0.95)
    assert float(worse.high) > 0.1 > float(fine.high)
    tail = risk_estimate(Risk(kind="expected_shortfall", level=0.9), losses, 0.95)
    assert not np.isfinite(float(tail.high))
