"""Overlays: what is added to any price process. Each is a path of log-price additions."""

import numpy as np


def crash(
    hours: np.ndarray, size: float, at: float, over: float, recovery: float, recovery_over: float
) -> np.ndarray:
    """A fall on top of the process: linear in the logarithm, with a partial recovery.

    Args:
      hours: grid, `[T]`, 0 = now.
      size: simple return from the start of the fall to its low, above -1 (negative: a fall).
      at: hours from now to the start of the fall.
      over: hours from the start to the low; 0: within one step.
      recovery: share of the fall (in the logarithm) that is regained; above 1 more than it lost.
      recovery_over: hours the recovery takes; 0: within one step.

    Returns:
      Additions to the log price, `[T]`. The low is at the first time of the grid after `at` and not
      before `at + over`, so that no step is too long to see it.

    Errors:
      Raises nothing; the configuration checks the ranges.
    """
    depth = np.log1p(size)
    seen = hours[(hours > at) & (hours > at + over - 1e-9)]
    low = seen[0] if len(seen) else at + max(over, 1e-9)
    fallen = np.interp(hours, [at, low], [0.0, 1.0])
    regained = np.interp(hours, [low, low + max(recovery_over, 1e-9)], [0.0, recovery])
    return depth * (fallen - regained)
