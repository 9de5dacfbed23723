"""Parameters of the outside lenders and borrowers of a reserve, and the law of their jumps.

The process itself is `stress.utilization`. Time in hours, rates per hour. Calibrated figures and
their provenance: configs/calibration/utilization.yaml.
"""

from collections.abc import Mapping
from dataclasses import Field, dataclass, fields
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class JumpModel:
    """Jumps of one kind: intensity lambda0 exp(b . covariates), bounded Pareto size."""

    intensity: Float[Array, ""]  # 1/h where all covariates are 0
    usual_intensity: Float[Array, ""]  # 1/h, mean over markets at the long-run utilization
    tail_exponent: Float[Array, ""]  # P(size > x) falls like x^-tail_exponent; not 0
    fall: Float[Array, ""]  # per unit of trailing log return, when it is negative
    rise: Float[Array, ""]  # per unit of trailing log return, when it is positive
    volatility: Float[Array, ""]  # per unit of log(recent volatility / reference)
    utilization: Float[Array, ""]  # per unit of log(u / long-run u)
    kink: Float[Array, ""]  # per unit of (u - kink) / (1 - kink) above the kink


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class UtilizationModel:
    """Mean-reverting supply and borrow with jumps. Build it with `utilization_model`."""

    long_run_utilization: Float[Array, ""]  # 1, level that utilization returns to
    kink_utilization: Float[Array, ""]  # 1, where the borrow rate steepens
    level_reversion: Float[Array, ""]  # 1/h, of the common size of supply and borrow
    utilization_reversion: Float[Array, ""]  # 1/h, of log u
    kink_reversion: Float[Array, ""]  # 1/h, additional, on log(u / kink) above the kink
    supply_share: Float[Array, ""]  # 1, share of the return of u that suppliers make
    supply_volatility: Float[Array, ""]  # 1/sqrt(h)
    borrow_volatility: Float[Array, ""]  # 1/sqrt(h)
    correlation: Float[Array, ""]  # of the two diffusive shocks
    supply_in: JumpModel
    supply_out: JumpModel
    borrow_in: JumpModel
    borrow_out: JumpModel
    paired_in: JumpModel  # supply and borrow by the same logarithm (looped positions)
    paired_out: JumpModel
    jump_minimum: Float[Array, ""]  # log size, smaller flows are diffusion
    jump_maximum: Float[Array, ""]  # log size, larger flows are the overlay's business
    liquidity_limit: Float[Array, ""]  # 1, most that one flow out wants, of log(1 / u)
    memory_hours: Float[Array, ""]  # of trailing return and recent volatility
    reference_volatility: Float[Array, ""]  # 1/sqrt(h), market volatility without effect
    return_range: Float[Array, ""]  # 1, trailing returns beyond +- this act like this one
    volatility_range: Float[Array, ""]  # 1, the same for log(volatility / reference)
    utilization_range: Float[Array, ""]  # 1, the same for log(u / long-run u)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Spike:
    """Deterministic flows on top of the process; `no_spike()` has none. Hours must be > 0."""

    run_share: Float[Array, ""]  # 1, share of supply that wants to leave, in [0, 1)
    run_start: Float[Array, ""]  # h
    run_hours: Float[Array, ""]  # h
    surge_share: Float[Array, ""]  # 1, additional borrow as a share of the borrow, >= 0
    surge_start: Float[Array, ""]  # h
    surge_hours: Float[Array, ""]  # h


def utilization_model(
    parameters: Mapping[str, Any],
    *,
    long_run_utilization: float,
    kink_utilization: float,
    supply: float | None = None,
    dtype: DTypeLike | None = None,
) -> UtilizationModel:
    """Pytree from the `parameters` block of configs/calibration/utilization.yaml.

    Args:
      parameters: name -> number or {value: number, ...}; jump kinds -> such a mapping.
      long_run_utilization: in (0, 1).
      kink_utilization: in (0, 1).
      supply: size of the reserve, quote units; jumps, as shares of it, are rarer in a large one.
        Beyond the sizes of the record its largest or smallest counts. None for the size that the
        calibration refers to.
      dtype: of the leaves; None for the default float.

    Errors:
      Raises KeyError for a missing name. Ranges are the configuration's business.
    """
    given: dict[str, Any] = dict(parameters) | {
        "long_run_utilization": long_run_utilization,
        "kink_utilization": kink_utilization,
    }
    log_size = 0.0
    if supply is not None:
        low, high = (_number(given[f"{end}_log_size"]) for end in ("smallest", "largest"))
        log_size = float(np.clip(np.log(supply / _number(given["reference_supply"])), low, high))

    def jumps(entry: Mapping[str, Any]) -> JumpModel:
        leaves = {f.name: _number(entry[f.name]) for f in fields(JumpModel)}
        for name in ("intensity", "usual_intensity"):
            leaves[name] *= np.exp(_number(entry["size"]) * log_size)
        return JumpModel(**{name: jnp.asarray(leaf, dtype) for name, leaf in leaves.items()})

    def leaf(field: Field[Any]) -> Any:
        entry = given[field.name]
        return jumps(entry) if field.type is JumpModel else jnp.asarray(_number(entry), dtype)

    return UtilizationModel(**{f.name: leaf(f) for f in fields(UtilizationModel)})


def _number(entry: Any) -> float:
    return float(entry["value"] if isinstance(entry, Mapping) else entry)


def no_spike(dtype: DTypeLike | None = None) -> Spike:
    """An overlay without flows."""
    zero, one = jnp.zeros((), dtype), jnp.ones((), dtype)
    return Spike(
        run_share=zero, run_start=zero, run_hours=one,
        surge_share=zero, surge_start=zero, surge_hours=one,
    )  # fmt: skip


def jump_size(
    uniform: Float[Array, ""],
    tail_exponent: Float[Array, ""],
    minimum: Float[Array, ""],
    maximum: Float[Array, ""],
) -> Float[Array, ""]:
    """Quantile of the bounded Pareto law on [minimum, maximum], density ~ x^-(a+1)."""
    ratio = (minimum / maximum) ** tail_exponent
    return minimum * (1 - uniform * (1 - ratio)) ** (-1 / tail_exponent)


def mean_jump_size(
    tail_exponent: Float[Array, ""], minimum: Float[Array, ""], maximum: Float[Array, ""]
) -> Float[Array, ""]:
    """Mean of the bounded Pareto law; exact, also at exponent 1."""
    a, span = tail_exponent, jnp.log(maximum / minimum)
    return minimum * integrated_growth(1 - a, span) / integrated_growth(-a, span)


def integrated_growth(rate: Float[Array, ""], span: Float[Array, ""]) -> Float[Array, ""]:
    """Integral of exp(rate t) over [0, span], also at rate 0."""
    small = jnp.abs(rate * span) < 1e-6
    safe = jnp.where(small, 1.0, rate)
    return jnp.where(small, span * (1 + rate * span / 2), jnp.expm1(safe * span) / safe)


def drained_by_jumps(
    model: UtilizationModel,
    kinds: tuple[JumpModel, JumpModel],
    log_liquidity: tuple[Float[Array, ""], Float[Array, ""]],
    covariates: tuple[Float[Array, ""], ...],
    uniforms: Float[Array, " 2"],
    hours: Float[Array, ""],
) -> Float[Array, ""]:
    """Jump of one step, at most one, less its mean in usual markets at the long-run utilization.

    The first kind drains the reserve (counted positive), the second fills it. A draining flow
    wants at most `log_liquidity` (now, at the long-run utilization): its law is truncated there.
    The uniform numbers decide whether a jump comes and how large it is.
    """

    def probabilities(rates: tuple[Array, Array]) -> tuple[Array, Array]:
        any_jump = -jnp.expm1(-(rates[0] + rates[1]) * hours)
        return any_jump * rates[0] / sum(rates), any_jump * rates[1] / sum(rates)

    def intensity(kind: JumpModel) -> Float[Array, ""]:
        slopes = (kind.fall, kind.rise, kind.volatility, kind.utilization, kind.kink)
        exponent = sum(b * c for b, c in zip(slopes, covariates, strict=True))
        return kind.intensity * jnp.exp(exponent)

    lowest = model.jump_minimum
    most, usual_most = (jnp.clip(x, 1.001 * lowest, model.jump_maximum) for x in log_liquidity)
    drain, fill = kinds
    arrival, size = uniforms
    p_drain, p_fill = probabilities((intensity(drain), intensity(fill)))
    q_drain, q_fill = probabilities((drain.usual_intensity, fill.usual_intensity))
    drained = jump_size(size, drain.tail_exponent, lowest, most)
    filled = jump_size(size, fill.tail_exponent, lowest, model.jump_maximum)
    usual = q_drain * mean_jump_size(drain.tail_exponent, lowest, usual_most)
    usual = usual - q_fill * mean_jump_size(fill.tail_exponent, lowest, model.jump_maximum)
    jump = jnp.where(arrival > 1 - p_drain, drained, jnp.where(arrival < p_fill, -filled, 0.0))
    return jump - usual
