"""Runs of price processes that their tests share."""

from types import ModuleType
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np


def returns_of(
    module: ModuleType, model: Any, paths: int, steps: int, hours: Any = 1.0, seed: int = 0
) -> np.ndarray:
    """Log returns `[paths, steps, A]` of a process, from NumPy's normals."""
    width = module.normals_per_step(model)
    draws = np.random.default_rng(seed).standard_normal((paths, steps, width))
    run = jax.jit(jax.vmap(lambda z: module.log_returns(model, z, jnp.asarray(hours))))
    return np.asarray(run(jnp.asarray(draws)))


def mean_error(sample: np.ndarray, exact: float) -> float:
    """Distance of a sample's mean from a value, in standard errors."""
    return float((sample.mean() - exact) / (sample.std() / np.sqrt(len(sample))))


def share_error(hits: np.ndarray, exact: float) -> float:
    """Distance of a share from a probability, in standard errors under the probability."""
    return float((hits.mean() - exact) / np.sqrt(exact * (1 - exact) / len(hits)))
