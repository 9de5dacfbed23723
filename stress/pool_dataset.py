"""Reserves and prices over time as variables of the dataset: quantiles, with intervals."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stress.campaign import Plan
from stress.labels import attrs
from stress.tail import histogram_quantile, interval_levels
from stress.totals import UTILIZATION_BINS, Totals

BAND = "95 % interval of the quantiles by order statistics, as of independent paths."
Variables = dict[str, Any]


def pool_variables(plan: Plan, totals: Totals, quantiles: Sequence[float]) -> Variables:
    """Fans of utilization and borrow rate, and price moves."""
    lending = plan.inputs.venue.lending
    counts = totals.counts["utilization"]
    edges = np.append(np.arange(UTILIZATION_BINS + 1), UTILIZATION_BINS + 1e-9) / UTILIZATION_BINS
    times, quotes, bins = counts.shape
    flat = histogram_quantile(counts.reshape(-1, bins).T, edges, quantiles)
    used = np.minimum(np.moveaxis(flat.reshape(len(quantiles), times, quotes), 0, -1), 1.0)
    used = np.moveaxis(used, 1, 0)
    ends = [
        histogram_quantile(counts.reshape(-1, bins).T, edges, levels).reshape(-1, times, quotes)
        for levels in interval_levels(totals.paths, quantiles)
    ]
    within = np.minimum(np.transpose(np.stack(ends), (3, 2, 1, 0)), 1.0)  # [Q, T, q, end]

    def rate_of(use: np.ndarray) -> np.ndarray:
        kink, slope, base = (
            np.asarray(x).reshape(-1, *[1] * (use.ndim - 1))
            for x in (lending.kink, lending.slope, lending.base_rate)
        )
        return base + slope * np.maximum(use - kink, 0)

    rate = rate_of(used)
    moves = {
        "price_return": (
            "log_return",
            "return over the horizon",
            "Simple return of the price from now to the horizon.",
        ),
        "worst_price_return": (
            "worst_log_return",
            "worst return along the path",
            "Least simple return from now to any time of the grid.",
        ),
    }
    bands = "Quantiles over paths at each time"
    result: Variables = {
        "utilization": (
            ("token", "time", "quantile"), used,
            attrs("1", "utilization", f"{bands}: borrowed over supplied of the reserve."),
        ),
        "borrow_rate": (
            ("token", "time", "quantile"), rate,
            attrs("1/year", "borrow rate", f"{bands}: nominal borrow rate of the reserve."),
        ),
        "utilization_band": (
            ("token", "time", "quantile", "end"), within,
            attrs("1", "interval of the quantiles of utilization", BAND),
        ),
        "borrow_rate_band": (
            ("token", "time", "quantile", "end"), rate_of(within),
            attrs("1/year", "interval of the quantiles of the borrow rate", BAND),
        ),
    }  # fmt: skip
    for name, (source, label, definition) in moves.items():
        values = np.expm1(
            np.quantile(totals.by_path[source], quantiles, axis=0, method="inverted_cdf")
        )
        told = attrs("1", label, f"Quantiles over paths. {definition}")
        result[name] = (("asset", "quantile"), values.T, told)
    return result
