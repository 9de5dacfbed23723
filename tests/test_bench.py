"""The benchmark's peers of the cascade do the engine's work: same liquidations, same money."""

import dataclasses
import functools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from models.status import EMPTY_DEPTH
from tests.bench.cascade_case import STRESS, VAULT_CAPITAL, Case, Outcome, make_case
from tests.bench.cascade_engine import differences, engine_outcome, engine_run
from tests.bench.cascade_numpy import run_numpy

SMALL: dict[str, Any] = {"accounts": 160, "markets": 4, "paths": 64, "steps": 24, "stress": 0.9}
WILD: dict[str, Any] = {
    "depth": 3e7,
    "hourly": 0.03,
}  # impact up to 10 % and accounts that end below zero
# In float64 the order of sums decides nothing. In float32 it may, on one path in twenty.
BOUNDS: dict[str, Any] = {
    "float64": {"ties": 0, "relative": 1e-9},
    "float32": {"ties": 3, "relative": 1e-4},
}
PRECISIONS = ["float32", pytest.param("float64", marks=pytest.mark.slow)]


@functools.cache
def case_of(dtype: str) -> Case:
    return make_case(**SMALL, **WILD, dtype=np.dtype(dtype).type)


@functools.cache
def played(dtype: str) -> tuple:
    return engine_run(case_of(dtype))()


def wanted(dtype: str) -> Outcome:
    return engine_outcome(case_of(dtype), played(dtype))


def numba_peer() -> Callable[[Case], Outcome]:
    pytest.importorskip("numba", reason="Numba is of the extra `bench`")
    from tests.bench.cascade_numba import run_numba

    return run_numba


@pytest.mark.parametrize("dtype", BOUNDS)
def test_numpy_peer_agrees(dtype):
    got = run_numpy(case_of(dtype), block=24)
    assert differences(got, wanted(dtype), **BOUNDS[dtype]) == []


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_numba_peer_agrees(dtype):
    got = numba_peer()(case_of(dtype))
    assert differences(got, wanted(dtype), **BOUNDS[dtype]) == []


CHANGES = {
    "partial_share": 0.25,
    "partial_notional": 1.2e5,
    "cooldown": 0.0,
    "backstop_fraction": 0.6,
    "unified_trigger": 1.0,
    "twap_half_life": 0.5,
    "permanent_share": 0.4,
    "half_life": 1.0,
    "pass_through": np.zeros(4),
    "round_limit": 2,
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_rule_is_noticed(name):
    case = case_of("float32")
    rules = case.rules._replace(**{name: CHANGES[name]})
    got = run_numpy(dataclasses.replace(case, rules=rules))
    assert differences(got, wanted("float32"), **BOUNDS["float32"])


def test_the_case_is_what_it_claims():
    """Everything a peer has to do happens, and nothing that it leaves out."""
    want, (_, (_, rows)) = wanted("float32"), played("float32")
    for name in ("book_notional", "backstop_notional", "slippage", "bad_debt", "shortfall"):
        assert getattr(want, name).sum() > 0, name
    assert 0.2 < want.liquidated.mean() / SMALL["accounts"] < 0.8
    assert np.abs(want.displacement).max() > 0.02
    for name in ("adl_notional", "takeover_value", "paid_adl", "uncovered", "refused"):
        assert not np.any(rows.measures[name]), name
    assert not np.any(np.asarray(rows.status) == EMPTY_DEPTH)
    assert np.abs(want.vault_profit).max() < 1e-3 * VAULT_CAPITAL


def test_benchmarked_cases_are_as_stressed_as_named():
    book: dict[str, Any] = {"accounts": 2000, "markets": 8, "steps": 24}
    stressed, quiet = (
        run_numpy(make_case(**book, paths=paths, stress=STRESS[name])).liquidated
        for name, paths in (("stressed", 16), ("quiet", 64))
    )
    assert 0.14 < stressed.mean() / 2000 < 0.19
    assert 0 < quiet.sum() / (64 * 24) < 0.01  # so of all (path, step) fewer have a liquidation
