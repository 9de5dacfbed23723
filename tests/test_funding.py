"""Funding against clamping by hand and the recorded rates."""

import json

import numpy as np
import oracles
import pytest
from hypothesis import given
from hypothesis import strategies as st
from margin_cases import random_rules, scalar, venue_of

from models.funding import funding_per_contract, funding_rate

FUNDING = venue_of(random_rules(np.random.default_rng(0))).funding


@given(st.floats(-0.5, 0.5) | st.floats(-2e-3, 2e-3))
def test_rate_matches_the_formula(premium):
    got = float(funding_rate(FUNDING, scalar(premium)))
    assert got == pytest.approx(oracles.funding_rate(premium), rel=1e-13, abs=1e-18)


def test_flat_value_and_cap():
    assert float(funding_rate(FUNDING, scalar(0.0))) == pytest.approx(0.0000125, rel=1e-15)
    assert float(funding_rate(FUNDING, scalar(1.0))) == 0.04
    assert float(funding_rate(FUNDING, scalar(-1.0))) == -0.04
    assert float(funding_rate(FUNDING, scalar(0.001))) != pytest.approx(0.0000125, rel=1e-6)


def test_recorded_rates(shared):
    file = shared / "data" / "recorded" / "metaAndAssetCtxs_2026.json"
    contexts = json.loads(file.read_text())[1]
    assert len(contexts) > 3
    for context in contexts:
        got = float(funding_rate(FUNDING, scalar(float(context["premium"]))))
        assert got == pytest.approx(float(context["funding"]), rel=1e-9)


@given(st.floats(-100, 100), st.floats(1, 1e5), st.floats(-0.04, 0.04))
def test_payment_is_on_the_oracle(size, oracle, rate):
    """A long pays what a short receives; hours add up."""
    paid = float(funding_per_contract(scalar(rate), scalar(oracle), scalar(1.0)))
    assert size * paid == pytest.approx(oracles.funding_payment(size, oracle, rate), rel=1e-14)
    day = float(funding_per_contract(scalar(rate), scalar(oracle), scalar(24.0)))
    assert day == pytest.approx(24 * paid, rel=1e-14)
