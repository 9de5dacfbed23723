"""Reading and writing books: JSON, parquet, and population specs.

What stands in a file is checked twice: its shape here, its sense in `stress.book_check`.
"""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stress.book import Book
from stress.book_check import book_from_table, by_account_id
from stress.book_schema import BookFile, Position, Price
from stress.book_table import BookTable, Entries, Positions, table_from_book
from stress.errors import InputError
from stress.files import config_dir, read_json, read_yaml, validate
from stress.venue_files import VenueBook, load_venue


def load_book(
    ref: str | Path | Mapping[str, Any],
    *,
    venue: VenueBook | None = None,
    base: str | Path | None = None,
) -> Book:
    """Loads a book.

    Args:
      ref: `books/<name>` of the shipped configurations, a path to `.json`, `.parquet` or a
        population spec `.yaml`, or the content of a book or spec itself.
      venue: rule book to check against; None takes the one that the book names.
      base: folder that a relative path starts from; None is the working folder.

    Returns:
      The book.

    Errors:
      Raises InputError for whatever cannot be used, with file, account id and key.
    """
    if isinstance(ref, Mapping):
        return _from_document(dict(ref), "book", "inline", venue)
    path = _locate(str(ref), Path(base) if base is not None else Path())
    if path.suffix == ".parquet":
        from stress.book_parquet import read_parquet

        table = read_parquet(path)
        return book_from_table(table, _venue(venue, table.venue, path), path)
    data = read_json(path) if path.suffix == ".json" else read_yaml(path)
    return _from_document(data, path, path.stem, venue)


def save_book(book: Book, path: str | Path) -> None:
    """Writes a book, whole or not at all; `load_book` reads it back with the same digest.

    Args:
      book: a book.
      path: `.json` or `.parquet`.

    Errors:
      Raises InputError for another ending or a folder that cannot be written.
    """
    path = Path(path)
    part = path.with_name(path.name + ".part")
    try:
        if path.suffix == ".json":
            part.write_text(json.dumps(book_document(book), indent=1) + "\n", encoding="utf-8")
        elif path.suffix == ".parquet":
            from stress.book_parquet import write_parquet

            write_parquet(table_from_book(book), part)
        else:
            raise InputError(path, "", f"the ending {path.suffix!r}", ".json or .parquet")
        part.replace(path)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise InputError(path, "", f"an unwritable file ({reason})", "a writable folder") from None
    finally:
        part.unlink(missing_ok=True)


def book_document(book: Book) -> dict[str, Any]:
    """The JSON document of a book; optional parts that are empty are left out."""
    table = table_from_book(book)
    accounts: list[dict[str, Any]] = [
        {"id": i, "mode": mode, "group": group, "balances": {}, "supplied": {}, "positions": []}
        for i, mode, group in zip(
            table.ids.tolist(), table.modes.tolist(), table.groups.tolist(), strict=True
        )
    ]
    for key in ("balances", "supplied"):
        entries: Entries = getattr(table, key)
        for u, name, amount in zip(
            entries.account.tolist(), entries.name.tolist(), entries.amount.tolist(), strict=True
        ):
            accounts[u][key][name] = amount
    keys = tuple(Position.model_fields)
    columns = [getattr(table.positions, key).tolist() for key in keys]
    for u, *row in zip(table.positions.account.tolist(), *columns, strict=True):
        entry = {k: v for k, v in zip(keys, row, strict=True) if not _missing(v)}
        accounts[u]["positions"].append(entry)
    for account in accounts:
        if account["id"] in table.reported:
            account["reported"] = table.reported[account["id"]]
    document: dict[str, Any] = {
        "name": table.name,
        "as_of": table.as_of,
        "venue": table.venue,
        "prices": {
            name: mark if mark == oracle else {"mark": mark, "oracle": oracle}
            for name, (mark, oracle) in table.prices.items()
        },
        "reserves": {
            name: {"supplied": supplied, "borrowed": borrowed}
            for name, (supplied, borrowed) in table.reserves.items()
        },
        "settle": table.settle,
        "margin_tables": {k: [list(t) for t in tiers] for k, tiers in table.margin_tables.items()},
        "accounts": accounts,
    }
    return {k: v for k, v in document.items() if k not in ("settle", "margin_tables") or v}


def table_from_document(data: object, file: object, name: str) -> BookTable:
    """Columns of a book's JSON document.

    Args:
      data: the document.
      file: named in messages.
      name: of the book where the document gives none.

    Returns:
      Columns in the document's order.

    Errors:
      Raises InputError for the first key that is unknown, missing or of another type.
    """
    entries = data.get("accounts") if isinstance(data, Mapping) else None
    ids = [a.get("id") if isinstance(a, Mapping) else None for a in entries or []]
    if isinstance(entries, list) and not entries:
        raise InputError(file, "accounts", "an empty book", "at least one account")
    try:
        book = validate(BookFile, data, file)
    except InputError as error:
        raise by_account_id(error, ids) from None
    accounts = book.accounts
    return BookTable(
        name=book.name or name,
        as_of=book.as_of,
        venue=book.venue,
        prices={
            k: (p.mark, p.oracle) if isinstance(p, Price) else (p, p)
            for k, p in book.prices.items()
        },
        reserves={k: (r.supplied, r.borrowed) for k, r in book.reserves.items()},
        settle=book.settle,
        margin_tables={k: tuple(tiers) for k, tiers in book.margin_tables.items()},
        ids=np.array([a.id for a in accounts], dtype=str),
        modes=np.array([a.mode for a in accounts], dtype=str),
        groups=np.array([a.group or a.mode for a in accounts], dtype=str),
        balances=_entries([a.balances for a in accounts]),
        supplied=_entries([a.supplied for a in accounts]),
        positions=_positions([a.positions for a in accounts]),
        reported={a.id: a.reported.model_dump(exclude_none=True) for a in accounts if a.reported},
    )


def _from_document(data: Any, file: object, name: str, venue: VenueBook | None) -> Book:
    if isinstance(data, Mapping) and "population" in data:
        from stress.synth import build_book

        return build_book(data, file, venue=venue)
    table = table_from_document(data, file, name)
    return book_from_table(table, _venue(venue, table.venue, file), file)


def _venue(venue: VenueBook | None, name: str, file: object) -> VenueBook:
    if venue is not None:
        return venue
    try:
        return load_venue(name)
    except InputError as error:
        raise InputError(file, "venue", repr(name), error.allowed) from None


def _locate(ref: str, base: Path) -> Path:
    """File of a reference: `books/<name>` without an ending is a shipped one."""
    endings = (".json", ".parquet", ".yaml")
    if ref.startswith("books/") and Path(ref).suffix not in endings:
        folder = config_dir() / "books"
        for ending in endings:
            if (folder / f"{ref[6:]}{ending}").is_file():
                return folder / f"{ref[6:]}{ending}"
        names = sorted({f"books/{f.stem}" for f in folder.glob("*.*") if f.suffix in endings})
        raise InputError(ref, "", "no such book", f"{', '.join(names)}, or a path")
    path = base / ref
    if path.suffix not in (*endings, ".yml"):
        raise InputError(path, "", f"the ending {path.suffix!r}", ", ".join(endings))
    return path


def _missing(value: Any) -> bool:
    return isinstance(value, float) and math.isnan(value)


def _entries(parts: list[dict[str, float]]) -> Entries:
    rows = [(u, name, amount) for u, part in enumerate(parts) for name, amount in part.items()]
    account, name, amount = zip(*rows, strict=True) if rows else ((), (), ())
    return Entries(
        account=np.array(account, dtype=int),
        name=np.array(name, dtype=str),
        amount=np.array(amount, dtype=float),
    )


def _positions(parts: list[list[Position]]) -> Positions:
    rows = [(u, position) for u, part in enumerate(parts) for position in part]
    columns: dict[str, np.ndarray] = {"account": np.array([u for u, _ in rows], dtype=int)}
    for key in Position.model_fields:
        kind = str if key in ("market", "margin") else float
        values = [getattr(position, key) for _, position in rows]
        columns[key] = np.array([np.nan if v is None else v for v in values], dtype=kind)
    return Positions(**columns)
