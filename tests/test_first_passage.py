"""First passage and drawdown of sampled paths against closed forms of continuous monitoring."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from process_helpers import mean_error

from stress.scenarios import gbm
from stress.scenarios.gaussian import HOURS_PER_YEAR

YEAR = HOURS_PER_YEAR


def walks(rho: float) -> gbm.Gbm:
    """Two driftless walks of unit variance over `YEAR` hours."""
    factor = np.linalg.cholesky(np.array([[1.0, rho], [rho, 1.0]]))
    one = jnp.ones(2)
    return gbm.Gbm(volatility=one, drift=one / 2, factor=jnp.asarray(factor))


def lowest(returns, uniforms, width):
    """Lowest level within every step, given its ends: the bridge's minimum by inversion."""
    ends = jnp.concatenate([jnp.zeros((1, returns.shape[1])), jnp.cumsum(returns, axis=0)])
    start, end = ends[:-1], ends[1:]
    return (start + end - jnp.sqrt((start - end) ** 2 - 2 * width * jnp.log(uniforms))) / 2


def hits(row: dict, steps: int, paths: int, bridge: bool = True, rho: float | None = None):
    """Whether each of two barriers is reached, `[paths, 2]`."""
    model = walks(row["rho"] if rho is None else rho)
    hours, width = YEAR / steps, 1 / steps
    barrier = jnp.array([-float(row["Z1"]), -float(row["Z2"])])

    def one(key):
        first, second = jax.random.split(key)
        draws = jax.random.normal(first, (steps, 2), jnp.float64)
        returns = gbm.log_returns(model, draws, hours)
        uniforms = jax.random.uniform(second, (steps, 2), jnp.float64, minval=1e-300)
        if bridge:
            least = lowest(returns, uniforms, width).min(axis=0)
        else:
            least = jnp.cumsum(returns, axis=0).min(axis=0)
        return least <= barrier

    run = jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=2000))
    return np.asarray(run(jax.random.split(jax.random.key(7), paths)))


@pytest.mark.parametrize("row", range(7))
def test_two_accounts(shared: Path, row: int) -> None:
    """Each barrier by the exact bridge; the union with steps so short that bridges of the two walks
    within a step, drawn apart, cost less than a tenth of the bound (halving moves it by less)."""
    known = json.loads((shared / "validation" / "reference_values.json").read_text())
    case = known["two_account_first_passage"]["rows"][row]
    paths = 60_000 if case["Z1"] < 3 else 200_000
    found = hits(case, 256, paths)
    for a, name in enumerate(("p1", "p2")):
        assert abs(mean_error(found[:, a].astype(float), float(case[name]))) < 4
    either = found.any(axis=1).astype(float)
    assert abs(mean_error(either, float(case["either"]))) < 4
    if row == 2:
        coarse = hits(case, 128, paths).any(axis=1).astype(float)
        error = either.std() / np.sqrt(paths)
        assert abs(coarse.mean() - either.mean()) < 4 * np.sqrt(2) * error
        unseen = hits(case, 16, paths, bridge=False).any(axis=1).astype(float)
        assert abs(mean_error(unseen, float(case["either"]))) > 4
        wrong = hits(case, 256, paths, rho=0.9).any(axis=1).astype(float)
        assert abs(mean_error(wrong, float(case["either"]))) > 4


def drawdowns(steps: int, paths: int, bridge: bool = True) -> np.ndarray:
    """Greatest drawdown of walks over unit time, `[paths]`.

    By Lévy, drawdown from the running maximum is a reflected walk; within a step the bridge's
    maximum is sampled before the drop to the step's end is taken, and the drop below that end by a
    bridge minimum drawn apart: halving the step bounds what that costs.
    """
    model = walks(0.0)
    hours, width = YEAR / steps, 1 / steps

    def one(key):
        first, second = jax.random.split(key)
        draws = jax.random.normal(first, (steps, 2), jnp.float64)
        returns = gbm.log_returns(model, draws, hours)[:, :1]
        uniforms = jax.random.uniform(second, (2, steps, 1), jnp.float64, minval=1e-300)
        ends = jnp.concatenate([jnp.zeros(1), jnp.cumsum(returns[:, 0])])
        if not bridge:
            return jnp.max(jax.lax.cummax(ends) - ends)
        low = lowest(returns, uniforms[0], width)[:, 0]
        high = -lowest(-returns, uniforms[1], width)[:, 0]
        before = jnp.concatenate([jnp.zeros(1), jax.lax.cummax(high)[:-1]])
        return jnp.max(jnp.maximum(before - low, jnp.maximum(before, high) - ends[1:]))

    run = jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=2000))
    return np.asarray(run(jax.random.split(jax.random.key(3), paths)))


def test_drawdown_tail(shared: Path) -> None:
    known = json.loads((shared / "validation" / "reference_values.json").read_text())
    found, paths = drawdowns(2048, 20_000), 20_000
    for level, exact in known["max_drawdown_tail"]["rows"].items():
        assert abs(mean_error((found > float(level)).astype(float), exact)) < 4
    coarse = drawdowns(24, paths, bridge=False)
    exact = known["max_drawdown_tail"]["rows"]["2"]
    assert abs(mean_error((coarse > 2).astype(float), exact)) > 4


def test_one_barrier_continuous_and_at_dates(shared: Path) -> None:
    """A share of the price reached by the hour, and at any time."""
    known = json.loads((shared / "validation" / "reference_values.json").read_text())
    for row in known["gbm_lower_barrier_hit"]["rows"][:3]:
        steps, paths = row["m"], 100_000
        hours = row["days"] * 24 / steps
        model = gbm.Gbm(volatility=jnp.array([row["sigma"]]), drift=jnp.zeros(1), factor=jnp.eye(1))
        barrier = np.log(row["H"] / row["S"])
        width = row["sigma"] ** 2 * hours / HOURS_PER_YEAR

        def one(key, model=model, steps=steps, hours=hours, width=width):
            first, second = jax.random.split(key)
            draws = jax.random.normal(first, (steps, 1), jnp.float64)
            returns = gbm.log_returns(model, draws, hours)
            uniforms = jax.random.uniform(second, (steps, 1), jnp.float64, minval=1e-300)
            return jnp.cumsum(returns).min(), lowest(returns, uniforms, width).min()

        run = jax.jit(lambda keys, one=one: jax.lax.map(one, keys, batch_size=5000))
        at_dates, ever = (
            np.asarray(x) <= barrier for x in run(jax.random.split(jax.random.key(1), paths))
        )
        assert abs(mean_error(at_dates.astype(float), row["discrete_exact"])) < 4
        assert abs(mean_error(ever.astype(float), row["continuous"])) < 4
        if row["H"] == 80:
            assert abs(mean_error(ever.astype(float), row["discrete_exact"])) > 4
