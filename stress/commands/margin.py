"""`hyperstress margin`: the margin state of every account."""

import dataclasses
import json
import math

from stress.commands.tables import money, ratio, show_table
from stress.errors import InputError

FEW = 10  # accounts up to which each coin's liquidation price is shown


def margin_command(ref: str, venue: str | None, prices: list[str], format: str) -> None:
    """Prints the margin state of every account of a book."""
    from stress.book_io import load_book
    from stress.compile_cache import keep_programs
    from stress.margin_state import margin_states
    from stress.venue_files import load_venue

    keep_programs()
    rules = load_venue(venue) if venue else None
    book = load_book(ref, venue=rules)
    states = margin_states(book, rules or load_venue(book.venue), prices=prices_of(prices))
    if format == "json":
        print(json.dumps([finite(dataclasses.asdict(state)) for state in states], indent=1))
        return
    rows = []
    for s in states:
        available = next(iter(s.available_after_maintenance.values()), None)
        theirs = s.reported.get("portfolio_margin_ratio")
        rows.append(
            [s.id, s.mode, s.group, money(s.equity + s.collateral_value), money(s.loan),
             money(s.notional), ratio(s.portfolio_margin_ratio), ratio(theirs), money(available),
             s.status]
        )  # fmt: skip
    headings = ["account", "mode", "group", "equity", "loan", "notional", "ratio", "reported",
                "available", "status"]  # fmt: skip
    show_table(
        f"{book.name}, {book.as_of}, rules {(rules or load_venue(book.venue)).name}", headings, rows
    )
    if len(states) <= FEW:
        _show_prices(states)


def _show_prices(states: list) -> None:
    """Liquidation prices by account and coin: the venue's, its own figure, and the true ones."""
    rows = []
    for s in states:
        theirs = s.reported.get("liquidation_prices", {})
        for coin in sorted({*s.liquidation_prices, *s.true_liquidation_prices}):
            true = s.true_liquidation_prices.get(coin, {})
            figures = [part.get(coin) for part in (s.liquidation_prices, theirs)]
            figures += [true.get("below"), true.get("above")]
            rows.append([s.id, coin, *("-" if x is None else f"{x:,.8g}" for x in figures)])
    if rows:
        headings = ["account", "coin", "venue's formula", "reported", "true, below", "true, above"]
        show_table(
            "Liquidation prices (venue's formula: collateral stands still, ratio 1; true: all "
            "of the coin moves, ratio at the trigger)",
            headings,
            rows,
        )


def prices_of(texts: list[str]) -> dict[str, float]:
    """Prices given as `COIN=PX`."""
    return dict(map(_price, texts))


def _price(text: str) -> tuple[str, float]:
    """One `COIN=PX`."""
    coin, sign, value = text.partition("=")
    try:
        price = float(value)
    except ValueError:
        price = math.nan
    if not coin or not sign or not (0 < price < math.inf):
        raise InputError("--price", "", repr(text), "COIN=PX with a positive price")
    return coin, price


def finite(value):
    """JSON without NaN or infinity: an infinite ratio is the text "inf", an unknown figure null."""
    if isinstance(value, dict):
        return {key: finite(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return "inf" if value == math.inf else None
    return value
