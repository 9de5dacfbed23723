"""The page and the figure of a reverse stress: the nearest worlds in which a book loses much."""

from pathlib import Path

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from reports import context, theme, units
from reports.frames import Plot
from reports.page import publish, templates
from reports.tables import Cell, Column, Table

TOP = 10  # accounts of every answer
WORDS = {
    "price": "price of {}",
    "basis": "mark over oracle of {}",
    "utilization": "utilization of {}",
}
SOURCES = {"sampled": "by its own paths", "assumed": "assumed"}


def write_reverse(results: xr.Dataset, out: Path) -> Path:
    """Writes the page of a reverse stress; arguments and errors as `reports.page.write_report`."""
    return publish(render(results.compute()), Path(out))


def figure_of(results: xr.Dataset) -> Plot | None:
    """How far every factor goes in each answer; none without an answer."""
    if not results.sizes["answer"]:
        return None
    rows = len(moving(results)) * (results.sizes["answer"] + 1)
    with theme.canvas(
        1, 1, panel_height=max(1.6, 0.13 * rows), left=1.6, right=1.3, sharey=False
    ) as (figure, axes):  # fmt: skip
        draw(results, axes[0, 0])
        svg = theme.svg(figure)
    caption = (
        "Deviations of every factor from its mean at the horizon, answer by answer, with the "
        "move itself. Factors that stand still are left out."
    )
    return Plot(
        key="reverse", heading="How far each factor has to go", caption=caption,
        alternative="Bars of deviations by factor and answer", svg=svg,
    )  # fmt: skip


def moving(results: xr.Dataset) -> list[int]:
    """Places of the factors that move."""
    return [k for k, s in enumerate(results["factor_source"].values) if str(s) != "still"]


def called(factor: str) -> str:
    """A factor in words."""
    kind, _, of = factor.partition(".")
    return WORDS.get(kind, "depth of the books").format(of)


def draw(results: xr.Dataset, ax: Axes) -> None:
    """Bars of deviations, a block for each factor, a colour for each answer."""
    places, answers = moving(results), results["answer"].values
    colours = theme.SCENARIO_COLOURS
    far = results["deviations"].values[:, places]
    moves = np.expm1(results["move"].values[:, places])
    block = len(answers) + 1
    for k in range(len(places)):
        for a in range(len(answers)):
            y = -(k * block + a)
            colour = colours[a % len(colours)]
            ax.barh(y, far[a, k], 0.8, color=colour, linewidth=0)
            side = 1 if far[a, k] >= 0 else -1
            ax.annotate(
                f"{100 * moves[a, k]:+.1f} %".replace("-", "−"), (far[a, k], y),
                xytext=(3 * side, 0), textcoords="offset points", va="center",
                ha="left" if side > 0 else "right", fontsize=theme.FONT_SIZE - 1.6,
                color=theme.MUTED,
            )  # fmt: skip
    middle = [-(k * block + (len(answers) - 1) / 2) for k in range(len(places))]
    ax.set_yticks(middle, [called(str(results["factor"].values[k])) for k in places])
    ax.axvline(0, color=theme.MUTED, linewidth=0.9)
    ax.grid(axis="y", visible=False)
    ax.grid(axis="x", visible=True)
    ax.margins(x=0.22)
    ax.set_xlabel("standard deviations from the mean at the horizon")
    ends = np.linspace(0.92, 0.92 - 0.2 * (len(answers) - 1), len(answers))
    low, high = ax.get_ylim()
    theme.label_ends(
        ax,
        [
            (low + end * (high - low), f"answer {a}: {float(d):.2f}", colours[i % len(colours)])
            for i, (a, d, end) in enumerate(
                zip(answers, results["distance"].values, ends, strict=True)
            )
        ],
    )


def render(results: xr.Dataset) -> str:
    """The page as text."""
    return (
        templates()
        .get_template("reverse.html")
        .render(
            attrs=results.attrs,
            horizon=units.hours(float(results.attrs["horizon_hours"])),
            lead=sentences(results),
            plot=figure_of(results),
            worlds=worlds(results),
            accounts=[accounts(results, int(a)) for a in results["answer"].values],
            provenance=context.provenance(results),
        )
    )


def sentences(results: xr.Dataset) -> list[str]:
    """The verdict, and what it rests on."""
    attrs = results.attrs
    if not results.sizes["answer"]:
        write = units.count if attrs["metric"] == "liquidated_accounts" else units.money
        return [
            f"{attrs['event']}: no world within 12 deviations reaches it.",
            f"The most that random worlds so far out lose is {write(float(attrs['most_seen']))}.",
        ]
    first = results.isel(answer=0)
    far, odds = float(first["distance"]), float(first["probability"])
    if far == 0:
        return ["The centre of the scenario, every factor at its mean, already loses as much."]
    lead = (
        f"{attrs['event']} takes {far:.2f} standard deviations: {moves(results, 0)}. Were "
        "the factors Gaussian, they would go so far in this direction with a probability of "
        f"{odds:.2g}."
    )
    value, _, low, high = map(float, first["sampled_probability"].values)
    if np.isnan(value):
        return [lead, "Some of its factors are assumed, so the scenario's own paths cannot say."]
    return [
        lead,
        f"Of {attrs['sampled_paths']:,} paths of the scenario itself a share of {value:.2g} goes "
        f"as far in this direction (95 % between {low:.2g} and {high:.2g}).",
    ]


def moves(results: xr.Dataset, answer: int) -> str:
    """The moves of an answer that are a deviation or more, largest first."""
    at = results.isel(answer=answer)
    far = at["deviations"].values
    order = [k for k in np.argsort(-np.abs(np.nan_to_num(far))) if abs(far[k]) >= 1]
    told = [
        f"{called(str(results['factor'].values[k]))} {100 * np.expm1(float(at['move'][k])):+.1f} %"
        for k in order
    ]
    lag = float(at["oracle_lag"])
    told += [f"the oracle {lag:g} h late"] if lag else []
    return ", ".join(told).replace("-", "−") or "many small moves"


def worlds(results: xr.Dataset) -> Table:
    """Every answer: distance, odds, factors, losses."""

    def row(head: str, cells: list[str], detail: list[str] | None = None) -> list[Cell]:
        more = detail or [""] * len(cells)
        return [
            Cell(text=head),
            *(Cell(text=c, detail=d) for c, d in zip(cells, more, strict=True)),
        ]

    rows = [
        row("Distance, standard deviations", [f"{float(d):.3f}" for d in results["distance"]]),
        row("Probability of the half-space", [f"{float(p):.3g}" for p in results["probability"]]),
    ]
    for k in moving(results):
        source = SOURCES[str(results["factor_source"].values[k])]
        far = [f"{float(d):+.2f} deviations" for d in results["deviations"].values[:, k]]
        cells = [units.percent(float(np.expm1(m))) for m in results["move"].values[:, k]]
        rows.append(row(f"{called(str(results['factor'].values[k]))} ({source})", cells, far))
    rows.append(row("Oracle late", [units.hours(float(h)) for h in results["oracle_lag"]]))
    breaks = frozenset({2, len(rows)})
    for measure in map(str, results["measure"].values):
        write = units.count if measure == "liquidated_accounts" else units.money
        losses = results["loss"].sel(measure=measure).values
        rows.append(row(f"{units.title(measure)}, replayed", [write(float(x)) for x in losses]))
    heads = [
        Column(heading="", numeric=False),
        *(Column(heading=f"Answer {a}") for a in results["answer"].values),
    ]
    return Table(key="worlds", caption="Nearest worlds", columns=heads, rows=rows, breaks=breaks)


def accounts(results: xr.Dataset, answer: int) -> Table:
    """Accounts that matter most for the loss that was asked for, in one answer."""
    at = results.sel(answer=answer)
    lost, hours = at["account_equity_loss"].values, at["account_first"].values
    order = np.argsort(at["account_rank"].values)[:TOP]
    rows = [
        [
            Cell(text=str(at["account"].values[k])),
            Cell(text=units.name(at["account_group"].values[k])),
            Cell(text=units.money(float(lost[k]))),
            Cell(text=units.money(float(at["account_bad_debt"].values[k]))),
            Cell(text=units.hours(float(hours[k]))),
        ]
        for k in order
    ]
    heads = [
        Column(heading="Account", numeric=False), Column(heading="Group", numeric=False),
        Column(heading="Loss of equity"), Column(heading="Bad debt"), Column(heading="Liquidated"),
    ]  # fmt: skip
    caption = f"Answer {answer}: accounts that matter most (replay-{answer}.yaml plays it)"
    return Table(key=f"accounts-{answer}", caption=caption, columns=heads, rows=rows)
