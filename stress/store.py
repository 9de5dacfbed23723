"""Run directories that know whose they are, and files written whole or not at all."""

import json
import os
from collections.abc import Callable
from pathlib import Path

from stress.errors import InputError


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    part = path.with_name(f".{path.name}.part{os.getpid()}")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def open_run(
    folder: Path,
    identity: dict[str, object],
    resume: bool,
    before: Callable[[], object] = lambda: None,
) -> None:
    """Prepares a run directory, or checks that the one there is of the same run.

    Args:
      folder: the run directory.
      identity: what must be the same for blocks to be of one run.
      resume: go on with what is there.
      before: called once the folder is found fit, before anything is written there; what it raises
        leaves no run behind.

    Errors:
      InputError where the folder holds another run, or one and `resume` is not set.
    """
    state = folder / "state.json"
    try:
        if state.exists():
            there = _identity(state)
            if not resume and not (folder / "summary.json").exists():
                raise InputError(folder, "", "an unfinished run", "another --out, or --resume")
            changed = [key for key in identity if there.get(key) != identity[key]]
            if resume and changed:
                found = f"a run with another {', '.join(changed)}"
                raise InputError(folder, "", found, "the same campaign, or another --out")
            if not resume:
                raise InputError(folder, "", "a finished run", "another --out, or --resume")
            before()
            return
        if resume:
            raise InputError(folder, "", "no run to resume", "a folder that `run` has begun")
        if folder.exists() and any(folder.iterdir()):
            raise InputError(folder, "", "a folder with other files", "a new or an empty folder")
        before()
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(state, json.dumps(identity, indent=1).encode())
    except OSError as error:
        found = f"a place that cannot be written ({(error.strerror or str(error)).lower()})"
        raise InputError(folder, "", found, "a new or an empty folder") from None


def _identity(state: Path) -> dict[str, object]:
    """What the run that a folder holds says of itself."""
    try:
        there = json.loads(state.read_text(encoding="utf-8"))
    except ValueError:
        there = None
    if not isinstance(there, dict):
        raise InputError(state, "", "a file that no run wrote", "another --out")
    return there
