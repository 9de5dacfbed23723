"""A candidate: the rule book and the scenarios with other figures, of the same structure."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp

from models.venue import Venue
from stress.market import Scenario

OF_VENUE = ("ltv", "user_supply_cap", "global_supply_cap")


@dataclass(frozen=True)
class Change:
    """Which figure of the rule book a variable is."""

    of: str  # ltv, a cap, kink or slope
    token: str


def today_of(venue: Venue, change: Change) -> float:
    """The figure in force."""
    axis, place = _place(venue, change)
    return float(getattr(axis, change.of)[place])


def changed(venue: Venue, changes: Sequence[Change], values: Sequence[float]) -> Venue:
    """The rule book with some figures changed; leaves alone, float64."""
    for change, value in zip(changes, values, strict=True):
        axis, place = _place(venue, change)
        leaf = getattr(axis, change.of).at[place].set(value)
        new = dataclasses.replace(axis, **{change.of: leaf})
        venue = new if axis is venue else dataclasses.replace(venue, lending=new)
    return venue


def with_kinks(model: Scenario, venue: Venue) -> Scenario:
    """A scenario whose reserves answer to the kink of the rate curve where the venue has it."""
    pools = tuple(
        pool
        if pool.model is None
        else dataclasses.replace(pool, model=with_kink(pool.model, venue, q))
        for q, pool in enumerate(model.pools)
    )
    return dataclasses.replace(model, pools=pools)


def with_kink(model: Any, venue: Venue, q: int) -> Any:
    """The model of a reserve with the venue's kink."""
    return dataclasses.replace(model, kink_utilization=jnp.asarray(venue.lending.kink[q]))


def _place(venue: Venue, change: Change) -> tuple[Any, int]:
    """The pytree that holds a figure, and its place there."""
    if change.of in OF_VENUE:
        return venue, venue.tokens.index(change.token)
    return venue.lending, venue.quotes.index(change.token)


__all__ = ["Change", "changed", "today_of", "with_kink", "with_kinks"]
