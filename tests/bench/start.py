"""How long a run takes to get going: `python -m tests.bench.start [campaign]`.

Starts `hyperstress run` with an empty folder of programs, then again with what the first one kept,
and prints seconds from the start of the process to its first finished block: every program of a
scenario compiled, the self-test passed, the block computed and kept. The process is ended there.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

ROOT = Path(__file__).resolve().parents[2]
LOOK = 0.02  # seconds between looks


def started(campaign: str, programs: str, out: Path) -> tuple[float, float]:
    """Seconds on the clock and of the processor to the first block of a run in `out`."""
    command = [sys.executable, "-m", "stress", "run", campaign, "--out", str(out), "--no-report"]
    environ = os.environ | {"JAX_COMPILATION_CACHE_DIR": programs, "PYTHONPATH": str(ROOT)}
    began = time.perf_counter()
    process = subprocess.Popen(command, env=environ, cwd=ROOT, stderr=subprocess.PIPE, text=True)
    while not any(out.glob("blocks.zarr/*/*.receipt.json")):
        if process.poll() is not None:
            raise SystemExit(process.communicate()[1])
        time.sleep(LOOK)
    clock = time.perf_counter() - began
    spent = sum(psutil.Process(process.pid).cpu_times()[:2])
    process.terminate()
    said = process.communicate()[1].splitlines()
    if len(said) > 2:  # that it was stopped, and how it goes on
        raise SystemExit("\n".join(["noise on stderr:", *said]))
    return clock, spent


def main(campaign: str) -> None:
    """Prints both starts."""
    with tempfile.TemporaryDirectory() as folder:
        for name in ("cold", "warm"):
            clock, spent = started(campaign, f"{folder}/programs", Path(folder, name))
            load = os.getloadavg()[0]
            print(f"{name}: {clock:.1f} s (CPU {spent:.1f} s; load {load:.1f})", flush=True)


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "campaigns/baseline")
