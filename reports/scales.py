"""Ticks and units of the axes that several figures share."""

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from reports import units

DAILY_FROM = 72.0  # hours; longer horizons are labelled in days


def compact_percent(value: float) -> str:
    """A percentage on an axis: `10 %` rather than `10.0 %`."""
    return f"{100 * value:.4g}{units.SPACE}%" if abs(value) >= 1e-7 else f"0{units.SPACE}%"


def compact_money(value: float) -> str:
    """Money on an axis: `$10M` rather than `$10.0M`."""
    text = units.money(float(f"{value:.6g}"))
    digits, letter = (text[:-1], text[-1]) if text[-1].isalpha() else (text, "")
    return (digits.rstrip("0").rstrip(".") if "." in digits else digits) + letter


PERCENT = FuncFormatter(lambda x, _: compact_percent(x))
MONEY = FuncFormatter(lambda x, _: compact_money(x))


def time_axis(results: xr.Dataset, ax: Axes) -> np.ndarray:
    """Label the horizontal axis in hours, or in days from three days up; returns the times."""
    time = results["time"].values.astype(float)
    daily = bool(time.size) and time[-1] >= DAILY_FROM
    time = time / 24 if daily else time
    ax.set_xlabel("time from now (days)" if daily else "time from now (hours)")
    ax.set_xlim(0, max(float(time[-1]) if time.size else 0.0, 1e-9))
    ax.xaxis.set_major_locator(MaxNLocator(8, integer=True))
    return time


def percent_scale(ax: Axes) -> None:
    """Decades, and steps between them where there are few, as percentages on a log axis."""
    low, high = ax.get_ylim()
    decades = np.log10(high / low)
    steps = (1.0,) if decades > 2.2 else (1.0, 3.0) if decades > 1.2 else (1.0, 2.0, 5.0)
    ticks = [s * 10.0**k for k in range(-9, 1) for s in steps]
    ax.yaxis.set_major_locator(FixedLocator([t for t in ticks if low <= t <= high]))
    ax.yaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(PERCENT)
