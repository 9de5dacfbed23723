"""Liquidation rounds and auto-deleveraging of a cascade by plain loops (oracle)."""

import math
from collections.abc import Mapping
from typing import Any

from cascade_loop_figures import equity, figures, portfolio_action, ratio, standard_action

PART = 0.2  # of a large position, and of collateral in a partial takeover


def record_first(w: Any, t: int, n: int, f: Any) -> None:
    """State of an account the first time it is liquidated, before any action."""
    if w.first[n] is None:
        loan = max(0.0, w.accounts[n].P)
        w.first[n] = t
        w.first_state[n] = {"X": f.X, "loan": loan, "V": f.V, "N": f.N, "ratio": ratio(f)}


def deleverage(w: Any, offers: list[tuple[Any, float]], figs: Any, winners: list[int]) -> None:
    """Closes `share` of each loser's losing positions at the previous mark against winners.

    Args:
      offers: (holder with `size` and `cash`, share phi).
      figs: figures of the accounts at this marking.
      winners: indices of accounts that may be chosen.
    """
    # every market and side decides on the sizes the round began with
    before = [dict(a.size) for a in w.accounts]
    held = [dict(holder.size) for holder, _ in offers]
    for m in w.mark:
        mark, previous = w.mark[m], w.prev_mark[m]
        for side in (1.0, -1.0):
            losing = [
                (holder, share, s[m])
                for (holder, share), s in zip(offers, held, strict=True)
                if s[m] * side > 0.0 and s[m] * (previous - mark) > 0.0
            ]
            offered = sum(share * abs(size) for _, share, size in losing)
            if offered <= 0.0:
                continue
            ranked = []
            for n in winners:
                size, entry = before[n][m], w.accounts[n].entry[m]
                if size * side < 0.0 and figs[n].A > 0.0 and size * (previous - entry) > 0.0:
                    gain = mark / entry if size > 0.0 else entry / mark
                    ranked.append((-gain * abs(size) * mark / figs[n].A, n))
            filled = 0.0
            for _, n in sorted(ranked):
                account, size = w.accounts[n], before[n][m]
                closed = min(abs(size), offered - filled)
                if closed <= 0.0:
                    break
                sign = math.copysign(1.0, size)
                account.cash += closed * sign * previous
                account.size[m] = 0.0 if closed == abs(size) else size - sign * closed
                filled += closed
                w.total["paid_adl"] += closed * sign * (mark - previous)
                w.events["adl_winner_long" if size > 0.0 else "adl_winner_short"] += 1
            r = filled / offered
            w.events["adl_short_of_winners"] += r < 1.0
            w.total["adl_notional"] += filled * previous
            for holder, share, size in losing:
                holder.cash += r * share * size * previous
                holder.size[m] = size * (1 - r * share)
                holder.paid = getattr(holder, "paid", 0.0) + r * share * size * (previous - mark)


def share_to_close(w: Any, size: Mapping[str, float], value: float) -> float:
    """phi: part of the losing positions whose closing at the previous mark covers -value."""
    cover = sum(max(0.0, s * (w.prev_mark[m] - w.mark[m])) for m, s in size.items())
    return min(1.0, -value / cover) if value < 0.0 and cover > 0.0 else 0.0


def plan_book(w: Any, account: Any, t_now: float, rules: Mapping[str, Any]) -> dict[str, float]:
    """Orders of one account by market."""
    orders = {}
    cooling = t_now < account.cooldown_until
    for m, size in account.size.items():
        if size == 0.0:
            continue
        small = abs(size) * w.mark[m] <= rules["partial_notional"]
        orders[m] = -size if small or cooling else -PART * size
        w.events["cooldown_whole"] += cooling and not small
    return orders


def execute_book(
    w: Any, account: Any, orders: Mapping[str, float], zeta: Any, factor: Any, until: float, to: Any
) -> None:
    """Fills of one account; partial orders start its cooldown."""
    for m, order in orders.items():
        a = to[m]
        whole = order == -account.size[m]
        if not whole:
            account.cooldown_until = until
        w.events["book_whole" if whole else "book_part"] += 1
        w.events["book_cut"] += 0.0 < zeta[a] < 1.0
        done, fill = zeta[a] * order, w.mark[m] * factor[a]
        account.size[m] = 0.0 if whole and zeta[a] == 1.0 else account.size[m] + done
        account.cash -= done * fill
        w.makers += done * fill
        w.total["slippage"] += done * (fill - w.mark[m])
        w.total["book_notional"] += abs(done) * w.mark[m]


def hand_over(w: Any, account: Any, f: Any) -> None:
    """What is left after deleveraging goes to the vault at the mark."""
    standard = account.kind != "portfolio"
    value = equity(account, w.mark)
    margin = value if standard else max(0.0, value + f.C_liq)
    moved = margin - sum(s * w.mark[m] for m, s in account.size.items())
    for m, size in account.size.items():
        w.total["backstop_notional"] += abs(size) * w.mark[m]
        w.inventory[m] += size
        account.size[m] = 0.0
    w.vault_cash += moved
    account.cash = 0.0 if standard else account.cash - moved
    w.total["margin_kept"] += max(0.0, margin)
    w.total["shortfall"] += max(0.0, -f.A) if standard else account.paid
    kind = "standard" if standard else "portfolio"
    w.events[f"handover_{kind}"] += 1
    w.events[f"handover_{kind}_bankrupt"] += f.A < 0.0
    w.events["adl_account"] += account.paid > 0.0


def take_over(w: Any, account: Any, f: Any, action: str) -> None:
    """Collateral (and debt) goes to the takeover backstop at the reserve price."""
    share = PART if action == "partial" else 1.0
    paid = share * f.V if action == "partial" else f.D
    for c, held in account.supplied.items():
        w.held[c] += share * held
        account.supplied[c] = held * (1 - share)
    account.cash += paid
    w.takeover_cash -= paid
    w.total["takeover_value"] += share * f.V
    if action == "full":
        w.total["surplus_kept"] += max(0.0, f.V - f.D)
        w.total["shortfall"] += max(0.0, f.D - f.V)
        w.events["full_shortfall" if f.D > f.V else "full_surplus"] += 1
        w.events["full_with_perps"] += f.holds_perps
    w.events[action] += 1


def play_round(
    w: Any, rules: Mapping[str, Any], settings: Mapping[str, Any], t: int, k: int, now: float,
    dt: float,
) -> bool:  # fmt: skip
    """One round; False (and nothing done) when it has no effective action or k is the limit."""
    figs = [figures(a, w.mark, w.px, rules) for a in w.accounts]
    limited = k >= settings["round_limit"]
    can_take = k < max(1, math.floor(dt / rules["takeover_interval"] + 1e-9))
    actions: list[str | None] = []
    for a, f in zip(w.accounts, figs, strict=True):
        if a.kind == "portfolio":
            actions.append(portfolio_action(a, f, rules, k, can_take, w.events))
        else:
            actions.append(standard_action(f))
    orders = {
        n: plan_book(w, w.accounts[n], now, rules) for n, a in enumerate(actions) if a == "book"
    }
    to, q = rules["market_asset"], dict.fromkeys(w.books, 0.0)
    for planned in orders.values():
        for m, order in planned.items():
            q[to[m]] += order * w.mark[m]
    zeta = {a: book.fraction(q[a]) for a, book in w.books.items()}
    for n, planned in orders.items():
        if all(zeta[to[m]] == 0.0 for m in planned):
            w.empty_depth = True
            w.events["book_empty"] += 1
            actions[n] = "nothing"
    effective = any(a not in (None, "nothing") for a in actions)
    if limited and effective:
        w.round_limit = True
        w.events["round_limit"] += 1
        return False
    for n, f in enumerate(figs):
        if f.triggered or actions[n] is not None:
            record_first(w, t, n, f)
    if not effective:
        return False
    factor = {a: book.fill_factor(zeta[a] * q[a]) for a, book in w.books.items()}
    offers = []
    for a, f, action in zip(w.accounts, figs, actions, strict=True):
        a.paid = 0.0
        share = share_to_close(w, a.size, f.A) if action == "handover" else 0.0
        if share > 0.0:
            offers.append((a, share))
    winners = [n for n, f in enumerate(figs) if not f.triggered and actions[n] is None]
    deleverage(w, offers, figs, winners)
    for n, (a, f) in enumerate(zip(w.accounts, figs, strict=True)):
        action = actions[n]
        if action == "absorb":
            w.vault_cash += f.X
            w.total["shortfall"] -= f.X
            a.cash = 0.0
            w.events["absorb"] += 1
        elif action == "book":
            execute_book(w, a, orders[n], zeta, factor, now + rules["cooldown"], to)
        elif action == "handover":
            hand_over(w, a, f)
        elif action in ("partial", "full"):
            take_over(w, a, f, action)
    for a, book in w.books.items():
        book.execute(zeta[a] * q[a])
    return True
