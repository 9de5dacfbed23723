"""Which assumption matters: campaigns at many values of their inputs on the same random numbers."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from stress.campaign import plan, run_blocks
from stress.config import Campaign
from stress.decide.euler import Attribution, attributions
from stress.decide.inputs import Uncertain, uncertain, with_values
from stress.decide.sobol import Indices, sobol_table
from stress.errors import InputError
from stress.store import write_atomically

COLUMNS = {"supplier_loss": "cascade_paid_suppliers"}  # of totals, where another than the measure
Advance = Callable[[], object]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One input at one value, all others as the campaign states them."""

    name: str
    value: Any
    figures: np.ndarray  # [S, M, P] scenario, measure, path


@dataclass(frozen=True, kw_only=True)
class Study:
    """Everything a study of sensitivity found."""

    inputs: list[Uncertain]
    base: np.ndarray  # [S, M, P], the campaign as it stands
    bars: list[Bar]
    indices: Indices  # leaves [S M, d]
    attribution: dict[str, dict[str, Attribution]]


def campaigns_of(campaign: Campaign) -> int:
    """Campaigns that a study runs, at most: the tornado's and the design's."""
    inputs = uncertain(campaign)
    points = campaign.spec.sensitivity.base_points
    return 1 + sum(len(one.outer()) for one in inputs) + points * (len(inputs) + 2)


def check_study(campaign: Campaign) -> None:
    """Refuses what a study cannot look at.

    Errors:
      InputError naming the key.
    """
    spec = campaign.spec
    if "supplier_loss" in spec.sensitivity.measures and not spec.feedback:
        allowed = "feedback: true, or measures without supplier_loss"
        raise InputError(campaign.file, "sensitivity.measures", "supplier_loss", allowed)
    if spec.estimator.method != "plain":
        found = repr(spec.estimator.method)
        raise InputError(campaign.file, "estimator.method", found, "plain, whose paths pair")
    for one in uncertain(campaign):
        for value in one.outer():
            plan(with_values(campaign, {one.key: value}))  # every fault shows before work begins


def study(campaign: Campaign, folder: Path | None, threads: int, advance: Advance) -> Study:
    """Runs a study: the campaign, its tornado, Sobol's design, and who makes up its tail.

    All campaigns have the seed of the first, so that they differ by their inputs alone and a
    difference is paired path by path.

    Args:
      campaign: with inputs under `sensitivity`.
      folder: where finished campaigns are kept and found again; None keeps nothing.
      threads: of this process.
      advance: called after every campaign.

    Returns:
      The study.

    Errors:
      InputError for values that the campaign cannot have, or at which a path is not finite.
    """
    inputs = uncertain(campaign)
    begun = plan(campaign)
    totals = run_blocks(begun, None, threads)
    base = figures_of(campaign, totals)
    advance()

    def evaluate(values: dict[str, Any]) -> np.ndarray:
        found = _kept(with_values(campaign, values), folder)
        advance()
        return found

    moves = [(one, value) for one in inputs for value in one.outer()]
    moved = _each(evaluate, [{one.key: value} for one, value in moves], threads)
    bars = [
        Bar(name=one.name, value=value, figures=found)
        for (one, value), found in zip(moves, moved, strict=True)
    ]

    def function(points: np.ndarray) -> np.ndarray:
        drawn = [
            {one.key: one.value(x) for one, x in zip(inputs, point, strict=True)}
            for point in points.T
        ]
        columns = _each(evaluate, drawn, threads)
        return np.stack([found.mean(axis=2).reshape(-1) for found in columns], axis=1)

    spec = campaign.spec
    indices = sobol_table(
        function, [one.law for one in inputs], spec.sensitivity.base_points, spec.seed
    )
    return Study(
        inputs=inputs, base=base, bars=bars, indices=indices,
        attribution=attributions(begun, totals),
    )  # fmt: skip


def figures_of(campaign: Campaign, totals: Any) -> np.ndarray:
    """Measures of every path, `[S, M, P]`, in their units.

    Errors:
      InputError where a path is not finite.
    """
    names = [COLUMNS.get(m, m) for m in campaign.spec.sensitivity.measures]
    found = np.array([[totals[s].by_path[name] for name in names] for s in campaign.scenarios])
    if not np.all(np.isfinite(found)):
        lost = int((~np.isfinite(found)).any(axis=(0, 1)).sum())
        allowed = "values at which every path is finite"
        raise InputError(campaign.file, "sensitivity.inputs", f"{lost} paths not finite", allowed)
    return found.astype(float)


def _each(work: Callable[[Any], np.ndarray], items: list[Any], threads: int) -> list[np.ndarray]:
    """Results in the order of the items; an interruption lets those in hand finish."""
    with ThreadPoolExecutor(max_workers=max(1, threads)) as pool:
        futures = [pool.submit(work, item) for item in items]
        try:
            return [future.result() for future in futures]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def kept(place: Path | None, compute: Callable[[], np.ndarray]) -> np.ndarray:
    """An array found in a file, or computed and kept there; a file cut short is made again."""
    if place is not None and place.exists():
        try:
            return np.load(place, allow_pickle=False)
        except (OSError, ValueError, EOFError):
            place.unlink()
    found = compute()
    if place is not None:
        data = io.BytesIO()
        np.save(data, found, allow_pickle=False)
        place.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(place, data.getvalue())
    return found


def _kept(campaign: Campaign, folder: Path | None) -> np.ndarray:
    """Figures of a campaign, found in the folder or computed and kept there."""
    place = None if folder is None else folder / f"{campaign.digest[:32]}.npy"
    return kept(place, lambda: figures_of(campaign, run_blocks(plan(campaign), None, 1)))
