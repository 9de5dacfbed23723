"""Outside lenders and borrowers: barrier, queue, exact reversion, jumps, overlay."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax.typing import DTypeLike
from ruamel.yaml import YAML
from scipy import integrate

from stress.calibrate_jumps import mean_bounded_pareto
from stress.utilization import NORMALS_PER_STEP, flow_path, pool_path
from stress.utilization_model import (
    Spike,
    UtilizationModel,
    jump_size,
    mean_jump_size,
    no_spike,
    utilization_model,
)

CALIBRATION = Path(__file__).parents[1] / "configs" / "calibration" / "utilization.yaml"
SHIPPED: Any = YAML(typ="safe").load(CALIBRATION.read_text())
LEVEL, KINK = 0.64, 0.8
KINDS = ("supply_in", "supply_out", "borrow_in", "borrow_out", "paired_in", "paired_out")


def shipped(supply: float | None = None, dtype: DTypeLike | None = None) -> UtilizationModel:
    return utilization_model(
        SHIPPED["parameters"],
        long_run_utilization=LEVEL,
        kink_utilization=KINK,
        supply=supply,
        dtype=dtype,
    )


def without_jumps(model: UtilizationModel) -> UtilizationModel:
    tiny = jnp.asarray(1e-300)
    return replace(
        model,
        **{k: replace(getattr(model, k), intensity=tiny, usual_intensity=tiny) for k in KINDS},
    )


def still(model: UtilizationModel) -> UtilizationModel:
    zero = jnp.asarray(0.0)
    return replace(
        without_jumps(model),
        utilization_reversion=zero,
        kink_reversion=zero,
        level_reversion=zero,
        supply_volatility=zero,
        borrow_volatility=zero,
    )


def normals(paths: int, steps: int, seed: int = 0):
    return jax.random.normal(jax.random.key(seed), (paths, steps, NORMALS_PER_STEP))


batch = jax.jit(jax.vmap(pool_path, in_axes=(None, 0, 0, None, None, None)))


def utilization(path, start):
    return start * np.exp(np.asarray(path.log_borrow - path.log_supply))


@given(
    start=st.floats(0.3, 1.0),
    scale=st.floats(0.1, 40.0),
    run=st.floats(0.0, 0.95),
    surge=st.floats(0.0, 2.0),
    hours=st.sampled_from([0.05, 1.0, 6.0]),
    seed=st.integers(0, 99),
)
@settings(max_examples=25)
def test_barrier_and_queue(start, scale, run, surge, hours, seed):
    model = shipped()
    wild = {k: replace(getattr(model, k), intensity=0.1 * scale) for k in KINDS}
    model = replace(model, **wild, liquidity_limit=jnp.asarray(3.0))
    spike = replace(
        no_spike(),
        run_share=jnp.asarray(run),
        run_start=jnp.asarray(2.0),
        run_hours=jnp.asarray(5.0),
        surge_share=jnp.asarray(surge),
    )
    market = 0.02 * jax.random.normal(jax.random.key(seed + 100), (8, 48))
    path = batch(model, normals(8, 48, seed), market, hours, start, spike)
    u, queued = utilization(path, start), np.asarray(path.queued)
    assert np.isfinite(u).all() and (u <= 1 + 1e-12).all()
    assert (queued >= 0).all()
    assert np.allclose(u[queued > 1e-12], 1)  # nobody waits while there is liquidity
    assert (np.exp(path.log_supply) - queued > 0).all()  # what suppliers keep stays positive


def test_queue_counts_every_withdrawal_that_could_not_be_paid():
    spike = replace(no_spike(), run_share=jnp.asarray(0.6), run_hours=jnp.asarray(10.0))
    path = pool_path(still(shipped()), normals(1, 20)[0], jnp.zeros(20), 1.0, LEVEL, spike)
    wanted = 0.4 ** np.minimum(np.arange(21) / 10, 1)
    assert np.allclose(np.exp(path.log_supply), np.maximum(wanted, LEVEL), rtol=1e-12)
    assert np.allclose(path.queued, np.maximum(LEVEL - wanted, 0), atol=1e-12)
    assert np.allclose(path.log_borrow, 0, atol=1e-12)


def test_queue_is_paid_when_lenders_return():
    model = replace(
        still(shipped()), kink_reversion=jnp.asarray(0.1), supply_share=jnp.asarray(1.0)
    )
    spike = replace(no_spike(), run_share=jnp.asarray(0.5))
    path = pool_path(model, normals(1, 200)[0], jnp.zeros(200), 1.0, LEVEL, spike)
    queued = np.asarray(path.queued)
    assert queued[1] == pytest.approx(LEVEL - 0.5)
    assert (np.diff(queued[1:]) <= 0).all() and queued[-1] == 0
    assert utilization(path, LEVEL)[-1] == pytest.approx(KINK, rel=1e-3)


def test_borrowers_get_only_what_is_left():
    spike = replace(no_spike(), surge_share=jnp.asarray(1.0), surge_hours=jnp.asarray(4.0))
    path = pool_path(still(shipped()), normals(1, 6)[0], jnp.zeros(6), 1.0, LEVEL, spike)
    assert utilization(path, LEVEL)[-1] == pytest.approx(1.0, abs=1e-12)
    assert float(path.queued.max()) < 1e-14
    assert np.abs(path.log_supply).max() < 1e-14


def test_shipped_spike_reaches_full_utilization():
    spike = replace(
        no_spike(),
        run_share=jnp.asarray(0.4),
        run_start=jnp.asarray(24.0),
        run_hours=jnp.asarray(6.0),
    )
    calm = jnp.zeros((256, 72))
    u = utilization(batch(shipped(), normals(256, 72), calm, 1.0, LEVEL, spike), LEVEL)
    base = utilization(batch(shipped(), normals(256, 72), calm, 1.0, LEVEL, no_spike()), LEVEL)
    assert np.array_equal(u[:, :25], base[:, :25])  # nothing before it begins
    assert (u[:, 31] > 0.999).mean() > 0.5 > 0.05 > (base[:, 31] > 0.999).mean()


@pytest.mark.parametrize("hours", [0.25, 1.0, 24.0])
def test_reversion_is_exact_for_any_step(hours):
    model = replace(
        without_jumps(shipped()),
        utilization_reversion=jnp.asarray(0.05),
        kink_utilization=jnp.asarray(0.99),
    )
    steps, paths, start = round(24 / hours), 8192, 0.7
    market = jnp.zeros((paths, steps))
    u = np.log(
        utilization(batch(model, normals(paths, steps), market, hours, start, no_spike()), start)
    )
    speed, last = 0.05, u[:, -1]
    vs, vb, rho = (
        float(getattr(model, n)) for n in ("supply_volatility", "borrow_volatility", "correlation")
    )
    mean = np.log(LEVEL) + np.log(start / LEVEL) * np.exp(-24 * speed)
    rate = vs**2 + vb**2 - 2 * rho * vs * vb
    deviation = np.sqrt(rate * -np.expm1(-48 * speed) / (2 * speed))
    assert abs(last.mean() - mean) < 4 * deviation / np.sqrt(paths)
    assert abs(last.std() / deviation - 1) < 4 / np.sqrt(2 * paths)
    assert abs(last.std() / np.sqrt(24 * rate) - 1) > 4 / np.sqrt(2 * paths)  # not free diffusion


def _at_24_hours(model, hours, paths, seed):
    steps = round(24 / hours)
    market = 0.01 * np.sqrt(hours) * jax.random.normal(jax.random.key(seed + 7), (paths, steps))
    path = batch(model, normals(paths, steps, seed), market, hours, LEVEL, no_spike())
    return np.log(utilization(path, LEVEL)[:, -1]), np.asarray(path.log_supply[:, -1])


def _far_apart(first, second):
    """Largest difference of mean and of three tail probabilities, in standard errors."""
    cuts = np.quantile(np.concatenate([first, second]), [0.05, 0.5, 0.95])
    views = [lambda x: x] + [lambda x, c=c: (x < c).astype(float) for c in cuts]
    return max(
        abs(v(first).mean() - v(second).mean())
        / np.sqrt(v(first).var() / len(first) + v(second).var() / len(second))
        for v in views
    )


def test_finer_steps_give_the_same_distribution():
    paths = 4000
    hourly, fine = _at_24_hours(shipped(), 1.0, paths, 1), _at_24_hours(shipped(), 0.25, paths, 2)
    assert max(_far_apart(a, b) for a, b in zip(hourly, fine, strict=True)) < 4
    small = shipped(supply=1e7)
    other = _at_24_hours(small, 0.25, paths, 2)  # more frequent jumps: has power
    assert max(_far_apart(a, b) for a, b in zip(hourly, other, strict=True)) > 4


def test_jump_law_has_its_mean_and_bounds():
    for a in (0.5, 1.0, 1.7):
        law = tuple(jnp.asarray(x) for x in (a, 0.005, 0.24))
        mean, _ = integrate.quad(lambda p, law=law: float(jump_size(jnp.asarray(p), *law)), 0, 1)
        assert float(mean_jump_size(*law)) == pytest.approx(mean, rel=1e-6)
        assert mean_bounded_pareto(a, 0.005, 0.24) == pytest.approx(mean, rel=1e-6)
        assert float(jump_size(jnp.asarray(0.0), *law)) == pytest.approx(0.005)
        assert float(jump_size(jnp.asarray(1.0), *law)) == pytest.approx(0.24)


def test_market_fall_drives_lenders_and_borrowers_out():
    paths, steps = 4096, 24
    calm = jnp.zeros((paths, steps))
    crash = calm.at[:, 0].set(-0.25)
    paired = [
        batch(shipped(), normals(paths, steps), m, 1.0, LEVEL, no_spike()) for m in (calm, crash)
    ]
    for leaf in ("log_supply", "log_borrow"):
        change = np.asarray(getattr(paired[1], leaf)[:, -1] - getattr(paired[0], leaf)[:, -1])
        assert change.mean() < -4 * change.std() / np.sqrt(paths)


def test_large_reserves_jump_less():
    sizes = [1e6, 1e8, 416e6, 1e10, 1e12]
    rates = [float(shipped(supply=s).supply_out.intensity) for s in sizes]
    assert sorted(rates, reverse=True) == rates
    assert rates[0] > rates[1] > rates[2] > rates[3] == rates[4]  # held at the record's largest


def test_single_precision_and_still_pool():
    model = shipped(dtype=jnp.float32)
    z, market = normals(16, 168), jnp.zeros((16, 168))
    low = batch(
        model, z.astype(jnp.float32), market.astype(jnp.float32), 1.0, LEVEL, no_spike(jnp.float32)
    )
    high = batch(shipped(), z, market, 1.0, LEVEL, no_spike())
    assert low.log_supply.dtype == jnp.float32
    assert np.abs(utilization(low, LEVEL) - utilization(high, LEVEL)).max() < 1e-4
    still = flow_path(no_spike(), 1.0, 168, jnp.asarray(LEVEL))
    for leaf, moving in zip(still, high, strict=True):
        assert leaf.shape == moving.shape[1:] and not leaf.any()
        assert not moving[:, 0].any()


def test_flows_alone():
    """Withdrawals and new loans move the reserve on straight logarithms until it is lent out."""
    spike = Spike(
        run_share=jnp.asarray(0.2), run_start=jnp.asarray(2.0), run_hours=jnp.asarray(4.0),
        surge_share=jnp.asarray(0.1), surge_start=jnp.asarray(0.0), surge_hours=jnp.asarray(10.0),
    )  # fmt: skip
    path = flow_path(spike, 1.0, 12, jnp.asarray(0.6))
    t = np.arange(13)
    np.testing.assert_allclose(
        path.log_supply, np.log(0.8) * np.clip((t - 2) / 4, 0, 1), rtol=1e-12, atol=1e-15
    )
    np.testing.assert_allclose(path.log_borrow, np.log(1.1) * np.clip(t / 10, 0, 1), rtol=1e-12)
    assert not path.queued.any()
    dry = flow_path(spike, 1.0, 12, jnp.asarray(0.9))
    used = 0.9 * np.exp(dry.log_borrow - dry.log_supply)
    assert used.max() == pytest.approx(1.0, rel=1e-14) and dry.queued[-1] > 0
    outflow = (-jnp.full(12, 0.01), jnp.zeros(12))
    more = flow_path(no_spike(), 1.0, 12, jnp.asarray(0.6), outflow)
    np.testing.assert_allclose(more.log_supply, -0.01 * t, rtol=1e-12)
