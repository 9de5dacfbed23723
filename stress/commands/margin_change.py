"""`hyperstress margin BOOK --venue NEW --against OLD`: a change of rules on a book as it stands."""

import dataclasses
import json

import typer

from stress.commands.margin import finite, prices_of
from stress.commands.tables import money, ratio, show_table
from stress.commands.venue import text

MOST = 20  # accounts that a table lists; JSON has all


def margin_change_command(
    ref: str, new: str | None, old: str, prices: list[str], format: str
) -> None:
    """Prints who becomes liquidatable by a change of rules; exit code 1 where somebody does."""
    from stress.book_io import load_book
    from stress.compile_cache import keep_programs
    from stress.margin_change import dry_run
    from stress.venue_files import load_venue

    keep_programs()
    book = load_book(ref)
    rules = load_venue(new or book.venue)
    found = dry_run(book, rules, load_venue(old), prices=prices_of(prices))
    if format == "json":
        print(json.dumps(finite(dataclasses.asdict(found)), indent=1))
    else:
        _show(found, book.name)
    if any(one.accounts or one.worse for one in found.applications):
        raise typer.Exit(1)


def _show(found, book: str) -> None:
    title = f"{found.before} -> {found.after}: rules that change"
    show_table(
        title,
        ["rules", "key", "before", "after", "unit"],
        [
            [group, c.key, text(c.before), text(c.after), c.unit]
            for group, changes in found.changes.items()
            for c in changes
        ],
    )
    rows = [
        [a.name, str(a.accounts), money(a.notional), money(a.loan), money(a.shortfall),
         str(a.worse), str(a.cured)]
        for a in found.applications
    ]  # fmt: skip
    show_table(
        f"{book} at today's prices, {found.liquidatable_before} accounts liquidatable before the "
        "change; liquidatable by the change itself, USDC",
        ["applied", "accounts", "notional", "loans", "shortfall", "worse off", "cured"],
        rows,
    )
    listed: set[tuple[str, str]] = set()
    for one in found.applications:
        own = [m for m in one.moved if (m.id, m.part) not in listed]
        listed |= {(m.id, m.part) for m in own}
        if own:
            _show_moved(one.name, own)
    print(_verdict(found))


def _show_moved(name: str, moved: list) -> None:
    """Accounts that no application before this one has moved."""
    rows = [
        [m.id, m.part, m.group, ratio(m.ratio_before), ratio(m.ratio_after),
         f"{m.status_before} -> {m.status_after}", money(m.notional), money(m.loan),
         money(m.shortfall)]
        for m in moved[:MOST]
    ]  # fmt: skip
    more = len(moved) - MOST
    rest = f"; {more:,} more with --format json" if more > 0 else ""
    heads = ["account", "margins", "group", "ratio before", "after", "status", "notional",
             "loan", "shortfall"]  # fmt: skip
    show_table(f"Applied {name}{rest}", heads, rows)


def _verdict(found) -> str:
    """One sentence: is the change safe to put in force now, at once and in pieces."""
    bad = [a for a in found.applications if a.accounts or a.worse]
    if not found.changes:
        return "The two rule books do not differ."
    if not bad:
        return "The change itself makes nobody liquidatable, at once or in pieces."
    if bad[0].name != "all at once":
        names = ", ".join(a.name for a in bad)
        return f"Safe at once, not in pieces: applied {names} it makes accounts liquidatable."
    first = bad[0]
    return (
        f"Not safe: at once it makes {first.accounts} accounts liquidatable "
        f"({money(first.notional)} of perpetuals, {money(first.loan)} of loans) that lack "
        f"{money(first.shortfall)} USDC, and {first.worse} that already were worse off."
    )
