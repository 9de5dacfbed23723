"""Auto-deleveraging: order, amounts, and that nobody without a position is ever charged."""

import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.adl import close_by_rank, eligible, rank, share_to_cover


def test_rank_is_gain_times_leverage():
    long = rank(*(jnp.asarray(x) for x in (110.0, 100.0, 2.0, 50.0)))
    short = rank(*(jnp.asarray(x) for x in (80.0, 100.0, -2.0, 50.0)))
    assert float(long) == pytest.approx(1.1 * 220 / 50)
    assert float(short) == pytest.approx(1.25 * 160 / 50)
    assert float(rank(*(jnp.asarray(x) for x in (110.0, 100.0, 2.0, -1.0)))) == 0


@pytest.mark.parametrize(
    ("size", "entry", "value", "offered_long", "want"),
    [
        (-1.0, 110.0, 5.0, True, True),  # a short in profit at 100 against bankrupt longs
        (-1.0, 90.0, 5.0, True, False),  # not in profit
        (1.0, 90.0, 5.0, True, False),  # the same side
        (1.0, 90.0, 5.0, False, True),
        (1.0, 90.0, 0.0, False, False),  # nothing left to pay with
        (0.0, 90.0, 5.0, False, False),  # no position
    ],
)
def test_who_may_be_closed(size, entry, value, offered_long, want):
    price, entry, size, value = map(jnp.asarray, (100.0, entry, size, value))
    got = eligible(price, entry, size, value, jnp.asarray(offered_long))
    assert bool(got) == want


@given(st.integers(0, 10_000))
def test_closing_follows_the_ranks(seed):
    """Against a plain loop over the sorted accounts; the sum is the offer or all there is."""
    rng = np.random.default_rng(seed)
    n = 9
    ranks, contracts = rng.random(n).round(1), rng.random(n) * 10
    called = rng.random(n) < 0.6
    offered = float(rng.choice([0.0, 3.0, 15.0, 1e3]))
    queue = (jnp.asarray(ranks), jnp.asarray(contracts), jnp.asarray(called))
    got = np.asarray(close_by_rank(*queue, jnp.asarray(offered)))
    left, want = offered, np.zeros(n)
    for k in sorted(range(n), key=lambda k: -ranks[k]):
        if called[k]:
            want[k] = min(contracts[k], left)
            left -= want[k]
    assert got == pytest.approx(want, abs=1e-12)
    assert (got[~called] == 0).all() and (got <= contracts + 1e-12).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ranks_that_are_not_numbers_are_closed_last(dtype):
    ranks = jnp.asarray(np.array([np.nan, 0.0, 2.0, np.inf, 1e-30, -0.0], dtype))
    one, called = jnp.ones(6, dtype), jnp.asarray([True, True, True, True, True, False])
    for offered, want in ((1, [3]), (2, [2, 3]), (3, [2, 3, 4]), (4, [1, 2, 3, 4]), (9, range(5))):
        got = np.asarray(close_by_rank(ranks, one, called, jnp.asarray(offered, dtype)))
        assert set(np.flatnonzero(got)) == set(want)


def test_a_bankrupt_account_offers_what_restores_it():
    sizes, gains = (jnp.asarray(2.0), jnp.asarray(-1.0)), (jnp.asarray(10.0), jnp.asarray(5.0))
    share, offers = share_to_cover(jnp.asarray(-8.0), sizes, gains)
    assert float(share) == 0.4  # the second market would lose by it: 2 * 10 covers
    assert [float(x) for x in offers] == [0.8, 0.0]
    share, _ = share_to_cover(jnp.asarray(-80.0), sizes, gains)
    assert float(share) == 1
    for value, g in ((5.0, gains), (-5.0, (jnp.asarray(-1.0), jnp.asarray(1.0)))):
        assert float(share_to_cover(jnp.asarray(value), sizes, g)[0]) == 0
