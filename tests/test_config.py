"""Campaign files: what is understood, what is refused, and in which words."""

import contextlib
from pathlib import Path

import pytest
from campaign_cases import BOOK, CAMPAIGN, change, small_campaign, write
from hypothesis import given, settings
from hypothesis import strategies as st

from stress.calibration_file import load_calibration
from stress.campaign_schema import CampaignFile, ScenarioFile
from stress.config import find, load_campaign
from stress.errors import InputError
from stress.files import config_dir

EXAMPLE = """
name: one-borrower
venue: hyperliquid/2026-08-19
book: book.json
horizon: 7d
step: 1h
paths: 65536
seed: 7
precision: float64
feedback: false
scenarios:
  base:
    prices: {process: gbm, volatility: {HYPE: 1.2}, drift: {HYPE: 0.0}}
    utilization: {process: constant, USDC: 0.64}
    overlays: [{crash: {asset: all, size: -0.4, over: 2h, recovery: 0.3}}]
estimator: {method: plain}
assumptions: {min_borrow_offset: none}
"""


def test_the_documented_example_is_understood(tmp_path: Path) -> None:
    write(tmp_path, change(BOOK, "accounts", BOOK["accounts"][:1]), "book.json")
    (tmp_path / "one.yaml").write_text(EXAMPLE)
    campaign = load_campaign(tmp_path / "one.yaml")
    assert campaign.steps == 168 and campaign.spec.paths == 65536
    assert campaign.book.ids.tolist() == ["loop-hype"]
    base = campaign.scenarios["base"]
    assert base.prices.volatility == {"HYPE": 1.2}
    assert base.utilization.__pydantic_extra__ == {"USDC": 0.64}
    crash = base.overlays[0].crash
    assert crash is not None and crash.over == 2.0 and crash.recovery_over == 0.0


def test_a_book_inline_or_in_a_file_is_the_same_campaign(tmp_path: Path) -> None:
    write(tmp_path, BOOK, "book.json")
    named = small_campaign(tmp_path, ("book", "book.json"))
    assert named.digest == small_campaign(tmp_path).digest
    assert named.book.digest == small_campaign(tmp_path).book.digest


def test_digest_follows_what_changes_results(tmp_path: Path) -> None:
    plain = small_campaign(tmp_path).digest
    assert small_campaign(tmp_path, ("description", "words")).digest == plain
    for path, value in [
        ("paths", 5001),
        ("seed", 12),
        ("step", "2h"),
        ("refine", [{"from": "1h", "to": "2h", "step": "1m"}]),
        ("precision", "float32"),
        ("venue", "hyperliquid/2026-06-23"),
        ("scenarios.crash.prices.volatility.default", 1.01),
        ("book.accounts.0.balances.USDC", -5001.0),
        ("assumptions", {"min_borrow_offset": "none"}),
    ]:
        assert small_campaign(tmp_path, (path, value)).digest != plain, path


def test_digest_follows_calibration_files(tmp_path: Path) -> None:
    text = (config_dir() / "calibration" / "prices.yaml").read_text()
    prices = {"process": "gbm", "calibration": "mine.yaml"}
    (tmp_path / "mine.yaml").write_text(text)
    first = small_campaign(tmp_path, ("scenarios.run.prices", prices)).digest
    (tmp_path / "mine.yaml").write_text(text.replace("value: 1.4993", "value: 1.5993"))
    assert small_campaign(tmp_path, ("scenarios.run.prices", prices)).digest != first


def test_the_file_beside_the_campaign_goes_first(tmp_path: Path, monkeypatch) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder, volatility in ((here, 1.0), (there, 2.0)):
        folder.mkdir()
        write(folder, {"prices": {"process": "gbm", "volatility": {"HYPE": volatility}}}, "s.yaml")
    write(there, change(CAMPAIGN, "scenarios", {"s": "s.yaml"}))
    monkeypatch.chdir(here)
    campaign = load_campaign(there / "campaign.yaml")
    assert campaign.scenarios["s"].prices.volatility == {"HYPE": 2.0}
    assert find("s.yaml", tmp_path, "scenarios", None, "") == Path(
        "s.yaml"
    )  # then where one stands


def test_shipped_names() -> None:
    campaign = load_campaign("campaigns/baseline")
    assert list(campaign.scenarios) == ["calm", "correlated_crash", "utilization_spike"]
    assert len(campaign.book.ids) == 2000 and campaign.steps == 168


def test_settings_change_what_the_file_says(tmp_path: Path) -> None:
    write(tmp_path)
    changes = [
        "paths=64",
        "scenarios.crash.prices.volatility={BTC: 0.5, HYPE: 0.6}",
        "assumptions.min_borrow_offset=none",
        "horizon=2d",
        "paths=128",
        "description=2026-01-02 and = more",
    ]
    campaign = load_campaign(tmp_path / "campaign.yaml", changes)
    assert campaign.spec.paths == 128 and campaign.steps == 48
    assert campaign.spec.assumptions == {"min_borrow_offset": "none"}
    assert campaign.scenarios["crash"].prices.volatility == {"BTC": 0.5, "HYPE": 0.6}
    assert campaign.spec.description == "2026-01-02 and = more"


@pytest.mark.parametrize(
    "setting",
    [
        "paths",
        "=3",
        "a..b=1",
        "a.=1",
        "paths.x=1",
        "name=[",
        "name=*a",
        "step=2026-99-99",
        "x=<<: 1",
    ],
)
def test_settings_that_cannot_be_applied(tmp_path: Path, setting: str) -> None:
    write(tmp_path)
    with pytest.raises(InputError) as refused:
        load_campaign(tmp_path / "campaign.yaml", [setting])
    assert refused.value.file == "--set" and "\n" not in str(refused.value)


@settings(max_examples=30)
@given(st.text(max_size=12))
def test_whatever_is_set_ends_in_a_value_or_a_sentence(tmp_path_factory, text: str) -> None:
    path = write(tmp_path_factory.mktemp("settings"))
    said = ""
    with contextlib.suppress(InputError):
        said = load_campaign(path, [f"description={text}"]).spec.description
    assert isinstance(said, str)


def test_calibration_files_are_checked_where_they_are_read(tmp_path: Path) -> None:
    write(tmp_path, {"a": {"b": {"value": 2}, "c": "x", "d": 1.5, "e": True}}, "fit.yaml")
    fitted = load_calibration(tmp_path / "fit.yaml")
    assert fitted.number("a.b") == 2.0 and fitted.number("a.d") == 1.5
    assert fitted.at("a.c") == "x"
    for key, where in (("a.x.y", "a.x"), ("a.c.y", "a.c.y"), ("a.c", "a.c"), ("a.e", "a.e")):
        with pytest.raises(InputError) as refused:
            fitted.number(key)
        assert refused.value.key == where


@pytest.mark.parametrize("kind", ["campaigns", "scenarios"])
def test_shipped_files_say_nothing_that_is_not_understood(kind: str) -> None:
    from stress.files import read_yaml

    model = {"campaigns": CampaignFile, "scenarios": ScenarioFile}[kind]
    files = sorted((config_dir() / kind).glob("*.yaml"))
    assert files
    for file in files:
        model.model_validate(read_yaml(file))
