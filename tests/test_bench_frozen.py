"""The benchmark's peers of the frozen book do the engine's work: same events, same money."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest

from tests.bench.frozen import differences, engine
from tests.bench.frozen_case import Case, frozen_case
from tests.bench.frozen_numpy import Outcome, frozen_numpy, frozen_numpy_wide
from tests.bench.sampling import contenders, wrong

TIES = 2  # of 19,200 accounts on paths, where float32 rounds the trigger another way


@pytest.fixture(scope="module")
def case() -> Case:
    """300 accounts, whose markets move four times as much as those that are timed."""
    made = frozen_case(300, 64, markets=4, path_tile=32, hourly=0.04)
    assert (made.plain.supplied > 5e4).any() and (np.abs(made.plain.size) > 1.5e5).any()
    return made


@pytest.fixture(scope="module")
def wanted(case: Case) -> Outcome:
    return engine(case, threads=2)()


def numba_peer(case: Case) -> Outcome:
    pytest.importorskip("numba", reason="Numba is of the extra `bench`")
    from tests.bench.frozen_numba import frozen_numba

    return frozen_numba(case.plain)


PEERS: dict[str, Callable[[Case], Outcome]] = {
    "wide": lambda case: frozen_numpy_wide(case.plain),
    "products": lambda case: frozen_numpy(case.plain, chunk=24),
    "numba": numba_peer,
}


@pytest.mark.parametrize("peer", PEERS)
def test_peers_agree(case: Case, wanted: Outcome, peer: str) -> None:
    assert differences(PEERS[peer](case), wanted, ties=TIES) == []
    gone, full = wanted.first[:-1].sum(), wanted.full.sum()
    assert 0.02 < gone / wanted.first.sum() < 0.4 and full > 50
    assert (wanted.money.sum(axis=1) != 0).all()


@pytest.mark.parametrize(
    "field", ["net_cash", "size", "inverse_leverage", "supplied", "deduction", "settlement", "free"]
)
def test_another_figure_is_noticed(case: Case, wanted: Outcome, field: str) -> None:
    """Negative control: each figure decides something."""
    changed = getattr(case.plain, field) * np.float32(0.9)
    if field == "free":
        changed = changed * 0
    plain = dataclasses.replace(case.plain, **{field: changed})
    assert differences(frozen_numpy(plain), wanted, ties=TIES)


def test_samplers_have_the_right_moments() -> None:
    runs = contenders(4096, 24, 3)
    assert {"ours", "NumPy"} <= runs.keys()
    prices = runs["NumPy"]()
    for run in runs.values():
        prices = np.asarray(run())
        assert prices.shape == (4096, 3) and wrong(prices, 24) == []
    assert "mean" in wrong(np.multiply(prices, 1.01), 24)
    assert "variance" in wrong(np.power(prices, 1.2), 24)
    assert "correlation" in wrong(np.stack([prices[:, 0], prices[::-1, 1]], axis=1), 24)
