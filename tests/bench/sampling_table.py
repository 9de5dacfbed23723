"""Sampling against its peers: normals a second."""

from typing import Any

from tests.bench.clock import by_turns
from tests.bench.sampling import contenders, sobol_contenders, wrong

PATHS, STEPS = 8192, 24


def measured(limits: dict[str, float]) -> list[dict[str, Any]]:
    """Rows of plain paths by number of assets and of Sobol normals, printed as they come."""
    del limits
    rows = []
    for assets in (1, 8, 64):
        runs = contenders(PATHS, STEPS, assets)
        for name, run in runs.items():
            if said := wrong(run(), STEPS):
                raise SystemExit(f"sampling, {assets} assets: {name} has a wrong {said[0]}")
        rows += _rows("sampling", runs, assets)
    return rows + _rows("sampling, Sobol", sobol_contenders(PATHS, STEPS, 8), 8)


def _rows(part: str, runs: dict[str, Any], assets: int) -> list[dict[str, Any]]:
    print(f"{part}: {PATHS:,} paths, {STEPS} steps, {assets} assets")
    rows, seconds = [], by_turns(runs)
    for name, taken in seconds.items():
        speed = PATHS * STEPS * assets / taken
        rows.append({
            "part": part, "name": name, "paths": PATHS, "steps": STEPS, "markets": assets,
            "seconds": taken, "normals_per_second": speed,
            "engine_is_faster": taken / seconds["ours"],
        })  # fmt: skip
        print(f"  {name:16} {taken:9.4f} s {speed / 1e6:8.1f}e6 normals/s, ours "
              f"{taken / seconds['ours']:6.2f}x")  # fmt: skip
    return rows
