"""The crash overlay: shape, recovery, what the grid sees of it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.scenarios.overlays import crash

GRID = np.arange(25.0)
amounts = st.tuples(
    st.floats(-0.95, 0.5), st.floats(0, 30), st.floats(0, 20), st.floats(0, 1), st.floats(0, 20)
)


def test_shape_by_hand() -> None:
    path = crash(GRID, -0.4, at=2.0, over=4.0, recovery=0.5, recovery_over=8.0)
    depth = np.log(0.6)
    assert (path[:3] == 0).all()
    np.testing.assert_allclose(path[3:7], depth * np.array([0.25, 0.5, 0.75, 1.0]), rtol=1e-14)
    np.testing.assert_allclose(path[10], depth * 0.75, rtol=1e-14)
    np.testing.assert_allclose(path[14:], depth * 0.5, rtol=1e-14)
    assert np.expm1(path.min()) == pytest.approx(-0.4)


def test_within_one_step() -> None:
    path = crash(GRID, -0.4, at=0.0, over=0.0, recovery=0.0, recovery_over=0.0)
    np.testing.assert_allclose(path, np.log(0.6) * (GRID > 0), rtol=1e-12)


@pytest.mark.parametrize(
    ("at", "over"), [(0.0, 0.0), (3.0, 0.0), (3.0, 1.5), (2.5, 0.0), (0.3, 0.2)]
)
def test_the_low_is_seen_even_where_the_recovery_is_at_once(at: float, over: float) -> None:
    path = crash(GRID, -0.4, at=at, over=over, recovery=1.0, recovery_over=0.0)
    low = int(np.argmin(path))
    assert path[low] == pytest.approx(np.log(0.6))
    assert at + over <= low < at + over + 1 + (over == 0)
    np.testing.assert_allclose(path[low + 1 :], 0.0, atol=1e-12)


def test_example_of_the_interfaces() -> None:
    """`crash: {asset: all, size: -0.4, over: 2h, recovery: 0.3}`."""
    path = crash(GRID, -0.4, at=0.0, over=2.0, recovery=0.3, recovery_over=0.0)
    depth = np.log(0.6)
    np.testing.assert_allclose(path[:4], depth * np.array([0, 0.5, 1.0, 0.7]), rtol=1e-12)


@given(amounts)
def test_between_nothing_and_the_low(figures: tuple[float, ...]) -> None:
    size, at, over, recovery, recovery_over = figures
    path = crash(GRID, size, at, over, recovery, recovery_over)
    depth = np.log1p(size)
    assert np.isfinite(path).all() and (path[at >= GRID] == 0).all()
    assert (np.abs(path) <= abs(depth) * (1 + 1e-12)).all() and (path * depth >= -1e-300).all()
    if at + over + 1 + recovery_over + 1 <= GRID[-1]:
        assert path[-1] == pytest.approx(depth * (1 - recovery), abs=1e-9)


@given(st.floats(-0.9, 0.3), st.integers(0, 8), st.integers(1, 8), st.floats(0, 1))
def test_a_finer_grid_shows_the_same_crash(size: float, at: int, over: int, share: float) -> None:
    fine = np.arange(97) / 4
    args = (size, float(at), float(over), share, 6.0)
    np.testing.assert_allclose(crash(fine, *args)[::4], crash(GRID, *args), atol=1e-12)


def test_beyond_the_horizon() -> None:
    assert (crash(GRID, -0.4, 24.0, 0.0, 0.5, 0.0) == 0).all()
    cut = crash(GRID, -0.4, 20.0, 8.0, 0.5, 0.0)
    assert cut[-1] == pytest.approx(np.log(0.6) / 2)


@pytest.mark.parametrize(
    ("shape", "halfway"), [("linear", 0.5), ("early", 0.75), ("late", 0.25), ("smooth", 0.5)]
)
def test_shapes_end_at_the_same_low(shape: str, halfway: float) -> None:
    path = crash(GRID, -0.4, 2.0, 8.0, 0.5, 4.0, shape)
    depth = np.log(0.6)
    assert (path[:3] == 0).all() and path[10] == pytest.approx(depth)
    assert path[6] == pytest.approx(halfway * depth)
    assert (np.diff(path[:11]) <= 0).all() and path[-1] == pytest.approx(depth / 2)
    quarter = {"linear": 0.25, "early": 0.4375, "late": 0.0625, "smooth": 0.15625}[shape]
    assert path[4] == pytest.approx(quarter * depth)
