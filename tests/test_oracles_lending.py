"""Sections 3 and 7: rates, accrual, medians, funding."""

import json
import math

import oracles
import pytest

VENUE = 1e-9  # relative; the venue prints about ten digits


def close(value, tolerance=VENUE):
    return pytest.approx(value, rel=tolerance, abs=0.0)


def test_rate_curve(shared):
    curve = json.loads((shared / "validation" / "reference_values.json").read_text())["rate_curve"]
    growth = curve.pop("hourly growth at 0.9")
    for u, rate in curve.items():
        assert oracles.borrow_rate(float(u)) == close(rate)
    for convention, want in growth.items():
        got = oracles.growth_factor(oracles.borrow_rate(0.9), 1.0, convention) - 1
        assert got == close(want, 1e-6)  # six digits are printed
    with pytest.raises(ValueError, match="daily"):
        oracles.growth_factor(0.05, 1.0, "daily")


def test_accrual_along_utilizations():
    path = [0.5, 0.9, 1.0]
    want = 1000 * math.exp((0.05 + 0.525 + 1.0) / 8760)
    assert oracles.accrue_debt(1000.0, path)[-1] == close(want, 1e-14)
    earned = 0.9 * (0.05 * 0.5 + 0.525 * 0.9 + 1.0)
    supplied = oracles.accrue_supply(1000.0, path)
    assert supplied[-1] == close(1000 * math.exp(earned / 8760), 1e-14) and len(supplied) == 4
    year = oracles.accrue_debt(1.0, [0.0] * 8760, "effective")[-1]
    assert year == close(1.05)
    assert oracles.utilization(0.0, 0.0) == 0.0 and oracles.utilization(1.0, 0.0) == 1.0


def test_medians_and_prices():
    assert oracles.median([3.0, 1.0, 2.0]) == 2.0 and oracles.median([4.0, 1.0, 2.0, 3.0]) == 2.5
    assert oracles.weighted_median([10.0, 11.0, 50.0], [3.0, 2.0, 1.0]) == 10.5
    assert oracles.weighted_median([50.0, 11.0, 10.0], [1.0, 2.0, 2.0]) == 11.0
    assert oracles.mark_price(100.0, -0.4, 99.0, 99.2, 99.5, [99.4, 99.3, 102.0]) == 99.4
    assert oracles.borrow_oracle_price(84.114, 84.092, 84.13, 0.99974) == close(84.13 * 0.99974)
    # A USDT depeg moves two of the three sources, hence the reserve price.
    assert oracles.borrow_oracle_price(100.0, 101.0, 100.0, 0.95) == close(95.95)


@pytest.mark.parametrize(
    ("premium", "rate"),
    [
        (0.0, 0.0000125),
        (0.0006, 0.0000125),
        (0.001, 0.0005 / 8),
        (-0.001, -0.0005 / 8),
        (0.5, 0.04),
        (-0.5, -0.04),
    ],
)
def test_funding(premium, rate):
    assert oracles.funding_rate(premium) == close(rate, 1e-12)
    assert oracles.funding_payment(-2.0, 100.0, rate) == close(-200.0 * rate)
