"""Where to shift the normals of a scenario's paths: design points of events and of tails."""

import jax.numpy as jnp
import numpy as np

from stress.events import RareEvent, happens
from stress.path_function import PathFunction
from stress.sampling.design import Limit, design_point, worst_point
from stress.smooth import smooth_limit

START = 3.0  # deviations of the level at the horizon from which a search begins
WIDEST = 2.5  # a design point this much farther than the nearest adds nothing
ALIKE = 0.9  # cosine above which two points are one
MOST_POINTS = 3
SCALES = np.linspace(0.1, 2.0, 39)


def design_points(event: RareEvent, paths: PathFunction) -> list[np.ndarray]:
    """Local design points of an event, nearest first.

    Searches begin with a lasting move of each normal up and down. Points are then moved along
    their ray to where the event itself, not its smooth stand-in, begins.

    Args:
      event: the event.
      paths: of the scenario.

    Returns:
      Points `[T, n]`; none where no gradient leads on or no ray reaches the event.
    """
    limit = limit_of(event, paths)
    found: list[np.ndarray] = []
    for begin in starts(limit, paths.shape):
        if any(cosine(begin, point) > ALIKE for point in found):
            continue
        reached = design_point(limit, begin)
        if reached is None or not np.isfinite(reached.point).all() or reached.distance < 1e-3:
            continue
        point = _true_scale(event, paths, reached.point)
        if point is not None and all(cosine(point, other) < ALIKE for other in found):
            found.append(point)
    found.sort(key=lambda point: float(np.linalg.norm(point)))
    reach = float(np.linalg.norm(found[0])) + WIDEST if found else 0.0
    return [point for point in found if float(np.linalg.norm(point)) <= reach][:MOST_POINTS]


def limit_of(event: RareEvent, paths: PathFunction) -> Limit:
    """The smooth stand-in of an event, for its gradient."""
    if event.account:
        return smooth_limit(paths, "peak", 0.0)
    return smooth_limit(paths, event.measure, event.level)


def starts(limit: Limit, shape: tuple[int, int], columns: int | None = None) -> list[np.ndarray]:
    """Where searches begin: lasting moves of one normal, those that raise the limit first."""
    made = []
    for column in range(shape[1] if columns is None else columns):
        for sign in (-1.0, 1.0):
            begin = np.zeros(shape)
            begin[:, column] = sign * START / np.sqrt(shape[0])
            value, slope = limit(begin)
            if np.isfinite(value) and np.any(slope):
                made.append((value, begin))
    made.sort(key=lambda pair: -pair[0])
    return [begin for _, begin in made[: 2 * MOST_POINTS]]


def _true_scale(event: RareEvent, paths: PathFunction, point: np.ndarray) -> np.ndarray | None:
    """The point moved along its ray to where the event begins; None where it never does."""
    rays = jnp.asarray(np.resize(SCALES, paths.batch)[:, None, None] * point)  # one program for all
    if paths.single:
        there = np.asarray(paths.peak(rays)) > 0
    else:
        there = np.asarray(happens(event, paths.courses(rays)[0])) > 0
    there = there[: len(SCALES)]
    if not there.any():
        return None
    return SCALES[np.argmax(there)] * point


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Of the angle between two points."""
    return float(np.sum(one * other) / (np.linalg.norm(one) * np.linalg.norm(other)))


def worst_step(limit: Limit, paths: PathFunction, far: float) -> tuple[np.ndarray, float] | None:
    """The worst normals `[n]` of one step in the middle, and the figure with them."""
    row = paths.shape[0] // 2

    def alone(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = limit(point)
        kept = np.zeros(paths.shape)
        kept[row] = slope[row]
        return value, kept

    tried = []
    for column in range(paths.price_columns):
        for sign in (-far, far):
            begin = np.zeros(paths.shape)
            begin[row, column] = sign
            tried.append((limit(begin)[0], begin))
    point = worst_point(alone, max(tried, key=lambda pair: pair[0])[1], far)
    return None if point is None else (point[row], limit(point)[0])


def event_burst(event: RareEvent, paths: PathFunction, nearest: float) -> np.ndarray | None:
    """Normals `[n]` of one bad step that makes the event; None where lasting moves are nearer.

    Args:
      event: the event.
      paths: of the scenario.
      nearest: distance of the nearest design point.
    """
    limit = limit_of(event, paths)
    found = worst_step(limit, paths, nearest)
    if found is None or not found[1] > 0:
        return None
    alone = np.zeros(paths.shape)
    alone[paths.shape[0] // 2] = found[0]
    reached = _true_scale(event, paths, alone)
    return None if reached is None else reached[paths.shape[0] // 2]
