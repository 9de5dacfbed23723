"""Student-t copula: tail dependence, marginals far into their tails, unit variance."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from process_helpers import mean_error, returns_of
from scipy import special, stats

from stress.scenarios import t_copula
from stress.scenarios.gaussian import HOURS_PER_YEAR

ONE_HOUR = np.full(2, np.sqrt(HOURS_PER_YEAR))  # volatility of one per square root of an hour
EMPIRICAL = {
    "probabilities": [0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99],
    "quantiles": [-2.9, -1.4, -0.4, 0.0, 0.4, 1.5, 2.7],
    "lower": {"shape": 0.3, "scale": 1.0},
    "upper": {"shape": 0.1, "scale": 0.9},
}


def model(rho: float = 0.5, nu: float = 4.0, marginals=None) -> t_copula.TCopula:
    factor = np.linalg.cholesky(np.array([[1.0, rho], [rho, 1.0]]))
    given = marginals or [{"degrees_of_freedom": 4.0}, {"degrees_of_freedom": 3.0}]
    return t_copula.build(ONE_HOUR, ONE_HOUR**2 / 2, factor, nu, given)


@pytest.mark.parametrize("rho", ["-0.5", "0", "0.5", "0.7", "0.9"])
def test_tail_dependence(shared: Path, rho: str) -> None:
    """P(both in the lower 1e-7) / 1e-7, the radius drawn about the tail and weighted back.

    Against the limit this level is off by the order of 1e-7^(1/2) = 3e-4 relative.
    """
    known = json.loads((shared / "validation" / "reference_values.json").read_text())
    exact, level, shift, n = known["t_tail_dependence"][rho], 1e-7, -4.6, 400_000
    marginals = [{"degrees_of_freedom": 4.0}] * 2
    process = model(float(rho), 4.0, marginals)
    draws = np.random.default_rng(1).standard_normal((n, 1, 3))
    draws[..., 2] += shift
    score = draws[:, 0, 2]
    weight = np.exp(-shift * score + shift**2 / 2)
    run = jax.jit(jax.vmap(lambda z: t_copula.log_returns(process, z, 1.0)))
    returns = np.asarray(run(jnp.asarray(draws)))[:, 0]
    threshold = stats.t.ppf(level, 4) / np.sqrt(2)
    both = weight * (returns < threshold).all(axis=1) / level
    assert both.std() / np.sqrt(n) < 0.05 * exact
    assert abs(mean_error(both, exact)) < 4
    wrong = {"-0.5": 0.0, "0": 0.2, "0.5": 0.6, "0.7": 0.6, "0.9": 0.85}[rho]
    nu = 4.0
    other = 2 * stats.t.sf(np.sqrt((nu + 1) * (1 - wrong) / (1 + wrong)), nu + 1)
    assert abs(mean_error(both, float(other))) > 4
    one = weight * (returns[:, 0] < threshold) / level
    assert abs(mean_error(one, 1.0)) < 4


def test_marginals_far_into_their_tails() -> None:
    """Quantiles of a Student-t to 1e-6, of the empirical law to 1e-4 where body meets tail."""
    process = model(0.0, 5.0, [{"degrees_of_freedom": 3.5}, EMPIRICAL])
    score = np.linspace(-7, 7, 701)
    lower = special.ndtr(-np.abs(score))
    variate = np.sign(score) * stats.t.isf(lower, 5.0)
    table = np.asarray(process.table)
    got = [
        np.asarray(t_copula._looked_up(process, jnp.asarray(variate), jnp.asarray(table[a])))
        for a in (0, 1)
    ]
    scale = np.sqrt(1.5 / 3.5)
    exact = np.sign(score) * stats.t.isf(lower, 3.5) * scale
    np.testing.assert_allclose(got[0], exact, rtol=1e-6, atol=1e-9)
    # by hand: the tail of the empirical law relative to two of its own quantiles
    ends = np.array([-2.9, 2.7])
    depth = np.log(0.01 / lower)
    down = ends[0] - np.expm1(0.3 * depth) / 0.3
    up = ends[1] + 0.9 * np.expm1(0.1 * depth) / 0.1
    deep = lower < 0.009
    raw = np.where(score < 0, down, up)[deep]
    fit = np.polyfit(raw, got[1][deep], 1)  # standardised: one line through both tails
    np.testing.assert_allclose(np.polyval(fit, raw), got[1][deep], rtol=1e-4)
    assert (np.diff(got[1]) > 0).all()


def test_unit_variance_and_mean_zero() -> None:
    returns = returns_of(t_copula, model(0.5, 4.0, [{"degrees_of_freedom": 8.0}, EMPIRICAL]),
                         400_000, 1, seed=2)[:, 0]  # fmt: skip
    for a in range(2):
        assert abs(mean_error(returns[:, a], 0.0)) < 4
        assert abs(mean_error(returns[:, a] ** 2, 1.0)) < 4
    raw = stats.norm.ppf(np.random.default_rng(3).random(1000)) * 1.3
    assert abs(mean_error(raw**2, 1.0)) > 4


def test_value_at_risk_and_shortfall_of_a_marginal(shared: Path) -> None:
    known = json.loads((shared / "validation" / "reference_values.json").read_text())
    var, es = (known["student_t4_unit_variance"][k] for k in ("VaR99", "ES99"))
    losses = -returns_of(t_copula, model(0.3, 7.0), 400_000, 1, seed=4)[:, 0, 0]
    n = len(losses)
    density = stats.t.pdf(var * np.sqrt(2), 4) * np.sqrt(2)
    error = np.sqrt(0.01 * 0.99 / n) / density
    assert abs(np.quantile(losses, 0.99) - var) < 4 * error
    excess = np.maximum(losses - var, 0)
    assert abs(mean_error(excess, (es - var) * 0.01)) < 4
    normal = np.random.default_rng(5).standard_normal(n)
    assert abs(np.quantile(normal, 0.99) - var) > 4 * error


def test_ranks_do_not_depend_on_marginals() -> None:
    """Kendall's tau is 2 / pi arcsin(rho) whatever the marginals."""
    draws = returns_of(t_copula, model(0.7, 4.0, [EMPIRICAL, {"degrees_of_freedom": 3.0}]),
                       4_000, 1, seed=6)[:, 0]  # fmt: skip
    tau = float(np.asarray(stats.kendalltau(draws[:, 0], draws[:, 1])[0]))
    exact = 2 / np.pi * np.arcsin(0.7)
    assert abs(tau - exact) < 4 * 0.6 / np.sqrt(len(draws)) < abs(tau - 0.7)


@pytest.mark.parametrize(
    ("marginal", "words"),
    [
        ({"degrees_of_freedom": 2.0}, "variance"),
        (EMPIRICAL | {"lower": {"shape": 0.6, "scale": 1.0}}, "variance"),
        (EMPIRICAL | {"quantiles": [0, 0, 1, 2, 3, 4, 5]}, "rise"),
    ],
)
def test_nonsense_is_refused(marginal, words) -> None:
    with pytest.raises(ValueError, match=words):
        model(marginals=[marginal] * 2)
