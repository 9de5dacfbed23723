"""Sale of what the vault and the takeover hold, and the shortfalls of a step (6 and 7)."""

from cascade_oracle_adl import add_offer, close_loser, deleverage, offer
from cascade_oracle_figures import Figures
from cascade_oracle_pool import cover_loss, takeover_debt
from cascade_oracle_state import World, decay


def still_there(start: float, now: float) -> float:
    """What of an inventory of the start of the rounds is still held, with its sign."""
    if start * now <= 0:
        return 0.0
    return start if abs(start) <= abs(now) else now


def sell_inventory(world: World, hours: float, vault_start: list, held_start: list) -> tuple:
    """TWAP sale of a step.

    Args:
      world: at the marking after the rounds.
      hours: length of the step.
      vault_start: the vault's contracts at the start of the rounds.
      held_start: the takeover's tokens at the start of the rounds.

    Returns:
      (whether anything was sold, the takeover's debt before, share g of its holdings sold).
    """
    share = 1.0 - decay(hours, world.rules["twap_half_life"])
    debt = takeover_debt(world)
    perps = [-share * still_there(w, n) for w, n in zip(vault_start, world.vault_size, strict=True)]
    tokens = [-share * still_there(h, n) for h, n in zip(held_start, world.held, strict=True)]
    flows = [0.0] * len(world.assets)
    for m, order in enumerate(perps):
        flows[world.market_asset[m]] += order * world.mark[m]
    for c, order in enumerate(tokens):
        flows[world.token_asset[c]] += order * world.spot[c]
    value = sum(h * px for h, px in zip(world.held, world.spot, strict=True))
    zeta = world.shares(flows)
    factors = world.execute(flows, zeta)
    moved, sold = False, 0.0
    for m, order in enumerate(perps):
        a = world.market_asset[m]
        done = zeta[a] * order
        moved = moved or done != 0
        world.vault_size[m] += done
        world.vault_cash -= done * world.mark[m] * factors[a]
        world.makers_size[m] -= done
        world.makers_cash += done * world.mark[m] * factors[a]
    for c, order in enumerate(tokens):
        a = world.token_asset[c]
        done = zeta[a] * order
        moved = moved or done != 0
        sold -= done * world.spot[c]
        world.held[c] += done
        world.takeover_cash -= done * world.spot[c] * factors[a]
        world.buyers_tokens[c] -= done
        world.makers_cash += done * world.spot[c] * factors[a]
    if moved:
        world.remark()
        world.events["sale"] += 1
        world.events["sale_cut_by_depth"] += any(
            q != 0 and z < 1 for q, z in zip(flows, zeta, strict=True)
        )
    return moved, debt, (sold / value if value > 0 else 1.0)


def realised_loss(world: World, debt_before: float, sold_share: float) -> float:
    """Loss of the takeover on what it has sold, USDC."""
    return max(0.0, takeover_debt(world) - (1.0 - sold_share) * debt_before)


def vault_equity(world: World) -> float:
    """Cash and positions of the vault at the mark, USDC."""
    return world.vault_cash + sum(
        w * mark for w, mark in zip(world.vault_size, world.mark, strict=True)
    )


def deleverage_vault(world: World) -> bool:
    """ADL for a vault whose free equity is negative; True where anything was closed."""
    locked = max(0.0, world.lent - max(0.0, world.free)) if world.lent > 0 else 0.0
    unlocked = vault_equity(world) - locked
    if unlocked >= 0 or not any(world.vault_size):
        return False
    world.events["vault_short"] += 1
    world.events["vault_locked"] += locked > 0
    phi, where = offer(world, world.vault_size, unlocked)
    offers: dict = {}
    add_offer(offers, world.vault_size, phi, where)
    if not offers:
        return False
    figures = [(a, Figures(world, a)) for a in world.accounts]
    shares = deleverage(world, offers, [(a, f) for a, f in figures if not f.triggered])
    cash, _ = close_loser(world, world.vault_size, phi, where, shares)
    world.vault_cash += cash
    world.events["vault_adl"] += any(shares.values())
    return any(share > 0 for share in shares.values())


def shortfalls(world: World, debt_before: float, sold_share: float) -> bool:
    """7a to 7d; True where a loss or an ADL moved something."""
    loss = realised_loss(world, debt_before, sold_share)
    if loss > 0:
        cover_loss(world, loss)
    closed = deleverage_vault(world)
    equity = vault_equity(world)
    if equity < 0:
        world.measure["uncovered"] -= equity
        world.vault_cash -= equity
        world.makers_cash += equity
        world.events["vault_uncovered"] += 1
        equity = 0.0
    taken = min(max(0.0, world.lent - max(0.0, equity)), max(0.0, world.free))
    world.lent -= taken
    world.events["vault_withdraws"] += taken > 0
    return loss > 0 or closed
