"""Adaptive multilevel splitting: a rare event as a product of events that are not.

Particles are paths' normals. The best share of them survives each level, is multiplied and moved by
preconditioned Crank-Nicolson steps that keep the normal law and stay above the level.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

Score = Callable[[Float[Array, "P T n"]], Float[Array, "P"]]

SURVIVE = 0.2  # share of the particles that a level keeps, near the optimum in work per error
WANTED = 0.4  # acceptance that the size of the moves is set to
MOST_LEVELS = 40


@dataclass(frozen=True, eq=False)
class Split:
    """One run of the splitting."""

    probability: float
    evaluations: int  # paths played
    levels: tuple[float, ...]
    acceptance: float  # mean share of accepted moves; NaN without a level
    stuck: bool  # a level that nothing passed, or too many levels: the probability is 0


def split(
    score: Score,
    key: Array,
    particles: int,
    shape: tuple[int, int],
    moves: int = 8,
    goal: float = 0.0,
) -> Split:
    """Estimates P(score > goal) by one run.

    Args:
      score: normals -> score of each path, the same number of paths at every call; NaN counts as
        lowest.
      key: of this run.
      particles: paths carried.
      shape: (T, n) of a path's normals.
      moves: proposals a particle gets at each level.
      goal: the event is a score above it.

    Returns:
      The run. The estimate is biased by levels chosen from the same particles, of the order of
      1 / particles relative (measured in the tests); the error comes from independent runs alone.

    Source:
      Au and Beck (2001), Prob. Eng. Mechanics 16, 263-277; Cerou and Guyader (2007), Stochastic
      Analysis 25, 417-443; moves: Cotter, Roberts, Stuart and White (2013), Stat. Sci. 28, 424-446.
    """
    first, key = jax.random.split(key)
    place = jax.random.normal(first, (particles, *shape), jnp.float64)
    worth = _scored(score, place)
    log_probability, spent, size, levels, accepted = 0.0, particles, 0.5, [], []
    while True:
        hits = np.asarray(worth) > goal
        level = float(np.sort(np.asarray(worth))[particles - 1 - int(SURVIVE * particles)])
        if hits.sum() >= SURVIVE * particles or level >= goal:
            share = hits.mean()
            found = float(np.exp(log_probability) * share)
            return Split(found, spent, tuple(levels), _mean(accepted), stuck=share == 0)
        above = np.asarray(worth) > level
        if not above.any() or len(levels) == MOST_LEVELS or (levels and level <= levels[-1]):
            return Split(0.0, spent, tuple(levels), _mean(accepted), stuck=True)
        levels.append(level)
        log_probability += float(np.log(above.mean()))
        chosen, key = jax.random.split(key)
        pool = jnp.asarray(np.flatnonzero(above))
        order = jax.random.permutation(chosen, particles) % len(pool)
        place, worth = place[pool[order]], worth[pool[order]]
        for _ in range(moves):
            one, key = jax.random.split(key)
            place, worth, taken = _move(score, one, place, worth, level, size)
            accepted.append(taken)
            size = float(np.clip(size * np.exp(taken - WANTED), 0.02, 1.0))
        spent += moves * particles


def _move(score: Score, key: Array, place, worth, level: float, size: float):
    """One preconditioned Crank-Nicolson proposal for every particle; refused below the level."""
    proposal = _proposed(key, place, size)
    there = _scored(score, proposal)
    taken = there > level
    return (
        jnp.where(taken[:, None, None], proposal, place),
        jnp.where(taken, there, worth),
        float(taken.mean()),
    )


@jax.jit
def _proposed(key: Array, place: Float[Array, "P T n"], size) -> Float[Array, "P T n"]:
    noise = jax.random.normal(key, place.shape, jnp.float64)
    return jnp.sqrt(1 - size**2) * place + size * noise


def _scored(score: Score, place: Float[Array, "P T n"]) -> Float[Array, "P"]:
    found = score(place)
    return jnp.where(jnp.isnan(found), -jnp.inf, found)


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
