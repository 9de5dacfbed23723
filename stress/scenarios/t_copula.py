"""Student-t copula with marginals of its own: tails that come together, each as heavy as it is."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import scipy  # loads its parts at their first use
from jaxtyping import Array, Float
from scipy import special

from stress.scenarios.chi_square import chi_square_at, chi_square_spline
from stress.scenarios.gaussian import HOURS_PER_YEAR
from stress.scenarios.jumps import checked

SCORES = 8.5  # normal scores of the table; beyond, the outermost value
KNOTS = 2049  # of the table over asinh of the t variate
NODES = 20_001  # of the quadrature that standardises an empirical marginal


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class TCopula:
    """Parameters of `A` assets. Build it with `build`."""

    factor: Float[Array, "A A"]  # lower Cholesky factor of the copula's correlation
    degrees_of_freedom: Float[Array, ""]  # of the copula, > 2
    log_chi2: Float[Array, "4 N"]
    volatility: Float[Array, "A"]  # per square root of a year
    drift: Float[Array, "A"]  # per year
    first: Float[Array, ""]  # asinh of the table's first t variate
    width: Float[Array, ""]  # of its panels
    table: Float[Array, "A 4 K"]  # spline of asinh(return) over asinh(t variate)


def build(
    volatility: np.ndarray,
    drift: np.ndarray,
    factor: np.ndarray,
    degrees_of_freedom: float,
    marginals: Sequence[Mapping[str, Any]],
) -> TCopula:
    """Builds the process (host side, float64).

    Args:
      volatility: per square root of a year, `[A]`; of the increments, whatever their marginals.
      drift: per year, `[A]`.
      factor: lower Cholesky factor of the copula's correlation, `[A, A]`.
      degrees_of_freedom: of the copula.
      marginals: one per asset, either `degrees_of_freedom` of a Student-t or an empirical one:
        `probabilities` and `quantiles` of the body, `lower` and `upper` with `shape` (below 1/2)
        and `scale` of the generalised Pareto tails beyond the outer quantiles. All are brought to
        mean 0 and variance 1.

    Errors:
      ValueError for a marginal without a variance, quantiles that do not rise, or a figure that is
      not finite.
    """
    checked(volatility=volatility, drift=drift, degrees_of_freedom=degrees_of_freedom)
    edge = np.arcsinh(scipy.stats.t.isf(special.ndtr(-SCORES), degrees_of_freedom))
    grid = np.linspace(-edge, edge, KNOTS)
    variate = np.sinh(grid)
    below = np.log(scipy.stats.t.cdf(np.minimum(variate, 0), degrees_of_freedom))
    above = np.log(scipy.stats.t.sf(np.maximum(variate, 0), degrees_of_freedom))
    log_p = np.where(grid <= 0, below, above)
    splines = [_spline(grid, np.arcsinh(_standardised(m)(log_p, grid <= 0)), m) for m in marginals]
    return TCopula(
        factor=jnp.asarray(factor),
        degrees_of_freedom=jnp.asarray(float(degrees_of_freedom)),
        log_chi2=jnp.asarray(chi_square_spline(degrees_of_freedom)),
        volatility=jnp.asarray(volatility),
        drift=jnp.asarray(drift),
        first=jnp.asarray(-edge),
        width=jnp.asarray(2 * edge / (KNOTS - 1)),
        table=jnp.asarray(np.stack(splines)),
    )


def normals_per_step(model: TCopula) -> int:
    """One per asset and one for the radius."""
    return model.volatility.shape[0] + 1


def log_returns(
    model: TCopula, normals: Float[Array, "T n"], step_hours: Float[Array, "*t"] | float
) -> Float[Array, "T A"]:
    """Log returns of one path.

        t = sqrt(nu / W) L z,  r_a = (drift - sigma^2 / 2) dt + sigma sqrt(dt) F_a^-1(T_nu(t_a))

    Args:
      model: parameters.
      normals: independent standard normals; the last column drives the radius.
      step_hours: length of every step, or of each; marginals are those of a step, whatever its
        length.

    Returns:
      1. A price whose log returns have Pareto tails has no mean; the drift is that of the geometric
      Brownian motion of the same volatility.

    Errors:
      Raises nothing.

    Source:
      Demarta and McNeil (2005), "The t copula and related copulas".
    """
    dt = jnp.broadcast_to(jnp.asarray(step_hours) / HOURS_PER_YEAR, normals.shape[:1])
    weight = chi_square_at(model.log_chi2, normals[:, -1])
    radius = jnp.sqrt(model.degrees_of_freedom / weight)
    variate = radius[:, None] * (normals[:, :-1] @ model.factor.T)
    shock = jax.vmap(lambda t, c: _looked_up(model, t, c), in_axes=(1, 0), out_axes=1)(
        variate, model.table
    )
    trend = (model.drift - model.volatility**2 / 2)[None, :] * dt[:, None]
    return trend + model.volatility[None, :] * jnp.sqrt(dt)[:, None] * shock


def _looked_up(model: TCopula, variate, table):
    """Standardised return at a t variate."""
    place = (jnp.arcsinh(variate) - model.first) / model.width
    place = jnp.clip(place, 0.0, KNOTS - 1.0)
    panel = jnp.clip(place.astype(jnp.int32), 0, KNOTS - 2)
    x = (place - panel) * model.width
    c = table[:, panel]
    return jnp.sinh(((c[0] * x + c[1]) * x + c[2]) * x + c[3])


def _spline(grid: np.ndarray, values: np.ndarray, marginal: Mapping[str, Any]) -> np.ndarray:
    """Coefficients `[4, K]`: smooth for a Student-t, monotone where a body meets its tails."""
    smooth = "degrees_of_freedom" in marginal
    return (
        scipy.interpolate.CubicSpline(grid, values)
        if smooth
        else scipy.interpolate.PchipInterpolator(grid, values)
    ).c


def _standardised(marginal: Mapping[str, Any]):
    """Quantile function, mean 0 and variance 1, of (log probability, is it the lower tail's)."""
    if "degrees_of_freedom" in marginal:
        nu = float(marginal["degrees_of_freedom"])
        if not nu > 2:
            raise ValueError(f"degrees of freedom {nu}: the variance needs more than 2")
        scale = np.sqrt((nu - 2) / nu)

        def student(log_p, lower):
            value = scale * scipy.stats.t.isf(np.exp(log_p), nu)
            return np.where(lower, -value, value)

        return student
    quantile = _empirical(marginal)
    # Moments by Gauss-Legendre on panels of the normal score, whose density decays as the tails.
    score = np.linspace(-SCORES - 20, SCORES + 20, NODES)
    log_p = special.log_ndtr(-np.abs(score))
    weight = scipy.stats.norm.pdf(score) * (score[1] - score[0])
    values = quantile(log_p, score <= 0)
    mean = float(weight @ values)
    deviation = float(np.sqrt(weight @ (values - mean) ** 2))
    return lambda log_p, lower: (quantile(log_p, lower) - mean) / deviation


def _empirical(marginal: Mapping[str, Any]):
    """Quantile function of a body of quantiles with generalised Pareto tails."""
    p, q = (np.asarray(marginal[k], dtype=float) for k in ("probabilities", "quantiles"))
    if not ((np.diff(p) > 0).all() and (np.diff(q) > 0).all() and 0 < p[0] < p[-1] < 1):
        raise ValueError("probabilities and quantiles have to rise, probabilities inside (0, 1)")
    body = scipy.interpolate.PchipInterpolator(special.ndtri(p), q)
    tails = {}
    for side, mass in (("lower", p[0]), ("upper", 1 - p[-1])):
        shape, scale = (float(marginal[side][k]) for k in ("shape", "scale"))
        if not (shape < 0.5 and scale > 0):
            raise ValueError(f"{side} tail of shape {shape:g}: the variance needs less than 1/2")
        tails[side] = (mass, shape, scale)

    def beyond(side, log_p):
        mass, shape, scale = tails[side]
        depth = np.maximum(np.log(mass) - log_p, 0)
        return scale * (np.expm1(shape * depth) / shape if abs(shape) > 1e-12 else depth)

    def quantile(log_p, lower):
        score = special.ndtri_exp(log_p)
        middle = body(
            np.clip(np.where(lower, score, -score), special.ndtri(p[0]), special.ndtri(p[-1]))
        )
        down, up = q[0] - beyond("lower", log_p), q[-1] + beyond("upper", log_p)
        value = np.where(lower & (log_p < np.log(p[0])), down, middle)
        return np.where(~lower & (log_p < np.log(1 - p[-1])), up, value)

    return quantile
