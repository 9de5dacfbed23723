"""Which candidates to look at: all of a grid, or by halving where feasibility is monotone."""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from stress.decide.tuning.judge import Judge, Judged
from stress.decide.tuning.problem import Problem, Values

ENDS = ("high", "value", "low")  # of intervals: each is halved to its own limit


def search(
    problem: Problem,
    judge: Judge,
    total: Callable[[int], None] = lambda candidates: None,
    folder: Path | None = None,
) -> None:
    """Looks at the candidates that the problem's search asks for; `judge` remembers them.

    Args:
      problem: checked.
      judge: looks.
      total: called with the number of candidates that are to come, as far as it is known.
      folder: of the run, for a journal; None keeps none.
    """
    if problem.spec.search.method == "grid":
        candidates = list(grid(problem))
        total(len(candidates))
        for values in candidates:
            judge(values)
        return
    if problem.spec.search.method == "optuna":
        from stress.decide.tuning.search_optuna import trials

        total(problem.spec.search.trials)
        trials(problem, judge, folder)
        return
    lines = list(_lines(problem))
    total(len(lines) * (2 + len(ENDS) * max(1, math.ceil(math.log2(len(lines[0]))))))
    for line in lines:
        halve(problem, judge, line)


def grid(problem: Problem) -> Iterator[Values]:
    """Every combination of the variables' values."""
    return itertools.product(*(map(float, axis.values) for axis in problem.axes))


def _lines(problem: Problem) -> Iterator[list[Values]]:
    """Candidates along the variable that is halved, one list for each combination of the others."""
    n = _halved(problem)
    others = [axis.values for k, axis in enumerate(problem.axes) if k != n]
    for rest in itertools.product(*others):
        yield line_of(problem, (*rest[:n], np.nan, *rest[n:]))


def line_of(problem: Problem, values: Values) -> list[Values]:
    """Candidates along the variable that is halved, the others as in `values`; ascending."""
    n = _halved(problem)
    line = problem.axes[n].values
    return [tuple(map(float, (*values[:n], value, *values[n + 1 :]))) for value in line]


def _halved(problem: Problem) -> int:
    names = [axis.name for axis in problem.axes]
    return names.index(problem.spec.search.along or names[0])


def halve(problem: Problem, judge: Judge, line: list[Values], ends: Sequence[str] = ENDS) -> None:
    """Looks for where the limits are reached along a line, and at little else.

    Three places are found: where the upper bounds reach a limit, which decides, and where the
    estimates and the lower bounds do, which tell how sure it is. Each needs that there is one.

    Args:
      problem: checked.
      judge: looks.
      line: candidates in ascending order of one variable.
      ends: of the intervals, whose places are sought.
    """
    outer = judge(line[0]), judge(line[-1])
    for end in ends:
        first, last = (_keeps(problem, one, end) for one in outer)
        if first == last:
            continue  # every candidate keeps the limits, or none does
        low, high = 0, len(line) - 1
        while high - low > 1:
            middle = (low + high) // 2
            same = _keeps(problem, judge(line[middle]), end) == first
            low, high = (middle, high) if same else (low, middle)


def _keeps(problem: Problem, one: Judged, end: str) -> bool:
    return one.feasible if end == "high" else one.keeps(problem.requirements, end)
