"""Bad input at the command line: exit code 2, one sentence, nothing written, no traceback."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from campaign_cases import BOOK, CAMPAIGN, change, write

from stress.cli import main

PRICES, OVERLAYS = "scenarios.run.prices", "scenarios.run.overlays"
NEGATIVE = [[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]]


def files(folder: Path) -> set[str]:
    return {str(path) for path in folder.rglob("*")}


@pytest.fixture
def refused(capsys, monkeypatch, tmp_path: Path):
    """Runs a command that has to be refused and returns its sentence."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> str:
        before = files(tmp_path)
        monkeypatch.setattr(sys, "argv", ["hyperstress", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert left.value.code == 2
        assert out == ""
        assert err.startswith("hyperstress: ") and err.endswith(".\n") and err.count("\n") == 1
        assert "Traceback" not in err
        assert files(tmp_path) == before
        return err

    return run


REVERSE = ("reverse", "campaign.yaml", "--metric", "bad_debt", "--at-least")
CAMPAIGNS = [
    ("horizonn", 1, "horizonn", "unknown key"),
    (f"{PRICES}.volatility.HYPE", float("nan"), "volatility.HYPE", "nan"),
    (f"{PRICES}.volatility", {"BTC": 1.0}, "prices.volatility", "no value for HYPE"),
    (f"{PRICES}.process", "heston", "prices.process", "'fhs' or 'replay'"),
    (f"{PRICES}.degrees_of_freedom", 2, "degrees_of_freedom", "greater than 2"),
    (
        f"{PRICES}.correlation",
        {"assets": ["BTC", "HYPE", "ETH"], "matrix": NEGATIVE},
        "prices.correlation.matrix",
        "positive definite",
    ),
    (f"{PRICES}.correlation", 1.0, "prices.correlation", "positive definite"),
    (f"{PRICES}.calibration", "nope.yaml", "prices.calibration", "no such file"),
    ("scenarios.run.utilization.EURC", 0.5, "utilization.EURC", "USDC"),
    (OVERLAYS, [{}], "overlays[0]", "exactly one of"),
    (
        OVERLAYS,
        [{"crash": {"size": -0.1}, "lender_run": {"share": 0.1}}],
        "overlays[0]",
        "exactly one",
    ),
    (OVERLAYS, [{"crash": {"asset": "BTX", "size": -0.1}}], "overlays[0].crash.asset", "'BTX'"),
    ("assumptions", {"min_borrow_offset": "some"}, "assumptions.min_borrow_offset", "none"),
    ("assumptions", {"rates": True}, "assumptions.rates", "unknown assumption"),
    ("paths", 0, "paths", "found 0"),
    ("paths", 1e3, "paths", "integer"),
    ("paths", "1000", "paths", "integer"),
    ("seed", -1, "seed", "found -1"),
    ("step", "7h", "step", "divides the horizon"),
    ("feedback", "yes", "feedback", "boolean"),
    ("cascade", {"round_limit": 0}, "cascade.round_limit", "found 0"),
    ("venue", "hyperliquid/2020-01-01", "venue", "2026-08-19"),
    ("book.accounts", [], "book.accounts", "an empty book"),
    ("book.accounts.0.supplied.HYPE", -1.0, "accounts[loop-hype].supplied.HYPE", "found -1"),
    ("book.accounts.0.colour", "red", "accounts[loop-hype].colour", "unknown key"),
    ("book.accounts.3.positions.0.market", "HIPE", "positions[0].market", "did you mean HYPE"),
    ("book", "nope.json", "book", "no such file"),
]


@pytest.mark.parametrize(("path", "value", "key", "words"), CAMPAIGNS)
def test_campaigns(refused, path: str, value: Any, key: str, words: str) -> None:
    write(Path(), change(CAMPAIGN, path, value))
    sentence = refused("run", "campaign.yaml", "--out", "new")
    assert "campaign.yaml: " in sentence and key in sentence and words in sentence
    assert "found" in sentence and "allowed" in sentence


def test_faults_of_other_files(refused) -> None:
    write(Path(), {"prices": {"process": "gbm"}, "colour": 1}, "wild.yaml")
    write(Path(), change(CAMPAIGN, "scenarios.run", "wild.yaml"))
    assert "wild.yaml: colour: found an unknown key" in refused(
        "run", "campaign.yaml", "--out", "new"
    )
    venue = {"venue": "x", "date": "2026-09-01", "extends": "hyperliquid/2026-08-19", "colour": 1}
    write(Path(), venue, "venue.yaml")
    write(Path(), change(CAMPAIGN, "venue", "venue.yaml"))
    assert "venue.yaml: colour: " in refused("run", "campaign.yaml", "--out", "new")
    write(Path(), BOOK, "book.json")
    text = Path("book.json").read_text()
    write(Path(), change(CAMPAIGN, "book", "book.json"))
    Path("book.json").write_text(text.replace("-5000.0", "NaN"))
    sentence = refused("run", "campaign.yaml", "--out", "new")
    assert "book.json: accounts[0].balances.USDC: found nan" in sentence
    Path("book.json").write_text(text[: len(text) // 2])
    assert "book.json: line 1: found truncated JSON" in refused("run", "campaign.yaml")
    assert "book.json: line 1: found truncated JSON" in refused("margin", "book.json")
    assert "book.json: line 1: found truncated JSON" in refused("book", "show", "book.json")


def test_fitted_figures_that_are_missing(refused) -> None:
    write(Path(), {"volatility": {"HYPE": {"calm": {"value": 1.0}}}}, "fit.yaml")
    prices = {"process": "gbm", "calibration": "fit.yaml", "regime": "stressed"}
    write(Path(), change(CAMPAIGN, PRICES, prices | {"volatility": {"BTC": 1.0}}))
    assert "fit.yaml: volatility.HYPE.stressed: found nothing" in refused("run", "campaign.yaml")


def test_files_that_cannot_be_read(refused) -> None:
    Path("folder").mkdir()
    Path("binary.yaml").write_bytes(b"\xff\xfe\x00\x81")
    Path("broken.yaml").write_text("name: [a\n")
    for name, words in (
        ("missing.yaml", "no such file"),
        ("folder", "a folder"),
        ("binary.yaml", "not UTF-8"),
        ("broken.yaml", "line 2"),
    ):
        sentence = refused("run", name, "--out", "new")
        assert f"{name}: " in sentence and words in sentence
    assert "not UTF-8" in refused("margin", "binary.yaml")
    assert "folder: found the ending ''" in refused("book", "show", "folder")


def test_places_for_results(refused) -> None:
    write(Path())
    Path("full").mkdir()
    Path("full/thesis.tex").write_text("")
    assert "full: found a folder with other files" in refused(
        "run", "campaign.yaml", "--out", "full"
    )
    assert "not a directory" in refused("run", "campaign.yaml", "--out", "campaign.yaml")
    assert "--resume: found no --out" in refused("run", "campaign.yaml", "--resume")
    assert "no run to resume" in refused("run", "campaign.yaml", "--out", "new", "--resume")
    state = {"campaign": "another", "block": 2048, "paths": 5000}
    Path("begun").mkdir()
    Path("begun/state.json").write_text(json.dumps(state))
    sentence = refused("run", "campaign.yaml", "--out", "begun", "--resume")
    assert "begun: found a run with another campaign, version;" in sentence
    assert "an unfinished run" in refused("run", "campaign.yaml", "--out", "begun")
    assert "no finished run" in refused("report", "begun")
    Path("begun/summary.json").write_text("{}")
    assert "begun/results.zarr: found an unreadable dataset" in refused("report", "begun")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*REVERSE, "1e6", "--metric", "bad_dept"), "did you mean bad_debt"),
        ((*REVERSE, "-5"), "--at-least: found '-5'"),
        ((*REVERSE, "120%"), "--at-least: found '120%'"),
        ((*REVERSE, "5%", "--factors", "prices,basys"), "did you mean basis"),
        ((*REVERSE, "5%", "--scenario", "craash"), "--scenario: found 'craash'"),
        (("run", "campaign.yaml", "--set", "paths"), "--set: found 'paths'"),
        (("run", "campaign.yaml", "--set", "name.x=1"), "name is not a mapping"),
        (("run", "campaign.yaml", "--set", "name=["), "a YAML value"),
        (("run", "campaign.yaml", "--set", "horizon=2026-99-99"), "a YAML value"),
        (("run", "campaign.yaml", "--set", f"{PRICES}.volatility.HYPE=.nan"), "found nan"),
        (("run", "campaign.yaml", "--set", "colour=1"), "colour: found an unknown key"),
        (("run", "campaign.yaml", "--paths", "0"), "paths: found 0"),
        (("run", "campaign.yaml", "--paths", "many"), "'--paths'"),
        (("run", "campaign.yaml", "--threads", "0"), "--threads: found 0"),
        (("run", "campaign.yaml", "--workers", "0"), "--workers: found 0"),
        (
            ("run", "campaign.yaml", "--threads", "2", "--workers", "2"),
            "--workers: found --threads besides",
        ),
        (
            ("run", "campaign.yaml", "--workers", "2", "--scheduler", "tcp://127.0.0.1:9"),
            "--scheduler: found --workers besides",
        ),
        (("run", "campaign.yaml", "--scheduler", "127.0.0.1:x"), "no scheduler answers"),
        (("run", "campaign.yaml", "--store", "nowhere://x"), "--store: found 'nowhere://x'"),
        (("run", "campaign.yaml", "--nice"), "No such option: --nice"),
        (("run",), "Missing argument"),
        (("wild",), "No such command 'wild'"),
        (
            ("margin", "book.json", "--format", "xml"),
            "--format: found 'xml'; allowed: table or json",
        ),
        (("margin", "book.json", "--price", "HYPE"), "--price: found 'HYPE'"),
        (("margin", "book.json", "--price", "HYPE=-1"), "positive price"),
        (("margin", "book.json", "--price", "HYPE=nan"), "positive price"),
        (("margin", "book.json", "--price", "HIPE=1"), "did you mean HYPE"),
        (("margin", "book.json", "--venue", "2020-01-01"), "hyperliquid/2026-08-19"),
        (("margin", "nope.json"), "nope.json: found an unreadable file"),
        (("report", "nope"), "nope: found no finished run"),
        (("venue", "show", "x"), "hyperliquid/2026-08-19"),
        (("venue", "diff", "2026-08-19", "x"), "hyperliquid/2026-08-19"),
        (("venue", "show", "2026-08-19", "--format", "xml"), "table or json"),
        (("schema", "x"), "campaign, scenario, book, population, tuning, venue"),
        (("book", "show", "books/x"), "books/default"),
        (("book", "import", "nope", "--out", "b.json"), "nope: "),
        (("book", "import", ".", "--out", "b.txt"), "'.txt'"),
        (("book", "synth", "books/default", "--out", "b.txt"), "'.txt'"),
        (("book", "synth", "nope.yaml", "--out", "b.json"), "nope.yaml: "),
    ],
)
def test_options(refused, arguments: tuple[str, ...], words: str) -> None:
    write(Path())
    write(Path(), BOOK, "book.json")
    assert words in refused(*arguments)


def test_no_command_shows_the_help(capsys, monkeypatch) -> None:
    for arguments in ([], ["venue"], ["book"]):
        monkeypatch.setattr(sys, "argv", ["hyperstress", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert left.value.code == 2 and "Usage: " in out and err == ""


def test_an_interrupt_is_no_fault(capsys, monkeypatch) -> None:
    def interrupted(*arguments: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("stress.commands.venue.list_command", interrupted)
    monkeypatch.setattr(sys, "argv", ["hyperstress", "venue", "list"])
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 130 and "Traceback" not in capsys.readouterr().err


HOURS = [f"2024-01-01T{h:02d}:00:00Z,100,101,99,100,1" for h in range(24)]
CANDLES = [
    ([*HOURS[:5], *HOURS[6:]], "row 7, time", "a gap of 1 h"),
    ([*HOURS[:5], *HOURS[4:]], "row 7, time", "a duplicate"),
    ([*HOURS[:5], HOURS[5].replace(",100,1", ",0,1"), *HOURS[6:]], "row 7, open", "'0'"),
    ([*HOURS[:5], HOURS[5].replace(",99,", ",-99,"), *HOURS[6:]], "row 7, low", "'-99'"),
    ([*HOURS[:5], HOURS[5].replace("Z", "+02:00"), *HOURS[6:]], "row 7, time", "time zone"),
    ([*HOURS[:5], "2024-01-01T05:00:00Z,100,150,99,140,1", *HOURS[6:]], "row 7, close", "a spike"),
    ([*HOURS[:5], "2024-01-01T05:00:00Z,100,900,99,900,1", *HOURS[6:]], "row 7, close", "factor"),
    (HOURS, "A", "24 hours"),
]


@pytest.mark.parametrize(("lines", "key", "words"), CANDLES)
def test_bad_candles(refused, tmp_path, lines, key, words) -> None:
    """`calibrate` names file and row; nothing is filled, nothing is written."""
    text = "\n".join(["time,open,high,low,close,volume", *lines])
    (tmp_path / "A_1h.csv").write_text(text + "\n")
    error = refused("calibrate", "--candles", ".", "--out", "fit")
    assert key in error and words in error


def test_backtest_and_models(refused, tmp_path) -> None:
    assert "no <COIN>_1h" in refused("backtest", "--candles", ".", "--out", "o")
    (tmp_path / "A_1h.csv").write_text("\n".join(["time,open,high,low,close,volume", *HOURS]))
    assert "hours or more" in refused("backtest", "--candles", ".", "--out", "o")
    assert "'levy'" in refused("backtest", "--candles", ".", "--out", "o", "--models", "levy")
    write(tmp_path)
    assert "--candles DIR" in refused("run", "campaign.yaml", "--models", "fhs", "--out", "o")
