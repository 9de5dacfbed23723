"""`hyperstress run` and `hyperstress report`."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from stress.commands.compare import compare_command
from stress.commands.compute import Where, compute
from stress.commands.report import report_command
from stress.commands.tables import chance, count, money, number, percent, show_table
from stress.errors import InputError


def run_command(
    ref: str,
    out: Path | None,
    settings: list[str],
    where: Where,
    resume: bool,
    report: bool,
    models: list[str] | None = None,
    candles: Path | None = None,
) -> None:
    """Runs a campaign from its file to its report."""
    from stress.compile_cache import keep_programs
    from stress.config import load_campaign
    from stress.engine_canary import prove

    started = time.monotonic()
    where.check()
    if resume and out is None:
        raise InputError("--resume", "", "no --out", "--out DIR of the run to go on with")
    console = Console(stderr=True)
    keep_programs()
    campaign = load_campaign(ref, settings, models or (), None if candles is None else str(candles))
    if campaign.spec.against is not None:
        if models or candles:
            raise InputError("--models", "", "a campaign with against", "one without")
        compare_command(campaign, out, where, resume, report)
        return
    devices = where.here()
    aside = ThreadPoolExecutor(1)  # the self-test compiles while the rest is imported and built
    checked = aside.submit(prove, devices)
    aside.shutdown(wait=False)
    from stress.block_store import open_blocks
    from stress.campaign import plan as build_plan
    from stress.campaign import tail_contributions
    from stress.commands.progress import progress
    from stress.estimator_check import check_estimator
    from stress.provenance import DECISIVE, version
    from stress.rare_run import rare_run
    from stress.store import open_run

    plan = build_plan(campaign)
    check_estimator(plan)
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = out or Path("runs") / f"{campaign.spec.name}-{stamp}"
    store = where.store or str(folder / "blocks.zarr")
    identity = {
        "campaign": campaign.digest,
        "block": plan.block,
        "paths": campaign.spec.paths,
        "version": {name: version(name) for name in DECISIVE},
    }

    def say(sentence: str) -> None:
        console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    with where.client() as client:
        open_run(folder, identity, resume, lambda: open_blocks(store, identity))
        try:
            with progress(console, plan) as advance:
                totals, hands = compute(plan, where, client, store, advance, say, checked.result)
            checked.result()  # also where other processes computed, or every block was there
            tails = tail_contributions(plan, totals)
            rare = rare_run(plan, totals, say if console.is_terminal else lambda sentence: None)
            results = _finish(plan, totals, tails, rare, folder, started, hands)
        except KeyboardInterrupt:
            say(f"Finished blocks are kept: the same command with --out {folder} --resume goes on.")
            raise
    _show_summary(results)
    print(f"\nResults in {folder}")
    if report:
        report_command(folder, None)


def _finish(plan, totals, tails, rare, folder: Path, started: float, hands: dict[str, int]):
    """Writes dataset, summary and manifest; summary.json last, it marks a finished run."""
    from stress.attributes import attributes
    from stress.book import margin_accounts
    from stress.campaign import book_response
    from stress.dataset import build_dataset
    from stress.margin_figures import book_venue, row_figures
    from stress.model_spread import model_spread
    from stress.provenance import provenance
    from stress.results import as_json, save_dataset, summary
    from stress.store import write_atomically

    campaign = plan.campaign
    rules = book_venue(campaign.book, campaign.venue, dict(campaign.spec.assumptions))
    now = row_figures(campaign.book, rules, margin_accounts(campaign.book))
    facts = provenance(campaign, time.monotonic() - started, hands)
    figures = plan.cascade.figures if plan.cascade else None
    told = attributes(campaign, facts, figures)
    results = build_dataset(plan, totals, tails, now, told, book_response(plan), rare)
    if campaign.models:
        results = model_spread(results, _variants(campaign))
    save_dataset(results, folder)
    manifest = {
        "campaign": campaign.spec.model_dump(mode="json"),
        "scenarios": {n: s.model_dump(mode="json") for n, s in campaign.scenarios.items()},
        "block": plan.block,
        **facts,
    }
    write_atomically(folder / "manifest.json", as_json(manifest).encode())
    write_atomically(folder / "summary.json", as_json(summary(results)).encode())
    return results


def _variants(campaign) -> dict[str, tuple[str, str]]:
    """Scenario -> (scenario of the campaign, price model)."""
    from stress.model_variants import base_of

    pairs = {name: base_of(name, campaign.spec.scenarios) for name in campaign.scenarios}
    return {name: (base, campaign.scenarios[name].prices.process) for name, base in pairs.items()}


SHOWN = {
    "Accounts liquidated, mean": "system.liquidated_accounts.mean",
    "Perpetuals liquidated, mean": "system.liquidated_notional.mean",
    "Loans liquidated, mean": "system.liquidated_debt.mean",
    "P(bad debt)": "system.probability_bad_debt",
    "Bad debt, worst 1 %": "system.bad_debt.es_99",
    "Loss of equity, worst 1 %": "system.equity_loss.es_99",
    "Peak utilization, mean": "pool.peak_utilization.mean",
    "P(reserve fully used)": "system.probability_full_utilization",
    "Liquidated by the book, mean": "system.book_notional.mean",
    "Handed to the vault, mean": "system.backstop_notional.mean",
    "Collateral taken over, mean": "system.takeover_value.mean",
    "Auto-deleveraged, worst 1 %": "system.adl_notional.es_99",
    "P(auto-deleveraging)": "system.probability_adl",
    "Shortfall, worst 1 %": "system.shortfall.es_99",
    "Loss of suppliers, worst 1 %": "pool.supplier_loss.es_99",
    "Amplification": "system.amplification",
    "Branching ratio": "system.branching_ratio",
}
WIDEST = 8  # scenarios that a table on a terminal can hold
RATIOS = ("system.amplification", "system.branching_ratio")  # written as numbers, not percent


def _show_summary(results) -> None:
    """The summary table: value and 95 % interval of the leading metrics by scenario."""
    scenarios = [str(s) for s in results["scenario"].values]
    rows = []
    for label, metric in SHOWN.items():
        if metric not in results["metric"].values:
            continue
        entry = results["system"].sel(metric=metric)
        unit = "" if metric in RATIOS else str(entry["metric_unit"].item())
        write = {"USDC": money, "1": percent}.get(unit, number)
        cells = []
        for scenario in scenarios:
            value, low, high = (
                float(entry.sel(scenario=scenario, statistic=s)) for s in ("value", "low", "high")
            )
            cells.append(f"{write(value)}  [{write(low)}, {write(high)}]")
        rows.append([label, *cells])
    attrs = results.attrs
    refined = f", {attrs['refinements']}" if attrs["refinements"] else ""
    title = (
        f"{attrs['campaign']}: {results.sizes['account']} accounts, {attrs['paths']} paths, "
        f"{attrs['horizon_hours']:g} h in steps of {attrs['step_hours']:g} h{refined}; "
        "value [95 % interval], USDC"
    )
    if len(scenarios) <= WIDEST:
        show_table(title, ["", *scenarios], rows)
    else:
        print(f"{title.split(';')[0]}; {len(scenarios)} scenarios, their figures in summary.json")
    counts = results["status_count"].sum("scenario")
    pairs = zip(results["status"].values, counts.values, strict=True)
    failed = {str(s): int(n) for s, n in pairs if n}
    if set(failed) - {"ok"}:
        print("Paths by status: " + ", ".join(f"{n} {s}" for s, n in failed.items()))
    _show_events(results)
    if "model_spread" in results:
        _show_spread(results)


def _show_events(results) -> None:
    """Events by scenario: probability, method, effective paths, and the second method beside it."""
    metrics = [str(m) for m in results["metric"].values if str(m).startswith("event.")]
    rows, refused = [], []
    for metric in metrics:
        for scenario in map(str, results["scenario"].values):
            at = results.sel(metric=metric, scenario=scenario)
            sentence = str(at["metric_refusal"].item())
            name = metric.removeprefix("event.").removesuffix(".probability")
            if sentence:
                refused.append(f"{name} under {scenario}: {sentence}.")
            check, apart = str(at["metric_check"].item()), float(at["metric_agreement"])
            beside = f"{check} {chance(at['cross_check'].values)}" if check else "-"
            method = str(at["metric_estimator"].item())
            paths, effective, plain = (
                float(at[f"metric_{key}"]) for key in ("paths", "effective_paths", "plain_paths")
            )
            rows.append([name, scenario, chance(at["system"].values), method, f"{paths:,.0f}",
                         number(effective), count(plain), beside, number(apart)])  # fmt: skip
    if rows:
        heads = ["event", "scenario", "probability [95 %]", "method", "paths", "effective",
                 "plain paths", "second method", "z"]  # fmt: skip
        title = ("Events; plain paths: what the same error takes without weights; z: difference of "
                 "the two methods in standard errors")  # fmt: skip
        show_table(title, heads, rows)
    for sentence in refused:
        print(f"Refused: {sentence}")


def _show_spread(results) -> None:
    """Model spread and Monte Carlo error of the leading metrics, apart."""
    rows = []
    for base in results["base"].values:
        for label, metric in SHOWN.items():
            if metric not in results["metric"].values:
                continue
            entry = results["model_spread"].sel(base=base, metric=metric)
            unit = "" if metric in RATIOS else str(entry["metric_unit"].item())
            write = {"USDC": money, "1": percent}.get(unit, number)
            low, high, mean, spread, error = (float(x) for x in entry.values)
            rows.append([str(base), label, f"{write(low)} to {write(high)}", write(mean),
                         write(spread), write(error)])  # fmt: skip
    heads = ["scenario", "", "over models", "mean", "model spread", "Monte Carlo error"]
    models = ", ".join(dict.fromkeys(str(m) for m in results["scenario_model"].values))
    show_table(f"Price models {models}: spread and sampling error, one deviation each", heads, rows)
