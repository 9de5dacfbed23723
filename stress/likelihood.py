"""Maximum likelihood with standard errors, host side; derivatives by JAX, float64."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy import optimize

from stress.calibrate_record import Estimate


def maximise(
    log_likelihood: Callable[[Any], Any],
    start: np.ndarray,
    natural: Callable[[Any], dict[str, Any]],
) -> dict[str, Estimate]:
    """Maximum of a log likelihood over free parameters, told in natural ones.

    Args:
      log_likelihood: sum over observations of a free parameter vector; differentiable twice.
      start: free parameters to begin with.
      natural: free parameters -> scalars by name.

    Returns:
      Estimates with standard errors from the observed information, by the delta method; None where
      the information is singular (a parameter at its bound).

    Errors:
      ValueError where the search ends at a value that is not finite.
    """

    def loss(x):
        return -log_likelihood(x)

    both = jax.jit(jax.value_and_grad(loss))

    def numbers(x):
        value, gradient = both(jnp.asarray(x))
        return float(value), np.asarray(gradient, dtype=np.float64)

    found = optimize.minimize(numbers, start, jac=True, method="BFGS", options={"gtol": 1e-4})
    at = jnp.asarray(found.x)
    if not np.isfinite(found.fun):
        raise ValueError("the likelihood is not finite at its maximum")
    information = np.asarray(jax.jit(jax.hessian(loss))(at))
    values = {k: float(v) for k, v in natural(at).items()}
    slopes = jax.jacobian(lambda x: jnp.stack(list(natural(x).values())))(at)
    return _with_errors(values, information, np.asarray(slopes))


def _with_errors(
    values: dict[str, float], information: np.ndarray, slopes: np.ndarray
) -> dict[str, Estimate]:
    try:
        covariance = np.linalg.inv((information + information.T) / 2)
        variance = np.diag(slopes @ covariance @ slopes.T)
    except np.linalg.LinAlgError:
        variance = np.full(len(values), np.nan)
    pairs = zip(values.items(), variance, strict=True)
    return {
        k: Estimate(v, float(np.sqrt(s)) if np.isfinite(s) and s > 0 else None)
        for (k, v), s in pairs
    }
