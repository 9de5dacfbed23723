"""Liquidation rounds of one step: who is triggered, what is done, how it is filled."""

import math

from cascade_oracle_adl import add_offer, close_loser, deleverage, offer
from cascade_oracle_figures import Figures
from cascade_oracle_state import Account, World

PARTIAL_SHARE, TAKEOVER_SHARE, BACKSTOP_SHARE = 0.2, 0.2, 2 / 3
TIE = 1e-9  # a handover leaves a debt of exactly the partial threshold: rounding is not beyond
DUST = 1e-6  # USDC: a smaller debt with nothing behind it is rounding


def decide(world: World, a: Account, f: Figures, k: int, can_take: bool) -> str | None:
    """The one action of an account in round k, or None."""
    perps, collateral = a.holds_perps, a.holds_collateral
    if not a.portfolio:
        if not perps:
            return "absorb" if f.equity < 0 else None
        if not f.triggered:
            return None
        return "handover" if f.equity < BACKSTOP_SHARE * f.maintenance else "book"
    if not f.triggered:
        return None
    on_perps = None
    if perps:
        short = f.equity + f.credit < BACKSTOP_SHARE * f.maintenance
        on_perps = "handover" if short else "book"
    if not f.breached:  # unfunded only
        return on_perps
    late = world.rules["takeover_starts_at"] != "pmr"
    wanted = not late or f.debt > f.partial * (1 + TIE)
    wanted = wanted and (collateral or (f.debt > max(f.full, DUST) and not perps))
    takeover = ("full" if f.debt > f.full else "partial") if wanted and can_take else None
    if a.coin == 0 and k % 2 == 0 and collateral and takeover:
        return takeover
    return on_perps or takeover


def book_orders(world: World, a: Account, now: float) -> tuple[list[float], bool, list[str]]:
    """Signed contracts per market, whether any is ordered only in part, and what happened."""
    orders, partly, seen = [], False, []
    for m, size in enumerate(a.size):
        small = abs(size) * world.mark[m] <= world.rules["partial_notional"]
        if small or now < a.cooldown_until:
            orders.append(-size)
            if size:
                seen.append("book_whole" if small else "book_cooldown")
        else:
            orders.append(-PARTIAL_SHARE * size)
            partly = True
            seen.append("book_partial")
    return orders, partly, seen


def note_first(a: Account, f: Figures, t: int) -> None:
    """State of an account when it is liquidated for the first time."""
    if a.first is None:
        a.first = t
        a.first_state = {
            "X": f.equity,
            "loan": max(0.0, a.pool),
            "V": f.value,
            "N": f.notional,
            "ratio": f.ratio,
        }


def absorb(world: World, a: Account) -> None:
    """The vault takes a position-less debt of a standard account."""
    world.measure["shortfall_perps"] -= a.cash
    world.vault_cash += a.cash
    a.cash = 0.0


def take_over(world: World, a: Account, f: Figures, share: float) -> None:
    """The takeover backstop takes a share of the collateral; all of it against the debt."""
    for c, units in enumerate(a.supplied):
        part = units if share == 1.0 else share * units
        world.held[c] += part
        a.supplied[c] -= part
    price = f.debt if share == 1.0 else share * f.value
    a.cash += price
    world.takeover_cash -= price
    world.measure["takeover_value"] += share * f.value
    if share == 1.0:
        world.measure["surplus_kept"] += max(0.0, f.value - f.debt)
        world.measure["shortfall_loans"] += max(0.0, f.debt - f.value)


def fill_book(world: World, orders: list, zeta: list[float], factors: list[float]) -> None:
    """Fill the accounts' orders; the makers take the other side of the sum."""
    price = [mark * factors[x] for mark, x in zip(world.mark, world.market_asset, strict=True)]
    total = [0.0] * len(world.markets)
    for a, order in orders:
        for m, wish in enumerate(order):
            share = zeta[world.market_asset[m]]
            done = share * wish
            if not done:
                continue
            whole = share == 1.0 and wish == -a.size[m]
            a.size[m] = 0.0 if whole else a.size[m] + done
            a.cash -= done * price[m]
            total[m] += done
            world.measure["book_notional"] += abs(done) * world.mark[m]
            world.measure["slippage"] += done * (price[m] - world.mark[m])
    for m, done in enumerate(total):
        world.makers_size[m] -= done
        world.makers_cash += done * price[m]


def hand_over(world: World, leaving: list, idle: list) -> None:
    """ADL for those of negative value, then all positions and the margin to the vault."""
    offers, plans = {}, []
    for a, f in leaving:
        phi, where = offer(world, a.size, f.net) if f.net < 0 else (0.0, [])
        add_offer(offers, a.size, phi, where)
        plans.append((phi, where))
    shares = deleverage(world, offers, idle)
    for (a, f), (phi, where) in zip(leaving, plans, strict=True):
        cash, gain = close_loser(world, a.size, phi, where, shares)
        a.cash += cash
        worth = sum(s * mark for s, mark in zip(a.size, world.mark, strict=True))
        equity = a.cash + worth
        margin = max(0.0, equity + f.credit) if a.portfolio else equity
        moved = margin - worth if a.portfolio else a.cash
        world.measure["shortfall_perps"] += gain if a.portfolio else max(0.0, -f.net)
        world.measure["margin_kept"] += max(0.0, margin)
        for m, size in enumerate(a.size):
            world.vault_size[m] += size
            world.measure["backstop_notional"] += abs(size) * world.mark[m]
            a.size[m] = 0.0
        world.vault_cash += moved
        a.cash -= moved


def run_rounds(world: World, t: int, hours: float) -> int:
    """Rounds until nothing effective is left or the limit is reached.

    Returns:
      Number of effective rounds.
    """
    now, asset = world.hours[t], world.market_asset
    takes = max(1, math.floor(hours / world.rules["takeover_interval"] + 1e-9))
    k = 0
    while True:
        acting: dict[str, list] = {}
        orders, idle, flows = [], [], [0.0] * len(world.assets)
        for a in world.accounts:
            f = Figures(world, a)
            action = decide(world, a, f, k, k < takes)
            if f.triggered or action:
                note_first(a, f, t)
            else:
                idle.append((a, f))
            if action == "book":
                order, partly, seen = book_orders(world, a, now)
                orders.append((a, order, partly, seen, f))
                for m, wish in enumerate(order):
                    flows[asset[m]] += wish * world.mark[m]
            elif action:
                acting.setdefault(action, []).append((a, f))
        zeta = world.shares(flows)
        filled = [
            o for o in orders if any(w and zeta[x] > 0 for w, x in zip(o[1], asset, strict=True))
        ]
        if len(filled) < len(orders):
            world.events["empty_depth"] += len(orders) - len(filled)
            world.status = "empty_depth" if world.status == "ok" else world.status
        if not (filled or acting):
            return k
        if k >= world.settings["round_limit"]:
            world.status = "round_limit"
            world.events["round_limit"] += 1
            return k
        factors = world.execute(flows, zeta)
        for q, z in zip(flows, zeta, strict=True):
            world.events["cut_by_depth"] += q != 0 and 0 < z < 1
        for a, _, partly, seen, f in filled:
            world.events.update(seen)
            world.events["unfunded"] += not f.breached
            world.events["alternates"] += a.coin == 0 and k % 2 == 1 and a.holds_collateral
            a.cooldown_until = now + world.rules["cooldown"] if partly else a.cooldown_until
        fill_book(world, [(o[0], o[1]) for o in filled], zeta, factors)
        off_book(world, acting, idle)
        world.remark()
        k += 1


def off_book(world: World, acting: dict[str, list], idle: list) -> None:
    """Actions of a round that do not trade, at the marking of its start."""
    for name, who in acting.items():
        for a, f in who:
            if name == "handover":
                kind = "portfolio" if a.portfolio else "standard"
                world.events[f"handover_{kind}"] += 1
                continue
            world.events[name] += 1
            if name == "absorb":
                absorb(world, a)
            else:
                take_over(world, a, f, TAKEOVER_SHARE if name == "partial" else 1.0)
    if "handover" in acting:
        hand_over(world, acting["handover"], idle)
