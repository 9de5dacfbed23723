"""Host arrays on their way to the device."""

import jax
import jax.numpy as jnp
import numpy as np


def finite_array(values: object) -> jax.Array:
    """Values as a float64 array; ValueError where one is not finite."""
    array = jnp.asarray(np.asarray(values, dtype=np.float64))
    if not bool(jnp.isfinite(array).all()):
        raise ValueError("a figure that is not finite")
    return array
