"""A path as a function of its standard normals: what samplers of rare events call.

    normals [P, T, n] -> market -> the book, or one account of it -> losses, scores, times

Plain sampling numbers its paths; importance sampling, splitting and line integrals choose theirs.
All of them come through here, so that they see the same rules. Axes: `P` paths, `T1` steps.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from models.account import Market
from models.status import NON_FINITE
from models.venue import Venue
from stress.aggregate import Courses, PathMoney, courses_of_tile, money_of_tile
from stress.cascade_block import CascadePlan, path_keys, run_cascade, world_of
from stress.engine import FrozenBook, run_block
from stress.market import (
    Sample,
    Scenario,
    is_brownian,
    market_paths,
    normals_per_step,
    price_normals,
    sample_of,
    step_roots,
)
from stress.quotes import Today
from stress.watch import Watched, liquidated, survival, watch

BOOK_BATCH, LONE_BATCH, FED_BATCH = 1024, 4096, 128  # paths of a call


@dataclass(frozen=True, eq=False)
class PathFunction:
    """One scenario seen by one book, frozen; with one account it is that account's."""

    venue: Venue  # float64, for markets
    rules: Venue  # in the precision of the run, for accounts
    today: Today
    scenario: Scenario
    book: FrozenBook  # in the precision of the run
    hours: np.ndarray  # [] or [T1], lengths of the steps
    precision: str
    single: bool = field(default=False)  # the book is one account
    cascade: CascadePlan | None = None  # with feedback
    name: str = ""  # of the scenario, for the settings of its cascade

    @property
    def shape(self) -> tuple[int, int]:
        """(steps, normals a step) of a path."""
        return self.scenario.overlay.shape[0] - 1, normals_per_step(self.scenario)

    @property
    def batch(self) -> int:
        """Paths of a call: what a sampler asks for at once."""
        if self.cascade is not None:
            return FED_BATCH
        return LONE_BATCH if self.single else BOOK_BATCH

    @property
    def price_columns(self) -> int:
        """Normals a step of the price process; they come first."""
        return price_normals(self.scenario)

    @property
    def brownian(self) -> bool:
        """Whether crossings between two times have a closed form."""
        return is_brownian(self.scenario)

    def market(self, drawn: Float[Array, "P T1 n"]) -> tuple[Market, Array]:
        """What accounts see, leaves `[F, P, T]`, and which paths are finite, `[P]`."""
        market, view = market_paths(
            self.venue, self.today, self.scenario, self.sample(drawn), jnp.asarray(self.hours),
            self.precision,
        )  # fmt: skip
        return market, view.status != NON_FINITE

    def sample(self, drawn: Float[Array, "P T1 n"]) -> Sample:
        """Prices and reserves that the normals make."""
        return sample_of(self.today, self.scenario, drawn, jnp.asarray(self.hours))

    def money(self, drawn: Float[Array, "P T1 n"]) -> PathMoney:
        """Totals over the book, float64 `[P]`; NaN for a path that is not finite.

        The number of paths is made whole for the engine's tiles here.
        """
        if self.cascade is not None:
            return self._fed(drawn)
        return self._reduced(drawn, money_of_tile)

    def courses(self, drawn: Float[Array, "P T1 n"]) -> tuple[PathMoney, Courses | None]:
        """As `money`, and how the totals grew over time; without that with feedback."""
        if self.cascade is not None:
            return self._fed(drawn), None
        return self._reduced(drawn, courses_of_tile)

    def _reduced(self, drawn: Float[Array, "P T1 n"], reduce: Callable) -> Any:
        count, tile = len(drawn), self.book.path_tile
        if count % tile:
            filled = jnp.concatenate([drawn, jnp.zeros((-count % tile, *drawn.shape[1:]))])
            return jax.tree.map(lambda x: x[:count], self._reduced(filled, reduce))
        market, known = self.market(drawn)
        _, found = run_block(self.rules, self.book, market, known, reduce)
        return _where_known(known, found)

    def _fed(self, drawn: Float[Array, "P T1 n"]) -> PathMoney:
        """Totals at first liquidation with feedback on.

        The order of liquidations is drawn from the last bits of a path's first normal, so that a
        loss stays a function of the normals.
        """
        assert self.cascade is not None
        setting, hours = self.cascade.settings[self.name], jnp.asarray(self.hours)
        sample = self.sample(drawn)
        market, view = market_paths(self.venue, self.today, self.scenario, sample, hours)
        known = view.status != NON_FINITE
        world = world_of(
            setting, self.today, self.scenario, sample, market, jnp.asarray(self.cascade.hours)
        )
        bits = jax.lax.bitcast_convert_type(drawn[:, 0, 0], jnp.int64) & 0x7FFFFFFF
        keys = path_keys(jax.random.key(0), bits.astype(jnp.int32))
        _, (fed, _) = run_cascade(
            setting, self.cascade.book, self.cascade.groups, world, keys, known,
            self.cascade.book.path_tile,
        )  # fmt: skip
        return _where_known(known, fed)

    def watched(self, drawn: Float[Array, "P T1 n"]) -> tuple[Watched, Array]:
        """Every margin account under watch, leaves `[P, N]`, and which paths are finite."""
        market, known = self.market(drawn)
        return _watched(self.rules, self.book, market), known

    def peak(self, drawn: Float[Array, "P T1 n"]) -> Float[Array, "P"]:
        """Greatest log of margin ratio over trigger of any margin account on each path, float64."""
        seen, known = self.watched(drawn)
        return jnp.where(known, jnp.max(seen.peak, axis=1), jnp.nan).astype(jnp.float64)

    def liquidated(self, drawn: Float[Array, "P T1 n"]) -> Float[Array, "P 2 2"]:
        """Accounts and loans liquidated, at the times and at every moment; NaN for a lost path.

        As `stress.watch.liquidated`.
        """
        market, known = self.market(drawn)
        roots = step_roots(self.scenario, drawn, jnp.asarray(self.hours))
        return _where_known(known, _liquidated(self.rules, self.today, self.book, market, roots))

    def increments(
        self, drawn: Float[Array, "P T1 n"], continuous: bool = False
    ) -> Float[Array, "P T"]:
        """Probability that the first liquidation falls on each time, given the path's times.

        Watched at the times of the grid it is 0 or 1. Sums to at most 1; float64; NaN for a path
        that is not finite.
        """
        if not continuous:
            seen, known = self.watched(drawn)
            first = jnp.min(seen.first, axis=1, keepdims=True)
            at = jnp.arange(drawn.shape[1] + 1, dtype=first.dtype)[None]
            return _where_known(known, (first == at).astype(jnp.float64))
        market, known = self.market(drawn)
        roots = step_roots(self.scenario, drawn, jnp.asarray(self.hours))
        alive = _survival(self.rules, self.today, self.book, market, roots).astype(jnp.float64)
        before = jnp.concatenate([jnp.ones((len(alive), 1)), alive[:, :-1]], axis=1)
        return _where_known(known, before - alive)


def _where_known(known: Array, found: Any) -> Any:
    """NaN in the rows of paths that are not finite."""

    def kept(x):
        rows = known.reshape(-1, *[1] * (x.ndim - 1))
        return jnp.where(rows, x, jnp.nan)

    return jax.tree.map(kept, found)


_watched, _survival, _liquidated = map(jax.jit, (watch, survival, liquidated))
