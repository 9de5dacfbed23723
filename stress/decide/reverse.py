"""Reverse stress: the most plausible worlds in which a book loses a given amount.

    campaign -> still world (`Course`), law of its factors -> gradients -> first points on their
    rays -> polish without gradients -> replay of every answer

Distance: of the factors' moves at the horizon from their mean, by the scenario's own covariance
(Mahalanobis); the way there is straight, the likeliest of a Brownian motion.
"""

import dataclasses
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax.numpy as jnp
import numpy as np
from scipy import special

from stress.campaign import Plan, path_function, plan
from stress.config import Campaign
from stress.decide.course import KINDS, Course, course_limit
from stress.decide.factor_law import FactorLaw, assumed_deviations, factor_law
from stress.decide.nearest import FARTHEST, Answer, apart, begins, led, outlook, polish, reach
from stress.decide.still import NAME, layout_of, still_campaign
from stress.estimate import Estimate, as_estimate, proportion
from stress.estimator_schema import Event
from stress.events import RareEvent, rare_events
from stress.scenarios.overlays import shown_time

WORLDS, FED_WORLDS = 64, 32  # of a call, frozen and with feedback
AIM = 0.7  # of a level that is reached by jumps: where its smooth stand-in leads
STILL = 1e-9  # deviations up to which a factor has not moved
MOST_LAGS = 3  # steps that the oracle is late at most
Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class World:
    """One answer."""

    moves: np.ndarray  # [F]
    lag: float  # hours the oracle is late
    whitened: np.ndarray  # [r]
    distance: float  # standard deviations, the oracle's lag included
    probability: float  # Phi(-distance): of the half-space beyond, were the factors Gaussian
    sampled: Estimate  # share of the scenario's own paths in the half-space; NaN: not sampled
    loss: float  # of the measure asked for
    led: bool  # by gradients
    unpolished: float  # distance before the search without gradients


@dataclass(frozen=True, kw_only=True)
class Reverse:
    """What reverse stress found."""

    campaign: Campaign
    scenario: str
    event: RareEvent
    law: FactorLaw
    course: Course
    worlds: tuple[World, ...]  # nearest first
    central: float  # the measure where every factor has its mean
    most: float  # greatest loss of random worlds as far as FARTHEST, of the frozen book


def reverse(
    campaign: Campaign,
    scenario: str,
    metric: str,
    at_least: float,
    *,
    share: bool = False,
    kinds: Sequence[str] = KINDS,
    answers: int = 3,
    rounds: int = 24,
    say: Say = lambda sentence: None,
) -> Reverse:
    """Finds the nearest worlds in which a book loses at least a given amount.

    Args:
      campaign: checked.
      scenario: one of its scenarios: the factors' mean and covariance, the overlays.
      metric: of `stress.events.NAMES`.
      at_least: USDC (accounts of `liquidated_accounts`), or a share of the book.
      share: whether it is one.
      kinds: factors that may move, of `stress.decide.course.KINDS`.
      answers: worlds at most.
      rounds: of the search without gradients, for each; 0: none.
      say: called with a sentence about what is being done.

    Returns:
      Worlds whose directions differ by more than a cosine of 0.9; none where no factor within 12
      deviations reaches the loss. With feedback losses are those at first liquidation along the
      cascade, and gradients those of the frozen book.

    Errors:
      InputError where nothing may move or the book has nothing the metric can take.

    Source:
      Breuer, Jandacka, Rheinberger and Summer (2009), How to find plausible, severe and useful
      stress scenarios, Int. J. Central Banking 5(3), 205-224, for the distance; the search is that
      of `stress.sampling.design`.
    """
    event = _event(campaign, metric, at_least, share)
    built = plan(campaign)
    course = still_course(campaign, scenario)
    law = factor_law(built, scenario, course, tuple(kinds), assumed_deviations())
    level, batch = event.level, FED_WORLDS if campaign.spec.feedback else WORLDS
    rank = law.root.shape[1]
    central = float(_loss_of(course, law, event)(np.zeros((batch, rank)))[0])
    frozen = _loss_of(_frozen(course), law, event)
    _, most = outlook(frozen, level, rank, batch)
    if central >= level:
        zero = Answer(np.zeros(rank), central, False, 0.0)
        found: list[tuple[float, Answer]] = [(0.0, zero)]
    else:
        found = _search(course, law, event, batch, answers, rounds, say)
    worlds = [_world(law, lag, answer) for lag, answer in found]
    worlds.sort(key=lambda world: world.distance)
    return Reverse(
        campaign=campaign, scenario=scenario, event=event, law=law, course=course,
        worlds=tuple(worlds[:answers]), central=central, most=max(most, central),
    )  # fmt: skip


def _event(campaign: Campaign, metric: str, at_least: float, share: bool) -> RareEvent:
    asked = Event.model_validate(
        {"measure": metric, "above": at_least, "of": "book" if share else None}
    )
    spec = campaign.spec.model_copy(update={"events": {"reverse": asked}})
    return rare_events(dataclasses.replace(campaign, spec=spec))[0]


def still_course(campaign: Campaign, scenario: str) -> Course:
    """The still world of a scenario as a function of its factors' moves."""
    count = FED_WORLDS if campaign.spec.feedback else WORLDS
    still: Plan = plan(still_campaign(campaign, scenario, count))
    paths = path_function(still, NAME)
    layout = layout_of(campaign, scenario, still.inputs.assets, still.venue.quotes)
    fields = {f.name: getattr(paths, f.name) for f in dataclasses.fields(paths)}
    return Course(**fields, layout=layout)


def late(course: Course, lag: float, grid: np.ndarray) -> Course:
    """The same world with an oracle that is late by some hours; 0: as it is."""
    if not lag:
        return course
    factors = course.scenario.factors
    hour = shown_time(grid, 0.0, np.inf, lag)
    place = np.searchsorted(grid, hour + 1e-9, side="right") - 1
    shown = jnp.minimum(factors.shown, jnp.asarray(place, factors.shown.dtype)[:, None])
    scenario = dataclasses.replace(
        course.scenario, factors=dataclasses.replace(factors, shown=shown)
    )
    return dataclasses.replace(course, scenario=scenario)


def _loss_of(course: Course, law: FactorLaw, event: RareEvent):
    """The measure of whitened points `[P, r]`."""

    def loss(points: np.ndarray) -> np.ndarray:
        moves = law.moves(points)[:, None, :]
        return np.asarray(getattr(course.money(jnp.asarray(moves)), event.measure))

    return loss


def _search(
    course: Course,
    law: FactorLaw,
    event: RareEvent,
    batch: int,
    answers: int,
    rounds: int,
    say: Say,
) -> list[tuple[float, Answer]]:
    """(hours of lag, answer), of every lag and start, polished; the likeliest first."""
    grid, level = course_grid(course), event.level
    step = float(np.diff(grid).max())
    lags = [0.0]
    if law.lag_deviation:
        lags += [step * k for k in range(1, MOST_LAGS + 1)]
    found: list[tuple[float, Answer]] = []
    for lag in lags:
        if lag and lag / law.lag_deviation > min((_far(law, *f) for f in found), default=np.inf):
            break  # the lag alone is less likely than what was found
        say(f"Searching by gradients, oracle {lag:g} h late." if lag else "Searching by gradients.")
        world = late(course, lag, grid)
        found += [(lag, one) for one in _first_points(world, law, event, batch, 2 * answers)]
    found.sort(key=lambda one: _far(law, *one))
    chosen = found[: 3 * answers]
    polished = []
    for n, (lag, answer) in enumerate(chosen):
        say(f"Polishing answer {n + 1} of {len(chosen)}.")
        loss = _loss_of(late(course, lag, grid), law, event)
        polished.append((lag, polish(loss, level, answer, rounds, batch, n)))
    certain = [one for one in polished if one[1].led or one[1].settled]
    polished = sorted(certain or polished, key=lambda one: _far(law, *one))
    kept = apart([answer.point for _, answer in polished])
    return [one for one in polished if any(one[1].point is point for point in kept)]


def _first_points(
    course: Course, law: FactorLaw, event: RareEvent, batch: int, most: int
) -> list[Answer]:
    """Distinct points on the edge of the loss, those of gradients first.

    Gradients begin just before the frozen book first reaches the loss along a ray, of each factor
    or a random one; no ray, no answer. What gradients do not lead to stands where a ray itself
    reaches it; it counts once the polish has settled on it, or where gradients lead nowhere.
    """
    loss, frozen = _loss_of(course, law, event), _loss_of(_frozen(course), law, event)
    made = begins(law.root)
    for tried in (frozen, loss) if course.cascade is not None else (frozen,):
        seen, _ = outlook(tried, event.level, law.root.shape[1], batch)
        rays = [reach(tried, event.level, b, FARTHEST, batch) for b in [*made, *seen[:most]]]
        rest = sorted((ray.point for ray in rays if ray), key=lambda p: float(np.linalg.norm(p)))
        if rest:
            break  # else: what the frozen book never loses, a cascade may
    rest = apart(rest)
    places = led(_limit_of(course, law, event), [0.98 * point for point in rest[:most]])
    answers = []
    for point in apart([*places, *rest])[:most]:
        answer = reach(loss, event.level, point, FARTHEST, batch)
        if answer is not None:
            by_gradient = any(point is place for place in places)
            answers.append(dataclasses.replace(answer, led=by_gradient))
    return answers


def _frozen(course: Course) -> Course:
    return dataclasses.replace(course, cascade=None)


def _limit_of(course: Course, law: FactorLaw, event: RareEvent):
    """The smooth stand-in of the event and its gradient, in whitened coordinates.

    Smooth liquidations reach the whole of a loss that jumps only far beyond the jump, so gradients
    aim at a part of it; where the loss itself begins is found along the ray.
    """
    aim = 1.0 if event.measure == "equity_loss" else AIM
    inner = course_limit(course, event.measure, aim * event.level)

    def limit(point: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = inner(law.moves(point))
        return value, slope @ law.root

    return limit


def course_grid(course: Course) -> np.ndarray:
    """Grid of a course, hours from now, `[T]`."""
    steps = course.scenario.overlay.shape[0] - 1
    lengths = np.broadcast_to(course.hours, (steps,))
    return np.concatenate([[0.0], np.cumsum(lengths)])


def _far(law: FactorLaw, lag: float, answer: Answer) -> float:
    """Distance with the oracle's lag."""
    return float(np.hypot(answer.distance, lag / law.lag_deviation if lag else 0.0))


def _world(law: FactorLaw, lag: float, answer: Answer) -> World:
    far = _far(law, lag, answer)
    nothing = as_estimate(*[np.nan] * 4)
    sampled = nothing
    if answer.distance > 0 and not lag:
        along = law.projected(answer.point / answer.distance)
        sampled = (
            nothing
            if np.isnan(along).any()
            else proportion(np.sum(along >= answer.distance), len(along))
        )
    moves = law.moves(answer.point)
    rounding = np.abs(moves - law.mean) <= STILL * law.deviation
    return World(
        moves=np.where(rounding, law.mean, moves),
        lag=lag,
        whitened=answer.point,
        distance=far,
        probability=float(special.ndtr(-far)),
        sampled=sampled,
        loss=answer.loss,
        led=answer.led,
        unpolished=float(np.hypot(answer.unpolished, lag / law.lag_deviation if lag else 0.0)),
    )
