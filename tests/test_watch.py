"""Accounts under watch against the engine, gradients against differences, courses and totals."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from engine_cases import random_case
from test_engine import frozen_of, rows_of

from stress.aggregate import courses_of_tile
from stress.campaign import path_function
from stress.engine import FrozenBook
from stress.sampling.draws import PLAIN, normals
from stress.smooth import FIGURES, smooth_limit
from stress.validate.accounts import built
from stress.watch import watch

SEEDS = range(8)
watched = jax.jit(watch)


def order(frozen: FrozenBook) -> np.ndarray:
    """Places of the margin accounts that are no padding."""
    return np.concatenate([np.asarray(frozen.row), np.asarray(frozen.isolated_row)])


@pytest.mark.parametrize("seed", SEEDS)
def test_watching_sees_what_the_engine_sees(seed: int) -> None:
    """First passage, what is settled there, and a peak above 0 exactly where there is one.

    The engine itself is held against the oracle of the rule book on the same books.
    """
    made = random_case(seed)
    frozen = frozen_of(made)
    seen, rows = watched(made.venue, frozen, made.market), rows_of(made.venue, frozen, made.market)
    place = order(frozen)
    np.testing.assert_array_equal(np.asarray(seen.first), np.asarray(rows.first))
    gone = np.isfinite(np.asarray(seen.first)[:, place])
    np.testing.assert_array_equal(np.asarray(seen.peak)[:, place] > 0, gone)
    assert gone.any() and not gone.all()
    for name in ("equity", "loan", "notional"):
        got, want = (np.asarray(getattr(s, name)) for s in (seen.end, rows.settlement))
        np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-6, err_msg=name)


def test_courses_end_in_the_totals() -> None:
    """Sums over accounts up to each time, by a loop; nothing falls."""
    made = random_case(1)
    frozen = frozen_of(made)
    rows = rows_of(made.venue, frozen, made.market)
    times = made.market.quote_price.shape[-1]
    valid = jnp.ones(rows.first.shape[0], bool)
    _, (money, courses) = courses_of_tile(times, frozen, rows, valid)
    first, loan = np.asarray(rows.first), np.asarray(rows.settlement.loan)
    for t in range(times):
        want = np.where(first <= t, loan, 0).sum(axis=1)
        np.testing.assert_allclose(np.asarray(courses.liquidated_debt)[:, t], want, atol=1e-6)
    for name in ("liquidated_accounts", "liquidated_notional", "liquidated_debt", "bad_debt"):
        course = np.asarray(getattr(courses, name))
        np.testing.assert_allclose(course[:, -1], np.asarray(getattr(money, name)), atol=1e-6)
        assert (np.diff(course, axis=1) >= -1e-9).all()


@pytest.mark.parametrize("figure", FIGURES)
def test_gradients(figure: str) -> None:
    """Reverse mode against central differences along a direction."""
    paths = path_function(WEEK, "base")
    limit = smooth_limit(paths, figure, 1.0)
    rng = np.random.default_rng(3)
    at = rng.normal(0, 0.2, paths.shape) - np.array([0.055, 0.04])
    way = rng.normal(size=paths.shape)
    _, slope = limit(at)
    step = 1e-4
    change = (limit(at + step * way)[0] - limit(at - step * way)[0]) / (2 * step)
    assert float((slope * way).sum()) == pytest.approx(change, rel=1e-4)
    assert abs(change) > 1e-4  # nothing is flat here


def test_increments_are_the_first_passages() -> None:
    paths = path_function(WEEK, "base")
    drawn = normals(PLAIN, jax.random.key(2), jnp.arange(64), *paths.shape)
    found = np.asarray(paths.increments(drawn))
    first = np.asarray(paths.watched(drawn)[0].first).min(axis=1)
    assert (found.sum(axis=1) == np.isfinite(first)).all()
    hit = np.isfinite(first)
    assert hit.any() and (found[hit].argmax(axis=1) == first[hit]).all()
    both = np.asarray(paths.liquidated(drawn))
    assert (both[:, 1] >= both[:, 0] - 1e-9).all() and (both[:, 1] > both[:, 0]).any()
    counted = np.isfinite(np.asarray(paths.watched(drawn)[0].first)).sum(axis=1)
    np.testing.assert_array_equal(both[:, 0, 0], counted)


WEEK = built(7, 1.0, 64)
