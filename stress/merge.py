"""Blocks of a run merged by index: whoever computed them, and in whatever order they come."""

import threading
from collections.abc import Callable, Iterable

from stress.block_store import load_block
from stress.totals import Arrays, Totals

Advance = Callable[[int, int], None]  # called with (blocks, paths) that a finished block adds
Say = Callable[[str], None]  # called with a sentence about what went wrong and was mended


class Merge:
    """Totals of every scenario of a run, in the making; threads may add to it at once.

    Args:
      scenarios: their names.
      paths: of a scenario.
      block: paths of a block.
      advance: called for every block.
    """

    def __init__(self, scenarios: Iterable[str], paths: int, block: int, advance: Advance) -> None:
        self.totals = {name: Totals(paths) for name in scenarios}
        self._block, self._advance, self._lock = block, advance, threading.Lock()

    def add(self, scenario: str, index: int, arrays: Arrays) -> None:
        """Merges one block."""
        with self._lock:
            self.totals[scenario].merge(index, index * self._block, arrays)
            self._advance(1, len(arrays["path.status"]))

    def missing(self, store: str | None, blocks: int, say: Say) -> list[tuple[str, int]]:
        """Merges what a store holds.

        Args:
          store: folder or URL of finished blocks; None holds none.
          blocks: of a scenario.
          say: called with a sentence about a damaged block.

        Returns:
          (scenario, index) of every block that is not there, or is damaged, in order.
        """
        left = []
        for name in self.totals:
            for index in range(blocks):
                arrays, why = load_block(store, name, index) if store else (None, "")
                if why:
                    say(why)
                if arrays is None:
                    left.append((name, index))
                else:
                    self.add(name, index, arrays)
        return left
