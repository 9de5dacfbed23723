"""What a step leaves behind, in one word and out again."""

import jax.numpy as jnp
import numpy as np
import pytest

from models.step import Passage
from stress.packed import NEVER, packed, unpacked


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("kinds", [1, 2])
def test_there_and_back(dtype: str, kinds: int) -> None:
    first = jnp.array([[0.0, 1, 168, NEVER - 1, jnp.inf, jnp.inf]], dtype)
    signs = jnp.array([[1e-9, -1.0, -jnp.inf, 5, jnp.nan, 0]], dtype)
    worst = (signs, -signs)[:kinds]
    pool, accrued = (jnp.array([[1.5, -2, 0, 3, 4, 5]], dtype),), (signs,)
    given = Passage(accrued=accrued, pool=pool, first=first, worst=worst)
    found = unpacked(packed(given), given)
    np.testing.assert_array_equal(found.first, first)
    assert found.first.dtype == first.dtype and found.pool is pool and found.accrued is accrued
    assert len(found.worst) == kinds
    for got, want in zip(found.worst, worst, strict=True):
        np.testing.assert_array_equal(got > 0, want > 0)
        assert got.dtype == want.dtype
        # A later distance is told apart as it would be from the one that was packed.
        np.testing.assert_array_equal(jnp.maximum(got, -0.5) > 0, jnp.fmax(want, -0.5) > 0)
