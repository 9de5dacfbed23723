"""Where the blocks of a run are computed and kept, as the options of the command say."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stress.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Where:
    """Options of `run`; None where they were not given."""

    threads: int | None = None  # in this process
    store: str | None = None  # folder or URL of the blocks

    def check(self) -> None:
        """Refuses values that cannot be meant.

        Errors:
          InputError naming the option.
        """
        if self.threads is not None and self.threads < 1:
            allowed = "a whole number of threads from 1"
            raise InputError("--threads", "", str(self.threads), allowed)


def compute(
    plan,
    where: Where,
    folder: Path,
    identity: dict[str, Any],
    advance: Callable[[int, int], None],
    say: Callable[[str], None],
    check: Callable[[], object],
) -> tuple[dict[str, Any], dict[str, int]]:
    """Computes every block that the store does not hold.

    Args:
      plan: the campaign, built.
      where: the options.
      folder: the run directory.
      identity: what must be the same for blocks to be of one run.
      advance: called with (blocks, paths) that a finished block adds.
      say: called with a sentence about what went wrong and was mended.
      check: raises where this machine computes wrong numbers.

    Returns:
      Totals of every scenario; `workers` and `threads` of each, for the manifest.
    """
    from stress.block_store import open_blocks
    from stress.campaign import run_blocks

    store = where.store or str(folder / "blocks.zarr")
    open_blocks(store, identity)
    threads = where.threads or os.cpu_count() or 1
    totals = run_blocks(plan, store, threads, advance, say, check)
    return totals, {"workers": 1, "threads": threads}
