"""From totals to a labelled, self-describing dataset, and from it to files."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from models import status
from stress.aggregate import RATIO_BINS, RATIO_STEP
from stress.batches import batch_of, batched, cautious, within
from stress.book import Book, group_names, margin_accounts
from stress.campaign import Plan
from stress.cascade_dataset import cascade_coordinates, cascade_variables
from stress.cascade_metrics import CASCADE_METRICS, FEEDBACK_ACCOUNTS
from stress.estimate import clustered_proportion
from stress.labels import STATISTICS, stacked
from stress.labels import attrs as _attrs
from stress.margin_figures import RowFigures
from stress.metrics import (
    ACCOUNT_METRICS,
    MEASURES,
    METRICS,
    Metric,
    account_estimates,
    failed_paths,
)
from stress.pool_dataset import BAND, pool_variables
from stress.rare_dataset import event_metrics, rare_coordinates, rare_parts, system_values
from stress.rare_run import Rare, alone
from stress.static_response import SHOCKS
from stress.tail import exceedance_curve, histogram_quantile, interval_levels
from stress.totals import Totals

QUANTILES = (0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999)
DEEPEST = 4  # exceedance probabilities go to this many paths
Variables = dict[str, Any]


def build_dataset(
    plan: Plan,
    totals: Mapping[str, Totals],
    tails: Mapping[str, Mapping[str, np.ndarray]],
    now: RowFigures,
    attributes: Mapping[str, object],
    response: np.ndarray | None = None,
    rare: Rare | None = None,
) -> xr.Dataset:
    """Builds the results dataset.

    Args:
      plan: the campaign, built.
      totals: merged totals by scenario.
      tails: `stress.campaign.tail_contributions`.
      now: figures of every margin account at the start.
      attributes: of the dataset, numbers and strings.
      response: with feedback, `stress.static_response.static_response` of the book.
      rare: `stress.rare_run.rare_run`; None for the campaign's own paths alone.

    Returns:
      Dataset with dims scenario, account, group, time, asset, token, quantile, statistic, metric,
      measure, exceedance, status; every variable with units, long_name and definition.
    """
    book, spec = plan.campaign.book, plan.campaign.spec
    groups = ["all", *group_names(book)]
    rare = rare or alone(totals, spec.estimator)
    metrics = [*metrics_of(plan), *event_metrics(rare)]
    probabilities = _exceedances(spec.paths)
    coordinates: Variables = {
        "scenario": list(totals),
        "account": list(map(str, book.ids)),
        "account_group": ("account", list(map(str, book.groups))),
        "account_mode": ("account", list(map(str, book.modes))),
        "group": groups,
        "time": plan.campaign.grid,
        "asset": list(plan.inputs.assets),
        "token": list(plan.inputs.venue.quotes),
        "quantile": list(QUANTILES),
        "statistic": list(STATISTICS),
        "metric": [m.id for m in metrics],
        "metric_label": ("metric", [m.label for m in metrics]),
        "metric_unit": ("metric", [m.unit for m in metrics]),
        "metric_definition": ("metric", [m.definition for m in metrics]),
        "metric_bad": ("metric", [m.bad for m in metrics]),
        "measure": list(MEASURES),
        "exceedance": probabilities,
        "status": list(status.NAMES),
        "status_meaning": ("status", list(status.STATUS.values())),
        "end": ["low", "high"],
        **rare_coordinates(),
    }
    parts = [
        _scenario(plan, t, tails[name], groups, probabilities) | _sure(plan, rare, name, metrics, t)
        for name, t in totals.items()
    ]
    variables: Variables = {
        name: (("scenario", *dims), np.stack([part[name][1] for part in parts]), attrs)
        for name, (dims, _, attrs) in parts[0].items()
    }
    if plan.cascade is not None:
        coordinates |= cascade_coordinates(plan.inputs.assets, SHOCKS)
        dims = ("shock", "asset", "bound")
        variables["static_response"] = (dims, response, _attrs("1", *STATIC))
    rules = plan.inputs.venue.liquidation
    triggers = (float(rules.portfolio_trigger), float(rules.cross_trigger))
    variables |= _today(book, now, groups, triggers)
    return xr.Dataset(variables, coords=coordinates, attrs=dict(attributes))


STATIC = (
    "total fall after an instantaneous one",
    "Simple fall of each asset after all of them fall by the shock at once and every account that "
    "becomes liquidatable is sold through the book at full depth: least and greatest fixed point.",
)


def metrics_of(plan: Plan) -> tuple[Metric, ...]:
    """Metrics of the whole book that a campaign has."""
    return METRICS if plan.cascade is None else (*METRICS, *CASCADE_METRICS)


def _exceedances(paths: int) -> list[float]:
    """Exceedance probabilities from 1/2 down to what the number of paths carries."""
    least = max(DEEPEST / paths, 1e-9)
    count = max(2, round(12 * np.log10(0.5 / min(least, 0.4))) + 1)
    return list(np.geomspace(0.5, min(least, 0.4), count))


def _scenario(
    plan: Plan,
    totals: Totals,
    tails: Mapping[str, np.ndarray],
    groups: list[str],
    probabilities: list[float],
) -> Variables:
    """Variables of one scenario, name -> (dims, values, attrs)."""
    parts: Variables = {}
    told = ACCOUNT_METRICS | (FEEDBACK_ACCOUNTS if plan.cascade is not None else {})
    for metric, estimate in account_estimates(totals).items():
        label, definition = told[metric]
        name = metric.replace(".", "_")
        cautiously = cautious(estimate, plan.campaign.spec.estimator)
        parts[name] = (
            ("account", "statistic"), stacked(cautiously), _attrs("1", label, definition)
        )  # fmt: skip
    parts |= _account_tails(plan, totals, tails)
    sizes = _sizes(plan.campaign.book, groups)
    share = clustered_proportion(
        totals.counts["group"], totals.counts["group_square"], totals.paths, sizes,
        failed_paths(totals),
    )  # fmt: skip
    parts["group_liquidation_probability"] = (
        ("group", "time", "statistic"),
        np.swapaxes(stacked(cautious(share, plan.campaign.spec.estimator)), 0, 1),
        _attrs(
            "1",
            "liquidated share of a group",
            "Expected share of the group's accounts that are liquidated by the time; the interval "
            "is across paths, on which accounts are dependent.",
        ),
    )
    parts |= pool_variables(plan, totals, QUANTILES)
    batch = batch_of(plan.campaign.spec.estimator, totals.paths)
    curves = [
        batched(lambda t, m=m: exceedance_curve(t.by_path[m], probabilities), totals, batch)
        for m in MEASURES
    ]
    parts["loss_curve"] = (
        ("measure", "exceedance", "statistic"),
        np.stack([stacked(curve) for curve in curves]),
        _attrs(
            "USDC",
            "loss exceeded with a probability",
            "Loss over the book that is exceeded with the probability; band by order statistics, "
            "or between batches where paths are not independent.",
        ),
    )
    if plan.cascade is not None:
        parts |= cascade_variables(totals, QUANTILES)
    counts = np.bincount(totals.by_path["status"], minlength=len(status.NAMES))
    parts["status_count"] = (
        ("status",), counts, _attrs("paths", "paths by outcome", "Paths that ended in the status.")
    )  # fmt: skip
    return parts


def _sure(plan: Plan, rare: Rare, name: str, metrics: list[Metric], totals: Totals) -> Variables:
    """The metrics of one scenario and how sure they are."""
    settings = plan.campaign.spec.estimator
    batch = batch_of(settings, totals.paths)
    values = {m.id: batched(m.estimate, totals, batch) for m in metrics_of(plan)}
    for key in values:
        if batch is not None and ".probability_" in key:
            values[key] = within(values[key], 0, 1)
    told = _attrs("see metric_unit", "system metrics", "See metric_definition.")
    system = (("metric", "statistic"), system_values(rare, name, metrics, values), told)
    return {"system": system, **rare_parts(rare, name, metrics, totals, settings)}


def _account_tails(plan: Plan, totals: Totals, tails: Mapping[str, np.ndarray]) -> Variables:
    """Times of liquidation, ratios at the horizon and contributions to the tail, per account."""
    first = totals.counts["first"][:-1].astype(np.float64)
    with np.errstate(invalid="ignore"):
        when = plan.campaign.grid @ first / first.sum(axis=0)
    edges = np.append(np.arange(RATIO_BINS) * RATIO_STEP, np.inf)
    ratios = histogram_quantile(totals.counts["ratio"], edges, QUANTILES)
    bands = [
        histogram_quantile(totals.counts["ratio"], edges, ends)
        for ends in interval_levels(totals.paths, QUANTILES)
    ]
    worst = "over the worst 1 % of paths by the book's total; adds up to the expected shortfall."
    return {
        "account_liquidation_time": (
            ("account",),
            when,
            _attrs(
                "h",
                "mean time of the first liquidation",
                "Mean time from now of the first liquidation on the paths that have one.",
            ),
        ),
        "account_pmr_horizon": (
            ("account", "quantile"),
            np.moveaxis(ratios, 0, -1),
            _attrs(
                "1",
                "margin ratio at the horizon",
                "Quantiles over paths of the margin ratio of the shared margin at the horizon, or "
                f"at the first liquidation; from a histogram with bins of {RATIO_STEP}.",
            ),
        ),
        "account_pmr_horizon_band": (
            ("account", "quantile", "end"),
            np.moveaxis(np.stack(bands, axis=-1), 0, 1),
            _attrs("1", "interval of the margin ratio at the horizon", BAND),
        ),
        "account_expected_shortfall_contribution": (
            ("account",),
            tails["bad_debt"],
            _attrs("USDC", "contribution to bad debt", f"Mean bad debt of the account {worst}"),
        ),
        "account_equity_loss_contribution": (
            ("account",),
            tails["equity_loss"],
            _attrs("USDC", "contribution to the loss of equity", f"Mean loss of equity {worst}"),
        ),
    }


def _sizes(book: Book, groups: list[str]) -> np.ndarray:
    """Accounts of each group, the whole book first."""
    return np.array([len(book.groups), *((book.groups == g).sum() for g in groups[1:])])


def _today(
    book: Book, now: RowFigures, groups: list[str], triggers: tuple[float, float]
) -> Variables:
    """The book as it stands now, by account and by group."""
    columns = {
        "equity": "equity now, collateral and isolated positions included",
        "debt": "loan from the pool now",
        "notional": "notional of perpetual positions now, at mark",
        "collateral": "collateral now, at the reserve's oracle price",
    }
    rows = margin_accounts(book)
    worth = np.array([book.token_prices.get(q, 1.0) for q in book.quotes])
    figures = {
        "equity": now.equity @ worth + now.collateral_value,
        "debt": now.loan @ worth,
        "notional": now.notional @ worth,
        "collateral": now.collateral_value,
    }
    result: Variables = {}
    for name, text in columns.items():
        values = np.bincount(rows.owner, weights=figures[name], minlength=len(book.ids))
        sentence = f"{text[0].upper()}{text[1:]}."
        result[f"account_{name}"] = ("account", values, _attrs("USDC", name, sentence))
        if name != "collateral":
            sums = [values.sum(), *(values[book.groups == g].sum() for g in groups[1:])]
            attrs = _attrs("USDC", name, f"Sum over the group: {text}.")
            result[f"group_{name}"] = ("group", np.array(sums), attrs)
    ratios = now.ratio[: len(book.ids)]
    limits = np.where(np.isin(book.modes, ("portfolio", "unified", "lender")), *triggers)
    ratio_attrs = _attrs("1", "margin ratio now", "Margin ratio of the shared margin now.")
    limit_attrs = _attrs("1", "trigger", "Margin ratio above which the account is liquidatable.")
    result["account_pmr"] = ("account", ratios, ratio_attrs)
    result["account_threshold"] = ("account", limits, limit_attrs)
    result["group_accounts"] = (
        "group", _sizes(book, groups), _attrs("accounts", "accounts", "Accounts of the group.")
    )  # fmt: skip
    return result
