"""The nearest points at which a loss is reached: local answers by gradients, then without them.

Whitened coordinates `[r]`: the distance is |w|, standard deviations. Nothing here knows of books;
`limit` leads by gradients, `loss` decides.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from stress.sampling.design import Limit, design_point
from stress.shifts import ALIKE, cosine

Loss = Callable[[np.ndarray], np.ndarray]  # points [P, r] -> losses [P], NaN: unknown

BEGIN = 3.0  # deviations at which searches begin
FARTHEST = 12.0  # deviations beyond which nothing is looked for: a probability of 2e-33
TOLERANCE = 1e-9  # relative, of the gradient search and of the radius
FIRST_STEP, LAST_STEP = 0.2, 0.002  # radians, of directions while they are polished
STEPS = 20  # of a gradient search
DIRECTIONS = 128  # random ones, each looked at as far as the radii below
RADII = (0.25, 0.5, 0.75, 1.0)  # of FARTHEST
SHORTER = 1e-4  # least relative gain of a polish that counts


@dataclass(frozen=True, eq=False)
class Answer:
    """A local minimum of the distance on the edge of the loss."""

    point: np.ndarray  # [r]
    loss: float
    led: bool  # by gradients; else found along the ray of a start
    unpolished: float  # distance before the search without gradients
    settled: bool = False  # that search found nothing nearer at its smallest step

    @property
    def distance(self) -> float:
        """Standard deviations."""
        return float(np.linalg.norm(self.point))


def led(limit: Limit, begins: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Distinct points on the edge of a smooth limit, nearest first.

    Gradients of a limit that is a logarithm of what is lost vanish where everything is lost, so
    begin at or before the edge.

    Args:
      limit: point -> (value, gradient); positive where the loss is reached.
      begins: where to start, `[r]` each.

    Returns:
      Points; none where no gradient leads on.
    """
    found: list[np.ndarray] = []
    for begin in begins:
        reached = design_point(limit, begin, TOLERANCE, STEPS)
        if reached is None or not np.isfinite(reached.point).all():
            continue
        if 1e-9 < reached.distance < 2 * FARTHEST and reached.converged:
            found.append(reached.point)
    return apart(sorted(found, key=lambda p: float(np.linalg.norm(p))))


def apart(points: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Points without those whose direction is nearly that of one before."""
    kept: list[np.ndarray] = []
    for point in points:
        if all(cosine(point, other) < ALIKE for other in kept):
            kept.append(point)
    return kept


def begins(root: np.ndarray) -> list[np.ndarray]:
    """Where searches begin, `[r]` each: every factor moved up and down, alone and with its likes.

    Alone: the direction in which no other factor moves least; with its likes: the likeliest move of
    all factors given that of one, along root' e.
    """
    back = np.linalg.pinv(root)
    made = []
    for f in np.flatnonzero(np.abs(root).sum(axis=1) > 0):
        for direction in (root[f], back[:, f]):
            unit = direction / np.linalg.norm(direction)
            made += [BEGIN * unit, -BEGIN * unit]
    return apart(made)


def outlook(loss: Loss, level: float, size: int, batch: int) -> tuple[list[np.ndarray], float]:
    """What random directions say: where a level is reached, and how much is lost at all.

    Args:
      loss: of points `[P, r]`.
      level: to reach.
      size: r.
      batch: points of a call.

    Returns:
      Points that reach it, `[r]` each, nearest first and of those the greatest loss first; and the
      greatest loss seen, NaN where none is known.
    """
    units = np.random.default_rng(0).standard_normal((DIRECTIONS, size))
    units /= np.linalg.norm(units, axis=1, keepdims=True)
    points = np.concatenate([FARTHEST * radius * units for radius in RADII])
    losses = np.concatenate([loss(points[k : k + batch]) for k in range(0, len(points), batch)])
    radii = np.repeat(RADII, DIRECTIONS)
    order = np.lexsort((-losses, radii))
    known = losses[np.isfinite(losses)]
    return (
        apart([points[k] for k in order if losses[k] >= level]),
        float(known.max()) if len(known) else np.nan,
    )


def reach(loss: Loss, level: float, point: np.ndarray, most: float, batch: int) -> Answer | None:
    """The first point of a ray at which a loss reaches a level.

    Args:
      loss: of points `[P, r]`.
      level: to reach.
      point: `[r]`, gives the direction.
      most: distance up to which to look.
      batch: points of a call.

    Returns:
      The point, to TOLERANCE; of a loss that jumps, the far side of the jump. None where it is not
      reached. A loss that is reached, lost and reached again between two of `batch` points may be
      missed.
    """
    unit = point / np.linalg.norm(point)
    low, high = 0.0, most
    found = np.nan
    while high - low > TOLERANCE * high:
        radii = low + (high - low) * np.arange(1, batch + 1) / batch
        losses = loss(radii[:, None] * unit)
        there = np.flatnonzero(losses >= level)
        if not len(there):
            return None
        i = there[0]
        low, high = (radii[i - 1] if i else low), radii[i]
        found = losses[i]
    return Answer(high * unit, float(found), True, float(high))


def polish(
    loss: Loss, level: float, start: Answer, rounds: int, batch: int, seed: int = 0
) -> Answer:
    """Shortens an answer without gradients: directions beside it, tried at a shorter distance.

    A direction at which the level is reached at a thousandth less is taken and followed to its
    first point; the step grows after a gain and shrinks after a miss, and is never so large that
    a local answer jumps to another.

    Args:
      loss: of points `[P, r]`.
      level: to reach.
      start: an answer.
      rounds: calls of `loss` at most, those along rays not counted.
      batch: points of a call.
      seed: of the directions.

    Returns:
      An answer, at most as far as `start`.
    """
    rng = np.random.default_rng(seed)
    best, step, gain = start, FIRST_STEP, 1e-3
    if len(start.point) == 1:
        return start  # one factor has no direction beside
    for _ in range(rounds):
        if step < LAST_STEP:
            return replace(best, settled=True)
        unit = best.point / best.distance
        tries = unit + step * rng.standard_normal((batch, len(unit))) / np.sqrt(len(unit))
        tries /= np.linalg.norm(tries, axis=1, keepdims=True)
        losses = np.nan_to_num(loss(best.distance * (1 - gain) * tries), nan=-np.inf)
        chosen = int(np.argmax(losses))
        if losses[chosen] < level:
            step /= 2
            gain = max(gain / 2, SHORTER)
            continue
        nearer = reach(loss, level, tries[chosen], best.distance * (1 - gain), batch)
        if nearer is not None:
            best = replace(nearer, led=start.led, unpolished=start.unpolished)
            step = min(1.3 * step, FIRST_STEP)
    return best
