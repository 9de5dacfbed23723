"""Durations as people write them: `7d`, `1h`, `30m`, `3s`, or a number of hours."""

import re

DURATION = r"^\s*([0-9]+(?:\.[0-9]*)?)\s*([smhdw])\s*$"
HOURS = {"s": 1 / 3600, "m": 1 / 60, "h": 1.0, "d": 24.0, "w": 168.0}


def hours(value: object) -> float:
    """Hours of a duration.

    Args:
      value: a number of hours, or a number with one of the units s, m, h, d, w.

    Returns:
      Hours.

    Errors:
      ValueError where it is neither.
    """
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    match = re.match(DURATION, str(value))
    if not match:
        raise ValueError(f"{value!r} is not a duration such as 7d, 1h, 30m, 3s")
    return float(match[1]) * HOURS[match[2]]


def written(value: float) -> str:
    """A duration in hours as people read it: 24 h, 1 min, 30 s; six digits at most."""
    for unit, name in (("h", "h"), ("m", "min")):
        if value == 0 or value >= HOURS[unit] * (1 - 1e-9):
            return f"{value / HOURS[unit]:g} {name}"
    return f"{value / HOURS['s']:g} s"
