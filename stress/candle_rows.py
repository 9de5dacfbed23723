"""Rows of a candle file, whatever its format: CSV, Parquet or a recorded answer of the API."""

import csv
import gzip
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TextIO, cast

from stress.errors import InputError

COLUMNS = ("time", "open", "high", "low", "close", "volume")
SUFFIXES = (".csv.gz", ".csv", ".parquet", ".json")
ANSWER = ("o", "h", "l", "c", "v")  # of `candleSnapshot`, prices as text
Row = tuple[int, str, list[Any]]  # number as people count it, time as written, the other columns


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


def candle_file(folder: Path, asset: str) -> Path | None:
    """File of an asset's hourly candles in a folder; None where there is none."""
    return next((p for s in SUFFIXES if (p := folder / f"{asset}_1h{s}").is_file()), None)


def candle_rows(path: Path) -> Iterator[Row]:
    """Rows of a file of hourly candles; a header counts as row 1.

    Errors:
      InputError where the file cannot be read, has other columns or another interval.
    """
    if path.suffix == ".parquet":
        return _parquet(path)
    if path.suffix == ".json":
        return _answer(path)
    return ((row, line[0], line[1:]) for row, line in csv_rows(path, COLUMNS))


def csv_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, list[str]]]:
    """Rows of a CSV file with exactly these columns; the header is row 1.

    Errors:
      InputError where it cannot be read, has other columns or a row of another length.
    """
    with open_text(path) as stream:
        reader = csv.reader(stream)
        header = next(reader, [])
        if tuple(header) != columns:
            raise InputError(path, "row 1", ",".join(header) or "nothing", ",".join(columns))
        for row, line in enumerate(reader, start=2):
            if len(line) != len(columns):
                raise InputError(
                    path, f"row {row}", f"{len(line)} fields", f"{len(columns)} fields"
                )
            yield row, line


def _parquet(path: Path) -> Iterator[Row]:
    import pyarrow.parquet as parquet

    try:
        table = parquet.read_table(path)
    except (OSError, ValueError) as error:
        raise InputError(path, "", f"unreadable ({error})", "a Parquet file") from error
    if missing := [c for c in COLUMNS if c not in table.column_names]:
        raise InputError(path, "columns", f"no {', '.join(missing)}", ", ".join(COLUMNS))
    columns = [table.column(name).to_pylist() for name in COLUMNS]
    for row, (moment, *rest) in enumerate(zip(*columns, strict=True), start=1):
        text = moment.isoformat() if isinstance(moment, datetime) else str(moment)
        yield row, text, rest


def _answer(path: Path) -> Iterator[Row]:
    """A recorded answer of the info API's `candleSnapshot`: a list of candles, times in ms."""
    try:
        answer = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(path, "", f"unreadable ({error})", "JSON") from error
    if not isinstance(answer, list):
        raise InputError(path, "", type(answer).__name__, "a list of candles")
    for row, candle in enumerate(answer, start=1):
        if not isinstance(candle, dict) or {"t", "i", *ANSWER} - set(candle):
            raise InputError(path, f"row {row}", repr(candle)[:80], "t, i, o, h, l, c and v")
        if candle["i"] != "1h":
            raise InputError(path, f"row {row}, i", repr(candle["i"]), "1h")
        if isinstance(candle["t"], bool) or not isinstance(candle["t"], int):
            raise InputError(path, f"row {row}, t", repr(candle["t"]), "milliseconds since 1970")
        moment = datetime.fromtimestamp(candle["t"] / 1000, UTC)
        yield row, moment.isoformat(), [candle[k] for k in ANSWER]
