"""The blocks of a run on disk: written whole or not at all, with a receipt, found again by index.

A block is `blocks/<scenario>/<index>.npz`; its receipt `<index>.sha256` is written after the data.
A block without a receipt, or one that does not match it, does not exist and is computed again.
"""

import hashlib
import io
import json
import os
from pathlib import Path

import numpy as np

from stress.errors import InputError

Arrays = dict[str, np.ndarray]


def write_atomically(path: Path, data: bytes) -> None:
    """Writes a file whole or not at all."""
    part = path.with_name(f".{path.name}.part{os.getpid()}")
    with part.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def save_block(folder: Path, scenario: str, index: int, arrays: Arrays) -> None:
    """Commits one block: data, then receipt."""
    place = folder / "blocks" / scenario
    place.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    data = buffer.getvalue()
    write_atomically(place / f"{index}.npz", data)
    write_atomically(place / f"{index}.sha256", hashlib.sha256(data).hexdigest().encode())


def load_block(folder: Path, scenario: str, index: int) -> tuple[Arrays | None, str]:
    """Reads one block.

    Returns:
      (arrays, "") or (None, why): why is "" where there is none, a sentence where it is damaged.
    """
    place = folder / "blocks" / scenario
    data_path, receipt = place / f"{index}.npz", place / f"{index}.sha256"
    if not data_path.exists() or not receipt.exists():
        return None, ""
    data = data_path.read_bytes()
    if hashlib.sha256(data).hexdigest() != receipt.read_text(errors="replace").strip():
        return None, f"{data_path}: does not match its receipt; computed again"
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}, ""


def open_run(folder: Path, identity: dict[str, object], resume: bool) -> None:
    """Prepares a run directory, or checks that the one there is of the same run.

    Args:
      folder: the run directory.
      identity: what must be the same for blocks to be of one run.
      resume: go on with what is there.

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
            return
        if resume:
            raise InputError(folder, "", "no run to resume", "a folder that `run` has begun")
        if folder.exists() and any(folder.iterdir()):
            raise InputError(folder, "", "a folder with other files", "a new or an empty folder")
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
