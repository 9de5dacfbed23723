"""`hyperstress rates`."""

import math
import os
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from stress.commands.finish import leave
from stress.commands.report import report_command
from stress.commands.tables import money, percent, show_table
from stress.errors import InputError


def rates_command(
    ref: str, out: Path | None, settings: list[str], threads: int | None, resume: bool
) -> None:
    """Runs a study of interest, from the campaign's file to the report."""
    from stress.campaign import plan
    from stress.commands.progress import steps
    from stress.compile_cache import keep_programs
    from stress.config import load_campaign
    from stress.decide.rate_greeks import exact, rate_greeks
    from stress.doctor import self_test
    from stress.engine_canary import engine_canary
    from stress.provenance import DECISIVE, version
    from stress.store import open_run

    started = time.monotonic()
    console = Console(stderr=True)
    if resume and out is None:
        raise InputError("--resume", "", "no --out", "--out DIR of the run to go on with")
    keep_programs()
    built = plan(exact(load_campaign(ref, settings)))
    campaign = built.campaign
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = out or Path("runs") / f"{campaign.spec.name}-rates-{stamp}"
    versions = {name: version(name) for name in DECISIVE}
    open_run(
        folder,
        {"kind": "rates", "campaign": campaign.digest, "block": built.block, "version": versions},
        resume,
    )
    hands = threads or os.cpu_count() or 1
    self_test(None, engine_canary)
    try:
        with steps(console, campaign.spec.name, built.blocks * len(built.scenarios)) as advance:
            found = rate_greeks(built, folder / "blocks", hands, advance)
    except KeyboardInterrupt:
        sentence = "Finished blocks are kept: the same command with --out"
        console.print(f"{sentence} {folder} --resume goes on.", markup=False, highlight=False)
        raise
    results = _finish(built, found, folder, time.monotonic() - started, hands)
    _show(results)
    print(f"\nResults in {folder}")
    report_command(folder, None)


def _finish(built, found, folder: Path, seconds: float, threads: int):
    """The dataset of the study, written with its manifest and summary."""
    from stress.attributes import attributes
    from stress.decide.rates_dataset import rates_dataset, rates_summary
    from stress.provenance import provenance

    campaign = built.campaign
    facts = provenance(campaign, seconds, {"workers": 1, "threads": threads})
    told = attributes(campaign, facts) | {
        "kind": "rates",
        "title": f"Interest and liquidation: {campaign.spec.name}",
        "shift_points": campaign.spec.rates.shift * 100,
    }
    results = rates_dataset(campaign, found, built.inputs.venue.quotes, told)
    leave(folder, campaign, facts, results, rates_summary(results))
    return results


def _show(results) -> None:
    """Time to liquidation by group, then slopes of the whole book."""
    _show_times(results)
    for kind in ("accounts", "loans"):
        _show_slopes(results, kind)


def _show_times(results) -> None:
    held, rows = list(map(str, results["held"].values)), []
    for group in map(str, results["group"].values):
        at = results.sel(group=group)
        if not int(at["borrowers"]):
            continue
        for name in held:
            level = at.sel(held=name)
            part = level["within_share"].values
            within = [f"{percent(float(a))}, {percent(float(b))}" for a, b in part]
            used = " / ".join(f"{x:.3g}" for x in level["utilization"].values)
            rates = " / ".join(percent(float(x)) for x in level["borrow_rate"].values)
            first = [group, str(int(at["borrowers"])), money(float(at["group_loan"]))]
            lasts = [days(float(level[kind])) for kind in ("earliest", "median")]
            shown = first if name == held[0] else ["", "", ""]
            rows.append([*shown, used, rates, *lasts, *within])
    windows = [f"by {days(float(x))}: accounts, loans" for x in results["within"].values]
    heads = ["group", "owe", "loans", "utilization held", "rate per year", "earliest", "median",
             *windows]  # fmt: skip
    show_table("Time to liquidation by interest alone, prices standing still", heads, rows)


def _show_slopes(results, kind: str) -> None:
    rows = []
    for scenario in map(str, results["scenario"].values):
        for level in map(str, results["level"].values):
            at = results.sel(scenario=scenario, level=level, group="all", share=kind)
            value, _, low, high = map(float, at["probability"].values)
            chance = f"{percent(value)}  [{percent(low)}, {percent(high)}]"
            slopes = [points(x) for x in at["slope"].values]
            rows.append([scenario if level == "path" else "", level, chance, *slopes])
    told = results.attrs
    title = (
        f"Share of {kind} liquidated within {told['horizon_hours']:g} h, {told['paths']} paths "
        "[95 % interval], and its change in points per point of utilization"
    )
    heads = ["scenario", "utilization", "probability", "change", "by interest", "by liquidity"]
    show_table(title, heads, rows)


def days(hours: float) -> str:
    """A time to liquidation for people."""
    if math.isnan(hours):
        return "-"
    if math.isinf(hours):
        return "never"
    if hours < 48:
        return f"{hours:.0f} h"
    return f"{hours / 24:,.0f} d" if hours < 24 * 365 * 2 else f"{hours / 8760:,.1f} y"


def points(statistics) -> str:
    """A change in points per point, with its interval: value, standard error, low, high."""
    value, _, low, high = (100 * float(x) for x in statistics)
    if math.isnan(value):
        return "-"
    return f"{value:.3g}  [{low:.3g}, {high:.3g}]"
