"""Sums in parts against exactly rounded ones, whatever is left over of the parts."""

import math

import jax.numpy as jnp
import numpy as np
import pytest

from models.sums import PARTS, total


@pytest.mark.parametrize("count", [0, 1, PARTS, 2 * PARTS - 1, 2 * PARTS, 5 * PARTS + 3])
def test_every_account_is_added_once(count: int) -> None:
    values = np.random.default_rng(count).normal(size=(2, count)).astype(np.float32)
    want = [math.fsum(max(x, 0) for x in row.astype(float)) for row in values]
    got = total(jnp.asarray(values), lambda x: jnp.maximum(x, 0))
    assert got.dtype == jnp.float64
    np.testing.assert_allclose(got, want, rtol=1e-14)
    if count:  # control: leaving one out shows
        worse = total(jnp.asarray(np.abs(values[:, :-1])))
        assert (np.asarray(worse) < np.abs(values.astype(float)).sum(axis=1)).all()
