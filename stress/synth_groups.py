"""Groups that hold collateral: loopers and carry traders."""

import numpy as np

from stress.errors import InputError
from stress.synth_draft import (
    Draft,
    draw,
    eligible_value,
    keep_healthy,
    probabilities,
    relative_size,
)
from stress.synth_margin import credits, fill
from stress.synth_spec import Carry, Looper


def carry(draft: Draft, name: str, group: Carry) -> None:
    """Spot long as collateral against a perp short in the same underlying.

    The short was opened at the spot purchase; its loss since then is X < 0, that is the loan.
    """
    rules, rng, rows = draft.rules, draft.rngs[name], draft.rows[name]
    shares = dict(group.collateral)
    number = rng.choice(len(shares), len(rows), p=probabilities(list(shares.values())))
    hedge, gain, cash = (draw(rng, x, len(rows)) for x in (group.hedge, group.gain, group.cash))
    leverage = draw(rng, group.leverage, len(rows))
    weight = relative_size(rng, group.size, len(rows))
    for k, (token, share) in enumerate(shares.items()):
        c, m = rules.tokens.index(token), _market_of(draft, token)
        mine, here = rows[number == k], number == k
        total = share * draft.spec.observed.reserves[token].supplied
        # X per unit of collateral value: cash less the short's loss.
        exposure = hedge[here] * rules.mark[m] / rules.price[c]
        equity = exposure * (cash[here] - gain[here] / (1 + gain[here]))
        cap = eligible_value(draft) / (rules.price[c] * (1 + np.maximum(equity, 0)))
        units = fill(weight[here], np.minimum(cap, rules.supply_cap[c]), total)
        if units is None:
            found = f"{share:.0%} of the supplied {token} above what {here.sum()} accounts may hold"
            raise draft.infeasible(name, found, "a lower collateral share, or more accounts")
        draft.supplied[mine, c] = units
        draft.size[mine, m] = -hedge[here] * units
        draft.leverage[mine, m] = np.clip(np.ceil(leverage[here]), 1, rules.max_leverage[m])
        draft.gain[mine, m] = gain[here]
        draft.equity[mine] = equity * units * rules.price[c]
    keep_healthy(draft, rows)


def looper_collateral(draft: Draft) -> None:
    """Shares out the collateral that the other groups leave of each observed reserve."""
    loopers = {n: g for n, g in draft.spec.population.items() if isinstance(g, Looper)}
    for c, token in enumerate(draft.rules.tokens):
        names = [name for name, group in loopers.items() if group.token == token]
        left = draft.spec.observed.reserves[token].supplied - draft.supplied[:, c].sum()
        if not names:
            raise draft.infeasible("", f"no looper of {token}", "a looper group for every token")
        rows = np.concatenate([draft.rows[name] for name in names])
        weight, cap = [], []
        for name in names:
            group, count = loopers[name], len(draft.rows[name])
            weight.append(relative_size(draft.rngs[name], group.size, count))
            loan = group.draw.low * draft.rules.ltv[c]
            cap.append(np.full(count, eligible_value(draft) / (draft.rules.price[c] * (1 - loan))))
        limit = np.minimum(np.concatenate(cap), draft.rules.supply_cap[c])
        units = fill(np.concatenate(weight), limit, left)
        if units is None:
            found = f"{left:,.0f} {token} left for {len(rows)} accounts"
            allowed = f"from 0 to {limit.sum():,.0f} {token} within caps and eligibility"
            raise draft.infeasible(names[0], found, allowed)
        draft.supplied[rows, c] = units


def looper_loans(draft: Draft, total: float) -> None:
    """Draws every looper's loan; one shift of the draws' logit makes them add up to the total."""
    rows, base, low, high, caution = [], [], [], [], []
    for name, group in draft.spec.population.items():
        if isinstance(group, Looper):
            count = len(draft.rows[name])
            rows.append(draft.rows[name])
            base.append(draft.rngs[name].beta(group.draw.a, group.draw.b, count))
            low.append(np.full(count, group.draw.low))
            high.append(np.full(count, group.draw.high))
            caution.append(np.full(count, group.caution))
    mine, share, least, most, fall = (np.concatenate(x) for x in (rows, base, low, high, caution))
    capacity, credit = credits(draft.rules, draft.supplied[mine])
    limit = draft.spec.assumed.greatest_margin_ratio * credit
    share = np.clip(share, 1e-12, 1 - 1e-12)
    odds = share / (1 - share) * (capacity / np.median(capacity)) ** -fall

    def loans(shift: float) -> np.ndarray:
        moved = odds * np.exp(shift)
        draw = least + (most - least) * moved / (1 + moved)
        return np.minimum(draw * capacity, np.minimum(limit, draft.rules.borrow_cap))

    below, above = -30.0, 30.0
    if not loans(below).sum() <= total <= loans(above).sum():
        found = f"{total:,.0f} {draft.rules.quote} of loans left for {len(mine)} loopers"
        allowed = f"from {loans(below).sum():,.0f} to {loans(above).sum():,.0f} by their draws"
        name = next(n for n, g in draft.spec.population.items() if isinstance(g, Looper))
        raise draft.infeasible(name, found, allowed)
    for _ in range(80):
        middle = (below + above) / 2
        below, above = (middle, above) if loans(middle).sum() < total else (below, middle)
    draft.equity[mine] = -loans((below + above) / 2)


def _market_of(draft: Draft, token: str) -> int:
    """Market whose short hedges a token: that of its name, less a leading U (UBTC: BTC)."""
    for name in (token, token.removeprefix("U")):
        if name in draft.rules.markets:
            return draft.rules.markets.index(name)
    found = f"collateral {token} without a market"
    raise InputError(draft.file, "population", found, ", ".join(draft.rules.markets))
