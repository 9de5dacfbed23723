"""Small campaigns for tests of reverse stress."""

from typing import Any

from campaign_cases import VENUE, change, position

from stress.config import campaign_of
from stress.decide.reverse import Reverse, reverse

VOLATILITY = {"BTC": 0.6, "HYPE": 1.2}
RHO, HOURS = 0.5, 24
SIZES = {"BTC": 10.0, "HYPE": 8000.0}
MARKS = {"BTC": 80000.0, "HYPE": 84.0}
PRICES_ONLY = ("prices",)


def book(*accounts: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": "reversed",
        "as_of": "2026-09-08T00:00:00Z",
        "venue": VENUE,
        "prices": MARKS,
        "reserves": {"USDC": {"supplied": 4e8, "borrowed": 2.6e8}},
        "accounts": list(accounts),
    }


RICH = {  # far too much money to be liquidated: its loss is that of its positions
    "id": "rich",
    "mode": "unified",
    "group": "long",
    "balances": {"USDC": 1e9},
    "positions": [position(m, s, MARKS[m], leverage=5) for m, s in SIZES.items()],
}
CAMPAIGN: dict[str, Any] = {
    "name": "reversed",
    "venue": VENUE,
    "book": book(RICH),
    "horizon": f"{HOURS}h",
    "step": "6h",
    "paths": 64,
    "seed": 3,
    "precision": "float64",
    "scenarios": {
        "base": {
            "prices": {"process": "gbm", "volatility": VOLATILITY, "correlation": RHO},
            "utilization": {"process": "constant", "USDC": 0.65},
            "funding": {"premium": -0.0005},  # at which the venue's formula gives a rate of 0
        }
    },
}


def solved(level: float, *changes: tuple[str, Any], **more: Any) -> Reverse:
    document = CAMPAIGN
    for path, value in changes:
        document = change(document, path, value)
    settings = {"metric": "equity_loss", "kinds": PRICES_ONLY, "rounds": 0} | more
    return reverse(campaign_of(document), "base", at_least=level, **settings)
