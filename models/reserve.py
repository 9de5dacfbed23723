"""The lending reserve with the book inside it: totals, who may draw, what the next step costs.

One reserve on one path; quantities are scalars or arrays of paths, quote tokens. Supply and borrow
of the whole reserve are given as if the book stood still; what the book's loans, its idle balances,
the vault's loan to the reserve and the takeover's debt have changed since comes on top. So
utilization is an outcome, and equals the given one where the book does not move.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.lending import borrow_rate, growth, supply_rate, utilization
from models.venue import Venue

Amount = Float[Array, "..."]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Reserve:
    """State of one reserve, quote tokens."""

    wanted_supply: Amount  # of the whole reserve as if the book stood still, queue left out
    outside_borrow: Amount  # likewise, as far as liquidity let it grow
    written_off: Amount  # of outside suppliers
    vault_lent: Amount  # the vault's supply
    vault_lent_start: Amount
    loans: Amount  # of the book's accounts
    idle: Amount  # supplied by the book's accounts
    loans_start: Amount
    idle_start: Amount
    takeover_debt: Amount
    supply: Amount  # with the queue
    borrowed: Amount
    queued: Amount  # wants to leave and cannot
    refused: Amount  # draws of the book that found no liquidity at the last follow
    borrow_growth: Amount  # 1, over the coming step
    supply_growth: Amount  # 1, over the coming step


def supply_total(r: Reserve, idle: Amount) -> Amount:
    """Supply without the queue, for idle balances `idle` of the book."""
    moved = idle - r.idle_start + r.vault_lent - r.vault_lent_start
    return r.wanted_supply + moved - r.written_off


def borrow_total(r: Reserve, loans: Amount) -> Amount:
    """Everything borrowed, for loans `loans` of the book."""
    return r.outside_borrow + loans - r.loans_start + r.takeover_debt


def liquidity(r: Reserve, loans: Amount, idle: Amount) -> Amount:
    """Supply less borrow; negative while withdrawals are queued."""
    return supply_total(r, idle) - borrow_total(r, loans)


def outside_draws(r: Reserve, target: Amount, loans: Amount, idle: Amount) -> Amount:
    """Outside borrow that wants to reach `target`: it grows by free liquidity at most."""
    free = jnp.maximum(liquidity(r, loans, idle), 0)
    return jnp.minimum(target, r.outside_borrow + free)


def honoured(
    venue: Venue, r: Reserve, loans: Amount, idle: Amount, draws: Amount, new_loans: Amount
) -> tuple[Amount, Amount]:
    """Shares of withdrawals and of new loans that the reserve honours, the same for everybody.

    Args:
      venue: the rule book, for the global borrow cap.
      r: the reserve.
      loans: of the book after its repayments, before its draws.
      idle: likewise.
      draws: what the book wants to draw, own supply and new loans.
      new_loans: part of it that is new loans.

    Returns:
      (share of withdrawals, share of new loans), in [0, 1]; 1 where nothing is wanted.

    Source:
      Hyperliquid docs, FAQ "Portfolio margin", read 2026-11-22: with the cap reached or full
      utilization only what can be borrowed protects; pro rata is the project's reading.
    """
    free = jnp.maximum(liquidity(r, loans, idle), 0)
    cap = jnp.maximum(venue.lending.global_borrow_cap[0] - borrow_total(r, loans), 0)
    paid = _share(free, draws)
    return paid, jnp.minimum(paid, _share(cap, new_loans))


def _share(available: Amount, wanted: Amount) -> Amount:
    short = wanted > available
    return jnp.where(short, available / jnp.where(short, wanted, 1), 1)


def settled(r: Reserve) -> dict[str, Amount]:
    """Supply with its queue, and borrow, from the sums that `r` holds."""
    supply, borrowed = supply_total(r, r.idle), borrow_total(r, r.loans)
    return {
        "supply": jnp.maximum(supply, borrowed),
        "borrowed": borrowed,
        "queued": jnp.maximum(borrowed - supply, 0),
    }


def growths(venue: Venue, used: Amount, hours: Amount) -> tuple[Amount, Amount]:
    """Relative growth of a loan and of a supply over `hours` at utilization `used`.

    Source:
      Hyperliquid docs, "Portfolio margin", read 2026-11-22; recorded reserves of 2026-09-08.
    """
    lending, effective = venue.lending, venue.assumptions.rate_is_effective
    rates = (borrow_rate(lending, 0, used), supply_rate(lending, 0, used))
    return growth(rates[0], hours, effective), growth(rates[1], hours, effective)


def used_share(r: Reserve) -> Amount:
    """Utilization in [0, 1]."""
    return jnp.minimum(utilization(r.supply, r.borrowed), 1)
