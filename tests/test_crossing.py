"""Brownian bridges between two times of the grid, for one asset exactly and for several closely."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from process_helpers import mean_error
from scipy import special

from stress.sampling.crossing import crossing_probability, standard_distance


@pytest.mark.parametrize("size", [1.0, -2.0])
def test_one_asset_is_the_log_distance(size: float) -> None:
    """A position whose excess is linear in the price, long and short."""
    price, barrier, sigma = 100.0, 80.0 if size > 0 else 130.0, 0.05
    excess = size * (barrier - price)
    found = standard_distance(
        jnp.asarray(excess), (jnp.asarray(-size * price),), jnp.array([[sigma]])
    )
    assert float(found) == pytest.approx(abs(np.log(price / barrier)) / sigma, rel=1e-12)


def test_ends_of_the_range() -> None:
    one = jnp.array([[0.1]])
    assert float(standard_distance(jnp.asarray(3.0), (jnp.asarray(-1.0),), one)) == 0
    assert np.isinf(float(standard_distance(jnp.asarray(-3.0), (jnp.asarray(0.0),), one)))
    assert np.isinf(float(standard_distance(jnp.asarray(-3.0), (jnp.asarray(-1.0),), one)))
    assert float(crossing_probability(jnp.asarray(0.0), jnp.asarray(2.0))) == 1
    assert float(crossing_probability(jnp.asarray(np.inf), jnp.asarray(0.0))) == 0


def test_two_assets_against_fine_steps() -> None:
    """Crossing of a basket's barrier within a step, given its ends, by 1,000 sub-steps."""
    root = np.array([[0.05, 0.0], [0.03, 0.04]])
    units, barrier = np.array([1.0, 1.0]), 1.93
    key, fine, paths = jax.random.key(3), 1000, 20_000
    noise = jax.random.normal(key, (paths, fine, 2), jnp.float64) / np.sqrt(fine)
    logs = np.asarray(jnp.cumsum(noise @ jnp.asarray(root.T), axis=1))
    value = np.exp(logs) @ units
    touched = (value <= barrier * (1 + 0.5826 * 0.045 / np.sqrt(fine))).any(axis=1)

    def distance(prices):
        excess = barrier - prices @ units
        slopes = tuple(-prices[:, a] * units[a] for a in range(2))
        run = jax.vmap(standard_distance, in_axes=(0, 0, None))
        return run(jnp.asarray(excess), tuple(map(jnp.asarray, slopes)), jnp.asarray(root))

    begin, end = distance(np.ones((paths, 2))), distance(np.exp(logs[:, -1]))
    expected = np.asarray(crossing_probability(begin, end))
    assert abs(mean_error(touched - expected, 0.0)) < 4
    late = touched.astype(float) - (np.asarray(end) == 0)
    assert abs(mean_error(late, 0.0)) > 4  # seen at the end alone


def test_a_barrier_by_bridges_is_the_reflection_principle() -> None:
    noise = jax.random.normal(jax.random.key(1), (50_000, 4), jnp.float64) / 2
    level = jnp.concatenate([jnp.zeros((50_000, 1)), jnp.cumsum(noise, axis=1)], axis=1)
    away = jnp.maximum(1.2 + level, 0) * 2  # in deviations of a step
    stay = jnp.prod(1 - crossing_probability(away[:, :-1], away[:, 1:]), axis=1)
    assert abs(mean_error(np.asarray(1 - stay), 2 * special.ndtr(-1.2))) < 4
