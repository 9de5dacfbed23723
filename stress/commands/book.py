"""`hyperstress book`: import, synth, show."""

import json
from pathlib import Path

import numpy as np

from stress.commands.tables import money, show_table
from stress.errors import InputError


def _check_out(out: Path) -> None:
    if out.suffix not in (".json", ".parquet"):
        raise InputError(out, "--out", repr(out.suffix), ".json or .parquet")


def import_command(folder: Path, out: Path, venue: str | None) -> None:
    """Recorded answers of the venue's API -> book."""
    from stress.book_import import import_book
    from stress.book_io import save_book

    _check_out(out)
    book = import_book(folder, venue=venue)
    save_book(book, out)
    print(f"{out}: {len(book.ids)} accounts, {book.as_of}, rules {book.venue}")


def synth_command(spec: str, out: Path) -> None:
    """Population spec -> book."""
    from stress.book_io import load_book, save_book

    _check_out(out)
    book = load_book(spec)
    save_book(book, out)
    print(f"{out}: {len(book.ids)} accounts, rules {book.venue}")


def show_command(ref: str, format: str) -> None:
    """Groups, totals and reserves of a book."""
    from stress.book import group_names
    from stress.book_io import load_book
    from stress.margin_state import margin_states
    from stress.venue_files import load_venue

    book = load_book(ref)
    states = margin_states(book, load_venue(book.venue))
    ratios = np.array([s.portfolio_margin_ratio for s in states])
    rows = []
    for group in ["all", *group_names(book)]:
        member = np.flatnonzero((book.groups == group) | (group == "all"))
        chosen = [states[i] for i in member]
        rows.append(
            {
                "group": group,
                "accounts": len(chosen),
                "equity": sum(s.equity + s.collateral_value for s in chosen),
                "collateral": sum(s.collateral_value for s in chosen),
                "loans": sum(s.loan for s in chosen),
                "lent": sum(s.idle_supply for s in chosen),
                "notional": sum(s.notional + sum(i.notional for i in s.isolated) for s in chosen),
                "median_ratio": float(np.median(ratios[member])),
                "greatest_ratio": float(ratios[member].max()),
            }
        )
    reserves = {t: {"supplied": a, "borrowed": b} for t, (a, b) in book.reserves.items()}
    if format == "json":
        head = {"name": book.name, "as_of": book.as_of, "venue": book.venue, "digest": book.digest}
        print(json.dumps({**head, "groups": rows, "reserves": reserves}, indent=1, default=str))
        return
    keys = list(rows[0])
    text = [
        [str(r["group"]), str(r["accounts"]), *(money(r[k]) for k in keys[2:7]),
         *(f"{r[k]:.3f}" for k in keys[7:])]
        for r in rows
    ]  # fmt: skip
    show_table(f"{book.name}, {book.as_of}, rules {book.venue} (USDC)", keys, text)
    pools = [[t, money(r["supplied"]), money(r["borrowed"])] for t, r in reserves.items()]
    show_table("Reserves (tokens)", ["token", "supplied", "borrowed"], pools)
