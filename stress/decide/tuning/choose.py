"""The choice among judged candidates: the best that fresh seeds confirm, front, prices, steps."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from stress.decide.tuning.bounds import repeat_band, risk_difference
from stress.decide.tuning.judge import Judge, Judged
from stress.decide.tuning.problem import Problem, Values
from stress.decide.tuning.search import halve, line_of
from stress.estimate import Estimate, as_estimate

ROUNDING = 1e-9  # relative to a step


@dataclass(frozen=True, kw_only=True)
class Price:
    """What a little more of a limit would buy; None where it buys nothing in the range."""

    next: Values | None  # the candidate that it would allow
    limit: float  # that it would need
    gain: float  # of the objective
    price: Estimate  # gain over the growth of the risk, 95 %; 0 without a next one


@dataclass(frozen=True, kw_only=True)
class Step:
    """One change on the way to the recommendation, on fresh seeds."""

    values: Values
    judged: Judged


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What is recommended and why."""

    today: Judged  # in the search
    fresh_today: Judged
    best: Judged | None  # in the search, the recommendation; None: nothing is confirmed
    fresh: Judged | None  # the same on fresh seeds
    tried: tuple[Judged, ...]  # on fresh seeds in the order of the objective, the last confirmed
    inside: bool | None  # whether the fresh estimates lie in the bands of the search
    feasible: int  # candidates that keep the limits in the search
    prices: tuple[Price, ...]  # per requirement
    steps: tuple[Step, ...]  # from today; one where no step is limited
    blocked: Step | None  # the step that fresh seeds do not confirm


def choose(problem: Problem, judge: Judge, fresh: Judge) -> Choice:
    """Chooses among everything the search has judged.

    Candidates that keep every limit in the search are simulated again with fresh seeds, the largest
    objective first, until one keeps them there too. Among several of the same objective the one
    with the most room goes first.

    Args:
      problem: checked.
      judge: of the search.
      fresh: on other random numbers.

    Returns:
      The choice.
    """
    best, again, tried = _confirmed(problem, judge, fresh)
    found = list(judge.found.values())
    feasible = _in_order(judge)
    steps, blocked = ((), None) if best is None else _steps(problem, fresh, best.values)
    return Choice(
        today=judge(problem.today),
        fresh_today=fresh(problem.today),
        best=best,
        fresh=again,
        tried=tuple(tried),
        inside=inside(problem, judge(tried[0].values), tried[0]) if tried else None,
        feasible=len(feasible),
        prices=tuple(_price(problem, found, best, n) for n in range(len(problem.requirements))),
        steps=steps,
        blocked=blocked,
    )


def _confirmed(
    problem: Problem, judge: Judge, fresh: Judge
) -> tuple[Judged | None, Judged | None, list[Judged]]:
    """The first candidate that fresh seeds confirm, in the search and there, and all tried.

    Where the search has halved a line, candidates between those it looked at are found by halving
    on the fresh seeds too.
    """
    tried: list[Judged] = []
    most = problem.spec.fresh.most or np.inf
    while len(tried) < most:
        done = {one.values for one in tried}
        left = [one for one in _in_order(judge) if one.values not in done]
        if not left:
            break
        tried.append(fresh(left[0].values))
        if tried[-1].feasible:
            return left[0], tried[-1], tried
        if problem.spec.search.method == "bisection":
            line = line_of(problem, left[0].values)
            halve(problem, fresh, line, ends=("high",))
            for values in line:
                if values in fresh.found and fresh(values).feasible:
                    judge(values)
    return None, None, tried


def _in_order(judge: Judge) -> list[Judged]:
    """Candidates that keep every limit, by the largest objective, then by the most room."""
    feasible = (one for one in judge.found.values() if one.feasible)
    return sorted(feasible, key=lambda one: (-one.objective, one.usage, one.values))


def bands(problem: Problem, one: Judged) -> list[tuple[float, float]]:
    """Where the risks of a candidate fall on fresh seeds in 95 of 100 repeats, by the search."""
    paths, again = problem.campaign.spec.paths, problem.fresh_paths
    return [repeat_band(risk, paths, again, problem.spec.confidence) for risk in one.risks]


def inside(problem: Problem, one: Judged, again: Judged) -> bool:
    """Whether what fresh seeds show of a candidate lies in the bands that the search stated."""
    pairs = zip(bands(problem, one), again.risks, strict=True)
    return all(low <= float(risk.value) <= high for (low, high), risk in pairs)


def front(objectives: Sequence[float], risks: Sequence[float]) -> np.ndarray:
    """Candidates of which none other has more of the objective at no more risk, bool `[n]`."""
    gain, risk = np.asarray(objectives, float), np.asarray(risks, float)
    result = np.zeros(len(gain), bool)
    reached = -np.inf
    for n in np.lexsort((-gain, risk)):
        if np.isfinite(risk[n]) and gain[n] > reached:
            result[n], reached = True, gain[n]
    return result


def _price(problem: Problem, found: list[Judged], best: Judged | None, n: int) -> Price:
    """Shadow price of a requirement: the least relaxation that would allow a larger objective."""
    nothing = Price(next=None, limit=np.nan, gain=0.0, price=as_estimate(0.0, 0.0, 0.0, 0.0))
    if best is None:
        return nothing
    only = tuple(k == n for k in range(len(problem.requirements)))
    barred = [
        one
        for one in found
        if one.objective > best.objective and one.broken == only and np.isfinite(one.usage)
    ]
    if not barred:
        return nothing
    after = min(barred, key=lambda j: (float(j.risks[n].high), -j.objective))
    one = problem.requirements[n]
    name = (one.scenario, one.measure)
    gain = after.objective - best.objective
    more = risk_difference(one.risk, after.outcome.losses[name], best.outcome.losses[name])
    with np.errstate(divide="ignore", invalid="ignore"):
        value, low, high = (
            gain / x if x > 0 else np.inf
            for x in (float(more.value), float(more.high), float(more.low))
        )
        error = value * float(more.standard_error) / float(more.value) if more.value > 0 else np.nan
    return Price(
        next=after.values,
        limit=float(after.risks[n].high),
        gain=gain,
        price=as_estimate(value, error, low, high),
    )


def _steps(problem: Problem, fresh: Judge, target: Values) -> tuple[tuple[Step, ...], Step | None]:
    """Changes from today to the target, none larger than allowed, up to the first that fails."""
    taken: list[Step] = []
    for values in path_to(problem, target):
        step = Step(values=values, judged=fresh(values))
        if not step.judged.feasible:
            return tuple(taken), step
        taken.append(step)
    return tuple(taken), None


def path_to(problem: Problem, target: Values) -> list[Values]:
    """Values after each change on the way from today; every variable moves as far as it may."""
    at, result = problem.today, []
    while at != target:
        moved = []
        for axis, now, goal in zip(problem.axes, at, target, strict=True):
            most = np.inf if axis.largest_step is None else axis.largest_step
            far = abs(goal - now) > most * (1 + ROUNDING)
            moved.append(float(np.round(now + np.sign(goal - now) * most, 12)) if far else goal)
        at = tuple(moved)
        result.append(at)
    return result
