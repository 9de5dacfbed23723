"""Accounts of the engine against first-passage probabilities, by every estimator of the product."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from stress.answers import event_key
from stress.campaign import Plan, path_function, plan, run_blocks, scenario_key
from stress.config import campaign_of
from stress.estimator_schema import Estimator
from stress.events import narrowed, rare_events
from stress.rare import Case, estimate_event
from stress.validate.check import Check, Checks, of_estimate, of_share, references
from stress.validate.rules import VENUE
from stress.venues import load_venue

NO_FUNDING = -0.0005  # premium: its distance to the interest is more than the formula clamps
LTV, SPOT = 0.65, 100.0
BARRIERS = (90.0, 80.0, 70.0, 55.0)
QUICK = ("at-55", "looper")


def account_checks(quick: bool) -> Checks:
    """Barriers and the looper: plain paths, tilted, Sobol, lines, splitting; step and continuous.

    The rows of a week, and with `quick` no other horizon.
    """
    for days, step, dates in ((7, 1.0, 168),) if quick else (
        (1, 1.0, 24), (7, 1.0, 168), (7, 24.0, 7), (30, 1.0, 720),
    ):  # fmt: skip
        made = built(days, step, 2**14 if quick else 2**16)
        yield from _plain(made, days, dates)
        yield from _rare(made, days, dates, quick)


def document(days: int, step: float, paths: int, volatility: float = 1.0) -> dict[str, Any]:
    """A campaign: a looper and four barriers under Brownian motions.

    A barrier is a standard account long one contract whose maintenance is reached there, with a
    premium at which funding is zero; the loan of the looper grows at 5 %.
    """
    rules = load_venue(VENUE).file
    maintenance = 1 / (2 * rules.margin_tables[rules.markets["BTC"].value].value[0][1])
    long = {"market": "BTC", "size": 1.0, "entry_price": SPOT, "margin": "cross"}
    looper = {"id": "looper", "mode": "portfolio", "balances": {"USDC": -LTV * 1000 * SPOT},
              "supplied": {"HYPE": 1000.0}}  # fmt: skip
    barriers = [
        {"id": f"at-{barrier:g}", "mode": "cross", "positions": [long],
         "balances": {"USDC": SPOT - barrier * (1 - maintenance)}}
        for barrier in BARRIERS
    ]  # fmt: skip
    return {
        "name": "references",
        "venue": VENUE,
        "book": {
            "as_of": "2026-09-08T00:00:00Z",
            "venue": VENUE,
            "prices": {"BTC": SPOT, "HYPE": SPOT},
            "reserves": {"USDC": {"supplied": 4e8, "borrowed": 2e8}},
            "accounts": [looper, *barriers],
        },
        "horizon": days * 24,
        "step": step,
        "paths": paths,
        "seed": 20260908,
        "precision": "float64",
        "block": 8192,
        "scenarios": {
            "base": {
                "prices": {
                    "process": "gbm",
                    "volatility": {"BTC": 0.8 * volatility, "HYPE": 1.2 * volatility},
                    "drift": {"BTC": 0.0, "HYPE": 0.0},
                    "correlation": 0.0,
                },
                "utilization": {"process": "constant", "USDC": 0.5},
                "funding": {"premium": NO_FUNDING},
            }
        },
        "assumptions": {"min_borrow_offset": "none"},
        "events": {
            name: {"account": name} for name in ("looper", *(f"at-{b:g}" for b in BARRIERS))
        },
    }


def built(days: int, step: float, paths: int, volatility: float = 1.0) -> Plan:
    """The campaign, built."""
    return plan(campaign_of(document(days, step, paths, volatility)))


def case(made: Plan, account: str, **settings: Any) -> Case:
    """The liquidation of one account as a case for `estimate_event`."""
    event = next(e for e in rare_events(made.campaign) if e.account == account)
    paths = narrowed(path_function(made, "base"), made.campaign, made.inputs.venue, event)
    seed = scenario_key(made.campaign.spec.seed, "base")
    return Case(event, paths, Estimator.model_validate(settings), event_key(seed, event.name))


def rows(days: int, dates: int) -> Iterator[tuple[str, float, float]]:
    """(account, exact at the times, exact continuous) of the references of a horizon."""
    for row in references()["gbm_lower_barrier_hit"]["rows"]:
        if (row["days"], row["m"]) == (days, dates):
            yield f"at-{row['H']:g}", row["discrete_exact"], row["continuous"]
    if dates == 24 * days:
        row = references()["portfolio_margin_one_collateral"]["rows"][0]
        yield "looper", row[f"{days}d_hourly"], row[f"{days}d_cont"]


def _plain(made: Plan, days: int, dates: int) -> Checks:
    """Shares of an ordinary campaign; the partial and the full threshold of the looper."""
    total = run_blocks(made, None, 1)["base"]
    ids = [str(i) for i in made.campaign.book.ids]

    def share(name: str, count: int, exact: float) -> Check:
        happened = np.arange(total.paths) < count
        return of_share("accounts", f"{name}, {days} d in {dates}, campaign", happened, exact)

    for account, exact, _ in rows(days, dates):
        if exact * total.paths >= 10:
            gone = total.counts["first"][:-1, ids.index(account)].sum()
            yield share(account, int(gone), exact)
    if dates == 24 * days:
        table = references()["portfolio_margin_one_collateral"]["rows"]
        for kind, row in (("partial", table[1]), ("full", table[2])):
            exact = row[f"{days}d_hourly"]
            if exact * total.paths >= 10:
                count = int(total.counts[kind][ids.index("looper")])
                yield share(f"looper {kind}", count, exact)


def _rare(made: Plan, days: int, dates: int, quick: bool) -> Checks:
    for account, step, continuous in rows(days, dates):
        if quick and account not in QUICK:
            continue
        methods = ["tilt", "tilt_sobol", "line"] if step < 0.1 or not quick else ["tilt_sobol"]
        if step < 0.1 and not quick:
            methods.append("splitting")
        for method in methods:
            asked = {"target_relative_error": 0.02 if method != "splitting" else 0.1}
            found = estimate_event(case(made, account, **asked), method)
            name = f"{account}, {days} d in {dates}, {method}"
            yield of_estimate("accounts", name, found, step)
        for method in ("tilt_sobol",) if quick else ("tilt", "tilt_sobol"):
            watched = case(made, account, monitoring="continuous", target_relative_error=0.02)
            name = f"{account}, {days} d, continuous from {dates}, {method}"
            yield of_estimate("accounts", name, estimate_event(watched, method), continuous)
