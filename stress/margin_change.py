"""A change of rules put on a book as it stands: who becomes liquidatable by the change itself.

    two rule books -> groups of changed rules -> venues with some of them -> statuses, row by row

Prices, positions and interest stand still. A change that reaches the venue in pieces is every
group of rules alone, and everything but one group (that one stale).
"""

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from models.venue import Venue
from stress.book import Book, MarginAccounts, margin_accounts
from stress.frozen import used_part
from stress.margin_figures import STATUSES, RowFigures, book_venue, row_figures
from stress.margin_state import repriced
from stress.venue_files import Change, VenueBook, diff_venues

OFFSET = ("borrow_offset_floor", "borrow_offset_additive")  # of `models.venue.Assumptions`
CAPS = {
    "supply caps": ("user_supply_cap", "global_supply_cap"),
    "borrow caps": ("user_borrow_cap", "global_borrow_cap"),
}
CURVE = ("base_rate", "kink", "slope", "buffer_share")
WHOLE = {
    "lending": "rate curve", "liquidation": "liquidation", "funding": "funding",
    "margin_tables": "margin tiers", "markets": "margin tiers", "assumptions": "readings",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Moved:
    """One margin account whose status a change of rules moves."""

    id: str
    part: str  # "cross", "isolated MARKET", "dex NAME"
    group: str
    ratio_before: float  # 1, +inf where something is required and nothing available
    ratio_after: float
    status_before: str  # of `stress.margin_figures.STATUSES`
    status_after: str
    notional: float  # USDC, now
    loan: float  # USDC, now: under the old rules
    shortfall: float  # USDC to pay in until it is at the trigger again


@dataclass(frozen=True, kw_only=True)
class Application:
    """A whole or partial application of a change, against the old rules."""

    name: str
    rules: tuple[str, ...]  # groups of rules that are new
    accounts: int  # that have a newly liquidatable margin account
    notional: float  # USDC, perpetuals of the newly liquidatable margin accounts
    loan: float  # USDC, their loans
    shortfall: float  # USDC, what they would have to pay in at once
    worse: int  # accounts that were liquidatable and now are so in a worse way
    cured: int  # accounts no longer liquidatable
    moved: tuple[Moved, ...]  # newly liquidatable or worse, largest notional and loan first


@dataclass(frozen=True, kw_only=True)
class DryRun:
    """What a change of rules does to a book before any price has moved."""

    before: str
    after: str
    changes: dict[str, list[Change]]  # group of rules -> what changed in it
    liquidatable_before: int  # accounts
    applications: tuple[Application, ...]  # all at once first


def dry_run(
    book: Book,
    new: VenueBook,
    old: VenueBook,
    *,
    prices: Mapping[str, float] | None = None,
) -> DryRun:
    """Applies a change of rules to a book, at once and in pieces.

    Args:
      book: the book.
      new: rules to come.
      old: rules in force.
      prices: as `stress.margin_state.margin_states`.

    Returns:
      Every application of the change: all of it; each changed group of rules alone; with three
      groups or more, all but one (with two that is the other one alone). Groups that no account's
      margin reads at once (funding, rate curve) are applied too and move nobody.

    Errors:
      InputError where one of the rule books does not know a market or token that the book uses.
      Float64.

    Source:
      Rules as cited in `models.portfolio`; the applications are this project's.
    """
    book = used_part(repriced(book, new, prices or {}))
    rows = margin_accounts(book)
    was, becomes = (book_venue(book, rules, {}) for rules in (old, new))
    changes = grouped(diff_venues(old, new))
    today = row_figures(book, was, rows)
    view = _View(book, rows, today)
    applied = []
    for name, groups in _applications(tuple(changes)):
        figures = row_figures(book, with_rules(was, becomes, groups), rows)
        applied.append(view.application(name, groups, figures))
    return DryRun(
        before=old.name,
        after=new.name,
        changes=changes,
        liquidatable_before=view.accounts(today.status > 0),
        applications=tuple(applied),
    )


def grouped(changes: Iterable[Change]) -> dict[str, list[Change]]:
    """Changes by the group of rules that a venue would roll out together, in order of key."""
    found: dict[str, list[Change]] = {}
    for change in changes:
        found.setdefault(_group(change.key), []).append(change)
    return found


def _group(key: str) -> str:
    first, last = key.split(".")[0], key.split(".")[-1]
    if last == "min_borrow_offset":
        return "borrow offset"
    if first in WHOLE:
        return WHOLE[first]
    for name, fields in CAPS.items():
        if last in fields:
            return name
    return {"ltv": "LTVs", "transfer_margin": "transfer margin"}[last]


def with_rules(old: Venue, new: Venue, groups: Iterable[str]) -> Venue:
    """The old rules with some groups of the new ones; both on the same markets and tokens.

    Args:
      old: rules in force.
      new: rules to come.
      groups: names as `grouped` gives them.

    Returns:
      The mixture.

    Errors:
      Raises KeyError for an unknown group.
    """
    lending, readings, own = {}, {}, {}
    for group in groups:
        if group in CAPS:
            lending |= {n: getattr(new.lending, n) for n in CAPS[group]}
            own |= {n: getattr(new, n) for n in CAPS[group] if hasattr(new, n)}
        elif group == "rate curve":
            lending |= {n: getattr(new.lending, n) for n in CURVE}
        elif group in ("borrow offset", "readings"):
            names = [f.name for f in dataclasses.fields(new.assumptions)]
            chosen = [n for n in names if (n in OFFSET) == (group == "borrow offset")]
            readings |= {n: getattr(new.assumptions, n) for n in chosen}
        else:
            name = {"LTVs": "ltv", "margin tiers": "tiers", "transfer margin": "transfer_margin",
                    "liquidation": "liquidation", "funding": "funding"}[group]  # fmt: skip
            own[name] = getattr(new, name)
    return dataclasses.replace(
        old,
        **own,
        lending=dataclasses.replace(old.lending, **lending),
        assumptions=dataclasses.replace(old.assumptions, **readings),
    )


def _applications(groups: tuple[str, ...]) -> list[tuple[str, tuple[str, ...]]]:
    """Names and groups of rules of every application."""
    found = [("all at once", groups)]
    if len(groups) > 1:
        found += [(f"only {one}", (one,)) for one in groups]
    if len(groups) > 2:
        found += [
            (f"all but {one}", tuple(other for other in groups if other != one)) for one in groups
        ]
    return found


class _View:
    """A book under the old rules, against which applications are told."""

    def __init__(self, book: Book, rows: MarginAccounts, today: RowFigures) -> None:
        self.book, self.rows, self.today = book, rows, today
        worth = np.array([book.token_prices.get(q, 1.0) for q in book.quotes])
        self.notional, self.loan = today.notional @ worth, today.loan @ worth

    def accounts(self, rows: np.ndarray) -> int:
        """Accounts that own some of these margin accounts."""
        return len(np.unique(self.rows.owner[rows]))

    def application(self, name: str, groups: tuple[str, ...], figures: RowFigures) -> Application:
        before, after = self.today.status, figures.status
        fresh, worse = (before == 0) & (after > 0), (before > 0) & (after > before)
        size = self.notional + self.loan
        order = [n for n in np.argsort(-size, kind="stable") if fresh[n] or worse[n]]
        return Application(
            name=name,
            rules=groups,
            accounts=self.accounts(fresh),
            notional=float(self.notional[fresh].sum()),
            loan=float(self.loan[fresh].sum()),
            shortfall=float(figures.shortfall[fresh].sum()),
            worse=self.accounts(worse),
            cured=self.accounts((before > 0) & (after == 0)),
            moved=tuple(self._moved(int(n), figures) for n in order),
        )

    def _moved(self, n: int, figures: RowFigures) -> Moved:
        owner = self.rows.owner[n]
        return Moved(
            id=str(self.book.ids[owner]),
            part=self._part(n),
            group=str(self.book.groups[owner]),
            ratio_before=float(self.today.ratio[n]),
            ratio_after=float(figures.ratio[n]),
            status_before=STATUSES[self.today.status[n]],
            status_after=STATUSES[figures.status[n]],
            notional=float(self.notional[n]),
            loan=float(self.loan[n]),
            shortfall=float(figures.shortfall[n]),
        )

    def _part(self, n: int) -> str:
        """What of its owner's account margins here."""
        if n < len(self.book.ids):
            return "cross"
        market = self.book.markets[int(np.flatnonzero(self.rows.size[n])[0])]
        if self.rows.kind[n] == "isolated":
            return f"isolated {market}"
        return f"dex {market.split(':')[0]}"
