"""The reserve along a cascade: interest, loans that follow the margin, who is refused.

With `process` the reserve moves as it does without feedback and every account sees all of its free
liquidity; with `book` and `react` the book's own loans and idle balances move it.
"""

import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from models.ledger import booked
from models.reserve import (
    Reserve,
    growths,
    honoured,
    liquidity,
    outside_draws,
    settled,
    used_share,
)
from stress.cascade_marking import see, total, wanted_of
from stress.cascade_outside import outside_levels, reached
from stress.cascade_state import Group, Now, Setting, State


def accrue(setting: Setting, groups: Sequence[Group], now: Now, oracle, state: State) -> State:
    """Funding and interest of the step that ends, on what was held since the step before.

    Args:
      setting: what does not change.
      groups: structure of the accounts.
      now: the time; its `hours` is the length of the step.
      oracle: displaced perpetual oracles at the end of the previous step, `[M, p]`.
      state: of the end of the previous step; `reserve` holds the growths of this one.

    Returns:
      The state with interest in everybody's cash, pool positions grown by it, and the funding in
      what a long has paid per contract.
    """
    r = state.reserve
    per_contract = now.funding * now.hours * oracle
    held = []
    for group, own in zip(groups, state.held, strict=True):
        if group.account.portfolio:
            cash, pool = own.cash, own.pool
            growth = jnp.where(
                pool > 0,
                *(g[:, None].astype(cash.dtype) for g in (r.borrow_growth, r.supply_growth)),
            )
            own = dataclasses.replace(own, cash=cash - pool * growth, pool=pool * (1 + growth))
        held.append(own)
    vault = -jnp.sum(state.vault_size * per_contract, axis=0)
    makers = jnp.sum(state.contracts * per_contract, axis=0) - vault
    lent = r.vault_lent * r.supply_growth
    debt = r.takeover_debt * r.borrow_growth
    outside_debt = r.borrowed - r.loans - r.takeover_debt
    outside_supply = r.supply - r.idle - r.vault_lent
    parties = booked(
        state.parties,
        makers=makers,
        vault=vault + lent,
        takeover=-debt,
        borrowers=-outside_debt * r.borrow_growth,
        suppliers=outside_supply * r.supply_growth,
        buffer=r.borrowed * r.borrow_growth - r.supply * r.supply_growth,
    )
    return dataclasses.replace(
        state,
        held=tuple(held),
        prices=dataclasses.replace(state.prices, paid=state.prices.paid + per_contract),
        vault_cash=state.vault_cash + vault + lent,
        takeover_cash=state.takeover_cash - debt,
        reserve=dataclasses.replace(
            r, vault_lent=r.vault_lent + lent, takeover_debt=r.takeover_debt + debt
        ),
        parties=parties,
    )


def loans_and_idle(held) -> tuple[jax.Array, jax.Array]:
    """Sums of loans and of idle balances of the book, USDC `[p]`."""
    loans = sum((total(jnp.maximum(own.pool, 0)) for own in held), jnp.zeros(()))
    idle = sum((total(jnp.maximum(-own.pool, 0)) for own in held), jnp.zeros(()))
    return loans, idle


def follow(
    setting: Setting,
    groups: Sequence[Group],
    now: Now,
    state: State,
    where=None,
    grow_outside: bool = True,
) -> State:
    """Brings every portfolio account's pool position to what its margin wants.

    Losses first withdraw own supply, then borrow; profit repays, then lends. Where liquidity or the
    global cap is short everybody's draw is honoured in the same share.

    Args:
      setting: what does not change.
      groups: structure of the accounts.
      now: the time.
      state: at its prices; pool positions grown by their interest.
      where: bool `[p]`, paths on which it happens; None for all.
      grow_outside: whether outside borrowers move to their new level first.

    Returns:
      The state with new pool positions, `rationed` flags and sums of the reserve.
    """
    if setting.lending == "process":
        return _follow_alone(setting, groups, now, state, where)
    r = dataclasses.replace(state.reserve, takeover_debt=jnp.maximum(-state.takeover_cash, 0))
    if grow_outside:
        loans, idle = loans_and_idle(state.held)
        supply, target = outside_levels(state, now)
        r = dataclasses.replace(r, wanted_supply=supply)
        r = dataclasses.replace(r, outside_borrow=outside_draws(r, target, loans, idle))
        state = reached(dataclasses.replace(state, reserve=r), now)
    figures = see(setting, groups, state.held, state.prices)
    plans = [_plan(setting, group, own, seen)
             for group, own, seen in zip(groups, state.held, figures, strict=True)]  # fmt: skip
    base = [own if plan is None else dataclasses.replace(own, pool=plan["base"])
            for own, plan in zip(state.held, plans, strict=True)]  # fmt: skip
    loans, idle = loans_and_idle(base)
    sums = [[total(plan[k]) for plan in plans if plan is not None] for k in ("draw", "new")]
    draws, new = (sum(part, jnp.zeros_like(loans)) for part in sums)
    paid, lent = honoured(setting.venue, r, loans, idle, draws, new)
    limited = (setting.venue.assumptions.reserve_liquidity_limits_credit > 0) & (now.index > 0)
    paid, lent = (jnp.where(limited | (where is not None), x, 1) for x in (paid, lent))
    paid, lent = (
        jnp.where(setting.venue.assumptions.reserve_liquidity_limits_credit > 0, x, 1)
        for x in (paid, lent)
    )
    held, refused = [], jnp.zeros_like(loans)
    for own, plan in zip(state.held, plans, strict=True):
        if plan is None:
            held.append(own)
            continue
        out_share, new_share = (x[:, None].astype(own.cash.dtype) for x in (paid, lent))
        short = (plan["draw"] > 0) & ((out_share < 1) | ((new_share < 1) & (plan["new"] > 0)))
        part = plan["base"] + out_share * plan["out"] + new_share * plan["new"]
        pool = jnp.where(short, part, plan["wanted"])
        refused = refused + total(jnp.where(short, plan["wanted"] - part, 0))
        if where is not None:
            pool = jnp.where(where[:, None], pool, own.pool)
            short = jnp.where(where[:, None], short, own.rationed)
        held.append(dataclasses.replace(own, pool=pool, rationed=short))
    loans, idle = loans_and_idle(held)
    r = dataclasses.replace(r, loans=loans, idle=idle)
    if where is not None:
        refused = jnp.where(where, refused, r.refused)
    return dataclasses.replace(
        state, held=tuple(held), reserve=dataclasses.replace(r, refused=refused, **settled(r))
    )


def _plan(setting: Setting, group: Group, own, seen) -> dict[str, jax.Array] | None:
    """What a group wants of the pool; None for accounts that cannot use it."""
    if not group.account.portfolio:
        return None
    wanted = wanted_of(setting.rules, group.account, seen)
    grown = own.pool
    draw = jnp.maximum(wanted - grown, 0)
    out = jnp.minimum(draw, jnp.maximum(-grown, 0))
    return {
        "wanted": wanted,
        "base": jnp.minimum(grown, wanted),
        "draw": draw,
        "out": out,
        "new": draw - out,
    }


def _follow_alone(setting: Setting, groups, now: Now, state: State, where) -> State:
    """Each account sees the whole free liquidity of a reserve that the book does not move."""
    limits = (setting.venue.assumptions.reserve_liquidity_limits_credit > 0) & (now.index > 0)
    held = []
    figures = see(setting, groups, state.held, state.prices)
    for group, own, seen in zip(groups, state.held, figures, strict=True):
        if not group.account.portfolio:
            held.append(own)
            continue
        wanted = wanted_of(setting.rules, group.account, seen)
        free = now.free[:, None].astype(wanted.dtype)
        reach = jnp.where(limits, jnp.maximum(own.pool, 0) + free, jnp.inf)
        reach = reach if group.account.markets else jnp.full_like(reach, jnp.inf)
        short = wanted > reach
        pool = jnp.where(short, reach, wanted)
        if where is not None:
            pool = jnp.where(where[:, None], pool, own.pool)
            short = jnp.where(where[:, None], short, own.rationed)
        held.append(dataclasses.replace(own, pool=pool, rationed=short))
    loans, idle = loans_and_idle(held)
    r = dataclasses.replace(
        state.reserve,
        loans=loans,
        idle=idle,
        takeover_debt=jnp.maximum(-state.takeover_cash, 0),
        supply=now.supply,
        borrowed=jnp.minimum(now.borrow, now.supply),
    )
    return dataclasses.replace(state, held=tuple(held), reserve=r)


def start_of_book(r: Reserve) -> Reserve:
    """The book's loans and idle balances now are those that the given reserve contains."""
    r = dataclasses.replace(r, loans_start=r.loans, idle_start=r.idle)
    return dataclasses.replace(r, **settled(r))


def coming_rates(setting: Setting, now: Now, state: State) -> State:
    """Fixes the growths of the coming step from the utilization that results, and observes it."""
    r, old = state.reserve, state.measures
    if setting.lending != "process":  # with what the vault took out since
        r = dataclasses.replace(r, **settled(r))
    used = used_share(r)
    if setting.lending == "process":
        growth = (now.borrow_growth, now.supply_growth)
    else:
        growth = growths(setting.venue, used, now.next_hours)
    full = (used >= FULL) & (now.index > 0)
    measures = dataclasses.replace(
        old,
        hours_full=old.hours_full + jnp.where(full, now.hours, 0),
        queued=jnp.maximum(old.queued, r.queued),
        refused=jnp.maximum(old.refused, r.refused),
        peak_utilization=jnp.maximum(old.peak_utilization, used),
    )
    r = dataclasses.replace(r, borrow_growth=growth[0], supply_growth=growth[1])
    return dataclasses.replace(state, reserve=r, measures=measures)


FULL = 1 - 1e-9  # utilization from here on counts as 1

__all__ = ["Reserve", "accrue", "coming_rates", "follow", "liquidity", "start_of_book"]
