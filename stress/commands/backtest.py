"""`hyperstress backtest`."""

import csv
import io
import os
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from stress.commands.tables import number, percent, show_table
from stress.errors import InputError


def backtest_command(
    candles: Path,
    assets: list[str] | None,
    models: list[str],
    horizons: list[str],
    window: str,
    book: str | None,
    out: Path,
    seed: int,
    workers: int | None,
) -> None:
    """Scores price models on hours they did not see: a table, files and figures."""
    from reports.backtest_figures import write_figures
    from stress.backtest_run import run_backtest, steps_of, subjects_of
    from stress.candles import read_folder
    from stress.compile_cache import keep_programs
    from stress.model_variants import model_names
    from stress.provenance import version
    from stress.results import as_json
    from stress.store import write_atomically

    keep_programs()
    names = list(model_names(models))
    spans = [_hours("--horizons", h) for h in horizons]
    series = read_folder(candles, assets)
    weights = None if book is None else _exposures(book, [c.asset for c in series])
    subjects = subjects_of(series, _hours("--window", window), weights)
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"), BarColumn(),
        TextColumn("{task.percentage:>3.0f} %"), TimeRemainingColumn(),
        console=console, disable=not console.is_terminal,
    )  # fmt: skip
    with bar:
        task = bar.add_task("backtest", total=steps_of(subjects, names, spans))
        outcome = run_backtest(
            subjects, names, spans, seed, workers or os.cpu_count() or 1,
            lambda n: bar.update(task, advance=n),
        )  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    facts = {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "assets": [c.asset for c in series],
        "models": names,
        "horizons_hours": spans,
        "seed": seed,
        "weights": weights,
        "version": {n: version(n) for n in ("hyperstress", "jax", "arch", "numpy")},
        "windows": {s.name: _span(s.hour) | {"lookback_hours": s.window} for s in subjects},
    }
    text = as_json({"facts": facts, "records": outcome.records})
    write_atomically(out / "backtest.json", text.encode())
    write_atomically(out / "backtest.csv", _csv(outcome.records).encode())
    drawn = {
        key: {"hour": f.hour, "loss": f.loss, "limit": f.value_at_risk, "upper": f.upper,
              "transform": f.transform}
        for key, f in outcome.forecasts.items()
    }  # fmt: skip
    for path in write_figures(outcome.records, drawn, out):
        console.print(f"Wrote {path}", markup=False, highlight=False, soft_wrap=True)
    _show(outcome.records, subjects)
    print(f"\nResults in {out}")


def _hours(option: str, text: str) -> int:
    from stress.units import hours

    try:
        value = hours(text)
    except ValueError:
        raise InputError(option, "", repr(text), "durations such as 1h, 24h, 7d, 365d") from None
    if value < 1 or value != int(value):
        raise InputError(option, "", repr(text), "whole hours")
    return int(value)


def _span(hour) -> dict[str, str]:
    from stress.calibrate_record import moment_text

    return {"from": moment_text(int(hour[0])), "to": moment_text(int(hour[-1]))}


def _exposures(ref: str, assets: list[str]) -> dict[str, float]:
    """Net exposure of a book to each asset over the sum of their sizes."""
    from stress.book_exposure import exposures
    from stress.book_io import load_book

    sizes = exposures(load_book(ref), assets)
    total = sum(map(abs, sizes.values()))
    if total == 0:
        raise InputError(ref, "", "no net exposure", "a book exposed to " + ", ".join(assets))
    return {a: s / total for a, s in sizes.items()}


def _csv(records: list[dict]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(records[0]) if records else ["subject"])
    writer.writeheader()
    writer.writerows(records)
    return text.getvalue()


def _show(records: list[dict], subjects) -> None:
    """Long side: exceedances of the 99 % value at risk, and every test."""
    rows = []
    for r in records:
        if r["side"] != "long":
            continue
        value, low, high = (percent(r[f"coverage{k}"]) for k in ("", "_low", "_high"))
        share = f"{value}  [{low}, {high}]"
        rows.append([
            r["subject"], f"{r['horizon_hours']} h", r["model"], str(r["n"]),
            f"{r['exceedances']} of {r['expected']:.0f}", share, r["zone"], r["worst_year"] or "-",
            number(r["kupiec_p"]), number(r["independence_p"]), number(r["shortfall_p"]),
            number(r["uniform_p"]),
        ])  # fmt: skip
    heads = ["", "horizon", "model", "n", "exceedances", "coverage [95 %]", "zone", "worst 250",
             "Kupiec p", "independence p", "shortfall p", "PIT p"]  # fmt: skip
    spans = {s.name: _span(s.hour) for s in subjects}
    records_of = ", ".join(f"{n} {t['from'][:10]} to {t['to'][:10]}" for n, t in spans.items())
    show_table(f"99 % value at risk of a long position, out of sample; {records_of}", heads, rows)
