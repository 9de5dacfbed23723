"""Checks of correlation matrices, and figures brought to the order of the assets."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from stress.errors import InputError
from stress.scenarios.gaussian import HOURS_PER_YEAR, correlation_factor, per_asset


def test_a_year_has_365_days() -> None:
    assert HOURS_PER_YEAR == 8760


@given(arrays(float, (4, 4), elements=st.floats(-1, 1)))
def test_factor_gives_the_matrix_back(loads: np.ndarray) -> None:
    covariance = loads @ loads.T + np.eye(4)
    scale = np.sqrt(np.diag(covariance))
    matrix = covariance / np.outer(scale, scale)
    factor = correlation_factor(matrix, "f.yaml", "c")
    np.testing.assert_allclose(factor @ factor.T, matrix, atol=1e-14)
    assert (np.triu(factor, 1) == 0).all() and (np.diag(factor) > 0).all()


@pytest.mark.parametrize(
    ("matrix", "found"),
    [
        ([[1.0, 0.5]], "shape"),
        ([1.0], "shape"),
        ([[1.0, np.nan], [np.nan, 1.0]], "finite"),
        ([[1.0, 0.5], [0.4, 1.0]], "symmetric"),
        ([[1.0, 0.5], [0.5, 0.9]], "diagonal"),
        ([[1.0, 1.0], [1.0, 1.0]], "eigenvalue"),
        ([[1.0, 0.9, -0.9], [0.9, 1.0, 0.9], [-0.9, 0.9, 1.0]], "eigenvalue is -0.8"),
    ],
)
def test_refused_matrices(matrix: list, found: str) -> None:
    with pytest.raises(InputError) as refused:
        correlation_factor(np.array(matrix), "f.yaml", "prices.correlation")
    assert found in refused.value.found
    assert refused.value.file == "f.yaml" and refused.value.key == "prices.correlation"


def test_per_asset_keeps_the_order_and_knows_a_default() -> None:
    assert per_asset({"b": 2.0, "a": 1.0}, ["a", "b"], "f", "k").tolist() == [1.0, 2.0]
    assert per_asset({"b": 2.0, "default": 7.0}, ["a", "b"], "f", "k").tolist() == [7.0, 2.0]
    assert per_asset({}, [], "f", "k").shape == (0,)


def test_per_asset_names_what_is_missing() -> None:
    with pytest.raises(InputError, match="f: k: found no value for a, c"):
        per_asset({"b": 2.0}, ["a", "b", "c"], "f", "k")
