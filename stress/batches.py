"""Errors of figures whose paths are not independent: between batches that are.

Scrambled Sobol points depend on each other within a scrambling, mirrored paths within a pair. The
paths of a scenario fall into batches that are independent: one a scrambling, or every sixteenth
pair. A figure is taken of all paths, its error from the scatter of the batches.
"""

from collections.abc import Callable

import numpy as np
from scipy import special

from stress.estimate import Estimate, as_estimate, normal_quantile
from stress.estimator_schema import Estimator
from stress.totals import Totals

PAIR_BATCHES = 16
MIRRORED = np.sqrt(2.0)  # by which two equal paths a pair widen an interval, the worst case


def batch_of(settings: Estimator, paths: int) -> np.ndarray | None:
    """Batch of every path, `[paths]`; None where paths are independent."""
    number = np.arange(paths)
    if settings.main == "sobol":
        return number % settings.replicates
    if settings.main == "antithetic":
        return (number // 2) % PAIR_BATCHES
    return None


def batched(
    estimate: Callable[[Totals], Estimate], totals: Totals, batch: np.ndarray | None
) -> Estimate:
    """A figure of all paths with its error between batches.

        se = std(batches) / sqrt(R),    value -+ t_(R-1) se

    Args:
      estimate: of totals.
      totals: of a scenario.
      batch: of every path, None for the estimate's own error.

    Returns:
      The estimate. Where all batches agree (nothing happened, or always) the interval is that of
      independent paths, which is wider. NaN where a batch gives none.
    """
    whole = estimate(totals)
    if batch is None:
        return whole
    parts = np.stack([estimate(_part(totals, batch == r)).value for r in np.unique(batch)])
    count = len(parts)
    error = parts.std(axis=0, ddof=1) / np.sqrt(count)
    reach = float(special.stdtrit(count - 1, special.ndtr(normal_quantile(0.95)))) * error
    agree = error == 0
    return as_estimate(
        whole.value,
        np.where(agree, whole.standard_error, error),
        np.where(agree, whole.low, whole.value - reach),
        np.where(agree, whole.high, whole.value + reach),
    )


def within(found: Estimate, low: float, high: float) -> Estimate:
    """The estimate with its interval inside the range of the figure."""
    return as_estimate(
        found.value,
        found.standard_error,
        np.clip(found.low, low, high),
        np.clip(found.high, low, high),
    )


def cautious(found: Estimate, settings: Estimator) -> Estimate:
    """A share whose paths were counted as independent, wide enough for how they were drawn.

    Scrambled points scatter no more than independent ones; mirrored paths may count double.
    """
    if settings.main != "antithetic":
        return found
    return as_estimate(
        found.value,
        found.standard_error * MIRRORED,
        np.clip(found.value - (found.value - found.low) * MIRRORED, 0, 1),
        np.clip(found.value + (found.high - found.value) * MIRRORED, 0, 1),
    )


def _part(totals: Totals, chosen: np.ndarray) -> Totals:
    """The totals of some paths; counts by account are left out."""
    rows = {name: values[chosen] for name, values in totals.by_path.items()}
    return Totals(int(chosen.sum()), by_path=rows)
