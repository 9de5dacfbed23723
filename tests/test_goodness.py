"""Tests of fit have their size, and power against what is wrong."""

import numpy as np
import pytest
from scipy import stats

from stress import goodness

ROUNDS = 2000


def test_p_values_are_uniform_under_the_truth() -> None:
    rng = np.random.default_rng(0)
    found = {"ks": [], "ad": [], "lb": []}
    for _ in range(ROUNDS):
        u = rng.random(200)
        found["ks"].append(goodness.kolmogorov_smirnov(u)[1])
        found["ad"].append(goodness.anderson_darling(u)[1])
        found["lb"].append(goodness.ljung_box(rng.standard_normal(2000), 10)[1])
    for name, p in found.items():
        share = np.mean(np.array(p) < 0.05)
        assert abs(share - 0.05) < 4 * np.sqrt(0.05 * 0.95 / ROUNDS), name


@pytest.mark.parametrize(("statistic", "p"), [(1.933, 0.10), (2.492, 0.05), (3.857, 0.01)])
def test_percentage_points_of_anderson_darling(statistic: float, p: float) -> None:
    """Points of the limiting law for a known distribution, Stephens (1974)."""
    assert 1 - goodness._anderson_limit(statistic) == pytest.approx(p, abs=5e-4)


def test_ljung_box_is_that_of_statsmodels() -> None:
    from statsmodels.stats.diagnostic import acorr_ljungbox

    series = np.random.default_rng(2).standard_normal(500).cumsum() % 3
    exact = acorr_ljungbox(series, lags=[7])
    found = goodness.ljung_box(series, 7)
    assert found[0] == pytest.approx(exact["lb_stat"].iloc[0], rel=1e-10)
    assert found[1] == pytest.approx(exact["lb_pvalue"].iloc[0], rel=1e-8)


def test_wrong_laws_are_rejected() -> None:
    rng = np.random.default_rng(1)
    heavy = stats.norm.cdf(rng.standard_t(4, 3000) / np.sqrt(2))
    assert goodness.anderson_darling(heavy)[1] < 1e-4
    assert goodness.kolmogorov_smirnov(heavy)[1] < 1e-3
    clustered = np.cumsum(rng.standard_normal(1000))
    assert goodness.ljung_box(clustered)[1] < 1e-10
    ratios = goodness.tail_ratios(heavy)
    assert ratios[0.001][0] - 4 * ratios[0.001][1] > 1
    points = goodness.tail_quantiles(heavy)
    assert points[0.001][1] < points[0.001][0] - 0.2
    for exact, found in goodness.tail_quantiles(rng.random(100_000)).values():
        assert abs(found - exact) < 0.15
    fair = goodness.tail_ratios(rng.random(100_000))
    assert all(abs(r - 1) < 4 * e for r, e in fair.values())
