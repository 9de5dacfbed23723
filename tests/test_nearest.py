"""Nearest points on the edge of a loss: planes, corners, and losses that jump."""

import numpy as np
import pytest

from stress.decide.nearest import Answer, apart, begins, led, outlook, polish, reach

LEVEL = 7.0


def covariance(rng: np.random.Generator, size: int = 6) -> np.ndarray:
    root = rng.standard_normal((size, size)) * np.array([0.02, 0.05, 0.1, 0.01, 0.3, 0.5])
    return root @ root.T


@pytest.mark.parametrize("seed", range(5))
def test_a_linear_book_has_its_closed_form(seed):
    """x* = Sigma a X / (a' Sigma a) to 1e-6, whatever the covariance; the wrong one misses it."""
    rng = np.random.default_rng(seed)
    sigma, a = covariance(rng), rng.standard_normal(6) * 1e3
    root = np.linalg.cholesky(sigma)

    def limit(w):
        return float(a @ (root @ w) / LEVEL - 1), root.T @ a / LEVEL

    def loss(points):
        return points @ root.T @ a

    (place,) = led(limit, begins(root))
    answer = reach(loss, LEVEL, place, 12.0, 16)
    assert answer is not None
    exact = sigma @ a * LEVEL / (a @ sigma @ a)
    np.testing.assert_allclose(root @ answer.point, exact, rtol=1e-6)
    assert answer.distance == pytest.approx(LEVEL / np.sqrt(a @ sigma @ a), rel=1e-8)
    assert answer.loss == pytest.approx(LEVEL, rel=1e-8) and answer.loss >= LEVEL
    diagonal = np.diag(np.diag(sigma))
    wrong = diagonal @ a * LEVEL / (a @ diagonal @ a)
    assert np.abs(wrong / exact - 1).max() > 1e-2  # negative control: correlations left out


def test_two_edges_are_two_answers():
    """A loss either way: both planes are found, the nearer one first, and no third."""
    normal = np.array([[1.0, 0.2, 0.0], [-0.9, 0.3, 0.1]])

    def limit(w):
        sides = normal @ w - np.array([3.0, 4.0])
        k = int(np.argmax(sides))
        return float(sides[k]), normal[k]

    found = led(limit, begins(np.eye(3)))
    exact = [n * b / (n @ n) for n, b in zip(normal, (3.0, 4.0), strict=True)]
    assert len(found) == 2
    for got, want in zip(found, exact, strict=True):
        np.testing.assert_allclose(got, want, atol=1e-6)
    assert apart([exact[0], 1.01 * exact[0], exact[1]]) == [exact[0], exact[1]]


def test_the_first_point_of_a_ray_that_jumps():
    def steps(points):
        return np.floor(np.linalg.norm(points, axis=1))

    found = reach(steps, 3.0, np.array([0.6, 0.8]), 12.0, 8)
    assert found is not None
    np.testing.assert_allclose(found.point, [1.8, 2.4], rtol=1e-8)
    assert found.loss == 3.0
    assert reach(steps, 13.0, np.array([0.6, 0.8]), 12.0, 8) is None


def test_random_directions_look_out():
    """Two sides lose: both are seen, the nearest first; a level beyond all of them is not."""

    def loss(points):
        return np.abs(points[:, 0]) - 1e9 * (np.abs(points[:, 1]) > 12)

    seen, most = outlook(loss, 4.0, 3, 48)
    assert min(p[0] for p in seen) <= -4 and max(p[0] for p in seen) >= 4
    lengths = [np.linalg.norm(p) for p in seen]
    assert (np.diff(lengths) > -1e-9).all() and 11 < most <= 12
    assert outlook(loss, 12.1, 3, 48) == ([], most)


def test_polish_needs_no_gradient():
    """From a direction 30 degrees off, to the nearest point of a plane that a staircase hides."""
    normal = np.array([0.5, -0.5, 0.5, 0.5])

    def loss(points):
        return np.floor(points @ normal * 50) / 50

    off = np.array([0.5, -0.5, 0.5, -0.5]) + 2 * normal
    start = reach(loss, 4.0, off, 12.0, 32)
    assert start is not None and start.distance > 4.2
    better = polish(loss, 4.0, start, 60, 32)
    assert better.loss >= 4.0 and better.unpolished == start.distance
    assert 4.0 <= better.distance < 4.01
    assert polish(loss, 4.0, start, 0, 32).distance == start.distance
    lone = Answer(np.array([2.0]), 4.0, True, 2.0)
    assert polish(loss, 4.0, lone, 10, 32) is lone


def test_where_searches_begin():
    root = np.linalg.cholesky(np.array([[1.0, 0.5, 0.0], [0.5, 1.0, 0.0], [0.0, 0.0, 1.0]]))
    root[2] = 0.0  # stands still
    made = begins(root[:, :2])
    assert all(np.linalg.norm(b) == pytest.approx(3.0) for b in made)
    assert any(np.allclose(b, -3 * root[1, :2]) for b in made)  # a coin falls, the others with it
