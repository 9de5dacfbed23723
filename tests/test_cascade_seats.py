"""Seats of a round: who takes them, and that their number changes nothing."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from bench.cascade_case import engine_inputs, make_case

from stress import cascade as cascade_play
from stress import cascade_rounds
from stress.cascade_block import path_tile, run_cascade
from stress.cascade_marking import rows_at, sums_at
from stress.cascade_places import gathered, places, put


@pytest.mark.parametrize("count", [1, 7, 31, 32, 33, 64, 500])
@pytest.mark.parametrize("share", [0.0, 0.03, 0.5, 1.0])
@pytest.mark.parametrize("paths", [1, 5])
def test_places_are_those_of_the_flags_that_are_set(paths, count, share):
    rng = np.random.default_rng(count)
    flags = rng.random((paths, count)) < share
    flags[0, -1] = True  # the last one, and a row with that alone
    flags[1:2] = False
    rows, columns = np.nonzero(flags)
    for seats in (1, 16, paths * count):
        path, who = (np.asarray(x) for x in places(jnp.asarray(flags), seats))
        some = min(seats, len(rows))
        assert (path[:some] == rows[:some]).all() and (who[:some] == columns[:some]).all()
        assert (path[some:] == paths).all() and len(path) == len(who) == seats


@pytest.mark.parametrize(
    ("paths", "path"), [(3, [0, 0, 2, 3]), (1, [0, 0, 1, 1]), (1, [1, 0, 0, 1]), (1, [1, 1, 1, 1])]
)
def test_what_is_put_back_lies_at_its_places_and_nowhere_else(paths, path):
    """The last path and beyond: empty seats."""
    rng = np.random.default_rng(1)
    into, values = rng.random((2, paths, 40)), rng.random((2, 4))
    path, who = np.array(path), np.array([5, 39, 7, 0])
    tables, path, who, new = jax.tree.map(jnp.asarray, ({"a": into}, path, who, {"a": values}))
    got = np.asarray(put(tables, path, who, new)["a"])
    want = into.copy()
    taken = np.flatnonzero(path < paths)
    want[:, path[taken], who[taken]] = values[:, taken]
    assert (got == want).all() and (got == into).all() == (len(taken) == 0)
    back = np.asarray(gathered(*(jnp.asarray(x) for x in (got, path, who))))
    assert (back[:, taken] == values[:, taken]).all()


def test_rows_and_sums_by_place():
    rows = jnp.arange(6.0).reshape(3, 2)
    assert (rows_at(rows, (2, -1, 0)) == jnp.array([[4.0, 5], [0, 0], [0, 1]])).all()
    assert rows_at(rows, (0, 1, 2)) is rows
    assert (sums_at(rows, (1, -1, 1), 2) == jnp.array([[0.0, 0], [4, 6]])).all()


@pytest.fixture(scope="module")
def cascade():
    """A small book under stress: a function of the seats and of the tile, what it gives at rest."""
    case = make_case(
        accounts=80, markets=2, paths=8, steps=6, stress=0.78, depth=2e7, dtype=np.float64
    )
    inputs = engine_inputs(case)
    keys = jax.vmap(lambda i: jax.random.fold_in(jax.random.key(0), i))(jnp.arange(8))

    def run(seats: int, tile: int):
        setting = dataclasses.replace(inputs.setting, seats=seats)
        series = inputs.series
        found = run_cascade(
            setting, inputs.book, inputs.groups, series, keys, jnp.ones(8, bool), tile
        )
        return jax.tree.map(np.asarray, found)

    return run, run(10_000, 8)


@pytest.mark.parametrize(
    ("seats", "tile", "reach", "lanes"),
    [(1, 8, 0.02, 1), (6, 1, 1e-4, 1), (6, 8, 1, 1), (1, 8, 0.02, 8), (6, 8, 1e-4, 4)],
)
def test_results_do_not_depend_on_seats_tiles_reach_or_lanes(
    cascade, monkeypatch, seats, tile, reach, lanes
):
    """One seat: every path waits for one with room for all; a short reach: many sittings a step."""
    play, (sums, rows) = cascade
    liquidated = rows[0].liquidated_accounts
    assert liquidated.min() <= 2 and liquidated.max() > 8, liquidated  # few and many in a round
    monkeypatch.setattr(cascade_rounds, "REACH", reach)
    monkeypatch.setattr(cascade_play, "lanes_here", lambda paths: lanes)
    jax.clear_caches()
    more, other = play(seats, tile)
    for a, b in zip(jax.tree.leaves(sums[0]), jax.tree.leaves(more[0]), strict=True):
        assert (a == b).all()
    for a, b in zip(jax.tree.leaves(rows), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-6)


def test_who_is_not_near_misses_the_trigger(cascade, monkeypatch):
    """The control: a reach that is not looked at leaves accounts out, and that shows."""
    play, (_, rows) = cascade
    right = rows[0].liquidated_accounts
    monkeypatch.setattr(cascade_rounds, "_beyond", lambda begun, prices: begun.x[0] > 1e9)
    monkeypatch.setattr(cascade_rounds, "REACH", 1e-6)
    jax.clear_caches()
    assert (play(6, 8)[1][0].liquidated_accounts < right).any()
    jax.clear_caches()


def test_a_tile_has_room_for_its_accounts():
    assert path_tile(100_000, 2_000) == 32
    assert path_tile(5, 2_000) == 8
    assert [path_tile(4096, n) for n in (10_000, 100_000, 10**6)] == [8, 1, 1]


def test_seats_grow_with_the_book_and_end_with_room_for_all():
    assert cascade_rounds._widths(None, 2_000, 1) == [64, 256, 2_000]
    assert cascade_rounds._widths(None, 50_000, 1) == [1_568, 6_256, 50_000]
    assert cascade_rounds._widths(None, 20, 1) == [20]
    assert cascade_rounds._widths(None, 2_000, 32) == [256, 2_000]
    assert cascade_rounds._widths(6, 20, 8) == [6, 20]
