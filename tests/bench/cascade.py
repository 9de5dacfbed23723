"""Times the cascade: the engine, NumPy and Numba on the same two cases.

    python -m tests.bench.cascade [paths] [repeats]

prints a table. The peers compute what `cascade_case.Outcome` holds and no more. The engine also
keeps the ledger of all parties, the reserve, attribution to assets, margin ratios and times of
every account, and is written for portfolio accounts, takeovers and deleveraging, which these cases
leave out. NumPy and BLAS have one thread here; engine and Numba are shown with one and with all.
"""

import os
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # before NumPy: its small products only wait

from stress.environment import prepare_environment  # noqa: E402

prepare_environment()

import numpy as np  # noqa: E402

from tests.bench.cascade_case import STRESS, Case, Outcome, make_case  # noqa: E402
from tests.bench.cascade_engine import differences, engine_player  # noqa: E402
from tests.bench.cascade_numpy import run_numpy  # noqa: E402
from tests.bench.clock import by_turns, seconds_by_turns  # noqa: E402
from tests.bench.frozen import engine, sized  # noqa: E402

SIZE: dict[str, Any] = {"accounts": 2000, "markets": 8, "steps": 24}
ENGINE = "engine, 1 thread"


def contenders(case: Case) -> dict[str, Callable[[], Outcome]]:
    """Name -> function that plays the case; without Numba where it is not installed."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    counts = sorted({1, cores or 1})
    names = [f"{threads} thread{'s' * (threads > 1)}" for threads in counts]
    found: dict[str, Callable[[], Outcome]] = {}
    for name, threads in zip(names, counts, strict=True):
        found[f"engine, {name}"] = engine_player(case, threads)
    found["NumPy, 1 thread"] = lambda: run_numpy(case)
    try:
        from tests.bench.cascade_numba import run_numba
    except ImportError:
        return found
    for name, threads in zip(names, counts, strict=True):
        found[f"Numba, {name}"] = lambda threads=threads: run_numba(case, threads)
    return found


def timed(case: Case, repeats: int = 5) -> tuple[dict[str, list[float]], dict[str, Outcome]]:
    """Seconds of every repeat and the outcome, by contender.

    All are run once before, for compilation, and then by turns, so that whatever else the machine
    does meets all of them.
    """
    runs = contenders(case)
    outcomes = {name: run() for name, run in runs.items()}
    return seconds_by_turns(runs, repeats), outcomes


def table(case: Case, title: str, repeats: int = 5) -> list[str]:
    """Lines of a table: median and least seconds, account-steps per second, ratio to the engine."""
    seconds, outcomes = timed(case, repeats)
    want = outcomes[ENGINE]
    paths, times, _ = case.mark.shape
    share = want.liquidated.mean() / len(case.cash)
    lines = [
        f"{title}: {paths} paths, {times - 1} steps, {len(case.cash):,} accounts, "
        f"{share:.2%} of them liquidated, displacement up to {np.abs(want.displacement).max():.1%}",
        f"{'':20}{'median s':>10}{'least s':>10}{'M account-steps/s':>20}{'x engine':>10}  agrees",
    ]
    base = statistics.median(seconds[ENGINE])
    for name, values in seconds.items():
        median = statistics.median(values)
        found = differences(outcomes[name], want, ties=-(-paths // 20))
        lines.append(
            f"{name:20}{median:10.4f}{min(values):10.4f}{case.account_steps / median / 1e6:20.1f}"
            f"{base / median:10.1f}  {'; '.join(found) or 'yes'}"
        )
    return lines


def beside_frozen(paths: int, repeats: int = 15) -> tuple[float, float]:
    """Median seconds of the quiet cascade and of a frozen book of its size, by turns, all cores."""
    quiet = make_case(**SIZE, paths=paths, stress=STRESS["quiet"])
    book = sized(SIZE["accounts"], paths, SIZE["markets"])
    if len(book.plain.free) != paths or book.plain.free.shape[1] - 1 != SIZE["steps"]:
        raise SystemExit(f"no frozen book of {paths} paths: {book.plain.free.shape}")
    found = by_turns(
        {"quiet": engine_player(quiet, os.cpu_count() or 1), "frozen": engine(book)}, repeats
    )
    return found["quiet"], found["frozen"]


def ratio_to_frozen(paths: int) -> str:
    """The quiet cascade beside the frozen book, a line."""
    quiet, frozen = beside_frozen(paths)
    return (
        f"cascade, quiet {quiet:.4f} s, frozen book of {paths} paths {frozen:.4f} s: "
        f"{quiet / frozen:.2f} times"
    )


def main(paths: int = 128, repeats: int = 5) -> None:
    """Prints a table per case, and how the quiet one compares with a frozen book."""
    for title, stress in STRESS.items():
        case = make_case(**SIZE, paths=paths, stress=stress)
        print(*table(case, title, repeats), sep="\n", end="\n\n")
    print(ratio_to_frozen(paths))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:3]))
