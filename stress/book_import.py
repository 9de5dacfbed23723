"""From recorded answers of the venue's info API to a book.

One file per request type, named after it; a folder per account, or one account in the folder
itself. Answers that concern everyone may lie beside the accounts' folders.
"""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from stress.book import Book
from stress.book_answers import PERPS, SPOT, Answer, Shared, load, states
from stress.book_check import book_from_table
from stress.book_io import table_from_document
from stress.errors import InputError
from stress.files import suggest
from stress.venue_files import load_venue, venue_in_force

_MODES = {
    "unifiedAccount": "unified",
    "portfolioMargin": "portfolio",
    "disabled": "cross",
    "default": "cross",
    "dexAbstraction": "cross",
}


def import_book(folder: str | Path, *, venue: str | None = None) -> Book:
    """Builds a book from recorded answers.

    For a portfolio or unified account the spot total of a quote token is its net equity E, all
    unrealized PnL included. With I the margin of isolated positions,

        cash = E - I - sum_cross size (mark - entry),    margin_balance = rawUsd + size entry,

    so that X = E - I and the net cash of an isolated position is the venue's rawUsd. A standard
    account's cash on a DEX is its cross raw balance plus sum size * entry. Marks come from the
    positions themselves (value / size), else from contexts. A leverage above the market's maximum,
    kept from before a change of its table, counts as the maximum.

    Args:
      folder: with `clearinghouseState.json` and `spotClearinghouseState.json`, or folders that
        hold them; optional `clearinghouseState.<dex>.json`, `userAbstraction.json`,
        `allBorrowLendReserveStates.json`, `meta[.<dex>].json`, `metaAndAssetCtxs[.<dex>].json`.
      venue: rule book; None takes the one in force when the answers were recorded.

    Returns:
      The book; `reported` holds the venue's own figures.

    Errors:
      Raises InputError for answers that are missing or malformed, with file and key.

    Source:
      Recorded account of 2026-09-08: ratio and available after maintenance to 1e-10.
    """
    root = Path(folder)
    folders = (
        [root]
        if (root / f"{PERPS}.json").is_file()
        else sorted(path.parent for path in root.glob(f"*/{PERPS}.json"))
    )
    if not folders:
        raise InputError(root, "", f"no {PERPS}.json", "recorded answers, a folder per account")
    recorded = [load(path / f"{PERPS}.json").at("time").number() for path in folders]
    when = datetime.fromtimestamp(max(recorded) / 1000, UTC)
    rules = load_venue(venue or venue_in_force(when.date()))
    shared = Shared(root, folders, rules)
    accounts = [_account(path, shared) for path in folders]
    document = {
        "name": root.resolve().name,
        "as_of": when.isoformat(timespec="seconds").replace("+00:00", "Z"),
        "venue": rules.name,
        "prices": shared.prices(),
        "reserves": shared.reserves,
        "settle": {m: t for m, t in shared.settle.items() if m in shared.marks},
        "margin_tables": {m: tiers for m, tiers in shared.tables.items() if m in shared.marks},
        "accounts": accounts,
    }
    return book_from_table(table_from_document(document, root, root.name), rules, root)


def _account(path: Path, shared: Shared) -> dict[str, Any]:
    """One account as an entry of the book's document."""
    spot = load(path / f"{SPOT}.json")
    mode = _mode(path, spot)
    listed = shared.rules.file
    first = next(iter(listed.quotes))
    balances: dict[str, float] = {}
    supplied: dict[str, float] = {}
    for balance in spot.at("balances").each():
        name = str(balance.at("coin").value)
        if mode != "cross" and name in listed.quotes and balance.at("total").number():
            balances[name] = balance.at("total").number()
        held = balance.at("supplied").number() if balance.has("supplied") else 0.0
        if mode == "portfolio" and held and name in listed.tokens:
            supplied[name] = held
    positions: list[dict[str, Any]] = []
    liquidation: dict[str, float] = {}
    maintenance = 0.0
    for dex, state in states(path):
        maintenance += state.at("crossMaintenanceMarginUsed").number()
        if mode == "cross":
            key = f"{dex}:{first}" if dex else first
            raw = state.at("crossMarginSummary", "totalRawUsd").number()
            balances[key] = balances.get(key, 0.0) + raw
        for item in state.at("assetPositions").each():
            position, margin = _position(item.at("position"), shared)
            positions.append(position)
            token = shared.settle.get(position["market"], first)
            key = f"{dex}:{token}" if dex and mode == "cross" else token
            entry = position["size"] * position["entry_price"]
            if mode == "cross" and margin is None:
                balances[key] = balances.get(key, 0.0) + entry
            elif mode != "cross":
                profit = position["size"] * shared.marks[position["market"]] - entry
                balances[key] = balances.get(key, 0.0) - (profit if margin is None else margin)
            if item.at("position").has("liquidationPx"):
                price = item.at("position", "liquidationPx").number()
                liquidation[position["market"]] = price
    reported = {"maintenance_margin": maintenance, "liquidation_prices": liquidation}
    return {
        "id": path.resolve().name,
        "mode": mode,
        "group": "imported",
        "balances": balances,
        "supplied": supplied,
        "positions": positions,
        "reported": reported | _reported(spot, shared),
    }


def _position(answer: Answer, shared: Shared) -> tuple[dict[str, Any], float | None]:
    """A position, and its margin (PnL included) where it is isolated."""
    coin, size = str(answer.at("coin").value), answer.at("szi").number()
    entry_price = answer.at("entryPx").number()
    market = shared.rules.file.markets.get(coin)
    tables = shared.rules.file.margin_tables
    maximum = shared.maximum[coin]
    if market or coin in shared.tables:
        tiers = tables[market.value].value if market else shared.tables[coin]
        maximum = float(tiers[0][1])
    position: dict[str, Any] = {
        "market": coin,
        "size": size,
        "entry_price": entry_price,
        "margin": "cross",
        "leverage": min(answer.at("leverage", "value").number(), maximum),
    }
    if not market and coin not in shared.tables:
        position["max_leverage"] = maximum
    if answer.at("leverage", "type").value == "cross":
        return position, None
    raw = answer.at("leverage", "rawUsd").number()
    position |= {"margin": "isolated", "margin_balance": raw + size * entry_price}
    return position, answer.at("marginUsed").number()


def _reported(spot: Answer, shared: Shared) -> dict[str, Any]:
    """The ratio and the available amounts that the venue states for a portfolio account."""
    found: dict[str, Any] = {}
    if spot.has("portfolioMarginRatio"):
        found["portfolio_margin_ratio"] = spot.at("portfolioMarginRatio").number()
    if spot.has("tokenToAvailableAfterMaintenance"):
        found["available_after_maintenance"] = {
            shared.names[int(pair.at(0).number())]: pair.at(1).number()
            for pair in spot.at("tokenToAvailableAfterMaintenance").each()
            if int(pair.at(0).number()) in shared.names
        }
    return found


def _mode(path: Path, spot: Answer) -> str:
    if spot.has("portfolioMarginEnabled") and spot.at("portfolioMarginEnabled").value is True:
        return "portfolio"
    file = path / "userAbstraction.json"
    if not file.is_file():
        return "cross"
    value = load(file).value
    if value not in _MODES:
        raise InputError(file, "", repr(value)[:40], suggest(str(value), list(_MODES)))
    return _MODES[value]
