"""Losses of a candidate, path by path: the same random numbers for every one, one program for all.

Candidates are looked at one after the other, blocks of their paths side by side in threads. Mapped
over candidates at once, a tile would go on until the slowest of them is done, and none could be
passed over by itself. A candidate's losses are the same bits whatever was looked at before.
"""

import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from models.status import NON_FINITE, OK
from models.venue import Venue
from stress.aggregate import money_of_tile
from stress.campaign import scenario_key
from stress.cascade_block import path_keys, run_cascade, world_of
from stress.cascade_book import groups_of
from stress.decide.tuning.candidate import changed, with_kink, with_kinks
from stress.decide.tuning.problem import Problem, Values
from stress.decide.tuning.response import Room, Standing, answered
from stress.engine import FrozenBook, run_block
from stress.frozen import in_precision, used_part
from stress.margin_figures import market_now
from stress.market import Sample, market_paths, sample_paths, with_reserves
from stress.totals import FULL

KEPT_BYTES = 2**30  # of sampled paths that stay in memory; the rest is sampled again
Series = dict[tuple[str, str], Float[np.ndarray, "P"]]  # by scenario and measure


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What is known of a candidate on one set of random numbers."""

    losses: Series  # NaN: the path is not finite
    standing: dict[str, float]  # leaves of `Standing`, sums over quote tokens in USDC
    failed: int  # paths that are not finite, all scenarios
    flagged: int  # paths with another status than fine


@dataclass(frozen=True, kw_only=True)
class Made:
    """A candidate's pytrees."""

    venue: Venue  # float64
    rules: Venue  # in the precision of the run
    book: FrozenBook  # likewise
    lent_more: Float[np.ndarray, "Q"]


class Evaluator:
    """Looks at candidates of a problem on the paths of one seed.

    Args:
      problem: checked.
      seed: of the paths.
      paths: their number.
      threads: blocks in flight; results do not depend on it.
    """

    def __init__(self, problem: Problem, seed: int, paths: int, threads: int = 1) -> None:
        self.problem, self.seed, self.paths, self.threads = problem, seed, paths, threads
        plan = problem.plan
        held = used_part(problem.campaign.book)
        source = plan.book if plan.cascade is None else plan.cascade.book
        self._book = in_precision(source, "float64")
        today, reserves = plan.inputs.today, problem.campaign.book.reserves
        tokens = [reserves.get(token, (0.0, 0.0))[0] for token in plan.inputs.venue.tokens]
        self._room = Room(
            now=market_now(held),
            supplied=today.supplied,
            borrowed=today.borrowed,
            collateral=jnp.asarray(np.array(tokens, float)),
        )
        self._kept: dict[tuple[str, int], Sample] = {}
        self._bytes, self._lock = 0, threading.Lock()

    @property
    def blocks(self) -> int:
        """Blocks of a scenario."""
        return -(-self.paths // self.problem.plan.block)

    def look(self, values: Values) -> Outcome:
        """Losses and standing of a candidate.

        Args:
          values: of the variables, in the order of the file.

        Returns:
          The outcome.

        Errors:
          KeyboardInterrupt passes through once the blocks in flight are done.
        """
        made, standing = self.make(values)
        scenarios = list(dict.fromkeys(r.scenario for r in self.problem.requirements))
        tasks = [(name, i) for name in scenarios for i in range(self.blocks)]
        with ThreadPoolExecutor(max_workers=max(1, self.threads)) as pool:
            try:
                parts = list(pool.map(lambda task: self._block(made, *task), tasks))
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
        losses: Series = {}
        failed = flagged = 0
        for name in scenarios:
            own = [part for (scenario, _), part in zip(tasks, parts, strict=True)
                   if scenario == name]  # fmt: skip
            joined = {k: np.concatenate([part[k] for part in own])[: self.paths] for k in own[0]}
            status = joined.pop("status")
            failed += int((status == NON_FINITE).sum())
            flagged += int((status != OK).sum())
            losses |= {(name, measure): x for measure, x in joined.items()}
        return Outcome(losses=losses, standing=standing, failed=failed, flagged=flagged)

    def make(self, values: Values) -> tuple[Made, dict[str, float]]:
        """A candidate's pytrees, and how its book stands at the start."""
        plan, problem = self.problem.plan, self.problem
        before = plan.inputs.venue
        venue = changed(before, [axis.change for axis in problem.axes], values)
        response = problem.spec.borrower_response
        book, standing = answered(self._book, before, venue, self._room, response)
        precision = problem.campaign.spec.precision
        made = Made(
            venue=venue,
            rules=in_precision(venue, precision),
            book=in_precision(book, precision),
            lent_more=np.asarray(standing.lent_more),
        )
        return made, self._told(standing)

    def _told(self, standing: Standing) -> dict[str, float]:
        """Figures of a standing in USDC, with the objectives."""
        price = np.asarray(self._room.now.quote_price)
        found = {
            f.name: np.asarray(getattr(standing, f.name)) for f in dataclasses.fields(standing)
        }
        told = {name: float(x @ price) if x.ndim else float(x) for name, x in found.items()}
        supported = float(standing.supported)
        per = supported / told["collateral"] if told["collateral"] > 0 else float("nan")
        return told | {"supported": supported, "capital_efficiency": per}

    def _block(self, made: Made, name: str, index: int) -> dict[str, np.ndarray]:
        """Measures of one block of paths, `[block]`."""
        plan, spec = self.problem.plan, self.problem.campaign.spec
        model, today = plan.scenarios[name]
        hours = jnp.asarray(self.problem.campaign.step_hours)
        numbers = np.arange(plan.block) + index * plan.block
        sample = self._sample(name, index, numbers)
        model = with_kinks(model, made.venue)
        today = dataclasses.replace(
            today, borrowed=jnp.clip(today.borrowed + made.lent_more, 0, today.supplied)
        )
        sample = with_reserves(today, model, sample, hours)
        precision = "float64" if spec.feedback else spec.precision
        market, view = market_paths(made.venue, today, model, sample, hours, precision)
        known = jnp.asarray(numbers < self.paths) & (view.status != NON_FINITE)
        status, used, more = view.status, view.utilization, {}
        if plan.cascade is None:
            _, money = run_block(made.rules, made.book, market, known, money_of_tile)
        else:
            key = scenario_key(self.seed, name)
            money, rows = self._fed(
                made, name, (today, model, sample, market), (key, numbers), known
            )
            used = rows.utilization
            status = jnp.where((status == NON_FINITE) | (rows.status == OK), status, rows.status)
            more = {
                "shortfall": rows.measures["shortfall"],
                "supplier_loss": rows.measures["paid_suppliers"],
            }
        peak = jnp.max(used, axis=(1, 2))
        found = vars(money) | more | {"peak_utilization": peak, "full_utilization": peak >= FULL}
        status = np.asarray(status)
        lost, wanted = status == NON_FINITE, self._measures(name)
        kept = {m: np.where(lost, np.nan, np.asarray(found[m], np.float64)) for m in wanted}
        return kept | {"status": status}

    def _measures(self, scenario: str) -> Iterator[str]:
        seen = [r.measure for r in self.problem.requirements if r.scenario == scenario]
        return iter(dict.fromkeys(seen))

    def _fed(self, made: Made, name: str, parts, drawn, known):
        """Money and rows of a block with feedback."""
        plan = self.problem.plan
        assert plan.cascade is not None
        today, model, sample, market = parts
        key, numbers = drawn
        setting = plan.cascade.settings[name]
        pool = None if setting.pool is None else with_kink(setting.pool, made.venue, 0)
        setting = dataclasses.replace(setting, rules=made.rules, venue=made.venue, pool=pool)
        world = world_of(setting, today, model, sample, market, jnp.asarray(plan.cascade.hours))
        groups = groups_of(made.book)
        keys = path_keys(key, jnp.asarray(numbers))
        tile = made.book.path_tile
        _, found = run_cascade(setting, made.book, groups, world, keys, known, tile)
        return found

    def _sample(self, name: str, index: int, numbers: np.ndarray) -> Sample:
        """A block of sampled paths, from memory where it is there."""
        with self._lock:
            if (name, index) in self._kept:
                return self._kept[name, index]
        plan = self.problem.plan
        model, today = plan.scenarios[name]
        hours = jnp.asarray(self.problem.campaign.step_hours)
        key = scenario_key(self.seed, name)
        sample = sample_paths(today, model, key, jnp.asarray(numbers), hours, plan.draws[name])
        size = sum(leaf.nbytes for leaf in jax.tree.leaves(sample))
        with self._lock:
            if self._bytes + size <= KEPT_BYTES:
                self._kept[name, index] = sample
                self._bytes += size
        return sample


__all__ = ["Evaluator", "Made", "Outcome", "Series"]
