"""The reserve along a cascade: interest, loans that follow the margin, who is refused.

With `process` the reserve moves as it does without feedback and every account sees all of its free
liquidity; with `book` and `react` the book's own loans and idle balances move it.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from models.ledger import booked
from models.liquidation import Holding
from models.reserve import (
    Reserve,
    growths,
    honoured,
    liquidity,
    outside_draws,
    settled,
    used_share,
)
from models.sums import total
from stress.cascade_marking import in_one_row, once, see, wanted_of
from stress.cascade_outside import outside_levels, reached
from stress.cascade_state import Now, Roster, Setting, State


def accrue(roster: Roster, now: Now, oracle, state: State) -> State:
    """Funding and interest of the step that ends, on what was held since the step before.

    Args:
      roster: the accounts.
      now: the time; its `hours` is the length of the step.
      oracle: displaced perpetual oracles at the end of the previous step, `[M, p]`.
      state: of the end of the previous step; `reserve` holds the growths of this one.

    Returns:
      The state with interest in everybody's cash, pool positions and their sums grown by it, and
      the funding in what a long has paid per contract.
    """
    r, own = state.reserve, borrowers(roster, state.held)
    per_contract = now.funding * now.hours * oracle
    dtype = own.cash.dtype
    growth = jnp.where(
        own.pool > 0, *(g[:, None].astype(dtype) for g in (r.borrow_growth, r.supply_growth))
    )
    cash, pool = own.cash - own.pool * growth, own.pool * (1 + growth)
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
    r = dataclasses.replace(
        r,
        vault_lent=r.vault_lent + lent,
        takeover_debt=r.takeover_debt + debt,
        loans=r.loans * (1 + r.borrow_growth),
        idle=r.idle * (1 + r.supply_growth),
    )
    return dataclasses.replace(
        state,
        held=_with_borrowers(state.held, cash=cash, pool=pool),
        prices=dataclasses.replace(state.prices, paid=state.prices.paid + per_contract),
        vault_cash=state.vault_cash + vault + lent,
        takeover_cash=state.takeover_cash - debt,
        reserve=r,
        parties=parties,
    )


def borrowers(roster: Roster, held: Holding) -> Holding:
    """What accounts hold that can borrow or lend, leaves `[..., p, N - lone]`; others never do."""
    return jax.tree.map(lambda x: x[..., roster.lone :], held)


def _with_borrowers(held: Holding, **values: Array) -> Holding:
    """The same holdings with new values of those that can borrow: the last of the book."""

    def put(old, new):
        begin = old.shape[-1] - new.shape[-1]
        return jax.lax.dynamic_update_slice_in_dim(old, new, begin, axis=-1)

    return dataclasses.replace(held, **{k: put(getattr(held, k), v) for k, v in values.items()})


def loans_and_idle(pool: Float[Array, "p N"]) -> tuple[jax.Array, jax.Array]:
    """Sums of loans and of idle balances of the book, USDC `[p]`."""
    return total(pool, lambda x: jnp.maximum(x, 0)), total(pool, lambda x: jnp.maximum(-x, 0))


def follow(
    setting: Setting,
    roster: Roster,
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
      roster: the accounts.
      now: the time.
      state: at its prices; pool positions and their sums grown by their interest.
      where: bool `[p]`, paths on which it happens; None for all.
      grow_outside: whether outside borrowers move to their new level first.

    Returns:
      The state with new pool positions, `rationed` flags and sums of the reserve.
    """
    if setting.lending == "process":
        return _follow_alone(setting, roster, now, state, where)
    r = dataclasses.replace(state.reserve, takeover_debt=jnp.maximum(-state.takeover_cash, 0))
    if grow_outside:
        supply, target = outside_levels(state, now)
        r = dataclasses.replace(r, wanted_supply=supply)
        r = dataclasses.replace(r, outside_borrow=outside_draws(r, target, r.loans, r.idle))
        state = reached(dataclasses.replace(state, reserve=r), now)
    own = borrowers(roster, state.held)
    wanted, _ = _wanted(setting, roster, own, state)
    loans, idle, outs, news = (total(own.pool, part, wanted) for part in PARTS_OF_PLAN)
    paid, lent = honoured(setting.venue, r, loans, idle, outs + news, news)
    limits = setting.venue.assumptions.reserve_liquidity_limits_credit > 0
    limits = limits & ((now.index > 0) | (where is not None))
    paid, lent = (jnp.where(limits, x, 1) for x in (paid, lent))
    out_share, new_share = (x[:, None].astype(wanted.dtype) for x in (paid, lent))
    base, out, new = jnp.minimum(own.pool, wanted), _out(own.pool, wanted), _new(own.pool, wanted)
    short = (wanted > own.pool) & ((out_share < 1) | ((new_share < 1) & (new > 0)))
    pool = jnp.where(short, base + out_share * out + new_share * new, wanted)
    cut = (paid < 1) | (lent < 1)  # where what an account keeps lent and newly owes may cancel

    def counted(sums):  # on those paths alone: a path does not depend on others of its tile
        return tuple(jnp.where(cut, a, b) for a, b in zip(loans_and_idle(pool), sums, strict=True))

    both = once(jnp.any(cut), counted, (loans + news, idle - outs))
    refused = (1 - paid) * outs + (1 - lent) * news
    sums = {"loans": both[0], "idle": both[1], "refused": refused}
    if where is not None:
        pool = jnp.where(where[:, None], pool, own.pool)
        short = jnp.where(where[:, None], short, own.rationed)
        sums = {name: jnp.where(where, x, getattr(r, name)) for name, x in sums.items()}
    r = dataclasses.replace(r, **sums)
    return dataclasses.replace(
        state,
        held=_with_borrowers(state.held, pool=pool, rationed=short),
        reserve=dataclasses.replace(r, **settled(r)),
    )


def _loan(pool, wanted):
    """What stays owed before draws."""
    return _above(_lesser(pool, wanted))


def _idle(pool, wanted):
    """What stays lent before draws."""
    return _above(-_lesser(pool, wanted))


def _out(pool, wanted):
    """Draw of own supply."""
    return _above(-_above(-wanted) - pool)


def _new(pool, wanted):
    """Draw beyond it: a new loan."""
    return _above(wanted - _above(pool))


def _above(x):
    """What is above 0; one comparison where `jnp.maximum` needs several, for NaN on either side."""
    return jnp.where(x <= 0, 0, x)


def _lesser(a, b):
    """The smaller of both, NaN where `b` is."""
    return jnp.where(a < b, a, b)


PARTS_OF_PLAN = (_loan, _idle, _out, _new)


def _wanted(
    setting: Setting, roster: Roster, own: Holding, state: State
) -> tuple[jax.Array, jax.Array]:
    """What `borrowers` want of the pool, and whether liquidity limits it, `[p, N - lone]`.

    Accounts that cannot borrow want nothing; those without positions draw nothing new.
    """
    wanted, limited = [own.pool[..., :0]], [own.rationed[..., :0]]
    seen_by_group = see(setting, roster.borrowing, own, state.prices)
    for group, seen in zip(roster.borrowing, seen_by_group, strict=True):
        account = group.account
        alone = wanted_of(setting.rules, account, seen) if account.portfolio else 0 * seen.equity
        wanted.append(alone)
        limited.append(jnp.full(alone.shape, account.portfolio and bool(account.markets)))
    return jax.lax.optimization_barrier(in_one_row(wanted)), in_one_row(limited)


def _follow_alone(setting: Setting, roster: Roster, now: Now, state: State, where) -> State:
    """Each account sees the whole free liquidity of a reserve that the book does not move."""
    limits = (setting.venue.assumptions.reserve_liquidity_limits_credit > 0) & (now.index > 0)
    own = borrowers(roster, state.held)
    wanted, limited = _wanted(setting, roster, own, state)
    free = now.free[:, None].astype(wanted.dtype)
    reach = jnp.where(limits & limited, jnp.maximum(own.pool, 0) + free, jnp.inf)
    short = wanted > reach
    pool = jnp.where(short, reach, wanted)
    if where is not None:
        pool = jnp.where(where[:, None], pool, own.pool)
        short = jnp.where(where[:, None], short, own.rationed)
    loans, idle = loans_and_idle(pool)
    r = dataclasses.replace(
        state.reserve,
        loans=loans,
        idle=idle,
        takeover_debt=jnp.maximum(-state.takeover_cash, 0),
        supply=now.supply,
        borrowed=jnp.minimum(now.borrow, now.supply),
    )
    held = _with_borrowers(state.held, pool=pool, rationed=short)
    return dataclasses.replace(state, held=held, reserve=r)


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
