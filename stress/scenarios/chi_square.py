"""Chi-square variates from standard normals: a spline of the log quantile over the score."""

import jax.numpy as jnp
import numpy as np
import scipy  # loads its parts at their first use
from jaxtyping import Array, Float
from scipy import special

REACH = 9.0  # standard normals beyond +-9 do not occur (1e-19)
PANELS = 512  # of the spline of log(W) over the normal score; error below 1e-8


def chi_square_spline(degrees_of_freedom: float) -> np.ndarray:
    """Coefficients `[4, PANELS]` of the log chi-square quantile over the normal score.

    Errors:
      ValueError for degrees of freedom of 2 or less.
    """
    if not degrees_of_freedom > 2:
        raise ValueError(f"degrees of freedom {degrees_of_freedom}: the variance needs more than 2")
    scores = np.linspace(-REACH, REACH, PANELS + 1)
    shape = degrees_of_freedom / 2
    lower = special.gammaincinv(shape, special.ndtr(np.minimum(scores, 0)))
    upper = special.gammainccinv(shape, special.ndtr(-np.maximum(scores, 0)))
    return scipy.interpolate.CubicSpline(scores, np.log(2 * np.where(scores < 0, lower, upper))).c


def chi_square_at(spline: Float[Array, "4 N"], score: Float[Array, "T"]) -> Float[Array, "T"]:
    """Chi-square variate at the normal score z: the quantile at Phi(z), monotone in z.

    Accurate to 1e-8 relative for degrees of freedom in (2, 100]; measured against scipy in the
    tests. Scores beyond +-9 are taken as +-9.
    """
    width = 2 * REACH / PANELS
    place = (jnp.clip(score, -REACH, REACH) + REACH) / width
    panel = jnp.clip(place.astype(jnp.int32), 0, PANELS - 1)
    offset = (place - panel) * width
    c = spline[:, panel]
    return jnp.exp(((c[0] * offset + c[1]) * offset + c[2]) * offset + c[3])
