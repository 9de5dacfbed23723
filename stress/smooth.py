"""Smooth stand-ins for what happens on a path, for gradients alone and never for a probability.

A liquidation sets in by a logistic function of the log margin ratio over its trigger, so that the
loss of a book of thousands of accounts has a gradient before the first of them is reached.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stress.market import market_paths, sample_of
from stress.path_function import PathFunction
from stress.sampling.design import Limit
from stress.watch import Watched, watch

FIGURES = (
    "peak", "liquidated_accounts", "liquidated_notional", "liquidated_debt", "bad_debt",
    "equity_loss",
)  # fmt: skip
SOFTNESS = 0.02  # of the log margin ratio: how sharply a smooth liquidation sets in
BAD_DEBT_SCALE = 1e3  # USDC over which a negative equity sets in
LEAST = 1e-12  # weight of what has none, so that every gradient is finite


def figures(seen: Watched) -> Float[Array, "6"]:
    """FIGURES of one watched path, leaves of `seen` `[N]`: logarithms but for the last."""
    gone = jax.nn.log_sigmoid(seen.peak / SOFTNESS)
    weights = (
        jnp.where(seen.begin.equity != 0, 1.0, 0.0),
        seen.begin.notional,
        seen.begin.loan,
        jax.nn.softplus(-seen.end.equity / BAD_DEBT_SCALE) * BAD_DEBT_SCALE,
    )
    soft = [jax.scipy.special.logsumexp(gone + jnp.log(jnp.maximum(w, LEAST))) for w in weights]
    lost = jnp.sum(seen.begin.equity - seen.end.equity)
    return jnp.stack([jnp.max(seen.peak), *soft, lost])


def smooth_limit(paths: PathFunction, figure: str, level: float) -> Limit:
    """Value and gradient of one figure against a level, of one path's normals `[T, n]`.

    Args:
      paths: the scenario and its book.
      figure: one of FIGURES.
      level: where the event begins, in the figure's unit; of `peak` the log ratio.

    Returns:
      A function; its value is about 0 where the event begins and has the scale of a logarithm. The
      program is compiled once for a scenario's shape and a book, whatever the figure.
    """
    index = FIGURES.index(figure)
    scale = 1.0
    offset = level if figure == "peak" else float(np.log(max(level, 1.0)))
    if figure == "equity_loss":
        scale, offset = 1 / max(abs(level), 1.0), float(np.sign(level))
    scene = (paths.rules, paths.book, paths.venue, paths.today, paths.scenario,
             jnp.asarray(paths.hours))  # fmt: skip

    def both(row: np.ndarray) -> tuple[float, np.ndarray]:
        found, slope = _both(scene, jnp.asarray(row), index, scale, offset, paths.precision)
        return float(found), np.asarray(slope)

    return both


@partial(jax.jit, static_argnames=("precision",))
def _both(scene, row, index, scale, offset, precision):
    def value(row):
        rules, book, venue, today, scenario, hours = scene
        sample = sample_of(today, scenario, row[None], hours)
        market, _ = market_paths(venue, today, scenario, sample, hours, precision)
        seen = watch(rules, book, market)
        found = figures(jax.tree.map(lambda x: x[0].astype(jnp.float64), seen))
        return found[index] * scale - offset

    return jax.value_and_grad(value)(row)
