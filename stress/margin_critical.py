"""True liquidation prices of a book: `models.critical` batched over accounts and coins.

Axes as in `stress.margin_figures`; a pair is one margin account and one coin it is exposed to.
"""

import jax
import jax.numpy as jnp
import numpy as np

from models.critical import critical_scales
from models.venue import Venue
from stress.book import Book, MarginAccounts
from stress.margin_figures import RowFigures, batch, borrowing, market_now, used_markets
from stress.venue_files import VenueBook

_PAIRS = 8192  # of one call: its state stays in the cache
_critical_batch = jax.jit(jax.vmap(critical_scales, in_axes=(None, -1, None, -1, -1), out_axes=-1))


def true_prices(
    book: Book, venue_book: VenueBook, venue: Venue, rows: MarginAccounts, figures: RowFigures
) -> list[dict[str, dict[str, float | None]]]:
    """Per margin account and coin the nearest prices below and above at which it is liquidatable.

    Args:
      book: the book.
      venue_book: says which coin a token follows.
      venue: `book_venue` of the book.
      rows: `margin_accounts` of it.
      figures: `row_figures` of them.

    Returns:
      A dict per row, empty for isolated positions and where nothing is required; a coin has
      `below` and `above` in units of its mark where the account holds the perpetual, else of its
      collateral; None: no such price. Two markets of one coin: the first one's mark.
    """
    of_market = [m.split(":")[-1] for m in book.markets]
    of_token = [venue_book.file.tokens[t].underlying for t in book.tokens]
    coins = list(dict.fromkeys([*of_market, *of_token]))
    marks, tokens = (
        np.array([[name == coin for name in names] for coin in coins], bool).reshape(
            len(coins), len(names)
        )
        for names in (of_market, of_token)
    )
    held, lent = rows.size != 0, rows.supplied != 0
    exposed = (held @ marks.T) | (lent @ tokens.T)
    needs = (figures.maintenance > 0).any(axis=1) | (figures.equity < 0).any(axis=1)
    exposed &= (needs & (rows.kind != "isolated"))[:, None]
    found: list[dict[str, dict[str, float | None]]] = [{} for _ in rows.owner]
    now = market_now(book)
    mark, token = np.asarray(now.mark), np.asarray(now.collateral_price)
    for portfolio in (True, False):
        row, coin = np.nonzero(exposed & (borrowing(rows) == portfolio)[:, None])
        markets = used_markets(rows, np.unique(row))
        for i in range(0, len(row), _PAIRS):
            n, k = row[i : i + _PAIRS], coin[i : i + _PAIRS]
            account = batch(rows, _padded(n), portfolio, markets)
            masks = (jnp.asarray(mask[_padded(k)].T * 1.0) for mask in (marks, tokens))
            scales = np.stack(_critical_batch(venue, account, now, *masks))
            perp, coll = held[n] & marks[k], lent[n] & tokens[k]
            for j, (r, c) in enumerate(zip(n.tolist(), k.tolist(), strict=True)):
                today = mark[np.argmax(perp[j])] if perp[j].any() else token[np.argmax(coll[j])]
                sides = [float(s * today) for s in scales[:, j]]
                below, above = (None if np.isnan(p) else p for p in sides)
                found[r][coins[c]] = {"below": below, "above": above}
    return found


def _padded(index: np.ndarray) -> np.ndarray:
    """Repeats an index to a power of two, so that few programs are built."""
    return np.resize(index, 1 << (len(index) - 1).bit_length())
