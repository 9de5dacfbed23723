"""How borrowers answer to other limits: the book that a candidate finds.

The same answers as `stress.decide.response.respond`, which works on a book of the host once for a
comparison; here they are one compiled program that changes leaves of frozen accounts, so that
thousands of candidates need no new book. A test holds one against the other.

One account at a time; batches over accounts last. Money in USDC where nothing else is said.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.account import Account, MarginState, Market, margin_state
from models.portfolio import desired_loan, excess, requirements
from models.venue import Venue
from stress.engine import FrozenBook

RANGE = 1e6  # growth of collateral is sought within this factor of 1
HALVINGS = 100


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Room:
    """What is not in the book but limits how it can grow."""

    now: Market  # prices now
    supplied: Float[Array, "Q"]  # quote tokens in the reserve
    borrowed: Float[Array, "Q"]
    collateral: Float[Array, "C"]  # tokens supplied on the whole venue, the book's included


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Standing:
    """The book of a candidate at the start, sums over its portfolio accounts."""

    loans: Float[Array, "Q"]  # quote units
    lent_more: Float[Array, "Q"]  # quote units, change of loans against today
    refused: Float[Array, "Q"]  # quote units of loans that the reserve has no room for
    collateral: Float[Array, ""]  # USDC
    power: Float[Array, ""]  # USDC, borrowing power of their collateral
    power_used: Float[Array, ""]  # USDC, loans within it
    notional: Float[Array, ""]  # USDC, of accounts with collateral that are not liquidatable
    liquidatable: Float[Array, ""]  # accounts at once

    @property
    def supported(self) -> Float[Array, ""]:
        """USDC: loans within the borrowing power, and notional."""
        return self.power_used + self.notional


@partial(jax.jit, static_argnames=("response",))
def answered(
    book: FrozenBook, before: Venue, after: Venue, room: Room, response: str
) -> tuple[FrozenBook, Standing]:
    """The book as its borrowers answer to other rules.

    Loans rise by one common factor less where the reserve or its global borrow cap gives out.

    Args:
      book: today's, float64.
      before: the rules in force.
      after: the candidate's.
      room: reserves and prices now.
      response: fixed, proportional or cap_filling.

    Returns:
      (the book with other leaves, its standing under the candidate's rules).

    Errors:
      Raises nothing; NaN in gives NaN out. With `fixed` the book is the same to the last bit, with
      `proportional` too where the rules are.
    """
    groups = [n for n, account in enumerate(book.accounts) if account.portfolio]
    accounts, equity = list(book.accounts), list(book.equity)
    nothing = jnp.zeros_like(room.supplied)
    more, refused = nothing, nothing
    if response != "fixed" and groups:
        grown, plans = _plans(book, groups, before, after, room, response)
        rise = _total([wanted - drawn for drawn, wanted in plans])
        free = jnp.minimum(room.supplied, after.lending.global_borrow_cap) - room.borrowed
        share = jnp.where(rise > 0, jnp.clip(free / jnp.where(rise > 0, rise, 1), 0, 1), 1)
        more, refused = rise * share, rise * (1 - share)
        for k, n in enumerate(groups):
            drawn, wanted = plans[k]
            paid = (wanted - drawn) * share[None, :, None]
            own = dataclasses.replace(grown[k], net_cash=grown[k].net_cash - paid)
            equity[n] = equity[n] + _each(_worth_change, (accounts[n], own), (room.now,))
            accounts[n] = own
    new = dataclasses.replace(book, accounts=tuple(accounts), equity=tuple(equity))
    return new, _standing([accounts[n] for n in groups], after, room, more, refused)


def _plans(book: FrozenBook, groups, before: Venue, after: Venue, room: Room, response: str):
    """Accounts with their collateral grown; of each loans today, and loans wanted."""
    factors = None
    if response == "cap_filling":
        factors = _factors([book.accounts[n] for n in groups], after, room)
    grown, plans = [], []
    for n in groups:
        account = book.accounts[n]
        drawn, power = _each(partial(_drawn, before), (account,), (room.now,))
        if factors is not None:
            account = _each(partial(_grown, after), (account,), (factors,))
        _, new = _each(partial(_drawn, after), (account,), (room.now,))
        share = jnp.where(power > 0, new / jnp.where(power > 0, power, 1), 1)
        grown.append(account)
        plans.append((drawn, drawn * share[:, None]))
    return grown, plans


def _drawn(venue: Venue, account: Account, now: Market) -> tuple[Array, Array]:
    """Loans `[Q]`, quote units, and what the account may borrow, USDC."""
    state = margin_state(venue, account, now)
    most = jnp.max(venue.lending.user_borrow_cap * now.quote_price)
    return jnp.stack(_loans(venue, account, now, state)), jnp.minimum(state.borrow_capacity, most)


def _loans(venue: Venue, account: Account, now: Market, state: MarginState) -> list[Array]:
    """Loans of a portfolio account, quote units."""
    if account.markets:
        return [desired_loan(venue, now, state, q) for q in range(len(venue.quotes))]
    return [jnp.maximum(-x, 0) for x in state.equity]


def _factors(accounts: Sequence[Account], venue: Venue, room: Room) -> Float[Array, "C"]:
    """Growth of collateral that brings the venue's supply of each token to its global cap."""
    factors = []
    for c in range(len(venue.tokens)):
        parts = [a.supplied[:, a.tokens.index(c)].ravel() for a in accounts if c in a.tokens]
        held = jnp.concatenate(parts) if parts else jnp.zeros(0)
        total, cap = jnp.sum(held), venue.global_supply_cap[c]
        whole = jnp.maximum(room.collateral[c], total)
        target = jnp.where(whole > 0, cap * total / jnp.where(whole > 0, whole, 1), total)

        def halve(_, ends, held=held, target=target, c=c):
            middle = (ends[0] + ends[1]) / 2
            small = jnp.sum(_filled(venue, c, held, jnp.exp(middle))) < target
            return jnp.where(small, middle, ends[0]), jnp.where(small, ends[1], middle)

        reach = jnp.log(jnp.asarray(RANGE))
        _, high = jax.lax.fori_loop(0, HALVINGS, halve, (-reach, reach))
        factors.append(jnp.where(jnp.isfinite(cap) & (total > 0), jnp.exp(high), 1.0))
    return jnp.stack(factors) if factors else jnp.zeros(0)


def _filled(venue: Venue, c: int, held, factor):
    """Tokens of accounts grown by a factor up to the user's cap, or shrunk by it."""
    up = jnp.maximum(held, jnp.minimum(held * factor, venue.user_supply_cap[c]))
    return jnp.where(factor < 1, held * factor, up)


def _grown(venue: Venue, account: Account, factors) -> Account:
    """An account whose collateral has grown."""
    supplied = [
        _filled(venue, c, account.supplied[i], factors[c]) for i, c in enumerate(account.tokens)
    ]
    return dataclasses.replace(
        account, supplied=jnp.stack(supplied) if supplied else account.supplied
    )


def _worth_change(before: Account, after: Account, now: Market) -> Array:
    """How much more an account is worth, USDC."""
    change = jnp.sum((after.net_cash - before.net_cash) * now.quote_price)
    for i, c in enumerate(before.tokens):
        change = change + (after.supplied[i] - before.supplied[i]) * now.collateral_price[c]
    return change


def _standing(accounts: Sequence[Account], venue: Venue, room: Room, more, refused) -> Standing:
    """Sums over the portfolio accounts of a book."""

    def one(account: Account, now: Market):
        state = margin_state(venue, account, now)
        loans = _loans(venue, account, now, state)
        owed = sum(x * now.quote_price[q] for q, x in enumerate(loans))
        notional = sum(x * now.quote_price[q] for q, x in enumerate(state.notional))
        needs = requirements(venue, account, now, state, tuple(loans))
        out = excess(venue, account, needs) > 0
        backed = (state.collateral_value > 0) & ~out
        return jnp.stack([
            state.collateral_value, state.borrow_capacity,
            jnp.minimum(owed, state.borrow_capacity), jnp.where(backed, notional, 0),
            jnp.where(out, 1.0, 0.0), *loans,
        ])  # fmt: skip

    quotes = len(venue.quotes)
    sums = [jnp.sum(_each(one, (a,), (room.now,)), axis=(0, 2)) for a in accounts]
    found = sum(sums, jnp.zeros(5 + quotes))
    return Standing(
        loans=found[5:],
        lent_more=more,
        refused=refused,
        collateral=found[0],
        power=found[1],
        power_used=found[2],
        notional=found[3],
        liquidatable=found[4],
    )


def _each(kernel, own: tuple, shared: tuple) -> Any:
    """A kernel over tiles and accounts: leaves `[tiles, ..., n]` and what all share."""
    axes = lambda axis: (*(axis for _ in own), *(None for _ in shared))  # noqa: E731
    inner = jax.vmap(kernel, in_axes=axes(-1), out_axes=-1)
    return jax.vmap(inner, in_axes=axes(0))(*own, *shared)


def _total(parts: Sequence[Float[Array, "tiles Q n"]]) -> Float[Array, "Q"]:
    """Sums over accounts."""
    return sum((jnp.sum(x, axis=(0, 2)) for x in parts[1:]), jnp.sum(parts[0], axis=(0, 2)))


__all__ = ["Room", "Standing", "answered"]
