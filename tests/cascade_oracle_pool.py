"""The USDC reserve around the book: accrual, loans that follow, totals, losses of the pool."""

import math

from cascade_oracle_figures import Figures, wanted_pool
from cascade_oracle_state import World
from oracles_lending import HOURS_PER_YEAR, borrow_rate, supply_rate, utilization


def growth(rate: float, hours: float) -> float:
    """Growth factor less one of a balance over `hours` at a nominal yearly rate."""
    return math.expm1(rate * hours / HOURS_PER_YEAR)


def takeover_debt(world: World) -> float:
    """What the takeover backstop owes to the reserve, USDC."""
    return max(0.0, -world.takeover_cash)


def idle_total(world: World) -> float:
    """USDC that the book's accounts lend."""
    return sum(max(0.0, -a.pool) for a in world.accounts)


def loan_total(world: World) -> float:
    """USDC that the book's accounts owe."""
    return sum(max(0.0, a.pool) for a in world.accounts)


def supply_total(world: World, t: int) -> float:
    """Supply of the reserve before a queue, USDC."""
    idle = idle_total(world) - world.idle_start
    return world.path["supply"][t] + idle + (world.lent - world.lent_start) - world.written_off


def borrow_total(world: World) -> float:
    """Everything owed to the reserve, USDC."""
    return world.outside_borrow + (loan_total(world) - world.loan_start) + takeover_debt(world)


def accrue(world: World, hours: float) -> None:
    """Funding and interest on what was held since the step before; every party by itself."""
    funding, held = world.path["funding"], range(len(world.markets))
    rate = (funding[world.time] if isinstance(funding, list) else funding) * hours
    for a in world.accounts:
        a.cash -= sum(a.size[m] * rate * world.prev_oracle[m] for m in held if a.size[m])
    world.vault_cash -= sum(world.vault_size[m] * rate * world.prev_oracle[m] for m in held)
    world.makers_cash -= sum(world.makers_size[m] * rate * world.prev_oracle[m] for m in held)

    paid, earned = world.growth_borrow, world.growth_supply
    for a in world.accounts:
        factor = paid if a.pool > 0 else earned
        a.cash -= a.pool * factor
        a.pool *= 1.0 + factor
    world.vault_cash += world.lent * earned
    world.lent *= 1.0 + earned
    world.takeover_cash -= takeover_debt(world) * paid
    world.borrowers_cash -= world.borrow_outside * paid
    world.suppliers_cash += world.supply_outside * earned
    world.buffer += paid * world.borrow_total - earned * world.supply_effective


def over(part: float, whole: float) -> float:
    """min(1, part / whole), 1 where there is nothing to share."""
    return min(1.0, part / whole) if whole > 0.0 else 1.0


def follow(world: World, t: int, *, first: bool) -> None:
    """Every portfolio account's pool position moves to what it wants, as far as it can.

    Args:
      world: at the marking of now.
      t: time index.
      first: the step's first follow (outside borrow moves; at t = 0 it defines the deviations
        and nothing is rationed).
    """
    opening = first and t == 0
    accounts, cap = [a for a in world.accounts if a.portfolio], world.rules["user_borrow_cap"]
    wanted = [wanted_pool(a, Figures(world, a), cap) for a in accounts]
    if first and not opening:
        free = supply_total(world, t) - borrow_total(world)
        limit = world.outside_borrow + max(0.0, free)
        world.events["outside_held"] += limit < world.path["borrow"][t]
        world.outside_borrow = min(world.path["borrow"][t], limit)
    grown = [a.pool for a in accounts]
    draws = [max(0.0, w - g) for w, g in zip(wanted, grown, strict=True)]
    outs = [min(d, max(0.0, -g)) for d, g in zip(draws, grown, strict=True)]
    news = [d - o for d, o in zip(draws, outs, strict=True)]
    for a, w, g in zip(accounts, wanted, grown, strict=True):
        a.pool = min(g, w)
    share = share_new = 1.0
    if world.rules["reserve_liquidity_limits_credit"] and not opening:
        owed = borrow_total(world)
        share = over(max(0.0, supply_total(world, t) - owed), sum(draws))
        left = max(0.0, world.rules["global_borrow_cap"] - owed)
        share_new = min(share, over(left, sum(news)))
    world.refused = 0.0
    for a, w, draw, out, new in zip(accounts, wanted, draws, outs, news, strict=True):
        a.rationed = draw > 0 and not (share == 1.0 and (share_new == 1.0 or new == 0.0))
        if not a.rationed:
            a.pool = w
            continue
        a.pool += share * out + share_new * new
        world.refused += w - a.pool
        world.events["rationed"] += 1
        world.events["rationed_by_cap"] += share_new < share
    if opening:
        world.idle_start, world.loan_start = idle_total(world), loan_total(world)
    settle_totals(world, t)
    world.free = supply_total(world, t) - borrow_total(world)


def settle_totals(world: World, t: int) -> None:
    """Totals, queue and the outside parts of now."""
    supplied, owed = supply_total(world, t), borrow_total(world)
    world.queued = max(0.0, owed - supplied)
    world.supply_effective, world.borrow_total = max(supplied, owed), owed
    world.borrow_outside = owed - loan_total(world) - takeover_debt(world)
    world.supply_outside = world.supply_effective - idle_total(world) - world.lent


def fix_growth(world: World, hours: float) -> float:
    """Growths over the next `hours` at the utilization of now, which is returned."""
    u = utilization(world.borrow_total, world.supply_effective)
    world.growth_borrow = growth(borrow_rate(u), hours)
    world.growth_supply = growth(supply_rate(u), hours)
    return u


def cut_suppliers(world: World, share: float) -> None:
    """Every supplier of the reserve loses the same share of what it has lent."""
    for a in world.accounts:
        if a.pool < 0:
            a.cash -= share * -a.pool
            a.pool *= 1.0 - share
    world.vault_cash -= share * world.lent
    world.lent *= 1.0 - share
    world.suppliers_cash -= share * world.supply_outside
    world.written_off += share * world.supply_outside


def cover_loss(world: World, loss: float) -> None:
    """A realised loss of the takeover: its capital, the buffer, the suppliers, the makers."""
    measure, rest = world.measure, loss
    capital = min(rest, world.takeover_capital)
    world.takeover_capital -= capital
    rest -= capital
    buffered = min(rest, max(0.0, world.buffer))
    world.buffer -= buffered
    rest -= buffered
    cut = min(rest, max(0.0, world.supply_effective))
    if cut > 0:
        cut_suppliers(world, cut / world.supply_effective)
    rest -= cut
    world.makers_cash -= rest
    world.takeover_cash += loss
    measure["paid_takeover_capital"] += capital
    measure["paid_buffer"] += buffered
    measure["paid_suppliers"] += cut
    measure["uncovered"] += rest
    for name, amount in (("capital", capital), ("buffer", buffered), ("haircut", cut)):
        world.events[name] += amount > 0
    world.events["pool_uncovered"] += rest > 0
