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

from stress.estimate import Estimate, as_estimate, clopper_pearson
from stress.estimator_schema import Estimator
from stress.events import RareEvent, happens, score
from stress.path_function import PathFunction
from stress.replicates import from_replicates, probability_from_replicates, relative_error
from stress.sampling.draws import PLAIN, Draws, draws, normals
from stress.sampling.line import line_probability
from stress.sampling.splitting import split
from stress.sampling.tilt import PARTS, Mixture, likelihood_ratio, mixture, tilted
from stress.scenarios.student_t import StudentT
from stress.shifts import design_points, event_burst
from stress.weighted import Diagnostics, diagnostics, refusal, weighted_mean

LINES = 128  # lines of a batch
PARTICLES = 450  # of a run of the splitting
MOVES = 5
FEWEST_RUNS = 8  # of the splitting
DEFENSIVE = 1  # sixteenths of the paths that are drawn from the target itself
BURST_SCALES = (0.85, 1.0)  # distances of a bad step, where the event begins at 1
CONTINUOUS = ("plain", "tilt", "tilt_sobol")  # methods that can watch between times


@dataclass(frozen=True, eq=False)
class Found:
    """An estimated probability and what stands behind it."""

    method: str
    estimate: Estimate  # scalars
    paths: int  # paths played for it, those of a failed attempt included
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

    @property
    def batch(self) -> int:
        """Paths of a call."""
        return self.paths.batch

    @cached_property
    def shifts(self) -> list[np.ndarray]:
        """Design points of the event, nearest first; none where no gradient leads there."""
        return design_points(self.event, self.paths)

    @cached_property
    def mixture(self) -> Mixture:
        """The defensive component, the design points, and one bad step where that is nearer."""
        points = self.shifts[: PARTS - DEFENSIVE]
        burst = event_burst(self.event, self.paths, float(np.linalg.norm(points[0])))
        single = [] if burst is None else [share * burst for share in BURST_SCALES]
        parts = len(points) + len(single)
        each, more = divmod(PARTS - DEFENSIVE, parts)
        shares = (DEFENSIVE, *(each + (k < more) for k in range(parts)))
        steps = np.array(single).reshape(-1, self.paths.shape[1])
        return mixture(np.stack([np.zeros(self.paths.shape), *points]), shares, steps)

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


def estimate_event(case: Case, method: str, most: int | None = None, run: int = 0) -> Found:
    """Estimates a case by one method until its target error or its number of paths is reached.

    Args:
      case: the event under a scenario.
      method: one of `available`.
      most: paths at most, else the settings' own number.
      run: independent runs of the same case differ in it.

    Returns:
      The probability; refused where its diagnostics fail.

    Errors:
      ValueError for a method that the case cannot use.
    """
    why = available(case)[method]
    if why:
        raise ValueError(f"{case.event.name} by {method}: {why}")
    order = list(METHODS)
    key = jax.random.fold_in(jax.random.fold_in(case.key, order.index(method)), run)
    return METHODS[method](case, key, most or case.settings.most_paths)


def _pseudo(case: Case, key: jax.Array, most: int, mix: Mixture | None, method: str) -> Found:
    """Independent paths, weighted where a mixture draws them."""
    parts, strata, spent = [], [], 0
    steps, width = case.paths.shape
    while True:
        numbers = jnp.arange(spent, spent + case.batch)
        if mix is None:
            drawn, which = normals(PLAIN, key, numbers, steps, width), np.zeros(case.batch, int)
            ratio = jnp.ones((case.batch, steps + 1))
        else:
            drawn, which = tilted(mix, PLAIN, key, numbers, steps, width)
            ratio = likelihood_ratio(mix, drawn)
        parts.append(case.terms(drawn, ratio))
        strata.append(np.asarray(which))
        spent += case.batch
        terms, stratum = np.concatenate(parts), np.concatenate(strata)
        known = np.nan_to_num(terms)
        found = weighted_mean(known, np.ones(len(known)), stratum)
        if (_reached(found, case, known)) or spent + case.batch > most:
            break
    failed, seen = int(np.isnan(terms).sum()), diagnostics(known)
    if mix is None and not case.continuous:
        return counted(method, int((known > 0).sum()), len(known), failed, seen)
    found = _share(found, failed, len(known))
    return Found(method, found, spent, seen, 0, failed, refusal(found, seen))


def counted(method: str, hits: int, paths: int, failed: int, seen: Diagnostics) -> Found:
    """A share of independent paths: its interval holds whatever the count; never refused."""
    found = clopper_pearson(hits, paths, failed)
    return Found(method, found, paths, seen, 0, failed)


def _plain(case: Case, key: jax.Array, most: int) -> Found:
    return _pseudo(case, key, most, None, "plain")


def _tilt(case: Case, key: jax.Array, most: int) -> Found:
    return _pseudo(case, key, most, case.mixture, "tilt")


def _tilt_sobol(case: Case, key: jax.Array, most: int) -> Found:
    """Doubles the points of every scrambling until the target: whole nets."""
    steps, width = case.paths.shape
    repeats = case.settings.replicates
    how = case_draws(case, repeats)
    parts, spent = [], 0
    wanted = batch = -(-case.batch // repeats) * repeats  # one shape of a call, one program
    while True:
        for start in range(spent, wanted, batch):
            numbers = jnp.arange(start, start + batch)
            drawn, _ = tilted(case.mixture, how, key, numbers, steps, width)
            parts.append(case.terms(drawn, likelihood_ratio(case.mixture, drawn)))
        spent = wanted
        terms = np.concatenate(parts)
        known = np.nan_to_num(terms)
        found = from_replicates(known.reshape(-1, repeats).mean(axis=0))
        if (spent >= 16 * 16 * repeats and _reached(found, case, known)) or 2 * spent > most:
            break
        wanted = 2 * spent
    failed, seen = int(np.isnan(terms).sum()), diagnostics(known)
    found = _share(found, failed, len(known))
    return Found("tilt_sobol", found, spent, seen, repeats, failed, refusal(found, seen))


def case_draws(case: Case, repeats: int) -> Draws:
    """Sobol points for a case."""
    steps, width = case.paths.shape
    hours = np.broadcast_to(case.paths.hours, (steps,))
    return draws("sobol", hours, width, repeats, case.settings.ordering)


def _along(case: Case, key: jax.Array, most: int, direction: np.ndarray, method: str) -> Found:
    """Lines along a direction."""
    steps, width = case.paths.shape
    values, spent = [], 0
    while True:
        numbers = jnp.arange(len(values) * LINES, (len(values) + 1) * LINES)
        drawn = normals(PLAIN, key, numbers, steps, width)
        lines = line_probability(lambda z: score(case.event, case.paths, z), drawn, direction)
        values.append(lines.probability)
        spent += lines.evaluations
        terms = np.concatenate(values)
        found = weighted_mean(terms, np.ones(len(terms)))
        if _reached(found, case, terms) or spent + lines.evaluations > most:
            break
    seen = diagnostics(terms)
    found = _share(found, 0, len(terms))
    return Found(method, found, spent, seen, 0, 0, refusal(found, seen))


def _line(case: Case, key: jax.Array, most: int) -> Found:
    return _along(case, key, most, case.shifts[0], "line")


def _radial(case: Case, key: jax.Array, most: int) -> Found:
    direction = case.radius()
    assert direction is not None
    return _along(case, key, most, direction, "radial")


def _splitting(case: Case, key: jax.Array, most: int) -> Found:
    """Independent runs until the target."""

    def near(z: Float[Array, "P T n"]) -> Array:
        return score(case.event, case.paths, z)

    values, spent = [], 0
    while True:
        own = jax.random.fold_in(key, len(values))
        run = split(near, own, PARTICLES, case.paths.shape, MOVES)
        values.append(run.probability)
        spent += run.evaluations
        if len(values) >= FEWEST_RUNS:
            found = probability_from_replicates(np.array(values))
            if _reached(found, case, np.array(values)):
                break
        if spent + run.evaluations > most and len(values) >= 2:
            found = probability_from_replicates(np.array(values))
            break
    seen = diagnostics(np.array(values))
    stuck = sum(v == 0 for v in values)
    why = refusal(found, None)
    if stuck:
        why = f"{stuck} of {len(values)} runs of the splitting got stuck"
    elif len(values) < FEWEST_RUNS:
        why = f"{len(values)} runs of the splitting in {spent:,} paths: {FEWEST_RUNS} are needed"
    return Found("splitting", found, spent, seen, len(values), 0, why)


METHODS: dict[str, Callable[[Case, jax.Array, int], Found]] = {
    "plain": _plain,
    "tilt": _tilt,
    "tilt_sobol": _tilt_sobol,
    "line": _line,
    "radial": _radial,
    "splitting": _splitting,
}


def _reached(found: Estimate, case: Case, terms: np.ndarray) -> bool:
    """Whether the target error is reached and the sample is rich enough to believe it."""
    if not relative_error(found) <= case.settings.target_relative_error:
        return False
    return len(terms) < 50 or diagnostics(terms).effective_sample_size >= 50


def _share(found: Estimate, failed: int, paths: int) -> Estimate:
    """A probability: the interval within [0, 1], its high end with failed paths as events."""
    high = found.high + failed / max(paths, 1)
    return as_estimate(
        found.value, found.standard_error, np.clip(found.low, 0, 1), np.clip(high, 0, 1)
    )
