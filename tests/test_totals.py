"""Totals: the same for blocks in any order, nothing hidden that is not finite."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from models.status import NON_FINITE, OK
from stress.aggregate import Counts, PathMoney
from stress.market import PathView
from stress.totals import FULL, UTILIZATION_BINS, Totals, block_arrays

PATHS, TIMES = 6, 4


def view(utilization: np.ndarray, status: np.ndarray) -> PathView:
    made: Any = SimpleNamespace(
        status=status,
        log_return=np.arange(PATHS * 2.0).reshape(PATHS, 2),
        worst_log_return=-np.ones((PATHS, 2)),
        utilization=utilization,
        queued=np.zeros((PATHS, 1)),
    )
    return made


def arrays_of(utilization: np.ndarray, status: np.ndarray, valid: np.ndarray) -> dict:
    counts: Any = SimpleNamespace(full=np.array([1, 2, 3]))
    money: Any = SimpleNamespace(bad_debt=np.arange(float(PATHS)))
    assert "full" in Counts.__annotations__ and "bad_debt" in PathMoney.__annotations__
    hours = np.array([1.0, 0.5, 0.25])
    return block_arrays(counts, money, view(utilization, status), valid, hours)


def test_block_arrays_by_hand() -> None:
    used = np.full((PATHS, TIMES, 1), 0.25)
    used[1, 2] = 1.0
    used[2, 0] = 1.0  # now: no time at which somebody finds it full later
    used[3, 1:] = FULL
    status, valid = np.full(PATHS, OK), np.arange(PATHS) < 5
    arrays = arrays_of(used, status, valid)
    assert arrays["count.full"].tolist() == [1, 2, 3]
    assert arrays["path.bad_debt"].tolist() == [0, 1, 2, 3, 4]
    assert arrays["path.times_full"].ravel().tolist() == [0, 1, 0, 3, 0]
    assert arrays["path.hours_full"].ravel().tolist() == [0, 0.5, 0, 1.75, 0]
    assert arrays["path.peak_utilization"].ravel().tolist() == [0.25, 1.0, 1.0, FULL, 0.25]
    histogram = arrays["count.utilization"]
    assert histogram.shape == (TIMES, 1, UTILIZATION_BINS + 1)
    assert (histogram.sum(axis=2) == 5).all()
    assert histogram[:, 0, UTILIZATION_BINS].tolist() == [1, 1, 2, 1]
    assert histogram[:, 0, UTILIZATION_BINS // 4].tolist() == [4, 4, 3, 4]


def test_utilization_falls_into_its_bin() -> None:
    levels = np.array([0.0, 0.0005, 0.001, 0.5004, 0.9999, 1.0])
    used = np.broadcast_to(levels[:, None, None], (PATHS, TIMES, 1))
    found = arrays_of(used, np.full(PATHS, OK), np.full(PATHS, True))["count.utilization"]
    assert np.flatnonzero(found[0, 0]).tolist() == [0, 1, 500, 999, 1000]
    assert found[0, 0, 0] == 2


def test_a_path_that_is_not_finite_keeps_no_money() -> None:
    used = np.full((PATHS, TIMES, 1), 0.25)
    used[2, 1:] = np.nan
    status = np.full(PATHS, OK)
    status[2] = NON_FINITE
    arrays = arrays_of(used, status, np.full(PATHS, True))
    assert np.flatnonzero(np.isnan(arrays["path.bad_debt"])).tolist() == [2]
    assert arrays["count.utilization"].sum(axis=(1, 2)).tolist() == [6, 5, 5, 5]
    assert arrays["path.status"].tolist() == status.tolist()


def block(index: int, paths: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(index)
    return {
        "count.first": rng.integers(0, 9, (3, 2)),
        "path.loss": rng.normal(size=paths),
        "path.log_return": rng.normal(size=(paths, 2)),
    }


def test_any_order_gives_the_same() -> None:
    sizes = [4, 4, 2]
    merged = []
    for order in itertools.permutations(range(3)):
        totals = Totals(sum(sizes))
        for index in order:
            totals.merge(index, 4 * index, block(index, sizes[index]))
        merged.append(totals)
    for other in merged[1:]:
        for name, value in merged[0].counts.items():
            np.testing.assert_array_equal(other.counts[name], value)
        for name, value in merged[0].by_path.items():
            np.testing.assert_array_equal(other.by_path[name], value)
    whole = np.concatenate([block(i, n)["path.loss"] for i, n in enumerate(sizes)])
    np.testing.assert_array_equal(merged[0].by_path["loss"], whole)
    first = sum(block(i, n)["count.first"] for i, n in enumerate(sizes))
    np.testing.assert_array_equal(merged[0].counts["first"], first)


def test_merging_leaves_a_block_as_it_was() -> None:
    one, copy, totals = block(0, 4), block(0, 4), Totals(8)
    totals.merge(0, 0, one)
    totals.merge(1, 4, block(1, 4))
    for name, value in copy.items():
        np.testing.assert_array_equal(one[name], value)


def test_a_block_counts_once() -> None:
    totals = Totals(8)
    totals.merge(0, 0, block(0, 4))
    with pytest.raises(ValueError, match="merged already"):
        totals.merge(0, 0, block(0, 4))
