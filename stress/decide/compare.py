"""Two dated rule books on the same book and the same random numbers: what the change did.

A side is the book as its borrowers would hold it under one of the rule books, run under it with
one reading of what the rules leave open. Both sides of a pair see the same outside paths.
"""

import dataclasses
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from stress.book import Book
from stress.config import Campaign, digest_of, rule_book
from stress.decide.response import Standing, respond, standing, with_tokens
from stress.errors import InputError
from stress.margin_figures import STATUSES
from stress.results import as_json
from stress.totals import Totals
from stress.venue_files import VenueBook, diff_venues, load_venue

SIDES = ("before", "after")
STATED = "as stated"
FEEDBACK_ONLY = ("takeover_starts_at", "liquidation_order")  # readings that frozen books never ask


@dataclass(frozen=True, kw_only=True)
class Case:
    """One side of one pair."""

    side: str  # one of SIDES
    response: str
    reading: str  # STATED, or `assumption: value`
    campaign: Campaign  # its rules, book and readings; equal digests give equal results
    standing: Standing  # of the book under the rules


@dataclass(frozen=True, kw_only=True)
class Measure:
    """One figure of a path that is compared."""

    id: str
    label: str
    unit: str
    definition: str
    of: Callable[[Totals, Case], np.ndarray]  # [paths]
    event: bool = False  # 0 or 1 on every path


def cases(campaign: Campaign) -> list[Case]:
    """Every side of a comparison.

    Args:
      campaign: with `against`; its book stands under the rules that the book itself names.

    Returns:
      Both sides of every response and reading, in this order: response, reading, side.

    Errors:
      Raises InputError where `against` is missing, unknown or the same rules as `venue`.
    """
    before, after, home = _rules(campaign)
    found, known = [], dict[str, Standing]()
    for response in campaign.spec.compare.responses:
        for reading, changed in readings(campaign, before, after).items():
            assumptions = dict(campaign.spec.assumptions) | changed
            for side, rules in zip(SIDES, (before, after), strict=True):
                book = respond(campaign.book, home, rules, response, assumptions)
                listed = with_tokens(rules, book.tokens, home)
                one = _with(campaign, listed, book, assumptions)
                if one.digest not in known:
                    known[one.digest] = standing(book, rules, assumptions)
                found.append(Case(side=side, response=response, reading=reading, campaign=one,
                                  standing=known[one.digest]))  # fmt: skip
    return found


def readings(
    campaign: Campaign, before: VenueBook, after: VenueBook
) -> dict[str, dict[str, object]]:
    """Readings of the rules by name: the stated one, then each other value of each assumption.

    An assumption is left out where a rule book does not name it, or where the campaign runs
    without feedback and only liquidations in time would ask for it.
    """
    result: dict[str, dict[str, object]] = {STATED: {}}
    if campaign.spec.compare.readings == "stated":
        return result
    for name, entry in after.assumptions.items():
        asked = campaign.spec.feedback or name not in FEEDBACK_ONLY
        if not asked or name not in before.assumptions:
            continue
        stated = campaign.spec.assumptions.get(name, entry.value)
        for value in entry.alternatives:
            if value != stated and value in before.assumptions[name].alternatives:
                shown = str(value).lower() if isinstance(value, bool) else value
                result[f"{name}: {shown}"] = {name: value}
    return result


def measures(feedback: bool) -> list[Measure]:
    """What is compared on every path; the loss of suppliers needs feedback."""
    found = [
        Measure(
            id="liquidation_odds",
            label="Liquidation odds of an account",
            unit="1",
            definition="Share of the book's accounts of which any part becomes liquidatable by the "
            "horizon.",
            of=lambda t, c: t.by_path["liquidated_accounts"] / len(c.campaign.book.ids),
        ),
        Measure(
            id="loan_odds",
            label="Liquidation odds of a dollar lent",
            unit="1",
            definition="Loans of accounts at their first liquidation over the book's loans now.",
            of=lambda t, c: t.by_path["liquidated_debt"] / _lent(c),
        ),
        Measure(
            id="bad_debt",
            label="Expected bad debt",
            unit="USDC",
            definition="Negative equity of accounts at their first liquidation, all collateral at "
            "its oracle price included.",
            of=lambda t, c: t.by_path["bad_debt"],
        ),
        Measure(
            id="probability_bad_debt",
            label="Probability of bad debt",
            unit="1",
            definition="Share of paths on which the bad debt of some account is positive.",
            of=lambda t, c: np.where(np.isnan(t.by_path["bad_debt"]), np.nan,
                                     t.by_path["bad_debt"] > 0),
            event=True,
        ),
    ]  # fmt: skip
    if feedback:
        found.append(
            Measure(
                id="supplier_loss",
                label="Expected loss of suppliers",
                unit="USDC",
                definition="Haircut of the reserve's suppliers by loans that were not repaid.",
                of=lambda t, c: t.by_path["cascade_paid_suppliers"],
            )
        )
    return found


STANDINGS: dict[str, tuple[str, str, str]] = {
    "loans": ("Loans", "USDC", "Loans of the book now, within caps and limits of the rules."),
    "borrowing_power": ("Borrowing power", "USDC", "Sum over accounts of collateral within the "
                        "user cap times LTV, at most the user borrow cap."),
    "collateral": ("Collateral", "USDC", "Collateral of portfolio accounts at oracle prices."),
    "notional": ("Perp notional supported", "USDC", "Notional at mark of cross positions of "
                 "portfolio accounts."),
    "capital_efficiency": ("Capital efficiency", "times", "Loans and perp notional of portfolio "
                           "accounts per USDC of their collateral."),
    "power_per_collateral": ("Borrowing power per collateral", "1", "What may be borrowed per USDC "
                             "of collateral."),
    "liquidatable_now": ("Accounts liquidatable at once", "accounts", "Accounts that the rules "
                         "make liquidatable at today's prices: this book could not stand so."),
}  # fmt: skip


def standing_figures(case: Case) -> dict[str, float]:
    """Figures of a side before anything moves, by the names of `STANDINGS`.

    Source:
      Capital efficiency: design, section 7 (borrowing power used and notional supported per unit
      of collateral).
    """
    s = case.standing
    loans, collateral, notional = _lent(case), s.collateral.sum(), s.notional.sum()
    per = np.divide(1.0, collateral, where=collateral > 0, out=np.full((), np.nan))
    return {
        "loans": loans,
        "borrowing_power": s.power.sum(),
        "collateral": collateral,
        "notional": notional,
        "capital_efficiency": (loans + notional) * per,
        "power_per_collateral": s.power.sum() * per,
        "liquidatable_now": float((s.status > STATUSES.index("healthy")).sum()),
    }


def kept_interest(case: Case) -> float:
    """Interest that the first quote's reserve keeps over the horizon as it stands now, USDC.

    The rate at today's utilization on what is borrowed, times the reserve's own share.
    """
    quote, rules = case.standing.quotes[0], case.standing.venue.lending
    supplied, borrowed = case.campaign.book.reserves.get(quote, (0.0, 0.0))
    used = borrowed / supplied if supplied else 0.0
    rate = float(rules.base_rate[0] + rules.slope[0] * max(0.0, used - float(rules.kink[0])))
    hours = case.campaign.spec.horizon
    return borrowed * rate * hours / (24 * 365) * float(rules.buffer_share[0])


def change_of(campaign: Campaign) -> dict[str, object]:
    """What the dataset of a comparison says of the two rule books, texts; changes as JSON."""
    before, after, home = _rules(campaign)
    changes = [
        {"key": c.key, "unit": c.unit, "kind": c.kind}
        | {side: None if value is None else "no cap" if value == math.inf else value
           for side, value in (("before", c.before), ("after", c.after))}
        for c in diff_venues(before, after)
    ]  # fmt: skip
    return {
        "kind": "comparison",
        "title": f"Rule change {before.date} to {after.date}",
        "before": before.name,
        "after": after.name,
        "change": after.description.strip(),
        "changes": as_json(changes),
        "home": home.name,
    }


def distinct(found: list[Case]) -> Iterator[Case]:
    """One case of every digest, in order: sides that agree are run once."""
    seen = set()
    for case in found:
        if case.campaign.digest not in seen:
            seen.add(case.campaign.digest)
            yield case


def _rules(campaign: Campaign) -> tuple[VenueBook, VenueBook, VenueBook]:
    """Rules before, after, and those that the book itself stands under."""
    if campaign.spec.against is None:
        raise InputError(campaign.file, "against", "nothing", "the rule book before the change")
    before = rule_book(campaign.spec.against, campaign.file, "against")
    if before.digest == campaign.venue.digest:
        found = f"{before.name}, the rules of venue"
        raise InputError(campaign.file, "against", found, "another rule book")
    spec = campaign.spec
    if spec.estimator.method != "plain":
        found = f"{spec.estimator.method!r} with against"
        raise InputError(campaign.file, "estimator.method", found, "plain, whose paths pair")
    if spec.events:
        allowed = "none with against: a comparison estimates no events"
        raise InputError(campaign.file, "events", ", ".join(spec.events), allowed)
    return before, campaign.venue, load_venue(campaign.book.venue)


def _with(
    campaign: Campaign, rules: VenueBook, book: Book, assumptions: dict[str, object]
) -> Campaign:
    """The campaign as an ordinary one of one side."""
    changes = {"against": None, "venue": rules.name, "assumptions": assumptions}
    side = dataclasses.replace(
        campaign,
        spec=campaign.spec.model_copy(update=changes),
        venue=rules,
        book=book,
    )
    return dataclasses.replace(side, digest=digest_of(side))


def _lent(case: Case) -> float:
    """Loans of the book now, USDC."""
    prices = case.campaign.book.token_prices
    worth = np.array([prices.get(q, 1.0) for q in case.standing.quotes])
    return float(case.standing.loan.sum(axis=0) @ worth)
