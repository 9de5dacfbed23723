"""The command line: what a person types, sees and gets back."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import xarray as xr
from campaign_cases import BOOK, CAMPAIGN, VENUE, change, write

from stress.book_io import load_book
from stress.cli import main
from stress.commands.tables import money, number, percent, ratio

ROOT = Path(__file__).resolve().parents[1]
Outcome = tuple[int, str, str]
Command = Callable[..., Outcome]


@pytest.fixture
def command(capsys, monkeypatch, tmp_path: Path) -> Command:
    """Runs `hyperstress` in a folder of its own: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> Outcome:
        monkeypatch.setattr(sys, "argv", ["hyperstress", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        shown = capsys.readouterr()
        return int(left.value.code or 0), shown.out, shown.err

    return run


@pytest.fixture
def trusted(monkeypatch) -> None:
    """Leaves the canaries out, which take most of a small run's time; other tests run them."""
    monkeypatch.setattr("stress.doctor.self_test", lambda *arguments: [])


def python(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter, as a person starts one."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, *arguments], capture_output=True, text=True, env=environment, **more
    )


def receipts(folder: Path) -> list[Path]:
    """Receipts of the finished blocks of a run."""
    return list(folder.glob("blocks.zarr/*/*.receipt.json"))


def metrics(folder: Path) -> Any:
    return json.loads((folder / "summary.json").read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """The small campaign, run once by the command."""
    folder = tmp_path_factory.mktemp("finished")
    write(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["hyperstress", "run", "campaign.yaml", "--out", "run"])
        with pytest.raises(SystemExit) as left:
            main()
    assert not left.value.code
    return folder / "run"


def test_help_is_quick(tmp_path: Path) -> None:
    code = (
        "import sys\nsys.argv = ['hyperstress', '--help']\nfrom stress.cli import main\n"
        "try:\n    main()\nexcept SystemExit as left:\n    assert not left.code\n"
        "heavy = {'jax', 'xarray', 'pandas', 'numpy', 'scipy', 'pydantic', 'dask', 'zarr'}\n"
        "print(sorted(heavy & {*sys.modules}))"
    )
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0 and done.stderr == ""
    assert done.stdout.splitlines()[-1] == "[]"
    for name in ("run", "margin", "report", "book", "venue", "schema", "doctor"):
        assert name in done.stdout


def test_module_is_the_command(tmp_path: Path) -> None:
    done = python("-m", "stress", "venue", "show", "nothing", cwd=tmp_path)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("hyperstress: ") and done.stderr.count("\n") == 1


def test_run_directory(finished: Path) -> None:
    names = {path.name for path in finished.iterdir()}
    assert names == {
        "blocks.zarr",
        "manifest.json",
        "report.html",
        "results.zarr",
        "state.json",
        "summary.json",
    }
    manifest = json.loads((finished / "manifest.json").read_text())
    assert manifest["campaign"]["seed"] == 11 and manifest["block"] == 2048
    assert set(manifest["scenarios"]) == {"run", "crash"}
    assert {"commit", "versions", "device", "digests", "wall_seconds", "peak_memory_mib"} <= {
        *manifest
    }
    assert manifest["command"] == "hyperstress run campaign.yaml --out run"
    assert metrics(finished)["status"]["ok"] == 10000
    xr.open_zarr(finished / "results.zarr", consolidated=False)
    page = (finished / "report.html").read_text()
    assert page.count("<svg") + page.count("<img") >= 5


def test_a_run_is_quiet_where_there_is_no_terminal(command: Command, finished: Path) -> None:
    campaign = str(finished.parent / "campaign.yaml")
    code, out, err = command("run", campaign, "--out", "run", "--no-report", "--threads", "3")
    assert code == 0 and err == ""
    assert "\x1b" not in out and "\r" not in out
    assert "P(bad debt)" in out and "crash" in out and "Results in run" in out
    assert metrics(Path("run")) == metrics(finished)  # bit-identical with other threads
    assert not Path("run/report.html").exists()


@pytest.mark.usefixtures("trusted")
def test_without_out_the_folder_is_named_after_the_campaign(command: Command) -> None:
    write(Path(), change(CAMPAIGN, "scenarios.run", ...))
    assert command("run", "campaign.yaml", "--no-report", "--paths", "2048")[0] == 0
    (folder,) = Path("runs").iterdir()
    assert folder.name.startswith("small-")
    (row,) = (m for m in metrics(folder)["metrics"] if m["id"] == "system.bad_debt.mean")
    assert row["paths"] == 2048


@pytest.mark.usefixtures("trusted")
def test_files_and_inline_mappings_give_the_same(command: Command, finished: Path) -> None:
    document = change(CAMPAIGN, "book", "book.json")
    write(Path(), BOOK, "book.json")
    for name in ("run", "crash"):
        write(Path(), CAMPAIGN["scenarios"][name], f"{name}.yaml")
        document = change(document, f"scenarios.{name}", f"{name}.yaml")
    write(Path(), document)
    assert command("run", "campaign.yaml", "--out", "run", "--no-report")[0] == 0
    assert metrics(Path("run")) == metrics(finished)


def interrupted(command: Command, monkeypatch, after: int) -> Outcome:
    """Runs the small campaign into `run` until a number of blocks is computed."""
    from stress import campaign

    whole, done = campaign.compute_block, []

    def until(plan, name, index):
        if len(done) == after:
            raise KeyboardInterrupt
        done.append(index)
        return whole(plan, name, index)

    with monkeypatch.context() as patch:
        patch.setattr(campaign, "compute_block", until)
        return command("run", "campaign.yaml", "--out", "run", "--threads", "1", "--no-report")


@pytest.mark.usefixtures("trusted")
@pytest.mark.parametrize("after", [0, 4])
def test_interrupted_and_resumed(command: Command, monkeypatch, finished: Path, after: int) -> None:
    write(Path())
    code, out, err = interrupted(command, monkeypatch, after)
    assert code == 130 and out == ""
    assert "--out run --resume" in err and "Traceback" not in err
    assert len(receipts(Path("run"))) == after
    assert not Path("run/summary.json").exists()
    assert command("report", "run")[0] == 2
    code, _, err = command("run", "campaign.yaml", "--out", "run", "--resume", "--no-report")
    assert code == 0 and err == ""
    assert metrics(Path("run")) == metrics(finished)


@pytest.mark.usefixtures("trusted")
def test_a_damaged_block_is_said(command: Command, monkeypatch, finished: Path) -> None:
    write(Path())
    interrupted(command, monkeypatch, 2)
    block = next(Path("run").glob("blocks.zarr/*/0"))
    chunk = block / "path.bad_debt" / "c" / "0"
    data = bytearray(chunk.read_bytes())
    data[len(data) // 2] ^= 1
    chunk.write_bytes(data)
    code, _, err = command("run", "campaign.yaml", "--out", "run", "--resume", "--no-report")
    assert code == 0 and err.count("\n") == 1
    assert err.startswith(f"{block}: cannot be read (") and err.endswith("; computed again\n")
    assert metrics(Path("run")) == metrics(finished)


def test_report_again(command: Command, finished: Path) -> None:
    code, out, err = command("report", str(finished), "--out", "again.html")
    assert (code, err) == (0, "") and "again.html" in out
    assert "<html" in Path("again.html").read_text()


def test_margin(command: Command) -> None:
    write(Path(), change(BOOK, "accounts.0.id", "[bold]"), "book.json")
    code, out, err = command("margin", "book.json")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert any("[bold]" in line and "0.7206" in line and "healthy" in line for line in lines)
    code, out, _ = command("margin", "book.json", "--format", "json", "--price", "HYPE=60")
    rows = {row["id"]: row for row in json.loads(out)}
    assert code == 0 and rows["[bold]"]["status"] == "partial"
    documented = {
        "id", "mode", "equity", "isolated_equity", "maintenance_margin", "borrow_capacity",
        "liquidation_credit", "portfolio_margin_ratio", "available_after_maintenance",
        "health_factor", "status", "liquidation_prices", "reported", "residual",
    }  # fmt: skip
    assert documented <= {*rows["carry"]}
    code, out, _ = command("margin", "book.json", "--format", "json", "--venue", "2026-06-23")
    lower = {row["id"]: row for row in json.loads(out)}["[bold]"]  # an LTV of 50 %
    assert lower["portfolio_margin_ratio"] == pytest.approx(5000 / (100 * 84.1 * 0.75))


def test_margin_against(command: Command) -> None:
    """Who becomes liquidatable by a lower LTV of HYPE: exit code 1, so that a script stops."""
    write(Path(), change(BOOK, "accounts.0.balances.USDC", -6200.0), "book.json")
    change_of_rules = ("margin", "book.json", "--venue", "2026-06-23", "--against", VENUE)
    code, out, err = command(*change_of_rules)
    assert (code, err) == (1, "") and "tokens.HYPE.ltv" in out and "Not safe" in out
    assert any("loop-hype" in line and "healthy -> " in line for line in out.splitlines())
    code, out, _ = command(*change_of_rules, "--format", "json")
    found = json.loads(out, parse_constant=lambda text: pytest.fail(text))
    assert code == 1 and found["applications"][0]["accounts"] == 1
    code, out, _ = command("margin", "book.json", "--against", "2026-06-23")
    assert code == 0 and "makes nobody liquidatable" in out


def test_margin_json_has_no_infinity(command: Command) -> None:
    write(Path(), change(BOOK, "accounts.3.balances.USDC", -9000.0), "book.json")
    code, out, _ = command("margin", "book.json", "--format", "json")
    rows = json.loads(out, parse_constant=lambda text: pytest.fail(text))
    assert code == 0 and rows[3]["portfolio_margin_ratio"] == "inf"


def test_book(command: Command, shared: Path) -> None:
    code, out, _ = command("book", "import", str(shared / "data" / "recorded"), "--out", "b.json")
    assert code == 0 and out.startswith("b.json: 1 accounts")
    code, out, _ = command("book", "show", "b.json")
    assert code == 0 and "Reserves" in out and "USDC" in out
    code, out, _ = command("book", "show", "b.json", "--format", "json")
    shown = json.loads(out)
    assert shown["groups"][0]["group"] == "all" and shown["groups"][0]["accounts"] == 1


def test_book_synth(command: Command) -> None:
    code, out, _ = command("book", "synth", "books/default", "--out", "b.parquet")
    assert code == 0 and out == f"b.parquet: 2000 accounts, rules {VENUE}\n"
    assert load_book("b.parquet").reserves["USDC"][0] == 416268254.15


def test_venue(command: Command) -> None:
    code, out, _ = command("venue", "list")
    assert code == 0 and "hyperliquid/2025-12-23" in out and VENUE in out
    code, out, _ = command("venue", "show", "2026-08-19")
    assert code == 0 and "tokens.HYPE.ltv" in out and "0.65" in out and "portfolio-margin" in out
    code, out, _ = command("venue", "show", VENUE, "--format", "json")
    assert json.loads(out)["constants"]["tokens.HYPE.ltv"]["value"] == 0.65
    code, out, _ = command("venue", "diff", "2026-06-23", "2026-08-19", "--format", "json")
    (row,) = json.loads(out)
    assert (row["key"], row["before"], row["after"]) == ("tokens.HYPE.ltv", 0.5, 0.65)
    code, out, _ = command("venue", "diff", "2026-06-23", "2026-08-19")
    assert code == 0 and "tokens.HYPE.ltv" in out and "changed" in out


def test_doctor(command: Command) -> None:
    code, out, err = command("doctor")
    assert (code, err) == (0, "")
    for text in ("jaxlib", "vmapped_scan", "product_then_reduction", "engine", "ok"):
        assert text in out
    assert "WRONG" not in out


def test_a_wrong_canary_stops_a_run_before_a_block_is_kept(command: Command, monkeypatch) -> None:
    from stress import doctor

    write(Path())
    monkeypatch.setitem(doctor.CANARIES, "one_by_one", (lambda: {"sqrt": 1.0}, 0.0))
    code, out, err = command("run", "campaign.yaml", "--out", "run")
    assert code == 3 and out == "" and "one_by_one" in err and err.count("\n") == 1
    assert not receipts(Path("run"))
    assert command("doctor")[0] == 3


def test_numbers_for_people() -> None:
    assert [money(x) for x in (1.5e9, -2e6, 3456.0, 12.0, float("inf"), None)] == [
        "1.50B", "-2.00M", "3.46k", "12.00", "inf", "-",
    ]  # fmt: skip
    assert [percent(x) for x in (0.5, 0.001234, float("nan"))] == ["50 %", "0.123 %", "-"]
    assert [ratio(x) for x in (0.5, float("inf"), None)] == ["0.5000", "inf", "-"]
    assert [number(x) for x in (1234.56, 0.09521, float("nan"))] == ["1,234.6", "0.0952", "-"]
