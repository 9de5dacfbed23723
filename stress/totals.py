"""Totals of a scenario: blocks merged in any order, the same in every order.

Counts are integers and add; figures of a path have their own place. Nothing is summed in floating
point across paths before the estimators see it.
"""

from dataclasses import dataclass, field

import numpy as np

from models.status import NON_FINITE
from stress.aggregate import Counts, PathMoney
from stress.cascade_reduce import CascadeCounts, CascadePaths
from stress.market import PathView

UTILIZATION_BINS = 1000  # of [0, 1], and one for exactly 1
FULL = 1 - 1e-9  # utilization from here on counts as 1
Arrays = dict[str, np.ndarray]


def block_arrays(
    counts: Counts, money: PathMoney, view: PathView, valid: np.ndarray, step_hours: np.ndarray
) -> Arrays:
    """What is kept of one block, on the host.

    Args:
      counts: integer sums over the block's valid paths that are finite.
      money: totals of each path, leaves `[P]`.
      view: the paths themselves, leaves `[P, ...]`.
      valid: `[P]`, paths that count.
      step_hours: hours, `[]` or `[T - 1]`, lengths of the steps.

    Returns:
      Arrays named `count.*` (added over blocks) and `path.*` (one row a path). Money of a path that
      is not finite is NaN, so no mean hides it.
    """
    arrays = {f"count.{name}": np.asarray(x).astype(np.int64) for name, x in vars(counts).items()}
    failed = np.asarray(view.status) == NON_FINITE
    for name, leaf in vars(money).items():
        arrays[f"path.{name}"] = np.where(failed, np.nan, np.asarray(leaf))[valid]
    used = np.asarray(view.utilization)[valid]
    arrays["count.utilization"] = _utilization_counts(used)
    arrays["path.peak_utilization"] = used.max(axis=1)
    full = used[:, 1:] >= FULL
    lengths = np.broadcast_to(step_hours, full.shape[1])
    arrays["path.times_full"] = full.sum(axis=1)
    arrays["path.hours_full"] = (full * lengths[:, None]).sum(axis=1)
    for name in ("status", "log_return", "worst_log_return", "queued"):
        arrays[f"path.{name}"] = np.asarray(getattr(view, name))[valid]
    return arrays


def cascade_arrays(
    counts: CascadeCounts, rows: CascadePaths, frozen: PathMoney, view: PathView, valid: np.ndarray
) -> Arrays:
    """What is kept of one block with feedback, besides `block_arrays`.

    Args:
      counts: sums of the cascade over the block's valid paths.
      rows: of each path, leaves `[P, ...]`.
      frozen: totals of the same paths without feedback.
      view: the paths as the cascade left them.
      valid: `[P]`, paths that count.

    Returns:
      Arrays as in `block_arrays`, `path.cascade_*` of the cascade and `path.frozen_*` without it.
    """
    arrays = {f"count.cascade_{name}": np.asarray(leaf) for name, leaf in vars(counts).items()}
    failed = np.asarray(view.status) == NON_FINITE
    money = {f"cascade_{name}": leaf for name, leaf in rows.measures.items()}
    for name in ("overshoot", "first_value", "caused", "party"):
        money[f"cascade_{name}"] = getattr(rows, name)
    money |= {f"frozen_{name}": leaf for name, leaf in vars(frozen).items()}
    for name, leaf in money.items():
        values = np.asarray(leaf)
        lost = failed.reshape(-1, *[1] * (values.ndim - 1))
        arrays[f"path.{name}"] = np.where(lost, np.nan, values)[valid]
    arrays["path.cascade_residual"] = np.asarray(rows.residual)[valid]
    return arrays


def _utilization_counts(used: np.ndarray) -> np.ndarray:
    """Paths by utilization at each time, int64 `[T, Q, bins]`; not finite ones are in no bin."""
    _, times, quotes = used.shape
    finite = np.isfinite(used)
    bins = np.where(used >= FULL, UTILIZATION_BINS, np.nan_to_num(used) * UTILIZATION_BINS)
    bins = np.clip(bins.astype(np.int64), 0, UTILIZATION_BINS)
    cell = (np.arange(times)[:, None] * quotes + np.arange(quotes)) * (UTILIZATION_BINS + 1)
    flat = (cell[None] + bins)[finite]
    counts = np.bincount(flat, minlength=times * quotes * (UTILIZATION_BINS + 1))
    return counts.reshape(times, quotes, UTILIZATION_BINS + 1)


@dataclass
class Totals:
    """Merged blocks of one scenario."""

    paths: int
    counts: Arrays = field(default_factory=dict)  # by name, without the prefix
    by_path: Arrays = field(default_factory=dict)  # leaves [paths, ...]
    merged: set[int] = field(default_factory=set)

    def merge(self, index: int, start: int, arrays: Arrays) -> None:
        """Adds one block; a second block of the same index is a fault of the caller."""
        if index in self.merged:
            raise ValueError(f"block {index} is merged already")
        self.merged.add(index)
        for key, value in arrays.items():
            kind, name = key.split(".", 1)
            if kind == "count":
                self.counts[name] = self.counts[name] + value if name in self.counts else value
                continue
            if name not in self.by_path:
                shape = (self.paths, *value.shape[1:])
                self.by_path[name] = np.zeros(shape, value.dtype)
            self.by_path[name][start : start + len(value)] = value
