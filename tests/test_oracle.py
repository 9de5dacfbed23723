"""Medians against sorting."""

import itertools

import jax.numpy as jnp
import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from margin_cases import scalar

from models.oracle import (
    borrow_price,
    decayed_average,
    mark_price,
    median_of_three,
    weighted_median,
)

prices = st.floats(0.01, 1e6)


@given(prices, prices, prices)
def test_median_of_three_in_any_order(a, b, c):
    want = oracles.median([a, b, c])
    for order in itertools.permutations((a, b, c)):
        assert float(median_of_three(*map(scalar, order))) == want


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_median_without_a_price_is_none(place):
    three = [1.0, 2.0, 3.0]
    three[place] = np.nan
    assert np.isnan(median_of_three(*map(scalar, three)))


@given(st.lists(st.tuples(prices, st.integers(0, 4)), min_size=8, max_size=8))
def test_weighted_median(pairs):
    """Small whole weights, so that half of the weight is often met exactly."""
    pairs[0] = (pairs[0][0], 3)
    values, weights = (jnp.array(x, float) for x in zip(*pairs, strict=True))
    got = float(weighted_median(values, weights))
    assert got == oracles.weighted_median(*zip(*pairs, strict=True))
    assert got == float(weighted_median(values[::-1], weights[::-1]))


def test_equal_weights_give_the_plain_median():
    values = jnp.array([7.0, 1.0, 3.0, 9.0])
    assert float(weighted_median(values, jnp.ones(4))) == oracles.median([7, 1, 3, 9]) == 5.0
    heavy = jnp.array([1.0, 1.0, 1.0, 9.0])
    assert float(weighted_median(values, heavy)) == 9.0  # negative control: weights matter


@given(prices, st.floats(-50, 50), prices, prices, prices, prices)
def test_mark_price(oracle, basis, bid, ask, last, other):
    got = mark_price(*map(scalar, (oracle, basis, bid, ask, last, other)))
    assert float(got) == oracles.mark_price(oracle, basis, bid, ask, last, [other])


@given(prices, prices, prices, st.floats(0.8, 1.1))
def test_borrow_price(spot, mark, oracle, stable):
    got = float(borrow_price(*map(scalar, (spot, mark, oracle, stable))))
    assert got == oracles.borrow_oracle_price(spot, mark, oracle, stable)


def test_average_decays_to_its_value():
    constant = 150 / 3600
    one = float(decayed_average(scalar(0.0), scalar(8.0), scalar(constant), scalar(constant)))
    assert one == pytest.approx(8 * (1 - np.exp(-1)), rel=1e-14)
    halves = scalar(0.0)
    for _ in range(2):
        halves = decayed_average(halves, scalar(8.0), scalar(constant / 2), scalar(constant))
    assert float(halves) == pytest.approx(one, rel=1e-14)
