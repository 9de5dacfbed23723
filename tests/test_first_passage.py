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
from stress.validate.processes import barrier_hits, drawdowns, lowest


@pytest.mark.parametrize("row", range(7))
def test_two_accounts(shared: Path, row: int) -> None:
    """Each barrier by the exact bridge; the union with steps so short that bridges of the two walks
    within a step, drawn apart, cost less than a tenth of the bound (halving moves it by less)."""
    known = json.loads((shared / "validation" / "reference_values.json").read_text())
    case = known["two_account_first_passage"]["rows"][row]
    paths = 60_000 if case["Z1"] < 3 else 200_000
    found = barrier_hits(case, 256, paths)
    for a, name in enumerate(("p1", "p2")):
        assert abs(mean_error(found[:, a].astype(float), float(case[name]))) < 4
    either = found.any(axis=1).astype(float)
    assert abs(mean_error(either, float(case["either"]))) < 4
    if row == 2:
        coarse = barrier_hits(case, 128, paths).any(axis=1).astype(float)
        error = either.std() / np.sqrt(paths)
        assert abs(coarse.mean() - either.mean()) < 4 * np.sqrt(2) * error
        unseen = barrier_hits(case, 16, paths, bridge=False).any(axis=1).astype(float)
        assert abs(mean_error(unseen, float(case["either"]))) > 4
        wrong = barrier_hits(case, 256, paths, rho=0.9).any(axis=1).astype(float)
        assert abs(mean_error(wrong, float(case["either"]))) > 4


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
