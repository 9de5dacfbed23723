"""A liquidation cascade of one path by plain loops: the witness against the engine.

Written from the description of the mechanics alone. Money is USDC, time hours; see `simulate`.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from cascade_loop_figures import figures
from cascade_loop_impact import Book
from cascade_loop_pool import accrue, close_step, follow, outside_follows, takeover_loss
from cascade_loop_rounds import deleverage, play_round, share_to_close

Record = Mapping[str, Any]

MEASURES = (
    "book_notional", "backstop_notional", "takeover_value", "adl_notional", "shortfall",
    "paid_adl", "paid_buffer", "paid_suppliers", "paid_takeover_capital", "uncovered",
    "slippage", "margin_kept", "surplus_kept",
)  # fmt: skip


def new_world(accounts: Sequence[Record], rules: Record, settings: Record) -> SimpleNamespace:
    """State of a path before time 0."""
    w = SimpleNamespace(events=Counter(), total=dict.fromkeys(MEASURES, 0.0))
    w.accounts = [
        SimpleNamespace(
            kind=a["kind"], cash=a["cash"], size=dict(a["size"]), entry=a["entry"],
            leverage=a["leverage"], supplied=dict(a["supplied"]), coin=a["coin"],
            P=0.0, rationed=False, cooldown_until=-math.inf, paid=0.0,
        )
        for a in accounts
    ]  # fmt: skip
    w.first: list[int | None] = [None] * len(accounts)
    w.first_state: list[dict[str, float] | None] = [None] * len(accounts)
    share = settings["permanent_share"]
    w.books = {a: Book(i, settings["reach"], share) for a, i in settings["impact"].items()}
    w.ema = dict.fromkeys(w.books, 0.0)
    w.overshoot = dict.fromkeys(w.books, 0.0)
    w.x: dict[str, list[float]] = {a: [] for a in w.books}
    w.inventory = dict.fromkeys(rules["market_asset"], 0.0)
    w.held = dict.fromkeys(rules["token_asset"], 0.0)
    w.vault_cash = settings["vault_capital"]
    w.lent = w.lent0 = settings["vault_capital"] * settings["vault_lent_share"]
    w.takeover_cash, w.takeover_capital = 0.0, settings["takeover_capital"]
    w.buffer = w.makers = w.borrowers = w.suppliers = 0.0
    w.written_outside = w.outside_borrow = w.idle0 = w.loan0 = 0.0
    w.round_limit = w.empty_depth = False
    w.utilization, w.queued, w.refused, w.rounds = [], [], [], []
    return w


def remark(w: Any, path: Record, rules: Record, settings: Record, t: int) -> None:
    """Prices at the displacement of now."""
    theta = settings["pass_through"]
    x = {a: book.remark() for a, book in w.books.items()}
    for a, value in x.items():
        w.overshoot[a] = max(w.overshoot[a], abs(value))
    w.mark, w.oracle, w.px = {}, {}, {}
    for m, a in rules["market_asset"].items():
        w.mark[m] = path["mark"][m][t] * math.exp(x[a])
        w.oracle[m] = path["oracle"][m][t] * math.exp(theta * x[a])
    for c, a in rules["token_asset"].items():
        w.px[c] = path["price"][c][t] * math.exp(theta * x[a])


def move_factors(w: Any, path: Record, settings: Record, t: int, dt: float) -> None:
    """Earlier impact decays; depth thins out after moves."""
    for a, book in w.books.items():
        book.transient *= 2.0 ** (-dt / settings["half_life"])
        y = path["log"][a][t] + book.remark()
        deviation = abs(y - w.ema[a]) / settings["volatility"][a]
        thinned = math.exp(-settings["depth_collapse"] * deviation)
        book.depth = max(settings["depth_floor"], thinned)
        w.events["depth_floor"] += thinned < settings["depth_floor"]
        w.ema[a] = y + (w.ema[a] - y) * 2.0 ** (-dt / settings["depth_half_life"])


def shared_magnitude(start: float, now: float) -> float:
    """The smaller of two sizes of the same sign, 0 where the signs differ."""
    return math.copysign(min(abs(start), abs(now)), now) if start * now > 0.0 else 0.0


def sell_inventory(w: Any, rules: Record, share: float, start: Any) -> tuple[bool, float]:
    """TWAP of what vault and takeover held before the rounds.

    Returns:
      whether anything was executed; value of the tokens sold, at the price before.
    """
    perps = {m: -share * shared_magnitude(start[0][m], s) for m, s in w.inventory.items()}
    tokens = {c: -share * min(start[1][c], h) for c, h in w.held.items()}
    q = dict.fromkeys(w.books, 0.0)
    for m, order in perps.items():
        q[rules["market_asset"][m]] += order * w.mark[m]
    for c, order in tokens.items():
        q[rules["token_asset"][c]] += order * w.px[c]
    zeta = {a: book.fraction(q[a]) for a, book in w.books.items()}
    factor = {a: book.fill_factor(zeta[a] * q[a]) for a, book in w.books.items()}
    moved, sold = False, 0.0
    for m, order in perps.items():
        a = rules["market_asset"][m]
        done = zeta[a] * order
        w.inventory[m] += done
        w.vault_cash -= done * w.mark[m] * factor[a]
        w.makers += done * w.mark[m] * factor[a]
        moved = moved or done != 0.0
        w.events["sale_perp"] += done != 0.0
        w.events["sale_cut"] += order != 0.0 and zeta[a] < 1.0
    for c, order in tokens.items():
        a = rules["token_asset"][c]
        done = zeta[a] * order
        w.held[c] += done
        w.takeover_cash -= done * w.px[c] * factor[a]
        w.makers += done * w.px[c] * factor[a]
        sold -= done * w.px[c]
        moved = moved or done != 0.0
        w.events["sale_token"] += done != 0.0
    for a, book in w.books.items():
        book.execute(zeta[a] * q[a])
    return moved, sold


def vault_value(w: Any) -> float:
    """E_v: cash (with what is lent) and inventory at the mark."""
    return w.vault_cash + sum(s * w.mark[m] for m, s in w.inventory.items())


def vault_shortfall(w: Any, rules: Record) -> bool:
    """Deleveraging for the vault, what stays uncovered, what it withdraws from the pool.

    Returns:
      whether deleveraging closed anything.
    """
    locked = max(0.0, w.lent - max(0.0, w.free))
    usable = vault_value(w) - locked
    closed_before = w.total["adl_notional"]
    share = share_to_close(w, w.inventory, usable)
    if share > 0.0:
        figs = [figures(a, w.mark, w.px, rules) for a in w.accounts]
        winners = [n for n, f in enumerate(figs) if not f.triggered]
        vault = SimpleNamespace(cash=w.vault_cash, size=w.inventory)
        deleverage(w, [(vault, share)], figs, winners)
        w.vault_cash = vault.cash
    closed = w.total["adl_notional"] > closed_before
    w.events["adl_vault"] += closed
    w.events["adl_vault_locked"] += closed and locked > 0.0
    value = vault_value(w)
    if value < 0.0:
        w.total["uncovered"] -= value
        w.vault_cash -= value
        w.makers += value
        w.events["uncovered_vault"] += 1
    withdrawn = min(max(0.0, w.lent - max(0.0, vault_value(w))), max(0.0, w.free))
    w.lent -= withdrawn
    w.events["vault_withdraws"] += withdrawn > 0.0
    return closed


def play_step(w: Any, path: Record, rules: Record, settings: Record, t: int) -> None:
    """Everything that happens at one time, in order."""
    now = path["hours"][t]
    dt = now - path["hours"][t - 1] if t else 0.0
    move_factors(w, path, settings, t, dt)
    remark(w, path, rules, settings, t)
    if t == 0:
        w.prev_mark = dict(w.mark)
    else:
        accrue(w, path, dt)
    outside_follows(w, path, t)
    follow(w, path, rules, t, first=True)
    start = (dict(w.inventory), dict(w.held))
    k = 0
    while play_round(w, rules, settings, t, k, now, dt):
        remark(w, path, rules, settings, t)
        k += 1
    w.rounds.append(k)
    share = 1.0 - 2.0 ** (-dt / rules["twap_half_life"])
    value = sum(h * w.px[c] for c, h in w.held.items())
    debt = max(0.0, -w.takeover_cash)
    moved, sold = sell_inventory(w, rules, share, start)
    remark(w, path, rules, settings, t)
    gone = sold / value if value > 0.0 else 1.0
    loss = max(0.0, max(0.0, -w.takeover_cash) - (1.0 - gone) * debt)
    takeover_loss(w, loss)
    closed = vault_shortfall(w, rules)
    if k > 0 or moved or loss > 0.0 or closed:
        follow(w, path, rules, t, first=False)
    close_step(w, path, t)
    w.prev_mark, w.oracle_prev = dict(w.mark), dict(w.oracle)
    for a, book in w.books.items():
        w.x[a].append(book.x)


def simulate(
    accounts: Sequence[Record], path: Record, rules: Record, settings: Record
) -> dict[str, Any]:
    """Plays one path (see the report of this module's tests for the keys of every argument)."""
    w = new_world(accounts, rules, settings)
    for t in range(len(path["hours"])):
        play_step(w, path, rules, settings, t)
    changes = [a.cash - before["cash"] for a, before in zip(w.accounts, accounts, strict=True)]
    changes += [w.vault_cash - settings["vault_capital"], w.takeover_cash, w.buffer, w.makers]
    changes += [w.takeover_capital - settings["takeover_capital"], w.borrowers, w.suppliers]
    status = "round_limit" if w.round_limit else "empty_depth" if w.empty_depth else "ok"
    return {
        "first": w.first, "first_state": w.first_state,
        "cash": [a.cash for a in w.accounts], "size": [a.size for a in w.accounts],
        "supplied": [a.supplied for a in w.accounts], "P": [a.P for a in w.accounts],
        "vault": {"cash": w.vault_cash, "size": w.inventory, "lent": w.lent},
        "takeover": {"cash": w.takeover_cash, "held": w.held, "capital": w.takeover_capital},
        "buffer": w.buffer, "written_off": w.written_outside, "makers_cash": w.makers,
        "borrowers_cash": w.borrowers, "suppliers_cash": w.suppliers, "x": w.x,
        "utilization": w.utilization, "queued": w.queued, "refused": w.refused,
        "rounds": w.rounds, "status": status, "overshoot": w.overshoot, **w.total,
        "residual_cash": math.fsum(changes), "turnover": math.fsum(abs(c) for c in changes),
        "events": w.events,
    }  # fmt: skip
