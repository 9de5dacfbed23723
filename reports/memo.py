"""The lead of the report: a verdict of a few sentences, each number read from the dataset.

A sentence whose numbers the dataset does not hold is left out. An event that no path showed is
said to be that, with the upper end of its interval, and never called impossible.
"""

import numpy as np
import xarray as xr

from reports import cascade_memo, selection, units
from reports.phrases import called, listed, paths, percentage, probability
from reports.selection import Estimate

MOST_SCENARIOS = 4  # named in a sentence; the table has the others


def lead(results: xr.Dataset) -> list[str]:
    """The verdict: first what happens, then how bad, to whom, and what it does to the pool.

    With feedback on, how liquidations spread and who pays follow the money.

    Args:
      results: dataset of a campaign.

    Returns:
      Three to six sentences of plain text, up to eight with feedback on.
    """
    order = selection.scenarios_by_severity(results)
    said = [liquidated(results, order), money(results, order), group(results, order)]
    said += [account(results, order), bad_debt(results, order), utilization(results, order)]
    said[2:2] = cascade_memo.sentences(results, order)
    return [sentence for sentence in said if sentence]


def liquidated(results: xr.Dataset, order: list[str]) -> str:
    """Expected share of all accounts liquidated within the horizon, scenario by scenario."""
    found = {s: selection.group_probability(results, s, selection.EVERYBODY) for s in order}
    shown = [s for s in order if found[s].known][:MOST_SCENARIOS]
    if not shown:
        return ""
    number = float(results["group_accounts"].sel(group=selection.EVERYBODY))
    horizon = units.hours(float(selection.attribute(results, "horizon_hours", np.nan)))
    happens = [s for s in shown if found[s].value > 0]
    never = [f"under {called(s)}" for s in shown if found[s].value == 0]
    none = f"no account is liquidated in any of {units.count(paths(results))} paths"
    if not happens:
        return f"Within {horizon} {none}, {listed(never)}."
    parts = [f"{percentage(found[s])} under {called(s)}" for s in happens]
    chance = "the probability that the only account is liquidated" if number == 1 else (
        f"the expected share of the {units.count(number)} accounts that is liquidated")  # fmt: skip
    sentence = f"Within {horizon}, {chance} is {listed(parts)}"
    return sentence + (f"; {listed(never)} {none}." if never else ".")


def money(results: xr.Dataset, order: list[str]) -> str:
    """Money liquidated under the severest scenario: mean, and mean of the worst 1 % of paths."""
    scenario, parts = order[0], []
    for metric, what in (("notional", "perp notional averages"), ("debt", "loans average")):
        mean = selection.system(results, scenario, f"system.liquidated_{metric}.mean")
        tail = selection.system(results, scenario, f"system.liquidated_{metric}.es_99")
        if not mean.known or mean.value == 0:
            continue
        part = f"liquidated {what} {units.value(mean, 'USDC')}"
        if tail.known:
            part += f" and, in the worst 1{units.SPACE}% of paths, {units.value(tail, 'USDC')}"
        parts.append(part)
    return f"Under {called(scenario)}, {'; '.join(parts)}." if parts else ""


def group(results: xr.Dataset, order: list[str]) -> str:
    """The group liquidated most often, and under which scenario."""
    scenario = order[0]
    ranked = selection.groups_by_probability(results, scenario)
    if len(ranked) < 2:
        return ""
    first, second = (selection.group_probability(results, scenario, g) for g in ranked[:2])
    if not first.known or first.value == 0:
        return ""
    number = float(results["group_accounts"].sel(group=ranked[0]))
    names = [units.shorten(units.name(g)) for g in ranked[:2]]
    return (
        f"By group, {names[0]} accounts are liquidated most often under {called(scenario)}: "
        f"{percentage(first)} of {units.count(number)}, followed by {names[1]} with "
        f"{units.value(second, '1')}."
    )


def account(results: xr.Dataset, order: list[str]) -> str:
    """The account with the largest probability x exposure."""
    chosen = selection.top_accounts(results, 1)
    if not chosen:
        return ""
    i = chosen[0]
    found = {s: selection.account_probability(results, s, i) for s in order}
    scenario = max(order, key=lambda s: np.nan_to_num(found[s].value))
    if not found[scenario].known or found[scenario].value == 0:
        return ""
    entry = results.isel(account=i)
    name = units.shorten(entry["account"].item())
    kind = units.shorten(units.name(entry["account_group"].item()))
    debt, notional = (float(entry[f"account_{k}"]) for k in ("debt", "notional"))
    held = [f"a loan of {units.money(debt)}"] if debt > 0 else []
    held += [f"{units.money(notional)} of perp notional"] if notional > 0 else []
    return (
        f"The account that contributes most is {name} ({kind}): {listed(held)}, liquidated in "
        f"{probability(found[scenario], paths(results))} under {called(scenario)}."
    )


def bad_debt(results: xr.Dataset, order: list[str]) -> str:
    """Probability of bad debt, and its tail where it happens."""
    found = {s: selection.system(results, s, "system.probability_bad_debt") for s in order}
    shown = [s for s in order if found[s].known][:MOST_SCENARIOS]
    if not shown:
        return ""
    number = paths(results)
    if len(shown) > 1 and all(found[s].value == 0 for s in shown):
        widest = Estimate(value=0.0, high=max(np.nan_to_num(found[s].high) for s in shown))
        return f"Bad debt arises under no scenario: {probability(widest, number)}."
    parts = [f"{probability(found[s], number)} under {called(s)}" for s in shown]
    sentence = f"Bad debt arises in {listed(parts)}"
    tail = selection.system(results, shown[0], "system.bad_debt.es_99")
    if tail.known and tail.value > 0:
        sentence += (
            f"; in the worst 1{units.SPACE}% of paths under {called(shown[0])} it averages "
            f"{units.value(tail, 'USDC')}"
        )
    return sentence + "."


def utilization(results: xr.Dataset, order: list[str]) -> str:
    """The reserve under the scenario that uses it most: peak utilization, and running empty."""
    if not selection.tokens(results):
        return ""
    peaks = {s: selection.system(results, s, "pool.peak_utilization.mean") for s in order}
    known = [s for s in order if peaks[s].known]
    if not known:
        return ""
    scenario = max(known, key=lambda s: peaks[s].value)
    tail = selection.system(results, scenario, "pool.peak_utilization.p99")
    full = selection.system(results, scenario, "system.probability_full_utilization")
    sentence = (
        f"Peak utilization of the lending pool is highest under {called(scenario)}: "
        f"{units.value(peaks[scenario], '1')} on average"
    )
    if tail.known:
        sentence += f" and {units.value(tail, '1')} at its 99{units.SPACE}% quantile"
    if full.known:
        sentence += f"; the pool is fully lent at some hour in {probability(full, paths(results))}"
    return sentence + "."
