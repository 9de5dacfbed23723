"""GJR-GARCH: the recursion by hand, its variance, what Ljung-Box sees, short steps."""

import jax.numpy as jnp
import numpy as np
import pytest
from process_helpers import mean_error, returns_of
from scipy import special, stats

from stress.goodness import ljung_box
from stress.scenarios import garch, gbm
from stress.scenarios.gaussian import HOURS_PER_YEAR
from stress.scenarios.student_t import build as student_t

FACTOR = np.linalg.cholesky(np.array([[1.0, 0.6], [0.6, 1.0]]))
OMEGA, ALPHA, GAMMA, BETA = (
    np.array(x) for x in ([2e-6, 4e-6], [0.03, 0.05], [0.04, 0.02], [0.90, 0.88])
)
LONG = OMEGA / (1 - ALPHA - GAMMA / 2 - BETA)


def model(**changes) -> garch.Garch:
    given = {
        "factor": FACTOR, "degrees_of_freedom": 6.0, "omega": OMEGA, "alpha": ALPHA,
        "gamma": GAMMA, "beta": BETA, "variance": LONG, "drift": np.zeros(2),
    }  # fmt: skip
    return garch.build(**(given | changes))


def test_recursion_by_hand() -> None:
    """A loop over hours with the innovations of scipy's quantiles."""
    draws = np.random.default_rng(0).standard_normal((50, 3))
    got = np.asarray(garch.log_returns(model(drift=np.array([0.1, 0.0])), jnp.asarray(draws), 1.0))
    h, year = LONG.copy(), HOURS_PER_YEAR
    for z, r in zip(draws, got, strict=True):
        weight = stats.chi2.isf(special.ndtr(-z[2]), 6)
        e = np.sqrt(4 / weight) * (FACTOR @ z[:2])
        np.testing.assert_allclose(r, np.array([0.1, 0.0]) / year + np.sqrt(h) * e, rtol=1e-7)
        h = OMEGA + (ALPHA + GAMMA * (e < 0)) * h * e**2 + BETA * h
        assert (h > 0).all()


@pytest.mark.parametrize(("hours", "steps"), [(1.0, 200), (0.25, 800)])
def test_variance_and_correlation_whatever_the_step(hours: float, steps: int) -> None:
    returns = returns_of(garch, model(), 6_000, steps, hours, seed=1)
    for a in range(2):
        square = (returns[..., a] ** 2).mean(axis=1) / hours
        assert abs(mean_error(square, LONG[a])) < 4
        assert abs(mean_error(square, 1.2 * LONG[a])) > 4
    first = returns[:, 0].prod(axis=-1) / (np.sqrt(LONG.prod()) * hours)  # variances are known
    assert abs(mean_error(first, 0.6)) < 4 < abs(mean_error(first, 0.4))


def test_ljung_box_sees_the_clusters() -> None:
    """Squares of GARCH returns are autocorrelated; its residuals' and a random walk's are not."""
    steps = 5_000
    returns = returns_of(garch, model(degrees_of_freedom=12.0), 20, steps, seed=2)[..., 0]
    assert np.median([ljung_box(r**2, 10)[1] for r in returns]) < 1e-6
    residuals = []
    for r in returns:
        h, e = LONG[0], np.empty(steps)
        for t in range(steps):
            e[t] = r[t] / np.sqrt(h)
            h = OMEGA[0] + (ALPHA[0] + GAMMA[0] * (r[t] < 0)) * r[t] ** 2 + BETA[0] * h
        residuals.append(e)
    volatility = np.sqrt(LONG * HOURS_PER_YEAR)
    walk = gbm.Gbm(
        volatility=jnp.asarray(volatility), drift=jnp.zeros(2), factor=jnp.asarray(FACTOR)
    )
    plain = returns_of(gbm, walk, 20, steps, seed=3)[..., 0]
    for series in (residuals, plain):
        p = [ljung_box(np.asarray(r) ** 2, 10)[1] for r in series]
        assert stats.kstest(p, "uniform").pvalue > 6e-5  # 4 standard errors


def test_tails_of_an_hour_are_the_innovations() -> None:
    first = returns_of(garch, model(), 100_000, 1, seed=4)[:, 0, 0] / np.sqrt(LONG[0])
    limit = 2.0 / np.sqrt(len(first))
    scale = np.sqrt(6 / 4)
    assert stats.kstest(first * scale, stats.t(6).cdf).statistic < limit
    assert stats.kstest(first, stats.norm.cdf).statistic > limit
    same = student_t(np.sqrt(LONG * HOURS_PER_YEAR), LONG * HOURS_PER_YEAR / 2, FACTOR, 6.0, False)
    from stress.scenarios import student_t as module

    again = returns_of(module, same, 1000, 1, seed=4)[:, 0, 0]
    np.testing.assert_allclose(again, first[:1000] * np.sqrt(LONG[0]), rtol=1e-9)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"beta": np.array([0.96, 0.9])}, "above 1"),
        ({"alpha": np.array([-0.1, 0.1])}, "below 0"),
        ({"gamma": np.array([-0.1, 0.1])}, "news"),
        ({"degrees_of_freedom": 2.0}, "degrees of freedom"),
    ],
)
def test_nonsense_is_refused(changes, words) -> None:
    with pytest.raises(ValueError, match=words):
        model(**changes)
