"""The cascade against its peers, one row a contender."""

import statistics
from typing import Any

from tests.bench.cascade import ENGINE, SIZE, ratio_to_frozen, timed
from tests.bench.cascade_case import STRESS, make_case
from tests.bench.cascade_engine import differences

PATHS = 128


def measured(limits: dict[str, float]) -> list[dict[str, Any]]:
    """Rows of both cases, printed as they come."""
    del limits
    rows = []
    for title, stress in STRESS.items():
        case = make_case(**SIZE, paths=PATHS, stress=stress)
        seconds, outcomes = timed(case)
        share = outcomes[ENGINE].liquidated.mean() / SIZE["accounts"]
        size = f"{SIZE['accounts']:,} accounts, {PATHS} paths"
        print(f"cascade, {title}: {size}, {share:.2%} liquidated")
        base = statistics.median(seconds[ENGINE])
        for name, values in seconds.items():
            said = differences(outcomes[name], outcomes[ENGINE], ties=-(-PATHS // 20))
            if said:
                raise SystemExit(f"cascade, {title}: {name} disagrees: {'; '.join(said)}")
            taken = statistics.median(values)
            speed = case.account_steps / taken
            rows.append({
                "part": f"cascade, {title}", "name": name, "accounts": SIZE["accounts"],
                "paths": PATHS, "markets": SIZE["markets"], "steps": SIZE["steps"],
                "seconds": taken, "account_steps_per_second": speed,
                "engine_is_faster": taken / base,
            })  # fmt: skip
            print(f"  {name:16} {taken:9.4f} s {speed / 1e9:8.4f}e9 account-steps/s, engine "
                  f"{taken / base:6.3f}x")  # fmt: skip
    print(f"{ratio_to_frozen(PATHS)}\n")
    return rows
