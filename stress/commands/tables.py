"""Tables and numbers for people, on the terminal."""

import math
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text


def show_table(title: str, headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table to standard output; as wide as it needs to be where that is no terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=200)
    table = Table(title=Text(title), title_justify="left", show_edge=False, pad_edge=False)
    for n, heading in enumerate(headings):
        right = bool(rows) and all(_numeric(row[n]) for row in rows)
        table.add_column(heading, justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))  # as they are: names may hold brackets, rich's markup
    console.print(table)


def _numeric(text: str) -> bool:
    return text[:1] in "-$<0123456789" or text in ("inf", "no cap")


def money(value: float | None) -> str:
    """USDC for people: 12.3M, 4.56k."""
    if value is None or math.isnan(value):
        return "-"
    if math.isinf(value):
        return "inf"
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= size:
            return f"{value / size:,.2f}{letter}"
    return f"{value:,.2f}"


def number(value: float | None) -> str:
    """A count for people; three digits where it is small."""
    if value is None or math.isnan(value):
        return "-"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"


def count(value: float | None) -> str:
    """A large number of paths for people: 32M, 8.6k."""
    if value is None or not math.isfinite(value):
        return "-"
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return f"{float(f'{value / size:.2g}'):,g}{letter}"
    return f"{value:,.0f}"


def percent(value: float | None) -> str:
    """A probability for people."""
    if value is None or math.isnan(value):
        return "-"
    return f"{100 * value:.3g} %"


def ratio(value: float | None) -> str:
    """A margin ratio for people."""
    if value is None or math.isnan(value):
        return "-"
    return "inf" if math.isinf(value) else f"{value:.4f}"


def chance(statistics: Sequence[float]) -> str:
    """A probability however small, with its interval: value, standard error, low, high."""
    value, _, low, high = map(float, statistics)
    if math.isnan(value):
        return "-"
    return f"{value:.3g}  [{low:.3g}, {high:.3g}]"
