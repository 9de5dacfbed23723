"""GJR-GARCH with Student-t innovations of a common radius and constant correlation."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stress.scenarios.chi_square import chi_square_at, chi_square_spline
from stress.scenarios.gaussian import HOURS_PER_YEAR
from stress.scenarios.jumps import checked

MOST_PERSISTENT = 1.0001  # alpha + gamma / 2 + beta; at 1 the variance keeps what it is today


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Garch:
    """Parameters of `A` assets, of hourly log returns. Build it with `build`."""

    factor: Float[Array, "A A"]  # lower Cholesky factor of the innovations' correlation
    degrees_of_freedom: Float[Array, ""]  # > 2
    log_chi2: Float[Array, "4 N"]
    omega: Float[Array, "A"]  # variance per hour
    alpha: Float[Array, "A"]  # 1, answer to any return
    gamma: Float[Array, "A"]  # 1, further answer to a fall
    beta: Float[Array, "A"]  # 1, what stays
    variance: Float[Array, "A"]  # per hour, over the first hour
    drift: Float[Array, "A"]  # per year, of the logarithm


def build(
    *,
    factor: np.ndarray,
    degrees_of_freedom: float,
    omega: np.ndarray,
    alpha: np.ndarray,
    gamma: np.ndarray,
    beta: np.ndarray,
    variance: np.ndarray,
    drift: np.ndarray,
) -> Garch:
    """Builds the process; arguments as the fields of `Garch`.

    Errors:
      ValueError for a figure that is not finite or negative (gamma may be, alpha + gamma may not),
      degrees of freedom of 2 or less, or alpha + gamma / 2 + beta above 1.
    """
    checked(
        omega=omega, alpha=alpha, gamma=gamma, beta=beta, variance=variance, drift=drift,
        news=np.asarray(alpha) + np.asarray(gamma),
    )  # fmt: skip
    persistence = np.asarray(alpha) + np.asarray(gamma) / 2 + np.asarray(beta)
    if (persistence > MOST_PERSISTENT).any():
        raise ValueError(f"alpha + gamma / 2 + beta {persistence} above 1")
    return Garch(
        factor=jnp.asarray(factor),
        degrees_of_freedom=jnp.asarray(float(degrees_of_freedom)),
        log_chi2=jnp.asarray(chi_square_spline(degrees_of_freedom)),
        omega=jnp.asarray(omega),
        alpha=jnp.asarray(alpha),
        gamma=jnp.asarray(gamma),
        beta=jnp.asarray(beta),
        variance=jnp.asarray(variance),
        drift=jnp.asarray(drift),
    )


def normals_per_step(model: Garch) -> int:
    """One per asset and one for the radius."""
    return model.omega.shape[0] + 1


def log_returns(
    model: Garch, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A"]:
    """Log returns of one path.

        r = drift dt + sqrt(h dt) e,  e = sqrt((nu - 2) / W) L z
        h' = h + dt (omega - (1 - alpha - gamma / 2 - beta) h)
               + sqrt(dt) h ((alpha + gamma 1[e < 0]) e^2 - alpha - gamma / 2)

    For steps of an hour this is h' = omega + (alpha + gamma 1[e < 0]) h e^2 + beta h exactly; for
    shorter ones the variance keeps its mean, its pull and, to first order, its noise per hour.

    Args:
      model: parameters.
      normals: independent standard normals; the last column drives the radius.
      step_hours: length of every step, or of each, at most 1.

    Returns:
      1; the mean of the logarithm is `drift`, its price has no mean.

    Errors:
      Raises nothing; a step above an hour may give a negative variance and so NaN.

    Source:
      Glosten, Jagannathan and Runkle (1993); Bollerslev (1990) for the constant correlation; short
      steps after Nelson (1990), "ARCH models as diffusion approximations".
    """
    hours = jnp.broadcast_to(jnp.asarray(step_hours, dtype=jnp.float64), normals.shape[:1])
    nu = model.degrees_of_freedom
    stretch = jnp.sqrt((nu - 2) / chi_square_at(model.log_chi2, normals[:, -1]))
    shocks = stretch[:, None] * (normals[:, :-1] @ model.factor.T)

    def step(h, inputs):
        e, dt = inputs
        r = model.drift * dt / HOURS_PER_YEAR + jnp.sqrt(h * dt) * e
        return next_variance(model, h, e, dt), r

    return jax.lax.scan(step, model.variance, (shocks, hours))[1]


def next_variance(model, h, e, dt):
    """Variance per hour after a step of `dt` hours with innovation `e` of unit variance, `[A]`."""
    pull = 1 - model.alpha - model.gamma / 2 - model.beta
    news = (model.alpha + jnp.where(e < 0, model.gamma, 0.0)) * e**2
    change = jnp.sqrt(dt) * h * (news - model.alpha - model.gamma / 2)
    return h + dt * (model.omega - pull * h) + change
