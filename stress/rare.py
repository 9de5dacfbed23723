"""Small probabilities: one event, several ways to it, each with its error and its diagnostics.

plain       shares of paths
tilt        shifted normals and the likelihood ratio stopped when the event is decided
tilt_sobol  the same on scrambled Sobol points; the error from independent scramblings
line        the component along the design direction integrated out
radial      the radius of a Student-t shock integrated out
splitting   adaptive multilevel splitting; the error from independent runs
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stress.estimate import Estimate, clopper_pearson
from stress.estimator_schema import Estimator
from stress.events import RareEvent, happens, score
from stress.path_function import PathFunction
from stress.replicates import from_replicates, probability_from_replicates, relative_error
from stress.sampled import Sample, as_probability, joined, until
from stress.sampling.draws import PLAIN, Draws, draws, normals
from stress.sampling.line import BISECTIONS, GRID, line_probability
from stress.sampling.splitting import split
from stress.sampling.tilt import Mixture, likelihood_ratio, mixture, shares, tilted
from stress.scenarios.student_t import StudentT
from stress.shifts import design_points, event_burst
from stress.weighted import Diagnostics, diagnostics, refusal, weighted_mean

LINES = 128  # lines of a batch
PARTICLES = 450  # of a run of the splitting
MOVES = 5
FEWEST_RUNS = 8  # of the splitting
FEWEST_POINTS = 256  # of a scrambling before its error is believed
DEFENSIVE = 1  # sixteenths of the paths that are drawn from the target itself
BURST_SCALES = (0.85, 1.0)  # distances of a bad step, where the event begins at 1
CONTINUOUS = ("plain", "tilt", "tilt_sobol")  # methods that can watch between times


@dataclass(frozen=True, eq=False)
class Found:
    """An estimated probability and what stands behind it."""

    method: str
    estimate: Estimate  # scalars
    paths: int  # paths played for it, pilots apart
    diagnostics: Diagnostics
    repeats: int  # independent parts that the error comes from; 0: independent paths
    failed: int = 0  # paths that were not finite
    refusal: str = ""  # a sentence: why the number is not to be used


@dataclass(frozen=True, eq=False)
class Case:
    """One event under one scenario."""

    event: RareEvent
    paths: PathFunction
    settings: Estimator
    key: jax.Array  # of (seed, scenario, event)

    @cached_property
    def shifts(self) -> list[np.ndarray]:
        """Design points of the event, nearest first; none where no gradient leads there."""
        return design_points(self.event, self.paths)

    @cached_property
    def mixture(self) -> Mixture:
        """The target, the design points, and one bad step where that is nearer."""
        burst = event_burst(self.event, self.paths, float(np.linalg.norm(self.shifts[0])))
        single = [] if burst is None else [share * burst for share in BURST_SCALES]
        parts = shares(len(self.shifts) + len(single), DEFENSIVE)
        points = np.stack([np.zeros(self.paths.shape), *self.shifts])
        return mixture(points, parts, np.array(single).reshape(-1, self.paths.shape[1]))

    @property
    def continuous(self) -> bool:
        """Whether the account is watched between the times too."""
        return self.settings.monitoring == "continuous" and self.paths.single

    def radius(self) -> np.ndarray | None:
        """Direction of a Student-t radius of the whole path; None for other processes."""
        process = self.paths.scenario.process
        if not isinstance(process, StudentT) or not process.radius_per_path:
            return None
        direction = np.zeros(self.paths.shape)
        direction[0, process.volatility.shape[0]] = 1.0
        return direction

    def terms(self, drawn: Float[Array, "P T n"], ratio: Float[Array, "P T1"]) -> np.ndarray:
        """Weighted probability of the event of each path, weighed when it is decided."""
        if self.paths.single:
            parts = self.paths.increments(drawn, self.continuous)
            return np.asarray(jnp.sum(parts * ratio, axis=1))
        money, courses = self.paths.courses(drawn)
        happened = happens(self.event, money)
        if courses is None or not hasattr(courses, self.event.measure):
            return np.asarray(happened * ratio[:, -1])
        beyond = getattr(courses, self.event.measure) > self.event.level
        when = jnp.argmax(beyond, axis=1)
        weight = jnp.take_along_axis(ratio, when[:, None], axis=1)[:, 0]
        # float32 sums in another order may decide a tie otherwise: the total has the last word
        return np.asarray(happened * jnp.where(jnp.any(beyond, axis=1), weight, ratio[:, -1]))


def available(case: Case) -> dict[str, str]:
    """Methods of a case, each with why it cannot be used; "" for one that can."""
    found = dict.fromkeys(METHODS, "")
    if not case.shifts:
        lost = "no gradient leads to the event"
        found |= {"tilt": lost, "tilt_sobol": lost, "line": lost}
    if case.radius() is None:
        found["radial"] = "the prices are no Student-t process with one radius a path"
    if case.continuous:
        apart = {m: "cannot watch between times" for m in found if m not in CONTINUOUS}
        found |= {m: why for m, why in apart.items() if not found[m]}
    return found


def estimate_event(
    case: Case, method: str, most: int | None = None, run: int = 0, target: float | None = None
) -> Found:
    """Estimates a case by one method until its target error or its number of paths is reached.

    Args:
      case: the event under a scenario.
      method: one of `available`.
      most: paths at most but for a first batch, else the settings' own number.
      run: independent runs of the same case differ in it.
      target: relative standard error at which to stop, else the settings' own; 0 uses all paths.

    Returns:
      The probability; refused where its diagnostics fail.

    Errors:
      ValueError for a method that the case cannot use.
    """
    why = available(case)[method]
    if why:
        raise ValueError(f"{case.event.name} by {method}: {why}")
    key = jax.random.fold_in(jax.random.fold_in(case.key, list(METHODS).index(method)), run)
    wanted = case.settings.target_relative_error if target is None else target
    return METHODS[method](case, key, most or case.settings.most_paths, wanted)


def _drawn(case: Case, key: jax.Array, numbers: Array, how: Draws, mix: Mixture | None) -> Sample:
    """Terms of numbered paths, plain or from a mixture."""
    steps, width = case.paths.shape
    if mix is None:
        drawn, which = normals(how, key, numbers, steps, width), jnp.zeros(len(numbers), int)
        ratio = jnp.ones((len(numbers), steps + 1))
    else:
        drawn, which = tilted(mix, how, key, numbers, steps, width)
        ratio = likelihood_ratio(mix, drawn)
    return Sample(case.terms(drawn, ratio), np.asarray(ratio[:, -1]), np.asarray(which))


def _pseudo(
    case: Case, key: jax.Array, most: int, target: float, mix: Mixture | None, method: str
) -> Found:
    """Independent paths, weighted where a mixture draws them."""
    batch = case.paths.batch

    def more(spent: int) -> Sample:
        return _drawn(case, key, jnp.arange(spent, spent + batch), PLAIN, mix)

    sample, found = until(target, most, more, lambda s: weighted_mean(s.known, 1.0, s.stratum))
    seen, paths = diagnostics(sample.known), len(sample.known)
    if mix is None and not case.continuous:
        hits = int((sample.known > 0).sum())
        return counted(method, hits, paths, sample.failed, seen)
    found = as_probability(found, sample.lost)
    return Found(method, found, paths, seen, 0, sample.failed, refusal(found, seen))


def counted(method: str, hits: int, paths: int, failed: int, seen: Diagnostics) -> Found:
    """A share of independent paths: its interval holds whatever the count; never refused."""
    return Found(method, clopper_pearson(hits, paths, failed), paths, seen, 0, failed)


def _plain(case: Case, key: jax.Array, most: int, target: float) -> Found:
    return _pseudo(case, key, most, target, None, "plain")


def _tilt(case: Case, key: jax.Array, most: int, target: float) -> Found:
    return _pseudo(case, key, most, target, case.mixture, "tilt")


def _tilt_sobol(case: Case, key: jax.Array, most: int, target: float) -> Found:
    """Doubles the points of every scrambling until the target: whole nets."""
    steps, width = case.paths.shape
    repeats = case.settings.replicates
    hours = np.broadcast_to(case.paths.hours, (steps,))
    how = draws("sobol", hours, width, repeats, case.settings.ordering)
    batch = -(-case.paths.batch // repeats) * repeats  # one shape of a call, one program

    def more(spent: int) -> Sample:
        wanted = batch if not spent else 2 * spent
        starts = range(spent, wanted, batch)
        return joined(
            [_drawn(case, key, jnp.arange(k, k + batch), how, case.mixture) for k in starts]
        )

    sample, found = until(
        target, most, more, lambda s: from_replicates(s.known.reshape(-1, repeats).mean(axis=0)),
        least=FEWEST_POINTS * repeats,
    )  # fmt: skip
    seen, found = diagnostics(sample.known), as_probability(found, sample.lost)
    paths = len(sample.known)
    why = refusal(found, seen)
    return Found("tilt_sobol", found, paths, seen, repeats, sample.failed, why)


class _Score:
    """The score of a case, counting the paths on which it is not a number."""

    def __init__(self, case: Case) -> None:
        self.case, self.failed = case, 0

    def __call__(self, drawn: Float[Array, "P T n"]) -> Array:
        found = score(self.case.event, self.case.paths, drawn)
        self.failed += int(jnp.isnan(found).sum())
        return found


def _along(
    case: Case, key: jax.Array, most: int, target: float, direction: np.ndarray, method: str
) -> Found:
    """Lines along a direction."""
    steps, width = case.paths.shape
    near, each = _Score(case), len(GRID) + BISECTIONS

    def more(spent: int) -> Sample:
        first = spent // each
        drawn = normals(PLAIN, key, jnp.arange(first, first + LINES), steps, width)
        lines = line_probability(near, drawn, direction)
        ones = np.ones(len(lines.probability))
        return Sample(lines.probability, ones, np.zeros(len(ones), int), lines.evaluations)

    sample, found = until(target, most, more, lambda s: weighted_mean(s.known, 1.0))
    seen, found = diagnostics(sample.known), as_probability(found, 0.0)
    why = refusal(found, seen)
    return Found(method, found, sample.spent, seen, 0, near.failed, why)


def _line(case: Case, key: jax.Array, most: int, target: float) -> Found:
    return _along(case, key, most, target, case.shifts[0], "line")


def _radial(case: Case, key: jax.Array, most: int, target: float) -> Found:
    direction = case.radius()
    assert direction is not None
    return _along(case, key, most, target, direction, "radial")


def _splitting(case: Case, key: jax.Array, most: int, target: float) -> Found:
    """Independent runs until the target."""
    near, values, spent = _Score(case), [], 0
    while True:
        own = jax.random.fold_in(key, len(values))
        run = split(near, own, PARTICLES, case.paths.shape, MOVES)
        values.append(run.probability)
        spent += run.evaluations
        if len(values) < 2:
            continue
        found = probability_from_replicates(np.array(values))
        if len(values) >= FEWEST_RUNS and relative_error(found) <= target:
            break
        if spent + run.evaluations > most:
            break
    seen = diagnostics(np.array(values))
    stuck = sum(v == 0 for v in values)
    why = refusal(found, None)
    if stuck:
        why = f"{stuck} of {len(values)} runs of the splitting got stuck"
    elif len(values) < FEWEST_RUNS:
        why = f"{len(values)} runs of the splitting in {spent:,} paths: {FEWEST_RUNS} are needed"
    return Found("splitting", found, spent, seen, len(values), near.failed, why)


METHODS: dict[str, Callable[[Case, jax.Array, int, float], Found]] = {
    "plain": _plain,
    "tilt": _tilt,
    "tilt_sobol": _tilt_sobol,
    "line": _line,
    "radial": _radial,
    "splitting": _splitting,
}
