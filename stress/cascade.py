"""The cascade: a book along sampled markets that its own liquidations move, one scan over time.

Order of play within a step, the words of the design:

    factors move -> funding and interest accrue -> loans follow the margin -> rounds of liquidation
    -> inventories are sold -> shortfalls find their payers -> loans follow once more -> observe

Everything that depends on time is in hours (cooldown, takeover rounds, TWAP, decay of impact,
interest), and impact depends on accumulated flow, so results converge as the step shrinks. Nothing
of size path x step x account exists. The state is `stress.cascade_state.State`.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from models.impact import decay, depth_multiplier, of_assets
from models.ledger import nothing, residual
from models.liquidation import Holding
from models.reserve import Reserve, used_share
from models.sums import total
from stress.cascade_book import roster_of
from stress.cascade_inventory import pay_takeover_loss, rescue_vault, sell_inventory
from stress.cascade_lanes import in_lanes
from stress.cascade_marking import once, prices_at
from stress.cascade_outside import outside_flows, start_outside
from stress.cascade_record import start_record
from stress.cascade_reserve import accrue, coming_rates, follow, start_of_book
from stress.cascade_rounds import play_rounds
from stress.cascade_state import Group, Measures, Now, Prices, Roster, Setting, State
from stress.lanes import lanes_here

CHANNELS = ("book", "backstop", "takeover", "adl")


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Seen:
    """What is kept of every time, leaves `[T, ...]`."""

    channel: Float[Array, "T 4 p"]  # USDC liquidated so far, as CHANNELS
    utilization: Float[Array, "T p"]
    x: Float[Array, "T A p"]  # displacement at the end of the step
    rounds: Float[Array, "T p"]  # effective rounds so far


def play(
    setting: Setting,
    groups: Sequence[Group],
    order: Bool[Array, "p N"],
    series: Now,
    lanes: int | None = None,
) -> tuple[State, Seen]:
    """Plays a tile of paths from now to the horizon.

    Args:
      setting: rules, impact, backstops.
      groups: margin accounts by structure, leaves `[..., n]`.
      order: whether perpetuals are liquidated before loans, accounts group after group.
      series: the world outside, leaves `[T, ...]`, index 0 = now.
      lanes: paths that are played side by side, a divisor of `p`; None: what suits the machine.

    Returns:
      (final state; what was seen at every time).

    Errors:
      Raises nothing; a price that is not finite ends in figures that are not, never in a trigger.

    Source:
      hyperstress design, "What is simulated", sections 2 to 4, 2026-11.
    """
    roster = roster_of(setting, groups)
    lanes = lanes_here(order.shape[0]) if lanes is None else lanes
    return in_lanes(partial(_play, setting, roster), order, series, lanes)


def _play(
    setting: Setting, roster: Roster, order: Bool[Array, "l N"], series: Now
) -> tuple[State, Seen]:
    """Plays the paths of a lane, all at once."""

    def body(state, now):
        state = step(setting, roster, order, now, state)
        m = state.measures
        flows = (m.book_notional, m.backstop_notional, m.takeover_value, m.adl_notional)
        return state, Seen(
            channel=jnp.stack(flows),
            utilization=used_share(state.reserve),
            x=state.prices.x,
            rounds=m.rounds,
        )

    first = jax.tree.map(lambda x: x[0], series)
    last, seen = jax.lax.scan(body, start(setting, roster, first), series)
    return settled_funding(last), seen


def settled_funding(state: State) -> State:
    """The same state with the funding paid since the start in everybody's cash."""
    own, paid = state.held, state.prices.paid[:, :, None]
    owed = jnp.sum(own.size * paid.astype(own.cash.dtype), axis=0)
    prices = dataclasses.replace(state.prices, paid=jnp.zeros_like(state.prices.paid))
    held = dataclasses.replace(own, cash=own.cash - owed)
    return dataclasses.replace(state, held=held, prices=prices)


def step(setting: Setting, roster: Roster, order, now: Now, state: State) -> State:
    """One time of the grid; the order of play, as named calls."""
    previous = state.prices
    state = move_factors(setting, now, state)
    state = accrue(roster, now, previous.oracle, state)
    state = outside_flows(setting, now, state)
    state = follow(setting, roster, now, state)
    reserve = jax.lax.cond(now.index == 0, start_of_book, lambda r: r, state.reserve)
    state = before = dataclasses.replace(state, reserve=reserve)
    state, liquidated = play_rounds(setting, roster, now, previous.mark, order, state)
    state, (debt, share, sold) = sell_inventory(setting, now, before, state)
    state, lost = pay_takeover_loss(state, debt, share)
    state, rescued = rescue_vault(setting, roster, previous.mark, state)
    changed = liquidated | sold | lost | rescued
    state = once(
        jnp.any(changed),
        lambda s: follow(setting, roster, now, s, where=changed, grow_outside=False),
        state,
    )
    return coming_rates(setting, now, state)


def move_factors(setting: Setting, now: Now, state: State) -> State:
    """Prices move, earlier impact decays, depth follows the deviation from the recent average."""
    impact = setting.impact
    transient = state.transient * decay(now.hours, impact.half_life)
    prices = prices_at(setting, now, transient, state.permanent, state.prices)
    level = now.log + prices.x
    deviation = level - state.average
    left = of_assets(depth_multiplier, impact, deviation)
    fade = decay(now.hours, impact.depth_half_life)
    return dataclasses.replace(
        state,
        transient=transient,
        prices=prices,
        level=level,
        average=level - deviation * fade,
        depth=now.depth * left,
    )


def start(setting: Setting, roster: Roster, first: Now) -> State:
    """The state before the first time: nothing accrued, nothing moved."""
    paths = first.supply.shape[0]
    zero = jnp.zeros(paths)
    assets, markets, tokens = (x.shape[0] for x in (first.log, first.mark, first.token))
    flat, unpaid = jnp.zeros((assets, paths)), jnp.zeros((markets, paths))
    begin = Prices(
        mark=first.mark,
        oracle=first.oracle,
        token=first.token,
        spot=first.spot,
        x=flat,
        passed=flat,
        paid=unpaid,
    )
    prices = prices_at(setting, first, flat, flat, begin)
    held = _holding(roster, paths)
    capital = zero + setting.backstops.vault_capital
    lent = capital * setting.backstops.vault_lent_share
    sums = {f.name: zero for f in dataclasses.fields(Measures)}
    sums |= {"overshoot": flat, "first_value": flat}
    sums |= {"caused": jnp.zeros((assets, assets, paths))}
    no = jnp.zeros(paths, bool)
    return State(
        held=held,
        contracts=unpaid + total(roster.account.size)[:, None],
        record=start_record(held.cash),
        prices=prices,
        transient=flat,
        permanent=flat,
        level=flat,
        average=flat,
        depth=flat + 1,
        vault_cash=capital,
        vault_size=unpaid,
        takeover_cash=zero,
        takeover_capital=zero + setting.backstops.takeover_capital,
        takeover_held=jnp.zeros((tokens, paths)),
        reserve=_reserve(first, lent),
        outside=start_outside(setting, paths),
        parties=nothing(zero),
        measures=Measures(**sums),
        round_limit=no,
        empty_depth=no,
    )


def _reserve(first: Now, lent) -> Reserve:
    zero = jnp.zeros_like(lent)
    names = [f.name for f in dataclasses.fields(Reserve)]
    given = {"wanted_supply": first.supply, "outside_borrow": first.borrow, "vault_lent": lent}
    given |= {"vault_lent_start": lent, "supply": first.supply, "borrowed": first.borrow}
    return Reserve(**(dict.fromkeys(names, zero) | given))


def _holding(roster: Roster, paths: int) -> Holding:
    """Today's balances on every path."""

    def wide(x):
        return jnp.broadcast_to(x[..., None, :], (*x.shape[:-1], paths, x.shape[-1]))

    account = roster.account
    cash = wide(account.net_cash[0])
    return Holding(
        cash=cash,
        size=wide(account.size),
        supplied=wide(account.supplied),
        pool=jnp.zeros_like(cash),
        rationed=jnp.zeros(cash.shape, bool),
        cooldown=jnp.full_like(cash, -jnp.inf),
    )


def path_residual(groups: Sequence[Group], state: State) -> Float[Array, "p"]:
    """Relative residual of the zero-sum identity of each path: cash, contracts and tokens."""
    begun = jnp.concatenate([group.account.net_cash[0] for group in groups]).astype(jnp.float64)
    cash = jnp.sum(state.held.cash.astype(jnp.float64) - begun[None, :], axis=1)
    return residual(state.parties, cash, jnp.sum(jnp.abs(begun)) + jnp.zeros_like(cash))


__all__ = ["CHANNELS", "Seen", "path_residual", "play", "step", "total"]
