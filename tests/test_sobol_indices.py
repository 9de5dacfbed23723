"""Sobol indices against closed forms."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from stress.decide.sobol import design, sobol_table

VALUES = Path(__file__).resolve().parents[2] / "shared/validation/reference_values.json"


def ishigami(x: np.ndarray) -> np.ndarray:
    return (np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0]))[None]


UNIFORM = [stats.uniform(-np.pi, 2 * np.pi)] * 3


@pytest.mark.skipif(not VALUES.exists(), reason="the reference values of shared are not here")
def test_ishigami() -> None:
    """Every index of the reference lies in its interval; the point is near it."""
    known = json.loads(VALUES.read_text())["ishigami_a7_b0.1"]
    found = sobol_table(ishigami, UNIFORM, 1024, seed=5)
    for estimate, name in ((found.first, "S1"), (found.total, "ST")):
        want = np.array(known[name])
        assert ((estimate.low[0] <= want) & (want <= estimate.high[0])).all(), name
        assert np.abs(estimate.value[0] - want).max() < 0.05
        assert (estimate.high[0] - estimate.low[0]).max() < 0.25
        wrong = want[::-1]
        assert not ((estimate.low[0] <= wrong) & (wrong <= estimate.high[0])).all(), "control"


def test_an_additive_function_by_hand() -> None:
    """f = x + 2 y of standard normals: 1/5 and 4/5, first equals total; the third does nothing."""
    found = sobol_table(lambda x: (x[0] + 2 * x[1])[None], [stats.norm()] * 3, 512, seed=1)
    assert found.first.value[0] == pytest.approx([0.2, 0.8, 0.0], abs=0.03)
    assert found.total.value[0] == pytest.approx([0.2, 0.8, 0.0], abs=0.03)
    assert found.total.value[0, 2] == 0


def test_outputs_that_never_change_have_no_index() -> None:
    found = sobol_table(lambda x: np.stack([x[0], 0 * x[0]]), [stats.norm()] * 2, 64, seed=1)
    assert np.isfinite(found.first.value[0]).all() and np.isnan(found.total.value[1]).all()


def test_design() -> None:
    a, b, ab = design(UNIFORM, 8, seed=2)
    assert a.shape == b.shape == (3, 8) and len(ab) == 3
    assert np.array_equal(ab[1][1], b[1]) and np.array_equal(ab[1][[0, 2]], a[[0, 2]])
    with pytest.raises(ValueError, match="power of 2"):
        design(UNIFORM, 12, seed=2)


def test_values_that_are_not_finite_are_refused() -> None:
    with pytest.raises(ValueError, match="not finite"):
        sobol_table(lambda x: x[:1] * np.nan, UNIFORM, 8, seed=1)
