"""A ladder of cumulative depth from an l2Book answer of the venue's info API."""

import math
from pathlib import Path
from typing import Any

from stress.errors import InputError
from stress.files import read_json
from stress.validation import describe

Ladder = list[tuple[float, float]]  # (log distance from the mid, cumulative USDC), ascending


def read_ladder(path: Path) -> tuple[Ladder, Ladder]:
    """Reads bids and asks of a recorded order book.

    Args:
      path: JSON, `{"coin", "time", "levels": [[{"px", "sz", "n"}, ...], [...]]}`; bids first,
        best first, prices and sizes as text or numbers.

    Returns:
      (bids, asks): log distance from the mid price and cumulative notional, USDC.

    Errors:
      InputError for a file that is no such answer, an empty side, prices that do not leave the mid
      monotonically, a crossed book, or a size that is not positive.

    Source:
      Hyperliquid docs, info endpoint, "L2 book snapshot", read 2026-11-22.
    """
    data = read_json(path)
    levels = data.get("levels") if isinstance(data, dict) else None
    if not isinstance(levels, list) or len(levels) != 2:
        raise InputError(path, "levels", describe(levels), "two lists, bids and asks")
    sides = [_side(path, k, side) for k, side in enumerate(levels)]
    (bid, _), (ask, _) = sides[0][0], sides[1][0]
    if not bid < ask:
        raise InputError(
            path, "levels", f"best bid {bid:g}, best ask {ask:g}", "a bid below the ask"
        )
    mid = (bid + ask) / 2
    return _ladder(path, 0, sides[0], mid), _ladder(path, 1, sides[1], mid)


def _side(path: Path, k: int, side: Any) -> list[tuple[float, float]]:
    if not isinstance(side, list) or not side:
        raise InputError(path, f"levels[{k}]", describe(side), "a list of levels, at least one")
    return [
        (_number(path, f"levels[{k}][{i}].px", level, "px"),
         _number(path, f"levels[{k}][{i}].sz", level, "sz"))
        for i, level in enumerate(side)
    ]  # fmt: skip


def _number(path: Path, key: str, level: Any, name: str) -> float:
    found = level.get(name) if isinstance(level, dict) else None
    try:
        value = math.nan if isinstance(found, bool | list | dict | None) else float(found)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value > 0):
        raise InputError(path, key, describe(found), "a positive number")
    return value


def _ladder(path: Path, k: int, side: list[tuple[float, float]], mid: float) -> Ladder:
    ladder, volume, last = [], 0.0, 0.0
    for i, (price, size) in enumerate(side):
        distance = math.log(mid / price) if k == 0 else math.log(price / mid)
        if distance <= last:
            allowed = "prices that move away from the mid"
            raise InputError(path, f"levels[{k}][{i}].px", f"{price:g}", allowed)
        volume, last = volume + price * size, distance
        ladder.append((distance, volume))
    return ladder
