"""Geometric Brownian motion: moments, correlation, and the same law at every step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from stress.scenarios import gbm
from stress.scenarios.gaussian import HOURS_PER_YEAR, correlation_factor

PATHS, STEPS = 40_000, 8
VOLATILITY, DRIFT = np.array([0.6, 1.4]), np.array([0.3, -0.5])
RHO = 0.7


def model(rho: float = RHO) -> gbm.Gbm:
    factor = correlation_factor(np.array([[1.0, rho], [rho, 1.0]]), "test", "")
    return gbm.Gbm(
        volatility=jnp.asarray(VOLATILITY), drift=jnp.asarray(DRIFT), factor=jnp.asarray(factor)
    )


def sampled(process: gbm.Gbm, normals: np.ndarray, hours: float) -> np.ndarray:
    run = jax.jit(jax.vmap(lambda z: gbm.log_returns(process, z, hours)))
    return np.asarray(run(jnp.asarray(normals)))


def standard_normals(seed: int, steps: int = STEPS) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((PATHS, steps, 2))


def errors(values: np.ndarray, hours: float, rho: float) -> list[float]:
    """Distances of mean, variance, correlation and mean price from theory, in standard errors."""
    t, n = hours / HOURS_PER_YEAR, len(values)
    mean, variance = (DRIFT - VOLATILITY**2 / 2) * t, VOLATILITY**2 * t
    growth = np.exp(values)
    return [
        *(values.mean(0) - mean) / np.sqrt(variance / n),
        *(values.var(0) / variance - 1) / np.sqrt(2 / n),
        (np.corrcoef(values.T)[0, 1] - rho) / ((1 - rho**2) / np.sqrt(n)),
        *(growth.mean(0) - np.exp(DRIFT * t)) / (growth.std(0) / np.sqrt(n)),
    ]


def test_moments_and_correlation() -> None:
    total = sampled(model(), standard_normals(1), 24.0).sum(axis=1)
    assert max(map(abs, errors(total, STEPS * 24.0, RHO))) < 4
    # The check sees another correlation, another volatility and a forgotten convexity term.
    assert max(map(abs, errors(total, STEPS * 24.0, RHO - 0.05))) > 4
    assert max(map(abs, errors(total * 1.03, STEPS * 24.0, RHO))) > 4
    convexity = VOLATILITY**2 / 2 * STEPS * 24.0 / HOURS_PER_YEAR
    assert max(map(abs, errors(total + convexity, STEPS * 24.0, RHO))) > 4


@pytest.mark.parametrize("rho", [-0.6, 0.0, 0.95])
def test_other_correlations(rho: float) -> None:
    total = sampled(model(rho), standard_normals(2, 1), 6.0)[:, 0]
    assert max(map(abs, errors(total, 6.0, rho))) < 4


def test_refining_the_step_keeps_the_law() -> None:
    """An hour's normal is the sum of its quarters' over two: the returns agree path by path."""
    quarters = standard_normals(3, 16)
    hourly = quarters.reshape(PATHS, 4, 4, 2).sum(axis=2) / 2
    fine, coarse = sampled(model(), quarters, 0.25), sampled(model(), hourly, 1.0)
    np.testing.assert_allclose(fine.reshape(PATHS, 4, 4, 2).sum(axis=2), coarse, rtol=0, atol=1e-13)
    assert max(map(abs, errors(fine.sum(axis=1), 4.0, RHO))) < 4
    assert max(map(abs, errors(fine.sum(axis=1), 16.0, RHO))) > 4


def test_without_volatility_the_price_drifts() -> None:
    still = gbm.Gbm(volatility=jnp.zeros(2), drift=jnp.asarray(DRIFT), factor=jnp.eye(2))
    returns = sampled(still, standard_normals(4, 1)[:3], 8760.0)
    np.testing.assert_allclose(returns[:, 0], np.tile(DRIFT, (3, 1)), rtol=1e-15)


def test_draws() -> None:
    assert gbm.normals_per_step(model()) == 2
