"""`hyperstress validate`."""

import json
import math
import sys
import time
from pathlib import Path

import typer
from rich.console import Console

from stress.commands.tables import show_table
from stress.errors import InputError
from stress.store import write_atomically


def validate_command(quick: bool, format: str, out: Path | None) -> None:
    """Runs the suite; exit code 1 where a check fails."""
    from stress.compile_cache import keep_programs
    from stress.validate.suite import checks

    if out is not None and not out.parent.is_dir():
        raise InputError(
            "--out", "", f"no folder {str(out.parent)!r}", "a file in a folder there is"
        )
    keep_programs()
    console, began, found = Console(stderr=True), time.monotonic(), []
    with console.status("validating") if console.is_terminal else _silent() as status:
        for check in checks(quick):
            found.append(check)
            if status is not None:
                status.update(f"{len(found)} checks, {check.name}")
    wall = time.monotonic() - began
    failed = [check for check in found if not check.passed]
    document = {
        "checks": [check.row() for check in found],
        "failed": len(failed),
        "seconds": round(wall, 1),
        "quick": quick,
    }
    text = json.dumps(document, indent=1, allow_nan=False)
    if out is not None:
        write_atomically(out, text.encode())
    if format == "json":
        print(text)
    else:
        _show(found, wall)
    sys.stdout.flush()
    if failed:
        raise typer.Exit(1)


def _show(found: list, wall: float) -> None:
    rows = []
    for check in found:
        z = "-" if math.isnan(check.z) else f"{check.z:.2f}"
        error = "-" if not check.standard_error else f"{check.standard_error:.2g}"
        paths = f"{check.paths:,}" if check.paths else "-"
        rows.append([check.group, check.name, f"{check.value:.7g}", f"{check.exact:.7g}", error, z,
                     paths, "ok" if check.passed else "FAILED"])  # fmt: skip
    heads = ["group", "quantity", "value", "exact", "standard error", "z", "paths", ""]
    show_table("Known values; z: distance in standard errors, within 4", heads, rows)
    failed = sum(not check.passed for check in found)
    print(f"{len(found)} checks, {failed} failed, {wall:.0f} s")


class _silent:
    def __enter__(self):
        return None

    def __exit__(self, *_: object) -> None:
        return None
