"""Auto-deleveraging: what losers offer, who fills it, at which price (rules, section 5.6)."""

from collections.abc import Mapping, Sequence

from cascade_oracle_figures import Figures
from cascade_oracle_state import Account, World

Offers = dict[tuple[int, int], float]  # (market, side of the losers) -> contracts


def closing_price(world: World, m: int) -> float:
    """Positions are closed at the previous mark."""
    return world.prev_mark[m]


def offer(world: World, size: Sequence[float], value: float) -> tuple[float, list[bool]]:
    """What a party of negative value offers.

    Args:
      world: previous mark and mark.
      size: signed contracts per market.
      value: A < 0, USDC.

    Returns:
      phi, the share of its positions it offers, and in which markets it does.
    """
    gains = [max(0.0, s * (world.prev_mark[m] - world.mark[m])) for m, s in enumerate(size)]
    total = sum(gains)
    return (min(1.0, -value / total) if total > 0 else 0.0), [g > 0 for g in gains]


def add_offer(offers: Offers, size: Sequence[float], phi: float, where: Sequence[bool]) -> None:
    """Add one party's contracts to what its side offers."""
    for m, s in enumerate(size):
        if phi > 0 and where[m]:
            key = (m, 1 if s > 0 else -1)
            offers[key] = offers.get(key, 0.0) + phi * abs(s)


def rank(world: World, account: Account, f: Figures, m: int) -> float:
    """Rank of a winner: profit factor times leverage; the highest is closed first."""
    mark, entry, size = world.mark[m], account.entry[m], account.size[m]
    profit = mark / entry if size > 0 else entry / mark
    return profit * (abs(size) * mark / f.net)


def close_winner(world: World, account: Account, m: int, contracts: float) -> None:
    """A winner closes contracts of its position at the closing price."""
    sign = 1.0 if account.size[m] > 0 else -1.0
    account.cash += contracts * sign * closing_price(world, m)
    left = abs(account.size[m]) - contracts
    account.size[m] = sign * left if left > 0 else 0.0


def deleverage(
    world: World, offers: Offers, candidates: Sequence[tuple[Account, Figures]]
) -> Mapping[tuple[int, int], float]:
    """Winners close against what is offered, in rank order, the last one in part.

    Args:
      world: at the marking of now.
      offers: contracts per market and side of the losers.
      candidates: accounts that did nothing and are not triggered, in account order.

    Returns:
      Filled share per market and side.
    """
    shares = {}
    for (m, side), contracts in sorted(offers.items()):
        found = [
            (-rank(world, a, f, m), n, a)
            for n, (a, f) in enumerate(candidates)
            if f.net > 0
            and a.size[m] * side < 0
            and a.size[m] * (world.prev_mark[m] - a.entry[m]) > 0
        ]
        left = contracts
        for _, _, a in sorted(found, key=lambda item: item[:2]):
            if left <= 0:
                break
            closed = min(left, abs(a.size[m]))
            left -= closed
            close_winner(world, a, m, closed)
            world.measure["paid_adl"] += closed * -side * (world.mark[m] - world.prev_mark[m])
        filled = contracts - left
        world.measure["adl_notional"] += filled * world.prev_mark[m]
        world.events["adl_unfilled" if left > 0 else "adl_filled"] += 1
        shares[(m, side)] = filled / contracts
    return shares


def close_loser(
    world: World, size: list[float], phi: float, where: Sequence[bool], shares: Mapping
) -> tuple[float, float]:
    """A loser closes its filled contracts; `size` is changed in place.

    Returns:
      Cash it receives, and how much better that is than the mark.
    """
    cash = gain = 0.0
    for m, s in enumerate(size):
        if not (phi > 0 and where[m]):
            continue
        part = phi * shares[(m, 1 if s > 0 else -1)]
        cash += part * s * closing_price(world, m)
        gain += part * s * (closing_price(world, m) - world.mark[m])
        size[m] = s * (1.0 - part)
    return cash, gain
