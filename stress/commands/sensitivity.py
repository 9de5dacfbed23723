"""`hyperstress sensitivity`."""

import os
import time
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from stress.commands.finish import leave
from stress.commands.report import report_command
from stress.commands.tables import money, number, show_table
from stress.errors import InputError


def sensitivity_command(
    ref: str, out: Path | None, settings: list[str], threads: int | None, resume: bool
) -> None:
    """Runs a study of sensitivity, from the campaign's file to the report."""
    from stress.campaign import plan
    from stress.commands.progress import steps
    from stress.config import load_campaign
    from stress.decide.euler import check_tail
    from stress.decide.sensitivity import campaigns_of, check_study, study
    from stress.doctor import self_test
    from stress.engine_canary import engine_canary
    from stress.provenance import DECISIVE, version
    from stress.store import open_run

    started = time.monotonic()
    console = Console(stderr=True)
    if resume and out is None:
        raise InputError("--resume", "", "no --out", "--out DIR of the run to go on with")
    campaign = load_campaign(ref, settings)
    check_study(campaign)
    built = plan(campaign)
    check_tail(built)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = out or Path("runs") / f"{campaign.spec.name}-{stamp}"
    versions = {name: version(name) for name in DECISIVE}
    open_run(folder, {"campaign": campaign.digest, "version": versions}, resume)
    hands = threads or os.cpu_count() or 1
    self_test(None, engine_canary)
    try:
        with steps(console, campaign.spec.name, campaigns_of(campaign)) as advance:
            found = study(campaign, folder / "points", hands, advance)
    except KeyboardInterrupt:
        sentence = "Finished campaigns are kept: the same command with --out"
        console.print(f"{sentence} {folder} --resume goes on.", markup=False, highlight=False)
        raise
    results = _finish(campaign, built, found, folder, time.monotonic() - started, hands)
    _show(results)
    print(f"\nResults in {folder}")
    report_command(folder, None)


def _finish(campaign, built, found, folder: Path, seconds: float, threads: int):
    """The dataset of the study, written with its manifest and summary."""
    from stress.attributes import attributes
    from stress.decide.sensitivity_dataset import sensitivity_dataset, sensitivity_summary
    from stress.provenance import provenance

    facts = provenance(campaign, seconds, {"workers": 1, "threads": threads})
    figures = built.cascade.figures if built.cascade else None
    told = attributes(campaign, facts, figures) | {
        "kind": "sensitivity",
        "title": f"Sensitivity of {campaign.spec.name}",
        "base_points": campaign.spec.sensitivity.base_points,
    }
    results = sensitivity_dataset(campaign, found, built.inputs.assets, told)
    leave(folder, campaign, facts, results, sensitivity_summary(results))
    return results


def _show(results) -> None:
    """Total indices, widest first, the tornado, and the expected shortfall by mechanism."""
    for scenario in map(str, results["scenario"].values):
        for measure in map(str, results["measure"].values):
            at = results.sel(scenario=scenario, measure=measure)
            rows = []
            for name in map(str, results["input"].values):
                parts = [at[kind].sel(input=name).values for kind in ("first", "total")]
                shares = [f"{number(v)}  [{number(lo)}, {number(hi)}]" for v, _, lo, hi in parts]
                bars = at["tornado"][at["bar_input"].values == name]
                moves = "; ".join(
                    f"{bar['bar_value'].item()}: {money(float(bar[0]))} "
                    f"[{money(float(bar[2]))}, {money(float(bar[3]))}]"
                    for bar in bars
                )
                rows.append([name, *shares, moves])
            base = at["base"].values
            title = (
                f"{scenario}, mean {measure} {money(base[0])} [{money(base[2])}, {money(base[3])}]"
            )
            heads = ["input", "first index [95 %]", "total index [95 %]", "moved alone [95 %]"]
            show_table(title, heads, rows)
        rows = []
        for loss in map(str, results["loss"].values):
            at = results.sel(scenario=scenario, loss=loss)
            for part in map(str, results["mechanism"].values):
                value = money(float(at["mechanism_part"].sel(mechanism=part)))
                rows.append([loss, money(float(at["shortfall"])), part, value])
        show_table(f"{scenario}: mean of the worst 1 %", ["loss", "whole", "part", "USDC"], rows)
