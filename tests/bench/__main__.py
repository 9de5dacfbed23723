"""The benchmark: `python -m tests.bench [folder]`, or `make bench`.

Times frozen book, cascade and sampling against honest peers in one process, the machine's own
limits beside them, checks that all contenders agree before it times them, and writes `bench.json`
and `bench.png` besides the tables it prints.
"""

import json
import os
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT)]
os.environ.setdefault("OPENBLAS_NUM_THREADS", str(os.cpu_count() or 1))

from stress.environment import prepare_environment  # noqa: E402

prepare_environment()

from tests.bench import cascade_table, frozen_table, sampling_table  # noqa: E402
from tests.bench.clock import machine  # noqa: E402
from tests.bench.figure import draw  # noqa: E402


def main(folder: Path) -> None:
    """Runs everything, prints tables, writes JSON and the figure."""
    from stress.provenance import commit, version

    packages = ("jax", "jaxlib", "numpy", "numba")
    limits = machine()
    print(
        f"{platform.machine()}, {os.cpu_count()} cores: "
        f"{limits['flops_per_second'] / 1e9:.0f} Gflop/s in a float32 matrix product, "
        f"{limits['bytes_per_second'] / 1e9:.0f} GB/s in a copy\n"
    )
    rows = []
    for part in (frozen_table, cascade_table, sampling_table):
        rows += part.measured(limits)
    folder.mkdir(parents=True, exist_ok=True)
    facts = {
        "commit": commit(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
        "cores": os.cpu_count(),
        "machine": limits,
        "rows": rows,
    }
    (folder / "bench.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    draw(rows, folder / "bench.png")
    print(f"{folder / 'bench.json'} and bench.png")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path("runs/bench"))
