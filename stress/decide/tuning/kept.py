"""Candidates that were looked at, kept in files, so that an interrupted search goes on."""

import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from stress.decide.tuning.evaluate import Evaluator, Outcome
from stress.decide.tuning.problem import Values
from stress.files import canonical_digest
from stress.store import write_atomically

Say = Callable[[str], None]
SEPARATOR = "|"  # between scenario and measure; no name holds it


class Kept:
    """Outcomes of one evaluator, by candidate; in a folder, or in memory alone.

    Args:
      evaluator: looks at what is not there.
      folder: of the files; None keeps nothing on disk.
      say: called with a sentence about a damaged file.
      advance: called after every candidate, with whether it was found.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        folder: Path | None = None,
        say: Say = lambda sentence: None,
        advance: Callable[[bool], None] = lambda found: None,
    ) -> None:
        self.evaluator, self.folder, self.say, self.advance = evaluator, folder, say, advance
        self.outcomes: dict[Values, Outcome] = {}  # in the order in which they were asked for

    def look(self, values: Values) -> Outcome:
        """The outcome of a candidate; each is computed once."""
        key = tuple(float(v) for v in values)
        if key not in self.outcomes:
            outcome = self._read(key)
            found = outcome is not None
            if outcome is None:
                outcome = self.evaluator.look(key)
                self._write(key, outcome)
            self.outcomes[key] = outcome
            self.advance(found)
        return self.outcomes[key]

    def _place(self, values: Values) -> Path | None:
        if self.folder is None:
            return None
        own = {"values": list(values), "seed": self.evaluator.seed, "paths": self.evaluator.paths}
        return self.folder / f"{canonical_digest(own)[:32]}.npz"

    def _write(self, values: Values, outcome: Outcome) -> None:
        path = self._place(values)
        if path is None:
            return
        told = {
            "standing": outcome.standing,
            "failed": outcome.failed,
            "flagged": outcome.flagged,
        }
        arrays: dict[str, Any] = {SEPARATOR.join(k): series for k, series in outcome.losses.items()}
        buffer = io.BytesIO()
        np.savez_compressed(buffer, told=np.array(json.dumps(told)), **arrays)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, buffer.getvalue())

    def _read(self, values: Values) -> Outcome | None:
        path = self._place(values)
        if path is None or not path.exists():
            return None
        try:
            with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                told = json.loads(str(file["told"]))
                names = [name for name in file.files if name != "told"]
                losses = {tuple(name.split(SEPARATOR)): file[name] for name in names}
        except (OSError, ValueError, KeyError, zipfile.BadZipFile, EOFError):
            self.say(f"{path.name} is damaged; its candidate is computed again.")
            return None
        return Outcome(losses=losses, **told)
