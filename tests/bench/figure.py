"""Speed of the frozen book by size, logarithmic."""

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt

AXES = {"accounts": "accounts", "paths": "paths", "markets": "markets"}
BASE = {"accounts": 2000, "markets": 8}


def draw(rows: list[dict[str, Any]], place: Path) -> None:
    """Account-steps a second of engine and Numba along each size."""
    frozen = [row for row in rows if row["part"] == "frozen"]
    figure, axes = plt.subplots(1, 3, figsize=(11, 3.6), sharey=True, layout="constrained")
    for ax, (key, label) in zip(axes, AXES.items(), strict=True):
        others = {k: v for k, v in BASE.items() if k != key}
        for name, marker in (("engine", "o"), ("Numba", "s")):
            along = {
                row[key]: row["account_steps_per_second"]
                for row in frozen
                if row["name"] == name and all(row[k] == v for k, v in others.items())
            }
            sizes = sorted(along)
            ax.loglog(sizes, [along[s] for s in sizes], marker=marker, label=name)
        ax.set_xlabel(label)
        ax.grid(True, which="both", alpha=0.3)
    axes[0].set_ylabel("account-steps per second")
    axes[0].legend()
    figure.savefig(place, dpi=120)
    plt.close(figure)
