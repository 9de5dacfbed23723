"""Lanes: the paths of a tile that are played side by side; the others wait for their turn.

Where XLA takes a loop as one program (`stress.environment.loops_are_programs`) a path is best
played alone: starting an operation costs nothing there, what the path holds stays in the cache, and
a path does only what it needs itself. Elsewhere an operation is started for all paths of a tile at
once. What a path comes to is the same but for rounding.
"""

import jax

from stress.environment import loops_are_programs


def lanes_here(paths: int) -> int:
    """How many of a tile's paths are best played side by side on this machine."""
    return 1 if loops_are_programs() and jax.default_backend() == "cpu" else paths
