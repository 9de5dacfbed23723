"""Price paths by a parallel Numba kernel; a stream of random numbers per thread."""

import numba as nb
import numpy as np


@nb.njit(parallel=True, fastmath=True)
def paths_of(paths: int, steps: int, root, scale: float, trend: float) -> np.ndarray:
    """Prices relative to now, `[P, T, A]`."""
    assets = root.shape[0]
    found = np.empty((paths, steps, assets))
    for p in nb.prange(paths):
        level, drawn = np.zeros(assets), np.empty(assets)
        for t in range(steps):
            for a in range(assets):
                drawn[a] = np.random.standard_normal()  # noqa: NPY002 - a stream per thread
            for a in range(assets):
                move = 0.0
                for b in range(a + 1):
                    move += root[a, b] * drawn[b]
                level[a] += trend + scale * move
                found[p, t, a] = np.exp(level[a])
    return found
