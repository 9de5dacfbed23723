"""Campaign files that are refused, and in which words."""

from pathlib import Path
from typing import Any

import pytest
from campaign_cases import small_campaign, write

from stress.config import load_campaign
from stress.errors import InputError


def refusal(folder: Path, *changes: tuple[str, Any]) -> InputError:
    with pytest.raises(InputError) as refused:
        small_campaign(folder, *changes)
    assert "\n" not in str(refused.value)
    return refused.value


PRICES, OVERLAYS = "scenarios.run.prices", "scenarios.run.overlays"
POOL, TRADE = "scenarios.run.utilization", "book.accounts.3.positions.0"
FAULTS = [
    ("horizonn", 1, "horizonn", "unknown key", "did you mean horizon"),
    (f"{PRICES}.vol", 1, f"{PRICES}.vol", "unknown key", "volatility"),
    (f"{PRICES}.process", "heston", f"{PRICES}.process", "'heston'", "gbm"),
    (f"{PRICES}.volatility.HYPE", float("nan"), f"{PRICES}.volatility.HYPE", "nan", "finite"),
    (f"{PRICES}.volatility.HYPE", "1.2", f"{PRICES}.volatility.HYPE", "'1.2'", "number"),
    (f"{PRICES}.volatility.HYPE", True, f"{PRICES}.volatility.HYPE", "True", "number"),
    (f"{PRICES}.volatility.HYPE", -1, f"{PRICES}.volatility.HYPE", "-1", "equal to 0"),
    (f"{PRICES}.regime", "odd", f"{PRICES}.regime", "'odd'", "calm"),
    (f"{PRICES}.degrees_of_freedom", 2, f"{PRICES}.degrees_of_freedom", "2", "greater than 2"),
    (f"{PRICES}.correlation", 1.5, f"{PRICES}.correlation", "1.5", "equal to 1"),
    (f"{PRICES}.correlation", "high", f"{PRICES}.correlation", "'high'", "number"),
    (f"{PRICES}.correlation", {"assets": []}, f"{PRICES}.correlation.matrix", "nothing", ""),
    (f"{POOL}.USDC", 1.5, f"{POOL}.USDC", "1.5", "equal to 1"),
    (
        "scenarios.run.utilization.USDC",
        {"inital": 0.5},
        "scenarios.run.utilization.USDC.inital",
        "unknown key",
        "did you mean initial",
    ),
    (f"{POOL}.process", "walk", f"{POOL}.process", "'walk'", "'constant' or 'jumps'"),
    (OVERLAYS, [{}], f"{OVERLAYS}[0]", "none", "exactly one of crash"),
    (
        OVERLAYS,
        [{"crash": {"size": -0.1}, "lender_run": {"share": 0.1}}],
        f"{OVERLAYS}[0]",
        "crash and lender_run",
        "exactly one",
    ),
    (OVERLAYS, [{"crash": {"size": -1}}], f"{OVERLAYS}[0].crash.size", "-1", "greater than -1"),
    (OVERLAYS, [{"crash": {"size": {"BTC": -2}}}], f"{OVERLAYS}[0].crash.size.BTC", "-2", "-1"),
    (
        OVERLAYS,
        [{"crash": {"size": {"BTC": -0.2}, "asset": "BTC"}}],
        f"{OVERLAYS}[0].crash.asset",
        "'BTC'",
        "no asset",
    ),
    (OVERLAYS, [{"crash": {"size": 0, "over": "2 hour"}}], f"{OVERLAYS}[0].crash.over", "hour", ""),
    (OVERLAYS, [{"flood": {}}], f"{OVERLAYS}[0].flood", "unknown key", "borrower_surge"),
    ("paths", 0, "paths", "0", "equal to 1"),
    ("paths", 1000.0, "paths", "1000.0", "integer"),
    ("paths", 1000.5, "paths", "1000.5", "integer"),
    ("paths", "1000", "paths", "'1000'", "integer"),
    ("paths", True, "paths", "True", "integer"),
    ("paths", None, "paths", "null", "integer"),
    ("seed", -1, "seed", "-1", "equal to 0"),
    ("step", "5h", "step", "5 h for a horizon of 24 h", "divides"),
    ("step", "48h", "step", "48 h", "divides"),
    ("step", 0, "step", "0", "greater than 0"),
    ("step", None, "step", "null", "duration"),
    ("step", "0.0001s", "step", "steps", "at most"),
    ("horizon", float("inf"), "horizon", "inf", "finite"),
    ("horizon", "9999d", "horizon", "'9999d'", "8784"),
    ("feedback", "yes", "feedback", "'yes'", "boolean"),
    ("cascade", {"lending": "none"}, "cascade.lending", "'none'", "react"),
    ("cascade", {"vault_lent_share": 1.5}, "cascade.vault_lent_share", "1.5", "1"),
    ("cascade", {"impact": {"BTC": {"shape": "cubic"}}}, "cascade.impact.BTC.shape", "'cubic'",
     "square_root"),
    ("precision", "float16", "precision", "'float16'", "float32"),
    ("estimator", {"method": "halton"}, "estimator.method", "'halton'", "plain"),
    ("name", "a/b", "name", "'a/b'", "letters"),
    ("scenarios", {}, "scenarios", "no scenario", "one or more"),
    ("scenarios", {"../x": "scenarios/calm"}, "scenarios.../x", "'../x'", "letters"),
    ("scenarios.run", 5, "scenarios.run", "5", "a mapping of"),
    ("scenarios.run", "nope.yaml", "scenarios.run", "'nope.yaml', no such file", "scenarios/calm"),
    ("scenarios", ..., "scenarios", "nothing", "required"),
    ("assumptions", {"min_borrow_offset": 3}, "assumptions.min_borrow_offset", "3", "true, false"),
    ("venue", "hyperliquid/2026-01-01", "venue", "2026-01-01", "hyperliquid/2026-08-19"),
    ("venue", "nope.yaml", "venue", "'nope.yaml'", "readable"),
    ("book", "nope.json", "book", "'nope.json'", "readable"),
    ("book", "books/nope", "book", "'books/nope'", "books/default"),
    ("book", ".", "book", "'.'", ".json"),
    ("book.accounts", [], "book.accounts", "an empty book", "at least one"),
    ("book.accounts.0.supplied.HYPE", -1, "book.accounts[loop-hype].supplied.HYPE", "-1", ""),
    (f"{TRADE}.market", "HYP", "book.accounts[unified].positions[0].market", "'HYP'", "HYPE"),
    ("book.colour", "red", "book.colour", "unknown key", "accounts"),
    (f"{PRICES}.calibration", "no.yaml", f"{PRICES}.calibration", "no such file", "calibration/"),
]  # fmt: skip


@pytest.mark.parametrize(("path", "value", "key", "found", "allowed"), FAULTS)
def test_refusals_name_file_key_found_and_allowed(
    tmp_path: Path, path: str, value: Any, key: str, found: str, allowed: str
) -> None:
    error = refusal(tmp_path, (path, value))
    assert error.file == str(tmp_path / "campaign.yaml")
    assert error.key == key
    assert found in error.found and allowed in error.allowed


def test_faults_of_named_files_are_told_with_their_own_names(tmp_path: Path) -> None:
    write(tmp_path, {"prices": {"process": "gbm"}, "colour": 1}, "s.yaml")
    assert refusal(tmp_path, ("scenarios.s", "s.yaml")).file == str(tmp_path / "s.yaml")
    venue = {"venue": "x", "date": "2026-09-01", "extends": "hyperliquid/2026-08-19", "colour": 1}
    write(tmp_path, venue, "v.yaml")
    error = refusal(tmp_path, ("venue", "v.yaml"))
    assert (error.file, error.key) == (str(tmp_path / "v.yaml"), "colour")
    (tmp_path / "book.json").write_text('{"as_of": ')
    error = refusal(tmp_path, ("book", "book.json"))
    assert error.file == str(tmp_path / "book.json") and "truncated" in error.found


@pytest.mark.parametrize(
    "content", [None, b"", b"\xff\xfe\x00\x81", b"a: [", b"- 1\n", b"a: 1\na: 2\n"]
)
def test_unreadable_campaigns(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "campaign.yaml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError) as refused:
        load_campaign(path)
    assert refused.value.file == str(path)


def test_a_folder_is_no_campaign(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="found a folder"):
        load_campaign(tmp_path)
