"""d P(liquidation) / d utilization: how much likelier a point of utilization makes liquidation.

A level shift of the utilization path, up and down, clipped to [0, 1], on the same prices. Liquidity
that a fuller reserve cannot lend is told apart from interest: `interest` moves the rates alone.
"""

import dataclasses
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from models.lending import utilization
from models.status import NON_FINITE
from stress.arrays import device_array
from stress.campaign import Plan, scenario_key
from stress.config import Campaign
from stress.decide.inputs import with_values
from stress.decide.liquidation_time import Times, group_members, times_to_liquidation, weights
from stress.decide.sensitivity import kept
from stress.engine import FrozenBook, Rows, owned, run_block
from stress.errors import InputError
from stress.frozen import used_part
from stress.market import Sample, market_paths, sample_paths

PATH = "path"  # the level at which utilization moves as the scenario has it
POINT = 0.01
RUNS = ("base", "up", "down", "interest_up", "interest_down")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Greeks:
    """Everything that `hyperstress rates` found."""

    times: Times
    levels: list[str]  # PATH, then the levels at which utilization is held
    happened: np.ndarray  # [S, L, runs, G, 2, P] share liquidated, of accounts and of loans
    moved: np.ndarray  # [S, L, P] points by which utilization differs, up less down, mean in time


def exact(campaign: Campaign) -> Campaign:
    """The campaign as the study runs it: in float64, where small differences are no rounding.

    Errors:
      InputError for a campaign whose paths do not pair or whose liquidations move the reserve.
    """
    spec = campaign.spec
    if spec.feedback:
        allowed = "false: utilization is held or shifted, liquidations may not move it"
        raise InputError(campaign.file, "feedback", "true", allowed)
    if spec.estimator.method != "plain":
        found = repr(spec.estimator.method)
        raise InputError(campaign.file, "estimator.method", found, "plain, whose paths pair")
    return with_values(campaign, {"precision": "float64"})


def rate_greeks(built: Plan, folder: Path | None, threads: int, advance: Callable) -> Greeks:
    """Time to liquidation at held utilization, and the slope of its probability in utilization.

    Args:
      built: `exact` of a campaign, built.
      folder: where finished blocks are kept and found again; None keeps nothing.
      threads: of this process; results do not depend on it.
      advance: called after every block of a scenario.

    Returns:
      The study.

    Errors:
      InputError where a path is not finite. KeyboardInterrupt passes through; blocks in flight
      are finished and kept first.
    """
    campaign, today = built.campaign, built.inputs.today
    held, book = campaign.spec.rates.utilization, used_part(campaign.book)
    now = np.asarray(utilization(today.supplied, today.borrowed))
    times = times_to_liquidation(book, built.inputs.venue, now, held)
    _, members = group_members(book)
    counted = device_array(np.nan_to_num(weights(members, times.loan)).reshape(-1, len(book.ids)))
    reduce = partial(_liquidated, counted)
    work = [(name, index) for name in built.scenarios for index in range(built.blocks)]

    def block(item: tuple[str, int]) -> np.ndarray:
        place = None if folder is None else folder / f"{item[0]}-{item[1]}.npy"
        found = kept(place, lambda: _block(built, *item, reduce))
        advance()
        return found

    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        futures = [pool.submit(block, item) for item in work]
        try:
            parts = [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    each = [
        np.concatenate(parts[s * built.blocks : (s + 1) * built.blocks], axis=-1)
        for s in range(len(built.scenarios))
    ]
    found = np.stack(each)[..., : campaign.spec.paths]
    if not np.isfinite(found).all():
        lost = int((~np.isfinite(found)).any(axis=(0, 1, 2)).sum())
        allowed = "scenarios whose every path is finite"
        raise InputError(campaign.file, "scenarios", f"{lost} paths not finite", allowed)
    shape = (*found.shape[:2], len(RUNS), len(members), 2, found.shape[-1])
    return Greeks(
        times=times,
        levels=[PATH, *(f"{level:g}" for level in held)],
        happened=found[:, :, :-1].reshape(shape),
        moved=found[:, :, -1],
    )


def shifted(sample: Sample, level: float | None, shift: float) -> Sample:
    """A sample whose reserves are used by `shift` more, clipped to [0, 1].

    Args:
      sample: paths of a scenario.
      level: at which utilization is held; None: as the scenario moves it.
      shift: of utilization, 1.

    Returns:
      The sample with another borrow; supply stays. Reserves that hold nothing stay so.
    """
    used = utilization(sample.supply, sample.borrow) if level is None else level
    return dataclasses.replace(sample, borrow=sample.supply * jnp.clip(used + shift, 0, 1))


def _block(built: Plan, name: str, index: int, reduce: Callable) -> np.ndarray:
    """Outcomes of a block of a scenario at every level, `[L, runs K + 1, P]`; the last: moved."""
    spec, (model, today) = built.campaign.spec, built.scenarios[name]
    numbers = jnp.asarray(np.arange(built.block) + index * built.block)
    hours, key = jnp.asarray(built.campaign.step_hours), scenario_key(spec.seed, name)
    sample = sample_paths(today, model, key, numbers, hours, built.draws[name])
    lengths = np.diff(built.campaign.grid)
    every = jnp.ones(built.block, bool)

    def market(level: float | None, shift: float):
        moved = sample if level is None and shift == 0 else shifted(sample, level, shift)
        return market_paths(built.inputs.venue, today, model, moved, hours)

    def play(market) -> np.ndarray:
        return np.asarray(run_block(built.venue, built.book, market, every, reduce)[1]).T

    outcomes = []
    for level in (None, *spec.rates.utilization):
        (base, view), (up, high), (down, low) = (
            market(level, sign * spec.rates.shift) for sign in (0, 1, -1)
        )
        as_base = {"free_liquidity": base.free_liquidity}
        seen = [base, up, down, *(dataclasses.replace(x, **as_base) for x in (up, down))]
        used = np.asarray(high.utilization - low.utilization)[:, :-1, 0]
        moved = np.average(used, axis=1, weights=lengths) / POINT
        lost = np.asarray(view.status) == NON_FINITE
        rows = np.concatenate([*map(play, seen), moved[None]])
        outcomes.append(np.where(lost, np.nan, rows))
    return np.stack(outcomes)


def _liquidated(counted: jax.Array, times: int, book: FrozenBook, rows: Rows, valid):
    """Share liquidated by the horizon on each path of a tile, `[p, K]`; `counted` is `[K, U]`."""
    del times, valid
    gone = jnp.isfinite(owned(book, rows.first, "min")).astype(counted.dtype)
    return (), gone @ counted.T
