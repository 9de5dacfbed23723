"""After the rounds: inventories are sold by TWAP, and losses find who pays them."""

import dataclasses

import jax
import jax.numpy as jnp

from models.adl import share_to_cover
from models.impact import decay
from models.ledger import booked
from models.lending import absorb_loss
from models.liquidation import Holding
from models.sums import total
from stress.cascade_handover import deleverage
from stress.cascade_marking import once, rows_at, sums_at
from stress.cascade_state import Now, Roster, Setting, State
from stress.cascade_trades import execute_orders, moved_prices


def sell_inventory(setting: Setting, now: Now, before: State, state: State) -> tuple[State, tuple]:
    """Sells what vault and takeover held before the rounds, at a half-life of ten minutes.

    Args:
      setting: what does not change.
      now: the time.
      before: state at the start of the rounds: what was held since the step began.
      state: state after them.

    Returns:
      (state at the marking after the sale, (takeover debt before the sale, part of what is held
      that was sold, bool: something was sold), `[p]` each).
    """
    part = 1 - decay(now.hours, setting.venue.liquidation.twap_half_life)
    prices, assets = state.prices, state.transient.shape[0]
    perps = -part * _kept(before.vault_size, state.vault_size)
    tokens = -part * before.takeover_held
    flow = sums_at(perps * prices.mark, setting.market_asset, assets)
    flow = flow + sums_at(tokens * prices.spot, setting.token_asset, assets)
    fill = execute_orders(setting, state, flow)

    def filled(places):  # what moves with no asset sells whole, at its price
        share = rows_at(fill.share - 1, places) + 1
        return share, jnp.exp(rows_at(fill.premium, places))

    share, premium = filled(setting.market_asset)
    done = perps * share
    vault_cash = -jnp.sum(done * prices.mark * premium, axis=0)
    share, premium = filled(setting.token_asset)
    gone = tokens * share
    proceeds = -jnp.sum(gone * prices.spot * premium, axis=0)
    worth = jnp.sum(state.takeover_held * prices.spot, axis=0)
    sold = -jnp.sum(gone * prices.spot, axis=0)
    makers = -vault_cash - proceeds
    debt = jnp.maximum(-state.takeover_cash, 0)
    share = jnp.where(worth > 0, sold / jnp.where(worth > 0, worth, 1), 1)
    traded = jnp.any(flow != 0, axis=0) if assets else debt < 0
    state = dataclasses.replace(
        state,
        vault_cash=state.vault_cash + vault_cash,
        vault_size=state.vault_size + done,
        takeover_cash=state.takeover_cash + proceeds,
        takeover_held=state.takeover_held + gone,
        transient=fill.transient,
        permanent=fill.permanent,
        parties=booked(state.parties, vault=vault_cash, takeover=proceeds, makers=makers),
    )
    return moved_prices(setting, now, state), (debt, share, traded)


def _kept(before, after):
    """Position held through the rounds: the smaller of both on the same side, else nothing."""
    same = before * after > 0
    return jnp.where(same, jnp.sign(after) * jnp.minimum(jnp.abs(before), jnp.abs(after)), 0)


def pay_takeover_loss(state: State, debt, share) -> tuple[State, jax.Array]:
    """A loan whose collateral is sold and which is not repaid: capital, buffer, then suppliers.

    Returns:
      (state, bool `[p]`: somebody paid).
    """
    left = (1 - share) * debt
    loss = jnp.maximum(jnp.maximum(-state.takeover_cash, 0) - left, 0)
    from_capital = jnp.minimum(loss, state.takeover_capital)
    r = state.reserve
    buffer = jnp.maximum(state.parties.buffer, 0)
    from_buffer, cut = absorb_loss(buffer, r.supply, loss - from_capital)
    held, from_book = once(
        jnp.any(cut > 0),
        lambda carry: _cut_idle(cut, carry[0]),
        (state.held, jnp.zeros_like(loss)),
    )
    from_vault = cut * r.vault_lent
    from_outside = cut * (r.supply - r.idle - r.vault_lent)
    haircut = cut * r.supply
    uncovered = jnp.maximum(loss - from_capital - from_buffer - haircut, 0)
    measures = dataclasses.replace(
        state.measures,
        paid_takeover=state.measures.paid_takeover + from_capital,
        paid_buffer=state.measures.paid_buffer + from_buffer,
        paid_suppliers=state.measures.paid_suppliers + haircut,
        uncovered=state.measures.uncovered + uncovered,
    )
    parties = booked(
        state.parties,
        takeover=loss - from_capital,
        buffer=-from_buffer,
        vault=-from_vault,
        suppliers=-from_outside,
        makers=-uncovered,
    )
    return dataclasses.replace(
        state,
        held=held,
        measures=measures,
        parties=parties,
        takeover_cash=state.takeover_cash + loss,
        takeover_capital=state.takeover_capital - from_capital,
        vault_cash=state.vault_cash - from_vault,
        reserve=dataclasses.replace(
            r,
            vault_lent=r.vault_lent - from_vault,
            written_off=r.written_off + from_outside,
            idle=r.idle - from_book,
        ),
    ), loss > 0


def _cut_idle(cut, held: Holding):
    """Takes a share of every idle balance of the book; (holdings, USDC taken `[p]`)."""
    lost = cut[:, None].astype(held.cash.dtype) * jnp.maximum(-held.pool, 0)
    return dataclasses.replace(held, cash=held.cash - lost, pool=held.pool + lost), total(lost)


def rescue_vault(
    setting: Setting, roster: Roster, previous_mark, state: State
) -> tuple[State, jax.Array]:
    """Deleverages the vault's own positions where its capital is used up; the rest is uncovered.

    Returns:
      (state, bool `[p]`: winners were closed).
    """
    free = _free(setting, state)
    locked = jnp.maximum(state.reserve.vault_lent - free, 0)
    usable = vault_equity(state) - locked
    acts = (usable < 0) & jnp.any(state.vault_size != 0, axis=0)
    before = state.measures.adl_notional
    state = once(
        jnp.any(acts),
        lambda s: _deleverage_vault(setting, roster, previous_mark, usable, acts, s),
        state,
    )
    closed = state.measures.adl_notional > before
    gap = jnp.maximum(-vault_equity(state), 0)
    state = dataclasses.replace(
        state,
        vault_cash=state.vault_cash + gap,
        measures=dataclasses.replace(state.measures, uncovered=state.measures.uncovered + gap),
        parties=booked(state.parties, vault=gap, makers=-gap),
    )
    r = state.reserve
    wish = jnp.maximum(r.vault_lent - jnp.maximum(vault_equity(state), 0), 0)
    taken = jnp.minimum(wish, free)
    r = dataclasses.replace(r, vault_lent=r.vault_lent - taken)
    return dataclasses.replace(state, reserve=r), closed


def _free(setting: Setting, state: State):
    """Liquidity of the reserve at its last follow, USDC; nothing is lent with `process`."""
    if setting.lending == "process":
        return jnp.full_like(state.vault_cash, jnp.inf)
    return state.reserve.supply - state.reserve.borrowed


def vault_equity(state: State):
    """Cash of the vault and its positions at the mark, USDC `[p]`."""
    return state.vault_cash + jnp.sum(state.vault_size * state.prices.mark, axis=0)


def _deleverage_vault(setting, roster, previous_mark, usable, acts, state: State) -> State:
    sizes = tuple(state.vault_size)
    gains = tuple(previous_mark - state.prices.mark)
    _, offered = share_to_cover(jnp.where(acts, usable, 0.0), sizes, gains)
    offered = jnp.stack(offered)
    sides = jnp.stack([jnp.maximum(offered, 0), jnp.maximum(-offered, 0)], axis=1)
    state, share, paid = deleverage(setting, roster, state, previous_mark, sides)
    closed = offered * jnp.where(offered > 0, share[:, 0], share[:, 1])
    cash = jnp.sum(closed * previous_mark, axis=0)
    return dataclasses.replace(
        state,
        vault_size=state.vault_size - closed,
        vault_cash=state.vault_cash + cash,
        measures=dataclasses.replace(state.measures, paid_adl=state.measures.paid_adl + paid),
        parties=booked(state.parties, vault=cash),
    )
