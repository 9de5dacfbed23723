"""Small books for tests of the margin state."""

from typing import Any

import pytest

from stress.book import Book
from stress.book_io import load_book
from stress.margin_state import AccountMargin, margin_states
from stress.venues import VenueBook, load_venue

LATEST = load_venue("hyperliquid/2026-08-19")
HALF = load_venue("hyperliquid/2026-06-23")  # HYPE at an LTV of 50 %


def close(value, tolerance=1e-9):
    return pytest.approx(value, rel=tolerance, abs=0.0)


def book_of(*accounts: dict[str, Any], prices: dict[str, Any], **more: Any) -> Book:
    entries = [{"id": f"a{k}", "mode": "portfolio", **a} for k, a in enumerate(accounts)]
    base = {"as_of": "2026-09-08T00:00:00Z", "venue": LATEST.name, "prices": prices}
    return load_book({**base, "accounts": entries, **more})


def one(account: dict[str, Any], rules: VenueBook = LATEST, **prices: float) -> AccountMargin:
    return margin_states(book_of(account, prices=prices), rules)[0]
