"""The lending pool of a cascade by plain loops: accrual, follow, totals, haircut (oracle)."""

from collections.abc import Mapping
from typing import Any

from cascade_loop_figures import figures, wanted_position
from oracles_lending import borrow_rate, growth_factor, supply_rate, utilization

Path = Mapping[str, Any]


def idle_of(accounts: Any) -> float:
    """What the accounts lend."""
    return sum(max(0.0, -a.P) for a in accounts)


def loans_of(accounts: Any) -> float:
    """What the accounts borrow."""
    return sum(max(0.0, a.P) for a in accounts)


def totals(w: Any, path: Path, t: int) -> tuple[float, float]:
    """S_tot and B_tot with what everybody holds now."""
    supply = path["supply"][t] + (idle_of(w.accounts) - w.idle0)
    supply += (w.lent - w.lent0) - w.written_outside
    debt = max(0.0, -w.takeover_cash)
    return supply, w.outside_borrow + (loans_of(w.accounts) - w.loan0) + debt


def accrue(w: Any, path: Path, dt: float) -> None:
    """Funding and interest on what was held since the step before."""
    rate, g_b, g_s = path["funding"], w.g_b, w.g_s
    for a in w.accounts:
        paid = sum(size * rate * w.oracle_prev[m] * dt for m, size in a.size.items())
        a.cash -= paid
        w.makers += paid
        if a.kind == "portfolio":
            g = g_b if a.P > 0.0 else g_s
            a.cash -= a.P * g
            a.P *= 1 + g
    paid = sum(size * rate * w.oracle_prev[m] * dt for m, size in w.inventory.items())
    w.vault_cash -= paid
    w.makers += paid
    w.vault_cash += w.lent * g_s
    w.lent *= 1 + g_s
    w.takeover_cash -= max(0.0, -w.takeover_cash) * g_b
    w.borrowers -= w.b_out * g_b
    w.suppliers += w.s_out * g_s
    w.buffer += g_b * w.b_tot - g_s * w.s_eff


def outside_follows(w: Any, path: Path, t: int) -> None:
    """Outside borrowers come down at will and go up only by what the reserve can lend."""
    if t == 0:
        w.outside_borrow = path["borrow"][0]
        return
    supply, borrowed = totals(w, path, t)
    limit = w.outside_borrow + max(0.0, supply - borrowed)
    w.events["outside_curbed"] += limit < path["borrow"][t]
    w.outside_borrow = min(path["borrow"][t], limit)


def follow(w: Any, path: Path, rules: Mapping[str, Any], t: int, first: bool) -> None:
    """Pool positions go to what margin wants, as far as the reserve can lend."""
    book = [a for a in w.accounts if a.kind == "portfolio"]
    want = [wanted_position(figures(a, w.mark, w.px, rules), rules) for a in book]
    grown = [a.P for a in book]
    draw = [max(0.0, p - g) for p, g in zip(want, grown, strict=True)]
    out = [min(d, max(0.0, -g)) for d, g in zip(draw, grown, strict=True)]
    new = [d - o for d, o in zip(draw, out, strict=True)]
    base = [min(g, p) for p, g in zip(want, grown, strict=True)]
    rho = rho_b = 1.0
    if rules["reserve_liquidity_limits_credit"] and not (t == 0 and first):
        for a, p in zip(book, base, strict=True):
            a.P = p
        supply, borrowed = totals(w, path, t)
        if sum(draw) > 0.0:
            rho = min(1.0, max(0.0, supply - borrowed) / sum(draw))
        room = max(0.0, rules["global_borrow_cap"] - borrowed)
        rho_b = min(rho, room / sum(new)) if sum(new) > 0.0 else rho
    w.refused_now = 0.0
    for n, a in enumerate(book):
        free = rho == 1.0 and (rho_b == 1.0 or new[n] == 0.0)
        a.rationed = draw[n] > 0.0 and not free
        a.P = base[n] + rho * out[n] + rho_b * new[n] if a.rationed else want[n]
        if a.rationed:
            w.refused_now += want[n] - a.P
            w.events["rationed_reserve" if rho < 1.0 else "rationed_cap"] += 1
            w.events["rationed_withdrawal"] += out[n] > 0.0 and rho < 1.0
    if t == 0 and first:
        w.idle0, w.loan0 = idle_of(w.accounts), loans_of(w.accounts)
    supply, borrowed = totals(w, path, t)
    w.free, w.follow_supply = supply - borrowed, max(supply, borrowed)


def close_step(w: Any, path: Path, t: int) -> None:
    """Totals at the end of a step and the growths of the next."""
    supply, borrowed = totals(w, path, t)
    w.b_tot, w.s_eff = borrowed, max(supply, borrowed)
    w.queued.append(max(0.0, borrowed - supply))
    w.events["queue"] += borrowed > supply
    w.b_out = borrowed - loans_of(w.accounts) - max(0.0, -w.takeover_cash)
    w.s_out = w.s_eff - idle_of(w.accounts) - w.lent
    u = utilization(borrowed, w.s_eff)
    w.utilization.append(u)
    w.refused.append(w.refused_now)
    if t + 1 < len(path["hours"]):
        dt = path["hours"][t + 1] - path["hours"][t]
        w.g_b = growth_factor(borrow_rate(u), dt) - 1.0
        w.g_s = growth_factor(supply_rate(u), dt) - 1.0


def takeover_loss(w: Any, loss: float) -> None:
    """A loss of the takeover backstop: its capital, the buffer, the suppliers, then makers."""
    if loss <= 0.0:
        return
    w.takeover_cash += loss
    from_capital = min(loss, w.takeover_capital)
    w.takeover_capital -= from_capital
    from_buffer = min(loss - from_capital, max(0.0, w.buffer))
    w.buffer -= from_buffer
    rest = loss - from_capital - from_buffer
    w.total["paid_takeover_capital"] += from_capital
    w.total["paid_buffer"] += from_buffer
    w.events["loss_capital"] += from_capital > 0.0
    w.events["loss_buffer"] += from_buffer > 0.0
    if rest <= 0.0:
        return
    share = min(1.0, rest / w.follow_supply) if w.follow_supply > 0.0 else 0.0
    outside = w.follow_supply - idle_of(w.accounts) - w.lent
    for a in w.accounts:
        if a.P < 0.0:
            a.cash -= share * -a.P
            a.P *= 1 - share
            w.events["haircut_account"] += 1
    w.vault_cash -= share * w.lent
    w.events["haircut_vault"] += w.lent > 0.0
    w.lent *= 1 - share
    w.suppliers -= share * outside
    w.written_outside += share * outside
    taken = share * w.follow_supply
    w.total["paid_suppliers"] += taken
    w.events["loss_suppliers"] += taken > 0.0
    if rest > taken:
        w.total["uncovered"] += rest - taken
        w.makers -= rest - taken
        w.events["loss_uncovered"] += 1
