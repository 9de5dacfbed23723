"""Student-t increments: the chi-square spline, moments, tails and the radius of a path."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import special, stats

from stress.scenarios import student_t
from stress.scenarios.gaussian import HOURS_PER_YEAR, correlation_factor

N = 400_000


def model(nu: float, rho: float = 0.6, per_path: bool = False, year: float = 1.0):
    """Two assets of volatility one per `year` hours, no drift of the logarithm."""
    volatility = np.full(2, np.sqrt(HOURS_PER_YEAR / year))
    factor = correlation_factor(np.array([[1.0, rho], [rho, 1.0]]), "test", "")
    return student_t.build(volatility, volatility**2 / 2, factor, nu, per_path)


def increments(process, normals: np.ndarray) -> np.ndarray:
    """One-hour log returns of paths, `[paths, steps, 2]`."""
    run = jax.jit(jax.vmap(lambda z: student_t.log_returns(process, z, 1.0)))
    return np.asarray(run(jnp.asarray(normals)))


def normals(seed: int, steps: int = 1, paths: int = N) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((paths, steps, 3))


def chi_square_error(nu: float, score: np.ndarray) -> float:
    """Greatest relative distance of the spline from scipy's quantile at Phi(score)."""
    got = np.asarray(student_t.chi_square(model(nu), jnp.asarray(score)))
    lower = stats.chi2.ppf(special.ndtr(score), nu)
    exact = np.where(score < 0, lower, stats.chi2.isf(special.ndtr(-score), nu))
    return float(np.abs(got / exact - 1).max())


@given(st.floats(2.05, 100))
def test_chi_square_spline_against_scipy(nu: float) -> None:
    assert chi_square_error(nu, np.linspace(-8.9, 8.9, 1001)) < 1e-8


@pytest.mark.parametrize("nu", [2.0000001, 2.01, 200.0])
def test_chi_square_spline_at_the_ends_of_what_a_campaign_may_say(nu: float) -> None:
    assert chi_square_error(nu, np.linspace(-8.9, 8.9, 20001)) < 1e-8


def test_chi_square_is_monotone_and_bounded() -> None:
    values = np.asarray(student_t.chi_square(model(3.0), jnp.linspace(-12, 12, 4001)))
    assert (np.diff(values) >= 0).all() and np.isfinite(values).all()
    assert values[0] == values[1] and values[-1] == values[-2]  # beyond +-9 as at +-9


def moment_errors(returns: np.ndarray, rho: float, variance: float = 1.0) -> list[float]:
    """Mean, variance and correlation against theory, in standard errors of the sample."""
    n, product = len(returns), returns[:, 0] * returns[:, 1]
    square = returns**2
    return [
        *returns.mean(0) / (returns.std(0) / np.sqrt(n)),
        *(square.mean(0) - variance) / (square.std(0) / np.sqrt(n)),
        (product.mean() - rho * variance) / (product.std() / np.sqrt(n)),
    ]


@pytest.mark.parametrize("nu", [5.0, 8.0, 60.0])
def test_increments_have_the_stated_volatility_and_correlation(nu: float) -> None:
    returns = increments(model(nu), normals(int(nu)))[:, 0]
    assert max(map(abs, moment_errors(returns, 0.6))) < 4
    assert max(map(abs, moment_errors(returns, 0.5))) > 4
    plain = returns * np.sqrt(nu / (nu - 2))  # without the rescaling to unit variance
    assert max(map(abs, moment_errors(plain, 0.6))) > 4


def tail_errors(losses: np.ndarray, level: float, var: float, es: float) -> tuple[float, float]:
    """Distances of value at risk and expected shortfall, in standard errors."""
    ordered = np.sort(losses)
    n, rank = len(losses), round(level * len(losses))
    density = stats.t.pdf(var * np.sqrt(2), 4) * np.sqrt(2)  # unit variance, 4 degrees
    tail = np.maximum(losses - var, 0)
    shortfall = var + tail.mean() / (1 - level)
    return (
        (ordered[rank - 1] - var) / (np.sqrt(level * (1 - level) / n) / density),
        (shortfall - es) / (tail.std() / (1 - level) / np.sqrt(n)),
    )


def test_tails_of_four_degrees_of_freedom(shared: Path) -> None:
    text = (shared / "validation" / "reference_values.json").read_text()
    known = json.loads(text)["student_t4_unit_variance"]
    losses = -increments(model(4.0), normals(4))[:, 0, 1]
    for level, name in ((0.99, "99"), (0.999, "99.9")):
        var, es = known[f"VaR{name}"], known[f"ES{name}"]
        assert max(map(abs, tail_errors(losses, level, var, es))) < 4
        assert min(map(abs, tail_errors(losses, level, var * 1.1, es * 1.1))) > 4
    normal = normals(5)[:, 0, 0]  # of the same variance
    assert max(map(abs, tail_errors(normal, 0.99, known["VaR99"], known["ES99"]))) > 4


def test_distribution_of_one_increment() -> None:
    """Kolmogorov-Smirnov against t5 of unit variance; a normal of unit variance fails."""
    returns = increments(model(5.0), normals(6, paths=50_000))[:, 0, 0]
    limit = 2.0 / np.sqrt(len(returns))  # the statistic exceeds it with probability 0.0007
    assert stats.kstest(returns * np.sqrt(5 / 3), stats.t(5).cdf).statistic < limit
    assert stats.kstest(returns, stats.norm.cdf).statistic > limit


def test_assets_share_the_radius() -> None:
    """Uncorrelated assets are still large together."""
    returns = increments(model(5.0, rho=0.0), normals(7, paths=100_000))[:, 0]
    limit = 4 / np.sqrt(len(returns))
    assert np.corrcoef(np.log(np.abs(returns)).T)[0, 1] > limit
    free = np.log(np.abs(normals(7, paths=100_000)[:, 0, :2]))
    assert abs(np.corrcoef(free.T)[0, 1]) < limit


def test_one_radius_per_path_or_per_step() -> None:
    draws = normals(8, steps=6, paths=50)
    stretch = {
        per_path: increments(model(3.0, 0.0, per_path), draws) / draws[..., :2]
        for per_path in (True, False)
    }
    whole = stretch[True][:, :1, :1]
    np.testing.assert_allclose(stretch[True], np.broadcast_to(whole, (50, 6, 2)), rtol=1e-11)
    np.testing.assert_allclose(stretch[False][:, 0], stretch[True][:, 0], rtol=1e-11)
    assert (np.ptp(stretch[False][..., 0], axis=1) > 1e-3).all()
    moved = draws.copy()
    moved[:, 1:, 2] += 1.0  # the radius of a path hangs on its first row alone
    np.testing.assert_array_equal(
        increments(model(3.0, 0.0, True), moved), increments(model(3.0, 0.0, True), draws)
    )


def test_tails_last_only_with_one_radius_per_path() -> None:
    """Excess kurtosis of a sum of 50 steps: 6 with one radius (nu = 5), 6/50 with one a step."""
    draws = normals(9, steps=50, paths=20_000)
    beyond = {}
    for per_path in (True, False):
        total = increments(model(5.0, 0.0, per_path, year=50.0), draws)[..., 0].sum(axis=1)
        beyond[per_path] = np.mean(np.abs(total) > 4)
    exact = 2 * stats.t.sf(4 * np.sqrt(5 / 3), 5)
    assert abs(beyond[True] - exact) < 4 * np.sqrt(exact / 20_000)
    assert abs(beyond[False] - exact) > 4 * np.sqrt(exact / 20_000)


@pytest.mark.parametrize("nu", [2.0, 1.0, float("nan")])
def test_no_variance_no_process(nu: float) -> None:
    with pytest.raises(ValueError, match="degrees of freedom"):
        model(nu)


def test_draws() -> None:
    assert student_t.normals_per_step(model(4.0)) == 3
