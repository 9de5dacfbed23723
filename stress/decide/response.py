"""How borrowers answer a change of the rules: from the book under old rules to that under new.

Without an answer a higher LTV looks free: nobody borrows more, and every account only gains room.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from models.venue import Venue
from stress.book import Book, make_book, margin_accounts
from stress.decide.compare_schema import RESPONSES, Response
from stress.errors import InputError
from stress.frozen import used_part
from stress.margin_figures import book_venue, row_figures
from stress.venue_files import VenueBook
from stress.venue_schema import Cap, Share, Token


def respond(
    book: Book,
    old: VenueBook,
    new: VenueBook,
    response: Response,
    assumptions: Mapping[str, object] = MappingProxyType({}),
) -> Book:
    r"""The book as its borrowers would hold it under other rules.

    With D an account's loan and P = min(user borrow cap, sum min(supplied, user supply cap) price
    LTV) what it may borrow:

        fixed          nothing moves
        proportional   D' = D P' / P, the same share of what may be borrowed
        cap_filling    holdings of every capped collateral token grow (or shrink) until the reserve
                       stands at its global cap, then D' = D P' / P

    What is borrowed in addition leaves the account (collateral bought with it may leave while the
    health factor is at least 1), what is repaid comes from outside; added collateral is new.
    Loans rise by one common factor less where the reserve or its global borrow cap gives out.
    Holdings grow alike, none beyond its user cap; positions stay.

    Args:
      book: under the old rules.
      old: rules that the book stands under.
      new: rules that its borrowers answer to.
      response: one of `RESPONSES`.
      assumptions: readings that replace those of the rules.

    Returns:
      The book under the new rules, its reserves moved by the same amounts. Without a change of LTVs
      or caps `proportional` gives the book itself; so does `fixed` always.

    Errors:
      Raises InputError for another response. An account that may borrow nothing under the old rules
      keeps its loan.

    Source:
      Responses of the design, section 7; limits of "Portfolio margin", read 2026-11-22.
    """
    if response not in RESPONSES:
        raise InputError("response", "", repr(response), ", ".join(RESPONSES))
    if response == "fixed":
        return book
    before = standing(book, old, assumptions)
    moved = _filled(book, new) if response == "cap_filling" else book
    after = standing(moved, new, assumptions)
    possible = before.power > 0
    share = np.divide(after.power, before.power, where=possible, out=np.ones_like(before.power))
    more = before.loan * (share[:, None] - 1)
    return _drawn(moved, before.quotes, more * _room(moved, before, more, after.venue)[None, :])


@dataclass(frozen=True, kw_only=True)
class Standing:
    """Where a book stands under rules, USDC where nothing else is said."""

    venue: Venue
    quotes: tuple[str, ...]  # used ones, the axis of loans
    loan: np.ndarray  # [U, Q] quote tokens
    power: np.ndarray  # [U], what each account may borrow
    collateral: np.ndarray  # [U]
    notional: np.ndarray  # [U], of positions that margin with the collateral
    status: np.ndarray  # [U] int, index into `stress.margin_figures.STATUSES`


def standing(
    book: Book, rules: VenueBook, assumptions: Mapping[str, object] = MappingProxyType({})
) -> Standing:
    """Loans, borrowing power and margin status of every account now.

    Args:
      book: any book.
      rules: rule book; a collateral token that it does not list counts for nothing.
      assumptions: readings that replace those of the rules.

    Returns:
      Leaves `[U]`, isolated positions and other DEXs' rows left to the account's own row but for
      the status, which is the worst of an account's rows.

    Errors:
      As `stress.margin_figures.book_venue`.
    """
    held = used_part(book)
    rows = margin_accounts(held)
    venue = book_venue(held, with_tokens(rules, held.tokens), assumptions)
    found, users = row_figures(held, venue, rows), len(book.ids)
    worth = np.array([held.token_prices.get(q, 1.0) for q in held.quotes])
    portfolio = book.modes == "portfolio"
    most = np.max(np.asarray(venue.lending.user_borrow_cap) * worth)
    status = np.zeros(users, int)
    np.maximum.at(status, rows.owner, found.status)
    return Standing(
        venue=venue,
        quotes=held.quotes,
        loan=found.loan[:users],
        power=np.where(portfolio, np.minimum(found.borrow_capacity[:users], most), 0.0),
        collateral=found.collateral_value[:users],
        notional=np.where(portfolio, found.notional[:users] @ worth, 0.0),
        status=status,
    )


def with_tokens(
    rules: VenueBook, tokens: tuple[str, ...], like: VenueBook | None = None
) -> VenueBook:
    """The rules with tokens that they do not list as collateral of which nothing counts.

    Args:
      rules: rule book.
      tokens: collateral tokens of a book.
      like: rules that say which price a token follows; without them it follows its own name's.
    """
    missing = [token for token in tokens if token not in rules.file.tokens]
    if not missing:
        return rules
    known = like.file.tokens if like else {}
    told = {"source": "project", "as_of": rules.date, "note": "not listed on that date"}
    nothing = {
        token: Token(
            underlying=known[token].underlying if token in known else token,
            ltv=Share(value=0.0, unit="1", **told),
            user_supply_cap=Cap(value=0.0, unit=token, **told),
            global_supply_cap=Cap(value=0.0, unit=token, **told),
        )
        for token in missing
    }
    file = rules.file.model_copy(update={"tokens": rules.file.tokens | nothing})
    return dataclasses.replace(rules, file=file)


def _filled(book: Book, rules: VenueBook) -> Book:
    """The book with every capped collateral token at its global cap."""
    supplied, reserves = book.supplied.copy(), dict(book.reserves)
    listed = with_tokens(rules, book.tokens).file.tokens
    for c, token in enumerate(book.tokens):
        cap, own = listed[token].global_supply_cap.value, listed[token].user_supply_cap.value
        held = float(supplied[:, c].sum())
        if cap is None or held == 0:
            continue
        total, lent = reserves.get(token, (held, 0.0))
        total = max(total, held)
        supplied[:, c] = fill(supplied[:, c], held * cap / total, np.inf if own is None else own)
        reserves[token] = (total + float(supplied[:, c].sum()) - held, lent)
    return _with(book, supplied=supplied, reserves=reserves)


def fill(held: np.ndarray, total: float, most: float) -> np.ndarray:
    """Holdings that sum to a total: all times one factor, none raised beyond a limit.

    Args:
      held: tokens `[U]`, not negative.
      total: tokens wanted in sum.
      most: tokens an account may reach by growing; one that holds more keeps what it has.

    Returns:
      Tokens `[U]`; below the total where every limit is reached.
    """
    if total <= held.sum():
        return held * (total / held.sum())
    limit = np.where(held > 0, np.maximum(held, most), 0.0)
    if limit.sum() <= total:
        return limit
    ratio = np.divide(limit, held, where=held > 0, out=np.ones_like(held))
    order = np.argsort(ratio, kind="stable")
    full = np.concatenate([[0.0], np.cumsum(limit[order])])  # held back by their limits
    rest = np.concatenate([np.cumsum(held[order][::-1])[::-1], [0.0]])
    reached = full[:-1] + ratio[order] * rest[:-1]  # total when the k-th reaches its limit
    k = int(np.searchsorted(reached, total))
    return np.minimum(limit, held * (total - full[k]) / rest[k])


def _room(book: Book, before: Standing, more: np.ndarray, venue: Venue) -> np.ndarray:
    """Share of the rise in loans that each reserve can lend, `[Q]`; 1 where loans do not rise."""
    room = np.ones(len(before.quotes))
    caps = np.asarray(venue.lending.global_borrow_cap)
    for q, quote in enumerate(before.quotes):
        if quote in book.reserves and (rise := float(more[:, q].sum())) > 0:
            supplied, borrowed = book.reserves[quote]
            room[q] = np.clip((min(supplied, caps[q]) - borrowed) / rise, 0, 1)
    return room


def _drawn(book: Book, quotes: tuple[str, ...], more: np.ndarray) -> Book:
    """The book after further draws `[U, Q]` (negative: repaid) that leave the accounts."""
    cash, reserves = book.cash.copy(), dict(book.reserves)
    for q, quote in enumerate(quotes):
        cash[:, book.quotes.index(quote)] -= more[:, q]
        if quote in reserves:
            supplied, borrowed = reserves[quote]
            reserves[quote] = (supplied, max(0.0, borrowed + float(more[:, q].sum())))
    return _with(book, cash=cash, reserves=reserves)


def _with(book: Book, **changes) -> Book:
    """The book with some fields replaced, and its digest."""
    fields = {f.name: getattr(book, f.name) for f in dataclasses.fields(book)}
    del fields["digest"]
    return make_book(**fields | changes)
