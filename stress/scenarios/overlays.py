"""Overlays: courses in time that are laid on top of any process, host side.

Log additions add up, depth multipliers multiply, what the oracle shows is the oldest of what any
overlay leaves it: the order of overlays does not matter.
"""

import numpy as np

SHAPES = ("linear", "early", "late", "smooth")


def crash(
    hours: np.ndarray,
    size: float,
    at: float,
    over: float,
    recovery: float,
    recovery_over: float,
    shape: str = "linear",
) -> np.ndarray:
    """A fall on top of the process, in the logarithm, with a partial recovery.

    Args:
      hours: grid, `[T]`, 0 = now.
      size: simple return from the start of the fall to its low, above -1 (negative: a fall).
      at: hours from now to the start of the fall.
      over: hours from the start to the low; 0: within one step.
      recovery: share of the fall (in the logarithm) that is regained; above 1 more than it lost.
      recovery_over: hours the recovery takes; 0: within one step.
      shape: of the fall over its time x in [0, 1]: linear x; early 1 - (1 - x)^2, most of it at
        once; late x^2; smooth 3 x^2 - 2 x^3. The recovery is linear.

    Returns:
      Additions to the log price, `[T]`. The low is at the first time of the grid after `at` and not
      before `at + over`, so that no step is too long to see it.

    Errors:
      Raises nothing; the configuration checks the ranges.
    """
    depth, low = np.log1p(size), _reached(hours, at, over)
    x = np.interp(hours, [at, low], [0.0, 1.0])
    fallen = {
        "linear": x,
        "early": 1 - (1 - x) ** 2,
        "late": x**2,
        "smooth": x**2 * (3 - 2 * x),
    }[shape]
    regained = np.interp(hours, [low, low + max(recovery_over, 1e-9)], [0.0, recovery])
    return depth * (fallen - regained)


def pulse(
    hours: np.ndarray, at: float, over: float, hold: float, half_life: float | None
) -> np.ndarray:
    """A course from 0 to 1: builds up linearly over `over` from `at`, holds, then fades.

    Args:
      hours: grid, `[T]`, 0 = now.
      at: hours to its beginning.
      over: hours to its height; 0: within one step.
      hold: hours it stays there.
      half_life: hours in which half of it fades; None: it stays.

    Returns:
      `[T]` in [0, 1]; its height is at a time of the grid, as with `crash`.

    Errors:
      Raises nothing.
    """
    top = _reached(hours, at, over)
    built = np.interp(hours, [at, top], [0.0, 1.0])
    if half_life is None:
        return built
    return built * np.exp2(-np.maximum(hours - top - hold, 0) / half_life)


def shown_time(hours: np.ndarray, at: float, until: float, lag: float | None) -> np.ndarray:
    """Hour whose price an oracle shows that is late, or silent, between `at` and `until`.

    Args:
      hours: grid, `[T]`, 0 = now.
      at: hours to the beginning.
      until: hours to the end; from there on the oracle is live.
      lag: hours it is late; None: it keeps what it showed at `at`.

    Returns:
      Hours, `[T]`, at most `hours`; before now it is now.
    """
    inside = (hours > at) & (hours < until)
    stale = np.full_like(hours, at) if lag is None else np.maximum(hours - lag, 0.0)
    return np.where(inside, np.minimum(stale, hours), hours)


def mixing(factor: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """Matrix that turns shocks correlated by one factor into shocks correlated by another.

    Args:
      factor: lower Cholesky factor L of the correlation, `[A, A]`.
      towards: correlation wanted, `[A, A]`; may be singular.

    Returns:
      M with L M M^T L^T = wanted, so that a process goes on applying L.

    Errors:
      ValueError where `towards` is not positive semidefinite (least eigenvalue -1e-12).
    """
    values, vectors = np.linalg.eigh(towards)
    if values.min() < -1e-12:
        raise ValueError(f"least eigenvalue {values.min():.3g}")
    root = vectors @ np.diag(np.sqrt(np.maximum(values, 0))) @ vectors.T
    return np.linalg.solve(factor, root)


def _reached(hours: np.ndarray, at: float, over: float) -> float:
    """First time of the grid after `at` and not before `at + over`; later than both without one."""
    seen = hours[(hours > at) & (hours > at + over - 1e-9)]
    return float(seen[0]) if len(seen) else at + max(over, 1e-9)
