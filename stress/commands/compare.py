"""`hyperstress run --against`: one campaign under two rule books, paired."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from stress.commands.compute import Where, compute
from stress.commands.finish import leave
from stress.commands.report import report_command
from stress.commands.tables import money, percent, show_table


def compare_command(campaign, out: Path | None, where: Where, resume: bool, report: bool) -> None:
    """Runs every side of a comparison, from the campaign's file to the memo."""
    from stress.block_store import open_blocks
    from stress.campaign import plan as build_plan
    from stress.commands.progress import progress
    from stress.decide.compare import cases, distinct
    from stress.engine_canary import prove
    from stress.provenance import DECISIVE, version
    from stress.store import open_run

    started = time.monotonic()
    console = Console(stderr=True)
    devices = where.here()
    found = cases(campaign)
    once = list(distinct(found))
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = out or Path("runs") / f"{campaign.spec.name}-{stamp}"
    place = where.store or str(folder / "sides")
    first = build_plan(once[0].campaign)  # what cannot be built is told before anything is written
    identity = {
        "campaign": [case.campaign.digest for case in found],
        "block": first.block,
        "paths": campaign.spec.paths,
        "version": {name: version(name) for name in DECISIVE},
    }

    def say(sentence: str) -> None:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    results, hands = {}, {}
    with where.client() as client, ThreadPoolExecutor(1) as aside:
        open_run(folder, identity, resume)
        try:
            checked = aside.submit(prove, devices)
            with progress(console, first, len(once)) as advance:
                for n, case in enumerate(once):
                    plan = first if n == 0 else build_plan(case.campaign)
                    store = f"{place}/{case.campaign.digest[:16]}.zarr"
                    whose = identity | {"campaign": case.campaign.digest, "block": plan.block}
                    open_blocks(store, whose)
                    results[case.campaign.digest], hands = compute(
                        plan, where, client, store, advance, say, checked.result
                    )
            checked.result()
        except KeyboardInterrupt:
            say(f"Finished blocks are kept: the same command with --out {folder} --resume goes on.")
            raise
    dataset = _finish(campaign, found, results, folder, time.monotonic() - started, hands)
    _show(dataset)
    print(f"\nResults in {folder}")
    if report:
        report_command(folder, None)


def _finish(campaign, found, results, folder: Path, seconds: float, hands: dict[str, int]):
    """The dataset of the study, written with its manifest and summary."""
    from stress.attributes import attributes
    from stress.decide.compare import change_of
    from stress.decide.compare_dataset import compare_dataset, compare_summary
    from stress.provenance import provenance

    facts = provenance(campaign, seconds, hands)
    told = attributes(campaign, facts) | change_of(campaign)
    dataset = compare_dataset(found, results, told)
    leave(folder, campaign, facts, dataset, compare_summary(dataset))
    return dataset


def _show(results) -> None:
    """Before, after and the paired difference of the stated reading."""
    told = results.attrs
    for scenario in map(str, results["scenario"].values):
        rows = []
        for response in map(str, results["response"].values):
            at = results.sel(scenario=scenario, response=response).isel(reading=0)
            for m, measure in enumerate(results["measure_label"].values):
                unit = str(results["measure_unit"].values[m])
                write = percent if unit == "1" else money
                cell = at.isel(measure=m)
                sides = [write(float(cell["outcome"].sel(side=s).values[0]))
                         for s in ("before", "after")]  # fmt: skip
                value, _, low, high = map(float, cell["difference"].values)
                change = f"{write(value)}  [{write(low)}, {write(high)}]"
                rows.append([response if m == 0 else "", str(measure), *sides, change])
        title = (
            f"{scenario}: {told['before']} -> {told['after']}, {told['paths']} paths, "
            f"{told['horizon_hours']:g} h, same random numbers; after less before [95 % interval]"
        )
        show_table(title, ["borrowers", "", "before", "after", "difference"], rows)
