"""Two rule books on the same book and random numbers: pairing, sides, refusals, the command."""

import json
from pathlib import Path

import compare_cases
import numpy as np
import pytest
from campaign_cases import CAMPAIGN, change, write
from compare_cases import (
    AFTER,
    BEFORE,
    comparison,
    made_up,
    small_cases,
    small_dataset,
    small_results,
)
from test_cli import Command, command, trusted  # noqa: F401

from reports.compare import lookup, memo, page
from stress.campaign import plan, run_blocks
from stress.decide.compare import STATED, cases, distinct, kept_interest
from stress.errors import InputError

FROZEN_READINGS = 5  # stated, two offsets, liquidity of the reserve, effective rate


def test_every_side_once() -> None:
    found = small_cases()
    assert len(found) == 2 * 3 * FROZEN_READINGS
    assert [c.side for c in found[:2]] == ["before", "after"]
    assert found[0].campaign.venue.name == BEFORE and found[1].campaign.venue.name == AFTER
    assert found[0].campaign.spec.against is None
    once = list(distinct(found))
    assert len(once) == 5 * FROZEN_READINGS, "after: fixed and proportional are the book itself"


def test_the_book_answers_on_each_side() -> None:
    """The book stands under the rules after: before, loopers drew 0.50 / 0.65 of it."""
    by = {(c.response, c.side): c for c in small_cases() if c.reading == STATED}
    loan = {key: c.standing.loan[0, 0] for key, c in by.items()}
    assert loan["fixed", "before"] == loan["fixed", "after"] == 5000
    assert loan["proportional", "before"] == pytest.approx(5000 * 0.50 / 0.65)
    assert loan["proportional", "after"] == 5000


def test_differences_are_those_of_the_same_paths() -> None:
    data = small_dataset()
    first, second = small_cases()[:2]
    for scenario in ("run", "crash"):
        before, after = (
            small_results()[c.campaign.digest][scenario].by_path["bad_debt"]
            for c in (first, second)
        )
        apart = after - before
        found = data["difference"].sel(
            response="fixed", reading=STATED, scenario=scenario, measure="bad_debt"
        )
        error = apart.std(ddof=1) / np.sqrt(len(apart))
        assert found.sel(statistic="value") == pytest.approx(apart.mean(), abs=1e-9)
        assert found.sel(statistic="standard_error") == pytest.approx(error, abs=1e-9)


def test_both_sides_see_the_same_paths() -> None:
    """The accounts with bad debt here hold no HYPE collateral: it agrees on every path.

    Negative control: with another seed on one side it does not.
    """
    at = {"response": "proportional", "reading": STATED, "scenario": "crash", "measure": "bad_debt"}
    sides = small_dataset()["path_outcome"].sel(at)
    assert np.array_equal(sides.sel(side="after"), sides.sel(side="before"))
    assert float(sides.max()) > 0
    again = next(c for c in cases(comparison(("seed", 12))) if c.side == "after")
    other = run_blocks(plan(again.campaign), None, 1)["crash"].by_path["bad_debt"]
    assert not np.array_equal(other, sides.sel(side="before"))


def test_a_higher_ltv_alone_helps_and_the_response_takes_it_back() -> None:
    """Fixed loans gain room on every path; that is why responses are there."""
    data = small_dataset()["path_outcome"].sel(reading=STATED, measure="liquidation_odds")
    fixed, drawn = data.sel(response="fixed"), data.sel(response="proportional")
    assert (fixed.sel(side="after") <= fixed.sel(side="before")).all()
    assert (drawn.sel(side="after") >= drawn.sel(side="before")).all()
    assert float((fixed.sel(side="before") - drawn.sel(side="before")).mean()) > 0


def test_interest_kept_by_hand() -> None:
    """Utilization 0.6356, below the kink: 264.6M at 5 % a year for a day, of which a tenth."""
    case = small_cases()[0]
    assert kept_interest(case) == pytest.approx(264565198.27 * 0.05 / 365 * 0.1, rel=1e-12)


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("against", AFTER, "against: found hyperliquid/2026-08-19, the rules of venue"),
        ("against", "hyperliquid/1999-01-01", "against: found 'hyperliquid/1999-01-01'"),
        ("estimator", {"method": "sobol"}, "estimator.method: found 'sobol' with against"),
        ("events", {"e": {"account": "carry"}}, "events: found e; allowed: none with against"),
        ("compare", {"responses": []}, "compare.responses"),
        ("compare", {"responses": ["panic"]}, "compare.responses"),
        ("compare", {"readings": "all"}, "compare.readings"),
    ],
)
def test_what_cannot_be_compared(key: str, value: object, says: str) -> None:
    with pytest.raises(InputError) as told:
        cases(comparison((key, value)))
    assert says in str(told.value)


def test_verdicts_of_made_up_losses() -> None:
    """What the reserve keeps in a day here is 3,624 USDC."""
    assert lookup.kept(made_up(0.0)) == pytest.approx(3624.2, abs=0.1)
    for worse, word in ((0.0, "safe"), (1e6, "not safe"), (3451.6, "undecided")):
        data = made_up(worse)
        found = {lookup.verdict(data, s) for s in ("run", "crash")}
        assert found == {word}, worse
        said = memo.lead(data)
        assert said[0].startswith("The change of 2026-08-19 (HYPE LTV from 0.5 to 0.65) is ")
        assert f"is {word} under “crash” and “run”" in said[0]


def test_the_page_says_what_the_dataset_holds() -> None:
    data = made_up(1e6)
    html, text = page.render(data), memo.markdown(data)
    for name in ("Expected bad debt", "Expected loss of suppliers", "Capital efficiency",
                 "Liquidation odds of an account", "Cap filling", "rate_convention"):  # fmt: skip
        assert name in html
    cell = lookup.cell(data, "crash", "proportional", STATED, "bad_debt")
    change, between = lookup.difference(cell.change, "USDC")
    assert change in html and change in text and between in text
    assert "<script" not in html and "http" not in html.split("provenance")[0]
    assert page.render(data) == html


def test_the_command(command: Command, trusted: None, tmp_path: Path) -> None:  # noqa: F811
    document = change(change(CAMPAIGN, "paths", compare_cases.PATHS), "block", 512)
    document = change(document, "compare", {"responses": ["proportional"], "readings": "stated"})
    write(tmp_path, document)
    arguments = ("run", "campaign.yaml", "--venue", "2026-08-19", "--against", "2026-06-23")
    code, out, _ = command(*arguments, "--out", "pair")
    assert code == 0 and "proportional" in out and "Report in pair" in out
    summary = json.loads((tmp_path / "pair/summary.json").read_text())
    assert summary["before"] == BEFORE and summary["after"] == AFTER
    row = next(r for r in summary["comparisons"]
               if r["measure"] == "bad_debt" and r["scenario"] == "crash")  # fmt: skip
    want = small_dataset()["difference"].sel(
        response="proportional", reading=STATED, scenario="crash", measure="bad_debt"
    )
    assert row["difference"]["value"] == pytest.approx(float(want.sel(statistic="value")))
    assert (tmp_path / "pair/report.md").exists()
    again, out, _ = command(*arguments, "--out", "pair", "--resume", "--no-report")
    assert again == 0
    code, _, err = command(*arguments, "--out", "pair")
    assert code == 2 and "a finished run" in err
    code, _, err = command("run", "campaign.yaml", "--against", "2026-08-19")
    assert code == 2 and "the rules of venue" in err
