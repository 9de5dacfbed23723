"""Auto-deleveraging: who is closed against a bankrupt position, in which order, and for how much.

One market and side on one path; winners are the `n` accounts of the book. Winners are paid their
profit at the previous mark and lose what the price has moved since, never more, so that an account
without a position can never be charged.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from models.account import Scalar
from models.sums import total


def rank(mark: Scalar, entry: Scalar, size: Scalar, account_value: Scalar) -> Scalar:
    """Place in the queue, highest first: (mark / entry) * (notional / account value) of a long.

    A short has entry / mark instead, the project's reading: the venue states the rank of longs.

    Args:
      mark: quote units per contract.
      entry: quote units per contract.
      size: contracts, signed.
      account_value: quote units; at or below 0 the account is no winner, and the rank unused.

    Returns:
      1; 0 for an account value of 0 or less.

    Errors:
      Raises nothing; NaN in gives NaN out.

    Source:
      Hyperliquid docs, "Auto-deleveraging", read 2026-11-22.
    """
    gain = jnp.where(size > 0, mark / entry, entry / mark)
    solvent = account_value > 0
    leverage = jnp.abs(size) * mark / jnp.where(solvent, account_value, 1)
    return jnp.where(solvent, gain * leverage, 0)


def eligible(
    previous_mark: Scalar, entry: Scalar, size: Scalar, account_value: Scalar, offered_long: Scalar
) -> Scalar:
    """Whether an account may be closed: solvent, on the other side, in profit at that mark.

    Args:
      previous_mark: quote units per contract, the price at which it would be closed.
      entry: quote units per contract.
      size: contracts, signed.
      account_value: quote units.
      offered_long: bool, the bankrupt side is long, so shorts are called.

    Returns:
      bool.

    Source:
      Hyperliquid docs, "Auto-deleveraging", read 2026-11-22.
    """
    other_side = jnp.where(offered_long, size < 0, size > 0)
    return other_side & (account_value > 0) & (size * (previous_mark - entry) > 0)


def close_by_rank(
    ranks: Float[Array, "n"],
    contracts: Float[Array, "n"],
    called: Bool[Array, "n"],
    offered: Scalar,
) -> Float[Array, "n"]:
    """Contracts closed of each account: in the order of ranks until the offer is used up.

    Args:
      ranks: 1, highest first; ties in the order of the accounts.
      contracts: size without sign.
      called: who may be closed.
      offered: contracts.

    Returns:
      Contracts, at most what each has; sums to min(offered, all that is called).

    Errors:
      Raises nothing; NaN ranks go last.
    """
    available = jnp.where(called, contracts, 0)
    places = _in_order(ranks, called)

    def halve(ends):  # the highest place down to which the offer is used up
        low, high = ends
        middle = low + (high - low) // 2
        enough = total(available, lambda x, at: jnp.where(at >= middle, x, 0), places) >= offered
        low, high = jnp.where(enough, middle, low), jnp.where(enough, high, middle)
        inside = (places >= low) & (places < high)  # never nobody: go on between those there are
        return jnp.min(places, where=inside, initial=high), 1 + jnp.max(
            places, where=inside, initial=low
        )

    ends = (jnp.min(places), jnp.max(places) + 1)
    low, _ = jax.lax.while_loop(lambda ends: ends[1] - ends[0] > 1, halve, ends)
    last, first = places == low, places > low
    left = offered - jnp.sum(jnp.where(first, available, 0))
    tied = jnp.where(last, available, 0)
    before = jnp.cumsum(tied) - tied
    return jnp.where(first, available, jnp.clip(left - before, 0, tied))


def _in_order(ranks: Float[Array, "n"], called: Bool[Array, "n"]) -> Int[Array, "n"]:
    """Integers in the order of the ranks: bits of a float that is not negative grow with it."""
    whole = jnp.int64 if ranks.dtype == jnp.float64 else jnp.int32
    bits = jax.lax.bitcast_convert_type(jnp.where(ranks > 0, ranks, 0), whole)
    return jnp.where(called, jnp.where(jnp.isnan(ranks), -1, bits), -2)


def share_to_cover(
    value: Scalar, sizes: tuple[Scalar, ...], gains: tuple[Scalar, ...]
) -> tuple[Scalar, tuple[Scalar, ...]]:
    """Part of its losing positions that a bankrupt account offers at the previous mark.

        phi = min(1, -value / sum_m max(0, size_m gain_m))

    Args:
      value: account value, quote units; 0 or more offers nothing.
      sizes: contracts, signed, per market.
      gains: previous mark less mark, quote units per contract, per market.

    Returns:
      (phi, contracts offered per market, signed like the position).

    Source:
      Project, 2026-11-25: the least closing that restores a value of 0.
    """
    better = [jnp.maximum(size * gain, 0) for size, gain in zip(sizes, gains, strict=True)]
    capacity = sum(better[1:], better[0])
    possible = (value < 0) & (capacity > 0)
    share = jnp.minimum(1, -value / jnp.where(possible, capacity, 1))
    share = jnp.where(possible, share, 0)
    offers = tuple(jnp.where(b > 0, share * size, 0) for b, size in zip(better, sizes, strict=True))
    return share, offers
