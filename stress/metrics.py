"""The metrics of a run: id, unit, which way is bad, definition, and how to estimate it.

Ids, units and definitions stand here once; the dataset, summary.json and the report read them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.status import NON_FINITE
from stress.estimate import Estimate, mean, proportion
from stress.tail import expected_shortfall, quantile
from stress.totals import FULL, Totals


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One figure of the whole book."""

    id: str
    label: str
    unit: str
    bad: str  # "up": more is worse
    definition: str
    estimate: Callable[[Totals], Estimate]


AT_FIRST = "counted whole at an account's first liquidation, whatever part of it is then executed"
MEASURES = {
    "bad_debt": (
        "bad debt",
        "Negative equity, all collateral at its oracle price included, of accounts at their first "
        "liquidation on the time grid: what nobody has paid for.",
    ),
    "liquidated_notional": (
        "liquidated perpetuals",
        f"Notional at mark of the perpetual positions of liquidated accounts, {AT_FIRST}.",
    ),
    "liquidated_debt": (
        "liquidated loans",
        f"Loans from the pool of liquidated accounts, {AT_FIRST}.",
    ),
    "equity_loss": (
        "loss of equity",
        "Equity of all accounts now less their equity at the horizon, or at the first liquidation "
        "for a liquidated account; interest and funding included, liquidation costs not.",
    ),
}


def failed_paths(totals: Totals) -> int:
    """Paths whose outcome is unknown because something of them was not finite."""
    return int((totals.by_path["status"] == NON_FINITE).sum())


def share_of(totals: Totals, happened: np.ndarray) -> Estimate:
    """Share of paths on which something happened, bool `[paths]`."""
    failed = failed_paths(totals)
    return proportion(int(happened.sum()), totals.paths, failed)


def _of(name: str) -> Callable[[Totals], np.ndarray]:
    return lambda totals: totals.by_path[name]


def _peak(totals: Totals) -> np.ndarray:
    return totals.by_path["peak_utilization"].max(axis=1)


def at_quantile(values: Callable, level: float) -> Callable[[Totals], Estimate]:
    """Quantile over paths of `values(totals)`."""
    return lambda totals: quantile(values(totals), level)


def shortfall_of(values: Callable, level: float) -> Callable[[Totals], Estimate]:
    """Expected shortfall over paths of `values(totals)`."""
    return lambda totals: expected_shortfall(values(totals), level)


def mean_of(values: Callable) -> Callable[[Totals], Estimate]:
    """Mean over paths of `values(totals)`."""
    return lambda totals: mean(values(totals))


def money_metrics(
    prefix: str,
    label: str,
    what: str,
    values: Callable[[Totals], np.ndarray],
    kinds: Sequence[str] = ("mean", "var_99", "es_99"),
) -> list[Metric]:
    """Mean, value at risk and expected shortfall of a total over the book, USDC."""
    capital = f"{label[:1].upper()}{label[1:]}"
    parts = {
        "mean": (f"Mean {label}", "Mean over paths.", mean_of(values)),
        "var_99": (
            f"{capital}, 1 path in 100",
            "99 % quantile over paths.",
            at_quantile(values, 0.99),
        ),
        "es_99": (
            f"{capital}, mean of the worst 1 %",
            "Expected shortfall: mean of the worst 1 % of paths.",
            shortfall_of(values, 0.99),
        ),
    }
    return [
        Metric(
            id=f"{prefix}.{kind}",
            label=parts[kind][0],
            unit="USDC",
            bad="up",
            definition=f"{what} {parts[kind][1]}",
            estimate=parts[kind][2],
        )
        for kind in kinds
    ]


def _money(name: str) -> list[Metric]:
    label, what = MEASURES[name]
    return money_metrics(f"system.{name}", label, what, _of(name))


METRICS: tuple[Metric, ...] = (
    Metric(
        id="system.liquidated_accounts.mean",
        label="Liquidated accounts",
        unit="accounts",
        bad="up",
        definition="Mean number of accounts of which any part, the shared margin or an isolated "
        "position, becomes liquidatable by the horizon.",
        estimate=mean_of(_of("liquidated_accounts")),
    ),
    *_money("liquidated_notional"),
    *_money("liquidated_debt"),
    Metric(
        id="system.probability_bad_debt",
        label="Probability of bad debt",
        unit="1",
        bad="up",
        definition="Share of paths on which the bad debt of some account is positive.",
        estimate=lambda t: share_of(t, t.by_path["bad_debt"] > 0),
    ),
    *_money("bad_debt"),
    *_money("equity_loss"),
    Metric(
        id="system.probability_full_utilization",
        label="Probability that a reserve is fully used",
        unit="1",
        bad="up",
        definition="Share of paths on which the utilization of a reserve reaches 1 at some time of "
        "the grid, so that suppliers cannot withdraw.",
        estimate=lambda t: share_of(t, _peak(t) >= FULL),
    ),
    Metric(
        id="pool.peak_utilization.mean",
        label="Peak utilization, mean",
        unit="1",
        bad="up",
        definition="Mean over paths of the greatest utilization of any reserve up to the horizon.",
        estimate=mean_of(_peak),
    ),
    Metric(
        id="pool.peak_utilization.p99",
        label="Peak utilization, 1 path in 100",
        unit="1",
        bad="up",
        definition="99 % quantile over paths of the greatest utilization of any reserve.",
        estimate=at_quantile(_peak, 0.99),
    ),
)

ACCOUNT_METRICS = {
    "account.liquidation_probability": (
        "liquidation probability",
        "Probability that any part of the account becomes liquidatable at a time of the grid up to "
        "the horizon: portfolio margin ratio above its trigger (portfolio, unified), equity below "
        "maintenance (standard, isolated), or credit the reserve cannot fund.",
    ),
    "account.partial_liquidation_probability": (
        "probability of a partial liquidation",
        "Probability of reaching the partial threshold as if untouched: debt above collateral at "
        "weights (1+LTV)/2; with perpetuals, equity with credit below 2/3 of maintenance; for "
        "other accounts, being liquidatable through the order book.",
    ),
    "account.full_liquidation_probability": (
        "probability of a full takeover",
        "Probability of reaching the full threshold as if untouched: debt above collateral at "
        "weights (2+LTV)/3; where there are positions, equity (with credit) below 2/3 of "
        "maintenance, where the backstop takes over.",
    ),
    "account.bad_debt_probability": (
        "probability of bad debt",
        "Probability that the account's equity is negative at its first liquidation.",
    ),
}
COUNT_OF = {
    "account.partial_liquidation_probability": "partial",
    "account.full_liquidation_probability": "full",
    "account.bad_debt_probability": "bad_debt",
}


def account_estimates(totals: Totals) -> dict[str, Estimate]:
    """Probabilities of every account, leaves `[U]`."""
    failed = failed_paths(totals)
    first = totals.counts["first"]
    result = {
        "account.liquidation_probability": proportion(first[:-1].sum(axis=0), totals.paths, failed)
    }
    for name, count in COUNT_OF.items():
        result[name] = proportion(totals.counts[count], totals.paths, failed)
    return result
