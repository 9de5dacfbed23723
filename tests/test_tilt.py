"""Shifted normals against closed forms; a wrong likelihood ratio does not pass."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from process_helpers import mean_error
from scipy import special

from stress.sampling.design import design_point, worst_point
from stress.sampling.draws import PLAIN, draws
from stress.sampling.tilt import likelihood_ratio, mixture, tilted
from stress.weighted import weighted_proportion

T, N = 12, 2
BARRIER = 4.5 * np.sqrt(T)
PATHS = jnp.arange(2**14)


def shift(size: float) -> np.ndarray:
    """A lasting move of the first column."""
    found = np.zeros((T, N))
    found[:, 0] = size / np.sqrt(T)
    return found


def proposals(bursts: bool = False):
    single = np.array([[3.0, 0.0]]) if bursts else None
    parts = (2, 8, 6) if bursts else (2, 14)
    return mixture(np.stack([shift(0.0), shift(4.5)]), parts, single)


@pytest.mark.parametrize("bursts", [False, True])
def test_weights_have_mean_one_at_every_time(bursts: bool) -> None:
    mix = proposals(bursts)
    drawn, _ = tilted(mix, PLAIN, jax.random.key(1), PATHS, T, N)
    ratio = np.asarray(likelihood_ratio(mix, drawn))
    assert ratio.shape == (len(PATHS), T + 1) and (ratio[:, 0] == 1).all()
    for t in range(1, T + 1):
        assert abs(mean_error(ratio[:, t], 1.0)) < 4
    assert ratio.max() <= 16 / 2 * (1 + 1e-12)  # one over the defensive share


def test_components_come_in_their_shares() -> None:
    for how in (PLAIN, draws("sobol", np.ones(T), N, 4)):
        _, which = tilted(proposals(True), how, jax.random.key(2), jnp.arange(4 * 64), T, N)
        np.testing.assert_array_equal(np.bincount(np.asarray(which)), [32, 128, 96])


@pytest.mark.parametrize("bursts", [False, True])
def test_a_normal_tail(bursts: bool) -> None:
    """P(sum > 4.5 sqrt T) = 3.4e-6; the quadratic term with the wrong sign is far off."""
    mix = proposals(bursts)
    drawn, which = tilted(mix, PLAIN, jax.random.key(3), PATHS, T, N)
    ratio = np.asarray(likelihood_ratio(mix, drawn))[:, -1]
    happened = np.asarray(drawn[:, :, 0].sum(axis=1)) > BARRIER
    found = weighted_proportion(happened, ratio, np.asarray(which))
    exact = special.ndtr(-4.5)
    assert abs(found.value - exact) < 4 * found.standard_error < 0.12 * exact
    wrong = np.exp(2 * 4.5**2 / 2) * np.where(which == 1, ratio, 0)
    off = weighted_proportion(happened, wrong, np.asarray(which))
    assert abs(off.value - exact) > 4 * off.standard_error


def test_stopping_the_ratio_is_unbiased_and_better() -> None:
    """First passage of a walk over a barrier: weighed when it happens, and at the end."""
    mix = proposals()
    drawn, _ = tilted(mix, PLAIN, jax.random.key(4), PATHS, T, N)
    level = np.cumsum(np.asarray(drawn)[:, :, 0], axis=1)
    beyond = level > BARRIER * 0.6
    hit = beyond.any(axis=1)
    when = 1 + beyond.argmax(axis=1)
    ratio = np.asarray(likelihood_ratio(mix, drawn))
    stopped = np.where(hit, ratio[np.arange(len(hit)), when], 0)
    late = np.where(hit, ratio[:, -1], 0)
    apart = stopped - late
    assert abs(apart.mean()) < 4 * apart.std() / np.sqrt(len(apart))
    assert stopped.var() < 0.8 * late.var()


def test_a_mixture_must_be_defensive() -> None:
    with pytest.raises(ValueError, match="without a shift"):
        mixture(np.stack([shift(1.0), shift(2.0)]), (8, 8))
    with pytest.raises(ValueError, match="sixteenths"):
        mixture(np.stack([shift(0.0), shift(2.0)]), (8, 9))


def plane(row: np.ndarray) -> tuple[float, np.ndarray]:
    """Limit 3 standard deviations out along (2, 1)."""
    way = np.array([[2.0, 1.0]]) / np.sqrt(5)
    return float((row * way).sum()) - 3, way


def test_design_points() -> None:
    found = design_point(plane, np.array([[0.1, -2.0]]))
    assert found is not None and found.converged
    np.testing.assert_allclose(found.point, 3 * np.array([[2.0, 1.0]]) / np.sqrt(5), atol=1e-6)
    assert abs(found.distance - 3) < 1e-6

    def bowl(row: np.ndarray) -> tuple[float, np.ndarray]:  # |z - (8, 0)| < 5: nearest at (3, 0)
        away = row - np.array([[8.0, 0.0]])
        return 25 - float((away**2).sum()), -2 * away

    curved = design_point(bowl, np.array([[1.0, 1.0]]))
    assert curved is not None
    np.testing.assert_allclose(curved.point, [[3.0, 0.0]], atol=2e-2)
    assert design_point(lambda row: (-1.0, np.zeros_like(row)), np.ones((1, 2))) is None
    far = worst_point(plane, np.array([[1.0, 0.0]]), 4.0)
    assert far is not None
    np.testing.assert_allclose(far, 4 * np.array([[2.0, 1.0]]) / np.sqrt(5), atol=1e-6)
