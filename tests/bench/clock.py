"""Timing by turns, and what this machine can do at best."""

import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np

REPEATS = 5
REST = 0.1  # seconds between runs: threads of the one before that wait in a loop go to sleep


def seconds_by_turns(
    runs: Mapping[str, Callable[[], object]], repeats: int = REPEATS
) -> dict[str, list[float]]:
    """Seconds of every repeat of each contender, which must have run before, for compilation.

    They run by turns, so that whatever else the machine does meets all of them.
    """
    seconds: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            time.sleep(REST)
            begun = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - begun)
    return seconds


def by_turns(runs: Mapping[str, Callable[[], object]], repeats: int = REPEATS) -> dict[str, float]:
    """Median seconds of each contender, after one run that does not count."""
    for run in runs.values():
        run()
    found = seconds_by_turns(runs, repeats)
    return {name: statistics.median(values) for name, values in found.items()}


def machine() -> dict[str, float]:
    """Float32 operations per second of a matrix product, bytes per second of a copy, all cores."""
    side, size = 2048, 1 << 26
    a = np.random.default_rng(0).standard_normal((side, side), np.float32)
    source, target = np.zeros(size, np.uint8), np.ones(size, np.uint8)
    found = by_turns({"product": lambda: a @ a, "copy": lambda: np.copyto(target, source)})
    return {
        "flops_per_second": 2 * side**3 / found["product"],
        "bytes_per_second": 2 * size / found["copy"],
    }
