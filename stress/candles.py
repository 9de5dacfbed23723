"""Hourly candles from files, checked row by row; nothing is filled, nothing is dropped."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stress.candle_rows import COLUMNS, candle_file, candle_rows, seconds_utc
from stress.errors import InputError

HOUR, WEEK = 3600, 168
MOST_FACTOR = 5.0  # of an hour; the widest of the recorded hours is 1.4
# A spike: a move that the next hour undoes but for SPIKE_LEFT, beyond SPIKE_MOVE (log) and
# SPIKE_DEVIATIONS of the hours of a week around it. The nearest recorded hours to 2025-06 are
# SOL 2021-05-19T12Z (0.33, 11 deviations) and ETH 2023-08-17T21Z (0.06, 38 deviations).
SPIKE_LEFT, SPIKE_MOVE, SPIKE_DEVIATIONS = 0.25, 0.10, 25.0
NORMAL_MEDIAN = 0.6745  # of the absolute value of a standard normal


@dataclass(frozen=True)
class Candles:
    """One asset's hourly closes. `hour` counts hours since 1970-01-01 UTC to the bar's end."""

    asset: str
    hour: NDArray[np.int64]
    close: NDArray[np.float64]


def positive(path: Path, row: int, column: str, text: Any) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        raise InputError(path, f"row {row}, {column}", repr(text), "a positive number")
    return value


def read_candles(path: Path, asset: str | None = None) -> Candles:
    """Reads and checks one file of hourly candles.

    Args:
      path: CSV (.gz or not) or Parquet with columns time, open, high, low, close, volume, or a
        recorded `candleSnapshot` answer (.json); time is the bar's beginning, ISO 8601, one zone
        throughout (none means UTC).
      asset: name; None takes the file name up to its first underscore.

    Errors:
      Raises InputError naming the row (the header is row 1) at a price that is not positive, a
      time that is a duplicate, out of order, after a gap, off the hour, or in another zone, a bar
      whose low, open, close and high do not fit, or a print no market made (a factor of 5 in an
      hour, a spike that is gone an hour later).
    """
    hours, closes, rows, first_zone = [], [], [], None
    for row, text, figures in candle_rows(path):
        seconds, zone = seconds_utc(path, row, text)
        first_zone = zone if first_zone is None else first_zone
        if zone != first_zone:
            raise InputError(path, f"row {row}, time", text, "the time zone of the first row")
        if seconds % HOUR:
            raise InputError(path, f"row {row}, time", text, "a full hour")
        _check_follows(path, row, text, seconds // HOUR + 1, hours)
        prices = [positive(path, row, c, x) for c, x in zip(COLUMNS[1:5], figures[:4], strict=True)]
        _check_bar(path, row, prices)
        closes.append(prices[3])
        hours.append(seconds // HOUR + 1)
        rows.append(row)
    if len(hours) < 2:
        raise InputError(path, "", f"{len(hours)} candles", "at least 2")
    _check_prints(path, rows, np.array(closes))
    return Candles(asset or path.name.split("_")[0], np.array(hours), np.array(closes))


def _check_bar(path: Path, row: int, prices: list[float]) -> None:
    """Low, open, close and high of one bar fit together."""
    start, high, low, close = prices
    if not low <= min(start, close) <= max(start, close) <= high:
        found = f"open {start:g}, high {high:g}, low {low:g}, close {close:g}"
        raise InputError(path, f"row {row}", found, "low <= open and close <= high")


def _check_prints(path: Path, rows: list[int], close: NDArray[np.float64]) -> None:
    """Refuses closes that no market made: a factor in an hour, or a spike that is gone at once."""
    moves = np.diff(np.log(close))
    if (wild := np.abs(moves) > np.log(MOST_FACTOR)).any():
        i = int(wild.argmax()) + 1
        found = f"{close[i]:g} an hour after {close[i - 1]:g}"
        allowed = f"a close within a factor of {MOST_FACTOR:g}"
        raise InputError(path, f"row {rows[i]}, close", found, allowed)
    there, back = moves[:-1], moves[1:]
    undone = np.abs(there + back) < SPIKE_LEFT * np.abs(there)
    for i in np.flatnonzero((np.abs(there) > SPIKE_MOVE) & undone):
        around = np.concatenate([moves[max(i - WEEK, 0) : i], moves[i + 2 : i + 2 + WEEK]])
        typical = float(np.median(np.abs(around))) / NORMAL_MEDIAN if len(around) else 0.0
        if abs(there[i]) > SPIKE_DEVIATIONS * typical:
            found = f"{close[i + 1]:g} between {close[i]:g} and {close[i + 2]:g}, a spike"
            raise InputError(path, f"row {rows[i + 1]}, close", found, "a price that was traded")


def _check_follows(path: Path, row: int, text: str, hour: int, hours: list[int]) -> None:
    if not hours or hour == hours[-1] + 1:
        return
    if hour == hours[-1]:
        found = f"{text}, a duplicate of row {row - 1}"
    elif hour < hours[-1]:
        found = f"{text}, earlier than row {row - 1}"
    else:
        found = f"{text}, a gap of {hour - hours[-1] - 1} h after row {row - 1}"
    raise InputError(path, f"row {row}, time", found, "one hour after the row before")


def read_folder(folder: Path, assets: list[str] | None = None) -> list[Candles]:
    """Candles of some assets, or of all a folder holds, by name.

    Errors:
      InputError where the folder or an asset's file is missing, or a row is bad.
    """
    if assets is None:
        assets = sorted({p.name.split("_1h")[0] for p in folder.glob("*_1h.*")})
    files = {asset: candle_file(folder, asset) for asset in assets}
    if not files or None in files.values():
        absent = next((a for a, f in files.items() if f is None), "<COIN>")
        allowed = "hourly candles, <COIN>_1h.csv.gz, .csv, .parquet or .json"
        raise InputError(folder, "", f"no {absent}_1h.csv.gz", allowed)
    return [read_candles(path, asset) for asset, path in files.items() if path is not None]
