"""`hyperstress tune`."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from stress.commands.finish import leave
from stress.commands.report import report_command
from stress.commands.tables import show_table
from stress.errors import InputError


def tune_command(
    ref: str,
    out: Path | None,
    paths: int | None,
    threads: int | None,
    resume: bool,
    report: bool,
) -> None:
    """Searches for parameters, from a tuning file to its memo."""
    from stress.compile_cache import keep_programs
    from stress.decide.tuning.problem import load_problem
    from stress.decide.tuning.run import tune
    from stress.doctor import self_test
    from stress.engine_canary import engine_canary
    from stress.provenance import DECISIVE, provenance, version
    from stress.store import open_run

    started = time.monotonic()
    if resume and out is None:
        raise InputError("--resume", "", "no --out", "--out DIR of the run to go on with")
    if threads is not None and threads < 1:
        raise InputError("--threads", "", str(threads), "a whole number of threads from 1")
    console = Console(stderr=True)
    keep_programs()
    problem = load_problem(ref, paths)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = out or Path("runs") / f"{problem.spec.name}-{stamp}"
    identity = {
        "tuning": problem.digest,
        "file": problem.spec.model_dump(mode="json"),
        "paths": problem.campaign.spec.paths,
        "version": {name: version(name) for name in DECISIVE},
    }
    open_run(folder, identity, resume)
    hands = threads or os.cpu_count() or 1

    def say(sentence: str) -> None:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    try:
        self_test(None, engine_canary)
        with _progress(console, problem.spec.name) as bar:
            results = tune(
                problem,
                folder,
                hands,
                say=say,
                advance=bar.advance,
                total=bar.total,
                facts=lambda: provenance(
                    problem.campaign,
                    time.monotonic() - started,
                    {"workers": 1, "threads": hands},
                ),
            )
    except KeyboardInterrupt:
        say(f"Finished candidates are kept: the same command with --out {folder} --resume goes on.")
        raise
    facts = json.loads(results.attrs["provenance"])
    leave(folder, problem.campaign, facts, results, summary(results))
    _show(results)
    print(f"\nResults in {folder}")
    if report:
        report_command(folder, None)


def summary(results) -> dict[str, object]:
    """The machine-readable summary: the recommendation, its risks, and the steps to it."""
    from reports.tuning.memo import recommendation

    best, again = int(results["best"]), int(results["best_fresh"])
    names = [str(v) for v in results["variable"].values]

    def plain(value: float) -> float | None:
        return float(value) if abs(float(value)) < float("inf") else None

    def point(values) -> dict[str, float]:
        return dict(zip(names, map(float, values), strict=True))

    def risks(array: str, **at: int) -> list[dict[str, object]]:
        rows = []
        for name in map(str, results["constraint"].values):
            entry = results.sel(constraint=name)
            value, error, low, high = map(plain, entry[array].isel(**at).values)
            rows.append({
                "id": name, "scenario": str(entry["constraint_scenario"].item()),
                "kind": str(entry["constraint_kind"].item()),
                "measure": str(entry["constraint_measure"].item()),
                "unit": str(entry["constraint_unit"].item()), "value": value,
                "standard_error": error, "bounds": [low, high], "at_most": float(entry["limit"]),
            })  # fmt: skip
        return rows

    told: dict[str, object] = {
        "recommendation": recommendation(results).replace("\N{NO-BREAK SPACE}", " "),
        "today": point(results["variable_today"].values),
        "recommended": point(results["values"].values[best]) if best >= 0 else None,
        "objective": str(results.attrs["objective_measure"]),
        "objective_today": plain(results["objective"].values[0]),
        "confidence": float(results.attrs["confidence"]),
        "candidates": results.sizes["candidate"],
        "feasible_candidates": int(results.attrs["feasible_candidates"]),
        "risks_today": risks("risk", candidate=0),
        "steps": [
            {"values": point(values), "keeps_every_limit": bool(fine)}
            for values, fine in zip(
                results["step_values"].values, results["step_feasible"].values, strict=True
            )
        ],
    }
    if best >= 0:
        told |= {
            "objective_recommended": plain(results["objective"].values[best]),
            "risks": risks("risk", candidate=best),
            "risks_fresh": risks("fresh_risk", fresh=again),
        }
    return told


def _show(results) -> None:
    """The recommendation and the limits, on the terminal."""
    from reports.tuning.memo import recommendation
    from reports.tuning.tables import limits

    print(recommendation(results))
    table = limits(results)
    rows = [
        [f"{c.text} [{c.detail}]" if n and c.detail else c.text for n, c in enumerate(row)]
        for row in table.rows
    ]
    show_table(table.caption, [column.heading for column in table.columns], rows)


@dataclass(frozen=True)
class _Bar:
    """What the search calls while it looks."""

    advance: Callable[[bool], None]
    total: Callable[[int], None]


@contextmanager
def _progress(console: Console, name: str) -> Iterator[_Bar]:
    """A progress bar of candidates on standard error; silent where it is no terminal."""
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f} candidates"),
        TimeRemainingColumn(),
        console=console, disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task(name, total=1)

        def advance(found: bool) -> None:
            del found
            done = bar.tasks[task].completed + 1
            bar.update(task, advance=1, total=max(done, bar.tasks[task].total or 0))

        def total(candidates: int) -> None:
            bar.update(task, total=candidates + 1)

        yield _Bar(advance, total)
