"""Random paths, accounts that walk them, and how far kernels and oracles disagree about them.

48 hours of wild prices, funding, dear money and reserves that run dry. Interest of an account with
positions stops at its first liquidation in the kernel, so money is compared up to it.
"""

import functools
from typing import Any

import engine_oracle
import jax
import jax.numpy as jnp
import numpy as np
import oracles
from margin_cases import (
    MARKETS,
    QUOTES,
    SETTLE,
    TOKENS,
    accounts_of,
    random_account,
    random_prices,
    random_rules,
    venue_of,
)

from models.account import Market, margin_state
from models.step import reached, settle, start, step

STEPS, COUNT = 48, 60
NO_CAPS: dict[str, Any] = {"user_borrow_cap": {}}


def random_path(rng, prices, loan):
    """Prices that wander and jump together; utilization up to 1; little left to lend."""
    common, own = rng.normal(0, 0.02, STEPS), rng.normal(0, 0.02, (5, STEPS))
    jump = rng.normal(0, 0.25, STEPS) * (rng.random(STEPS) < 0.03)

    def line(k, start):
        return start * np.exp(np.concatenate([[0], np.cumsum(common + own[k] + jump)]))

    marks = {m: line(k, prices["mark"][m]) for k, m in enumerate(MARKETS)}
    borrow = {"USDC": np.ones(STEPS + 1), "USDT0": np.linspace(1, rng.uniform(0.9, 1), STEPS + 1)}
    borrow |= {"UBTC": marks["BTC"] * 1.001, "HYPE": marks["HYPE"] * 0.999}
    use = np.minimum(1, rng.uniform(0.5, 1.1) + 0.1 * np.cumsum(rng.normal(0, 0.3, STEPS + 1)))
    use = np.maximum(use, 0.1)
    room = loan * rng.choice([0.1, 10.0])
    return {
        "mark": marks,
        "oracle": {m: v * 1.01 for m, v in marks.items()},
        "borrow": borrow,
        "utilization": {"USDC": use, "USDT0": np.full(STEPS + 1, 0.9)},
        "premium": {m: float(rng.normal(0, 2e-3)) for m in MARKETS},
        "free": dict.fromkeys(QUOTES, room * (1 - use)),
    }


def cases(seed, mode, *, positions=True, isolated=False, **changes):
    """Rules, accounts that start healthy, and a path each."""
    rng = np.random.default_rng(seed)
    rules = random_rules(rng, min_borrow_offset=20.0, **changes)
    accounts, paths = [], []
    while len(accounts) < COUNT:
        prices = random_prices(rng)
        account = random_account(rng, rules, prices, mode, positions)
        if positions and not account["positions"]:
            continue
        if isolated:
            account["positions"] = account["positions"][:1]
        judge = oracles.portfolio_state if mode == "portfolio" else oracles.standard_state
        if judge(account, prices, rules)["liquidatable"] and rng.random() < 0.95:
            continue
        path = random_path(rng, prices, 1e4 + sum(map(abs, account["cash"].values())))
        settled = {SETTLE[p["market"]] for p in account["positions"]}
        for quote in set(QUOTES) - settled:
            del path["free"][quote]  # old debt never draws anew; the oracle's rounding might
        accounts.append(account)
        paths.append(path)
    return rules, accounts, paths


def markets_of(paths):
    """The kernels' market, leaves `[T, F, n]`, from the oracles' rates."""

    def stack(rows):
        return jnp.array([np.stack(row) for row in rows]).transpose(2, 1, 0)

    def paid(path, m):
        rate = oracles.funding_rate(path["premium"][m])
        return np.concatenate([[0], np.cumsum(rate * path["oracle"][m])[:-1]])

    def growths(curve):
        """Factor of the step that ends, 1 at the start."""

        def of(path, q):
            rates = [oracles.growth_factor(curve(u), 1.0) for u in path["utilization"][q][:-1]]
            return np.array([1.0, *rates])

        return [[of(p, q) for q in QUOTES] for p in paths]

    def index(rows):
        return [[np.cumprod(factors) for factors in row] for row in rows]

    borrow, supply = growths(oracles.borrow_rate), growths(oracles.supply_rate)
    none = np.full(STEPS + 1, np.inf)
    return Market(
        mark=stack([[p["mark"][m] for m in MARKETS] for p in paths]),
        settlement=stack([[p["mark"][m] - paid(p, m) for m in MARKETS] for p in paths]),
        collateral_price=stack([[p["borrow"][t] for t in TOKENS] for p in paths]),
        quote_price=stack([[p["borrow"][q] for q in QUOTES] for p in paths]),
        borrow_growth=stack(borrow) - 1,
        supply_growth=stack(supply) - 1,
        borrow_index=stack(index(borrow)),
        supply_index=stack(index(supply)),
        free_liquidity=stack([[p.get("free", {}).get(q, none) for q in QUOTES] for p in paths]),
    )


@jax.jit
def played(venue, accounts, markets):
    """First passage, equity and loan at every time, flags, and the settlement."""
    each = jax.vmap(step, in_axes=(None, -1, -1, -1, None), out_axes=-1)
    seen = jax.vmap(margin_state, in_axes=(None, -1, -1, -1), out_axes=-1)
    fresh = jax.vmap(start, in_axes=-1, out_axes=-1)(accounts)

    def body(passage, now):
        index, shown = now
        after = each(venue, accounts, passage, shown, index)
        equity = jnp.stack(seen(venue, accounts, shown, after.accrued).equity)
        return after, (equity, tuple(jnp.maximum(owed, 0) for owed in after.pool))

    last, (equity, loan) = jax.lax.scan(body, fresh, (jnp.arange(STEPS + 1.0), markets))
    at = jnp.minimum(last.first, STEPS).astype(int)
    shown = jax.tree.map(lambda x: x[at, :, jnp.arange(at.shape[0])].T, markets)
    end = jax.vmap(settle, in_axes=(None, -1, -1, -1), out_axes=-1)(venue, accounts, last, shown)
    flags = jax.vmap(reached, in_axes=-1, out_axes=-1)(accounts, last)
    return last.first, equity, loan, flags, end


def run(rules, accounts, paths, positions=True):
    """The kernels' outcome, as NumPy arrays."""
    pytree = accounts_of(accounts, positions=positions)
    return jax.tree.map(np.asarray, played(venue_of(rules), pytree, markets_of(paths)))


def without_free(path):
    """A reserve that lends without end."""
    return {name: value for name, value in path.items() if name != "free"}


def has_plain_debt(account):
    """Whether it has positions, and cash or debt in a token in which it has none.

    There the kernel calls the debt full at its liquidation credit, the oracle at the full
    threshold; `models.step.reached` knows one meaning for an account with positions.
    """
    settled = {SETTLE[p["market"]] for p in account["positions"]}
    return bool(settled) and any(c and q not in settled for q, c in account["cash"].items())


def disagreements(rules, accounts, paths, positions=True):
    """Accounts whose first passage, money or flags differ from the oracle's, and what was seen."""
    first, equity, loan, (partial, full), end = run(rules, accounts, paths, positions)
    wrong, seen = [], {"liquidated": 0, "refused": 0, "full": 0, "borrowing": 0, "survived": 0}
    for k, (account, path) in enumerate(zip(accounts, paths, strict=True)):
        known = path if rules.get("reserve_liquidity_limits_credit", True) else without_free(path)
        want = oracles.simulate_path(account, known, rules, interest_needs_liquidity=False)
        index = want["first_liquidatable"]
        last = STEPS if index is None else index
        gross = sum(
            abs(p["size"]) * path["mark"][p["market"]].max() for p in account["positions"]
        ) + sum(map(abs, account["cash"].values()))
        close = functools.partial(np.isclose, rtol=1e-9, atol=1e-12 * gross)
        x = np.array([[e.get(q, 0.0) for q in QUOTES] for e in want["equity"]])
        same = first[k] == (np.inf if index is None else index)
        same &= bool(close(equity[: last + 1, :, k], x[: last + 1]).all())
        owed = np.array([[v.get(q, 0.0) for q in QUOTES] for v in want["loan"]])
        if loan:
            mine = np.stack([part[:, k] for part in loan], axis=1)
            same &= bool(close(mine[: last + 1], owed[: last + 1]).all())
        settled = engine_oracle.full(account, path, rules, want)
        same &= full[k] >= settled if has_plain_debt(account) else full[k] == settled
        if account["mode"] == "portfolio" and not account["positions"]:
            same &= partial[k] == (want["first_partial"] is not None)
        price = np.array([path["borrow"][q][last] for q in QUOTES])
        value = sum(n * path["borrow"][t][last] for t, n in account["supplied"].items())
        same &= bool(close(end.equity[k], x[last] @ price + value))
        same &= bool(close(end.loan[k], owed[last] @ price))
        if not same:
            wrong.append(k)
        seen["liquidated"] += index is not None and index > 0
        seen["refused"] += index is not None and want["refused"][index]
        seen["full"] += bool(full[k])
        seen["borrowing"] += bool((owed > 0).any())
        seen["survived"] += index is None
    return wrong, seen
