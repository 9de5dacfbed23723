"""Net exposure of a book to assets: collateral and positions taken together."""

from collections.abc import Sequence

from stress.book import Book, margin_accounts
from stress.venue_files import load_venue


def exposures(book: Book, assets: Sequence[str]) -> dict[str, float]:
    """USDC that the whole book gains when an asset's price rises by its own value.

    Args:
      book: a book.
      assets: risk factors; what the book holds in others is left out.

    Returns:
      Asset -> USDC: perpetuals at the mark, isolated ones too, collateral at its price.

    Errors:
      InputError where the book's venue cannot be read.
    """
    rows, file = margin_accounts(book), load_venue(book.venue).file
    found = dict.fromkeys(assets, 0.0)
    for market, size in zip(book.markets, rows.size.sum(axis=0), strict=True):
        asset = market.split(":")[-1]
        if asset in found:
            found[asset] += float(size) * book.marks[market]
    for token, held in zip(book.tokens, rows.supplied.sum(axis=0), strict=True):
        asset = file.tokens[token].underlying or token
        if asset in found:
            found[asset] += float(held) * book.token_prices[token]
    return found
