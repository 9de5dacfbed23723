"""Options that several commands share."""

from typing import Annotated

import typer

from stress.errors import InputError

Format = Annotated[str, typer.Option("--format", help="table or json", metavar="table|json")]
Setting = Annotated[
    list[str] | None,
    typer.Option("--set", help="key.path=value, may be repeated", metavar="KEY=VALUE"),
]


def checked_format(value: str) -> str:
    """The value of `--format`; InputError for another."""
    if value not in ("table", "json"):
        raise InputError("--format", "", repr(value), "table or json")
    return value
