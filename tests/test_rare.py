"""Events of campaigns: estimated by every method, chosen by pilots, checked by a second one."""

import copy
import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from campaign_cases import CAMPAIGN, small_figures, write
from test_cascade_campaign import SMALL_BOOKS, crowd

from stress.answers import answer, chosen, second
from stress.campaign import path_function, plan, run_blocks, scenario_key, tail_contributions
from stress.config import campaign_of, load_campaign
from stress.dataset import build_dataset
from stress.errors import InputError
from stress.estimator_check import check_estimator
from stress.estimator_schema import Estimator
from stress.events import narrowed, rare_events
from stress.rare import Case, available, estimate_event
from stress.rare_run import monitoring_gap, own_paths, rare_run
from stress.replicates import agreement
from stress.results import summary
from stress.sampling.draws import PLAIN, normals
from stress.tail_sample import PROBABILITIES, tail_mixture, tail_sample, weights_above
from stress.validate.accounts import built, case, rows
from stress.weighted import weighted_mean

WEEK = {name: (step, continuous) for name, step, continuous in rows(7, 168)}


@cache
def week():
    return built(7, 1.0, 4096)


@pytest.mark.parametrize(
    ("method", "most"), [("tilt", 0.1), ("tilt_sobol", 0.1), ("line", 0.1), ("splitting", 0.2)]
)
def test_a_barrier_of_seven_in_a_hundred_million(method: str, most: float) -> None:
    """Within 200,000 paths; the row of another barrier is far off."""
    found = estimate_event(case(week(), "at-55"), method)
    exact = WEEK["at-55"][0]
    error = float(found.estimate.standard_error)
    assert found.refusal == "" and found.paths <= 200_000
    assert error <= most * found.estimate.value
    assert abs(found.estimate.value - exact) < 4 * error
    assert abs(found.estimate.value - WEEK["at-70"][0]) > 4 * error


@pytest.mark.parametrize("account", ["at-70", "looper"])
def test_step_and_continuous_monitoring(account: str) -> None:
    """Each agrees with its own column and not with the other's."""
    step, continuous = WEEK[account]
    asked: dict[str, Any] = {"target_relative_error": 0.01, "most_paths": 2**15}
    at_dates = estimate_event(case(week(), account, **asked), "tilt_sobol")
    ever = estimate_event(case(week(), account, monitoring="continuous", **asked), "tilt_sobol")
    for found, own, other in ((at_dates, step, continuous), (ever, continuous, step)):
        error = float(found.estimate.standard_error)
        assert abs(found.estimate.value - own) < 4 * error
        assert abs(found.estimate.value - other) > 4 * error


def test_runs_of_a_case_are_independent_and_repeatable() -> None:
    one = case(week(), "at-70", most_paths=4096)
    values = [float(estimate_event(one, "tilt", run=r).estimate.value) for r in (0, 1, 0)]
    assert values[0] == values[2] != values[1]


def test_what_a_case_can_use() -> None:
    can = available(case(week(), "at-70"))
    assert {m for m, why in can.items() if not why} == {
        "plain", "tilt", "tilt_sobol", "line", "splitting",
    }  # fmt: skip
    assert "radius" in can["radial"]
    watched = available(case(week(), "at-70", monitoring="continuous"))
    assert watched["splitting"] == watched["line"] == "cannot watch between times"
    with pytest.raises(ValueError, match="radial"):
        estimate_event(case(week(), "at-70"), "radial")


def test_auto_takes_plain_paths_for_what_they_see_and_goes_after_the_rest() -> None:
    often, why = chosen(case(week(), "looper", method="auto", target_relative_error=0.1))
    assert often == "plain" and "pilot" in why
    seldom, _ = chosen(case(week(), "at-55", method="auto"))
    assert seldom in ("tilt", "line")
    assert second(case(week(), "at-55"), seldom) == "splitting"
    assert second(case(week(), "at-55", monitoring="continuous"), "tilt") == "tilt_sobol"


def test_two_methods_that_differ_refuse_each_other(monkeypatch) -> None:
    asked = case(week(), "at-70", method="tilt", cross_check=True)
    good = answer(asked)
    assert good.found.refusal == "" and abs(good.agreement) < 4

    def wrong(of, method, most=None, run=0):
        other = case(week(), "at-80") if method == "splitting" else of
        return estimate_event(other, method, most, run)

    monkeypatch.setattr("stress.answers.estimate_event", wrong)
    bad = answer(asked)
    assert "differ by" in bad.found.refusal and bad.check is not None
    assert "differ by" in bad.check.refusal


def document(**changes: Any) -> dict[str, Any]:
    """The small campaign with events and an estimator."""
    made = copy.deepcopy(CAMPAIGN)
    made |= {
        "paths": 2048,
        "estimator": {"method": "tilt", "most_paths": 4096},
        "events": {
            "losses": {"measure": "equity_loss", "above": 0.2555, "of": "book"},
            "loop": {"account": "loop-hype"},
        },
    }
    made["scenarios"] = {"crash": made["scenarios"]["crash"]}
    return made | changes


@cache
def small(method: str = "tilt"):
    made = plan(campaign_of(document(estimator={"method": method, "most_paths": 4096})))
    totals = run_blocks(made, None, 1)
    return made, totals, rare_run(made, totals)


def test_campaign_events_agree_with_its_own_paths() -> None:
    """The tilt with the campaign's plain paths, event by event; and not with another event."""
    made, totals, rare = small()
    plain = [own_paths(small("plain")[0], totals["crash"], _case(made, e)) for e in rare.events]
    told = [reply.found for reply in rare.answers["crash"]]
    assert [found.refusal for found in told] == ["", ""]
    for found, own in zip(told, plain, strict=True):
        assert own is not None and own.method == "plain"
        assert abs(agreement(found.estimate, own.estimate)) < 4
    assert plain[1] is not None and abs(agreement(told[0].estimate, plain[1].estimate)) > 4


def _case(made, event) -> Case:
    key = scenario_key(made.campaign.spec.seed, "crash")
    return Case(event, path_function(made, "crash"), made.campaign.spec.estimator, key)


@pytest.mark.parametrize("measure", ["equity_loss", "liquidated_debt", "liquidated_notional"])
def test_tails_agree_with_plain_paths_and_go_farther(measure: str) -> None:
    """Weighted tails against 2^15 plain paths where these see at least fifty, and deeper."""
    made, _, rare = small()
    curve = rare.curves["crash"][measure]
    loss = np.concatenate([
        np.asarray(getattr(path_function(made, "crash").money(_plain(made, k)), measure))
        for k in range(8)
    ])  # fmt: skip
    known = np.isfinite(curve.level) & (50 / len(loss) < PROBABILITIES)
    assert known.sum() >= (1 if measure == "liquidated_debt" else 4)  # one account has the loans
    seen = (loss[None] > curve.level[known, None]).mean(axis=1)
    spread = np.sqrt(seen * (1 - seen) / len(loss) + curve.probability.standard_error[known] ** 2)
    assert (np.abs(curve.probability.value[known] - seen) < 4 * spread).all()
    shifted = (loss[None] > 1.3 * curve.level[known, None]).mean(axis=1)
    assert (np.abs(curve.probability.value[known] - shifted) > 4 * spread).any()
    assert (np.diff(curve.level[np.isfinite(curve.level)]) >= 0).all()


def _plain(made, block: int):
    steps, width = path_function(made, "crash").shape
    numbers = jnp.arange(block * 4096, (block + 1) * 4096)
    return normals(PLAIN, jax.random.key(77), numbers, steps, width)


def test_a_tail_sample_against_first_passages() -> None:
    """One sample for all depths: with barriers at 90, 80, 70 and 55 more than 200 USDC of positions
    is liquidated exactly where 70 is reached, more than 255 where 55 is (an hour's fall past a
    barrier is a few percent). A measure weighed for another level does not agree."""
    paths = path_function(week(), "base")
    sample = tail_sample(paths, tail_mixture(paths), jax.random.key(4), 2**14, paths.batch)
    for level, account in ((200.0, "at-70"), (255.0, "at-55")):
        terms = weights_above(sample, "liquidated_notional", level)
        found = weighted_mean(terms, 1.0, sample.stratum)
        exact = WEEK[account][0]
        assert abs(found.value - exact) < 4 * found.standard_error < 0.5 * exact
        other = weighted_mean(weights_above(sample, "liquidated_notional", 100.0), 1.0)
        assert abs(other.value - exact) > 4 * other.standard_error


@pytest.mark.parametrize("method", ["antithetic", "sobol"])
def test_other_ways_to_draw_the_paths(method: str) -> None:
    """Same figures within their errors; the dataset says how they were drawn."""
    made, totals, rare = small(method)
    _, plain, _ = small("plain")
    for name, total in totals.items():
        a, b = (t.by_path["equity_loss"] for t in (total, plain[name]))
        spread = np.hypot(a.std(), b.std()) / np.sqrt(len(a))
        assert abs(a.mean() - b.mean()) < 4 * spread
        assert not np.array_equal(a, b)
    tails = tail_contributions(made, totals)
    results = build_dataset(made, totals, tails, small_figures(), {}, None, rare)
    told = results["metric_estimator"].values
    assert set(told.ravel()) == {method}
    assert np.isfinite(results["system"].sel(statistic="value")).sum() > 10


def test_the_dataset_tells_methods_and_diagnostics() -> None:
    made, totals, rare = small()
    tails = tail_contributions(made, totals)
    results = build_dataset(made, totals, tails, small_figures(), {
        "horizon_hours": 24.0, "paths": 2048, "estimator": "tilt",
    }, None, rare)  # fmt: skip
    entry = results.sel(metric="event.loop.probability")
    assert set(entry["metric_estimator"].values) <= {"tilt", "splitting", "plain"}
    assert "loop-hype" in str(entry["metric_definition"].item())
    listed = json.loads(json.dumps(summary(results), allow_nan=False))["metrics"]
    rows = [r for r in listed if r["id"] == "event.loop.probability"]
    assert len(rows) == len(totals)
    for row in rows:
        assert row["paths"] > 0 and row["unit"] == "1"
        assert (row["value"] is None) == ("refused" in row)


def test_watching_between_times_finds_more() -> None:
    _, totals, rare = small()
    for name in totals:
        gap = rare.gaps.get(name)
        if gap is not None:
            assert gap.accounts.value >= 0 and gap.debt.value >= 0
    found = monitoring_gap(path_function(week(), "base"), scenario_key(1, "gap"), 1024)
    exact = sum(c - s for s, c in WEEK.values()) + _ninety()
    assert abs(found.accounts.value - exact) < 4 * found.accounts.standard_error
    assert found.accounts.value > 4 * found.accounts.standard_error


def _ninety() -> float:
    """Gap of the barrier at 90, which is no row of a week."""
    from stress.validate.closed_forms import barrier_hit, barrier_hit_at_dates

    way = (np.log(100 / 90), -0.32, 0.8, 7 / 365)
    return barrier_hit(*way) - barrier_hit_at_dates(*way, 168)


REFUSED = {
    "no account": ({"events": {"x": {"account": "nobody"}}}, "events.x.account", "nobody"),
    "neither": ({"events": {"x": {"above": 1.0}}}, "events.x", "neither of account and measure"),
    "no level": ({"events": {"x": {"measure": "bad_debt"}}}, "events.x", "nothing"),
    "level of an account": (
        {"events": {"x": {"account": "loop-hype", "above": 1}}}, "events.x", "liquidation",
    ),
    "share": (
        {"events": {"x": {"measure": "bad_debt", "above": 3.0, "of": "book"}}}, "events.x", "3",
    ),
    "points": ({"paths": 1000, "estimator": {"method": "sobol"}}, "paths", "1,000 Sobol points"),
    "pairs": ({"paths": 1001, "estimator": {"method": "antithetic"}}, "paths", "1,001 mirrored"),
    "radial": ({"estimator": {"method": "radial"}}, "estimator.method", "radial"),
    "nothing to watch": (
        {"events": {}, "estimator": {"monitoring": "continuous"}},
        "estimator.monitoring", "without",
    ),
    "an account with feedback": ({"feedback": True}, "events.loop.account", "feedback"),
    "watching by splitting": (
        {"estimator": {"monitoring": "continuous", "method": "splitting"}},
        "estimator.monitoring", "splitting",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_does_not_fit_is_refused(tmp_path: Path, name: str) -> None:
    changes, key, words = REFUSED[name]
    file = write(tmp_path, document(**changes))
    with pytest.raises(InputError) as caught:
        check_estimator(plan(load_campaign(file)))
    assert key in str(caught.value) and words in str(caught.value)
    assert str(file) in str(caught.value)


def test_events_name_shares_of_the_book() -> None:
    event = rare_events(campaign_of(document()))[0]
    assert "25.55 % of the book's equities now (6.999k USDC)" in event.label
    assert event.level == pytest.approx(0.2555 * 27_393.0)


def test_radii_of_a_path_wide_shock() -> None:
    """A Student-t radius for the whole path: integrated out, tilted and plain agree."""
    prices = {"process": "student_t", "volatility": {"default": 1.0}, "degrees_of_freedom": 4,
              "correlation": 0.5, "radius": "path"}  # fmt: skip
    still = {"prices": prices, "utilization": {"process": "constant", "USDC": 0.64}}
    made = plan(campaign_of(document() | {"scenarios": {"crash": still}}))
    event = rare_events(made.campaign)[1]
    own = narrowed(path_function(made, "crash"), made.campaign, made.inputs.venue, event)
    asked = Estimator(method="radial", target_relative_error=0.05, most_paths=2**17)
    one = Case(event, own, asked, jax.random.key(9))
    found = {m: estimate_event(one, m).estimate for m in ("radial", "tilt", "plain")}
    assert 1e-5 < found["radial"].value < 0.1
    for other in ("tilt", "plain"):
        assert abs(agreement(found["radial"], found[other])) < 4
    doubled = replace(found["plain"], value=2 * found["plain"].value)
    assert abs(agreement(found["radial"], doubled)) > 4


def test_events_with_feedback() -> None:
    """The cascade as a function of normals: the campaign's own paths bit for bit, and a tilt."""
    changes = {
        "feedback": True, "paths": 256, "book": crowd(), "estimator": {"method": "tilt"},
        "cascade": {"impact": SMALL_BOOKS, "vault_capital": 2e3},
        "events": {"loans": {"measure": "liquidated_debt", "above": 0.3, "of": "book"}},
    }  # fmt: skip
    made = plan(campaign_of(document(**changes)))
    totals, paths = run_blocks(made, None, 1), path_function(made, "crash")
    key = scenario_key(made.campaign.spec.seed, "crash")
    drawn = normals(PLAIN, key, jnp.arange(128), *paths.shape)
    loss = np.asarray(paths.money(drawn).liquidated_debt)
    own = totals["crash"].by_path
    assert (own["liquidated_debt"] != own["frozen_liquidated_debt"]).any()
    gap = loss - own["liquidated_debt"][:128]  # the order of liquidations is drawn anew
    assert abs(gap.mean()) < 4 * gap.std() / np.sqrt(128) + 1e-9
    frozen = loss - own["frozen_liquidated_debt"][:128]
    assert abs(frozen.mean()) > 4 * frozen.std() / np.sqrt(128)
    case_of = _case(made, rare_events(made.campaign)[0])
    tilted = estimate_event(case_of, "tilt", 512, target=0).estimate
    plain = estimate_event(case_of, "plain", 512, target=0).estimate
    assert plain.value > 0 and abs(agreement(tilted, plain)) < 4
