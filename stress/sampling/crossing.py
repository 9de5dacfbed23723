"""Between two times of the grid: the probability that a barrier was crossed and left again.

Given its ends, a Brownian motion crosses a straight barrier with a probability in closed form, so a
path seen by the hour can be watched at every moment, and an indicator becomes a smooth function.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

Scalar = Float[Array, ""]


def standard_distance(
    excess: Scalar, slopes: tuple[Scalar, ...], root: Float[Array, "A A"]
) -> Scalar:
    r"""Distance of an account to its trigger in standard deviations of the step.

    With excess E linear in prices, slopes g_a = dE/d log S_a and covariance C = R R^T of the step,
    the way that raises E fastest is w = C g / sqrt(g' C g) per deviation. Along it

        E(s) = E + sum_a g_a (exp(w_a s) - 1)  ~  E + sqrt(g' C g) (exp(v s) - 1) / v,
        v = sum_a g_a w_a^2 / sqrt(g' C g),      s* = log(1 - v E / sqrt(g' C g)) / v

    which is exact for one asset, where it is the log distance to the barrier over the volatility,
    and right to second order for several.

    Args:
      excess: quote units, positive where liquidatable.
      slopes: quote units per unit of log price, one an asset.
      root: R, per step.

    Returns:
      s*, not negative: 0 where the trigger is reached, +inf where no price move of this kind
      reaches it.

    Errors:
      Raises nothing; NaN in gives NaN out.
    """
    assets = range(len(slopes))
    loads = [sum((slopes[a] * root[a, k] for a in assets), 0.0) for k in range(root.shape[1])]
    variance = sum((x * x for x in loads), 0.0)
    known = variance > 0
    deviation = jnp.sqrt(jnp.where(known, variance, 1.0))
    bend = jnp.zeros_like(excess)
    for a in assets:
        way = sum((root[a, k] * loads[k] for k in range(root.shape[1])), 0.0) / deviation
        bend = bend + slopes[a] * way * way
    bend = bend / deviation
    linear = -excess / deviation
    inner = 1 + bend * linear
    reachable = inner > 0
    small = jnp.abs(bend) < 1e-9
    exact = jnp.log(jnp.where(reachable, inner, 1.0)) / jnp.where(small, 1.0, bend)
    found = jnp.where(small, linear, jnp.where(reachable, exact, jnp.inf))
    found = jnp.where(known, found, jnp.inf)
    return jnp.where(excess > 0, 0.0, jnp.maximum(found, 0.0))


def crossing_probability(before: Scalar, after: Scalar) -> Scalar:
    """Probability that a Brownian motion of unit variance touches a barrier, given its two ends.

        exp(-2 before after);    1 where an end is at or beyond the barrier

    Source:
      Karatzas and Shreve (1991), 4.3.40; for barriers Andersen and Brotherton-Ratcliffe (1996).
    """
    product = jnp.where(jnp.isinf(before) | jnp.isinf(after), jnp.inf, before * after)
    return jnp.exp(-2 * product)
