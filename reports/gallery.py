"""The figures of the page: panels, framed with a heading, a caption and a text alternative.

The text alternative gives a reader who cannot see the figure its main numbers.
"""

import xarray as xr

from reports import cascade_gallery, figures, selection, theme, units
from reports.frames import Plot, outer_labels, title
from reports.tail_figures import tails

TOP = 12  # accounts in the figure of top accounts
MOST_COLUMNS = 3  # panels side by side


def plots(results: xr.Dataset) -> dict[str, Plot]:
    """Every figure the dataset allows, by key, in the order of the page."""
    made = [liquidation(results), ratios(results), losses(results)]
    made += [*cascade_gallery.plots(results), accounts(results)]
    made += [plot for plot in [tails(results)] if plot is not None]
    made += [reserve(results, token) for token in selection.tokens(results)]
    return {plot.key: plot for plot in made}


def liquidation(results: xr.Dataset) -> Plot:
    """Liquidation probability against time, a panel for each scenario."""
    scenarios = selection.names(results, "scenario")
    with theme.canvas(len(scenarios), 1, panel_height=1.65, left=0.78) as (figure, axes):
        for scenario, ax in zip(scenarios, axes[:, 0], strict=True):
            figures.liquidation_probability(results, ax, scenario)
            title(ax, results, scenario)
        outer_labels(axes)
        svg = theme.svg(figure)
    said = []
    for scenario in scenarios:
        found = selection.group_probability(results, scenario, selection.EVERYBODY)
        said.append(f"{units.name(scenario)}: {units.value(found, '1')} of all accounts")
    left_out = len(selection.groups(results)) > figures.SHOWN_GROUPS
    most = (
        f" The {figures.SHOWN_GROUPS} groups liquidated most often are drawn." if left_out else ""
    )
    return Plot(
        key="liquidation",
        heading="When accounts are liquidated",
        caption=(
            "Each line is the expected share of a group’s accounts liquidated by that time, "
            "each shaded band its 95 % interval; the vertical scale is logarithmic and the same in "
            "every panel, and a group of which no account is ever liquidated has no line." + most
        ),
        alternative="Line charts over time by group. At the horizon, " + "; ".join(said) + ".",
        svg=svg,
    )


def ratios(results: xr.Dataset) -> Plot:
    """Margin ratios now and under stress, by number of accounts and by loans."""
    with theme.canvas(2, 1, panel_height=1.8, right=0.7) as (figure, axes):
        for ax, weight in zip(axes[:, 0], ("accounts", "loan"), strict=True):
            figures.margin_ratio(results, ax, weight)
            ax.set_title(
                "Every account counts alike" if weight == "accounts" else "Accounts by their loans"
            )
        outer_labels(axes)
        svg = theme.svg(figure)
    levels = " or ".join(f"{x:g}" for x in figures.trigger_levels(results))
    return Plot(
        key="ratios",
        heading="How close to liquidation the book stands",
        caption=(
            "A curve gives the share of accounts (top) or of loans (bottom) whose margin ratio is "
            "above the level below it; dashed: now, coloured: the ratio each account exceeds in "
            "1 % of paths, at the horizon or when liquidated, between thin lines its 95 % "
            f"interval; dotted: the trigger, {levels}."
        ),
        alternative=(
            "Two charts of the share of accounts and of loans above each margin ratio, now "
            f"and under every scenario, with the liquidation trigger at {levels} marked."
        ),
        svg=svg,
    )


def losses(results: xr.Dataset) -> Plot:
    """Loss of equity exceeded with each probability."""
    with theme.canvas(1, 1, panel_height=2.5, top=0.15, left=0.78) as (figure, axes):
        figures.equity_loss(results, axes[0, 0])
        svg = theme.svg(figure)
    said = []
    for scenario in selection.names(results, "scenario"):
        found = selection.system(results, scenario, "system.equity_loss.es_99")
        if found.known:
            said.append(f"{units.name(scenario)} {units.value(found, 'USDC')}")
    means = " Mean of the worst 1 % of paths: " + "; ".join(said) + "." if said else ""
    return Plot(
        key="losses",
        heading="How much equity is lost",
        caption=(
            "Read up from a probability to the loss of equity of the whole book that a path "
            "exceeds with it (rarer to the right, both scales logarithmic); bands are 95 % "
            "intervals."
        ),
        alternative="Exceedance curves of the loss of equity by scenario." + means,
        svg=svg,
    )


def accounts(results: xr.Dataset) -> Plot:
    """Expected exposure liquidated of the accounts that contribute most."""
    chosen = selection.top_accounts(results, TOP)
    order = selection.names(results, "scenario")
    shown = [s for s in order if s in selection.scenarios_by_severity(results)[:MOST_COLUMNS]]
    height = 0.25 + 0.19 * max(len(chosen), 1)
    with theme.canvas(
        1, len(shown), panel_height=height, left=1.75, right=0.25, bottom=0.62, gaps=(0.22, 0.0)
    ) as (figure, axes):
        for scenario, ax in zip(shown, axes[0], strict=True):
            if chosen:
                figures.top_accounts(results, ax, scenario, chosen)
            else:
                theme.note(ax, "no accounts in the book")
            title(ax, results, scenario)
        svg = theme.svg(figure)
    names = selection.names(results, "account")
    first = ", ".join(names[i] for i in chosen[:3])
    left_out = "" if len(shown) == len(order) else " The severest three scenarios are shown."
    return Plot(
        key="accounts",
        heading="Which accounts contribute most",
        caption=(
            "Each bar is an account’s liquidation probability times its loan and perp notional, "
            "on the same scale in every panel; whiskers are the 95 % interval of the probability."
            + left_out
        ),
        alternative=f"Bar charts of the {len(chosen)} largest contributors, led by {first}.",
        svg=svg,
    )


def reserve(results: xr.Dataset, token: str) -> Plot:
    """Utilization and borrow rate of a reserve, a row for each scenario."""
    scenarios = selection.names(results, "scenario")
    with theme.canvas(
        len(scenarios), 2, panel_height=1.4, right=0.62, gaps=(1.18, 0.5), sharey="col"
    ) as (figure, axes):
        for scenario, row in zip(scenarios, axes, strict=True):
            figures.reserve_fan(results, row[0], scenario, token)
            figures.reserve_fan(results, row[1], scenario, token, "borrow_rate")
            title(row[0], results, scenario)
        outer_labels(axes)
        svg = theme.svg(figure)
    said = []
    for scenario in scenarios:
        last = results["utilization"].sel(scenario=scenario, token=token).isel(time=-1)
        median, high = (float(selection.at_quantile(last, q)) for q in (0.5, 0.99))
        said.append(
            f"{units.name(scenario)}: median {units.percent(median)}, "
            f"99th percentile {units.percent(high)}"
        )
    return Plot(
        key="reserve-" + "".join(c if c.isalnum() and c.isascii() else "-" for c in token),
        heading=f"How much of the {units.shorten(token)} reserve is lent, and at what rate",
        caption=(
            "Shaded from light to dark: where utilization (left) and the yearly borrow rate "
            "(right) lie in 98, 90 and 50 % of paths; the line is the median. Bars: 95 % intervals "
            "of the outer quantiles and the median."
        ),
        alternative="Fan charts. Utilization at the horizon, " + "; ".join(said) + ".",
        svg=svg,
    )
