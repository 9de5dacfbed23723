"""The design point: the most likely normals at which an event happens, found by its gradient.

Of all paths on which a limit function is reached, the one with the smallest |z| has the greatest
density. Shifting the mean of the normals there makes the event ordinary, the tilt's best place.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

Limit = Callable[[np.ndarray], tuple[float, np.ndarray]]

MOST_ITERATIONS = 40
MOST_TURNS = 15
TOLERANCE = 1e-3  # of the limit function and, relative, of the point


@dataclass(frozen=True, eq=False)
class DesignPoint:
    """A local minimum of |z| on the limit."""

    point: np.ndarray  # [T, n]
    value: float  # of the limit function there; 0 at convergence
    converged: bool

    @property
    def distance(self) -> float:
        """|z|, the reliability index; P is about Phi(-|z|) where the limit is a plane."""
        return float(np.linalg.norm(self.point))


def design_point(
    limit: Limit, begin: np.ndarray, tolerance: float = TOLERANCE, most: int = MOST_ITERATIONS
) -> DesignPoint | None:
    """Minimises |z| subject to limit(z) >= 0 by the improved Hasofer-Lind-Rackwitz-Fiessler steps.

        z <- z + a (target - z),    target = (<g, z> - limit(z)) g / |g|^2,   g = gradient

    with the step a halved until a merit |z|^2 / 2 + c |limit| falls.

    Args:
      limit: normals `[T, n]` -> (value, gradient); positive where the event happens.
      begin: where to start, `[T, n]`.
      tolerance: of the limit function and, relative, of the point.
      most: steps, of up to six calls of the limit each.

    Returns:
      The point reached; None where the gradient vanishes or is not finite: nothing leads on.

    Source:
      Zhang and Der Kiureghian (1995), Reliability and Optimization of Structural Systems, 297-304.
    """
    point = np.asarray(begin, np.float64)
    value, slope = limit(point)
    for _ in range(most):
        steepness = float(np.sum(slope**2))
        if not np.isfinite(value) or not np.isfinite(steepness) or steepness < 1e-16:
            return None
        target = (float(np.sum(slope * point)) - value) / steepness * slope
        move = target - point
        size = float(np.linalg.norm(target))
        if abs(value) < tolerance and float(np.linalg.norm(move)) < tolerance * max(size, 1.0):
            return DesignPoint(point, value, converged=True)
        penalty = 2 * size / np.sqrt(steepness) + 1e-6
        before, share = _merit(point, value, penalty), 1.0
        while True:
            there = point + share * move
            at, steep = limit(there)
            if _merit(there, at, penalty) < before or share < 0.05:
                break
            share /= 2
        point, value, slope = there, at, steep
    return DesignPoint(point, value, converged=abs(value) < 10 * TOLERANCE)


def worst_point(limit: Limit, begin: np.ndarray, distance: float) -> np.ndarray | None:
    """The normals at a given distance |z| on which a figure is greatest.

        z <- distance * gradient / |gradient|

    Args:
      limit: normals `[T, n]` -> (value, gradient).
      begin: where to start, `[T, n]`.
      distance: |z|.

    Returns:
      The point with the greatest value that was seen; None where the gradient vanishes.

    Source:
      Li and Foschi (1998), Prob. Eng. Mechanics 13, 177-187: the inverse first-order method.
    """
    best, most = None, -np.inf
    point = distance * begin / np.linalg.norm(begin)
    for _ in range(MOST_TURNS):
        value, slope = limit(point)
        if np.isfinite(value) and value > most:
            best, most = point, value
        steepness = float(np.linalg.norm(slope))
        if not np.isfinite(steepness) or steepness < 1e-12:
            break
        turned = distance * slope / steepness
        if np.linalg.norm(turned - point) < TOLERANCE * distance:
            break
        point = turned
    return best


def _merit(point: np.ndarray, value: float, penalty: float) -> float:
    worth = float(np.sum(point**2)) / 2 + penalty * abs(value)
    return worth if np.isfinite(worth) else np.inf
