"""What a cascade carries along its paths.

Axes: `p` paths of a tile, `n` margin accounts of a group, `N` of the book, group after group, `M`
markets, `C` collateral tokens, `A` assets. Account figures are in the precision of the run,
everything of a path is float64.
"""

import itertools
from dataclasses import dataclass, field
from typing import Any

import jax
from jaxtyping import Array, Bool, Float, Int

from models.account import Account
from models.impact import Impact
from models.ledger import Parties
from models.liquidation import Holding
from models.reserve import Reserve
from models.venue import Venue
from stress.utilization_model import Spike, UtilizationModel

Paths = Float[Array, "p"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Backstops:
    """Settings of vault and takeover backstop, USDC."""

    vault_capital: Float[Array, ""]
    vault_lent_share: Float[Array, ""]  # 1, part of the capital that is lent to the reserve
    takeover_capital: Float[Array, ""]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Setting:
    """Everything of a cascade that does not change along a path."""

    market_asset: tuple[int, ...] = field(metadata={"static": True})
    token_asset: tuple[int, ...] = field(metadata={"static": True})  # -1: none
    lending: str = field(metadata={"static": True})  # react, book or process
    round_limit: int = field(metadata={"static": True})
    seats: int | None = field(default=None, metadata={"static": True})  # None: by the book
    driver: int = field(metadata={"static": True})  # asset whose return moves lenders; -1: none
    rules: Venue  # in the precision of the run
    venue: Venue  # float64, for path-level arithmetic
    impact: Impact
    backstops: Backstops
    pool: UtilizationModel | None  # with `react`: how outside lenders and borrowers answer
    spike: Spike | None


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Group:
    """Margin accounts of one structure, leaves `[..., n]`."""

    account: Account
    entry: Float[Array, "m n"]  # quote units per contract
    equity: Float[Array, "n"]  # USDC now, collateral included


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Roster:
    """All margin accounts of a book: by structure for what is asked of everybody, and in one row.

    The row has every market, and every token where anybody borrows; zeros where an account has no
    such position.
    """

    kinds: tuple[bool, ...] = field(metadata={"static": True})  # of `Account.portfolio` that occur
    groups: tuple[Group, ...]
    account: Account  # leaves [..., N]; its `portfolio` is True where any is
    portfolio: Bool[Array, "N"]
    entry: Float[Array, "M N"]
    equity: Float[Array, "N"]

    @property
    def borrowing(self) -> tuple[Group, ...]:
        """Groups from the first on that can borrow."""
        return tuple(itertools.dropwhile(lambda group: not group.account.portfolio, self.groups))

    @property
    def lone(self) -> int:
        """Accounts before those: none of them borrows or lends."""
        return self.equity.shape[0] - sum(group.equity.shape[0] for group in self.borrowing)


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Prices:
    """What is quoted on each path."""

    mark: Float[Array, "M p"]
    oracle: Float[Array, "M p"]
    token: Float[Array, "C p"]  # as the oracle shows it
    spot: Float[Array, "C p"]  # as it sells
    x: Float[Array, "A p"]  # displacement of marks by our own trades, log
    passed: Float[Array, "A p"]  # part of it that the oracle shows
    paid: Float[Array, "M p"]  # funding that a long has paid per contract since the start


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Record:
    """What was seen of each account at its first liquidation, leaves `[p, N]`."""

    first: Float[Array, "p N"]  # time index, +inf: never
    equity: Float[Array, "p N"]  # USDC, collateral included
    loan: Float[Array, "p N"]
    notional: Float[Array, "p N"]
    collateral: Float[Array, "p N"]
    ratio: Float[Array, "p N"]
    partial: Bool[Array, "p N"]  # through the book, or in part by the takeover
    full: Bool[Array, "p N"]  # by the vault, or whole by the takeover


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Measures:
    """Sums over a path, USDC where nothing else is said."""

    book_notional: Paths
    backstop_notional: Paths
    takeover_value: Paths
    adl_notional: Paths
    shortfall: Paths  # negative account values at handover, loans beyond collateral
    paid_adl: Paths
    paid_vault: Paths  # handed to the vault after deleveraging
    paid_takeover: Paths
    paid_buffer: Paths
    paid_suppliers: Paths
    uncovered: Paths
    slippage: Paths
    margin_kept: Paths
    surplus_kept: Paths
    rounds: Paths  # effective rounds
    most_rounds: Paths  # of one step
    hours_full: Paths
    queued: Paths  # most at any time
    refused: Paths  # most draws refused at any time
    peak_utilization: Paths
    overshoot: Float[Array, "A p"]  # greatest absolute displacement, log
    first_value: Float[Array, "A p"]  # liquidated for the first time, by asset
    caused: Float[Array, "A A p"]  # part of it that the impact of an asset (first axis) caused
    caused_value: Paths  # part of all of it that impact caused


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class State:
    """State of a tile of paths between steps."""

    held: Holding  # leaves [..., p, N]; funding since the start not in the cash
    contracts: Float[Array, "M p"]  # of all accounts together
    record: Record
    prices: Prices
    transient: Float[Array, "A p"]  # USDC of flow
    permanent: Float[Array, "A p"]
    level: Float[Array, "A p"]  # log price with displacement, relative to the start
    average: Float[Array, "A p"]  # recent log price, from which depth measures deviations
    depth: Float[Array, "A p"]
    vault_cash: Paths
    vault_size: Float[Array, "M p"]
    takeover_cash: Paths
    takeover_capital: Paths
    takeover_held: Float[Array, "C p"]
    reserve: Reserve
    outside: Any  # `PoolState` of the reserve with `react`, else None
    parties: Parties
    measures: Measures
    round_limit: Bool[Array, "p"]
    empty_depth: Bool[Array, "p"]


@jax.tree_util.register_dataclass
@dataclass(frozen=True, kw_only=True)
class Now:
    """What the world outside brings at one time, leaves `[F, p]` and `[p]`."""

    index: Int[Array, ""]
    time: Float[Array, ""]  # hours
    hours: Float[Array, ""]  # of the step that ends here
    next_hours: Float[Array, ""]  # of the step that begins here
    log: Float[Array, "A p"]  # log price relative to the start
    mark: Float[Array, "M p"]
    oracle: Float[Array, "M p"]
    token: Float[Array, "C p"]  # as the oracle shows it
    spot: Float[Array, "C p"]  # as it sells
    funding: Float[Array, "M p"]  # per hour, in force over the step that ends here
    depth: Float[Array, "A p"]  # 1, multiplier on top of what moves of the price leave
    live: Bool[Array, "A p"]  # the oracle shows this very time
    supply: Paths  # wanted, whole reserve
    borrow: Paths
    draws: Float[Array, "k p"]  # normals of the reserve, with `react`
    borrow_growth: Paths  # with `process`
    supply_growth: Paths
    free: Paths
