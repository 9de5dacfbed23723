"""Courses: worlds that a handful of factor moves make, straight from now to the horizon.

    moves at the horizon [P, 1, F] -> prices, basis, depth, reserves -> what a path function wants

Nothing is random here. Factors in order: log price of every asset, log of mark over oracle of every
asset, log of the depth multiplier, log utilization of every reserve; all against the world that a
scenario's overlays make by themselves. Axes: `A` assets, `Q` quote tokens, `F` = 2 A + 1 + Q.
"""

from dataclasses import dataclass, field
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from models.lending import utilization
from stress.factors import FactorPath
from stress.market import Sample, Scenario, market_paths
from stress.path_function import PathFunction
from stress.quotes import Today
from stress.sampling.design import Limit
from stress.smooth import FIGURES, figures
from stress.utilization import flow_path
from stress.watch import watch

KINDS = ("prices", "basis", "depth", "utilization", "oracle_lag")  # oracle_lag: whole steps


@dataclass(frozen=True)
class Layout:
    """Which factor stands where."""

    assets: tuple[str, ...]
    quotes: tuple[str, ...]
    flows: tuple[str, ...]  # per reserve: what moves its utilization, `run` or `surge`

    @property
    def names(self) -> tuple[str, ...]:
        """Factors in order."""
        return (
            *(f"price.{a}" for a in self.assets),
            *(f"basis.{a}" for a in self.assets),
            "depth",
            *(f"utilization.{q}" for q in self.quotes),
        )

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kind of every factor, of KINDS."""
        count = len(self.assets)
        return ("prices",) * count + ("basis",) * count + ("depth",) + (
            ("utilization",) * len(self.quotes)
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Course(PathFunction):
    """A still scenario as a function of its factors' moves at the horizon, `[P, 1, F]`."""

    layout: Layout = field(kw_only=True)

    @property
    def shape(self) -> tuple[int, int]:
        """(1, factors)."""
        return 1, len(self.layout.names)

    def sample(self, drawn: Float[Array, "P one F"]) -> Sample:
        """Prices and reserves that the moves make."""
        hours = jnp.asarray(self.hours)
        return _samples(self.today, self.scenario, drawn[:, 0], hours, self.layout)


def course_limit(paths: Course, figure: str, level: float) -> Limit:
    """Value and gradient of a smooth figure against a level, of one row of moves `[F]`.

    As `stress.smooth.smooth_limit`, but by the factors.

    Args:
      paths: the course.
      figure: of `stress.smooth.FIGURES`.
      level: where the event begins, in the figure's unit.

    Returns:
      A function; one program for a scenario's shape and a book, whatever the figure.
    """
    index = FIGURES.index(figure)
    scale, offset = 1.0, float(np.log(level))
    if figure == "equity_loss":
        scale, offset = 1 / max(abs(level), 1.0), float(np.sign(level))
    scene = (paths.rules, paths.book, paths.venue, paths.today, paths.scenario,
             jnp.asarray(paths.hours))  # fmt: skip

    def both(row: np.ndarray) -> tuple[float, np.ndarray]:
        found, slope = _both(
            scene, jnp.asarray(row), index, scale, offset, paths.precision, paths.layout
        )
        return float(found), np.asarray(slope)

    return both


@partial(jax.jit, static_argnames=("precision", "layout"))
def _both(scene, row, index, scale, offset, precision, layout):
    def value(row):
        rules, book, venue, today, scenario, hours = scene
        sample = _samples(today, scenario, row[None], hours, layout)
        market, _ = market_paths(venue, today, scenario, sample, hours, precision)
        seen = watch(rules, book, market)
        found = figures(jax.tree.map(lambda x: x[0].astype(jnp.float64), seen))
        return found[index] * scale - offset

    return jax.value_and_grad(value)(row)


@partial(jax.jit, static_argnames=("layout",))
def _samples(
    today: Today, scenario: Scenario, moves: Float[Array, "P F"], hours, layout: Layout
) -> Sample:
    """Prices, factors and reserves of rows of moves, leaves `[P, T, ...]`."""
    count, laid = len(layout.assets), scenario.factors
    steps = scenario.overlay.shape[0] - 1
    lengths = jnp.broadcast_to(hours, (steps,))
    shares = lengths / jnp.sum(lengths)
    grown = jnp.concatenate([jnp.zeros(1), jnp.cumsum(shares)])[:, None]

    def one(row):
        prices, basis, thin = row[:count], row[count : 2 * count], row[2 * count]
        depth = 1 - (1 - jnp.exp(jnp.minimum(thin, 0))) * grown
        factors = FactorPath(
            basis=laid.basis + grown * basis[None], peg=laid.peg, depth=laid.depth * depth
        )
        return scenario.overlay + grown * prices[None], factors, *_reserves(row[2 * count + 1 :])

    def _reserves(rises):
        columns = []
        for q, pool in enumerate(scenario.pools):
            level = utilization(today.supplied[q], today.borrowed[q])
            flow, none = rises[q] * shares, jnp.zeros(steps)
            inflow = (-flow, none) if layout.flows[q] == "run" else (none, flow)
            path = flow_path(pool.spike, hours, steps, level, inflow)
            supply = today.supplied[q] * jnp.exp(path.log_supply)
            borrow = jnp.minimum(today.borrowed[q] * jnp.exp(path.log_borrow), supply)
            columns.append((supply, borrow, path.queued))
        return tuple(jnp.stack(part, 1) for part in zip(*columns, strict=True))

    logs, factors, supply, borrow, queued = jax.vmap(one)(moves)
    draws = jnp.zeros((len(moves), steps, 0))
    return Sample(
        logs=logs, factors=factors, draws=draws, supply=supply, borrow=borrow, queued=queued
    )
