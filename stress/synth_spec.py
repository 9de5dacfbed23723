"""What a population spec holds. `stress.synth` builds the book; `PopulationFile` is its schema.

Observed figures carry their source and date, assumed ones a rationale.
"""

from datetime import date
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from stress.book_schema import Moment, Name
from stress.errors import InputError

Number = Annotated[float, Field(allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
OpenShare = Annotated[float, Field(gt=0, lt=1)]


class Part(BaseModel):
    """Base of a spec's parts."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Observed(Part):
    """A figure that somebody recorded."""

    source: Name
    as_of: date | Name = Field(description="a date; text where it is not known to the day")
    note: str = ""


class ObservedPrice(Observed):
    """Perpetual mark and reserve oracle price, USDC."""

    mark: Positive
    oracle: Positive


class ObservedReserve(Observed):
    """Tokens of a lending reserve."""

    supplied: Amount
    borrowed: Amount


class ObservedInterest(Observed):
    """Open interest of a market, contracts: the sum of the longs, and of the shorts."""

    contracts: Positive


class ObservedLimit(Observed):
    """Account value below which an account may use portfolio margin, USDC."""

    value: Positive


class ObservedFigures(Part):
    """What the book has to match."""

    prices: dict[str, ObservedPrice]
    reserves: dict[str, ObservedReserve]
    open_interest: dict[str, ObservedInterest]
    eligible_account_value: ObservedLimit


class Pareto(Part):
    """Relative size with tail P(size > x) = x^-alpha."""

    kind: Literal["pareto"]
    alpha: Positive


class LogNormal(Part):
    """exp of a normal; as a relative size its median does not matter."""

    kind: Literal["lognormal"]
    sigma: Positive
    median: Positive = 1.0
    low: Amount = 0.0
    high: Positive = 1e300


class Normal(Part):
    """A normal, cut off (clipped) at both ends."""

    kind: Literal["normal"]
    mean: Number
    sigma: Positive
    low: Number
    high: Number


class Uniform(Part):
    """Uniform between two values."""

    kind: Literal["uniform"]
    low: Number
    high: Number


class Beta(Part):
    """A beta variable stretched over [low, high]."""

    kind: Literal["beta"]
    a: Positive
    b: Positive
    low: Number = 0.0
    high: Number = 1.0


Size = Annotated[Pareto | LogNormal, Field(discriminator="kind")]
Law = Annotated[LogNormal | Normal | Uniform | Beta, Field(discriminator="kind")]


class Group(Part):
    """What every group states."""

    share: OpenShare = Field(description="of the accounts")
    size: Size = Field(description="relative size of its accounts")
    rationale: Name = Field(description="why the assumed figures of this group")


class Looper(Group):
    """Portfolio accounts with collateral and a loan: they take up what is left of both."""

    kind: Literal["looper"]
    token: Name
    draw: Beta = Field(
        description="loan over value * LTV; the book's loans are matched by moving its logit"
    )
    caution: Amount = Field(
        0.0, description="fall of the draw's logit when collateral is e times as large"
    )


class Carry(Group):
    """Portfolio accounts: spot long as collateral, perp short against it."""

    kind: Literal["carry"]
    collateral: dict[str, Share] = Field(description="token -> share of the reserve's supply")
    hedge: Law = Field(description="perp short over collateral")
    gain: Law = Field(description="mark / entry price - 1 of the short: its loss is the loan")
    cash: Law = Field(description="own quote balance over the short's notional")
    leverage: Law = Field(description="selected")


class Isolation(Part):
    """One position of some accounts is isolated."""

    probability: Share
    margin: Law = Field(description="margin over notional / selected leverage")


class Collateral(Part):
    """Part of the equity of some accounts is collateral."""

    probability: Share
    reserves: dict[str, Share] = Field(description="token -> share of the reserve's supply")
    part: Law = Field(description="relative weight of collateral over equity; positive")
    greatest: Positive = Field(description="collateral over equity, at most; above 1 is a loan")


class Trader(Group):
    """Accounts with perps in one or several markets."""

    kind: Literal["trader"]
    mode: Literal["portfolio", "unified", "cross"]
    notional: Share | None = Field(
        description="share of all positions' notional; null: what the others leave of open interest"
    )
    exposure: Literal["directional", "neutral"]
    markets: Annotated[list[Amount], Field(min_length=1)] = Field(
        description="weights of holding 1, 2, 3, ... markets; neutral accounts hold at least 2"
    )
    leverage: Law = Field(description="notional over equity")
    headroom: Law = Field(description="selected leverage over notional / equity, at least")
    entry: Law = Field(description="mark / entry price - 1")
    long: Share = Field(0.5, description="probability that a directional account is long")
    conviction: Share = Field(1.0, description="probability that one of its markets goes its way")
    isolated: Isolation | None = None
    collateral: Collateral | None = None


class Lender(Group):
    """Accounts that only lend the quote token: what the observed supply leaves."""

    kind: Literal["lender"]


AnyGroup = Annotated[Looper | Carry | Trader | Lender, Field(discriminator="kind")]


class Assumed(Part):
    """Assumptions about the whole book."""

    greatest_margin_ratio: OpenShare = Field(description="no account starts above it")
    greatest_position: OpenShare = Field(description="share of a market's open interest")
    eligibility_margin: OpenShare = Field(
        description="portfolio accounts stay below this share of the eligible account value"
    )
    rationale: Name


class PopulationFile(Part):
    """A synthetic population scaled to observed totals."""

    model_config = ConfigDict(title="hyperstress population")

    name: Name
    description: str = ""
    as_of: Moment
    venue: Name
    accounts: Annotated[int, Field(ge=1, le=10_000_000)]
    seed: Annotated[int, Field(ge=0)]
    observed: ObservedFigures
    assumed: Assumed
    population: Annotated[dict[str, AnyGroup], Field(min_length=1)]

    @model_validator(mode="after")
    def _consistent(self) -> "PopulationFile":
        total = sum(group.share for group in self.population.values())
        if abs(total - 1) > 1e-9:
            found = f"shares that add up to {total:g}"
            raise InputError("", "population", found, "shares that add up to 1")
        traders = [g for g in self.population.values() if isinstance(g, Trader)]
        fillers = [trader for trader in traders if trader.notional is None]
        for filled, what in (
            (len(fillers) == 1, "one trader group with notional: null"),
            (any(isinstance(g, Looper) for g in self.population.values()), "a looper group"),
            (any(isinstance(g, Lender) for g in self.population.values()), "a lender group"),
        ):
            if not filled:
                raise InputError("", "population", "no group that takes up the rest", what)
        for name, group in self.population.items():
            if isinstance(group, Trader) and group.collateral and group.mode != "portfolio":
                key, found = f"population.{name}.collateral", f"collateral of {group.mode} accounts"
                raise InputError("", key, found, "collateral of portfolio accounts")
            if isinstance(group, Trader) and not sum(group.markets):
                raise InputError("", f"population.{name}.markets", "no weight", "a positive weight")
        return self
