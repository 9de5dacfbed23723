"""Tests of forecasts against their reference values, their size and their power."""

import json
from pathlib import Path

import numpy as np
import pytest
from process_helpers import mean_error
from scipy import stats

from stress import backtest_tests as tests

ROUNDS = 2000


def references(shared: Path) -> dict:
    return json.loads((shared / "validation" / "reference_values.json").read_text())


def test_kupiec_ratios(shared: Path) -> None:
    known = references(shared)["kupiec"]
    assert tests.kupiec(7, 255, 0.01)[0] == pytest.approx(known["LR(255,0.01,7)"], abs=5e-6)
    assert tests.kupiec(10, 250, 0.01)[0] == pytest.approx(known["LR(250,0.01,10)"], abs=5e-6)


@pytest.mark.parametrize("n", [255, 510, 1000])
def test_counts_that_kupiec_accepts(shared: Path, n: int) -> None:
    low, high = map(int, references(shared)["kupiec"][f"accept95({n},1%)"].split(".."))
    accepted = [x for x in range(40) if tests.kupiec(x, n, 0.01)[1] > 0.05]
    assert accepted == list(range(low, high + 1))


def test_traffic_light_by_the_basel_table(shared: Path) -> None:
    known = references(shared)["basel_cumulative_n250_p1pct"]
    for count, cumulative in known.items():
        assert stats.binom.cdf(int(count), 250, 0.01) == pytest.approx(cumulative, rel=1e-12)
        zone = "green" if cumulative < 0.95 else "yellow" if cumulative < 0.9999 else "red"
        assert tests.traffic_light(int(count), 250) == zone
    zones = [tests.traffic_light(x, 250) for x in range(12)]
    assert zones.count("green") == 5 and zones.count("yellow") == 5  # 0 to 4, 5 to 9


def rate(test, make, rounds: int = ROUNDS) -> float:
    rng = np.random.default_rng(0)
    return float(np.mean([test(make(rng)) < 0.05 for _ in range(rounds)]))


def test_independence_has_size_and_power() -> None:
    def fair(rng):
        return rng.random(1000) < 0.1

    def clustered(rng):
        hits = np.zeros(1000, bool)
        for t in range(1, 1000):
            hits[t] = rng.random() < (0.4 if hits[t - 1] else 0.065)
        return hits

    size = rate(lambda h: tests.independence(h)[1], fair)
    assert abs(size - 0.05) < 4 * np.sqrt(0.05 * 0.95 / ROUNDS)
    assert rate(lambda h: tests.independence(h)[1], clustered, 200) > 0.95
    assert rate(lambda h: tests.conditional_coverage(h, 0.1)[1], clustered, 200) > 0.9


def test_coverage_intervals_hold_their_level() -> None:
    rng, p = np.random.default_rng(1), 0.02
    found = [tests.coverage_interval(rng.random(300) < p) for _ in range(ROUNDS)]
    inside = np.mean([low <= p <= high for low, high in found])
    assert inside > 0.95 - 4 * np.sqrt(0.05 * 0.95 / ROUNDS)
    assert np.mean([low <= 2.5 * p <= high for low, high in found]) < 0.5
    assert tests.coverage_interval(np.zeros(10, bool))[0] == 0
    assert tests.coverage_interval(np.ones(10, bool))[1] == 1


def forecasts(rng, scale: float, n: int = 500):
    """Normal losses of deviation `scale` against forecasts of deviation 1, tail 2.5 %."""
    p = 0.025
    grid = stats.norm.isf(p * (np.arange(25) + 0.5) / 25)
    loss = scale * rng.standard_normal(n)
    edge, shortfall = stats.norm.isf(p), grid.mean()
    return loss / shortfall, loss > edge, np.broadcast_to(grid / shortfall, (n, 25)), p


def test_shortfall_has_size_and_power() -> None:
    def p_value(scale):
        return lambda rng: tests.acerbi_szekely(*forecasts(rng, scale), draws=200)[1]

    rounds = 400
    rng = np.random.default_rng(2)
    fair = np.mean([p_value(1.0)(rng) < 0.05 for _ in range(rounds)])
    assert abs(fair - 0.05) < 4 * np.sqrt(0.05 * 0.95 / rounds)
    assert np.mean([p_value(1.3)(rng) < 0.05 for _ in range(100)]) > 0.8
    z = np.array([tests.acerbi_szekely(*forecasts(rng, 1.0), draws=1)[0] for _ in range(400)])
    low = np.array([tests.acerbi_szekely(*forecasts(rng, 1.3), draws=1)[0] for _ in range(400)])
    assert abs(mean_error(z, 0.0)) < 4 < abs(mean_error(low, 0.0))


def test_phases_of_overlapping_windows_keep_the_size() -> None:
    """Seven-day sums of independent days: the naive test rejects far too often, phases do not."""
    rng, rounds, p = np.random.default_rng(3), 400, 0.05
    naive, apart = [], []
    for _ in range(rounds):
        days = rng.standard_normal(7 * 100 + 6)
        weeks = np.convolve(days, np.ones(7), "valid") / np.sqrt(7)
        hits = weeks < stats.norm.ppf(p)
        naive.append(tests.kupiec(int(hits.sum()), len(hits), p)[1] < 0.05)
        apart.append(
            tests.over_phases(
                lambda part, hits=hits: tests.kupiec(int(hits[part].sum()), len(hits[part]), p)[1],
                7,
            )
            < 0.05
        )
    assert np.mean(apart) < 0.05 + 4 * np.sqrt(0.05 * 0.95 / rounds) < np.mean(naive)
    assert tests.over_phases(lambda part: 0.3, 1) == 0.3


def test_block_error_sees_the_overlap() -> None:
    rng = np.random.default_rng(4)
    weeks = np.convolve(rng.standard_normal(4000), np.ones(7), "valid") / np.sqrt(7)
    hits = weeks < stats.norm.ppf(0.05)
    plain = np.sqrt(0.05 * 0.95 / len(hits))
    assert tests.block_error(hits, 28) > 1.5 * plain
    fair = rng.random(4000) < 0.05
    assert tests.block_error(fair, 1) == pytest.approx(plain, rel=0.2)
