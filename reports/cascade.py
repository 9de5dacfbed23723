"""What to show of a cascade: what its channels, payers and parties are called, and which assets.

Only campaigns with feedback have these variables; without them every look-up comes back empty.
"""

import numpy as np
import xarray as xr

from reports import selection, units

MOST_ASSETS = 8  # a panel can carry with names
UNCOVERED = "uncovered"  # what no party of the model pays
CHANNELS = {
    "book": "order book",
    "backstop": "vault",
    "takeover": "takeover",
    "adl": "ADL",
}
PARTIES = {
    "accounts": "other accounts",
    "adl_winners": "deleveraged winners",
    "makers": "market makers",
    "vault": "liquidator vault",
    "takeover_backstop": "takeover backstop",
    "lending_buffer": "lending buffer",
    "suppliers": "suppliers",
    "borrowers": "borrowers",
    UNCOVERED: "left uncovered",
}


def called(label: str) -> str:
    """A channel, payer or party as readers call it."""
    known = CHANNELS | PARTIES
    return known.get(label) or units.shorten(units.name(label), 22)


def channels(results: xr.Dataset, scenario: str) -> dict[str, float]:
    """Mean value liquidated through every channel by the horizon, USDC; empty if not held."""
    if "cascade_channel" not in results:
        return {}
    last = results["cascade_channel"].sel(scenario=scenario).isel(time=-1)
    return {c: float(last.sel(channel=c)) for c in selection.names(results, "channel")}


def payments(results: xr.Dataset, scenario: str, *, tail: bool) -> dict[str, selection.Estimate]:
    """What every payer bears of the shortfall: mean over paths, or over the worst 1 % of them."""
    name = "shortfall_paid_tail" if tail else "shortfall_paid"
    if name not in results:
        return {}
    found = results[name].sel(scenario=scenario)
    payers = selection.names(results, "payer")
    if "statistic" in found.dims:
        return {p: selection.estimate(found.sel(payer=p)) for p in payers}
    return {p: selection.Estimate(value=float(found.sel(payer=p))) for p in payers}


def tightly_linked(results: xr.Dataset) -> list[str]:
    """Assets of the contagion map: those with the largest shares, in the dataset's order."""
    sources = selection.names(results, "source_asset")
    assets = [a for a in selection.names(results, "asset") if a in sources]
    found = results["contagion"].sel(statistic="value", source_asset=assets, asset=assets)
    share = np.nan_to_num(found.transpose("source_asset", "asset", "scenario").values)
    size = np.maximum(share.max(axis=(1, 2), initial=0.0), share.max(axis=(0, 2), initial=0.0))
    return foremost(assets, size)


def falling_most(results: xr.Dataset) -> list[str]:
    """Assets of the static response: those with the deepest fall, in the dataset's order."""
    assets = selection.names(results, "asset")
    fall = results["static_response"].sel(bound="greatest").transpose("asset", "shock").values
    added = np.nan_to_num(fall - results["shock"].values)
    return foremost(assets, added.max(axis=1, initial=0.0))


def foremost(assets: list[str], size: np.ndarray) -> list[str]:
    """The few assets of the largest size, in the order given."""
    first = np.argsort(-size, kind="stable")[:MOST_ASSETS]
    return [assets[i] for i in sorted(first)]
