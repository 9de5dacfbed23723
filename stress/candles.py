"""Hourly candles from files, checked row by row; nothing is filled, nothing is dropped."""

import csv
import gzip
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TextIO, cast

import numpy as np
from numpy.typing import NDArray

from stress.errors import InputError

COLUMNS = ("time", "open", "high", "low", "close", "volume")
HOUR = 3600


@dataclass(frozen=True)
class Candles:
    """One asset's hourly closes. `hour` counts hours since 1970-01-01 UTC to the bar's end."""

    asset: str
    hour: NDArray[np.int64]
    close: NDArray[np.float64]


def open_text(path: Path) -> TextIO:
    """Opens a CSV file, gzip by its suffix."""
    try:
        opened = gzip.open(path, "rt") if path.suffix == ".gz" else path.open()  # noqa: SIM115
        opened.read(1)
        opened.seek(0)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(path, "", f"unreadable ({error})", "a readable CSV or .csv.gz") from error
    return cast(TextIO, opened)


def seconds_utc(path: Path, row: int, text: str) -> tuple[int, str]:
    """Seconds since 1970 of an ISO 8601 time, and how its zone is written ("" for none)."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise InputError(path, f"row {row}, time", repr(text), "an ISO 8601 time") from None
    zone = "" if moment.tzinfo is None else str(moment.utcoffset())
    utc = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int((utc - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)), zone


def positive(path: Path, row: int, column: str, text: str) -> float:
    """A finite number above 0."""
    try:
        value = float(text)
    except ValueError:
        value = np.nan
    if not (np.isfinite(value) and value > 0):
        raise InputError(path, f"row {row}, {column}", repr(text), "a positive number")
    return value


def read_candles(path: Path, asset: str | None = None) -> Candles:
    """Reads and checks one file of hourly candles.

    Args:
      path: CSV (.gz or not) with columns time, open, high, low, close, volume; time is the bar's
        beginning, ISO 8601, one zone throughout (none means UTC).
      asset: name; None takes the file name up to its first underscore.

    Errors:
      Raises InputError naming the row (the header is row 1) at a price that is not positive, a
      time that is a duplicate, out of order, after a gap, off the hour, or in another zone.
    """
    hours, closes, first_zone = [], [], None
    with open_text(path) as stream:
        reader = csv.reader(stream)
        header = next(reader, [])
        if tuple(header) != COLUMNS:
            raise InputError(path, "row 1", ",".join(header) or "nothing", ",".join(COLUMNS))
        for row, line in enumerate(reader, start=2):
            if len(line) != len(COLUMNS):
                raise InputError(
                    path, f"row {row}", f"{len(line)} fields", f"{len(COLUMNS)} fields"
                )
            seconds, zone = seconds_utc(path, row, line[0])
            first_zone = zone if first_zone is None else first_zone
            if zone != first_zone:
                raise InputError(path, f"row {row}, time", line[0], "the time zone of row 2")
            if seconds % HOUR:
                raise InputError(path, f"row {row}, time", line[0], "a full hour")
            _check_follows(path, row, line[0], seconds // HOUR + 1, hours)
            closes.append(
                [positive(path, row, c, x) for c, x in zip(COLUMNS[1:5], line[1:5], strict=True)][3]
            )
            hours.append(seconds // HOUR + 1)
    if len(hours) < 2:
        raise InputError(path, "", f"{len(hours)} candles", "at least 2")
    return Candles(asset or path.name.split("_")[0], np.array(hours), np.array(closes))


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
