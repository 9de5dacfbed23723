"""Errors from repeats, pairs and batches; a shared seed is noticed."""

import numpy as np
import pytest

from stress.batches import PAIR_BATCHES, batch_of, batched, cautious, within
from stress.estimate import as_estimate, mean, proportion
from stress.estimator_schema import Estimator
from stress.metrics import METRICS
from stress.replicates import (
    agreement,
    from_replicates,
    paths_needed,
    plain_paths,
    probability_from_replicates,
    relative_error,
)
from stress.totals import Totals

RNG = np.random.default_rng(3)


def test_repeats() -> None:
    x = RNG.normal(5, 2, (16, 3))
    found = from_replicates(x)
    np.testing.assert_allclose(found.value, x.mean(axis=0))
    np.testing.assert_allclose(found.standard_error, x.std(axis=0, ddof=1) / 4)
    np.testing.assert_allclose(found.high - found.value, 2.1314495455 * found.standard_error)
    with pytest.raises(ValueError, match="two"):
        from_replicates(x[:1])
    with pytest.raises(ValueError, match="share a seed"):
        from_replicates(np.full((4, 2), 0.3))
    assert from_replicates(np.zeros(4)).value == 0  # nothing happened in any of them


def test_probabilities_from_splitting_stay_above_zero() -> None:
    x = np.exp(RNG.normal(np.log(1e-6), 0.6, 8))
    found = probability_from_replicates(x)
    assert 0 < found.low < found.value < found.high
    assert found.high - found.value > found.value - found.low
    assert probability_from_replicates(np.zeros(8)).value == 0


def test_how_much_is_enough() -> None:
    found = as_estimate(2.0, 0.4, 1.0, 3.0)
    assert relative_error(found) == 0.2
    assert paths_needed(found, 1000, 0.1) == pytest.approx(4000)
    assert plain_paths(0.01, 0.1) == pytest.approx(9900)
    assert plain_paths(0.0, 0.1) == plain_paths(0.1, 0.0) == np.inf
    assert relative_error(as_estimate(0.0, 0.1, 0, 1)) == np.inf
    assert agreement(as_estimate(1.0, 0.3, 0, 2), as_estimate(2.0, 0.4, 0, 3)) == pytest.approx(-2)
    assert np.isnan(agreement(as_estimate(1.0, 0.0, 0, 2), as_estimate(2.0, 0.0, 0, 3)))


def test_batches() -> None:
    assert batch_of(Estimator(method="plain"), 64) is None
    assert batch_of(Estimator(method="tilt"), 64) is None
    sobol = batch_of(Estimator(method="sobol", replicates=8), 64)
    assert sobol is not None
    np.testing.assert_array_equal(np.bincount(sobol), 8)
    pairs = batch_of(Estimator(method="antithetic"), 128)
    assert pairs is not None and (pairs[::2] == pairs[1::2]).all()
    np.testing.assert_array_equal(np.bincount(pairs), 128 // PAIR_BATCHES)


def totals(values: np.ndarray) -> Totals:
    n = len(values)
    return Totals(n, by_path={"liquidated_accounts": values, "status": np.zeros(n, int)})


def test_error_between_batches() -> None:
    """Paths that are equal within a batch: their own error is far too small."""
    metric = next(m for m in METRICS if m.id == "system.liquidated_accounts.mean")
    batch = np.arange(1600) % 16
    values = RNG.normal(size=16)[batch]
    own = batched(metric.estimate, totals(values), None)
    true = batched(metric.estimate, totals(values), batch)
    assert true.value == own.value
    assert true.standard_error == pytest.approx(values[:16].std(ddof=1) / 4)
    assert true.standard_error > 8 * own.standard_error
    same = batched(metric.estimate, totals(np.full(1600, 2.0)), batch)
    assert same.value == 2 and same.standard_error == mean(np.full(4, 2.0)).standard_error


def test_cautious_shares() -> None:
    found = proportion(30, 1000)
    wide = cautious(found, Estimator(method="antithetic"))
    assert wide.standard_error == pytest.approx(np.sqrt(2) * found.standard_error)
    assert wide.low < found.low and wide.high > found.high
    assert cautious(found, Estimator(method="sobol")) is found
    kept = within(as_estimate(0.1, 0.2, -0.3, 1.4), 0, 1)
    assert (kept.low, kept.high) == (0, 1)
