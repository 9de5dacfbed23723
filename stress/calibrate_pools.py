"""Recorded lending pools: reading, pooling, and the moments a simulation must reproduce."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray

from stress.calibrate_prices import Series
from stress.calibrate_utilization import Settings, Transitions, market_memory
from stress.candle_rows import csv_rows, seconds_utc
from stress.candles import Candles
from stress.errors import InputError
from stress.utilization import NORMALS_PER_STEP, pool_path
from stress.utilization_model import utilization_model

COLUMNS = ("time", "pool", "supplied", "borrowed", "utilization", "borrow_rate")
PAIRED_WITHIN = 0.25  # h, two pools' rows this close count as one observation
LONGEST_STEP = 2.5  # h, a longer step is a gap and gives no transition
ABOUT_HOURLY = 1.5  # h, steps up to this give the one-hour rises


@dataclass(frozen=True)
class Reserve:
    """Totals of one reserve; `hour` counts hours since 1970-01-01 UTC."""

    hour: Series
    supplied: Series
    borrowed: Series


def read_pools(path: Path) -> dict[str, Reserve]:
    """Reads recorded totals, one `Reserve` per pool name.

    Errors:
      Raises InputError naming the row (the header is row 1) at a time out of order or in another
      zone, a duplicate, a negative total, or borrowed > supplied.
    """
    rows: dict[str, list[tuple[float, float, float]]] = {}
    first_zone: str | None = None
    for row, line in csv_rows(path, COLUMNS):
        seconds, zone = seconds_utc(path, row, line[0])
        first_zone = zone if first_zone is None else first_zone
        if zone != first_zone:
            raise InputError(path, f"row {row}, time", line[0], "the time zone of row 2")
        pool = rows.setdefault(line[1], [])
        if pool and seconds / 3600 <= pool[-1][0]:
            raise InputError(path, f"row {row}, time", line[0], "later than the pool's last row")
        pool.append((seconds / 3600, *_totals(path, row, line)))
    if not rows:
        raise InputError(path, "", "no rows", "at least one pool")
    return {name: Reserve(*np.array(pool).T) for name, pool in rows.items()}


def _totals(path: Path, row: int, line: list[str]) -> tuple[float, float]:
    try:
        supplied, borrowed = float(line[2]), float(line[3])
    except ValueError:
        raise InputError(path, f"row {row}", f"{line[2]}, {line[3]}", "two numbers") from None
    if not (0 <= borrowed <= supplied * (1 + 1e-6) < np.inf):
        allowed = "0 <= borrowed <= supplied"
        raise InputError(path, f"row {row}", f"{supplied} supplied, {borrowed} borrowed", allowed)
    return supplied, borrowed


def sum_of_pools(first: Reserve, second: Reserve) -> Reserve:
    """Totals of two pools together, at the rows of `second` that have a row of `first` nearby.

    Moves of lenders and borrowers from one pool to the other cancel: a migration between versions
    of a protocol, which has nothing to do with stress, leaves the sum as it is.
    """
    after = np.clip(np.searchsorted(first.hour, second.hour), 1, len(first.hour) - 1)
    before = after - 1
    nearer = second.hour - first.hour[before] <= first.hour[after] - second.hour
    match = np.where(nearer, before, after)
    supplied = first.supplied[match] + second.supplied
    keep = (np.abs(first.hour[match] - second.hour) <= PAIRED_WITHIN) & (second.supplied > 0)
    borrowed = first.borrowed[match] + second.borrowed
    return Reserve(second.hour[keep], supplied[keep], borrowed[keep])


def log_price_at(candles: Candles, hour: Series) -> Series:
    """Log close, interpolated between full hours."""
    if hour[0] < candles.hour[0] or hour[-1] > candles.hour[-1]:
        found = f"hours {candles.hour[0]}..{candles.hour[-1]} since 1970"
        allowed = f"prices for {hour[0]:.0f}..{hour[-1]:.0f}"
        raise InputError(candles.asset, "time", found, allowed)
    return np.interp(hour, candles.hour, np.log(candles.close))


def transitions(reserve: Reserve, candles: Candles, settings: Settings) -> Transitions:
    """Moves between neighbouring observations; a linear trend of the common level is removed."""
    supply, borrow = np.log(reserve.supplied), np.log(reserve.borrowed)
    hours, level = np.diff(reserve.hour), (supply + borrow) / 2
    since = reserve.hour - reserve.hour[0]
    level = level - np.polyval(np.polyfit(since, level, 1), since)
    memory = market_memory(log_price_at(candles, reserve.hour), hours, settings.memory_hours)
    keep = hours <= LONGEST_STEP
    return Transitions(
        hours=hours[keep],
        supply=np.diff(supply)[keep],
        borrow=np.diff(borrow)[keep],
        log_utilization=(borrow - supply)[:-1][keep],
        level=level[:-1][keep],
        log_size=(supply - np.log(settings.reference_supply))[:-1][keep],
        trailing_return=memory[0][keep],
        volatility=memory[1][keep],
    )


MOMENTS = ("mean", "p95", "p99", "p99.9", "rise p99", "rise p99.9", "fall p99", "fall p99.9")


def moments(utilization: Series, steps: Series) -> Series:
    """`MOMENTS` of utilization and of its one-hour changes."""
    high = np.quantile(utilization, [0.95, 0.99, 0.999])
    change = np.quantile(steps, [0.99, 0.999, 0.01, 0.001])
    return np.concatenate([[utilization.mean()], high, change])


def real_moments(
    reserve: Reserve, *, block: int = 300, replications: int = 400
) -> tuple[Series, Series]:
    """Moments of a record, and their standard errors by a moving block bootstrap.

    Blocks of 300 observations last about two weeks, longer than utilization remembers.
    """
    u, about = reserve.borrowed / reserve.supplied, np.diff(reserve.hour) <= ABOUT_HOURLY
    steps = np.diff(u)
    rng = np.random.default_rng(0)
    again = []
    for _ in range(replications):
        starts = rng.integers(0, len(u) - block + 1, -(-len(u) // block))
        index = starts[:, None] + np.arange(block)
        inner = index[:, :-1].ravel()
        again.append(moments(u[index].ravel(), steps[inner][about[inner]]))
    return moments(u, steps[about]), np.std(again, axis=0, ddof=1)


def simulate_record(
    parameters: Mapping[str, Any],
    levels: tuple[float, float],
    reserve: Reserve,
    candles: Candles,
    *,
    paths: int = 48,
    segments: int = 8,
    seed: int = 0,
) -> NDArray[np.float64]:
    """Utilization [paths, T] under the market's real returns, at the record's usual step.

    The record's pools grew forty-fold, and flows of a share of the pool become rarer as it grows:
    each of the `segments` of equal length has the intensities of its own mean size.

    Args:
      parameters: block of utilization.yaml.
      levels: long-run and kink utilization.
      reserve: the record.
      candles: the market driver.
      paths: number of independent imitations.
      segments: number of pieces of the record.
      seed: of the normals.
    """
    step = float(np.median(np.diff(reserve.hour)))
    steps = int((reserve.hour[-1] - reserve.hour[0]) / step / segments)
    rng = np.random.default_rng(seed)
    start = np.full(paths, reserve.borrowed[0] / reserve.supplied[0])
    simulate = jax.jit(jax.vmap(pool_path, in_axes=(None, 0, None, None, 0)))
    pieces = []
    for segment in range(segments):
        hour = reserve.hour[0] + step * (segment * steps + np.arange(steps + 1))
        inside = (reserve.hour >= hour[0]) & (reserve.hour <= hour[-1])
        supply = float(np.exp(np.log(reserve.supplied[inside]).mean()))
        model = utilization_model(
            parameters,
            long_run_utilization=levels[0],
            kink_utilization=levels[1],
            supply=supply,
        )
        market = jnp.asarray(np.diff(log_price_at(candles, hour)))
        normals = jnp.asarray(rng.standard_normal((paths, steps, NORMALS_PER_STEP)))
        path = simulate(model, normals, market, step, jnp.asarray(start))
        change = np.asarray(path.log_borrow - path.log_supply, np.float64)
        pieces.append(start[:, None] * np.exp(change))
        start = pieces[-1][:, -1]
    return np.concatenate([pieces[0][:, :1], *(piece[:, 1:] for piece in pieces)], axis=1)
