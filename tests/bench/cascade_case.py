"""A synthetic cascade that the engine and its peers all play: book, world, rules, outcome.

A restriction of the engine's work, small enough to be written a second and a third time:

- one quote token; cross and unified accounts that hold perpetuals, no collateral, so no loans, no
  takeover and an idle reserve;
- one market per asset, two margin tiers, linear impact with a part that stays and one that decays,
  depth that neither collapses nor runs out;
- no position is in profit, so nobody can be deleveraged, and the vault's capital is never used up.

What is left is real: funding, orders in parts with a cooldown, handover to the vault, whose
inventory is sold by TWAP, and impact that brings the next account down, three rounds a step.
Axes: `n` accounts, `M` markets, `T` times (0 = now), `P` paths. Money in USDC, time in hours.
"""

import dataclasses
from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from models.account import Account
from stress.cascade_state import Group, Now, Setting
from stress.engine import FrozenBook
from stress.frozen import owners
from tests.cascade_engine_cases import setting_of

LEVERAGE = ((10.0, 5.0), (5.0, 3.0))  # greatest, below and above the tier's bound; by turns
BOUND = 1e6  # USDC of notional where the second tier begins
VAULT_CAPITAL = 1e12  # USDC, never used up
STRESS = {"stressed": 0.82, "quiet": 0.29}  # about 17 % of accounts; under 1 % of paths and steps
HOURLY = 0.01  # volatility per square root of an hour
COMMON = 0.6  # correlation of any two assets


class Rules(NamedTuple):
    """Rules and impact as plain numbers; a tuple, since Numba reads those."""

    rate: np.ndarray  # 1, maintenance rate by tier and market, [2, M]
    deduction: np.ndarray  # USDC, [2, M]
    coefficient: np.ndarray  # 1 per USDC of flow, [M]
    pass_through: np.ndarray  # 1, part of the displacement that the oracle shows, [M]
    permanent_share: float = 0.3
    half_life: float = 0.5  # hours, of the flow that decays
    cross_trigger: float = 1.0  # maintenance / equity
    unified_trigger: float = 0.95
    backstop_fraction: float = 2 / 3
    partial_notional: float = 1e5  # USDC
    partial_share: float = 0.2
    cooldown: float = 30 / 3600  # hours
    twap_half_life: float = 1 / 6  # hours
    round_limit: int = 3


@dataclass(frozen=True, kw_only=True)
class Case:
    """Book, world and rules as plain arrays."""

    cash: np.ndarray  # USDC less size * entry price, [n]
    size: np.ndarray  # contracts, signed, [M, n]
    unified: np.ndarray  # bool [n]
    hours: np.ndarray  # of the step that ends at each time, [T]
    mark: np.ndarray  # USDC per contract without our own trades, [P, T, M]
    oracle: np.ndarray  # likewise
    funding: np.ndarray  # per hour, in force over the step that ends, [P, T, M]
    rules: Rules

    @property
    def account_steps(self) -> int:
        """Paths x steps x accounts."""
        paths, times, _ = self.mark.shape
        return paths * (times - 1) * len(self.cash)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What every contender returns."""

    liquidated: np.ndarray  # accounts that became liquidatable, [P]
    book_notional: np.ndarray  # USDC executed against the order book, [P]
    backstop_notional: np.ndarray  # USDC handed to the vault, [P]
    slippage: np.ndarray  # USDC paid for impact, [P]
    bad_debt: np.ndarray  # USDC, negative equity at the first liquidation, [P]
    shortfall: np.ndarray  # USDC, negative equity that the vault took over, [P]
    vault_profit: np.ndarray  # USDC, cash and positions at the last mark, [P]
    displacement: np.ndarray  # log distance of the mark from the one without our trades, [P, M]
    by_account: np.ndarray  # paths on which each account was liquidated, [n]


def rules_of(markets: int, depth: float) -> Rules:
    """Rules of `markets` markets; `depth` USDC of flow move a price by 100 %."""
    low, high = np.array([LEVERAGE[m % len(LEVERAGE)] for m in range(markets)]).T
    rate = np.stack([1 / (2 * low), 1 / (2 * high)])
    deduction = np.stack([np.zeros(markets), BOUND * (rate[1] - rate[0])])
    return Rules(
        rate=rate,
        deduction=deduction,
        coefficient=1 / (depth * np.linspace(1.5, 0.5, markets)),
        pass_through=np.full(markets, 0.5),
    )


def make_case(
    *, accounts: int, markets: int, paths: int, steps: int, stress: float, seed: int = 1,
    depth: float = 3e8, hourly: float = HOURLY, dtype: type = np.float32,
) -> Case:  # fmt: skip
    """A book of mostly long accounts along correlated hourly prices.

    Args:
      accounts: `n`.
      markets: `M`.
      paths: `P`.
      steps: of one hour; `T` is one more.
      stress: 1, the greatest ratio of maintenance to equity that an account starts with.
      seed: of everything.
      depth: USDC of flow that move a price by 100 %, about.
      hourly: volatility per square root of an hour.
      dtype: of the accounts; the same numbers in every precision.

    Returns:
      The case.
    """
    rng = np.random.default_rng(seed)
    start, rules = np.geomspace(5e4, 0.5, markets), rules_of(markets, depth)
    held = rng.random((markets, accounts)).argsort(axis=0) < rng.integers(1, 5, accounts)
    notional = np.exp(rng.normal(np.log(4e4), 1.4, (markets, accounts))).clip(1e2, 5e6) * held
    side = np.where(rng.random((markets, accounts)) < 0.7, 1, -1)
    need = np.max(rules.rate[:, :, None] * notional - rules.deduction[:, :, None], axis=0).sum(0)
    ratio = rng.uniform(0.1 * stress, stress, accounts)
    cash = need / ratio - (side * notional).sum(axis=0)

    def normals(columns):
        return rng.normal(size=(paths, steps, columns))

    moves = np.sqrt(COMMON) * normals(1) + np.sqrt(1 - COMMON) * normals(markets)
    logs = np.concatenate([np.zeros((paths, 1, markets)), hourly * moves.cumsum(axis=1)], axis=1)
    mark = start * np.exp(logs)
    return Case(
        cash=cash.astype(np.float32).astype(dtype),
        size=(side * notional / start[:, None]).astype(np.float32).astype(dtype),
        unified=rng.random(accounts) < 0.5,
        hours=np.r_[0.0, np.ones(steps)],
        mark=mark,
        oracle=mark * np.exp(rng.normal(0, 5e-4, mark.shape)),
        funding=rng.normal(1.25e-5, 5e-5, mark.shape),
        rules=rules,
    )


@dataclass(frozen=True, kw_only=True)
class EngineInputs:
    """Arguments of `stress.cascade_block.run_cascade` but keys, `valid` and the tile."""

    setting: Setting
    book: FrozenBook
    groups: tuple[Group, ...]
    series: Now


def engine_inputs(case: Case) -> EngineInputs:
    """The case as pytrees of the engine, accounts in the precision of the case."""
    n, dtype = len(case.cash), case.cash.dtype
    group = _group(case, dtype)
    rows, none = jnp.arange(n), jnp.zeros(0, jnp.int64)
    book = FrozenBook(
        accounts=(group.account,), entry=(group.entry,), equity=(group.equity,),
        row=rows, isolated_row=none, isolated_owner=none, group=0 * rows, groups=1, path_tile=1,
        **owners(np.arange(n), np.zeros(0, int), np.zeros(n, int), 1, n),
    )  # fmt: skip
    return EngineInputs(
        setting=_setting(case.rules, dtype), book=book, groups=(group,), series=_series(case)
    )


def _group(case: Case, dtype) -> Group:
    markets, n = case.size.shape
    account = Account(
        markets=tuple(range(markets)),
        tokens=(),
        portfolio=False,
        net_cash=jnp.asarray(case.cash[None]),
        size=jnp.asarray(case.size),
        inverse_leverage=jnp.full((markets, n), 0.2),
        supplied=jnp.zeros((0, n)),
        shared_margin=jnp.asarray(case.unified * 1.0),
    )
    # Bought above and sold below any price of the paths: nobody is in profit, nobody deleveraged.
    entry = np.where(case.size > 0, 100.0, 0.01) * case.mark[0, 0][:, None]
    equity = case.cash + case.mark[0, 0] @ case.size
    leaves = {"net_cash", "size", "inverse_leverage", "supplied", "shared_margin"}
    cast = {name: getattr(account, name).astype(dtype) for name in leaves}
    return Group(
        account=dataclasses.replace(account, **cast),
        entry=jnp.asarray(entry, dtype),
        equity=jnp.asarray(equity, dtype),
    )


def _setting(rules: Rules, dtype) -> Setting:
    markets = [f"M{m}" for m in range(rules.rate.shape[1])]
    bounds = rules.deduction[1] / (rules.rate[1] - rules.rate[0])
    tiers = {
        name: [(0.0, 0.5 / float(low)), (round(float(bound)), 0.5 / float(high))]
        for name, low, high, bound in zip(markets, *rules.rate, bounds, strict=True)
    }
    venue = {
        "tiers": tiers, "ltv": {}, "user_supply_cap": {}, "user_borrow_cap": 5e7,
        "global_borrow_cap": 5e8, "min_borrow_offset": 20.0, "offset_mode": "floor",
        "reserve_liquidity_limits_credit": True, "takeover_starts_at": "pmr",
        "cooldown": rules.cooldown, "takeover_interval": 3 / 3600,
        "twap_half_life": rules.twap_half_life, "partial_notional": rules.partial_notional,
        "market_asset": {m: m for m in markets}, "token_asset": {},
    }  # fmt: skip
    impact = {
        m: {"shape": "linear", "depth": 1 / c}
        for m, c in zip(markets, rules.coefficient, strict=True)
    }
    settings = {
        "impact": impact, "volatility": dict.fromkeys(markets, 0.05), "reach": 50.0,
        "permanent_share": rules.permanent_share, "half_life": rules.half_life,
        "pass_through": rules.pass_through[0], "depth_collapse": 0.0, "depth_half_life": 1.0,
        "depth_floor": 0.1, "vault_capital": VAULT_CAPITAL, "vault_lent_share": 0.0,
        "takeover_capital": 0.0, "round_limit": rules.round_limit, "lending": "book",
    }  # fmt: skip
    return setting_of(venue, settings, dtype)


def _series(case: Case) -> Now:
    paths, times, markets = case.mark.shape
    wide = {
        name: jnp.asarray(np.moveaxis(getattr(case, name), 0, -1))
        for name in ("mark", "oracle", "funding")
    }
    one = jnp.ones((times, paths))
    return Now(
        index=jnp.arange(times),
        time=jnp.cumsum(jnp.asarray(case.hours)),
        hours=jnp.asarray(case.hours),
        next_hours=jnp.asarray(np.append(case.hours[1:], 0.0)),
        log=jnp.log(wide["mark"] / wide["mark"][:1]),
        token=one[:, None][:, :0],
        spot=one[:, None][:, :0],
        depth=jnp.ones((times, markets, paths)),
        live=jnp.ones((times, markets, paths), bool),
        supply=4e8 * one,
        borrow=2.5e8 * one,
        draws=0 * one[:, None],
        borrow_growth=0 * one,
        supply_growth=0 * one,
        free=0 * one,
        **wide,
    )
