"""Hourly returns of several assets on one clock, from candles, for data-driven processes."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stress.candle_rows import candle_file
from stress.candles import read_candles
from stress.errors import InputError
from stress.process_schema import Prices, Proxy

FEWEST = 24  # hours of a table
LISTING_HOURS = 168


def hourly_table(
    prices: Prices, assets: Sequence[str], place: str, key: str
) -> NDArray[np.float64]:
    """Hourly log returns of the assets over the window of `prices`.

    Args:
      prices: section of a scenario; `candles`, `from`, `to` and `proxies` are read.
      assets: risk factors of the book, in order.
      place: file the scenario stands in; a relative folder is looked for beside it first.
      key: of the section, for messages.

    Returns:
      `[N, A]`, one row an hour. Without `from` and `to` the longest window that all assets
      cover, less the first week of one that was listed inside the record.
      Where a proxy is named, hours before an asset's first candle are its beta times the return of
      the asset it names.

    Errors:
      InputError for a missing folder or file, a window no asset covers, a proxy that is itself
      missing.
    """
    folder = candle_folder(prices.candles or "", place, f"{key}.candles")
    wanted = list(dict.fromkeys([*assets, *(p.asset for p in prices.proxies.values())]))
    series = {}
    for asset in wanted:
        path = candle_file(folder, asset)
        if path is not None:
            candles = read_candles(path, asset)
            series[asset] = dict(zip(candles.hour[1:], np.diff(np.log(candles.close)), strict=True))
        elif asset not in prices.proxies:
            allowed = f"{asset}_1h.csv.gz, .csv, .parquet or .json, or a proxy for {asset}"
            raise InputError(place, f"{key}.candles", f"no candles of {asset} in {folder}", allowed)
    hours = _window(prices, assets, series, place, key)
    columns = []
    for asset in assets:
        known = series.get(asset, {})
        proxy = prices.proxies.get(asset)
        columns.append([_return(asset, h, known, proxy, series, place, key) for h in hours])
    return np.array(columns, dtype=np.float64).T


def candle_folder(ref: str, place: str, key: str) -> Path:
    """Folder of candles named by a scenario: beside its file, else by its path."""
    for path in (Path(place).parent / ref, Path(ref)):
        if path.is_dir():
            return path
    raise InputError(place, key, f"{ref!r}, no such folder", "a folder of hourly candles")


def _window(prices: Prices, assets, series: Mapping, place: str, key: str) -> range:
    """Hours (ends of bars) of the table."""
    own = [a for a in assets if a in series and a not in prices.proxies]
    covering = own or [p.asset for p in prices.proxies.values() if p.asset in series]
    if not covering:
        raise InputError(place, f"{key}.candles", "candles of proxies only", "an asset's own")
    begins = [min(series[a]) for a in covering]
    first = max(begins)
    if first > min(begins):  # as in calibration: price discovery after a listing is left out
        first += LISTING_HOURS
    last = min(max(series[a]) for a in covering)
    start = _hour(prices.start) + 1 if prices.start else first
    first = max(begins)
    end = _hour(prices.to) if prices.to else last
    if start < first or end > last:
        at = "from" if start < first else "to"
        found = _text(start - 1 if start < first else end)
        raise InputError(place, f"{key}.{at}", found, f"{_text(first - 1)} to {_text(last)}")
    if end - start + 1 < FEWEST:
        found = f"{max(end - start + 1, 0)} hours"
        raise InputError(place, f"{key}.to", found, f"{FEWEST} hours or more after `from`")
    return range(start, end + 1)


def _return(asset: str, hour: int, known, proxy: Proxy | None, series, place: str, key: str):
    if hour in known:
        return known[hour]
    if proxy is None or hour not in series.get(proxy.asset, {}):
        allowed = f"candles of {asset}, or a proxy that has them"
        raise InputError(place, f"{key}.proxies", f"nothing for {asset} at {_text(hour)}", allowed)
    return proxy.beta * series[proxy.asset][hour]


def _hour(moment: datetime) -> int:
    """Whole hours since 1970-01-01 UTC; a time without a zone is UTC."""
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return int((aware - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(hours=1))


def _text(hour: int) -> str:
    return (datetime(1970, 1, 1) + timedelta(hours=int(hour))).strftime("%Y-%m-%dT%H:%MZ")
