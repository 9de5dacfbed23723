"""`hyperstress venue`: list, show and compare dated rule books."""

import json
import math
from typing import Any

from stress.commands.tables import show_table
from stress.venue_files import diff_venues, list_venues, load_venue


def list_command() -> None:
    """Names of the shipped rule books with what each changed."""
    rows = [[name, load_venue(name).description] for name in list_venues()]
    show_table("Rule books", ["name", "what it is"], rows)


def show_command(ref: str, format: str) -> None:
    """Every constant and assumption with unit, source and date."""
    book = load_venue(ref)
    if format == "json":
        constants = {
            key: {**vars(c), "as_of": str(c.as_of), "value": plain(c.value)}
            for key, c in book.constants.items()
        }
        print(
            json.dumps(
                {"name": book.name, "date": str(book.date), "constants": constants}, indent=1
            )
        )
        return
    rows = [[k, text(c.value), c.unit, c.source, str(c.as_of)] for k, c in book.constants.items()]
    show_table(
        f"{book.name}: {book.description}", ["key", "value", "unit", "source", "as of"], rows
    )


def diff_command(before: str, after: str, format: str) -> None:
    """Changes between two rule books."""
    changes = diff_venues(load_venue(before), load_venue(after))
    if format == "json":
        rows = [vars(c) | {"before": plain(c.before), "after": plain(c.after)} for c in changes]
        print(json.dumps(rows, indent=1))
        return
    rows = [[c.key, text(c.before), text(c.after), c.unit, c.kind] for c in changes]
    show_table(f"{before} -> {after}", ["key", "before", "after", "unit", "change"], rows)


def plain(value: Any) -> Any:
    """A constant's value for JSON; an absent cap is null."""
    if isinstance(value, float) and math.isinf(value):
        return None
    return value


def text(value: Any) -> str:
    """A constant's value for people."""
    if value is None:
        return "-"
    if isinstance(value, float) and math.isinf(value):
        return "no cap"
    if isinstance(value, float | int) and not isinstance(value, bool):
        return f"{value:,.10g}"
    return str(value)
