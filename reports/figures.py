"""One function per plot: `(results, ax, ...) -> ax`. They draw what the dataset holds.

Every axis names its unit, every line its name. `reports.gallery` arranges them into figures.
"""

import numpy as np
import seaborn
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from reports import scales, selection, theme, units

SHOWN_GROUPS = 8  # lines a panel can carry with names beside them
FAN = ((0.01, 0.99, 0.14), (0.05, 0.95, 0.20), (0.25, 0.75, 0.30))  # quantiles, opacity
FAN_NAMES = {0.01: "1st", 0.05: "5th", 0.25: "25th", 0.5: "median", 0.75: "75th", 0.95: "95th",
             0.99: "99th"}  # fmt: skip
RATIO_LIMIT = 1.3  # right end of the margin-ratio axis; larger ratios are drawn at it


def liquidation_probability(results: xr.Dataset, ax: Axes, scenario: str) -> Axes:
    """Expected share of each group's accounts liquidated by each time, with 95 % bands.

    Args:
      results: dataset of a campaign.
      ax: panel to draw on.
      scenario: the one to show. The vertical scale is that of all scenarios.

    Returns:
      `ax`, its vertical axis logarithmic in percent, time in hours or days.
    """
    variable = results["group_liquidation_probability"]
    final = variable.isel(time=-1).sel(statistic="value").values
    positive = final[np.isfinite(final) & (final > 0)]
    time = scales.time_axis(results, ax)
    ax.set_ylabel("liquidated (% of accounts)")
    if not positive.size:
        theme.note(ax, "no liquidation in any path")
        ax.yaxis.set_major_locator(NullLocator())
        return ax
    ceiling = float(np.nanmax(variable.sel(statistic="high").isel(time=-1).values))
    floor = max(positive.min() / 4, positive.max() * 1e-5)
    shown = selection.groups_by_probability(results, scenario)[:SHOWN_GROUPS]
    colours = theme.group_colours(selection.groups(results)) | {selection.EVERYBODY: theme.INK}
    labels = []
    for group in [*shown, selection.EVERYBODY]:
        value, low, high = (
            variable.sel(scenario=scenario, group=group, statistic=s).values.astype(float)
            for s in ("value", "low", "high")
        )
        seen = value > 0
        if not seen.any():
            continue
        colour, everybody = colours[group], group == selection.EVERYBODY
        band = seen & np.isfinite(low) & np.isfinite(high)
        ax.fill_between(
            time, np.maximum(low, floor / 10), high, where=band, color=colour, alpha=0.18, lw=0
        )
        ax.plot(time, np.where(seen, value, np.nan), color=colour, lw=2.3 if everybody else 1.5)
        text = "all accounts" if everybody else units.shorten(units.name(group), 20)
        labels.append((float(value[-1]), text, colour))
    ax.set_yscale("log")
    ax.set_ylim(floor, min(1.0, max(ceiling, floor) * 1.5))
    scales.percent_scale(ax)
    theme.label_ends(ax, labels, bold="all accounts")
    if not labels:
        theme.note(ax, "no liquidation in any path")
    return ax


def margin_ratio(results: xr.Dataset, ax: Axes, weight: str = "accounts") -> Axes:
    """Share of the book whose margin ratio exceeds each level, now and under stress.

    Now: the ratio of the book as it stands. Under stress: for each account the 0.99 quantile, over
    paths, of its ratio at the horizon or when liquidated. No ratio (nothing owed, no position)
    counts as 0; an infinite one as beyond the right end.

    Args:
      results: dataset of a campaign.
      ax: panel to draw on.
      weight: "accounts" counts every account alike, "loan" by what it owes.

    Returns:
      `ax`, vertical axis in percent of accounts or of loans.
    """
    debt = np.nan_to_num(results["account_debt"].values.astype(float))
    weights = debt if weight == "loan" else np.ones_like(debt)
    what = "loans" if weight == "loan" else "accounts"
    ax.set(xlabel="margin ratio (1)", xlim=(0, RATIO_LIMIT), ylim=(0, 1.02))
    ax.set_ylabel(f"share above (% of {what})")
    ax.yaxis.set_major_formatter(scales.PERCENT)
    if weights.sum() <= 0:
        theme.note(ax, f"no {what} in the book")
        return ax
    triggers = trigger_levels(results)
    stress = selection.at_quantile(results["account_pmr_horizon"], selection.STRESS_QUANTILE)
    scenarios = selection.names(results, "scenario")
    colours = theme.scenario_colours(scenarios)
    curves = [("now", results["account_pmr"].values, theme.INK)]
    curves += [(units.name(s), stress.sel(scenario=s).values, colours[s]) for s in scenarios]
    labels = []
    for name, ratios, colour in curves:
        known = np.clip(np.nan_to_num(ratios.astype(float), nan=0.0, posinf=9.0), 0, 9.0)
        seaborn.ecdfplot(
            x=known, weights=weights, complementary=True, ax=ax, color=colour, legend=False,
            lw=1.6, ls="--" if name == "now" else "-",
        )  # fmt: skip
        for end in ("low", "high"):
            if name != "now" and "account_pmr_horizon_band" in results:
                scenario = scenarios[len(labels) - 1]
                band = results["account_pmr_horizon_band"].sel(scenario=scenario, end=end)
                edge = selection.at_quantile(band, selection.STRESS_QUANTILE).values.astype(float)
                seaborn.ecdfplot(
                    x=np.clip(np.nan_to_num(edge, nan=0.0, posinf=9.0), 0, 9.0), weights=weights,
                    complementary=True, ax=ax, color=colour, legend=False, lw=0.6, alpha=0.6,
                )  # fmt: skip
        above = float(weights[known > triggers[0]].sum() / weights.sum())
        labels.append((above, units.shorten(name, 22), colour))
    ax.set(xlabel="margin ratio (1)", ylabel=f"share above (% of {what})")  # seaborn's are others
    for level in triggers:
        ax.axvline(level, color=theme.MUTED, lw=1.0, ls=":")
    ax.annotate("trigger " + " / ".join(f"{x:g}" for x in triggers),
                xy=(triggers[0], 1.0), xycoords=("data", "axes fraction"),
                xytext=(-3, -2), textcoords="offset points", ha="right", va="top",
                color=theme.MUTED, fontsize=theme.FONT_SIZE - 0.8)  # fmt: skip
    theme.label_ends(ax, labels, at=(triggers[-1] + 0.05) / RATIO_LIMIT)
    return ax


def trigger_levels(results: xr.Dataset) -> list[float]:
    """Margin ratios above which accounts of the book are liquidatable; at most three."""
    levels, counts = np.unique(
        results["account_threshold"].values.astype(float), return_counts=True
    )
    usual = [float(x) for x in levels[np.argsort(-counts)] if 0 < x < RATIO_LIMIT][:3]
    return sorted(usual) or [0.95]


def reserve_fan(
    results: xr.Dataset, ax: Axes, scenario: str, token: str, variable: str = "utilization"
) -> Axes:
    """Quantiles over paths of a reserve's utilization or borrow rate against time.

    Args:
      results: dataset of a campaign.
      ax: panel to draw on.
      scenario: the one to show. The scales are those of all scenarios.
      token: the reserve.
      variable: "utilization" or "borrow_rate".

    Returns:
      `ax`, vertical axis in percent, or percent per year.
    """
    fan = results[variable].sel(scenario=scenario, token=token)
    colour = theme.scenario_colours(selection.names(results, "scenario"))[scenario]
    time = scales.time_axis(results, ax)
    for low, high, opacity in FAN:
        edges = [selection.at_quantile(fan, q).values.astype(float) for q in (low, high)]
        ax.fill_between(time, edges[0], edges[1], color=colour, alpha=opacity, lw=0)
    median = selection.at_quantile(fan, 0.5).values.astype(float)
    ax.plot(time, median, color=colour)
    if f"{variable}_band" in results:
        bands = results[f"{variable}_band"].sel(scenario=scenario, token=token)
        _error_bars(ax, time, fan, bands, colour)
    within = results[variable].sel(token=token, quantile=slice(0, 0.992)).values.astype(float)
    within = within[np.isfinite(within)]
    if variable == "utilization":
        bottom, top = np.floor(10 * within.min(initial=1.0)) / 10, within.max(initial=1.0)
        ax.axhline(1.0, color=theme.MUTED, lw=0.9, ls=":")
    else:
        bottom, top = within.min(initial=0.0), within.max(initial=0.06)
    if not within.size:
        theme.note(ax, "no estimate")
    ax.set_ylim(bottom, top + max(0.04 * (top - bottom), 1e-3))
    ax.yaxis.set_major_locator(MaxNLocator(4))
    ax.yaxis.set_major_formatter(scales.PERCENT)
    ax.set_ylabel("utilization (% lent)" if variable == "utilization" else "rate (% per year)")
    ends = {n: float(selection.at_quantile(fan, q).values[-1]) for q, n in FAN_NAMES.items()}
    shown = ("99th", "median", "1st") if len(set(ends.values())) > 1 else ("median",)
    labels = [(ends[n], n, theme.INK if n == "median" else theme.MUTED) for n in reversed(shown)]
    theme.label_ends(ax, labels)
    return ax


def _error_bars(ax: Axes, time: np.ndarray, fan: xr.DataArray, bands: xr.DataArray, colour) -> None:
    """95 % intervals of the outer quantiles and the median at four times."""
    places = np.unique(np.linspace(0, len(time) - 1, 5).round().astype(int))[1:]
    for level in (0.01, 0.5, 0.99):
        value = selection.at_quantile(fan, level).values.astype(float)[places]
        low, high = (
            selection.at_quantile(bands.sel(end=e), level).values.astype(float)[places]
            for e in ("low", "high")
        )
        reach = np.maximum([value - low, high - value], 0)
        ax.errorbar(time[places], value, yerr=reach, fmt="none", ecolor=colour, elinewidth=1.2,
                    capsize=2.2)  # fmt: skip


def equity_loss(results: xr.Dataset, ax: Axes, measure: str = "equity_loss") -> Axes:
    """Loss of the whole book exceeded with each probability, by scenario, with 95 % bands.

    Args:
      results: dataset of a campaign.
      ax: panel to draw on.
      measure: a label of the dataset's `measure`.

    Returns:
      `ax`: probability (log, rare to the right) against loss in dollars (log).
    """
    scenarios = selection.names(results, "scenario")
    colours = theme.scenario_colours(scenarios)
    ax.set_xlabel("probability that a path loses more (%)")
    ax.set_ylabel(f"{units.name(measure)} ($, USDC)")
    chance = results["exceedance"].values.astype(float)
    labels, largest, smallest = [], 0.0, np.inf
    for scenario in scenarios:
        curve = results["loss_curve"].sel(scenario=scenario, measure=measure)
        value, low, high = (curve.sel(statistic=s).values.astype(float)
                            for s in ("value", "low", "high"))  # fmt: skip
        seen = value > 0
        if not seen.any():
            continue
        largest = max(largest, np.nanmax(value), np.nanmax(np.where(seen, high, 0.0)))
        smallest = min(smallest, np.min(value[seen]))
        band = seen & np.isfinite(low) & np.isfinite(high)
        colour = colours[scenario]
        ax.fill_between(
            chance, np.maximum(low, 1.0), high, where=band, color=colour, alpha=0.2, lw=0
        )
        ax.plot(chance, np.where(seen, value, np.nan), color=colour)
        last = float(value[seen][np.argmin(chance[seen])])
        labels.append((last, units.shorten(units.name(scenario), 20), colour))
    if not labels:
        theme.note(ax, "no loss in any path")
        ax.yaxis.set_major_locator(NullLocator())
        return ax
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(chance.max(), chance.min())
    ax.set_ylim(max(smallest / 1.5, largest * 1e-6), largest * 1.4)
    ax.xaxis.set_major_locator(FixedLocator([0.5, 0.1, 0.01, 1e-3, 1e-4, 1e-5, 1e-6]))
    ax.xaxis.set_major_formatter(scales.PERCENT)
    ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(scales.MONEY)
    ax.yaxis.set_minor_locator(NullLocator())
    theme.label_ends(ax, labels)
    return ax


def top_accounts(results: xr.Dataset, ax: Axes, scenario: str, accounts: list[int]) -> Axes:
    """Liquidation probability x exposure of some accounts, as bars with 95 % intervals.

    Args:
      results: dataset of a campaign.
      ax: panel to draw on.
      scenario: the one to show. The scale is that of all scenarios.
      accounts: positions along `account`, the first drawn at the top.

    Returns:
      `ax`, horizontal axis in dollars.
    """
    size = selection.exposure(results)[accounts]
    chosen = [selection.account_probability(results, scenario, i) for i in accounts]
    value = np.nan_to_num([e.value for e in chosen]) * size
    low = np.nan_to_num(value - np.array([e.low for e in chosen]) * size).clip(0)
    high = np.nan_to_num(np.array([e.high for e in chosen]) * size - value).clip(0)
    rows = np.arange(len(accounts))
    colour = theme.scenario_colours(selection.names(results, "scenario"))[scenario]
    ax.barh(rows, value, height=0.62, color=colour, alpha=0.75, lw=0)
    ax.errorbar(value, rows, xerr=[low, high], fmt="none", ecolor=theme.INK, elinewidth=0.9,
                capsize=2)  # fmt: skip
    names = selection.names(results, "account")
    ax.set_yticks(rows, [units.shorten(names[i]) for i in accounts], parse_math=False)
    ax.set_ylim(len(accounts) - 0.5, -0.5)
    ax.tick_params(axis="y", length=0, labelcolor=theme.INK)
    ax.grid(visible=False, axis="y")
    ax.grid(visible=True, axis="x")
    highest = results["account_liquidation_probability"].sel(statistic=["value", "high"])
    reach = np.nan_to_num(highest.max(["scenario", "statistic"]).values[accounts]) * size
    ax.set_xlim(0, 1.04 * reach.max() if reach.max() > 0 else 1.0)
    ax.xaxis.set_major_locator(MaxNLocator(3))
    ax.xaxis.set_major_formatter(scales.MONEY)
    ax.set_xlabel("expected exposure\nliquidated ($, USDC)")
    return ax
