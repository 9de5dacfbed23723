"""Total size of a cascade against the Borel law, and against fixed points of a smooth book.

Accounts of one size stand at exponential distances below the price, and every liquidation moves the
price by the same amount: each triggers a Poisson number of others, so from one account on the total
is Borel distributed.
"""

import dataclasses
import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from cascade_engine_cases import setting_of

from models.account import Account
from stress import cascade
from stress.cascade import Now, play
from stress.cascade_book import roster_of
from stress.cascade_state import Group

STEP = 1e-7  # log price per liquidation: so small that notional does not fall on the way
PRICE, SIZE, CASH = 100.0, 1.0, 1e9
RULES = {
    "tiers": {"S": [(0, 50)]}, "ltv": {"S": 0.5}, "user_supply_cap": {}, "user_borrow_cap": 1e9,
    "global_borrow_cap": 1e9, "min_borrow_offset": 20.0, "offset_mode": "none",
    "reserve_liquidity_limits_credit": True, "takeover_starts_at": "pmr", "cooldown": 30 / 3600,
    "takeover_interval": 3 / 3600, "twap_half_life": 1 / 6, "partial_notional": 1e5,
    "market_asset": {"S": "S"}, "token_asset": {"S": "S"},
}  # fmt: skip


def settings(depth: float, rounds: int) -> dict:
    return {
        "impact": {"S": {"shape": "linear", "depth": depth}}, "volatility": {"S": 0.05},
        "reach": 5.0, "permanent_share": 0.5, "half_life": 1e9, "pass_through": 1.0,
        "depth_collapse": 0.0, "depth_half_life": 1.0, "depth_floor": 1.0, "vault_capital": CASH,
        "vault_lent_share": 0.0, "takeover_capital": 0.0, "round_limit": rounds, "lending": "book",
    }  # fmt: skip


def triggers_to_cash(falls: np.ndarray) -> np.ndarray:
    """Raw cash of a long of SIZE that is liquidated where the log price has fallen by `falls`."""
    price = PRICE * np.exp(-falls)
    return 0.01 * SIZE * price - SIZE * price  # X = MM at that price


def world(shock: np.ndarray) -> Now:
    """One time, now, with the price fallen by `shock` on each path."""
    paths = len(shock)
    one, price = jnp.ones((1, paths)), jnp.array(PRICE * np.exp(-shock))[None, None]
    flat = jnp.zeros((1, paths))
    return Now(
        index=jnp.arange(1), time=jnp.zeros(1), hours=jnp.zeros(1), next_hours=jnp.zeros(1),
        log=jnp.array(-shock)[None, None], mark=price, oracle=price, token=price,
        spot=price, funding=0 * price, depth=one[None], live=one[None] > 0,
        supply=one, borrow=0 * one, draws=jnp.zeros((1, 0, paths)), borrow_growth=flat,
        supply_growth=flat, free=flat,
    )  # fmt: skip


def group_of(cash: np.ndarray) -> Group:
    n = len(cash)
    account = Account(
        markets=(0,), tokens=(), portfolio=False, net_cash=jnp.array(cash)[None],
        size=jnp.full((1, n), SIZE), inverse_leverage=jnp.full((1, n), 0.1),
        supplied=jnp.zeros((0, n)), shared_margin=jnp.zeros(n),
    )  # fmt: skip
    return Group(account=account, entry=jnp.full((1, n), PRICE), equity=jnp.zeros(n))


def liquidated(falls: np.ndarray, shock: np.ndarray, depth: float, rounds: int):
    """Accounts liquidated on each path, and the displacement, `[p]` each."""
    setting = setting_of(RULES, settings(depth, rounds))
    group = group_of(triggers_to_cash(falls))
    order = jnp.ones((len(shock), len(falls)), bool)
    state, seen = jax.jit(play)(setting, (group,), order, world(shock))
    count = np.isfinite(np.asarray(state.record.first)).sum(axis=1)
    return count, np.asarray(seen.x[0, 0]), np.asarray(state.round_limit)


@pytest.mark.parametrize(
    ("offspring", "tests"), [(0.8, ("P(size=1)", "P(>100)")), (0.9, ("P(>100)",))]
)
def test_total_size_is_borel(shared, offspring, tests):
    text = (shared / "validation" / "reference_values.json").read_text()
    given = json.loads(text)["borel_branching_total_size"][f"n=.{round(10 * offspring)}"]
    rng = np.random.default_rng(5)
    paths, accounts = 12_000, 130
    gaps = rng.exponential(STEP / offspring, (paths, accounts))
    sizes = _sizes(gaps)
    sample = {"P(size=1)": sizes == 1, "P(>100)": sizes > 100}
    for name in tests:
        want = given[name]
        error = np.sqrt(want * (1 - want) / paths)
        assert abs(sample[name].mean() - want) < 4 * error
    wrong = _sizes(gaps / 1.1)  # a tenth more offspring
    seen = {"P(size=1)": wrong == 1, "P(>100)": wrong > 100}[tests[0]].mean()
    want = given[tests[0]]
    assert abs(seen - want) > 4 * np.sqrt(want * (1 - want) / paths)


def _sizes(gaps: np.ndarray) -> np.ndarray:
    """Liquidations of every row of gaps by the engine: rows follow each other in one book."""
    rows, width = gaps.shape
    result = []
    for block in range(0, rows, 3000):
        part = gaps[block : block + 3000]
        result.append(_run_rows(part, width))
    return np.concatenate(result)


def _run_rows(part: np.ndarray, width: int) -> np.ndarray:
    """One path a row: every path has its own cash, so the book is given path by path."""
    setting = setting_of(RULES, settings(SIZE * PRICE / STEP, 400))
    falls = np.concatenate([np.zeros((len(part), 1)), np.cumsum(part[:, 1:], axis=1)], axis=1)
    group = group_of(np.zeros(width))
    order = jnp.ones((len(part), width), bool)
    shock = np.full(len(part), 1e-12)  # just beyond the first account
    played = _played()(setting, group, order, world(shock), jnp.array(triggers_to_cash(falls)))
    first, limit = played
    assert not np.asarray(limit).any()
    return np.isfinite(np.asarray(first)).sum(axis=1)


def _played():
    """`play` from a state in which each path has balances of its own."""

    def run(setting, group, order, series, cash):
        first = jax.tree.map(lambda x: x[0], series)
        roster = roster_of(setting, (group,))
        state = cascade.start(setting, roster, first)
        state = dataclasses.replace(state, held=dataclasses.replace(state.held, cash=cash))
        state = cascade.step(setting, roster, order, first, state)
        return state.record.first, state.round_limit

    return jax.jit(run)


@pytest.mark.parametrize("kappa", [0.5, 0.8, 0.9])
def test_smooth_books_reach_the_linear_fixed_point(kappa):
    """Accounts at equal distances: the engine stops at s / (1 - kappa), to the distance of two."""
    accounts, shock = 4000, 1e-5
    reach = 1.3 * shock / (1 - kappa)
    falls = (np.arange(accounts) + 0.5) * reach / accounts
    depth = SIZE * PRICE * accounts / reach / kappa  # displacement of the accounts per fall
    count, x, limit = liquidated(falls, np.array([shock]), depth, 4000)
    total = shock - x[0]
    assert total == pytest.approx(shock / (1 - kappa), abs=1.5 * reach / accounts / (1 - kappa))
    assert count[0] == pytest.approx(accounts / 1.3, abs=2 / (1 - kappa))
    assert not limit.any()
    few = liquidated(falls, np.array([shock]), depth, 3)
    assert few[2].all() and few[0][0] < count[0]  # the limit is a status, not an end in silence
