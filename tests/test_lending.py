"""The lending pool against plain arithmetic and the recorded reserves."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from margin_cases import random_rules, scalar, venue_of

from models import lending as pool

LENDING = venue_of(random_rules(np.random.default_rng(0))).lending
shares = st.floats(0, 1)


def close(value, tolerance=1e-13):
    return pytest.approx(value, rel=tolerance, abs=1e-300)  # subnormals count as 0


@given(shares)
def test_rates_follow_the_curve(used):
    borrow = float(pool.borrow_rate(LENDING, 0, scalar(used)))
    assert borrow == close(oracles.borrow_rate(used))
    assert float(pool.supply_rate(LENDING, 1, scalar(used))) == close(oracles.supply_rate(used))
    # What borrowers pay is what suppliers get and the buffer keeps.
    buffer = float(pool.buffer_income(LENDING, 0, scalar(used), scalar(borrow)))
    assert borrow * used == close(oracles.supply_rate(used) + buffer)


def test_rates_of_the_rule_book():
    rates = [float(pool.borrow_rate(LENDING, 0, scalar(u))) for u in (0.0, 0.8, 0.9, 1.0)]
    assert rates == close([0.05, 0.05, 0.525, 1.0])
    assert float(pool.borrow_rate(LENDING, 0, scalar(0.81))) != close(0.05)  # negative control


@given(st.floats(0, 1), st.floats(0, 200))
def test_growth_of_both_readings(rate, hours):
    for effective, convention in [(0.0, "nominal"), (1.0, "effective")]:
        got = float(pool.growth(scalar(rate), scalar(hours), scalar(effective)))
        want = oracles.growth_factor(rate, hours, convention) - 1
        assert got == pytest.approx(want, rel=1e-9, abs=4e-16)  # the oracle loses digits at 1
        exact = math.expm1((math.log1p(rate) if effective else rate) * hours / 8760)
        assert got == close(exact)


def test_growth_over_hours_is_growth_over_the_sum():
    """Continuous accrual: 168 hours one by one are 168 hours at once."""
    for effective in (0.0, 1.0):
        hourly = float(pool.growth(scalar(0.525), scalar(1.0), scalar(effective)))
        week = float(pool.growth(scalar(0.525), scalar(168.0), scalar(effective)))
        assert (1 + hourly) ** 168 - 1 == close(week, 1e-11)
    assert week < math.expm1(0.525 * 168 / 8760)  # effective grows more slowly


@pytest.mark.parametrize(
    ("supplied", "borrowed"), [(416268254.15, 264565198.26), (0.0, 0.0), (0.0, 3.0), (5.0, 0.0)]
)
def test_utilization(supplied, borrowed):
    got = float(pool.utilization(scalar(supplied), scalar(borrowed)))
    assert got == close(oracles.utilization(borrowed, supplied))
    slope = jax.grad(pool.utilization, argnums=(0, 1))(scalar(supplied), scalar(borrowed))
    assert np.isfinite(slope).all()


def test_recorded_reserves(shared):
    for state in oracles.recorded_account(shared)[3]["reserves"].values():
        used = pool.utilization(scalar(state["totalSupplied"]), scalar(state["totalBorrowed"]))
        assert float(used) == pytest.approx(state["utilization"], abs=1e-10)
        assert float(pool.borrow_rate(LENDING, 0, used)) == close(state["borrowYearlyRate"], 1e-9)
        supply = float(pool.supply_rate(LENDING, 0, used))
        assert supply == pytest.approx(state["supplyYearlyRate"], abs=1e-10)


@given(st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1e9))
def test_free_liquidity(supplied, borrowed, cap):
    caps = jnp.array([cap, np.inf])
    limited = pool.Lending(**{**vars(LENDING), "global_borrow_cap": caps})
    for q, limit in enumerate([min(cap, supplied), supplied]):
        got = float(pool.free_liquidity(limited, q, scalar(supplied), scalar(borrowed)))
        assert got == max(limit - borrowed, 0.0)


@given(*(st.floats(0, top, allow_subnormal=False) for top in (1e6, 1e6, 2e6)))
def test_a_loss_is_paid_by_the_buffer_then_by_suppliers(buffer, supplied, loss):
    paid, share = map(float, pool.absorb_loss(scalar(buffer), scalar(supplied), scalar(loss)))
    assert paid == min(buffer, loss)
    assert 0 <= share <= 1
    uncovered = loss - paid - share * supplied
    assert uncovered == pytest.approx(max(loss - buffer - supplied, 0), abs=1e-6)
