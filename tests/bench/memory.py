"""Memory and cost of large campaigns: `python -m tests.bench.memory`.

Plays the calm day of the baseline, 24 hourly steps, in a process of its own for each size, and
prints peak memory and processor time an account-step. Memory grows with paths by the rows that are
kept of each; the line through the two largest sizes says what a million paths take.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SIZES = ((2_000, 16_384), (10_000, 8_192), (10_000, 32_768))  # accounts, paths
STEPS, MANY = 24, 1_000_000
GIB = 2**30


def played(accounts: int, paths: int, folder: Path) -> dict[str, float]:
    """Peak memory, bytes, and seconds of processor time of all blocks but what compiles them."""
    from stress.environment import prepare_environment

    prepare_environment()
    from ruamel.yaml import YAML

    from stress.campaign import compute_block, plan, run_blocks
    from stress.config import load_campaign

    yaml = YAML()
    book = yaml.load((ROOT / "configs/books/default.yaml").read_text())
    yaml.dump(book | {"accounts": accounts}, folder / "book.yaml")
    document = {
        "name": "memory", "venue": "hyperliquid/2026-08-19", "book": str(folder / "book.yaml"),
        "horizon": f"{STEPS}h", "step": "1h", "paths": paths, "seed": 1, "precision": "float32",
        "scenarios": {"calm": str(ROOT / "configs/scenarios/calm.yaml")},
    }  # fmt: skip
    yaml.dump(document, folder / "campaign.yaml")
    made = plan(load_campaign(str(folder / "campaign.yaml")))
    compute_block(made, "calm", 0)
    began = time.process_time()
    run_blocks(made, None, 2)
    spent = time.process_time() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    rows = sum(equity.size for equity in made.book.equity)
    return {"peak": peak, "seconds": spent, "rows": rows}


def measured(accounts: int, paths: int) -> dict[str, float]:
    """`played` in a new process."""
    command = [sys.executable, "-m", "tests.bench.memory", str(accounts), str(paths)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    """Prints a line for each size, and what a million paths take."""
    found = {}
    for accounts, paths in SIZES:
        found[accounts, paths] = one = measured(accounts, paths)
        cost = 1e9 * one["seconds"] / (accounts * paths * STEPS)
        print(
            f"{accounts:,} accounts ({one['rows']:,.0f} margin accounts with padding), "
            f"{paths:,} paths: {one['peak'] / GIB:.2f} GiB, "
            f"{cost:.2f} ns an account-step of a core",
            flush=True,
        )
    (few, less), (many, more) = ((p, found[a, p]["peak"]) for a, p in SIZES[-2:])
    each = (more - less) / (many - few)
    whole = (more + each * (MANY - many)) / GIB
    print(f"{each:.0f} bytes a path, so {MANY:,} paths: {whole:.2f} GiB")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        with tempfile.TemporaryDirectory() as made_in:
            print(json.dumps(played(int(sys.argv[1]), int(sys.argv[2]), Path(made_in))))
    else:
        main()
