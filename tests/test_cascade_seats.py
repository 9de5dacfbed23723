"""Seats of a round: who takes them, and that their number changes nothing."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bench.cascade_case import engine_inputs, make_case

from stress.cascade_block import run_cascade
from stress.cascade_marking import rows_at, sums_at
from stress.cascade_seats import places, put


@pytest.mark.parametrize("count", [1, 7, 31, 32, 33, 64, 500])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 1.0])
def test_places_are_those_of_the_flags_that_are_set(count, share):
    rng = np.random.default_rng(count)
    flags = rng.random((5, count)) < share
    flags[0, -1] = True  # the last one, and a row with that alone
    flags[1] = False
    for seats in (1, 16, count):
        got = np.asarray(places(jnp.asarray(flags), seats))
        for row, found in zip(flags, got, strict=True):
            want = np.flatnonzero(row)[:seats]
            assert (found[: len(want)] == want).all()
            assert (found[len(want) :] == count).all()


def test_what_is_put_back_lies_at_its_places_and_nowhere_else():
    rng = np.random.default_rng(1)
    into, values = rng.random((2, 3, 40)), rng.random((2, 3, 4))
    who = np.array([[0, 5, 39, 40], [40, 40, 40, 40], [7, 8, 9, 10]])
    got = np.asarray(put(jnp.asarray(into), jnp.asarray(who), jnp.asarray(values)))
    want = into.copy()
    for p, row in enumerate(who):
        for k, n in enumerate(row):
            if n < 40:
                want[:, p, n] = values[:, p, k]
    assert (got == want).all() and not (got == into).all()


def test_rows_and_sums_by_place():
    rows = jnp.arange(6.0).reshape(3, 2)
    assert (rows_at(rows, (2, -1, 0)) == jnp.array([[4.0, 5], [0, 0], [0, 1]])).all()
    assert rows_at(rows, (0, 1, 2)) is rows
    assert (sums_at(rows, (1, -1, 1), 2) == jnp.array([[0.0, 0], [4, 6]])).all()


@pytest.fixture(scope="module")
def cascade():
    """A small book under stress; a function of the seats and of the tile."""
    case = make_case(
        accounts=80, markets=2, paths=8, steps=6, stress=0.78, depth=2e7, dtype=np.float64
    )
    inputs = engine_inputs(case)
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(0), i))(jnp.arange(8))

    def run(seats: tuple[int, ...], tile: int):
        setting = dataclasses.replace(inputs.setting, seats=seats)
        series = inputs.series
        found = run_cascade(
            setting, inputs.book, inputs.groups, series, keys, jnp.ones(8, bool), tile
        )
        return jax.tree.map(np.asarray, found)

    return run


def test_results_do_not_depend_on_seats_or_tiles(cascade):
    sums, rows = cascade((), 8)
    liquidated = rows[0].liquidated_accounts
    assert liquidated.min() <= 2 and liquidated.max() > 8, liquidated  # few and many in a round
    for seats, tile in (((2, 6), 8), ((2, 6), 1)):
        more, other = cascade(seats, tile)
        for a, b in zip(jax.tree.leaves(sums[0]), jax.tree.leaves(more[0]), strict=True):
            assert (a == b).all()
        for a, b in zip(jax.tree.leaves(rows), jax.tree.leaves(other), strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-6)
