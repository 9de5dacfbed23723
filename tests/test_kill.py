"""Runs that are killed or told to stop, as processes: what was finished is kept, nothing is lost.

A process is stopped as soon as its first block is on disk; the campaign has so many that some are
left. What the resumed run writes is compared, to the last bit, with a run that nobody stopped.
"""

import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import psutil
import pytest
from campaign_cases import CAMPAIGN, change, write

ROOT = Path(__file__).resolve().parents[1]
BLOCKS = 40
RUN = ("run", "campaign.yaml", "--out", "run", "--no-report")


# A shell ignores Ctrl-C for what it starts in the background, and so would all that comes of it.
HEED = (
    "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); "
    "os.execv(sys.executable, [sys.executable, '-m', 'stress', *sys.argv[1:]])"
)


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """The command in a process group of its own, as a shell starts it in the foreground."""
    return subprocess.Popen(
        [sys.executable, "-c", HEED, *arguments],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def finish(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command to its end."""
    process = start(folder, *arguments)
    out, err = process.communicate()
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def receipts(folder: Path) -> int:
    return len(list(folder.glob("run/blocks.zarr/*/*.receipt.json")))


def await_receipts(process: subprocess.Popen[str], folder: Path, more_than: int = 0) -> None:
    """Returns once so many blocks are on disk; looks as often as the process gives time."""
    while receipts(folder) <= more_than:
        select.select([], [], [], 0.01)
        assert process.poll() is None, process.communicate()


def summary(folder: Path) -> Any:
    return json.loads((folder / "run" / "summary.json").read_text())


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> Path:
    """The folder of a run that nobody stopped."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write(folder, DOCUMENT)
    assert finish(folder, *RUN).returncode == 0
    return folder


DOCUMENT = change(change(CAMPAIGN, "scenarios.run", ...), "paths", BLOCKS * 2048)


def test_stopped_in_every_way_and_resumed(undisturbed: Path, tmp_path: Path) -> None:
    write(tmp_path, DOCUMENT)
    arguments, kept = RUN, 0
    for how in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
        process = start(tmp_path, *arguments)
        await_receipts(process, tmp_path, kept)
        process.send_signal(how)
        out, err = process.communicate()
        assert out == "" and "Traceback" not in err
        if how == signal.SIGKILL:
            assert process.returncode == -signal.SIGKILL
        else:
            assert process.returncode == 130 and "--out run --resume" in err
        assert kept < receipts(tmp_path) < BLOCKS
        arguments, kept = (*RUN, "--resume"), receipts(tmp_path)
    done = finish(tmp_path, *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert receipts(tmp_path) == BLOCKS
    assert summary(tmp_path) == summary(undisturbed)


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Every process that a run has started and that lives."""
    try:
        return psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def workers(process: subprocess.Popen[str]) -> list[psutil.Process]:
    return [child for child in children(process) if "spawn_main" in " ".join(child.cmdline())]


def test_a_lost_worker_is_told_and_changes_nothing(undisturbed: Path, tmp_path: Path) -> None:
    write(tmp_path, DOCUMENT)
    process = start(tmp_path, *RUN, "--workers", "2")
    await_receipts(process, tmp_path)
    before = children(process)
    workers(process)[0].kill()
    out, err = process.communicate()
    assert process.returncode == 0 and "Results in run" in out
    (line,) = err.splitlines()
    assert line.startswith("Worker tcp://127.0.0.1:") and " is lost; " in line
    assert receipts(tmp_path) == BLOCKS
    assert summary(tmp_path) == summary(undisturbed)
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["workers"] in (2, 3) and manifest["threads"] == 1
    assert psutil.wait_procs(before, timeout=60)[1] == []


@pytest.mark.parametrize("how", ["terminate", "ctrl-c", "kill"])
def test_workers_end_with_the_run(tmp_path: Path, how: str) -> None:
    """The process that asks is told to stop, a terminal interrupts all of them, or it is killed."""
    write(tmp_path, DOCUMENT)
    process = start(tmp_path, *RUN, "--workers", "2")
    await_receipts(process, tmp_path)
    started = children(process)
    assert len(workers(process)) == 2
    if how == "ctrl-c":
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGTERM if how == "terminate" else signal.SIGKILL)
    out, err = process.communicate()
    assert out == "" and "Traceback" not in err
    if how == "kill":
        assert process.returncode == -signal.SIGKILL
    else:
        assert process.returncode == 130 and "--out run --resume" in err and err.count("\n") == 1
    assert psutil.wait_procs(started, timeout=60)[1] == []
    assert 1 <= receipts(tmp_path) < BLOCKS
