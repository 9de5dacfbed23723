"""Factors beside the price level: basis, stable peg, depth, premium, and what the oracle shows.

Two pieces: what a scenario lays down for every path (`Factors`, host side) and what a path makes of
it (`FactorPath`). Axes: `A` assets, `T` times (0 = now). All logs are relative to today.

    mark = today's mark exp(level + basis)          oracle = today's oracle exp(level where shown)
    borrow oracle = today's price exp(level where shown + peg)
    premium = stated premium + (mark / oracle, relative to today's, - 1)
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from stress.scenarios.gaussian import HOURS_PER_YEAR


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Reverting:
    """A factor of zero mean that wanders, answers to returns and is pulled back; `F` columns."""

    volatility: Float[Array, "F"]  # per square root of a year
    half_life: Float[Array, ""]  # hours
    exposure: Float[Array, "F"]  # 1, move per log return of what drives it


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Factors:
    """What a scenario lays down, the same on every path."""

    basis: Float[Array, "T A"]  # log of mark over oracle, relative to today
    peg: Float[Array, "T"]  # log of USDT/USDC, relative to today
    depth: Float[Array, "T A"]  # 1, depth multiplier on top of the model's, (0, 1]
    premium: Float[Array, "T A"]  # 1, of perpetuals over the oracle; drives funding
    shown: Int[Array, "T A"]  # time whose price the oracle shows, at most its own
    basis_noise: Reverting | None  # a column an asset, driven by its return
    peg_noise: Reverting | None  # one column, driven by the scenario's driver


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class FactorPath:
    """The factors of paths."""

    basis: Float[Array, "... T A"]
    peg: Float[Array, "... T"]
    depth: Float[Array, "... T A"]


def normals_per_step(factors: Factors) -> int:
    """Standard normals a step needs: one per asset for a noisy basis, one for a noisy peg."""
    noisy_basis = factors.basis.shape[1] if factors.basis_noise is not None else 0
    return noisy_basis + (factors.peg_noise is not None)


def factor_path(
    factors: Factors,
    normals: Float[Array, "T1 n"],
    returns: Float[Array, "T1 A"],
    driver: Float[Array, "T1"],
    depth: Float[Array, "T1 A"],
    step_hours: Float[Array, "*t"],
) -> FactorPath:
    """The factors of one path.

    Args:
      factors: what the scenario lays down.
      normals: standard normals, a row a step.
      returns: log returns of the assets.
      driver: log return that drives the peg.
      depth: depth multiplier of the price process after each step.
      step_hours: length of every step, or of each.

    Returns:
      Factors at every time.

    Errors:
      Raises nothing.
    """
    assets = factors.basis.shape[1]
    basis, peg = factors.basis, factors.peg
    if factors.basis_noise is not None:
        basis = basis + _noise(factors.basis_noise, normals[:, :assets], returns, step_hours)
    if factors.peg_noise is not None:
        peg = peg + _noise(factors.peg_noise, normals[:, -1:], driver[:, None], step_hours)[:, 0]
    whole = jnp.concatenate([jnp.ones((1, assets)), depth])
    return FactorPath(basis=basis, peg=peg, depth=factors.depth * whole)


def _noise(model: Reverting, normals, returns, step_hours):
    """Ornstein-Uhlenbeck path from 0, `[T, F]`; exact for any step where the exposure is 0."""
    hours = jnp.broadcast_to(step_hours, normals.shape[:1])
    keep = jnp.exp2(-hours / model.half_life)
    rate = jnp.log(2.0) / model.half_life  # per hour
    spread = jnp.sqrt((1 - keep**2) / (2 * rate * HOURS_PER_YEAR))
    shocks = spread[:, None] * model.volatility[None, :] * normals
    shocks = shocks + model.exposure[None, :] * returns

    def step(level, inputs):
        kept, shock = inputs
        level = kept * level + shock
        return level, level

    zero = jnp.zeros(normals.shape[1])
    _, path = jax.lax.scan(step, zero, (keep, shocks))
    return jnp.concatenate([zero[None], path])
