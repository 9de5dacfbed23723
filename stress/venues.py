"""From a dated venue file to the `models.venue.Venue` of a campaign."""

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import jax.numpy as jnp
import numpy as np
from jax import Array

from models.margin import tiers_from_leverage
from models.venue import Assumptions, Funding, Lending, LiquidationRules, Venue
from stress.arrays import device_array
from stress.errors import EnvironmentUnusable, InputError
from stress.files import suggest
from stress.venue_files import (
    Change,
    Constant,
    VenueBook,
    diff_venues,
    list_venues,
    load_venue,
    venue_in_force,
)
from stress.venue_schema import Cap, Duration, Section, VenueFile

__all__ = [
    "Change",
    "Constant",
    "VenueBook",
    "VenueFile",
    "build_venue",
    "diff_venues",
    "list_venues",
    "load_venue",
    "venue_in_force",
]

Tiers = Sequence[tuple[float, float]]
_PER_HOUR = {"s": 3600, "min": 60, "h": 1}
_PERPS_FIRST = {"random": 0.5, "perps_first": 1.0, "borrows_first": 0.0}
# What the kernels compute. Another reading is refused: it would change nothing, silently.
_COMPUTED: dict[str, tuple[bool | str, ...]] = {
    "min_borrow_offset": ("floor", "additive", "none"),
    "reserve_liquidity_limits_credit": (True, False),
    "rate_convention": ("nominal", "effective"),
    "takeover_starts_at": ("pmr", "partial_threshold"),
    "liquidation_order": tuple(_PERPS_FIRST),
}


def build_venue(
    book: VenueBook,
    markets: Sequence[str] | None,
    *,
    extra_markets: Mapping[str, float | Tiers] = MappingProxyType({}),
    settle: Mapping[str, str] = MappingProxyType({}),
    quotes: Sequence[str] | None = None,
    tokens: Sequence[str] | None = None,
    assumptions: Mapping[str, object] = MappingProxyType({}),
) -> Venue:
    """Builds the pytree of a rule book for the markets and tokens of a campaign (host side).

    Args:
      book: from `load_venue`.
      markets: perpetual markets in the order wanted, those of HIP-3 DEXs as `dex:COIN`; None takes
        every market of the book, then the extra ones.
      extra_markets: maximum leverage (one flat tier) or tiers (lower bound, maximum leverage) of
        markets that the book does not list; a market that it lists keeps its own margin table.
      settle: quote token of a market's PnL where it is not USDC.
      quotes: quote tokens in the order wanted; None takes all.
      tokens: collateral tokens in the order wanted; None takes all.
      assumptions: values that replace those of the book's named assumptions.

    Returns:
      The venue in float64; durations in hours, absent caps +inf.

    Errors:
      Raises InputError for an unknown market, token, quote, assumption or alternative, and for one
      named twice; EnvironmentUnusable where 64-bit floats are off.
    """
    if jnp.zeros(0).dtype != jnp.float64:
        raise EnvironmentUnusable("64-bit floats are off: set jax_enable_x64 before any array.")
    file = book.file
    coins = _chosen(book, "markets", markets, list(dict.fromkeys([*file.markets, *extra_markets])))
    quote_names = _chosen(book, "quotes", quotes, list(file.quotes))
    token_names = _chosen(book, "tokens", tokens, list(file.tokens))
    chosen_tokens = [file.tokens[name] for name in token_names]
    return Venue(
        markets=tuple(coins),
        settle=_settlement(book, coins, settle, quote_names),
        tokens=tuple(token_names),
        quotes=tuple(quote_names),
        tiers=tiers_from_leverage([_schedule(book, coin, extra_markets) for coin in coins]),
        ltv=_array([token.ltv.value for token in chosen_tokens]),
        user_supply_cap=_array([_cap(token.user_supply_cap) for token in chosen_tokens]),
        global_supply_cap=_array([_cap(token.global_supply_cap) for token in chosen_tokens]),
        transfer_margin=_array(file.margin.transfer_margin.value),
        lending=_lending(file, quote_names),
        liquidation=LiquidationRules(**_scalars(file.liquidation)),
        funding=Funding(**_scalars(file.funding)),
        assumptions=_assumptions(book, assumptions),
    )


def _chosen(
    book: VenueBook, key: str, names: Sequence[str] | None, known: Sequence[str]
) -> list[str]:
    """The names asked for, all known and each once."""
    chosen = list(known if names is None else names)
    for n, name in enumerate(chosen):
        if name not in known:
            more = "; extra_markets gives the leverage of others" if key == "markets" else ""
            raise InputError(
                book.name, f"{key}.{name}", "an unknown name", suggest(name, known) + more
            )
        if name in chosen[:n]:
            raise InputError(book.name, f"{key}.{name}", "the name twice", "every name once")
    return chosen


def _schedule(
    book: VenueBook, coin: str, extra_markets: Mapping[str, float | Tiers]
) -> list[tuple[float, float]]:
    listed = book.file.markets.get(coin)
    if listed:
        return book.file.margin_tables[listed.value].value
    leverage = extra_markets[coin]
    if isinstance(leverage, Sequence):
        return [(float(bound), float(most)) for bound, most in leverage]
    if isinstance(leverage, bool) or not (0 < leverage < math.inf):
        allowed = "a positive maximum leverage"
        raise InputError(book.name, f"extra_markets.{coin}", repr(leverage), allowed)
    return [(0.0, float(leverage))]


def _settlement(
    book: VenueBook, coins: Sequence[str], settle: Mapping[str, str], quotes: Sequence[str]
) -> tuple[int, ...]:
    for coin in settle:
        if coin not in coins:
            raise InputError(book.name, f"settle.{coin}", "an unknown market", suggest(coin, coins))
    tokens = [settle.get(coin, "USDC") for coin in coins]
    for coin, token in zip(coins, tokens, strict=True):
        if token not in quotes:
            raise InputError(book.name, f"settle.{coin}", repr(token), suggest(token, quotes))
    return tuple(quotes.index(token) for token in tokens)


def _lending(file: VenueFile, quotes: Sequence[str]) -> Lending:
    """One rate curve for every quote token, its own caps for each."""
    curve, reserves = file.lending, [file.quotes[name] for name in quotes]
    same = np.ones(len(quotes))
    return Lending(
        base_rate=_array(curve.base_rate.value * same),
        kink=_array(curve.kink.value * same),
        slope=_array(curve.slope.value * same),
        buffer_share=_array(curve.buffer_share.value * same),
        global_supply_cap=_array([_cap(reserve.global_supply_cap) for reserve in reserves]),
        global_borrow_cap=_array([_cap(reserve.global_borrow_cap) for reserve in reserves]),
        user_supply_cap=_array([_cap(reserve.user_supply_cap) for reserve in reserves]),
        user_borrow_cap=_array([_cap(reserve.user_borrow_cap) for reserve in reserves]),
    )


def _assumptions(book: VenueBook, changes: Mapping[str, object]) -> Assumptions:
    for name, value in changes.items():
        if name not in book.assumptions:
            allowed = suggest(name, list(book.assumptions))
            raise InputError(book.name, f"assumptions.{name}", "an unknown assumption", allowed)
        _require(book, name, value, book.assumptions[name].alternatives)
    chosen = {**{name: one.value for name, one in book.assumptions.items()}, **changes}
    for name, computed in _COMPUTED.items():
        _require(book, name, chosen.get(name), computed)
    offset, stated = book.file.margin.min_borrow_offset.value, chosen["min_borrow_offset"]
    return Assumptions(
        borrow_offset_floor=_array(offset * (stated == "floor")),
        borrow_offset_additive=_array(offset * (stated == "additive")),
        reserve_liquidity_limits_credit=_array(chosen["reserve_liquidity_limits_credit"]),
        rate_is_effective=_array(chosen["rate_convention"] == "effective"),
        takeover_at_partial_threshold=_array(chosen["takeover_starts_at"] == "partial_threshold"),
        perps_first_probability=_array(_PERPS_FIRST[str(chosen["liquidation_order"])]),
    )


def _require(book: VenueBook, name: str, value: object, allowed: Sequence[bool | str]) -> None:
    if not any(type(one) is type(value) and one == value for one in allowed):
        offered = ", ".join(str(one).lower() if isinstance(one, bool) else one for one in allowed)
        offered += "" if len(allowed) > 1 else " (no other reading is computed yet)"
        raise InputError(book.name, f"assumptions.{name}", repr(value), offered)


def _scalars(section: Section) -> dict[str, Array]:
    """A section's constants under their own names, durations in hours."""
    result = {}
    for name, entry in section:
        per_hour = _PER_HOUR[entry.unit] if isinstance(entry, Duration) else 1
        result[name] = _array(entry.value / per_hour)
    return result


def _cap(cap: Cap) -> float:
    return math.inf if cap.value is None else cap.value


def _array(values: object) -> Array:
    return device_array(values)
