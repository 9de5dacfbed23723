"""How long the accounts of a book last on interest alone, with utilization held."""

import dataclasses
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from models.account import Account, Market
from models.carry import hours_to_liquidation
from models.lending import borrow_rate, growth, supply_rate
from models.venue import Venue
from stress.arrays import device_array
from stress.book import Book, group_names, margin_accounts
from stress.margin_figures import kinds, market_now, row_figures

TODAY = "today"
EVERYBODY = "all"


@dataclass(frozen=True, kw_only=True)
class Times:
    """Time to liquidation of every account, `L` levels of utilization."""

    levels: list[str]  # TODAY, then the levels asked for
    used: np.ndarray  # [L, Q] utilization held, 1
    rate: np.ndarray  # [L, Q] borrow rate there, per year
    hours: np.ndarray  # [L, U], 0: liquidatable now, +inf: never
    loan: np.ndarray  # [U] USDC, what each account owes now


def times_to_liquidation(book: Book, venue: Venue, today: np.ndarray, held: list[float]) -> Times:
    """Time to liquidation of every account when prices stand still.

    Args:
      book: the book.
      venue: `book_venue` of it.
      today: utilization of each quote token's reserve now, `[Q]`.
      held: levels at which every reserve is held.

    Returns:
      Times; an account has the earliest of its cross side, HIP-3 DEXs and isolated positions.

    Errors:
      As `stress.margin_figures.row_figures`.
    """
    rows = margin_accounts(book)
    used = np.stack([today, *(np.full_like(today, level) for level in held)])
    rates, growths = _interest(venue, device_array(used))
    hours = np.full((len(used), len(rows.owner)), np.inf)
    for index, account in kinds(rows):
        hours[:, index] = np.asarray(_hours(venue, account, market_now(book), growths))
    first = np.full((len(book.ids), len(used)), np.inf)
    np.minimum.at(first, rows.owner, hours.T)
    worth = np.array([book.token_prices.get(q, 1.0) for q in book.quotes])
    loan = np.zeros(len(book.ids))
    np.add.at(loan, rows.owner, row_figures(book, venue, rows).loan @ worth)
    levels = [TODAY, *(f"{level:g}" for level in held)]
    return Times(levels=levels, used=used, rate=np.asarray(rates), hours=first.T, loan=loan)


def group_members(book: Book) -> tuple[list[str], np.ndarray]:
    """Names of the groups, EVERYBODY first, and who belongs to each, bool `[G, U]`."""
    names = group_names(book)
    members = [np.ones(len(book.ids), bool), *(book.groups == name for name in names)]
    return [EVERYBODY, *names], np.array(members)


def shares(members: np.ndarray, loan: np.ndarray, happened: np.ndarray) -> np.ndarray:
    """Share of a group's accounts and of its loans to which something happened.

    Args:
      members: bool `[G, U]`.
      loan: USDC `[U]`.
      happened: bool `[..., U]`.

    Returns:
      1, `[..., G, 2]`: of accounts, of loans; NaN for the loans of a group that owes nothing.
    """
    return np.einsum("...u,gku->...gk", happened.astype(float), weights(members, loan))


def weights(members: np.ndarray, loan: np.ndarray) -> np.ndarray:
    """What an account counts in its group, `[G, 2, U]`: by number and by loan; adds up to 1."""
    counted = np.stack([members.astype(float), members * loan], axis=1)
    total = counted.sum(axis=2, keepdims=True)
    return np.divide(counted, total, where=total > 0, out=np.full_like(counted, np.nan))


def borrowers(members: np.ndarray, times: Times) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Number `[G]` of accounts that owe, and earliest and median time of them, hours `[L, G]`.

    NaN in a group where nobody owes.
    """
    owes = members & (times.loan > 0)
    shape = (len(times.levels), len(members))
    earliest, median = np.full(shape, np.nan), np.full(shape, np.nan)
    for g in np.flatnonzero(owes.any(axis=1)):
        among = np.sort(times.hours[:, owes[g]], axis=1)
        earliest[:, g], median[:, g] = among[:, 0], among[:, (among.shape[1] - 1) // 2]
    return owes.sum(axis=1), earliest, median


@jax.jit
def _interest(venue: Venue, used: jax.Array):
    """Borrow rates `[L, Q]` and the growths of loans and supplies over an hour, `[L, Q]` each."""
    lending, effective = venue.lending, venue.assumptions.rate_is_effective
    quotes = range(len(venue.quotes))
    rates = [
        jnp.stack([kind(lending, q, used[:, q]) for q in quotes], axis=1)
        for kind in (borrow_rate, supply_rate)
    ]
    hour = jnp.ones(())
    return rates[0], tuple(growth(rate, hour, effective) for rate in rates)


@jax.jit
def _hours(venue: Venue, account: Account, market: Market, growths) -> jax.Array:
    """Hours `[L, n]`."""

    def level(borrow, supply):
        shown = dataclasses.replace(market, borrow_growth=borrow, supply_growth=supply)
        over = jax.vmap(hours_to_liquidation, in_axes=(None, -1, None), out_axes=-1)
        return over(venue, account, shown)

    return jax.vmap(level)(*growths)
