"""A candidate judged: its objective, its risks with their bounds, whether it keeps the limits."""

from dataclasses import dataclass

import numpy as np

from stress.decide.tuning.bounds import risk_estimate
from stress.decide.tuning.evaluate import Outcome
from stress.decide.tuning.kept import Kept
from stress.decide.tuning.problem import Problem, Requirement, Values
from stress.estimate import Estimate


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A candidate with its figures on one set of random numbers."""

    values: Values
    outcome: Outcome
    objective: float
    risks: tuple[Estimate, ...]  # one per requirement, with one-sided bounds at either end
    usage: float  # greatest upper bound over its limit; inf where a bound is unknown
    broken: tuple[bool, ...]  # per requirement, whether it is not shown to hold

    @property
    def feasible(self) -> bool:
        """Whether every requirement is shown to hold."""
        return not any(self.broken)

    def keeps(self, requirements: tuple[Requirement, ...], end: str) -> bool:
        """Whether an end of every interval keeps its limit; `end`: low, value or high."""
        return all(
            float(getattr(risk, end)) <= one.at_most
            for risk, one in zip(self.risks, requirements, strict=True)
        )


class Judge:
    """Judges candidates of a problem on the paths of one seed.

    The figures in force are looked at first: the largest loss they show is the least that a next
    loss is taken for, so that a candidate without any loss has a bound above 0.

    Args:
      problem: checked.
      kept: where outcomes come from.
    """

    def __init__(self, problem: Problem, kept: Kept) -> None:
        self.problem, self.kept = problem, kept
        today = kept.look(problem.today)
        self._largest = {
            name: float(np.max(series[~np.isnan(series)], initial=0.0))
            for name, series in today.losses.items()
        }
        self.found: dict[Values, Judged] = {}
        self(problem.today)

    def __call__(self, values: Values) -> Judged:
        """The candidate, judged once."""
        key = tuple(float(v) for v in values)
        if key not in self.found:
            self.found[key] = self._judged(key, self.kept.look(key))
        return self.found[key]

    def _judged(self, values: Values, outcome: Outcome) -> Judged:
        problem, risks, used = self.problem, [], []
        for one in problem.requirements:
            name = (one.scenario, one.measure)
            found = risk_estimate(
                one.risk, outcome.losses[name], problem.spec.confidence, self._largest[name]
            )
            risks.append(found)
            share = float(found.high) / one.at_most
            used.append(share if np.isfinite(share) else np.inf)
        return Judged(
            values=values,
            outcome=outcome,
            objective=outcome.standing[problem.spec.objective.measure],
            risks=tuple(risks),
            usage=max(used),
            broken=tuple(share > 1 for share in used),
        )
