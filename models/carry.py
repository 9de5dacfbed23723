"""What interest alone does to an account: equity after some hours, and how long it lasts.

Prices stand still and utilization is held, so growth over an hour is constant. Each quote token's
equity then runs through stretches with a closed form; nothing is stepped through. One account;
batch with `jax.vmap`.
"""

import dataclasses

import jax
import jax.numpy as jnp

from models.account import Account, MarginState, Market, Scalar, margin_state
from models.portfolio import desired_loan, excess, requirements
from models.venue import Venue

LONGEST = 2.0**30  # hours, 120,000 years; beyond it counts as never
_HALVINGS = 30  # of a bracket of LONGEST hours: down to one
_GREATEST_EXPONENT = 300.0  # growth beyond it changes no answer and would overflow


def hours_to_liquidation(venue: Venue, account: Account, market: Market) -> Scalar:
    """Whole hours until the account is liquidatable, by interest alone.

    Debt grows with its own interest, which the reserve never refuses; nothing else is drawn, so
    the reading of an empty reserve does not matter. Funding is not counted. Once liquidatable by
    interest an account stays so, hence bisection over the hours is exact.

    Args:
      venue: the rule book.
      account: one account.
      market: prices now; growths over one hour at the utilization held.

    Returns:
      Hours, 0 where it is liquidatable now, +inf where interest never makes it so (LONGEST).

    Errors:
      Raises nothing. Within rounding the hour at which a loop over hours finds it.

    Source:
      Hyperliquid docs, "Portfolio margin", read 2026-11-22: accrual is continuous and indexed
      hourly, so it is seen at whole hours.
    """
    now = margin_state(venue, account, market)

    def beyond(hours):
        state = now
        if account.portfolio:
            quotes = range(len(venue.quotes))
            after = tuple(equity_after(venue, account, market, now, q, hours) for q in quotes)
            state = dataclasses.replace(now, equity=after)
        loans = tuple(
            desired_loan(venue, market, state, q) if account.portfolio else jnp.zeros_like(hours)
            for q in range(len(venue.quotes))
        )
        return excess(venue, account, requirements(venue, account, market, state, loans)) > 0

    def halve(_, bracket):
        good, bad = bracket
        middle = jnp.floor((good + bad) / 2)
        hit = beyond(middle)
        return jnp.where(hit, good, middle), jnp.where(hit, middle, bad)

    none = jnp.zeros_like(account.shared_margin)
    last = none + LONGEST
    first = jax.lax.fori_loop(0, _HALVINGS, halve, (none, last))[1]
    return jnp.where(beyond(none), 0.0, jnp.where(beyond(last), first, jnp.inf))


def equity_after(
    venue: Venue, account: Account, market: Market, now: MarginState, q: int, hours: Scalar
) -> Scalar:
    """Equity X of one quote token of a portfolio account after `hours` of interest alone.

    With d = R - X, b = MM - X, C = C_ltv and U the user borrow cap, the loan of an account with
    positions is min(d, U, max(C, b)), interest is charged on it hour by hour, and X never rises:

        d grows by interest        until d passes min(U, C)
        X falls by g min(U, C)     until b passes C
        b grows by interest        until b passes U
        X falls by g U

    An idle balance X - R, and the balance of an account without positions, grow by interest.

    Args:
      venue: the rule book.
      account: one portfolio account.
      market: growths over one hour; prices.
      now: the account's `margin_state`.
      q: quote token.
      hours: a whole number.

    Returns:
      Quote units.

    Errors:
      Raises nothing; NaN in gives NaN out. Relative rounding 1e-12 of the loan.

    Source:
      The loan of `models.portfolio.desired_loan`, charged as by `models.step.step`.
    """
    grown, earned = jnp.log1p(market.borrow_growth[q]), jnp.log1p(market.supply_growth[q])
    start = now.equity[q]
    if not account.markets:
        return start * _power(jnp.where(start < 0, grown, earned), hours)
    maintenance, transfer = now.maintenance[q], now.transfer[q]
    gap = transfer - maintenance
    credit, cap = now.borrow_capacity / market.quote_price[q], venue.lending.user_borrow_cap[q]
    funded = jnp.minimum(cap, credit)

    owed = jnp.maximum(transfer - start, 0)
    owed, left = _compounded(owed, jnp.where(gap > 0, funded, cap), grown, hours)
    short = owed - gap
    fall = market.borrow_growth[q] * funded
    room = jnp.where(fall > 0, (credit - short) / jnp.where(fall > 0, fall, 1), jnp.inf)
    steps = jnp.where(short > credit, 0.0, jnp.floor(room) + 1)
    steps = jnp.where(credit >= cap, jnp.inf, steps)
    taken = jnp.minimum(left, steps)
    short, left = _compounded(short + taken * fall, cap, grown, left - taken)
    last = jnp.where(left > 0, left * market.borrow_growth[q] * cap, 0.0)
    lent = (start - transfer) * _power(earned, hours) + transfer
    return jnp.where(start >= transfer, lent, maintenance - short - last)


def _compounded(
    owed: Scalar, limit: Scalar, log_growth: Scalar, hours: Scalar
) -> tuple[Scalar, Scalar]:
    """What grows by its own interest until it has passed a limit, and the hours left then."""
    grows = (owed > 0) & (log_growth > 0)
    ratio = jnp.log(limit / jnp.where(grows, owed, 1)) / jnp.where(grows, log_growth, 1)
    steps = jnp.where(grows, jnp.floor(ratio) + 1, jnp.inf)
    taken = jnp.minimum(hours, jnp.where(owed > limit, 0.0, steps))
    return owed * _power(log_growth, taken), hours - taken


def _power(log_growth: Scalar, hours: Scalar) -> Scalar:
    """Growth over whole hours, 1."""
    return jnp.exp(jnp.minimum(log_growth * hours, _GREATEST_EXPONENT))
