"""Multivariate Student-t increments: correlated normals over one common random radius."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stress.scenarios.chi_square import chi_square_at, chi_square_spline
from stress.scenarios.gaussian import HOURS_PER_YEAR


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class StudentT:
    """Parameters of `A` assets. Build it with `build`."""

    radius_per_path: bool = field(metadata={"static": True})  # else one radius per step
    volatility: Float[Array, "A"]  # per square root of a year
    drift: Float[Array, "A"]  # per year
    factor: Float[Array, "A A"]  # lower Cholesky factor of the correlation
    degrees_of_freedom: Float[Array, ""]  # > 2
    log_chi2: Float[Array, "4 N"]  # spline of the log chi-square quantile over the normal score


def build(
    volatility: np.ndarray,
    drift: np.ndarray,
    factor: np.ndarray,
    degrees_of_freedom: float,
    radius_per_path: bool,
) -> StudentT:
    """Builds the process with its quantile table (host side, float64).

    Args:
      volatility: per square root of a year, `[A]`; of the increments, whatever their tails.
      drift: per year, `[A]`.
      factor: lower Cholesky factor, `[A, A]`.
      degrees_of_freedom: of the increments, above 2.
      radius_per_path: one radius for the whole path instead of one per step.

    Returns:
      The process.

    Errors:
      ValueError for degrees of freedom of 2 or less.
    """
    spline = chi_square_spline(degrees_of_freedom)
    return StudentT(
        radius_per_path=radius_per_path,
        volatility=jnp.asarray(volatility),
        drift=jnp.asarray(drift),
        factor=jnp.asarray(factor),
        degrees_of_freedom=jnp.asarray(float(degrees_of_freedom)),
        log_chi2=jnp.asarray(spline),
    )


def chi_square(model: StudentT, score: Float[Array, "T"]) -> Float[Array, "T"]:
    """Chi-square variate at the normal score z, see `chi_square.chi_square_at`."""
    return chi_square_at(model.log_chi2, score)


def normals_per_step(model: StudentT) -> int:
    """Standard normals a step needs: one per asset and one for the radius."""
    return model.volatility.shape[0] + 1


def log_returns(
    model: StudentT, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A"]:
    """Log returns of one path.

        r = (drift - volatility^2 / 2) dt + volatility sqrt(dt) sqrt((nu - 2) / W) L z,
        W ~ chi-square with nu degrees of freedom

    The increments have exactly the stated volatility. A price with Student-t log returns has no
    mean; the drift is that of the geometric Brownian motion of the same volatility. With one
    radius per step, tails fade over many steps, shorter ones too; with one per path they do not.

    Args:
      model: parameters.
      normals: independent standard normals; the last column drives the radius (of the first row
        alone where the radius is the path's).
      step_hours: length of every step, or of each.

    Returns:
      1.

    Errors:
      Raises nothing.

    Source:
      Kotz and Nadarajah (2004), multivariate t as a normal mixture.
    """
    dt = jnp.broadcast_to(jnp.asarray(step_hours) / HOURS_PER_YEAR, normals.shape[:1])
    stretch = _stretch(model, normals)

    def one(z, s, dt):
        trend = (model.drift - model.volatility**2 / 2) * dt
        return trend + model.volatility * jnp.sqrt(dt) * s * (model.factor @ z)

    return jax.vmap(one)(normals[:, :-1], stretch, dt)


def step_root(
    model: StudentT, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A A"]:
    """Root of the covariance of every step's log returns given its radius.

    Between two times the price is taken as a Brownian motion with that covariance.
    """
    dt = jnp.broadcast_to(jnp.asarray(step_hours) / HOURS_PER_YEAR, normals.shape[:1])
    scale = jnp.sqrt(dt) * _stretch(model, normals)
    return scale[:, None, None] * (model.volatility[:, None] * model.factor)[None]


def _stretch(model: StudentT, normals: Float[Array, "T n"]) -> Float[Array, "T"]:
    """What the radius makes of every step's normals."""
    score = normals[:, -1]
    if model.radius_per_path:
        score = jnp.broadcast_to(score[:1], score.shape)
    return jnp.sqrt((model.degrees_of_freedom - 2) / chi_square(model, score))
