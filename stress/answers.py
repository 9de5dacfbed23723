"""Events answered: a method chosen by a pilot, and a second, independent one beside it."""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace

import jax

from stress.estimator_schema import RARE
from stress.rare import FEWEST_RUNS, MOVES, PARTICLES, Case, Found, available, estimate_event
from stress.replicates import agreement, paths_needed, plain_paths
from stress.sampling.splitting import SURVIVE
from stress.weighted import HEAVIEST

PILOT = 1024  # paths of a pilot by plain or tilted paths
PILOT_RUN = 1  # folded into the key of a pilot, so that nothing of it is used again
CHECK_RUN = 2
ENOUGH_HITS = 20  # of a plain pilot to go by it
CORRELATED = 1.1  # variance of a splitting over the ideal one: 1.00 to 1.13, measured 2026-11-25
BEYOND_CHANCE = 4.0  # standard errors
FEW = 10  # effective paths of a pilot below which it says nothing
DEEP = 1e7  # one over the probability that the cost of a splitting is judged at


@dataclass(frozen=True, eq=False)
class Answer:
    """One event under one scenario: the number, and the second opinion."""

    found: Found
    check: Found | None
    agreement: float  # difference of the two in standard errors; NaN without a second
    why: str  # how the method was chosen


def answer(
    case: Case, given: Found | None = None, say: Callable[[str], None] = lambda sentence: None
) -> Answer:
    """Estimates an event by the method of the settings, or by the one a pilot prefers.

    Args:
      case: the event under a scenario.
      given: what the campaign's own paths say, where that is to be the answer.
      say: called with a sentence about what is being done.

    Returns:
      The answer. Two methods that differ beyond chance refuse both, by a sentence.
    """
    method, why = ("plain", "of the campaign's own paths") if given else chosen(case)
    if given is None:
        say(f"{case.event.name} under {case.paths.name}: {method}, {why}")
    found = given or estimate_event(case, method)
    if not case.settings.cross_check:
        return Answer(found, None, math.nan, why)
    other = second(case, method)
    say(f"{case.event.name} under {case.paths.name}: checked by {other}")
    check = estimate_event(case, other, run=CHECK_RUN)
    apart = agreement(found.estimate, check.estimate)
    if abs(apart) > BEYOND_CHANCE:
        text = f"{method} and {other} differ by {abs(apart):.1f} standard errors"
        found, check = (replace(f, refusal=f.refusal or text) for f in (found, check))
    return Answer(found, check, apart, why)


def chosen(case: Case) -> tuple[str, str]:
    """(method, why): the settings' own where it can be used, the cheapest by a pilot for auto."""
    settings, can = case.settings, available_methods(case)
    if settings.method == "auto":
        return cheapest(case, can)
    if settings.method not in RARE:
        return "plain", f"as the campaign's paths are drawn ({settings.method})"
    if settings.method in can:
        return settings.method, "as the campaign asks"
    return "splitting" if "splitting" in can else "plain", (
        f"not {settings.method}: {available(case)[settings.method]}"
    )


def available_methods(case: Case) -> list[str]:
    """Methods that the case can use."""
    return [method for method, why in available(case).items() if not why]


def cheapest(case: Case, methods: list[str]) -> tuple[str, str]:
    """The method that a pilot expects to reach the target with the fewest paths.

    Plain paths that show the event often enough are believed about where it comes from: a tilt
    whose pilot finds significantly less has missed a way to it and is left out.
    """
    target = case.settings.target_relative_error
    plain = estimate_event(case, "plain", PILOT, PILOT_RUN, target=0)
    hits = float(plain.estimate.value) * plain.paths
    if hits >= ENOUGH_HITS and _needed(plain, target) <= 2 * PILOT:
        return "plain", f"{hits:.0f} of {plain.paths} paths of a pilot show it"
    needs, seen = {}, [float(plain.estimate.value)] if hits >= ENOUGH_HITS else []
    lone = ("line",) if case.paths.single else ()  # of a book a line costs more than it tells
    for method in ("tilt", *lone, "radial"):
        if method not in methods:
            continue
        found = estimate_event(case, method, 2 * PILOT, PILOT_RUN, target=0)
        missed = agreement(found.estimate, plain.estimate) < -BEYOND_CHANCE
        if not (hits >= ENOUGH_HITS and missed):
            needs[method] = _needed(found, target)
            seen += [float(found.estimate.value)] if math.isfinite(needs[method]) else []
    likely = max(seen, default=0.0)
    needs["plain"] = plain_paths(likely, target)
    if "splitting" in methods:
        needs["splitting"] = _splitting_needs(target)
    best = min(needs, key=lambda name: needs[name])
    if not math.isfinite(needs[best]):
        return "plain", "no other method's pilot can be believed"
    return best, f"about {max(needs[best], PILOT):,.0f} paths for the target by a pilot"


def _needed(found: Found, target: float) -> float:
    """Paths for the target error by a pilot's; infinite where the pilot cannot be believed."""
    seen = found.diagnostics
    if seen.effective_sample_size < FEW or seen.pareto_k > HEAVIEST:
        return math.inf
    return paths_needed(found.estimate, found.paths, target)


def _splitting_needs(target: float) -> float:
    """Paths that a splitting needs for an event of 1 in 10 million, by the ideal variance."""
    levels = math.log(DEEP) / -math.log(SURVIVE)
    variance = CORRELATED * levels * (1 - SURVIVE) / SURVIVE / PARTICLES
    return max(variance / target**2, FEWEST_RUNS) * PARTICLES * (1 + MOVES * levels)


def second(case: Case, method: str) -> str:
    """A method that shares as little as can be with another."""
    can = available_methods(case)
    if method in ("tilt", "tilt_sobol", "line", "radial", "plain") and "splitting" in can:
        return "splitting"
    for other in ("tilt", "tilt_sobol", "plain"):
        if other in can and other != method:
            return other
    return "plain"


def event_key(seed_key: jax.Array, name: str) -> jax.Array:
    """Key of an event under a scenario: events do not disturb each other."""
    return jax.random.fold_in(jax.random.fold_in(seed_key, 0xE7E47), zlib.crc32(name.encode()))
