"""A synthetic population scaled to observed totals.

Four totals are matched, each by the group that takes up what the others leave of it: collateral by
loopers' holdings, open interest by the filling traders, loans by loopers' draws, supply of the
quote token by lenders. No account starts liquidatable, none is above its caps.
"""

import dataclasses
from typing import Any

import numpy as np

from stress.book import Book, DexCash, Isolated, make_book
from stress.errors import InputError
from stress.files import suggest, validate
from stress.synth_draft import Draft, relative_size
from stress.synth_groups import carry, looper_collateral, looper_loans
from stress.synth_margin import Rules, credits, fill, maintenance, pool_use, transfer_margin
from stress.synth_spec import AnyGroup, Carry, Lender, Looper, PopulationFile, Trader
from stress.synth_traders import trader
from stress.venue_files import VenueBook, load_venue


def build_book(
    spec: object, file: object = "population", *, venue: VenueBook | None = None
) -> Book:
    """Builds the book of a population spec.

    Args:
      spec: content of the spec, see `PopulationFile`.
      file: named in messages.
      venue: rule book; None takes the one the spec names.

    Returns:
      The book. The same spec gives the same book; a group draws from its own stream, so that
      adding another leaves its draws as they are.

    Errors:
      Raises InputError for a malformed spec, and for totals that the groups cannot meet within the
      caps (naming the group, what is left for it and what it can hold).
    """
    plan = validate(PopulationFile, spec, file)
    venue = venue or load_venue(plan.venue)
    rules = _rules(plan, venue, file)
    draft = _draft(plan, rules, file)
    population = plan.population
    for name, group in population.items():
        if isinstance(group, Carry):
            carry(draft, name, group)
    traders = [(n, g) for n, g in population.items() if isinstance(g, Trader)]
    for name, group in sorted(traders, key=lambda item: item[1].notional is None):  # fillers last
        trader(draft, name, group)
    looper_collateral(draft)
    loans, idle = _pool(draft)
    reserve = plan.observed.reserves[rules.quote]
    looper_loans(draft, reserve.borrowed - loans)
    _lend(draft, reserve.supplied - idle)
    _check_eligible(draft)
    return _book(draft, venue)


def _rules(plan: PopulationFile, venue: VenueBook, file: object) -> Rules:
    """The venue's figures on the spec's markets and tokens."""
    listed, observed = venue.file, plan.observed
    quote = next(iter(listed.quotes))
    markets = tuple(observed.open_interest)
    tokens = tuple(token for token in observed.reserves if token not in listed.quotes)
    for key, names, known in (
        ("observed.open_interest", markets, list(listed.markets)),
        ("observed.reserves", tokens, [*listed.tokens, *listed.quotes]),
    ):
        for name in names:
            if name not in known:
                raise InputError(file, f"{key}.{name}", "an unknown name", suggest(name, known))
    for key, name in [("reserves", quote), *(("prices", name) for name in (*markets, *tokens))]:
        if name not in getattr(observed, key):
            raise InputError(file, f"observed.{key}.{name}", "nothing", "this figure")
    for name, group in plan.population.items():
        for token in _tokens_of(group):
            if token not in tokens:
                where = f"population.{name}"
                raise InputError(file, where, f"the token {token!r}", suggest(token, tokens))
        if isinstance(group, Trader) and group.exposure == "neutral" and len(markets) < 2:
            where = f"population.{name}.exposure"
            raise InputError(file, where, "neutral in one market", "directional, or more markets")
    caps, lending = [listed.tokens[t].user_supply_cap.value for t in tokens], listed.quotes[quote]
    return Rules(
        markets=markets,
        tokens=tokens,
        quote=quote,
        mark=np.array([observed.prices[m].mark for m in markets]),
        tiers=tuple(
            tuple((b, v) for b, v in listed.margin_tables[listed.markets[m].value].value)
            for m in markets
        ),
        price=np.array([observed.prices[t].oracle for t in tokens]),
        ltv=np.array([listed.tokens[t].ltv.value for t in tokens]),
        supply_cap=np.array([_cap(cap) for cap in caps]),
        borrow_cap=_cap(lending.user_borrow_cap.value),
        lend_cap=_cap(lending.user_supply_cap.value),
        transfer_margin=listed.margin.transfer_margin.value,
    )


def _tokens_of(group: AnyGroup) -> list[str]:
    """Collateral tokens that a group names."""
    if isinstance(group, Looper):
        return [group.token]
    if isinstance(group, Carry):
        return list(group.collateral)
    return list(group.collateral.reserves) if isinstance(group, Trader) and group.collateral else []


def _draft(plan: PopulationFile, rules: Rules, file: object) -> Draft:
    """Empty accounts, shared out among the groups by largest remainder."""
    exact = np.array([group.share for group in plan.population.values()]) * plan.accounts
    counts = np.floor(exact + 1e-9).astype(int)
    order = np.argsort(-(exact - counts), kind="stable")
    counts[order[: plan.accounts - counts.sum()]] += 1
    if counts.min() < 1:
        name = list(plan.population)[int(counts.argmin())]
        found = f"no account of {plan.accounts}"
        raise InputError(file, f"population.{name}.share", found, "at least one account")
    ends = np.cumsum(counts)
    users, markets = plan.accounts, len(rules.markets)
    names = list(plan.population)
    return Draft(
        spec=plan,
        rules=rules,
        file=file,
        rows={n: np.arange(e - c, e) for n, c, e in zip(names, counts, ends, strict=True)},
        # By name: another group changes nobody else's draws.
        rngs={n: np.random.default_rng([plan.seed, *n.encode()]) for n in names},
        size=np.zeros((users, markets)),
        leverage=np.ones((users, markets)),
        gain=np.zeros((users, markets)),
        supplied=np.zeros((users, len(rules.tokens))),
        equity=np.zeros(users),
    )


def _pool(draft: Draft) -> tuple[float, float]:
    """Loans and idle supply of the portfolio accounts that trade, quote units."""
    rows = np.concatenate(
        [
            draft.rows[name]
            for name, group in draft.spec.population.items()
            if isinstance(group, Carry) or (isinstance(group, Trader) and group.mode == "portfolio")
        ]
        or [np.zeros(0, dtype=int)]
    )
    notional = np.abs(draft.size[rows]) * draft.rules.mark
    loan, idle = pool_use(
        draft.rules,
        draft.equity[rows],
        transfer_margin(draft.rules, notional, draft.leverage[rows]),
        maintenance(draft.rules, notional).sum(axis=1),
        credits(draft.rules, draft.supplied[rows])[0],
    )
    return float(loan.sum()), float(idle.sum())


def _lend(draft: Draft, total: float) -> None:
    """Shares out among the lenders what the observed supply leaves."""
    groups = {n: g for n, g in draft.spec.population.items() if isinstance(g, Lender)}
    rows = np.concatenate([draft.rows[name] for name in groups])
    weight = np.concatenate(
        [relative_size(draft.rngs[n], g.size, len(draft.rows[n])) for n, g in groups.items()]
    )
    amount = fill(weight, np.full(len(rows), draft.rules.lend_cap), total)
    if amount is None:
        found = f"{total:,.0f} {draft.rules.quote} of supply left for {len(rows)} lenders"
        allowed = f"from 0 to {len(rows) * draft.rules.lend_cap:,.0f} within the user cap"
        raise draft.infeasible(next(iter(groups)), found, allowed)
    draft.equity[rows] = amount


def _check_eligible(draft: Draft) -> None:
    """Refuses a portfolio account that the health of its positions lifted above the limit."""
    value = draft.equity + draft.supplied @ draft.rules.price
    for part in draft.isolated:
        gain = part["size"] * (draft.rules.mark[part["market"]] - part["entry_price"])
        np.add.at(value, part["account"], part["margin_balance"] + gain)
    limit = draft.spec.observed.eligible_account_value.value
    for name, group in draft.spec.population.items():
        trades = isinstance(group, Trader) and group.mode == "portfolio"
        if trades or isinstance(group, (Carry, Looper)):
            most = float(value[draft.rows[name]].max())
            if most >= limit:
                found = f"an account of {most:,.0f} USDC"
                raise draft.infeasible(name, found, f"less than {limit:,.0f}; lower its leverage")


def _book(draft: Draft, venue: VenueBook) -> Book:
    """The draft as a book; cash is what its equity and its positions' gains leave."""
    spec, rules = draft.spec, draft.rules
    markets, tokens = np.argsort(rules.markets), np.argsort(rules.tokens)  # axes are sorted
    held = draft.size != 0
    entry = np.where(held, rules.mark / (1 + draft.gain), 0)
    profit = (draft.size * (rules.mark - entry)).sum(axis=1)
    quotes = tuple(venue.file.quotes)
    cash = np.zeros((spec.accounts, len(quotes)))
    cash[:, 0] = draft.equity - profit
    modes, groups, ids = (np.empty(spec.accounts, dtype=object) for _ in range(3))
    for name, group in spec.population.items():
        rows = draft.rows[name]
        lender = isinstance(group, Lender)
        modes[rows] = (
            group.mode if isinstance(group, Trader) else "lender" if lender else "portfolio"
        )
        groups[rows] = name
        digits = len(str(len(rows)))
        ids[rows] = [f"{name}-{n:0{digits}d}" for n in range(1, len(rows) + 1)]
    prices = spec.observed.prices
    return make_book(
        name=spec.name,
        as_of=spec.as_of,
        venue=spec.venue,
        marks={name: price.mark for name, price in prices.items()},
        oracles={name: price.oracle for name, price in prices.items()},
        token_prices=dict.fromkeys(quotes, 1.0)
        | {name: prices[name].oracle for name in (*rules.tokens, *quotes) if name in prices},
        reserves={k: (r.supplied, r.borrowed) for k, r in spec.observed.reserves.items()},
        ids=ids.astype(str),
        modes=modes.astype(str),
        groups=groups.astype(str),
        quotes=quotes,
        cash=cash,
        tokens=tuple(rules.tokens[c] for c in tokens),
        supplied=draft.supplied[:, tokens],
        markets=tuple(rules.markets[m] for m in markets),
        size=draft.size[:, markets],
        entry_price=entry[:, markets],
        leverage=np.where(held, draft.leverage, 1)[:, markets],
        isolated=_isolated(draft, np.argsort(markets)),
        dex_cash=DexCash(
            account=np.zeros(0, int), dex=np.zeros(0, str), cash=np.zeros((0, len(quotes)))
        ),
        max_leverage={},
        margin_tables={},
        settle={},
        reported={},
    )


def _isolated(draft: Draft, column: np.ndarray) -> Isolated:
    """The draft's isolated positions by account, markets renumbered."""
    empty = {"account": np.zeros(0, int), "market": np.zeros(0, int)}
    parts = [{f.name: empty.get(f.name, np.zeros(0)) for f in dataclasses.fields(Isolated)}]
    parts += draft.isolated
    joined: dict[str, Any] = {
        key: np.concatenate([part[key] for part in parts]) for key in parts[0]
    }
    order = np.argsort(joined["account"], kind="stable")
    joined["market"] = column[joined["market"]]
    return Isolated(**{key: values[order] for key, values in joined.items()})


def _cap(value: float | None) -> float:
    return np.inf if value is None else value
