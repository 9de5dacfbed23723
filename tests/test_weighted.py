"""Weighted estimators against closed forms, and what refuses a number."""

from typing import Any

import numpy as np
import pytest
from scipy import special, stats
from statistics_helpers import normal_tail

from stress.estimate import mean, proportion
from stress.tail import expected_shortfall, quantile
from stress.weighted import (
    diagnostics,
    refusal,
    weighted_expected_shortfall,
    weighted_mean,
    weighted_proportion,
    weighted_quantile,
)

N, SHIFT = 8192, 3.5


def sample(seed: int = 0, shift: float = SHIFT, n: int = N):
    """Normals from 2/16 of the target and 14/16 shifted, weights and strata."""
    rng = np.random.default_rng(seed)
    stratum = (np.arange(n) % 16 >= 2).astype(int)
    x = rng.standard_normal(n) + shift * stratum
    weight = 1 / (2 / 16 + 14 / 16 * np.exp(shift * x - shift**2 / 2))
    return x, weight, stratum


@pytest.mark.parametrize("level", [1.0, 3.0, 4.0, 4.75])
def test_small_probabilities(level: float) -> None:
    x, w, k = sample()
    found, exact = weighted_proportion(x > level, w, k), special.ndtr(-level)
    assert abs(found.value - exact) < 4 * found.standard_error < 0.4 * exact
    wrong = 1 / (2 / 16 + 14 / 16 * np.exp(SHIFT * x + SHIFT**2 / 2))  # sign of the square
    off = weighted_proportion(x > level, wrong, k)
    assert abs(off.value - exact) > 4 * off.standard_error


@pytest.mark.parametrize("p", [0.99, 0.9999])
def test_quantiles_and_shortfalls(p: float) -> None:
    x, w, k = sample(2, shift=2.5 if p == 0.99 else 3.7)
    q, shortfall = normal_tail(p)
    found = weighted_quantile(x, w, p, k)
    assert found.low < q < found.high and abs(found.value - q) < 4 * found.standard_error
    mean_tail = weighted_expected_shortfall(x, w, p, k)
    assert abs(mean_tail.value - shortfall) < 4 * mean_tail.standard_error < 0.1 * shortfall
    plain = weighted_quantile(x, np.ones(N), p, k)
    assert abs(plain.value - q) > 4 * found.standard_error  # weights forgotten


def test_without_weights_they_are_the_plain_ones() -> None:
    x = np.random.default_rng(3).exponential(size=4000)
    ones = np.ones(4000)
    np.testing.assert_allclose(weighted_mean(x, ones).value, mean(x).value)
    np.testing.assert_allclose(
        weighted_mean(x, ones).standard_error, mean(x).standard_error, rtol=1e-9
    )
    assert weighted_quantile(x, ones, 0.95).value == quantile(x, 0.95).value
    np.testing.assert_allclose(
        weighted_expected_shortfall(x, ones, 0.95).value,
        expected_shortfall(x, 0.95).value,
        rtol=1e-3,
    )
    hit = x > 2.5
    found, wilson = weighted_proportion(hit, ones), proportion(int(hit.sum()), 4000)
    np.testing.assert_allclose((found.low, found.high), (wilson.low, wilson.high), rtol=0.01)


def test_strata_take_out_what_differs_between_them() -> None:
    rng = np.random.default_rng(4)
    k = np.arange(4000) % 2
    x = rng.standard_normal(4000) + 10 * k
    by, over = weighted_mean(x, np.ones(4000), k), weighted_mean(x, np.ones(4000))
    assert by.value == over.value
    assert by.standard_error == pytest.approx(1 / np.sqrt(4000), rel=0.05)
    assert over.standard_error > 4 * by.standard_error
    lone = weighted_mean(np.array([1.0, 2.0, 9.0]), np.ones(3), np.array([0, 0, 1]))
    assert np.isfinite(lone.standard_error) and lone.standard_error > 0


def test_a_lone_path_counts_with_the_variance_of_all() -> None:
    x = np.array([1.0, 9.0, 5.0])  # the lone one at the mean of all
    found = weighted_mean(x, np.ones(3), np.array([0, 0, 1]))
    assert found.standard_error**2 == pytest.approx((2 * 32 + x.var(ddof=1)) / 9)
    alone = weighted_mean(x, np.ones(3), np.arange(3))
    assert alone.standard_error == pytest.approx(weighted_mean(x, np.ones(3)).standard_error)


def test_nan_and_nonsense() -> None:
    assert np.isnan(weighted_mean(np.array([1.0, np.nan]), np.ones(2)).value)
    with pytest.raises(ValueError, match="at least 0"):
        weighted_mean(np.ones(3), -np.ones(3))
    with pytest.raises(ValueError, match="outside"):
        weighted_quantile(np.ones(3), np.ones(3), 1.0)
    with pytest.raises(ValueError, match="empty"):
        weighted_mean(np.ones(0), np.ones(0))
    one = weighted_mean(np.ones(1), np.ones(1))
    assert np.isnan(one.low) and np.isnan(one.high)


@pytest.mark.parametrize("shape", [0.2, 0.5, 1.0])
def test_pareto_shape(shape: float) -> None:
    terms = stats.genpareto.rvs(shape, size=20_000, random_state=5)
    assert abs(diagnostics(terms).pareto_k - shape) < 0.15


def test_diagnostics() -> None:
    equal = diagnostics(np.ones(400))
    assert equal.effective_sample_size == 400 and equal.largest_share == 1 / 400
    lone = diagnostics(np.eye(1, 400)[0])
    assert lone.effective_sample_size == 1 and lone.largest_share == 1
    assert diagnostics(np.zeros(5)).effective_sample_size == 0


def test_refusals() -> None:
    x, w, k = sample()

    def why(terms: Any) -> str:
        return refusal(weighted_mean(terms, np.ones(len(terms)), k), diagnostics(terms))

    assert why(w * (x > 4)) == ""
    assert "no path" in why(np.zeros(N))
    few = np.zeros(N)
    few[: 20 * 16 : 16] = 1.0
    assert "effective paths" in why(few)
    assert "standard error" in why(np.eye(1, N)[0])
    heavy = stats.genpareto.rvs(1.1, size=N, random_state=1)
    assert "shape" in why(heavy) or "one path" in why(heavy) or "effective" in why(heavy)
