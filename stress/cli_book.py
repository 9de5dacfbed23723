"""The commands `hyperstress book` and `hyperstress venue`."""

from pathlib import Path
from typing import Annotated

import typer

from stress.cli_options import Format, checked_format

book_app = typer.Typer(
    help="Books: import recorded answers, synthesise, show.", no_args_is_help=True
)
venue_app = typer.Typer(help="The dated rule books.", no_args_is_help=True)


@book_app.command("import")
def book_import(
    folder: Annotated[Path, typer.Argument(help="recorded answers, or a folder per account")],
    out: Annotated[Path, typer.Option(help=".json or .parquet")],
    venue: Annotated[str | None, typer.Option(help="rule book [in force at the time]")] = None,
) -> None:
    """Recorded answers of the venue's API -> book."""
    from stress.commands.book import import_command

    import_command(folder, out, venue)


@book_app.command("synth")
def book_synth(
    spec: Annotated[str, typer.Argument(help="population spec, or a shipped books/<name>")],
    out: Annotated[Path, typer.Option(help=".json or .parquet")],
) -> None:
    """Population spec -> book."""
    from stress.commands.book import synth_command

    synth_command(spec, out)


@book_app.command("show")
def book_show(book: Annotated[str, typer.Argument()], format: Format = "table") -> None:
    """Groups and totals of a book."""
    from stress.commands.book import show_command

    show_command(book, checked_format(format))


@venue_app.command("list")
def venue_list() -> None:
    """The shipped rule books."""
    from stress.commands.venue import list_command

    list_command()


@venue_app.command("show")
def venue_show(date: Annotated[str, typer.Argument()], format: Format = "table") -> None:
    """Every constant of a rule book with its source."""
    from stress.commands.venue import show_command

    show_command(date, checked_format(format))


@venue_app.command("diff")
def venue_diff(
    before: Annotated[str, typer.Argument()],
    after: Annotated[str, typer.Argument()],
    format: Format = "table",
) -> None:
    """What changed between two rule books."""
    from stress.commands.venue import diff_command

    diff_command(before, after, checked_format(format))
