"""Which coordinates of a point build which part of a path: rotations of a path's normals.

A rotation leaves independent standard normals what they are. It decides what the first, best
distributed coordinates of a Sobol point do: by time they draw the first hours; as a bridge or by
principal components the level at the horizon and the coarse shape of the path.
"""

from typing import Literal

import numpy as np

Ordering = Literal["time", "bridge", "pca"]


def rotation(ordering: Ordering, hours: np.ndarray) -> np.ndarray:
    """Orthogonal matrix from ordered coordinates to the normals of the steps.

    Args:
      ordering: `time`, `bridge` (Brownian bridge, halving the longest gap) or `pca`.
      hours: length of every step, `[T]`.

    Returns:
      `[T, T]`: normals of the steps = matrix @ coordinates, coordinate 0 first in weight.

    Errors:
      ValueError for an unknown ordering or a step without length.

    Source:
      Caflisch, Morokoff and Owen (1997), J. Comp. Finance 1(1), 27-46 (bridge); Acworth, Broadie
      and Glasserman (1998), MCQMC, 1-18 (principal components).
    """
    lengths = np.asarray(hours, np.float64)
    if not np.all(lengths > 0):
        raise ValueError("every step needs a length above 0")
    if ordering == "time":
        return np.eye(len(lengths))
    time = np.cumsum(lengths)
    if ordering == "bridge":
        levels = _bridge(time)
    elif ordering == "pca":
        values, vectors = np.linalg.eigh(np.minimum.outer(time, time))
        down = np.argsort(values)[::-1]
        signs = np.where(vectors[-1, down] < 0, -1.0, 1.0)
        levels = vectors[:, down] * signs * np.sqrt(np.maximum(values[down], 0))
    else:
        raise ValueError(f"ordering {ordering!r}: time, bridge or pca")
    steps = np.diff(np.concatenate([np.zeros((1, len(time))), levels]), axis=0)
    return steps / np.sqrt(lengths)[:, None]


def _bridge(time: np.ndarray) -> np.ndarray:
    """Levels of a Brownian motion at `time` as a matrix on bridge coordinates, `[T, T]`."""
    levels = np.zeros((len(time), len(time)))
    levels[-1, 0] = np.sqrt(time[-1])
    gaps, used = [(-1, len(time) - 1)], 1
    while gaps:
        left, right = gaps.pop(0)
        if right - left < 2:
            continue
        middle = (left + right) // 2
        start = time[left] if left >= 0 else 0.0
        share = (time[middle] - start) / (time[right] - start)
        below = levels[left] if left >= 0 else 0.0
        levels[middle] = (1 - share) * below + share * levels[right]
        levels[middle, used] = np.sqrt((time[middle] - start) * (time[right] - time[middle])
                                       / (time[right] - start))  # fmt: skip
        used += 1
        gaps += [(left, middle), (middle, right)]
    return levels
