"""What the lead says of a cascade: how much spreads through which channel, and who pays."""

import numpy as np
import xarray as xr

from reports import cascade, selection, units
from reports.phrases import called, listed, paths, probability

SOLD = {
    "book": "in the order book",
    "backstop": "taken over by the liquidator vault",
    "takeover": "as collateral taken over",
    "adl": "by auto-deleveraging",
}
LEAST = 0.01  # share of the shortfall from which a payer is named; the figure has all


def sentences(results: xr.Dataset, order: list[str]) -> list[str]:
    """Sentences on the cascade; none where the dataset holds no cascade.

    Args:
      results: dataset of a campaign.
      order: scenarios, the severest first.

    Returns:
      How much spreads, and who pays: two paragraphs of plain text, or an empty list.
    """
    if "cascade_channel" not in results:
        return []
    borne = (paid(results, order), deleveraged(results, order))
    return [spread(results, order), " ".join(sentence for sentence in borne if sentence)]


def spread(results: xr.Dataset, order: list[str]) -> str:
    """What the severest scenario liquidates through each channel, and how much is amplified."""
    totals = {s: np.nan_to_num([*cascade.channels(results, s).values()]).sum() for s in order}
    scenario = max(order, key=lambda s: totals[s], default="")
    known = any(np.isfinite(v) for s in order for v in cascade.channels(results, s).values())
    if not known:
        return ""
    if totals[scenario] <= 0:
        none = f"none occurs in any of {units.count(paths(results))} paths"
        return f"Liquidations feed back, but {none}."
    split = cascade.channels(results, scenario)
    parts = [
        f"{units.money(v)} {SOLD.get(c, 'through ' + cascade.called(c))}"
        for c, v in split.items()
        if v > 0
    ]
    sentence = f"Liquidations feed back: under {called(scenario)} they average {listed(parts)}"
    found = selection.system(results, scenario, "system.amplification")
    if found.known:
        between = units.interval(found, "times")
        bracket = "" if between == units.MISSING else f" ({between})"
        sentence += f"; amplification is {units.value(found, 'times')}{bracket}"
    return sentence + "."


def paid(results: xr.Dataset, order: list[str]) -> str:
    """Who bears the shortfall under the scenario where it is largest."""
    mean = {s: cascade.payments(results, s, tail=False) for s in order}
    total = {s: sum(np.nan_to_num(e.value) for e in mean[s].values()) for s in order}
    scenario = max(order, key=lambda s: total[s], default="")
    if not any(e.known for s in order for e in mean[s].values()):
        return ""
    if total[scenario] <= 0:
        return f"No shortfall arises in any of {units.count(paths(results))} paths."
    tail = cascade.payments(results, scenario, tail=True)
    kinds = [found for found in (mean[scenario], tail) if found]
    large = {payer for found in kinds for payer in considerable(found)}
    named = [payer for payer in mean[scenario] if payer in large]
    parts = [
        f"{cascade.called(p)} {' / '.join(units.money(found[p].value) for found in kinds)}"
        for p in sorted(named, key=lambda payer: -np.nan_to_num(mean[scenario][payer].value))
    ]
    when = f" / in the worst 1{units.SPACE}% of paths" if tail else ""
    more = any(e.value > 0 and p not in named for p, e in mean[scenario].items())
    return (
        f"The shortfall is largest under {called(scenario)}. It is borne, on average{when}, "
        f"{'mostly ' * more}by: {listed(parts)}."
    )


def considerable(found: dict[str, selection.Estimate]) -> list[str]:
    """Payers that bear more than a small share of what all of them bear."""
    least = LEAST * np.nansum([e.value for e in found.values()])
    return [payer for payer, e in found.items() if e.value > 0 and e.value >= least]


def deleveraged(results: xr.Dataset, order: list[str]) -> str:
    """Probability of auto-deleveraging under the scenario that brings it most often."""
    found = {s: selection.system(results, s, "system.probability_adl") for s in order}
    known = [s for s in order if found[s].known]
    if not known:
        return ""
    scenario = max(known, key=lambda s: (found[s].value, np.nan_to_num(found[s].high)))
    text = probability(found[scenario], paths(results))
    if found[scenario].value == 0:
        return f"Auto-deleveraging happens under no scenario: {text}."
    return f"Auto-deleveraging happens in {text} under {called(scenario)}."
