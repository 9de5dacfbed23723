"""Tiered maintenance margin against bracket-by-bracket arithmetic."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.margin import maintenance_margin, maintenance_rate, tiers_from_leverage

LIVE = {
    "BTC": [(0, 40), (150e6, 20)],
    "ETH": [(0, 25), (100e6, 15)],
    "HYPE": [(0, 10), (20e6, 5)],
}
_margin = jax.jit(jax.vmap(maintenance_margin, in_axes=(None, None, 0)))
_rate = jax.jit(jax.vmap(maintenance_rate, in_axes=(None, None, 0)))


@st.composite
def schedules(draw):
    """One to three tiers; a table of three markets pads the shorter ones."""
    count = draw(st.integers(1, 3))
    steps = draw(st.lists(st.floats(1e3, 1e7), min_size=count - 1, max_size=count - 1))
    leverages = st.lists(st.floats(1.5, 50), min_size=count, max_size=count, unique=True)
    falling = sorted(draw(leverages), reverse=True)
    return list(zip([0.0, *np.cumsum(steps).tolist()], falling, strict=True))


def lines(schedule):
    """Rates and deductions of one market in a table that also holds a market of three tiers."""
    tiers = tiers_from_leverage([schedule, [(0, 9), (1e4, 8), (2e4, 7)]])
    return tiers.rate[:, 0], tiers.deduction[:, 0]


@given(schedules(), st.lists(st.floats(0, 1e9), min_size=12, max_size=12))
def test_matches_the_brackets(schedule, notionals):
    at = np.array([*notionals[: 12 - len(schedule)], *(b for b, _ in schedule)])
    got = _margin(*lines(schedule), at)
    want = [oracles.maintenance_margin(schedule, n) for n in at]
    np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-6)
    slope = _rate(*lines(schedule), at * (1 + 1e-9))
    inside = [max(k for k, (b, _) in enumerate(schedule) if b <= n * (1 + 1e-9)) for n in at]
    np.testing.assert_allclose(slope, [0.5 / schedule[k][1] for k in inside], rtol=1e-15)


@given(schedules(), st.floats(0, 1e9), st.floats(0, 1e9), st.floats(0, 1))
def test_is_convex_and_grows(schedule, a, b, weight):
    """Two positions never need more than one of their sum: splitting cannot cost."""
    points = np.array([a, b, weight * a + (1 - weight) * b, a + b])
    at_a, at_b, between, whole = np.asarray(_margin(*lines(schedule), points))
    room = 1e-9 * (1 + whole)
    assert between <= weight * at_a + (1 - weight) * at_b + room
    assert at_a + at_b <= whole + room
    assert (at_a - at_b) * (a - b) >= -room


@pytest.mark.parametrize(
    ("market", "notional", "margin"),
    [("BTC", 300e6, 5_625_000.0), ("ETH", 200e6, 5_333_333.333333333), ("HYPE", 40e6, 3e6)],
)
def test_checks_of_the_rule_book(market, notional, margin):
    got = maintenance_margin(*lines(LIVE[market]), jnp.array(notional))
    assert float(got) == pytest.approx(margin, rel=1e-14)
    swapped = maintenance_margin(*lines([(0, 40), (150e6, 19)]), jnp.array(notional))
    assert float(swapped) != pytest.approx(margin, rel=1e-6)  # negative control


def test_gradient_is_the_rate_of_the_tier():
    rate, deduction = lines(LIVE["BTC"])
    at = jnp.array([0.0, 1e6, 149e6, 151e6, 1e9])
    got = jax.vmap(jax.grad(maintenance_margin, argnums=2), (None, None, 0))(rate, deduction, at)
    np.testing.assert_array_equal(got, maintenance_rate_each(rate, deduction, at))
    at_bound = jax.grad(maintenance_margin, argnums=2)(rate, deduction, jnp.array(150e6))
    assert 1 / 80 <= float(at_bound) <= 1 / 40


def maintenance_rate_each(rate, deduction, at):
    return jax.vmap(maintenance_rate, (None, None, 0))(rate, deduction, at)


def test_float32_keeps_a_dollar():
    """The accuracy that the docstring states, at every scale up to 1e8."""
    at = np.concatenate([np.geomspace(1e2, 1e8, 500), [19.99e6, 20e6, 20.01e6]])
    for schedule in LIVE.values():
        want = [oracles.maintenance_margin(schedule, n) for n in at]
        rough = _margin(*(x.astype("float32") for x in lines(schedule)), at.astype("float32"))
        assert rough.dtype == jnp.float32
        assert np.max(np.abs(np.asarray(rough, float) - want)) < 1.0
        np.testing.assert_allclose(_margin(*lines(schedule), at), want, rtol=0, atol=1e-6)


def test_nan_in_nan_out():
    rate, deduction = lines(LIVE["BTC"])
    assert np.isnan(maintenance_margin(rate, deduction, jnp.array(np.nan)))
    assert maintenance_rate(rate, deduction, jnp.array(np.nan)) == rate[0]


@pytest.mark.parametrize(
    "schedule",
    [
        [],
        [(1, 10)],
        [(0, 10), (5, 5), (5, 4)],
        [(0, 5), (10, 6)],
        [(0, -1)],
        [(0, 9), (9, 8), (3, 7)],
    ],
)
def test_bad_tables_are_refused(schedule):
    with pytest.raises(ValueError, match="margin tiers"):
        tiers_from_leverage([[(0, 5)], schedule])


def test_a_table_of_no_market_is_empty():
    assert tiers_from_leverage([]).rate.shape == (1, 0)
