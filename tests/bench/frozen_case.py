"""A frozen book for benchmarks: the engine's pytrees and the same numbers as plain arrays.

Every account is a portfolio account with a position in every market, collateral in two tokens, an
automatic loan and interest: the densest book there is. Markets have two margin tiers; some accounts
reach the second, some supply more than the cap that counts. Drawn with a seed.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from models.account import Account, Market
from models.margin import tiers_from_leverage
from models.venue import Assumptions, Funding, Lending, LiquidationRules, Venue
from stress.engine import FrozenBook
from stress.frozen import ACCOUNT_TILE, LANES, LENDS, in_precision, owners

TOKENS = 2
SECOND_TIER = 150_000.0  # USDC, notional where the higher maintenance rate begins
SUPPLY_CAP = 50_000.0  # tokens of 1 USDC that count as collateral of an account
BORROW_CAP = 250_000.0  # USDC
HOURLY = 0.01  # volatility of an hour's log return


@dataclass(frozen=True)
class Plain:
    """Float32 arrays for the peers, accounts last: `A` accounts, `M` markets, `C` tokens."""

    net_cash: np.ndarray  # [A]
    size: np.ndarray  # [M, A]
    inverse_leverage: np.ndarray  # [M, A]
    supplied: np.ndarray  # [C, A]
    equity: np.ndarray  # [A], now
    rate: np.ndarray  # [K, M]
    deduction: np.ndarray  # [K, M]
    ltv: np.ndarray  # [C]
    mark: np.ndarray  # [P, T, M]
    settlement: np.ndarray  # [P, T, M]
    token: np.ndarray  # [P, T, C]
    borrow_growth: np.ndarray  # [P, T]
    supply_growth: np.ndarray  # [P, T]
    free: np.ndarray  # [P, T]


@dataclass(frozen=True)
class Case:
    """The same book and paths, for the engine and for its peers."""

    venue: Venue
    book: FrozenBook
    market: Market
    plain: Plain

    @property
    def account_steps(self) -> int:
        """Accounts x paths x times after the first."""
        paths, times = self.plain.free.shape
        return self.plain.net_cash.size * paths * (times - 1)


def frozen_case(
    accounts: int,
    paths: int,
    markets: int = 8,
    steps: int = 24,
    path_tile: int = 128,
    hourly: float = HOURLY,
    seed: int = 1,
) -> Case:
    """Draws a book and paths.

    Args:
      accounts: number of accounts.
      paths: number of paths, a multiple of the path tile.
      markets: number of perpetual markets, all of price 1 USDC now.
      steps: hourly steps.
      path_tile: paths of a tile of the engine.
      hourly: volatility of an hour's log return.
      seed: of the draws.

    Returns:
      The case, float32.
    """
    rng = np.random.default_rng(seed)
    plain = _plain(rng, accounts, paths, markets, steps, hourly)
    tiers = tiers_from_leverage([[(0.0, 20.0), (SECOND_TIER, 10.0)]] * markets)
    venue = in_precision(_venue(markets, tiers), "float32")
    return Case(venue, _book(plain, path_tile), _market(plain), plain)


def _plain(rng, accounts: int, paths: int, markets: int, steps: int, hourly: float) -> Plain:
    """Margin of 3 to 40 % of the gross notional; a third of it comes from collateral."""
    gross = 10 ** rng.uniform(4, 6.2, accounts)
    size = rng.dirichlet(np.ones(markets), accounts).T * gross
    size *= rng.choice([-1.0, 1.0], size.shape)
    equity = gross * rng.uniform(0.07, 0.6, accounts)
    supplied = rng.uniform(0.1, 0.5, (TOKENS, accounts)) * equity
    cash = equity - 0.4 * supplied.sum(axis=0) - size.sum(axis=0)
    logs = np.cumsum(hourly * rng.standard_normal((paths, steps, markets)), axis=1)
    mark = np.exp(np.concatenate([np.zeros((paths, 1, markets)), logs], axis=1))
    token = 0.2 * mark[:, :, :1] + 0.8 * mark[:, :, : min(TOKENS, markets)]
    used = rng.uniform(0.6, 0.99, (paths, steps + 1))
    rate = (0.05 + 4.75 * np.maximum(used - 0.8, 0)) / 8760
    rate[:, 0] = 0
    tiers = tiers_from_leverage([[(0.0, 20.0), (SECOND_TIER, 10.0)]] * markets)
    given = {
        "net_cash": cash,
        "size": size,
        "inverse_leverage": rng.uniform(0.05, 0.3, size.shape),
        "supplied": supplied,
        "equity": cash + size.sum(axis=0) + supplied.sum(axis=0),
        "rate": np.asarray(tiers.rate),
        "deduction": np.asarray(tiers.deduction),
        "ltv": np.full(TOKENS, 0.5),
        "mark": mark,
        "settlement": mark - 1e-5 * np.arange(steps + 1)[None, :, None],
        "token": np.broadcast_to(token, (paths, steps + 1, TOKENS)),
        "borrow_growth": rate,
        "supply_growth": 0.9 * used * rate,
        "free": 1e8 * (1 - used) * (rng.random((paths, 1)) > 1 / 16),
    }
    return Plain(**{name: np.ascontiguousarray(x, np.float32) for name, x in given.items()})


def _venue(markets: int, tiers) -> Venue:
    one = jnp.ones(1)
    none = jnp.zeros(())
    return Venue(
        markets=tuple(f"M{m}" for m in range(markets)),
        settle=(0,) * markets,
        tokens=tuple(f"T{c}" for c in range(TOKENS)),
        quotes=("USDC",),
        tiers=tiers,
        ltv=jnp.full(TOKENS, 0.5),
        user_supply_cap=jnp.full(TOKENS, SUPPLY_CAP),
        global_supply_cap=jnp.full(TOKENS, jnp.inf),
        transfer_margin=jnp.asarray(0.1),
        lending=Lending(
            base_rate=0.05 * one,
            kink=0.8 * one,
            slope=4.75 * one,
            buffer_share=0.1 * one,
            global_supply_cap=jnp.inf * one,
            global_borrow_cap=jnp.inf * one,
            user_supply_cap=jnp.inf * one,
            user_borrow_cap=BORROW_CAP * one,
        ),
        liquidation=LiquidationRules(
            portfolio_trigger=jnp.asarray(0.95),
            cross_trigger=jnp.asarray(1.0),
            backstop_fraction=jnp.asarray(2 / 3),
            partial_notional=jnp.asarray(1e5),
            partial_share=jnp.asarray(0.2),
            cooldown=jnp.asarray(30 / 3600),
            takeover_share=jnp.asarray(0.2),
            takeover_interval=jnp.asarray(3 / 3600),
            twap_half_life=jnp.asarray(1.0),
        ),
        funding=Funding(interest=none, clamp=none, cap=none, interval=none + 8),
        assumptions=Assumptions(
            borrow_offset_floor=jnp.asarray(20.0),
            borrow_offset_additive=none,
            reserve_liquidity_limits_credit=jnp.asarray(1.0),
            rate_is_effective=none,
            takeover_at_partial_threshold=none,
            perps_first_probability=none,
        ),
    )


def _lenders(plain: Plain) -> np.ndarray:
    """Who only lends while all prices move by `LENDS` at most."""
    units, share = np.abs(plain.size), plain.inverse_leverage - 0.1
    kept = (units * plain.inverse_leverage).sum(0) * (1 + LENDS)
    idle = plain.net_cash + plain.size.sum(0) - LENDS * units.sum(0) > kept
    return idle & ((units * (share - LENDS * np.abs(share))).sum(0) > 0)


def _book(plain: Plain, path_tile: int) -> FrozenBook:
    """Tiles as `stress.frozen.freeze` makes them; one group of accounts."""
    accounts, (markets, _) = plain.net_cash.size, plain.size.shape
    room = (plain.equity - 0.35 * plain.supplied.sum(0)) / np.abs(plain.size).sum(0)
    order = np.lexsort((room, _lenders(plain)))  # as `stress.frozen.freeze`: alike in one tile
    place = np.argsort(order)
    tiles = -(-accounts // ACCOUNT_TILE)
    width = -(-accounts // tiles)
    width = -(-width // LANES) * LANES

    def tile(rows: np.ndarray) -> jax.Array:  # [F, A] -> [tiles, F, width]
        full = np.zeros((rows.shape[0], tiles * width), np.float32)
        full[:, :accounts] = rows[:, order]
        return jnp.asarray(np.moveaxis(full.reshape(-1, tiles, width), 1, 0))

    account = Account(
        markets=tuple(range(markets)),
        tokens=tuple(range(TOKENS)),
        portfolio=True,
        net_cash=tile(plain.net_cash[None]),
        size=tile(plain.size),
        inverse_leverage=tile(plain.inverse_leverage),
        supplied=tile(plain.supplied),
        shared_margin=tile(np.ones((1, accounts)))[:, 0],
    )
    none = jnp.zeros(0, int)
    return FrozenBook(
        accounts=(account,),
        entry=(tile(np.ones_like(plain.size)),),
        equity=(tile(plain.equity[None])[:, 0],),
        row=jnp.asarray(place),
        isolated_row=none,
        isolated_owner=none,
        group=jnp.zeros(accounts, int),
        groups=1,
        path_tile=path_tile,
        **owners(place, np.zeros(0, int), np.zeros(accounts, int), 1, tiles * width),
    )


def _market(plain: Plain) -> Market:
    """Leaves `[F, P, T]`."""

    def lead(x: np.ndarray) -> jax.Array:
        return jnp.asarray(np.moveaxis(x, -1, 0))

    one = jnp.ones((1, *plain.free.shape), jnp.float32)
    return Market(
        mark=lead(plain.mark),
        settlement=lead(plain.settlement),
        collateral_price=lead(plain.token),
        quote_price=one,
        borrow_growth=jnp.asarray(plain.borrow_growth)[None],
        supply_growth=jnp.asarray(plain.supply_growth)[None],
        borrow_index=one,
        supply_index=one,
        free_liquidity=jnp.asarray(plain.free)[None],
    )
