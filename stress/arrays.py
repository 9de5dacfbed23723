"""Host arrays on their way to the device."""

import jax
import numpy as np
from numpy.typing import DTypeLike


def device_array(values: object, dtype: DTypeLike = np.float64) -> jax.Array:
    """A copy of host values on the device.

    Without a program: `jnp.asarray` compiles one for every shape of a NumPy array, 20 ms each
    (measured 2026-11-26, jax 0.10.1), and a campaign has dozens of shapes before it starts.
    """
    return jax.device_put(np.array(values, dtype))


def finite_array(values: object) -> jax.Array:
    """Values as a float64 array; ValueError where one is not finite."""
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all():
        raise ValueError("a figure that is not finite")
    return device_array(array)
