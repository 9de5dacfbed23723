"""What a scenario may lay on top of its processes; each entry of `overlays` holds one of these."""

from typing import Annotated, Literal

from pydantic import Field, Tag, model_validator

from stress.campaign_parts import (
    BY_KIND,
    Assets,
    Correlation,
    Finite,
    Hours,
    Part,
    Return,
    Share,
    SomeHours,
)
from stress.errors import InputError
from stress.scenarios.overlays import SHAPES

Sizes = Annotated[
    Annotated[dict[str, Return], Tag("mapping")] | Annotated[Return, Tag("plain")], BY_KIND
]


class Targeted(Part):
    """An overlay on some assets, with one size for all or a mapping with one each."""

    asset: Assets = "all"
    size: Sizes

    @model_validator(mode="after")
    def _one_size_or_one_each(self) -> "Targeted":
        if isinstance(self.size, dict) and self.asset != "all":
            raise InputError("", "asset", repr(self.asset), "no asset where size names them")
        return self


class Crash(Targeted):
    """A fall of prices on top of the process, with a partial recovery."""

    at: Hours = 0.0
    over: Hours = 0.0
    shape: Literal[SHAPES] = "linear"  # type: ignore[valid-type]
    recovery: Annotated[Finite, Field(ge=0, le=2)] = 0.0
    recovery_over: Hours = 0.0


class Event(Part):
    """A recorded course of prices, or a level of the severity grid, from a calibration file."""

    name: str  # key path in the file, such as events.crash_2020_03_12 or severity.severe
    calibration: str = "calibration/events"
    at: Hours = 0.0
    scale: Finite = 1.0  # of its log moves
    betas: dict[str, Finite] = {}  # of assets that the file does not know, to BTC


class Pulse(Part):
    """A course in time: builds up over `over`, holds, then fades with a half-life or stays."""

    at: Hours = 0.0
    over: Hours = 0.0
    hold: Hours = 0.0
    half_life: SomeHours | None = None


class Depeg(Pulse):
    """USDT/USDC leaves its peg; above 0: USDC is worth less, below 0: USDT is."""

    size: Return


class BasisBlowout(Pulse, Targeted):
    """Marks of perpetuals leave the oracle: mark / oracle is 1 + size times today's."""


class DepthCollapse(Pulse):
    """The order book thins to a share of its depth and refills."""

    asset: Assets = "all"
    to: Annotated[Finite, Field(gt=0, le=1)]


class FundingSpike(Pulse):
    """Premium of perpetuals over the oracle, added to the scenario's."""

    asset: Assets = "all"
    premium: Finite


class OracleLag(Part):
    """The oracle shows prices of some time ago.

    With feedback, what it passes on of displaced marks stands still meanwhile.
    """

    asset: Assets = "all"
    lag: SomeHours
    at: Hours = 0.0
    over: SomeHours | None = None


class OracleOutage(Part):
    """The oracle keeps the price of the moment it fell silent."""

    asset: Assets = "all"
    at: Hours
    over: SomeHours


class CorrelationShift(Part):
    """Correlations of the shocks move towards a level: (1 - weight) rho + weight level."""

    level: Correlation
    weight: Share = 1.0
    at: Hours = 0.0
    over: SomeHours | None = None


class LenderRun(Part):
    """Suppliers want to take a share of a reserve out; below 0 they bring one."""

    token: str = "USDC"
    share: Annotated[Finite, Field(ge=-10, lt=1)]
    at: Hours = 0.0
    over: SomeHours = 1.0


class BorrowerSurge(Part):
    """Outside borrowing grows by a share of today's; below 0 it is repaid."""

    token: str = "USDC"
    share: Annotated[Finite, Field(gt=-1)]
    at: Hours = 0.0
    over: SomeHours = 1.0


class Overlay(Part):
    """One overlay; exactly one of the keys."""

    crash: Crash | None = None
    event: Event | None = None
    correlation: CorrelationShift | None = None
    depeg: Depeg | None = None
    basis_blowout: BasisBlowout | None = None
    depth_collapse: DepthCollapse | None = None
    oracle_lag: OracleLag | None = None
    oracle_outage: OracleOutage | None = None
    funding_spike: FundingSpike | None = None
    lender_run: LenderRun | None = None
    borrower_surge: BorrowerSurge | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> "Overlay":
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            allowed = "exactly one of " + ", ".join(type(self).model_fields)
            raise InputError("", "", " and ".join(given) or "none", allowed)
        return self
