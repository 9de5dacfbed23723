"""`hyperstress reverse`: the most plausible worlds in which a book loses a given amount."""

import math
import time
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from rich.console import Console

from stress.commands.finish import leave
from stress.commands.report import report_command
from stress.commands.tables import chance, money, number, percent, show_table
from stress.errors import InputError

TOP = 8  # accounts listed of every answer


def reverse_command(
    ref: str,
    metric: str,
    at_least: str,
    scenario: str | None,
    factors: list[str],
    answers: int,
    rounds: int,
    out: Path | None,
    settings: list[str],
) -> None:
    """Searches, replays what it found, writes and shows it."""
    from stress.compile_cache import keep_programs
    from stress.config import load_campaign
    from stress.decide.course import KINDS
    from stress.decide.reverse import reverse
    from stress.decide.reverse_record import play, record, summary, write_replays
    from stress.events import NAMES
    from stress.files import suggest
    from stress.provenance import provenance
    from stress.results import as_json

    started = time.monotonic()
    keep_programs()
    if metric not in NAMES:
        raise InputError("--metric", "", repr(metric), suggest(metric, list(NAMES)))
    kinds = factors or list(KINDS)
    for kind in kinds:
        if kind not in KINDS:
            raise InputError("--factors", "", repr(kind), suggest(kind, list(KINDS)))
    level, share = _level(at_least)
    campaign = load_campaign(ref, settings)
    names = list(campaign.scenarios)
    chosen = scenario or names[0]
    if chosen not in names:
        raise InputError("--scenario", "", repr(chosen), suggest(chosen, names))
    console = Console(stderr=True)

    def say(sentence: str) -> None:
        if console.is_terminal:
            console.print(sentence, markup=False, highlight=False, soft_wrap=True)

    found = reverse(
        campaign, chosen, metric, level, share=share, kinds=kinds, answers=answers, rounds=rounds,
        say=say,
    )  # fmt: skip
    played = []
    for n, world in enumerate(found.worlds, start=1):
        say(f"Replaying answer {n} of {len(found.worlds)}.")
        played.append(play(found, world, n))
    facts = provenance(campaign, time.monotonic() - started, {"workers": 1, "threads": 1})
    results = record(found, played, {"provenance": as_json(facts)})
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    folder = out or Path("runs") / f"{campaign.spec.name}-reverse-{stamp}"
    folder.mkdir(parents=True, exist_ok=True)
    write_replays(played, folder)
    leave(folder, campaign, facts, results, summary(results))
    _show(results)
    print(f"\nResults in {folder}")
    report_command(folder, None)


def _level(text: str) -> tuple[float, bool]:
    """A level in USDC or accounts, or with % as a share of the book."""
    share = text.endswith("%")
    try:
        level = float(text.rstrip("%").strip().replace("_", ""))
    except ValueError:
        level = math.nan
    if not 0 < level < math.inf or (share and level >= 100):
        allowed = "a positive number of USDC such as 1e6, or a share of the book such as 5%"
        raise InputError("--at-least", "", repr(text), allowed)
    return (level / 100, True) if share else (level, False)


def _show(results) -> None:
    attrs = results.attrs
    if not results.sizes["answer"]:
        write = number if attrs["metric"] == "liquidated_accounts" else money
        print(
            f"{attrs['event']}: no world within 12 deviations reaches it under the scenario "
            f"{attrs['scenario']}; the most that random worlds so far "
            f"out lose, without feedback, is {write(float(attrs['most_seen']))}."
        )
        return
    if float(results["distance"][0]) == 0:
        print("The centre of the scenario, every factor at its mean, already loses as much.")
    answers = [int(a) for a in results["answer"].values]
    rows = [
        ["distance, deviations", *(f"{float(d):.4g}" for d in results["distance"].values)],
        ["probability of the half-space", *(f"{float(p):.3g}" for p in results["probability"])],
        ["share of sampled paths", *map(chance, results["sampled_probability"].values)],
    ]
    for k, factor in enumerate(map(str, results["factor"].values)):
        if str(results["factor_source"].values[k]) == "still":
            continue
        moves, away = results["move"].values[:, k], results["deviations"].values[:, k]
        cells = [
            f"{percent(float(np.expm1(m)))}  ({d:+.2f} sd)"
            for m, d in zip(moves, away, strict=True)
        ]
        rows.append([factor, *cells])
    if results["oracle_lag"].values.any():
        rows.append(["oracle late", *(f"{h:g} h" for h in results["oracle_lag"].values)])
    for measure in map(str, results["measure"].values):
        write = number if measure == "liquidated_accounts" else money
        losses = results["loss"].sel(measure=measure).values
        rows.append([f"{measure.replace('_', ' ')}, replayed", *(write(float(x)) for x in losses)])
    title = (
        f"{attrs['event']} under {attrs['scenario']}, {attrs['horizon_hours']:g} h: nearest worlds"
    )
    show_table(title, ["", *(f"answer {a}" for a in answers)], rows)
    for a in answers:
        _show_accounts(results.sel(answer=a), a)


def _show_accounts(at, answer: int) -> None:
    lost = at["account_equity_loss"].values
    rows = []
    for k in np.argsort(at["account_rank"].values)[:TOP]:
        hour = float(at["account_first"].values[k])
        rows.append([
            str(at["account"].values[k]), str(at["account_group"].values[k]),
            money(float(lost[k])), money(float(at["account_bad_debt"].values[k])),
            "-" if math.isnan(hour) else f"{hour:g} h",
        ])  # fmt: skip
    heads = ["account", "group", "loss of equity", "bad debt", "liquidated"]
    title = f"Answer {answer}, accounts that matter most; replay-{answer}.yaml plays it"
    show_table(title, heads, rows)
