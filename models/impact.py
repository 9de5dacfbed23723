"""Market impact: how executed notional moves a price, and what the executed pay for it.

One asset on one path; flows, depths and notionals are scalars or arrays of paths. A displacement is
the log distance of the mark from the price without our own trades. It is a function of the signed
flow executed so far, not of single orders, so that cutting an order into pieces changes nothing and
refining the time step converges:

    x = pi D(J_permanent) + (1 - pi) D(J_transient),   J -> J + q / depth^e when q is executed,
    J_transient -> J_transient 2^(-hours / half life) as time passes

A fill is paid the average of the displacement along its flow. Axes: `A` assets, `K` ladder points,
sides 0 = bids (hit by net sales), 1 = asks.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

EMPTY = 1e-9  # of its capacity: a book with less room is empty
SHAPES = ("square_root", "linear", "ladder")
OF_ASSET = ("coefficient", "volumes", "distances", "capacity", "volatility", "pass_through")
Flow = Float[Array, "..."]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Impact:
    """Impact of `A` assets. Build it with `stress.build_cascade.impact_model`."""

    shapes: tuple[str, ...] = field(metadata={"static": True})  # per asset, one of SHAPES
    coefficient: Float[Array, "A"]  # square root: per sqrt(USDC); linear: per USDC; ladder: unused
    volumes: Float[Array, "A 2 K"]  # USDC, cumulative, ascending from 0; ladder only
    distances: Float[Array, "A 2 K"]  # 1, log distance at those volumes, from 0
    capacity: Float[Array, "A 2"]  # USDC of flow at which the book is empty
    volatility: Float[Array, "A"]  # per square root of a day; scale of the depth multiplier
    permanent_share: Float[Array, ""]  # 1, part of the displacement that never decays
    half_life: Float[Array, ""]  # hours, of the transient flow
    pass_through: Float[Array, "A"]  # 1, part of the displacement that reaches oracle prices
    depth_collapse: Float[Array, ""]  # 1, log fall of depth per daily volatility of deviation
    depth_half_life: Float[Array, ""]  # hours, of the average that deviations are measured from
    depth_floor: Float[Array, ""]  # 1, least depth multiplier


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Fill:
    """What becomes of net orders in one asset."""

    share: Flow  # 1, part of every order that is executed
    premium: Flow  # 1, log distance of the fill price from the mark before
    transient: Flow  # USDC, flow after
    permanent: Flow


def of_assets(kernel: Callable[..., Any], impact: Impact, *flows: Float[Array, "A ..."]) -> Any:
    """`kernel(impact, a, *flows of a)` of every asset at once, leaves `[A, ...]`.

    Assets of one shape are one batch, so the cost does not grow with their number.

    Args:
      kernel: a function of this module.
      impact: the model.
      *flows: its further arguments, a row per asset.

    Returns:
      What the kernel returns, stacked in the order of the assets.

    Errors:
      Raises nothing.
    """
    batches, places = [], []
    for shape in dict.fromkeys(impact.shapes or SHAPES[:1]):
        chosen = np.flatnonzero([own == shape for own in impact.shapes])
        rows = [x[chosen] if len(chosen) < len(x) else x for x in flows]
        own = {k: getattr(impact, k)[chosen][:, None] for k in OF_ASSET}
        part = dataclasses.replace(impact, shapes=(shape,), **own)
        axes = jax.tree.map(lambda _: None, part)
        axes = dataclasses.replace(axes, **dict.fromkeys(OF_ASSET, 0))
        batch = jax.vmap(lambda one, *x: kernel(one, 0, *x), in_axes=(axes, *(0 for _ in rows)))
        batches.append(batch(part, *rows))
        places.extend(chosen)
    if len(batches) == 1:
        return batches[0]
    back = np.argsort(places)
    return jax.tree.map(lambda *x: jnp.concatenate(x)[back], *batches)


def displacement(impact: Impact, a: int, flow: Flow) -> Flow:
    """Log displacement D of asset `a` at a signed flow.

        square_root  Y sigma sqrt(|J| / V)      linear  |J| / depth      ladder  interpolation

    Args:
      impact: the model.
      a: asset.
      flow: USDC, positive: net bought.

    Returns:
      1, with the sign of the flow. Beyond the last point of a ladder its distance there.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Square root: Toth et al. (2011), Phys. Rev. X 1, 021006; forms as in the design, 2026-11.
    """
    if impact.shapes[a] == "linear":
        return flow * impact.coefficient[a]
    if impact.shapes[a] == "square_root":
        return jnp.sign(flow) * impact.coefficient[a] * jnp.sqrt(jnp.abs(flow))
    bid, ask = (_interpolated(impact, a, side, jnp.abs(flow)) for side in (0, 1))
    return jnp.where(flow < 0, -bid, ask)


def mean_displacement(impact: Impact, a: int, before: Flow, after: Flow) -> Flow:
    """Average of D along the flow from `before` to `after`; D itself where they are equal.

    Free of cancellation for square root and linear; a ladder's is exact but for rounding of its
    integral, 1e-16 of the whole book's over the order.
    """
    if impact.shapes[a] == "linear":
        return (before + after) / 2 * impact.coefficient[a]
    same = before == after
    width = jnp.where(same, 1, after - before)
    if impact.shapes[a] == "square_root":
        low, high = jnp.sqrt(jnp.abs(before)), jnp.sqrt(jnp.abs(after))
        one_side = jnp.sign(before + after) * (low**2 + low * high + high**2)
        one_side = one_side / jnp.where(low + high > 0, low + high, 1)
        across = (high**3 - low**3) / width
        return 2 / 3 * impact.coefficient[a] * jnp.where(before * after >= 0, one_side, across)
    change = _integral(impact, a, after) - _integral(impact, a, before)
    return jnp.where(same, displacement(impact, a, before), change / width)


def room(impact: Impact, a: int, flow: Flow, buying: Flow) -> Flow:
    """Flow that asset `a` can still take on one side before its book is empty, USDC.

    What rounding leaves of an emptied book, 1e-9 of its capacity, counts as nothing.
    """
    bids, asks = impact.capacity[a, 0], impact.capacity[a, 1]
    left, most = jnp.where(buying, asks - flow, bids + flow), jnp.where(buying, asks, bids)
    return jnp.where(left <= EMPTY * most, 0, left)


def total_displacement(impact: Impact, a: int, transient: Flow, permanent: Flow) -> Flow:
    """Displacement x of the mark, both parts together, 1."""
    lasting = impact.permanent_share
    fading = displacement(impact, a, transient)
    return lasting * displacement(impact, a, permanent) + (1 - lasting) * fading


def execute(
    impact: Impact, a: int, transient: Flow, permanent: Flow, depth: Flow, notional: Flow
) -> Fill:
    """Executes the net orders of a round in one asset.

    Args:
      impact: the model.
      a: asset.
      transient: USDC of flow before.
      permanent: USDC of flow before.
      depth: depth multiplier in (0, 1].
      notional: USDC at the mark, signed; buys less sells of the round.

    Returns:
      The fill: `share` is below 1 where the book is emptied; everybody in the round gets the
      mark times exp(premium). The displacement from rest is that of full depth over `depth`.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      hyperstress design, "Market impact", 2026-11.
    """
    exponent = 2 if impact.shapes[a] == "square_root" else 1
    wanted = notional / depth**exponent
    buying, size = wanted > 0, jnp.abs(wanted)
    free = jnp.minimum(*(room(impact, a, flow, buying) for flow in (transient, permanent)))
    share = jnp.where(size > free, free / jnp.where(size > 0, size, 1), 1)
    done = wanted * share
    lasting, x = impact.permanent_share, total_displacement(impact, a, transient, permanent)
    average = lasting * mean_displacement(impact, a, permanent, permanent + done)
    average = average + (1 - lasting) * mean_displacement(impact, a, transient, transient + done)
    return Fill(
        share=share,
        premium=jnp.where(done == 0, 0, average - x),
        transient=transient + done,
        permanent=permanent + done,
    )


def depth_multiplier(impact: Impact, a: int, deviation: Flow) -> Flow:
    """Depth that is left when the price has left its recent average by a log distance.

        max(floor, exp(-collapse |deviation| / sigma))

    The average forgets with the depth half-life, so depth refills with it after a move; unlike a
    sum of absolute returns the measure has a limit as the step shrinks, for smooth and rough paths.

    Source:
      Assumption of the project; the settings state the figures, 2026-11-25.
    """
    left = jnp.exp(-impact.depth_collapse * jnp.abs(deviation) / impact.volatility[a])
    return jnp.maximum(impact.depth_floor, left)


def decay(hours: Flow, half_life: Flow) -> Flow:
    """Share that is left after `hours`: 2^(-hours / half life)."""
    return jnp.exp2(-hours / half_life)


def _interpolated(impact: Impact, a: int, side: int, volume: Flow) -> Flow:
    return jnp.interp(volume, impact.volumes[a, side], impact.distances[a, side])


def _integral(impact: Impact, a: int, flow: Flow) -> Flow:
    """Integral of D from 0 to the flow (even: a sale against bids counts positive)."""
    parts = []
    for side in (0, 1):
        volumes, distances = impact.volumes[a, side], impact.distances[a, side]
        steps = jnp.diff(volumes) * (distances[1:] + distances[:-1]) / 2
        knots = jnp.concatenate([jnp.zeros(1, steps.dtype), jnp.cumsum(steps)])
        amount = jnp.abs(flow)
        index = jnp.searchsorted(volumes, amount, side="right") - 1
        index = jnp.clip(index, 0, volumes.shape[0] - 1)
        height = _interpolated(impact, a, side, amount)
        parts.append(knots[index] + (amount - volumes[index]) * (distances[index] + height) / 2)
    return jnp.where(flow < 0, parts[0], parts[1])
