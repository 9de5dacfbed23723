"""How long a run takes to get going: `python -m tests.bench.start [campaign]`.

Starts `hyperstress run` with an empty folder of programs, then again with what the first one kept,
and prints seconds from the start of the process to the first finished block (every program of its
scenario compiled, the self-test passed, the block computed and kept) and to the first block of
every scenario. The process is ended there.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOOK = 0.02  # seconds between looks


def started(campaign: str, programs: str, out: Path) -> tuple[float, float, float]:
    """Seconds to the first block, to one of every scenario, and of the processor until then."""
    command = [sys.executable, "-m", "stress", "run", campaign, "--out", str(out), "--no-report"]
    environ = os.environ | {"JAX_COMPILATION_CACHE_DIR": programs, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environ, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    first = 0.0
    while True:
        kept = {r.parent for r in out.glob("blocks.zarr/*/*.receipt.json")}
        wanted = {f.parent for f in out.glob("blocks.zarr/*/*")}
        if kept and not first:
            first = time.perf_counter() - began
        if first and len(kept) == len(wanted) >= SCENARIOS:
            break
        if process.poll() is not None:
            raise SystemExit(process.communicate()[1])
        time.sleep(LOOK)
    every = time.perf_counter() - began
    import psutil

    spent = sum(psutil.Process(process.pid).cpu_times()[:2])
    process.terminate()
    said = process.communicate()[1]
    if said.count("\n") > 1:
        raise SystemExit(f"more than one sentence on stderr:\n{said}")
    return first, every, spent


SCENARIOS = 1


def main(campaign: str) -> None:
    """Prints both starts."""
    from stress.config import load_campaign

    global SCENARIOS
    SCENARIOS = len(load_campaign(campaign).scenarios)
    with tempfile.TemporaryDirectory() as folder:
        for name in ("cold", "warm"):
            first, every, spent = started(campaign, f"{folder}/programs", Path(folder, name))
            print(
                f"{name}: first block after {first:.1f} s, one of every scenario after "
                f"{every:.1f} s (CPU {spent:.1f} s)",
                flush=True,
            )


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "campaigns/baseline")
