"""The law of a scenario's factors at the horizon: mean and covariance, sampled or assumed.

Prices, basis, depth and utilization that the scenario makes random have the moments of its own
paths, drawn in antithetic pairs. What it does not make random has the deviation of
configs/reverse, independent of the rest.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from models.status import NON_FINITE
from stress.campaign import Plan, scenario_key
from stress.config import find
from stress.decide.course import KINDS, Course
from stress.errors import InputError
from stress.files import read_yaml
from stress.market import market_paths, path_normals, sample_of

PAIRS = 8192  # of antithetic paths that the moments come from
BLOCK = 512  # pairs of a call
LEAST = 1e-12  # deviation below which a factor stands still
ORDER = 0x5EED  # folded into the campaign's seed: paths of their own


@dataclass(frozen=True, kw_only=True)
class FactorLaw:
    """Moments of the factors' moves at the horizon; axis `F` as `Course.layout`."""

    names: tuple[str, ...]
    mean: np.ndarray  # [F]
    covariance: np.ndarray  # [F, F]; no row where a factor stands still
    source: tuple[str, ...]  # "sampled", "assumed", "still"
    lag_deviation: float  # hours; 0: the oracle is live
    root: np.ndarray  # [F, r], root root' = covariance, r its rank
    sampled: np.ndarray  # [n, F] moves of the sampled paths; 0 in columns that are not sampled

    @property
    def deviation(self) -> np.ndarray:
        """Standard deviation of every factor, `[F]`."""
        return np.sqrt(np.diag(self.covariance))

    def moves(self, whitened: np.ndarray) -> np.ndarray:
        """Moves of whitened coordinates `[..., r]`."""
        return self.mean + whitened @ self.root.T

    def projected(self, direction: np.ndarray) -> np.ndarray:
        """Coordinate of every sampled path along a unit direction `[r]`, `[n]`.

        NaN where the direction needs a factor that was not sampled.
        """
        back = np.linalg.pinv(self.root)
        weights = direction @ back
        unknown = [s == "assumed" for s in self.source]
        if np.any(np.abs(weights[unknown] * self.deviation[unknown]) > 1e-9):
            return np.full(len(self.sampled), np.nan)
        return (self.sampled - self.mean) @ weights


def assumed_deviations(ref: str = "reverse/default") -> dict[str, float]:
    """Deviations of configs/reverse, by kind of factor.

    Errors:
      InputError naming the file and what is missing.
    """
    path = find(ref, Path(), "reverse", None, "")
    data = read_yaml(path)
    found = {}
    for kind in ("basis", "depth", "oracle_lag"):
        entry = data.get(kind)
        value = entry.get("value") if isinstance(entry, dict) else None
        if isinstance(value, bool) or not isinstance(value, float | int) or not value > 0:
            raise InputError(path, f"{kind}.value", repr(value), "a positive number")
        found[kind] = float(value)
    return found


def factor_law(
    plan: Plan, scenario: str, still: Course, kinds: tuple[str, ...], assumed: dict[str, float]
) -> FactorLaw:
    """The law of a scenario's factors.

    Args:
      plan: the campaign, built.
      scenario: its name.
      still: the same scenario without chance.
      kinds: of KINDS, what may move.
      assumed: deviations of what the scenario does not make random, by kind.

    Returns:
      The law. Sampled deviations have a relative error of about 1 / sqrt(4 PAIRS), 0.6 %.

    Errors:
      InputError where nothing may move.
    """
    layout = still.layout
    moves = _sampled(plan, scenario, still)
    chosen = np.array([kind in kinds for kind in layout.kinds])
    spread = np.nanstd(moves, axis=0)
    random = chosen & (spread > LEAST)
    moves = np.where(random, moves, 0.0)
    moves = moves[np.isfinite(moves).all(axis=1)]
    mean = moves.mean(axis=0)
    covariance = np.cov(moves, rowvar=False, ddof=1).reshape(len(chosen), len(chosen))
    source = ["sampled" if r else "still" for r in random]
    for f, kind in enumerate(layout.kinds):
        fed = kind == "basis" or (kind == "depth" and still.cascade is not None)
        if chosen[f] and not random[f] and fed:
            covariance[f, f], source[f] = assumed[kind] ** 2, "assumed"
    root = _root(covariance)
    lag = assumed["oracle_lag"] if "oracle_lag" in kinds else 0.0
    if not root.shape[1]:
        raise InputError(
            plan.campaign.file, f"scenarios.{scenario}", "no factor that may move",
            f"a scenario with random prices or reserves; --factors of {', '.join(KINDS)}",
        )  # fmt: skip
    return FactorLaw(
        names=layout.names, mean=mean, covariance=covariance, source=tuple(source),
        lag_deviation=lag, root=root, sampled=moves,
    )  # fmt: skip


def _root(covariance: np.ndarray) -> np.ndarray:
    """A root `[F, r]` of a covariance, by the eigenvectors of its correlation."""
    deviation = np.sqrt(np.diag(covariance))
    scale = np.where(deviation > LEAST, deviation, 1.0)
    values, vectors = np.linalg.eigh(covariance / np.outer(scale, scale))
    kept = values > 1e-10
    return scale[:, None] * vectors[:, kept] * np.sqrt(values[kept])


def _sampled(plan: Plan, name: str, still: Course) -> np.ndarray:
    """Moves at the horizon of the scenario's own paths against the still world, `[n, F]`."""
    model, today = plan.scenarios[name]
    hours = jnp.asarray(plan.campaign.step_hours)
    key = scenario_key(plan.campaign.spec.seed ^ ORDER, name)
    zero = still.sample(jnp.zeros((1, *still.shape)))
    base = _levels(zero, still.today)
    found = []
    for start in range(0, PAIRS, BLOCK):
        drawn = path_normals(model, key, jnp.arange(start, start + BLOCK))
        sample = sample_of(today, model, jnp.concatenate([drawn, -drawn]), hours)
        _, view = market_paths(plan.inputs.venue, today, model, sample, hours)
        known = np.asarray(view.status) != NON_FINITE
        found.append(np.where(known[:, None], _levels(sample, today) - base, np.nan))
    return np.concatenate(found)


def _levels(sample: Any, today: Any) -> np.ndarray:
    """Factors at the horizon in the order of a layout, `[P, F]`; depth as its least over assets."""
    path = sample.factors
    series = (sample.logs, path.basis, path.depth, sample.supply, sample.queued, sample.borrow)
    logs, basis, depth, supply, queued, borrowed = (np.asarray(x)[:, -1] for x in series)
    wanted = supply - queued * np.asarray(today.supplied)
    lent = (borrowed > 0) & (wanted > 0)
    used = np.log(np.where(lent, borrowed, 1.0) / np.where(lent, wanted, 1.0))
    thin = np.log(depth.min(axis=1, keepdims=True)) if depth.shape[1] else np.zeros((len(logs), 1))
    return np.concatenate([logs, basis, thin, used], axis=1)
