"""The progress bar of a run."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from stress.merge import Advance


@contextmanager
def progress(console: Console, plan, runs: int = 1) -> Iterator[Advance]:
    """A progress bar on standard error with rate and time left; silent where it is no terminal.

    `runs` campaigns of the plan's size share the bar.
    """
    spec = plan.campaign.spec
    work = len(plan.campaign.book.ids) * plan.campaign.steps
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(
            spec.name, total=spec.paths * len(plan.scenarios) * runs, rate="compiling"
        )
        begun = time.monotonic()

        def advance(blocks: int, paths: int) -> None:
            del blocks
            done = bar.tasks[task].completed + paths
            rate = done * work / max(time.monotonic() - begun, 1e-9)
            bar.update(task, advance=paths, rate=f"{rate:.2g} account-steps/s")

        yield advance


@contextmanager
def steps(console: Console, what: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar of equal steps on standard error; silent where it is no terminal."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f} of {task.total:.0f}"),
        TimeRemainingColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        task = bar.add_task(what, total=total)
        yield lambda: bar.advance(task)
