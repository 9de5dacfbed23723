"""From a study of interest to a labelled dataset and a summary."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr

from stress.config import Campaign
from stress.decide.liquidation_time import borrowers, group_members, shares
from stress.decide.rate_greeks import RUNS, Greeks
from stress.estimate import mean, ratio_of_means
from stress.labels import STATISTICS, attrs, stacked

SHARES = ("accounts", "loans")
CHANNELS = ("whole", "interest", "liquidity")
SLOPE = (
    "Change of the share liquidated by the horizon per point of utilization (of the first quote "
    "token, mean over the path), from shifts up and down clipped to [0, 1], paired path by path. "
    "interest: growths alone shifted; liquidity: the rest, what the reserve can lend."
)


def rates_dataset(
    campaign: Campaign, found: Greeks, quotes: tuple[str, ...], attributes: Mapping[str, object]
) -> xr.Dataset:
    """Builds the dataset of a study.

    Args:
      campaign: that was studied.
      found: the study.
      quotes: quote tokens, in order.
      attributes: of the dataset, numbers and strings.

    Returns:
      Dataset with `hours` (time to liquidation of every account), its figures by group,
      `probability` and `slope`; dims held, account, group, share, within, scenario, level, channel,
      statistic.
    """
    times, windows = found.times, np.array(campaign.spec.rates.within)
    names, members = group_members(campaign.book)
    owing, earliest, median = borrowers(members, times)
    by_then = shares(members, times.loan, times.hours[:, None] <= windows[:, None])
    of_owing = ("held", "group")
    cell = ("scenario", "level", "group", "share")
    variables: dict[str, Any] = {
        "utilization": (("held", "quote"), times.used, attrs("1", "utilization held", "Of each "
                        "reserve while prices stand still.")),
        "borrow_rate": (("held", "quote"), times.rate, attrs("1/year", "borrow rate", "At the "
                        "utilization held.")),
        "hours": (("held", "account"), times.hours, attrs("h", "time to liquidation", "Whole hours "
                  "of interest alone until the account is liquidatable; 0: now, infinite: never.")),
        "loan": (("account",), times.loan, attrs("USDC", "loan", "Owed now.")),
        "borrowers": (("group",), owing, attrs("accounts", "borrowers", "Accounts that owe now.")),
        "group_accounts": (("group",), members.sum(axis=1),
                           attrs("accounts", "accounts", "Accounts of the group.")),
        "group_loan": (("group",), members @ times.loan, attrs("USDC", "loans", "Owed now.")),
        "earliest": (of_owing, earliest, attrs("h", "earliest", "Of the accounts that owe.")),
        "median": (of_owing, median, attrs("h", "median", "Of the accounts that owe.")),
        "within_share": (("held", "within", "group", "share"), by_then,
                         attrs("1", "liquidated by then", "Share of all accounts, and of loans, "
                               "that interest alone makes liquidatable by then.")),
        "probability": ((*cell, "statistic"), _masked(stacked(mean(_run(found, "base"))), found,
                                                      members),
                        attrs("1", "probability", "Share liquidated by the horizon, mean over "
                              "paths.")),
        "slope": ((*cell, "channel", "statistic"), _masked(_slopes(found), found, members),
                  attrs("1 per point", "slope in utilization", SLOPE)),
        "moved": (("scenario", "level"), found.moved.mean(axis=2),
                  attrs("points", "distance of the shifts", "Up less down after clipping, mean.")),
    }  # fmt: skip
    coordinates: dict[str, Any] = {
        "held": times.levels,
        "quote": list(quotes),
        "account": list(map(str, campaign.book.ids)),
        "group": names,
        "share": list(SHARES),
        "within": windows,
        "scenario": list(campaign.scenarios),
        "level": found.levels,
        "channel": list(CHANNELS),
        "statistic": list(STATISTICS),
    }
    return xr.Dataset(variables, coords=coordinates, attrs=dict(attributes))


def rates_summary(results: xr.Dataset) -> dict[str, Any]:
    """The machine-readable summary, strict JSON; a time of null is never, or that nobody owes."""

    def plain(value: Any) -> float | None:
        return float(value) if np.isfinite(value) else None

    def row(at: xr.DataArray) -> dict[str, float | None]:
        return {str(k): plain(v) for k, v in zip(at["statistic"].values, at.values, strict=True)}

    times, slopes = [], []
    for held in map(str, results["held"].values):
        for group in map(str, results["group"].values):
            at = results.sel(held=held, group=group)
            told = {name: plain(at[name]) for name in ("borrowers", "earliest", "median")}
            within = {
                f"within_{float(hours):g}h": {
                    kind: plain(at["within_share"].sel(within=hours, share=kind)) for kind in SHARES
                }
                for hours in results["within"].values
            }
            times.append({"held": held, "group": group, "unit": "h"} | told | within)
    for scenario in map(str, results["scenario"].values):
        for level in map(str, results["level"].values):
            for group in map(str, results["group"].values):
                for kind in SHARES:
                    labels = {"scenario": scenario, "level": level, "group": group, "share": kind}
                    at = results.sel(labels)
                    slopes.append(
                        labels
                        | {"probability": row(at["probability"])}
                        | {c: row(at["slope"].sel(channel=c)) for c in CHANNELS}
                    )
    return {"time_to_liquidation": times, "slopes": slopes}


def _run(found: Greeks, name: str) -> np.ndarray:
    """Shares of one run of every path, `[S, L, G, 2, P]`."""
    return found.happened[:, :, RUNS.index(name)]


def _slopes(found: Greeks) -> np.ndarray:
    """Slopes by channel, `[S, L, G, 2, channel, statistic]`."""
    whole = _run(found, "up") - _run(found, "down")
    interest = _run(found, "interest_up") - _run(found, "interest_down")
    parts = np.stack([whole, interest, whole - interest], axis=4)
    moved = np.broadcast_to(found.moved[:, :, None, None, None], parts.shape)
    return stacked(ratio_of_means(parts, moved))


def _masked(values: np.ndarray, found: Greeks, members: np.ndarray) -> np.ndarray:
    """NaN for the loans of a group that owes nothing."""
    values[:, :, members @ found.times.loan == 0, SHARES.index("loans")] = np.nan
    return values
