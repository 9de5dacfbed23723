"""Search over many variables by Optuna: two objectives, every limit a constraint.

The studies are replayed from their first trial with the same seed; what was looked at before an
interruption comes from its files, so a search that was interrupted ends as one that was not. The
journal is there for Optuna's own tools.
"""

from pathlib import Path

import optuna
from optuna.samplers import NSGAIISampler, TPESampler
from optuna.storages import InMemoryStorage, JournalStorage
from optuna.storages.journal import JournalFileBackend

from stress.decide.tuning.judge import Judge
from stress.decide.tuning.problem import Problem

UNKNOWN = 1e9  # usage of a limit where the bound is not known
JOURNAL = "optuna.journal"


def trials(problem: Problem, judge: Judge, folder: Path | None = None) -> None:
    """Looks at as many candidates as the problem's search has trials; `judge` remembers them.

    The objective is to grow, and the greatest share of a limit that an upper bound uses to shrink.

    Args:
      problem: checked.
      judge: looks.
      folder: of the journal; None keeps none.
    """
    search = problem.spec.search
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    storage = InMemoryStorage()
    if folder is not None:
        (folder / JOURNAL).unlink(missing_ok=True)
        storage = JournalStorage(JournalFileBackend(str(folder / JOURNAL)))
    sampler = (
        NSGAIISampler(seed=search.seed, population_size=max(8, min(50, search.trials // 4)))
        if search.sampler == "nsga2"
        else TPESampler(seed=search.seed)
    )
    study = optuna.create_study(
        study_name=problem.spec.name,
        storage=storage,
        sampler=sampler,
        directions=["maximize", "minimize"],
    )

    def one(trial: optuna.Trial) -> tuple[float, float]:
        values = tuple(
            float(axis.values[trial.suggest_int(axis.name, 0, len(axis.values) - 1)])
            for axis in problem.axes
        )
        found = judge(values)
        for requirement, risk in zip(problem.requirements, found.risks, strict=True):
            share = float(risk.high) / requirement.at_most
            trial.set_constraint(requirement.name, share - 1 if share < UNKNOWN else UNKNOWN)
        for axis, value in zip(problem.axes, values, strict=True):
            trial.set_user_attr(axis.name, value)
        return found.objective, min(found.usage, UNKNOWN)

    study.optimize(one, n_trials=search.trials, n_jobs=1)
