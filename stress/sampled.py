"""A sample that grows until its error is small enough, whatever draws it. Host side, float64."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from stress.estimate import Estimate, as_estimate
from stress.replicates import relative_error
from stress.weighted import FEWEST, diagnostics


@dataclass(frozen=True, eq=False)
class Sample:
    """Terms whose mean is wanted, and what stands behind them."""

    terms: np.ndarray  # [n], NaN: the path is not finite
    weights: np.ndarray  # [n], likelihood ratio of the whole path
    stratum: np.ndarray  # [n] int
    evaluations: int | None = None  # paths played where a term takes more than one

    @property
    def known(self) -> np.ndarray:
        """The terms, 0 where they are not known."""
        return np.nan_to_num(self.terms)

    @property
    def failed(self) -> int:
        """Paths that are not finite."""
        return int(np.isnan(self.terms).sum())

    @property
    def lost(self) -> float:
        """Probability of the paths that are not finite, by their weights."""
        return float(self.weights[np.isnan(self.terms)].sum() / len(self.terms))

    @property
    def spent(self) -> int:
        """Paths played."""
        return len(self.terms) if self.evaluations is None else self.evaluations


def joined(parts: list[Sample]) -> Sample:
    """Samples one after the other."""
    played = [part.evaluations for part in parts]
    return Sample(
        np.concatenate([part.terms for part in parts]),
        np.concatenate([part.weights for part in parts]),
        np.concatenate([part.stratum for part in parts]),
        None if None in played else sum(p for p in played if p is not None),
    )


def until(
    target: float,
    most: int,
    more: Callable[[int], Sample],
    estimate: Callable[[Sample], Estimate],
    least: int = 0,
) -> tuple[Sample, Estimate]:
    """Draws until the relative standard error is small enough, or the paths are used up.

    Args:
      target: relative standard error; 0 is never reached.
      most: paths at most; what comes next is taken to cost what came last.
      more: paths played so far -> the next part.
      estimate: of a sample.
      least: paths before the error is believed.

    Returns:
      (sample, its estimate). Fewer than FEWEST effective terms never stop it. The interval of a
      sample that was stopped by its own error is that of a sample of the same size; measured to
      cover 0.93 to 0.97 (`tests/coverage_study.py`).
    """
    sample: Sample | None = None
    while True:
        part = more(sample.spent if sample else 0)
        sample = part if sample is None else joined([sample, part])
        found = estimate(sample)
        enough = sample.spent >= least and relative_error(found) <= target
        if enough and diagnostics(sample.known).effective_sample_size >= FEWEST:
            return sample, found
        if sample.spent + part.spent > most:
            return sample, found


def as_probability(found: Estimate, lost: float) -> Estimate:
    """A probability: the interval within [0, 1], its high end with lost paths as events."""
    ends = np.clip([found.low, found.high + lost], 0, 1)
    return as_estimate(found.value, found.standard_error, *ends)
