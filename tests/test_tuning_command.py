"""`hyperstress tune` as a person uses it: memo, summary, resume, refusals."""

import json
from pathlib import Path
from typing import Any

import pytest
from campaign_cases import change, write
from test_cli import Command, command, trusted  # noqa: F401
from tuning_cases import BOOK_TUNING, SMALL

pytestmark = pytest.mark.usefixtures("trusted")


def ask(command: Command, *arguments: str, **changes: Any) -> tuple[int, str, str]:  # noqa: F811
    """Runs the small tuning, changed, in the folder the command runs in."""
    write(Path(), SMALL)
    document = BOOK_TUNING
    for path, value in changes.items():
        document = change(document, path.replace("__", "."), value)
    write(Path(), document, "tuning.yaml")
    return command("tune", "tuning.yaml", *arguments)


def test_a_memo_one_can_act_on(command: Command, tmp_path: Path) -> None:  # noqa: F811
    code, shown, told = ask(command, "--out", "first", "--threads", "1")
    assert code == 0, told
    assert shown.startswith("Recommendation: lower the supply cap per user of HYPE from 1M HYPE")
    summary = json.loads((tmp_path / "first" / "summary.json").read_text())
    assert summary["recommended"] == {"ltv": 0.65, "cap": 100.0} and summary["today"]["cap"] == 1e6
    for risk in summary["risks_fresh"]:
        assert risk["bounds"][0] <= risk["value"] <= risk["bounds"][1] <= risk["at_most"]
    manifest = json.loads((tmp_path / "first" / "manifest.json").read_text())
    assert manifest["campaign"]["name"] == "small" and manifest["versions"]
    memo = (tmp_path / "first" / "report.md").read_text().splitlines()
    assert memo[0].replace("\N{NO-BREAK SPACE}", " ") == summary["recommendation"]
    page = (tmp_path / "first" / "report.html").read_text()
    assert page.count("<svg") + page.count("data:image/svg") >= 3 and "Where the limits" in page
    code, _, told = ask(command, "--out", "first")
    assert code == 2 and "--resume" in told
    code, again, _ = ask(command, "--out", "first", "--resume", "--no-report")
    assert code == 0 and again.splitlines()[0] == shown.splitlines()[0]


def test_no_candidate_is_said_so(command: Command) -> None:  # noqa: F811
    code, shown, _ = ask(command, "--no-report", constraints__odds__at_most=0.01)
    assert code == 0 and shown.startswith("Recommendation: none; of 11 candidates none is shown")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        ("variables__ltv__token", "HIPE", "variables.ltv.token: found 'HIPE'"),
        ("variables__ltv__of", "haircut", "variables.ltv.of: found 'haircut'"),
        ("variables__ltv", {"of": "ltv", "token": "HYPE", "low": 0.5}, "found nothing"),
        ("variables__ltv__values", [0.5, 1.0], "variables.ltv: found 1; allowed: values below 1"),
        ("variables__ltv__values", [0.5, 0.5], "a value twice"),
        ("variables__cap__of", "global_supply_cap", "without it nothing grows to a cap"),
        ("constraints__odds__measure", "sadness", "constraints.odds.measure"),
        ("constraints__odds__at_most", 1.5, "a probability in (0, 1)"),
        ("constraints__odds__scenario", "rum", "found 'rum'"),
        ("constraints__debt__level", 0.999, "constraints.debt: found 256 paths"),
        ("constraints__debt__measure", "supplier_loss", "a campaign without feedback"),
        ("search__method", "bisection", "search.along: found nothing, with several variables"),
        ("fresh", {"seed": 11}, "a seed that the search has not seen"),
        ("borrower_response", "panic", "borrower_response: found 'panic'"),
        ("campaign", "nowhere.yaml", "nowhere.yaml"),
    ],
)
def test_what_is_refused(command: Command, path: str, value: Any, said: str) -> None:  # noqa: F811
    code, shown, told = ask(command, "--out", "refused", **{path: value})
    assert code == 2 and shown == ""
    assert said in told and told.count("\n") == 1
    assert not Path("refused").exists()


def test_the_shipped_file_is_a_problem() -> None:
    """It loads with the checks of a run; nothing is computed."""
    from stress.decide.tuning.problem import load_problem

    made = load_problem("tuning/hype")
    assert [axis.today for axis in made.axes] == [0.65, 1e7]
    assert {one.scenario for one in made.requirements} == {"calm", "crash_and_run"}
