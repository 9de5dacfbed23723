"""The figures of a cascade, each with its caption and its text alternative."""

import xarray as xr

from reports import cascade, cascade_figures, selection, theme, units
from reports.frames import Plot, outer_labels, title

COLUMNS = 3  # maps side by side
TOLD_SHOCKS = (0.1, 0.2, 0.3, 0.5)  # of the static response, in its text alternative


def plots(results: xr.Dataset) -> list[Plot]:
    """Every figure of a cascade that the dataset allows, in the order of the page."""
    made = []
    if {"cascade_timeline", "cascade_channel"} <= set(results):
        made.append(timeline(results))
    if {"shortfall_paid", "shortfall_paid_tail"} <= set(results):
        made.append(shortfall(results))
    if "contagion" in results and cascade.tightly_linked(results):
        made.append(contagion(results))
    if "static_response" in results and cascade.falling_most(results):
        made.append(static_response(results))
    return made


def timeline(results: xr.Dataset) -> Plot:
    """Liquidated value against time and its split by channel, a row for each scenario."""
    scenarios = selection.names(results, "scenario")
    with theme.canvas(
        len(scenarios), 2, panel_height=1.35, right=1.22, gaps=(1.62, 0.5), sharey=False
    ) as (figure, axes):
        for scenario, row in zip(scenarios, axes, strict=True):
            cascade_figures.timeline(results, row[0], scenario)
            cascade_figures.channels(results, row[1], scenario)
            title(row[0], results, scenario)
        outer_labels(axes)
        svg = theme.svg(figure)
    said = []
    for scenario in scenarios:
        last = results["cascade_timeline"].sel(scenario=scenario).isel(time=-1)
        median, high = (float(selection.at_quantile(last, q)) for q in (0.5, 0.99))
        split = cascade.channels(results, scenario)
        means = ", ".join(f"{cascade.called(c)} {units.money(v)}" for c, v in split.items())
        said.append(
            f"{units.name(scenario)}: median {units.money(median)}, 99th percentile "
            f"{units.money(high)}; means by channel {means}"
        )
    return Plot(
        key="cascade-timeline",
        heading="How much is liquidated, and through which channel",
        caption=(
            "Left, shaded from light to dark: where the value liquidated so far lies in 98, 90 "
            "and 50 % of paths; the line is the median. Right: its mean, by channel: sold into "
            "the order book, perpetuals taken over by the liquidator vault, collateral taken "
            "over, positions closed by auto-deleveraging (ADL). Every panel has its own scale."
        ),
        alternative="Fan charts and stacked areas. At the horizon, " + ". ".join(said) + ".",
        svg=svg,
    )


def shortfall(results: xr.Dataset) -> Plot:
    """Who bears the shortfall, on average and on the worst paths."""
    scenarios = selection.names(results, "scenario")
    height = 0.19 * (2 + len(selection.names(results, "payer")))
    with theme.canvas(
        len(scenarios), 2, panel_height=height, left=1.62, right=0.25, gaps=(0.3, 0.75),
        sharex=False,
    ) as (figure, axes):  # fmt: skip
        for scenario, row in zip(scenarios, axes, strict=True):
            cascade_figures.shortfall(results, row[0], scenario)
            cascade_figures.shortfall(results, row[1], scenario, tail=True)
            title(row[0], results, scenario)
        svg = theme.svg(figure)
    return Plot(
        key="cascade-shortfall",
        heading="Who pays when margin does not suffice",
        caption=(
            "The grey bar is all that was paid for accounts that could not, the bars under it, one "
            "after the other, what each party bears of it; of a loan when its collateral is sold. "
            "Left the mean over paths with 95 % intervals, right that over the 1 % of paths with "
            "the largest shortfall. Every panel has its own scale."
        ),
        alternative="Waterfall charts. " + " ".join(borne(results, s) for s in scenarios),
        svg=svg,
    )


def borne(results: xr.Dataset, scenario: str) -> str:
    """A sentence with what every payer bears under a scenario."""
    mean, tail = (cascade.payments(results, scenario, tail=t) for t in (False, True))
    parts = [
        f"{cascade.called(p)} {units.money(e.value)} on average and "
        f"{units.money(tail[p].value)} on the worst 1 % of paths"
        for p, e in mean.items()
        if e.value or tail[p].value
    ]
    return f"{units.title(scenario)}: {', '.join(parts) or 'no shortfall'}."


def contagion(results: xr.Dataset) -> Plot:
    """Maps of which asset's liquidations cause which, one for each scenario."""
    scenarios, assets = selection.names(results, "scenario"), cascade.tightly_linked(results)
    columns = min(COLUMNS, len(scenarios))
    rows = -(-len(scenarios) // columns)
    crowded = len(assets) > cascade_figures.ANNOTATED
    right = 0.2 if columns == COLUMNS else 0.2 + 2.1 * (COLUMNS - columns)
    with theme.canvas(
        rows, columns, panel_height=1.75, right=right, left=1.0, gaps=(0.2, 0.95 + 0.3 * crowded),
        bottom=0.6 + 0.3 * crowded, sharex=False,
    ) as (figure, axes):  # fmt: skip
        for scenario, ax in zip(scenarios, axes.flat, strict=False):
            cascade_figures.contagion(results, ax, scenario, assets)
            title(ax, results, scenario, 24)
        for ax in axes[:, 1:].flat:
            ax.set_ylabel("")
        for ax in axes.flat[len(scenarios) :]:
            ax.set_visible(False)
        svg = theme.svg(figure)
    some = len(assets) < len(selection.names(results, "asset"))
    return Plot(
        key="cascade-contagion",
        heading="Which asset’s liquidations set off which",
        caption=(
            "Each cell is the share of the value liquidated in the asset below that the price "
            "impact of liquidations in the asset at the left caused, the same colours in every "
            "panel; what a column lacks to 100 % would have been liquidated without impact. A "
            "dash: nothing is liquidated."
            + (f" The {len(assets)} assets with the largest shares are shown." if some else "")
        ),
        alternative="Maps of assets. " + " ".join(spread(results, s, assets) for s in scenarios),
        svg=svg,
    )


def spread(results: xr.Dataset, scenario: str, assets: list[str]) -> str:
    """A sentence with the largest shares of a scenario's map."""
    share = results["contagion"].sel(scenario=scenario, statistic="value")
    found = {(a, b): float(share.sel(source_asset=a, asset=b)) for a in assets for b in assets}
    order = sorted((k for k in found if found[k] > 0), key=lambda k: -found[k])[:4]
    parts = [f"{a} to {b} {units.percent(found[a, b])}" for a, b in order]
    return f"{units.title(scenario)}: {', '.join(parts) or 'no contagion'}."


def static_response(results: xr.Dataset) -> Plot:
    """The fall after the cascade against the fall that sets it off."""
    assets = cascade.falling_most(results)
    with theme.canvas(2, 1, panel_height=1.9, top=0.15, left=0.78, sharey=False) as (figure, axes):
        cascade_figures.static_response(results, axes[0, 0], assets)
        cascade_figures.static_response(results, axes[1, 0], assets, added=True)
        outer_labels(axes)
        svg = theme.svg(figure)
    fall = results["static_response"].sel(bound="least")
    said = []
    for level in TOLD_SHOCKS:
        nearest = fall.sel(shock=level, method="nearest")
        if abs(float(nearest["shock"]) - level) < 0.03:
            ends = [f"{a} {units.percent(float(nearest.sel(asset=a)))}" for a in assets]
            shock = units.percent(float(nearest["shock"]))
            said.append(f"a fall of {shock} ends in {', '.join(ends)}")
    some = len(assets) < len(selection.names(results, "asset"))
    return Plot(
        key="cascade-static",
        heading="How deep a sudden fall goes in the book of today",
        caption=(
            "Read up from a fall of all prices at once to the fall it ends in (top), and to what "
            "the cascade adds to it (bottom), when everything it makes liquidatable is sold at "
            "once into a book of full depth; dotted: no cascade. Solid: the least fall that "
            "sustains itself; dashed, where it differs: the greatest."
            + (f" The {len(assets)} assets that fall most beyond the shock are shown." * some)
        ),
        alternative="Line charts of the fall after the cascade. "
        + ("At the least fixed point, " + "; ".join(said) + "." if said else ""),
        svg=svg,
    )
