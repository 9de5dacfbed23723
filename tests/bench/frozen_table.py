"""The frozen book at one size against all peers, then at many sizes against Numba."""

from typing import Any

import numpy as np

from tests.bench.clock import by_turns
from tests.bench.frozen import contenders, differences, sized, work

LEADING = (2000, 512, 8)  # accounts, paths, markets
MOST = 2.2e9  # account-steps of a case
SIZES = [
    *((accounts, 512, 8) for accounts in (100, 10_000, 100_000, 1_000_000)),
    *((2000, paths, 8) for paths in (100, 10_000, 45_000)),  # more are more blocks of these
    *((2000, 512, markets) for markets in (1, 2, 4, 16, 64)),
]


def measured(limits: dict[str, float]) -> list[dict[str, Any]]:
    """Rows of the table, printed as they come."""
    rows = _case(LEADING, limits, every=True)
    for size in SIZES:
        rows += _case(size, limits, every=False)
    print()
    return rows


def _case(
    size: tuple[int, int, int], limits: dict[str, float], every: bool
) -> list[dict[str, Any]]:
    accounts, paths, markets = size
    fits = max(128, int(MOST / 24 / accounts) // 128 * 128)
    case = sized(accounts, min(paths, fits), markets)
    runs = contenders(case)
    if not every:
        runs = {name: run for name, run in runs.items() if name in ("engine", "Numba")}
    want = runs["Numba" if "Numba" in runs else "NumPy, products"]()
    for name, run in runs.items():
        said = differences(run(), want, ties=3 + accounts * min(paths, fits) // 1_000_000)
        if said:
            raise SystemExit(f"frozen, {size}: {name} disagrees: {'; '.join(said)}")
    seconds = by_turns(runs, 5 if case.account_steps < 5e8 else 1)
    gone = want.first[:-1].sum() / want.first.sum()
    played = case.plain.free.shape[0]
    print(
        f"frozen: {accounts:,} accounts, {played:,} paths, 24 steps, {markets} markets, "
        f"{gone:.2%} liquidated"
    )
    rows, each = [], work(case)
    for name, taken in seconds.items():
        speed = case.account_steps / taken
        share = max(
            speed * each["flops"] / limits["flops_per_second"],
            speed * each["bytes"] / limits["bytes_per_second"],
        )
        row = {
            "part": "frozen", "name": name, "accounts": accounts, "paths": played,
            "markets": markets, "steps": 24, "seconds": taken, "account_steps_per_second": speed,
            "engine_is_faster": float(np.divide(taken, seconds["engine"])),
            "roofline_share": share, **each,
        }  # fmt: skip
        rows.append(row)
        print(
            f"  {name:16} {taken:9.4f} s {speed / 1e9:8.3f}e9 account-steps/s, engine "
            f"{row['engine_is_faster']:6.2f}x, {share:4.0%} of the roofline "
            f"({each['flops']:.0f} flops, {each['bytes']:.0f} bytes)"
        )
    return rows
