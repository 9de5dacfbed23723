"""A small campaign that the tests of the campaign loop share, so that it compiles once."""

import copy
import functools
import json
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from stress.book import margin_accounts
from stress.campaign import Plan, plan, run_blocks, tail_contributions
from stress.config import Campaign, load_campaign
from stress.margin_figures import RowFigures, book_venue, row_figures
from stress.totals import Totals

Document = dict[str, Any]
VENUE = "hyperliquid/2026-08-19"


def position(market: str, size: float, entry: float, **more: Any) -> Document:
    return {"market": market, "size": size, "entry_price": entry, "margin": "cross"} | more


BOOK: Document = {
    "name": "six accounts",
    "as_of": "2026-09-08T04:25:36Z",
    "venue": VENUE,
    "prices": {"HYPE": {"mark": 84.0, "oracle": 84.1}, "BTC": 78730.0},
    "reserves": {"USDC": {"supplied": 416268254.15, "borrowed": 264565198.27}},
    "accounts": [
        {
            "id": "loop-hype",
            "mode": "portfolio",
            "group": "looper",
            "balances": {"USDC": -5000.0},
            "supplied": {"HYPE": 100.0},
        },
        {
            "id": "loop-btc",
            "mode": "portfolio",
            "group": "looper",
            "balances": {"USDC": -3500.0},
            "supplied": {"UBTC": 0.1},
        },
        {
            "id": "carry",
            "mode": "portfolio",
            "group": "carry",
            "supplied": {"UBTC": 0.1},
            "positions": [position("BTC", -0.1, 70000.0, leverage=5)],
        },
        {
            "id": "unified",
            "mode": "unified",
            "group": "trader",
            "balances": {"USDC": 1500.0},
            "positions": [position("HYPE", 100.0, 84.0, leverage=5)],
        },
        {
            "id": "standard",
            "mode": "cross",
            "group": "trader",
            "balances": {"USDC": 900.0},
            "positions": [
                position("BTC", 0.1, 78730.0, leverage=10),
                position("HYPE", 20.0, 84.0, margin="isolated", leverage=8, margin_balance=210.0),
            ],
        },
        {"id": "lends", "mode": "lender", "group": "lender", "balances": {"USDC": 10000.0}},
    ],
}
CRASH: Document = {
    "crash": {"asset": "all", "size": -0.25, "at": "2h", "over": "4h", "recovery": 0.3}
}
CAMPAIGN: Document = {
    "name": "small",
    "venue": VENUE,
    "book": BOOK,
    "horizon": "1d",
    "step": "1h",
    "paths": 5000,
    "seed": 11,
    "precision": "float64",
    "block": 2048,
    "scenarios": {
        "run": {
            "description": "A run on the pool.",
            "prices": {
                "process": "gbm",
                "volatility": {"BTC": 0.8, "HYPE": 1.5},
                "correlation": 0.5,
            },
            "utilization": {"process": "jumps"},
            "overlays": [{"lender_run": {"share": 0.36, "at": "2h", "over": "6h"}}],
        },
        "crash": {
            "prices": {
                "process": "student_t",
                "volatility": {"default": 1.0},
                "degrees_of_freedom": 4,
                "correlation": {"assets": ["HYPE", "BTC"], "matrix": [[1, 0.9], [0.9, 1]]},
            },
            "utilization": {"process": "constant", "USDC": 0.64},
            "overlays": [CRASH],
        },
    },
}


def change(document: Document, path: str, value: Any) -> Document:
    """A copy with the value at a key path set; `...` removes it."""
    changed = copy.deepcopy(document)
    place: Any = changed
    keys: list[Any] = [int(part) if part.isdigit() else part for part in path.split(".")]
    last = keys.pop()
    for key in keys:
        place = place[key]
    if value is ...:
        del place[last]
    elif isinstance(place, list) and last == len(place):
        place.append(value)
    else:
        place[last] = value
    return changed


def write(folder: Path, document: Document = CAMPAIGN, name: str = "campaign.yaml") -> Path:
    """Writes a document as YAML, or as JSON where the name ends so."""
    path = folder / name
    if name.endswith(".json"):
        path.write_text(json.dumps(document), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8") as file:
            YAML(typ="safe").dump(copy.deepcopy(document), file)
    return path


def small_campaign(folder: Path, *changes: tuple[str, Any]) -> Campaign:
    """The small campaign with changes, loaded from a file in `folder`."""
    document = CAMPAIGN
    for path, value in changes:
        document = change(document, path, value)
    return load_campaign(write(folder, document))


@functools.cache
def small_plan() -> Plan:
    """The small campaign, built."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return plan(small_campaign(Path(folder)))


@functools.cache
def small_totals() -> dict[str, Totals]:
    """Its totals, from one thread and no store."""
    return run_blocks(small_plan(), None, 1)


@functools.cache
def small_tails() -> dict[str, Any]:
    return tail_contributions(small_plan(), small_totals())


@functools.cache
def small_figures() -> RowFigures:
    """Its margin figures now."""
    campaign = small_plan().campaign
    rules = book_venue(campaign.book, campaign.venue, {})
    return row_figures(campaign.book, rules, margin_accounts(campaign.book))
