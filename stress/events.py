"""Events of a campaign: what their probability is asked for, as functions of paths.

An event is a loss of the whole book above a level, or the liquidation of one account. `score` is
positive exactly where it happens and tells how near a path came, which splitting climbs.
"""

from dataclasses import dataclass, replace

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from models.venue import Venue
from stress.aggregate import PathMoney
from stress.book import margin_accounts, select_accounts
from stress.config import Campaign
from stress.errors import InputError
from stress.estimator_schema import Event
from stress.files import suggest
from stress.frozen import freeze, in_precision, used_part
from stress.margin_figures import book_venue, row_figures
from stress.metrics import MEASURES
from stress.path_function import PathFunction

LONE_TILE = 16  # paths of a tile of one account
EQUITY_SCALE = 1e8  # USDC, orders paths without a loss; any positive number keeps their order


@dataclass(frozen=True, eq=False)
class RareEvent:
    """An event with everything its estimation needs."""

    name: str
    label: str
    definition: str
    measure: str  # of `PathMoney`
    level: float  # the event is a measure above it
    account: str = ""  # one account, else the whole book


def rare_events(campaign: Campaign) -> list[RareEvent]:
    """The events a campaign names, checked against its book.

    Errors:
      InputError for an account that the book does not hold, or a share of nothing.
    """
    made, sizes = [], _sizes(campaign) if campaign.spec.events else {}
    known = [str(i) for i in campaign.book.ids]
    for name, event in campaign.spec.events.items():
        if event.account is not None:
            if event.account not in known:
                key, found = f"events.{name}.account", repr(event.account)
                raise InputError(campaign.file, key, found, suggest(event.account, known))
            text = f"Any part of the account {event.account} becomes liquidatable by the horizon."
            label = f"Liquidation of {event.account}"
            made.append(RareEvent(name, label, text, "liquidated_accounts", 0.5, event.account))
            continue
        made.append(_of_book(name, event, sizes, campaign))
    return made


def _of_book(name: str, event: Event, sizes: dict[str, float], campaign: Campaign) -> RareEvent:
    assert event.measure is not None and event.above is not None
    what, unit = NAMES[event.measure]
    level = float(event.above)
    said = _amount(level, unit)
    if event.of == "book":
        size, noun = sizes[event.measure], DENOMINATORS[event.measure]
        if not size > 0:
            key = f"events.{name}.of"
            raise InputError(campaign.file, key, f"a book whose {noun} are 0", "a level in units")
        said = f"{100 * level:,.6g} % of the book's {noun} now ({_amount(level * size, unit)})"
        level *= size
    text = f"{event.description} " if event.description else ""
    about = MEASURES.get(event.measure, ("", "Accounts liquidated by the horizon."))[1]
    return RareEvent(
        name=name,
        label=f"{what} above {said}",
        definition=f"{text}Probability that {what.lower()} exceed {said}. {about}",
        measure=event.measure,
        level=level,
    )


def _amount(level: float, unit: str) -> str:
    """A level for people: 26.46M USDC."""
    for size, letter in ((1e9, "B"), (1e6, "M"), (1e3, "k")):
        if unit == "USDC" and level >= size:
            return f"{level / size:,.4g}{letter} {unit}"
    return f"{level:,.6g} {unit}"


NAMES = {
    "liquidated_accounts": ("Liquidated accounts", "accounts"),
    "liquidated_notional": ("Liquidated perpetuals", "USDC"),
    "liquidated_debt": ("Liquidated loans", "USDC"),
    "bad_debt": ("Bad debts", "USDC"),
    "equity_loss": ("Losses of equity", "USDC"),
}
DENOMINATORS = {
    "liquidated_accounts": "accounts",
    "liquidated_notional": "positions",
    "liquidated_debt": "loans",
    "bad_debt": "loans",
    "equity_loss": "equities",
}


def _sizes(campaign: Campaign) -> dict[str, float]:
    """What the book has now of what each measure can take."""
    book = campaign.book
    rules = book_venue(book, campaign.venue, dict(campaign.spec.assumptions))
    now = row_figures(book, rules, margin_accounts(book))
    worth = np.array([book.token_prices.get(q, 1.0) for q in book.quotes])
    loans = float((now.loan @ worth).sum())
    return {
        "liquidated_accounts": float(len(book.ids)),
        "liquidated_notional": float((now.notional @ worth).sum()),
        "liquidated_debt": loans,
        "bad_debt": loans,
        "equity_loss": float((now.equity @ worth + now.collateral_value).sum()),
    }


def narrowed(
    whole: PathFunction, campaign: Campaign, venue: Venue, event: RareEvent
) -> PathFunction:
    """The path function of an event: the whole book's, or one of its account alone."""
    if not event.account:
        return whole
    chosen = select_accounts(used_part(campaign.book), [event.account])
    book = freeze(chosen, venue, path_tile=LONE_TILE)
    return replace(whole, book=in_precision(book, campaign.spec.precision), single=True)


def happens(event: RareEvent, money: PathMoney) -> Float[Array, "P"]:
    """Whether the event happens on each path, NaN where that is not known."""
    loss = getattr(money, event.measure)
    return jnp.where(jnp.isnan(loss), jnp.nan, (loss > event.level).astype(jnp.float64))


def score(event: RareEvent, paths: PathFunction, drawn: Float[Array, "P T n"]) -> Array:
    """How near each path comes to the event, `[P]`; positive exactly where it happens.

    Of one account the path maximum of the log margin ratio over its trigger. Of the book the
    measure less its level, relative; below the first loss the loss of equity orders paths, so that
    levels of splitting tell them apart. NaN for a path that is not finite.
    """
    if paths.single:
        return paths.peak(drawn)
    money = paths.money(drawn)
    loss = getattr(money, event.measure)
    scale = max(event.level, 1.0)
    reached = (loss - event.level) / scale
    if event.measure == "equity_loss":
        return reached
    bottom = -event.level / scale
    depth = jax.nn.sigmoid(money.equity_loss / EQUITY_SCALE) - 1
    return jnp.where(loss > 0, reached, bottom + depth)
