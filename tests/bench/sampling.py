"""Times sampling: correlated price paths by the project, NumPy and Numba; Sobol normals by scipy.

Float64 everywhere. Ours are keyed by (seed, path), so that any path can be drawn again alone; the
peers draw streams. Sums of the log prices at the horizon are compared with the exact law.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from scipy.special import ndtri
from scipy.stats import qmc

from stress.sampling.draws import draws, normals
from stress.sampling.keys import pseudo_random
from stress.scenarios import gbm

VOLATILITY, CORRELATION, HOUR = 0.8, 0.6, 1 / 8760
Sampler = Callable[[], np.ndarray]  # prices at the horizon relative to now, [P, A]


def factor(assets: int) -> np.ndarray:
    """Lower Cholesky factor of equal correlations."""
    matrix = np.full((assets, assets), CORRELATION)
    np.fill_diagonal(matrix, 1)
    return np.linalg.cholesky(matrix)


def contenders(paths: int, steps: int, assets: int) -> dict[str, Sampler]:
    """Name -> function that samples whole paths; without Numba where it is not installed."""
    root = factor(assets)
    scale, trend = VOLATILITY * np.sqrt(HOUR), -(VOLATILITY**2) / 2 * HOUR
    model = gbm.Gbm(
        volatility=jnp.full(assets, VOLATILITY),
        drift=jnp.zeros(assets),
        factor=jnp.asarray(root),
    )

    @jax.jit
    def sampled(key, numbers):
        drawn = pseudo_random(key, numbers, steps, assets)
        returns = jax.vmap(lambda z: gbm.log_returns(model, z, 1.0))(drawn)
        return jnp.exp(jnp.cumsum(returns, axis=1))

    numbers = jnp.arange(paths)

    def ours() -> np.ndarray:
        return np.asarray(sampled(jax.random.key(1), numbers)[:, -1])

    def numpy() -> np.ndarray:
        drawn = np.random.default_rng(1).standard_normal((paths, steps, assets))
        return np.exp(np.cumsum(trend + scale * (drawn @ root.T), axis=1))[:, -1]

    found = {"ours": ours, "NumPy": numpy}
    try:
        from tests.bench.sampling_numba import paths_of
    except ImportError:
        return found
    return found | {"Numba": lambda: paths_of(paths, steps, root, scale, trend)[:, -1]}


def sobol_contenders(paths: int, steps: int, assets: int) -> dict[str, Callable[[], np.ndarray]]:
    """Name -> function that returns scrambled Sobol normals `[P, T * A]`."""
    how = draws("sobol", np.ones(steps), assets, replicates=2, ordering="time")
    numbers = jnp.arange(paths)

    def ours() -> np.ndarray:
        return np.asarray(normals(how, jax.random.key(1), numbers, steps, assets))

    def scipy() -> np.ndarray:
        halves = [qmc.Sobol(steps * assets, rng=k).random(paths // 2) for k in range(2)]
        return ndtri(np.concatenate(halves))

    return {"ours": ours, "scipy": scipy}


def wrong(prices: np.ndarray, steps: int) -> list[str]:
    """Moments of log prices at the horizon that are 5 standard errors from the exact ones."""
    logs, (paths, assets) = np.log(prices), prices.shape
    deviation = VOLATILITY * np.sqrt(HOUR * steps)
    scores = (logs + VOLATILITY**2 / 2 * HOUR * steps) / deviation
    error = 1 / np.sqrt(paths)
    said = []
    if np.abs(scores.mean(axis=0)).max() > 5 * error:
        said.append("mean")
    if np.abs(scores.var(axis=0) - 1).max() > 5 * np.sqrt(2) * error:
        said.append("variance")
    if assets > 1 and abs((scores[:, 0] * scores[:, 1]).mean() - CORRELATION) > 8 * error:
        said.append("correlation")
    return said
