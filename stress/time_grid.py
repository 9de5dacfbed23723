"""The time grid of a campaign: steps of one length, and shorter ones inside windows."""

import math
from itertools import pairwise

import numpy as np

from stress.campaign_schema import CampaignFile
from stress.errors import InputError
from stress.units import written

MOST_STEPS = 2**20


def time_grid(spec: CampaignFile, file: object) -> np.ndarray:
    """Times at which a campaign observes.

    Args:
      spec: the campaign as it was read.
      file: its file, for messages.

    Returns:
      `[T + 1]` hours from now, increasing, the first 0; multiples of `spec.step` outside the
      windows and at their ends.

    Errors:
      InputError naming the key: a step that does not divide the horizon or its window, or is not
      below the campaign's; a window that leaves the horizon, the campaign's grid, or room for no
      step; windows that overlap; more than MOST_STEPS steps.
    """
    coarse = np.arange(_steps(spec, file) + 1) * spec.step
    pieces, done = [], 0
    for first, last, count, i in _windows(spec, len(coarse) - 1, file):
        pieces += [coarse[done:first], coarse[first] + np.arange(count) * spec.refine[i].step]
        done = last
    return np.concatenate([*pieces, coarse[done:]])


def _steps(spec: CampaignFile, file: object) -> int:
    """Number of the campaign's own steps; the horizon is a whole number of them."""
    _limit(spec.horizon / spec.step, file, "step")
    steps = _whole(spec.horizon, spec.step)
    if not steps:
        found = f"a step of {spec.step:g} h for a horizon of {spec.horizon:g} h"
        raise InputError(file, "step", found, "a step that divides the horizon")
    return steps


def _windows(spec: CampaignFile, steps: int, file: object) -> list[tuple[int, int, int, int]]:
    """(first and last step of the campaign's own, steps inside, place in the list), by time."""
    windows, total = [], float(steps)
    for i, window in enumerate(spec.refine):
        first, last = _ends(spec, i, file)
        length, key = window.to - window.start, f"refine[{i}].step"
        if window.step >= spec.step:
            allowed = f"a step below the campaign's, {written(spec.step)}"
            raise InputError(file, key, written(window.step), allowed)
        total += length / window.step - (last - first)
        _limit(total, file, key)
        count = _whole(length, window.step)
        if count is None:
            found = f"a step of {written(window.step)} for a window of {written(length)}"
            raise InputError(file, key, found, "a step that divides the window")
        windows.append((first, last, count, i))
    windows.sort()
    for (_, end, _, before), (first, _, _, i) in pairwise(windows):
        if first < end:
            other = spec.refine[before]
            found = f"{written(spec.refine[i].start)}, inside refine[{before}]"
            allowed = f"windows that do not overlap: {written(other.to)} or later"
            raise InputError(file, f"refine[{i}].from", found, allowed)
    return windows


def _ends(spec: CampaignFile, i: int, file: object) -> tuple[int, int]:
    """Where a window starts and ends, in steps of the campaign's own."""
    window, key = spec.refine[i], f"refine[{i}]"
    if window.to <= window.start:
        allowed = f"a time after the start of the window, {written(window.start)}"
        raise InputError(file, f"{key}.to", written(window.to), allowed)
    if window.to > spec.horizon * (1 + 1e-9):
        allowed = f"a time within the horizon, {written(spec.horizon)}"
        raise InputError(file, f"{key}.to", written(window.to), allowed)
    ends = []
    for name, hours in (("from", window.start), ("to", window.to)):
        steps = _whole(hours, spec.step)
        if steps is None:
            allowed = f"a multiple of the campaign's step, {written(spec.step)}"
            raise InputError(file, f"{key}.{name}", written(hours), allowed)
        ends.append(steps)
    return ends[0], ends[1]


def _limit(steps: float, file: object, key: str) -> None:
    """Refuses more steps than a campaign may have."""
    if steps > MOST_STEPS + 0.5:
        raise InputError(file, key, f"{steps:.10g} steps", f"at most {MOST_STEPS}")


def _whole(length: float, step: float) -> int | None:
    """How often a step fits into a length; None where that is no whole number, up to rounding."""
    ratio = length / step
    return round(ratio) if math.isclose(ratio, round(ratio), rel_tol=1e-9) else None
