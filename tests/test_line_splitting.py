"""Lines and splitting against normal probabilities; events that are not monotone; ties; NaN."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from process_helpers import mean_error
from scipy import special

from stress.replicates import probability_from_replicates
from stress.sampling.draws import PLAIN, normals
from stress.sampling.line import BISECTIONS, GRID, line_probability
from stress.sampling.splitting import split
from stress.validate.samplers import four_branches, minus_load

DRAWN = normals(PLAIN, jax.random.key(5), jnp.arange(512), 2, 2)
FIRST = np.array([[1.0, 0.0], [0.0, 0.0]])


def test_a_plane_across_the_line_is_exact() -> None:
    found = line_probability(lambda z: z[:, 0, 0] - 4.7, DRAWN, FIRST)
    np.testing.assert_allclose(found.probability, special.ndtr(-4.7), rtol=1e-3)
    assert found.evaluations == 512 * (len(GRID) + BISECTIONS) and found.monotone == 1


def test_a_plane_at_an_angle() -> None:
    found = line_probability(lambda z: z[:, 0, 0] + z[:, 1, 1] - 4.0, DRAWN, FIRST)
    assert abs(mean_error(found.probability, special.ndtr(-4 / np.sqrt(2)))) < 4
    wrong = line_probability(lambda z: z[:, 0, 0] + z[:, 1, 1] - 3.0, DRAWN, FIRST)
    assert abs(mean_error(wrong.probability, special.ndtr(-4 / np.sqrt(2)))) > 4


@pytest.mark.parametrize(("low", "high"), [(-2.0, 2.0), (1.0, 3.5), (-5.0, -3.2)])
def test_unions_of_intervals(low: float, high: float) -> None:
    """Inside an interval, and outside of it."""
    inside = line_probability(
        lambda z: jnp.minimum(z[:, 0, 0] - low, high - z[:, 0, 0]), DRAWN, FIRST
    )
    exact = special.ndtr(high) - special.ndtr(low)
    np.testing.assert_allclose(inside.probability, exact, rtol=1e-3)
    assert inside.monotone == 0 and (inside.crossings == 2).all()
    outside = line_probability(
        lambda z: jnp.maximum(low - z[:, 0, 0], z[:, 0, 0] - high), DRAWN, FIRST
    )
    np.testing.assert_allclose(outside.probability, 1 - exact, rtol=1e-3)


def test_always_never_and_nan() -> None:
    for value, exact in ((1.0, 1.0), (-1.0, 0.0), (np.nan, 0.0)):
        found = line_probability(lambda z, v=value: jnp.full(len(z), v), DRAWN, FIRST)
        np.testing.assert_array_equal(found.probability, exact)
    with pytest.raises(ValueError, match="length"):
        line_probability(lambda z: z[:, 0, 0], DRAWN, 0 * FIRST)


def runs(score, count: int, goal: float = 0.0, seed: int = 0, shape=(1, 2)) -> np.ndarray:
    keys = jax.random.split(jax.random.key(seed), count)
    return np.array([split(score, key, 500, shape, goal=goal).probability for key in keys])


def test_splitting_of_a_half_space() -> None:
    """1.3e-6 without bias beyond its error; a goal moved by a tenth of a deviation is noticed."""
    values = runs(lambda z: z[:, 0, 0], 40, goal=4.7)
    exact = special.ndtr(-4.7)
    found = probability_from_replicates(values)
    assert abs(values.mean() - exact) < 4 * found.standard_error < 0.4 * exact
    assert abs(values.mean() - special.ndtr(-4.3)) > 4 * found.standard_error


def test_splitting_finds_every_branch() -> None:
    values = runs(four_branches, 40)
    assert abs(mean_error(values, 0.0022227950661944385)) < 4
    easy = split(minus_load, jax.random.key(1), 4000, (1, 2))
    assert easy.levels == () or len(easy.levels) == 1
    assert abs(easy.probability - special.ndtr(-np.sqrt(2))) < 0.03


def test_splitting_says_when_it_is_stuck() -> None:
    flat = split(lambda z: jnp.where(z[:, 0, 0] > 9, 1.0, -1.0), jax.random.key(2), 200, (1, 1))
    assert flat.stuck and flat.probability == 0
    lost = split(lambda z: jnp.full(len(z), jnp.nan), jax.random.key(2), 200, (1, 1))
    assert lost.stuck and lost.probability == 0
    sure = split(lambda z: jnp.ones(len(z)), jax.random.key(2), 200, (1, 1))
    assert sure.probability == 1 and sure.evaluations == 200
