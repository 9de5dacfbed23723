"""Metrics that only a campaign with feedback has; same form as `stress.metrics`."""

from collections.abc import Callable

import numpy as np

from stress.estimate import Estimate, ratio_of_means
from stress.metrics import Metric, at_quantile, mean_of, money_metrics, share_of
from stress.totals import Totals

FLOWS = {
    "book_notional": (
        "perpetuals liquidated through the book",
        "Notional at mark of liquidation orders that the order book executed.",
    ),
    "backstop_notional": (
        "perpetuals taken over by the vault",
        "Notional at mark of positions handed over to the liquidator vault.",
    ),
    "takeover_value": (
        "collateral taken over",
        "Value at the reserve's oracle price of collateral that the takeover backstop took.",
    ),
    "adl_notional": (
        "auto-deleveraged perpetuals",
        "Notional at the previous mark of winners' positions closed against bankrupt ones.",
    ),
}
SHORTFALL = (
    "Negative account values when positions were handed over, and loans beyond the collateral when "
    "they were taken over: what the accounts themselves could not pay."
)
PAYERS = {
    "adl_winners": ("cascade_paid_adl", "profit given up by auto-deleveraged winners"),
    "vault": ("cascade_paid_vault", "negative balances handed to the liquidator vault"),
    "takeover_backstop": ("cascade_paid_takeover", "capital of the takeover backstop"),
    "lending_buffer": ("cascade_paid_buffer", "interest the reserve had kept"),
    "suppliers": ("cascade_paid_suppliers", "haircut of the reserve's suppliers"),
    "uncovered": ("cascade_uncovered", "left to counterparties outside the book"),
}


def liquidated_value(totals: Totals, kind: str = "") -> np.ndarray:
    """Perpetuals and loans of accounts at their first liquidation, USDC `[paths]`."""
    parts = (totals.by_path[f"{kind}liquidated_{name}"] for name in ("notional", "debt"))
    return sum(parts, np.zeros(totals.paths))


def _amplification(totals: Totals) -> Estimate:
    return ratio_of_means(liquidated_value(totals), liquidated_value(totals, "frozen_"))


def _loss_amplification(totals: Totals) -> Estimate:
    return ratio_of_means(totals.by_path["equity_loss"], totals.by_path["frozen_equity_loss"])


def _branching(totals: Totals) -> Estimate:
    whole = totals.by_path["cascade_first_value"].sum(axis=1)
    return ratio_of_means(totals.by_path["cascade_caused_value"], whole)


def _of(name: str) -> Callable[[Totals], np.ndarray]:
    return lambda totals: totals.by_path[f"cascade_{name}"]


def _metric(id_: str, label: str, unit: str, definition: str, estimate) -> Metric:
    return Metric(
        id=id_, label=label, unit=unit, bad="up", definition=definition, estimate=estimate
    )


CASCADE_METRICS: tuple[Metric, ...] = (
    *(
        metric
        for name, (label, what) in FLOWS.items()
        for metric in money_metrics(f"system.{name}", label, what, _of(name), ("mean", "es_99"))
    ),
    _metric(
        "system.probability_adl",
        "Probability of auto-deleveraging",
        "1",
        "Share of paths on which some winner is auto-deleveraged.",
        lambda t: share_of(t, t.by_path["cascade_adl_notional"] > 0),
    ),
    *money_metrics("system.shortfall", "shortfall of accounts", SHORTFALL, _of("shortfall")),
    _metric(
        "system.amplification",
        "Amplification of liquidations",
        "1",
        "Mean value liquidated (perpetuals and loans of accounts at their first liquidation) with "
        "feedback over the same without, same paths.",
        _amplification,
    ),
    _metric(
        "system.loss_amplification",
        "Amplification of losses",
        "1",
        "Mean loss of equity up to an account's first liquidation or the horizon with feedback "
        "over the same without, same paths.",
        _loss_amplification,
    ),
    _metric(
        "system.branching_ratio",
        "Branching ratio",
        "1",
        "Share of the value liquidated for the first time that would not have been liquidatable at "
        "prices without the displacement by earlier liquidations; a cascade of ratio n multiplies "
        "its trigger by 1 / (1 - n).",
        _branching,
    ),
    _metric(
        "system.rounds.p99",
        "Rounds of a step, 1 path in 100",
        "rounds",
        "99 % quantile over paths of the most effective liquidation rounds of one step.",
        at_quantile(_of("most_rounds"), 0.99),
    ),
    *money_metrics(
        "pool.supplier_loss",
        "loss of suppliers",
        "Haircut of the reserve's suppliers by loans that were not repaid, the book's own idle "
        "balances included.",
        _of("paid_suppliers"),
        ("mean", "es_99"),
    ),
    _metric(
        "pool.hours_full.mean",
        "Hours at full utilization, mean",
        "h",
        "Mean over paths of the hours at the end of which all supply was lent.",
        mean_of(_of("hours_full")),
    ),
    *money_metrics(
        "pool.queued",
        "queued withdrawals",
        "Most that suppliers wanted to withdraw at one time and could not.",
        _of("queued"),
        ("mean", "es_99"),
    ),
    *money_metrics(
        "pool.refused",
        "refused draws",
        "Most that accounts of the book wanted to draw at one time and were refused.",
        _of("refused"),
        ("es_99",),
    ),
)

FEEDBACK_ACCOUNTS = {
    "account.partial_liquidation_probability": (
        "probability of a partial liquidation",
        "Probability that the account is liquidated through the order book or that a part of its "
        "collateral and loans is taken over.",
    ),
    "account.full_liquidation_probability": (
        "probability of a full takeover",
        "Probability that the vault takes the account's positions, or that all its collateral and "
        "loans are taken over.",
    ),
}

__all__ = ["CASCADE_METRICS", "FEEDBACK_ACCOUNTS", "PAYERS", "liquidated_value"]
