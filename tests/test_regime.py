"""Two regimes: occupation, transitions, variance, correlation, depth, jumps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from process_helpers import mean_error, returns_of, share_error

from stress.scenarios import regime
from stress.scenarios.gaussian import HOURS_PER_YEAR

LEAVE = np.array([0.02, 0.08])
VOLATILITY = np.array([[0.4, 0.6], [1.5, 2.5]])


def model(**changes) -> regime.Regime:
    factors = [np.linalg.cholesky(np.array([[1, r], [r, 1]])) for r in (0.3, 0.9)]
    given = {
        "volatility": VOLATILITY, "factor": np.stack(factors), "drift": np.array([0.1, 0.0]),
        "leave": LEAVE, "start": LEAVE[::-1] / LEAVE.sum(), "jump_intensity": np.zeros(2),
        "jump_mean": np.zeros(2), "jump_deviation": np.zeros(2), "depth": np.array([1.0, 0.2]),
    }  # fmt: skip
    return regime.build(**(given | changes))


def chain(process, paths: int, steps: int, hours=1.0, seed=0) -> np.ndarray:
    width = regime.normals_per_step(process)
    draws = np.random.default_rng(seed).standard_normal((paths, steps, width))
    run = jax.jit(jax.vmap(lambda z: regime.states(process, z, jnp.asarray(hours))))
    return np.asarray(run(jnp.asarray(draws)))


@pytest.mark.parametrize("hours", [0.5, 3.0])
def test_states_and_transitions_are_those_of_the_chain(hours: float) -> None:
    states = chain(model(), 20_000, 40, hours, seed=int(2 * hours))
    stress = 0.02 / 0.1
    assert abs(mean_error(states.mean(axis=1), stress)) < 4
    for begin in (0, 1):
        at = states[:, -2] == begin
        exact = stress + (begin - stress) * np.exp(-0.1 * hours)
        assert abs(share_error(states[at, -1] == 1, exact)) < 4
        assert abs(share_error(states[at, -1] == 1, stress)) > 4


def test_starts_where_it_is_told() -> None:
    for state in (0, 1):
        told = model(start=np.eye(2)[state])
        assert (chain(told, 200, 3)[:, 0] == state).all()


def test_volatility_correlation_and_depth_follow_the_state() -> None:
    process, paths = model(), 60_000
    width = regime.normals_per_step(process)
    draws = jnp.asarray(np.random.default_rng(5).standard_normal((paths, 1, width)))
    run = jax.jit(jax.vmap(lambda z: (
        regime.log_returns(process, z, 1.0), regime.depth(process, z, 1.0),
        regime.states(process, z, 1.0),
    )))  # fmt: skip
    returns, depth, state = (np.asarray(x)[:, 0] for x in run(draws))
    np.testing.assert_allclose(depth, np.where(state == 1, 0.2, 1.0)[:, None] * np.ones((1, 2)))
    for s, rho in ((0, 0.3), (1, 0.9)):
        r = returns[state == s]
        scale = VOLATILITY[s] / np.sqrt(HOURS_PER_YEAR)
        assert abs(mean_error(r[:, 0] ** 2, scale[0] ** 2)) < 4
        assert abs(mean_error(r.prod(axis=1), rho * scale.prod())) < 4
        assert abs(mean_error(r.prod(axis=1), (1.2 - rho) * scale.prod())) > 4
    mixed = 0.8 * VOLATILITY[0, 0] ** 2 + 0.2 * VOLATILITY[1, 0] ** 2
    assert abs(mean_error(returns[:, 0] ** 2, mixed / HOURS_PER_YEAR)) < 4


def test_jumps_of_the_stress_state() -> None:
    """Mean price and variance of an hour in stress with 2,000 jumps a year; calm has none."""
    jumpy = model(
        start=np.array([0.0, 1.0]), jump_intensity=np.array([0.0, 2000.0]),
        jump_mean=np.array([-0.02, 0.01]), jump_deviation=np.array([0.03, 0.01]),
    )  # fmt: skip
    hour = returns_of(regime, jumpy, 200_000, 1, seed=6)[:, 0]
    variance = VOLATILITY[1] ** 2 + 2000 * np.array([0.0013, 0.0002])
    for a in range(2):
        assert abs(mean_error(np.exp(hour[:, a]), np.exp([0.1, 0.0][a] / HOURS_PER_YEAR))) < 4
        assert abs(mean_error((hour[:, a] - hour[:, a].mean()) ** 2, variance[a] / 8760)) < 4
    without = returns_of(regime, model(start=np.array([0.0, 1.0])), 100_000, 1, seed=7)[:, 0, 0]
    assert abs(mean_error(without**2, variance[0] / 8760)) > 4


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        model(start=np.array([0.5, 0.6]))
    with pytest.raises(ValueError, match="below 0"):
        model(leave=np.array([-0.1, 0.1]))
