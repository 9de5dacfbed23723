"""The book as it stands against an instantaneous fall: least and greatest fixed point.

An instantaneous fall s of all assets makes accounts liquidatable; their sales move prices by I(Q),
which makes more of them liquidatable:

    x = s + I(Q(x)),    x the total log fall per asset, Q(x) what is sold at prices fallen by x

While Q rises with x, iterating from x = s climbs to the least fixed point, where a cascade in
rounds ends, and iterating from above descends to the greatest. Where they differ the book has two
ends for one shock, and a panic sale can reach the worse one. After very deep falls sales are worth
less and shorts of liquidated accounts are bought back, so Q may fall; both ends are fixed points
even so, but others may lie outside them.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from models.impact import displacement
from models.liquidation import Figures, Holding
from models.sums import total
from stress.cascade import start
from stress.cascade_book import roster_of
from stress.cascade_marking import figures_of, of_groups, shown
from stress.cascade_record import exposures
from stress.cascade_state import Group, Now, Prices, Setting

BOUNDS = ("shock", "least", "greatest")
SHOCKS = np.linspace(0.02, 0.6, 30)  # simple falls
TOLERANCE = 1e-10  # of the log fall, where iterating ends
ROUNDS = 500


def fixed_point(
    response: Callable[[np.ndarray], np.ndarray], shock: np.ndarray, start_at: np.ndarray
) -> np.ndarray:
    """Iterates x = shock + response(x) from a start; monotone responses converge monotonically.

    Args:
      response: log displacement at a total log fall, per asset, non-decreasing.
      shock: log fall, per asset.
      start_at: where to begin: the shock for the least fixed point, something above every fixed
        point for the greatest.

    Returns:
      The fixed point; to TOLERANCE, or where ROUNDS end.

    Errors:
      Raises nothing.

    Source:
      Tarski (1955), Pacific J. Math. 5, 285-309.
    """
    x = np.asarray(start_at, float)
    for _ in range(ROUNDS):
        after = shock + response(x)
        if np.max(np.abs(after - x), initial=0.0) < TOLERANCE:
            return after
        x = after
    return x


def static_response(
    setting: Setting, groups: Sequence[Group], first: Now, shocks: np.ndarray = SHOCKS
) -> Float[np.ndarray, "S A 3"]:
    """Total simple falls of every asset after instantaneous falls of all of them together.

    Everything of a liquidatable account is sold at once through the book at full depth; backstop
    and takeover, which sell later, are not told apart.

    Args:
      setting: of a scenario; its impact.
      groups: margin accounts by structure.
      first: the world now, one path.
      shocks: simple falls in (0, 1).

    Returns:
      1, last axis BOUNDS.
    """
    sold = jax.jit(lambda x: _sold(setting, tuple(groups), first, x))

    def response(x):
        return np.asarray(sold(jnp.asarray(x)))

    assets = first.log.shape[0]
    result = []
    for shock in shocks:
        s = np.full(assets, -np.log1p(-shock))
        ends = [fixed_point(response, s, begin) for begin in (s, s + _most(setting))]
        both = (s, np.minimum(*ends), np.maximum(*ends))
        result.append(np.stack([-np.expm1(-v) for v in both], axis=-1))
    return np.array(result)


def _most(setting: Setting) -> np.ndarray:
    """Log displacement that no sale exceeds: the reach of the books, or a fall to nothing."""
    impact = setting.impact
    flows = np.minimum(np.asarray(impact.capacity[:, 0]), 1e15)
    return np.array([
        -float(displacement(impact, a, jnp.asarray(-flows[a]))) for a in range(len(flows))
    ])  # fmt: skip


def _sold(setting: Setting, groups, first: Now, x: Array) -> Array:
    """Log displacement by the sales of all accounts liquidatable at prices fallen by x."""
    fallen = _fallen(setting, first, x)
    market = shown(setting, fallen)
    state = start(setting, roster_of(setting, groups), first)
    assets = x.shape[0]
    flow = [jnp.zeros(1) for _ in range(assets)]
    for group, held in zip(groups, of_groups(groups, state.held), strict=True):
        seen = figures_of(setting.rules, group.account, held, market)
        out = seen.beyond | seen.unfunded
        for a, amount in enumerate(_sales(setting, group, held, seen, fallen, assets)):
            flow[a] = flow[a] + total(jnp.where(out, amount, 0))
    bounded = [
        jnp.clip(-flow[a], -setting.impact.capacity[a, 0], setting.impact.capacity[a, 1])
        for a in range(assets)
    ]
    moved = [-displacement(setting.impact, a, q)[0] for a, q in enumerate(bounded)]
    return jnp.maximum(jnp.stack(moved), 0)


def _fallen(setting: Setting, first: Now, x: Array) -> Prices:
    """Prices now, everything of asset a times exp(-x_a)."""

    def moved(prices, assets):
        rows = [
            price * (jnp.exp(-x[a]) if a >= 0 else 1.0)
            for price, a in zip(prices, assets, strict=True)
        ]
        return jnp.stack(rows) if rows else prices

    mark = moved(first.mark, setting.market_asset)
    token = moved(first.token, setting.token_asset)
    by = -x[:, None]
    return Prices(mark=mark, oracle=mark, token=token, spot=token, x=by, passed=by, paid=0 * mark)


def _sales(
    setting: Setting, group: Group, held: Holding, seen: Figures, fallen: Prices, assets: int
) -> list:
    """Net sales of an account per asset, USDC: longs and collateral less shorts bought back."""
    at = (fallen.mark[:, :, None], fallen.token[:, :, None])
    longs = exposures(setting, group.account, held, seen.equity, at, assets)
    for i, m in enumerate(group.account.markets):
        a, mark = setting.market_asset[m], fallen.mark[m][:, None].astype(seen.equity.dtype)
        longs[a] = longs[a] - 2 * jnp.maximum(-held.size[i], 0) * mark
    return longs
