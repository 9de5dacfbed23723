"""Variables of the results dataset that only a campaign with feedback has."""

from typing import Any

import numpy as np

from stress.cascade_metrics import PAYERS
from stress.cascade_reduce import CHANNELS, DECADES, PARTIES, PER_DECADE
from stress.estimate import mean, ratio_of_means
from stress.labels import attrs, stacked
from stress.static_response import BOUNDS
from stress.tail import histogram_quantile
from stress.totals import Totals

TAIL = 0.01
Variables = dict[str, Any]


def cascade_coordinates(assets: tuple[str, ...], shocks: np.ndarray) -> Variables:
    """Coordinates of the variables below."""
    return {
        "channel": list(CHANNELS),
        "payer": list(PAYERS),
        "payer_meaning": ("payer", [text for _, text in PAYERS.values()]),
        "party": list(PARTIES),
        "source_asset": list(assets),
        "shock": shocks,
        "bound": list(BOUNDS),
    }


def cascade_variables(totals: Totals, quantiles: tuple[float, ...]) -> Variables:
    """Variables of one scenario, name -> (dims, values, attrs)."""
    known = max(int(totals.counts["paths"]), 1)
    paid = {name: totals.by_path[key] for name, (key, _) in PAYERS.items()}
    caused, whole = totals.by_path["cascade_caused"], totals.by_path["cascade_first_value"]
    overshoot = np.expm1(
        np.quantile(totals.by_path["cascade_overshoot"], quantiles, axis=0, method="inverted_cdf")
    )
    return {
        "cascade_timeline": (
            ("time", "quantile"),
            _timeline(totals.counts["cascade_value"], quantiles),
            attrs(
                "USDC",
                "value liquidated so far",
                "Quantiles over paths of what was executed, handed over, taken over and "
                f"auto-deleveraged up to each time; from a histogram with {PER_DECADE} bins a "
                "decade, upper edge of the bin.",
            ),
        ),
        "cascade_channel": (
            ("channel", "time"),
            totals.counts["cascade_channel"].T / known,
            attrs(
                "USDC",
                "value liquidated so far by channel",
                "Mean over paths up to each time: orders executed by the book, positions handed to "
                "the vault, collateral taken over, winners auto-deleveraged.",
            ),
        ),
        "shortfall_paid": (
            ("payer", "statistic"),
            np.stack([stacked(mean(values)) for values in paid.values()]),
            attrs(
                "USDC",
                "shortfall by who pays it",
                "Mean over paths of what each party paid for accounts that could not; of loans "
                "when the collateral is sold, so sales below the takeover price are in it.",
            ),
        ),
        "shortfall_paid_tail": (
            ("payer",),
            _tail_means(totals.by_path["cascade_shortfall"], list(paid.values())),
            attrs(
                "USDC",
                "shortfall by who pays it, worst 1 %",
                "Mean over the 1 % of paths with the largest shortfall of accounts.",
            ),
        ),
        "party_change": (
            ("party", "statistic"),
            stacked(mean(totals.by_path["cascade_party"], axis=0)),
            attrs(
                "USDC",
                "change of wealth by party",
                "Mean over paths of each party's wealth at the horizon less that of holding still "
                "what it began with, at the horizon's prices: what liquidations, interest and "
                "funding moved. Sums to 0 over parties.",
            ),
        ),
        "contagion": (
            ("source_asset", "asset", "statistic"),
            stacked(ratio_of_means(caused, np.broadcast_to(whole[:, None], caused.shape), axis=0)),
            attrs(
                "1",
                "contagion between assets",
                "Share of the value in the asset that is liquidated for the first time which would "
                "not have been liquidatable without the displacement of prices, charged to the "
                "displaced assets by the equity and credit each took from the account.",
            ),
        ),
        "overshoot": (
            ("asset", "quantile"),
            overshoot.T,
            attrs(
                "1",
                "overshoot by liquidations",
                "Quantiles over paths of the greatest displacement of the price by liquidations at "
                "any time, as a simple return without sign.",
            ),
        ),
    }


def _timeline(counts: np.ndarray, quantiles: tuple[float, ...]) -> np.ndarray:
    """Quantiles `[T, quantile]`, USDC, of the histogram of the logarithm."""
    decades = 10 ** (np.arange(DECADES * PER_DECADE + 1) / PER_DECADE)
    edges = np.concatenate([[0.0], decades, [decades[-1] * 1e3]])
    found = histogram_quantile(counts.T, edges, quantiles)
    nothing = np.cumsum(counts, axis=1)[:, 0] / np.maximum(counts.sum(axis=1), 1)
    return np.where(np.asarray(quantiles)[None] <= nothing[:, None], 0.0, found.T)


def _tail_means(size: np.ndarray, values: list[np.ndarray]) -> np.ndarray:
    """Means over the worst paths by `size`."""
    worst = max(1, round(TAIL * len(size)))
    order = np.argsort(-np.where(np.isnan(size), -np.inf, size), kind="stable")[:worst]
    return np.array([v[order].mean() for v in values])
