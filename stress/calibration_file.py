"""Calibration files: fitted figures that scenarios name, checked when they are asked for."""

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from stress.errors import InputError
from stress.files import read_yaml, suggest
from stress.validation import describe


@dataclass(frozen=True)
class Calibration:
    """A file of fitted figures, for instance configs/calibration/prices.yaml."""

    file: Path
    data: dict[str, Any]

    def at(self, key: str) -> Any:
        """What stands at a key path such as `correlation.common`.

        Errors:
          InputError naming the file and the first part of the path that is missing.
        """
        node: Any = self.data
        parts = key.split(".")
        for n, part in enumerate(parts):
            if not isinstance(node, dict) or part not in node:
                there = list(map(str, node)) if isinstance(node, dict) else []
                allowed = f"what a scenario reads here; there are {suggest(part, there)}"
                raise InputError(self.file, ".".join(parts[: n + 1]), "nothing", allowed)
            node = node[part]
        return node

    def number(self, key: str) -> float:
        """A figure, written as a number or as a mapping with `value`."""
        node = self.at(key)
        if isinstance(node, dict):
            key, node = f"{key}.value", self.at(f"{key}.value")
        if isinstance(node, bool) or not isinstance(node, int | float) or not math.isfinite(node):
            raise InputError(self.file, key, describe(node), "a number")
        return float(node)


def load_calibration(file: Path) -> Calibration:
    """Reads a calibration file, or gives what was read as long as the file stays as it was.

    Every scenario of a campaign reads the same few files, and each takes a tenth of a second.

    Errors:
      InputError where it cannot be read.
    """
    try:
        facts = file.stat()
    except OSError:
        return Calibration(file, read_yaml(file))  # says what is wrong
    return _read(file, facts.st_mtime_ns, facts.st_size)


@lru_cache(maxsize=32)
def _read(file: Path, modified: int, size: int) -> Calibration:
    """The file as it was at that time."""
    return Calibration(file, read_yaml(file))
