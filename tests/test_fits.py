"""Simulate, then fit: every process gives its parameters back, and a wrong one is rejected."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from process_helpers import mean_error, returns_of
from scipy import integrate, optimize, stats

from stress import fit_copula, fit_garch, fit_hawkes, fit_jumps, goodness
from stress.calibrate_prices import overall_volatility, student_t_fit
from stress.calibrate_record import Estimate
from stress.fit_regime import fit_regime
from stress.scenarios import (
    bootstrap,
    fhs,
    garch,
    gbm,
    hawkes,
    kou,
    merton,
    regime,
    student_t,
    t_copula,
)
from stress.scenarios.gaussian import HOURS_PER_YEAR

HOURS = 20_000
ONE = np.eye(1)
GJR: dict[str, Any] = {
    "omega": np.array([1.2e-6]), "alpha": np.array([0.04]), "gamma": np.array([0.05]),
    "beta": np.array([0.90]),
}  # fmt: skip


def z(estimate: Estimate, true: float) -> float:
    """Distance from the truth in standard errors."""
    assert estimate.standard_error is not None
    return (estimate.value - true) / estimate.standard_error


def kou_path(seed: int = 1) -> np.ndarray:
    model = kou.build(
        np.array([0.5]), np.array([0.3]), ONE, 0.0, np.array([300.0]), np.array([0.4]),
        np.array([0.02]), np.array([0.03]),
    )  # fmt: skip
    return returns_of(kou, model, 1, HOURS, seed=seed)[0, :, 0]


def merton_path(seed: int = 2) -> np.ndarray:
    model = merton.build(
        np.array([0.5]), np.array([0.3]), ONE, 0.0, np.array([300.0]), np.array([-0.01]),
        np.array([0.025]),
    )  # fmt: skip
    return returns_of(merton, model, 1, HOURS, seed=seed)[0, :, 0]


def garch_path(seed: int = 3, hours: int = HOURS) -> np.ndarray:
    long_run = GJR["omega"] / (1 - GJR["alpha"] - GJR["gamma"] / 2 - GJR["beta"])
    model = garch.build(
        factor=ONE, degrees_of_freedom=6.0, variance=long_run, drift=np.zeros(1), **GJR
    )
    return returns_of(garch, model, 1, hours, seed=seed)[0, :, 0]


def gbm_path(seed: int = 4) -> np.ndarray:
    model = gbm.Gbm(volatility=jnp.array([0.8]), drift=jnp.zeros(1), factor=jnp.eye(1))
    return returns_of(gbm, model, 1, HOURS, seed=seed)[0, :, 0]


def test_kou_and_a_diffusion_is_rejected() -> None:
    returns = kou_path()
    fit = fit_jumps.fit_kou(returns)
    true = {"volatility": 0.5, "intensity": 300.0, "up_probability": 0.4, "mean_up": 0.02,
            "mean_down": 0.03}  # fmt: skip
    assert max(abs(z(fit[k], v)) for k, v in true.items()) < 3
    transform = fit_jumps.probability_transform("kou", fit, returns)
    assert goodness.kolmogorov_smirnov(transform)[1] > 0.01
    assert goodness.anderson_darling(transform)[1] > 0.01
    plain = stats.norm.cdf(returns / returns.std())
    assert goodness.kolmogorov_smirnov(plain)[1] < 1e-6
    assert goodness.anderson_darling(plain)[1] < 1e-6


def test_merton_and_a_diffusion_is_rejected() -> None:
    returns = merton_path()
    fit = fit_jumps.fit_merton(returns)
    true = {"volatility": 0.5, "intensity": 300.0, "jump_mean": -0.01, "jump_deviation": 0.025}
    assert max(abs(z(fit[k], v)) for k, v in true.items()) < 3
    transform = fit_jumps.probability_transform("merton", fit, returns)
    assert goodness.anderson_darling(transform)[1] > 0.01
    assert goodness.anderson_darling(stats.norm.cdf(returns / returns.std()))[1] < 1e-6


def test_jumps_are_found_where_they_are() -> None:
    returns = kou_path()
    chance = fit_jumps.jump_probability("kou", fit_jumps.fit_kou(returns), returns)
    assert abs(chance.sum() - 300 * HOURS / HOURS_PER_YEAR) < 4 * np.sqrt(chance.sum())
    assert chance[np.abs(returns) > 0.04].min() > 0.99 and np.median(chance) < 0.05


def test_common_jumps_of_two_assets() -> None:
    model = kou.build(
        np.array([0.3, 0.4]), np.zeros(2), np.eye(2), 400.0, np.array([200.0, 0.0]),
        np.array([0.4, 0.4]), np.array([0.05, 0.06]), np.array([0.06, 0.07]),
    )  # fmt: skip
    returns = returns_of(kou, model, 1, HOURS, seed=5)[0]
    chance = np.column_stack([
        fit_jumps.jump_probability("kou", fit_jumps.fit_kou(r), r) for r in returns.T
    ])  # fmt: skip
    week = np.arange(HOURS) // 168
    common, own = fit_jumps.common_intensity(chance, week)
    # a jump too small to see is missed: the estimate is low by the share of those
    assert abs(common.value - 400) < 3 * (common.standard_error or 0) + 0.1 * 400
    assert abs(own[0] - 200) < 80 and own[1] < 60
    alone = kou.build(
        np.array([0.3, 0.4]), np.zeros(2), np.eye(2), 0.0, np.array([600.0, 400.0]),
        np.array([0.4, 0.4]), np.array([0.05, 0.06]), np.array([0.06, 0.07]),
    )  # fmt: skip
    returns = returns_of(kou, alone, 1, HOURS, seed=6)[0]
    chance = np.column_stack([
        fit_jumps.jump_probability("kou", fit_jumps.fit_kou(r), r) for r in returns.T
    ])  # fmt: skip
    none, _ = fit_jumps.common_intensity(chance, week)
    assert none.value < 4 * (none.standard_error or 0) + 1e-9
    assert none.value + 4 * (none.standard_error or 0) < 200


def test_garch_and_a_random_walk_is_rejected() -> None:
    fit = fit_garch.fit_garch(garch_path())
    true = {k: float(v[0]) for k, v in GJR.items()} | {"degrees_of_freedom": 6.0}
    assert max(abs(z(fit.parameters[k], v)) for k, v in true.items()) < 3
    assert goodness.ljung_box(fit.residuals**2)[1] > 0.001
    assert goodness.ljung_box(garch_path() ** 2)[1] < 1e-6
    wrong = fit_garch.fit_garch(kou_path())
    assert max(abs(z(wrong.parameters[k], true[k])) for k in ("alpha", "beta")
               if wrong.parameters[k].standard_error) > 3  # fmt: skip


def test_filtered_simulation_gives_its_table_back() -> None:
    """Parameters from one path of fhs; the residuals' tails are the table's."""
    table = np.random.default_rng(6).standard_t(5, (4000, 1))
    table = (table - table.mean(0)) / table.std(0)
    long_run = GJR["omega"] / (1 - GJR["alpha"] - GJR["gamma"] / 2 - GJR["beta"])
    model = fhs.build(table=table, variance=long_run, drift=np.zeros(1), **GJR)
    fit = fit_garch.fit_garch(returns_of(fhs, model, 1, HOURS, seed=7)[0, :, 0])
    for name in ("alpha", "gamma", "beta"):
        assert abs(z(fit.parameters[name], float(GJR[name][0]))) < 3
    for level in (0.01, 0.99):
        q = np.quantile(table, level)
        share = (fit.residuals < q).mean()
        assert abs(share - level) < 4 * np.sqrt(0.01 * 0.99 / HOURS)
        assert abs((fit.residuals < 1.3 * q).mean() - level) > 4 * np.sqrt(0.01 * 0.99 / HOURS)


def test_regimes_and_a_single_one_is_rejected() -> None:
    factors = [np.linalg.cholesky(np.array([[1, r], [r, 1]])) for r in (0.4, 0.85)]
    volatility, leave = np.array([[0.4, 0.6], [1.5, 2.0]]), np.array([0.01, 0.05])
    model = regime.build(
        volatility=volatility, factor=np.stack(factors), drift=np.zeros(2), leave=leave,
        start=np.array([1.0, 0.0]), jump_intensity=np.zeros(2), jump_mean=np.zeros(2),
        jump_deviation=np.zeros(2), depth=np.ones(2),
    )  # fmt: skip
    returns = returns_of(regime, model, 1, HOURS, seed=8)[0]
    fit = fit_regime(returns)
    for s in (0, 1):
        assert abs(z(fit.leave[s], leave[s])) < 3
        assert all(abs(z(fit.volatility[s][a], volatility[s, a])) < 3 for a in (0, 1))
        rho, error = fit.correlation[s][0, 1], fit.correlation_error[s][0, 1]
        assert abs(rho - (0.4, 0.85)[s]) < 3 * error < abs(rho - (0.85, 0.4)[s])
    scatter: Any = np.cov(returns.T)
    single = stats.multivariate_normal.logpdf(returns, np.zeros(2), scatter).sum()
    assert fit.log_likelihood - single > 100
    plain = np.column_stack([gbm_path(9), gbm_path(10)])
    none = fit_regime(plain)  # nothing to tell apart: the two states are alike
    ratio = none.volatility[1][0].value / none.volatility[0][0].value
    assert ratio < 1.3 < fit.volatility[1][0].value / fit.volatility[0][0].value


def hawkes_times(ratio: float, seed: int = 0, hours: float = 8000.0) -> np.ndarray:
    """Events of the shipped process on a fine grid, placed within their minute."""
    step = 1 / 60
    model = hawkes.build(
        np.zeros(1), np.zeros(1), ONE, 0.05, ratio * 0.8, 0.8, 0.0, np.zeros(1), np.zeros(1), 4
    )
    draws = jax.random.normal(jax.random.key(seed), (int(hours / step), 9), jnp.float64)
    count = np.asarray(jax.jit(lambda z: hawkes.events(model, z, step))(draws)).astype(int)
    rows = np.repeat(np.arange(len(count)), count)
    return fit_hawkes.placed(rows, seed) * step


def test_hawkes_and_a_poisson_process_is_told_apart() -> None:
    fit = fit_hawkes.fit_hawkes(hawkes_times(0.6), 8000.0)
    true = {"baseline": 0.05, "excitation": 0.48, "decay": 0.8, "branching_ratio": 0.6}
    assert max(abs(z(fit[k], v)) for k, v in true.items()) < 3
    poisson = np.sort(np.random.default_rng(1).random(1000) * 8000)
    plain = fit_hawkes.fit_hawkes(poisson, 8000.0)
    assert (
        plain["branching_ratio"].value
        < 0.2
        < fit["branching_ratio"].value - 3 * (fit["branching_ratio"].standard_error or 0)
    )


def test_events_of_hours() -> None:
    rng = np.random.default_rng(2)
    returns = rng.standard_normal((3000, 2)) * 0.005
    returns[[500, 1500, 1501]] = [[-0.05, -0.06], [0.07, 0.04], [-0.06, -0.05]]
    rows, score = fit_hawkes.jump_hours(returns)
    assert {500, 1500, 1501} <= set(rows.tolist()) and len(rows) < 8
    assert np.isnan(score[:168]).all() and score[500] < -10
    times = fit_hawkes.placed(rows)
    assert (np.floor(times) == rows).all()


def copula_path(nu: float) -> np.ndarray:
    factor = np.linalg.cholesky(np.array([[1.0, 0.6], [0.6, 1.0]]))
    marginals = [{"degrees_of_freedom": 3.0}, {"degrees_of_freedom": 8.0}]
    model = t_copula.build(np.ones(2), np.zeros(2), factor, nu, marginals)
    return returns_of(t_copula, model, 1, HOURS, seed=11)[0]


def test_t_copula_and_a_gaussian_one_is_told_apart() -> None:
    returns = copula_path(4.0)
    nu, matrix = fit_copula.fit_t_copula(fit_copula.ranks(returns))
    assert abs(z(nu, 4.0)) < 3
    pieces = np.array_split(returns, 25)
    rho = np.array([fit_copula.fit_t_copula(fit_copula.ranks(x))[1][0, 1] for x in pieces])
    error = rho.std(ddof=1) / np.sqrt(len(rho))
    assert abs(matrix[0, 1] - 0.6) < 3 * error < abs(matrix[0, 1] - 0.5)
    rng = np.random.default_rng(12)
    normal = rng.multivariate_normal(np.zeros(2), [[1, 0.6], [0.6, 1]], HOURS)
    plain, _ = fit_copula.fit_t_copula(fit_copula.ranks(normal))
    assert plain.value > 25 > nu.value + 3 * (nu.standard_error or 0)


def nearest_shape(edge: float) -> float:
    """Shape of the generalised Pareto law nearest to a t4 beyond `edge` (by quadrature)."""
    p = np.linspace(0, 1, 200_001)[1:-1]
    excess = stats.t.isf(p * stats.t.sf(edge, 4), 4) - edge

    def loss(x):
        return -stats.genpareto.logpdf(excess, x[0], scale=np.exp(x[1])).mean()

    return float(optimize.minimize(loss, [0.2, 0.0], method="Nelder-Mead").x[0])


def test_marginals_have_their_tails() -> None:
    """Shape near 1 / nu for a Student-t; Hill's index against its mean above a quantile."""
    returns = np.random.default_rng(13).standard_t(4, 200_000)
    found = fit_copula.fit_marginal(returns)
    edge = float(stats.t.isf(0.01, 4))
    mean_log = integrate.quad(lambda x: stats.t.sf(x, 4) / x, edge, np.inf)[0] / 0.01
    for side in ("lower", "upper"):
        assert abs(z(found[side]["tail_index"], 1 / mean_log)) < 3
        assert abs(z(found[side]["shape"], nearest_shape(edge))) < 3
    exact = stats.t.ppf(found["probabilities"], 4) / np.sqrt(2)
    np.testing.assert_allclose(found["quantiles"], exact, atol=0.08)
    light = fit_copula.fit_marginal(np.random.default_rng(14).standard_normal(200_000))
    assert abs(z(light["lower"]["shape"], nearest_shape(edge))) > 3


def test_gbm_and_student_t_by_the_older_estimators() -> None:
    walk = overall_volatility(gbm_path())
    assert abs(z(walk, 0.8)) < 3 < abs(z(walk, 0.9))
    factor = np.linalg.cholesky(np.array([[1.0, 0.5], [0.5, 1.0]]))
    model = student_t.build(np.ones(2), np.full(2, 0.5), factor, 4.0, False)
    nu, scatter = student_t_fit(returns_of(student_t, model, 1, HOURS, seed=15)[0])
    assert abs(z(nu, 4.0)) < 3 < abs(z(nu, 5.0))
    rho = scatter[0, 1] / np.sqrt(scatter[0, 0] * scatter[1, 1])
    assert abs(rho - 0.5) < 3 * 0.75 * np.sqrt(8 / 6 / HOURS)  # (nu + p + 2) / (nu + p)


def test_block_length_follows_the_memory() -> None:
    """Optimal mean block of a stationary bootstrap: longer for an AR(1) than for noise."""
    from arch.bootstrap import optimal_block_length

    rng, x = np.random.default_rng(16), np.zeros(HOURS)
    noise = rng.standard_normal(HOURS)
    for t in range(1, HOURS):
        x[t] = 0.8 * x[t - 1] + noise[t]
    # Politis and White (2004): (2 G^2 / D)^(1/3) n^(1/3); for AR(1) G / D by rho in closed form
    rho = 0.8
    exact = ((2 * rho / (1 - rho**2)) ** 2 * HOURS) ** (1 / 3)
    found: Any = optimal_block_length(x)["stationary"].iloc[0]
    assert found == pytest.approx(exact, rel=0.25)
    assert optimal_block_length(noise)["stationary"].iloc[0] < 0.2 * found
    model = bootstrap.build(x[:, None] * 0.01, float(found))
    again = returns_of(bootstrap, model, 100, 2000, seed=17)[..., 0]
    product = (again[:, 1:] * again[:, :-1]).mean(axis=1) / (0.01 * x.std()) ** 2
    lag = float(((x * np.roll(x, 1)).mean()) / x.var())  # the table wraps around
    mean = float(x.mean() ** 2 / x.var())
    assert abs(mean_error(product, lag * (1 - 1 / found) + mean / found)) < 4
    assert abs(mean_error(product, lag * 0.8)) > 4
