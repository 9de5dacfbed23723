"""How long a grid of 21 x 21 candidates takes: `python -m tests.bench.grid [scenario] [looks]`.

LTV of HYPE 50 to 70 % against its global supply cap 5M to 15M, on 4,096 paths of 24 hours with
feedback, the default book of 2,000 accounts. Compiles at today's figures, times some candidates
spread over the grid, and prints seconds a candidate and what the whole grid would take: every
candidate has the same paths, steps and accounts.
"""

import os
import sys
import time

from stress.environment import prepare_environment

prepare_environment()

from stress.compile_cache import keep_programs  # noqa: E402
from stress.decide.tuning.evaluate import Evaluator  # noqa: E402
from stress.decide.tuning.problem import problem_of  # noqa: E402
from stress.decide.tuning.search import grid  # noqa: E402
from stress.decide.tuning.tuning_schema import TuningFile  # noqa: E402
from stress.files import config_dir  # noqa: E402

PATHS, LOOKS = 4096, 6


def main(scenario: str, looks: int) -> None:
    """Times candidates of the grid under one scenario."""
    spec = TuningFile.model_validate({
        "name": "grid",
        "campaign": "campaigns/change_2026_08_19",
        "set": {"against": None, "paths": PATHS},
        "borrower_response": "cap_filling",
        "variables": {
            "ltv": {"of": "ltv", "token": "HYPE", "low": 0.5, "high": 0.7, "step": 0.01},
            "cap": {"of": "global_supply_cap", "token": "HYPE", "low": 5e6, "high": 15e6,
                    "step": 5e5},
        },
        "constraints": {
            "bad_debt": {"kind": "probability", "measure": "bad_debt", "above": 5e7,
                         "at_most": 0.1, "scenario": scenario},
        },
    })  # fmt: skip
    keep_programs()
    problem = problem_of(spec, config_dir() / "tuning" / "grid.yaml")
    threads = os.cpu_count() or 1
    looker = Evaluator(problem, problem.campaign.spec.seed, PATHS, threads)
    candidates = list(grid(problem))
    looker.look(problem.today)
    spread = candidates[:: max(1, len(candidates) // looks)][:looks]
    seconds = []
    for values in spread:
        began = time.perf_counter()
        looker.look(values)
        seconds.append(time.perf_counter() - began)
    campaign = problem.campaign
    work = PATHS * campaign.steps * len(campaign.book.ids)
    mean = sum(seconds) / len(seconds)
    print(
        f"{scenario}: {mean:.2f} s a candidate ({min(seconds):.2f} to {max(seconds):.2f}, "
        f"{len(seconds)} looked at), {mean / work * 1e9:.1f} ns an account-step with {threads} "
        f"threads; {len(candidates)} candidates take {mean * len(candidates) / 60:.0f} min "
        f"(load {os.getloadavg()[0]:.1f})"
    )


if __name__ == "__main__":
    asked = sys.argv[1:]
    main(asked[0] if asked else "calm", int(asked[1]) if len(asked) > 1 else LOOKS)
