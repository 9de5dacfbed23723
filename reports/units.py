"""Numbers as people read them: money, percentages, durations, counts, and their intervals.

Three significant digits unless the ends of an interval need more to differ. A number that is
missing (NaN) is an en dash, never a zero.
"""

import math
import re
from collections.abc import Callable

from reports.selection import Estimate

MISSING = "–"
SPACE = "\N{NO-BREAK SPACE}"
TICKERS = frozenset({"btc", "eth", "sol", "hype", "usdc", "usdt", "hlp"})  # in names of groups
SCALES = ((1e12, "T"), (1e9, "B"), (1e6, "M"), (1e3, "k"), (1.0, ""))


def significant(value: float, digits: int = 3) -> str:
    """Decimal notation with `digits` significant digits, thousands separated, no exponent.

    Integers keep all their digits: 16384 is `16,384`, never `16,400`.
    """
    if not math.isfinite(value):
        return MISSING if math.isnan(value) else ("∞" if value > 0 else "−∞")
    if value == 0:
        return "0"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    if round(abs(value), places) >= 10 ** (digits - places):
        places = max(0, places - 1)
    return f"{value:,.{places}f}".replace("-", "−")


def money(value: float, digits: int = 3) -> str:
    """US dollars (USDC counted as dollars): `$12.3M`."""
    if not math.isfinite(value):
        return significant(value)
    size = abs(value)
    sign = "−" if value < 0 else ""
    if size < 1e3:
        return f"{sign}${significant(size, digits)}" if size >= 0.005 else "$0"
    rounded = float(f"{size:.{digits - 1}e}")
    scale, letter = next((s, name) for s, name in SCALES if rounded >= s)
    return f"{sign}${significant(size / scale, digits)}{letter}"


def percent(value: float, digits: int = 3) -> str:
    """A share as a percentage: `0.43 %`. Rounding never turns a possible event into 100 %."""
    if not math.isfinite(value):
        return significant(value)
    size = 100 * abs(value)
    fewer = max(2, digits - 1)  # below one percent a digit less says enough
    text = significant(100 * value, digits)
    if size < 1:
        rounds_up = round(size, fewer) >= 1
        text = significant(math.copysign(1, value) if rounds_up else 100 * value, fewer + rounds_up)
    if 0.999 < value < 1:  # what is missing to certainty is the figure: two digits of it
        missing = math.floor(math.log10(100 * (1 - value)))
        text = f"{100 * value:.{min(1 - missing, 8)}f}"
        text = ">99.99999" if text.startswith("100") else text
    return f"{text}{SPACE}%"


def hours(value: float, digits: int = 3) -> str:
    """A duration given in hours: minutes below one hour, days from two days up."""
    if not math.isfinite(value):
        return significant(value)
    size, unit = (
        (value * 60, "min") if value < 1 else (value, "h") if value < 48 else (value / 24, "days")
    )
    text = f"{size:.0f}" if abs(size - round(size)) < 0.05 else f"{size:.1f}"
    return f"{text}{SPACE}{unit}"


def count(value: float, digits: int = 3) -> str:
    """Things that are counted; a mean of counts keeps its fraction."""
    if not math.isfinite(value):
        return significant(value)
    return f"{value:,.0f}" if float(value).is_integer() else significant(value, digits)


def ratio(value: float, digits: int = 3) -> str:
    """A margin ratio: three decimals, infinity shown as such."""
    return f"{value:.3f}" if math.isfinite(value) else significant(value)


def multiple(value: float, digits: int = 3) -> str:
    """How many times as much: `1.27×`."""
    text = significant(value, digits)
    return text if text == MISSING else f"{text}×"


def per_year(value: float, digits: int = 3) -> str:
    """A yearly rate as a percentage per year."""
    text = percent(value, digits)
    return text if text == MISSING else f"{text} per year"


FORMATS: dict[str, Callable[[float, int], str]] = {
    "USDC": money, "USD": money, "$": money, "1": percent, "": percent, "h": hours,
    "hours": hours, "accounts": count, "paths": count, "rounds": count, "1/year": per_year,
    "times": multiple, "ratio": ratio,
}  # fmt: skip
FACTORS = {
    "system.amplification": "times",
    "system.loss_amplification": "times",
    "system.branching_ratio": "ratio",
}


def metric_unit(metric: str, unit: str) -> str:
    """The unit a system metric is shown in: a factor without a dimension is no percentage."""
    return FACTORS.get(metric, unit) if unit in ("1", "") else unit


def quantity(value: float, unit: str, digits: int = 3) -> str:
    """A number in the words of its unit; an unknown unit is written after the number."""
    if unit in FORMATS:
        return FORMATS[unit](value, digits)
    text = significant(value, digits)
    return text if text == MISSING else f"{text}{SPACE}{unit}"


def digits_for(estimate: Estimate, unit: str) -> int:
    """Significant digits at which the two ends of an interval differ; at most five."""
    for digits in (3, 4):
        if quantity(estimate.low, unit, digits) != quantity(estimate.high, unit, digits):
            return digits
    return 5 if estimate.low < estimate.high else 3


def interval(estimate: Estimate, unit: str) -> str:
    """The 95 % interval, a percentage with one sign; a lone en dash where there is none.

    Where it starts below zero its ends are joined by a word, not by a dash like a minus.
    """
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return MISSING
    digits = digits_for(estimate, unit)
    low, high = (quantity(v, unit, digits) for v in (estimate.low, estimate.high))
    for shared in (f"{SPACE}%", "×"):
        if low.endswith(shared) and high.endswith(shared):
            low = low.removesuffix(shared)
    return f"{low}{' to ' if low.startswith('−') else '–'}{high}"


def value(estimate: Estimate, unit: str) -> str:
    """The point estimate, at the precision of its interval."""
    return quantity(estimate.value, unit, digits_for(estimate, unit))


def below(bound: float) -> str:
    """An upper bound on a probability, rounded up to two digits so that it stays a bound."""
    step = 10.0 ** (math.floor(math.log10(100 * bound)) - 1)
    return percent(math.ceil(100 * bound / step - 1e-9) * step / 100)


def name(identifier: object) -> str:
    """An identifier as a phrase: `btc_looper` becomes `BTC looper`."""
    words = str(identifier).replace("_", " ").split()
    return " ".join(w.upper() if w in TICKERS else w for w in words)


def title(identifier: object) -> str:
    """An identifier as the start of a sentence: `Correlated crash`."""
    phrase = name(identifier)
    return phrase[:1].upper() + phrase[1:]


def moment(text: str) -> str:
    """A time stamp for people: `2026-09-08T04:25:36Z` becomes `2026-09-08 04:25 UTC`."""
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d)[\d:.]*(?:Z|\+00:00)", text)
    return f"{found[1]} {found[2]} UTC" if found else text


def shorten(text: object, length: int = 24) -> str:
    """A long name with its middle left out, on one line, without control characters."""
    line = "".join(c if c.isprintable() else " " for c in str(text))
    if len(line) <= length:
        return line
    tail = (length - 1) // 3
    return f"{line[: length - 1 - tail]}…{line[-tail:]}"
