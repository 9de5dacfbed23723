"""From a tuning problem to its dataset: search, fresh seeds, choice."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from stress.decide.tuning.choose import choose
from stress.decide.tuning.dataset import build
from stress.decide.tuning.evaluate import Evaluator
from stress.decide.tuning.judge import Judge
from stress.decide.tuning.kept import Kept, Say
from stress.decide.tuning.problem import Problem
from stress.decide.tuning.search import search
from stress.errors import InputError


def tune(
    problem: Problem,
    folder: Path | None = None,
    threads: int = 1,
    say: Say = lambda sentence: None,
    advance: Callable[[bool], None] = lambda found: None,
    total: Callable[[int], None] = lambda candidates: None,
    facts: Callable[[], dict[str, Any]] = dict,
) -> xr.Dataset:
    """Searches, checks and chooses.

    Args:
      problem: checked.
      folder: where candidates are kept; None keeps them in memory.
      threads: results do not depend on it.
      say: called with a sentence about what happens.
      advance: called after every candidate, with whether it was found in the folder.
      total: called with the number of candidates to come, as far as it is known.
      facts: called at the end: where the numbers come from.

    Returns:
      The dataset, see `stress.decide.tuning.dataset.build`.

    Errors:
      InputError where the book has no portfolio account with collateral; KeyboardInterrupt passes
      through, finished candidates are kept.
    """
    place = None if folder is None else folder / "candidates"
    seed, paths = problem.campaign.spec.seed, problem.campaign.spec.paths
    first = Evaluator(problem, seed, paths, threads)
    if not np.isfinite(first.make(problem.today)[1]["capital_efficiency"]):
        found = "no portfolio account with collateral"
        raise InputError(problem.file, "campaign", f"a book with {found}", "one that has some")
    judge = Judge(problem, Kept(first, place, say, advance))
    search(problem, judge, total, folder)
    say("The best candidates run on fresh seeds.")
    again = Evaluator(problem, problem.fresh_seed, problem.fresh_paths, threads)
    fresh = Judge(problem, Kept(again, place, say, advance))
    choice = choose(problem, judge, fresh)
    return build(problem, judge, fresh, choice, facts())
