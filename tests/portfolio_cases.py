"""Portfolio figures of random accounts: the kernels' in one batch, and the oracles' of each."""

import jax
import jax.numpy as jnp
import numpy as np
import oracles
from margin_cases import (
    QUOTES,
    accounts_of,
    market_of,
    random_account,
    random_prices,
    random_rules,
    venue_of,
)

from models import portfolio
from models.account import margin_state

COUNT = 150  # accounts of a rule book


def figures(venue, account, market):
    """Everything an account shows, as a dict of scalars and `[Q]` arrays."""
    state = margin_state(venue, account, market)
    loans = [portfolio.desired_loan(venue, market, state, q) for q in range(len(QUOTES))]
    needs = portfolio.requirements(
        venue, account, market, state, loans if account.portfolio else ()
    )
    borrow = [r.borrow for r in needs]
    credit = [portfolio.liquidation_credit(venue, market, state, borrow, q) for q in range(2)]
    available = portfolio.available_after_maintenance(venue, market, state)
    return {
        "X": jnp.stack(state.equity),
        "MM": jnp.stack(state.maintenance),
        "N": jnp.stack(state.notional),
        "R": jnp.stack(state.transfer),
        "b": jnp.stack(borrow),
        "C_ltv": state.borrow_capacity,
        "C_full": state.full_credit,
        "C_liq": jnp.stack(credit) * market.quote_price,
        "available": jnp.stack(available),
        "loan": jnp.stack(loans),
        "idle": jnp.stack([portfolio.idle_balance(state, q) for q in range(2)]),
        "health": portfolio.health_factor(state, loans, market),
        "ratio": portfolio.margin_ratio(needs),
        "excess": portfolio.excess(venue, account, needs),
    }


batch = jax.jit(jax.vmap(figures, in_axes=(None, -1, None)))


def draw(seed, mode, count=COUNT, **changes):
    rng = np.random.default_rng(seed)
    rules, prices = random_rules(rng, **changes), random_prices(rng)
    accounts = [
        random_account(rng, rules, prices, mode, positions=bool(rng.random() < 0.8))
        for _ in range(count)
    ]
    return rules, prices, accounts


def computed(rules, prices, accounts):
    got = batch(venue_of(rules), accounts_of(accounts), market_of(prices))
    return {name: np.asarray(value) for name, value in got.items()}


def reference(account, prices, rules, name):
    """A figure of the oracle for every quote token."""
    state = oracles.portfolio_state(account, prices, rules)["quotes"]
    return [state[q][name] for q in QUOTES]


def ratio_of(account, prices, rules):
    """Oracle ratio; an additive offset needs a debt or a maintenance margin to be added to."""
    quotes = oracles.portfolio_state(account, prices, rules)["quotes"].values()
    moot = rules["offset_mode"] == "additive"
    return max(0.0 if moot and q["MM"] == 0 and q["X"] >= 0 else q["ratio"] for q in quotes)


def gross(account, prices):
    """Money that passes through an account, for rounding."""
    size = sum(abs(p["size"]) * prices["mark"][p["market"]] for p in account["positions"])
    return size + sum(abs(c) for c in account["cash"].values())
