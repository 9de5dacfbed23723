"""What a dated venue file holds. `stress.venues` reads it; `VenueFile` prints its JSON Schema.

A constant always comes with its unit, its source and the date on which the source stated it.
"""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from stress.errors import InputError

Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Name = Annotated[str, Field(min_length=1)]


def _optional_in_schema(schema: dict[str, Any]) -> None:
    """A file that extends another states only what changed; the loader checks the whole."""
    schema.pop("required", None)


class Section(BaseModel):
    """Named constants or further sections; complete once the file that is extended is added."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_extra=_optional_in_schema)


class Source(BaseModel):
    """Where a constant was found."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    title: Name
    url: str = ""
    read: date = Field(description="the day on which it was read")


class Origin(BaseModel):
    """What every constant states beside its value and unit."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Name = Field(description="an entry of `sources`")
    as_of: date = Field(description="the day on which the source stated the value")
    note: str = ""


class Share(Origin):
    """Part of something, 0 to 1."""

    value: Annotated[Number, Field(ge=0, le=1)]
    unit: Literal["1"]


class Ratio(Origin):
    """A positive ratio."""

    value: Annotated[Number, Field(gt=0)]
    unit: Literal["1"]


class YearlyRate(Origin):
    """Interest per year; of a slope, per year and unit of utilization."""

    value: Annotated[Number, Field(ge=0)]
    unit: Literal["1/year"]


class HourlyRate(Origin):
    """Rate per hour."""

    value: Annotated[Number, Field(ge=0)]
    unit: Literal["1/h"]


class IntervalRate(Origin):
    """Funding rate per `funding.interval`."""

    value: Annotated[Number, Field(ge=0)]
    unit: Literal["1/interval"]


class Duration(Origin):
    """A length of time."""

    value: Annotated[Number, Field(gt=0)]
    unit: Literal["s", "min", "h"]


class Money(Origin):
    """An amount of USDC."""

    value: Annotated[Number, Field(ge=0)]
    unit: Literal["USDC"]


class Cap(Origin):
    """Greatest amount of a token; null where there is none. Its unit is the token."""

    value: Annotated[Number, Field(ge=0)] | None
    unit: Name


def _ascending(tiers: list[tuple[float, float]]) -> list[tuple[float, float]]:
    bounds, leverages = [b for b, _ in tiers], [m for _, m in tiers]
    if bounds[0] != 0 or sorted(set(bounds)) != bounds:
        raise InputError("", "", f"lower bounds {bounds}", "bounds that ascend from 0")
    if sorted(set(leverages), reverse=True) != leverages or leverages[-1] <= 0:
        raise InputError("", "", f"maximum leverages {leverages}", "positive leverages that fall")
    return tiers


class MarginTable(Origin):
    """Tiers as [lower bound of the notional in quote units, maximum leverage]."""

    value: Annotated[list[tuple[Number, Number]], Field(min_length=1), AfterValidator(_ascending)]
    unit: Literal["[USDC, 1]"]


class Market(Origin):
    """Name of the perpetual market's margin table."""

    value: Name
    unit: Literal["margin table"]


class Token(Section):
    """A token that counts as collateral."""

    underlying: Name = Field(description="the price it follows")
    ltv: Share
    user_supply_cap: Cap
    global_supply_cap: Cap


class Quote(Section):
    """A token that can be lent, borrowed and settled in."""

    underlying: Name = Field(description="the price it follows")
    global_supply_cap: Cap
    global_borrow_cap: Cap
    user_supply_cap: Cap
    user_borrow_cap: Cap


class LendingRules(Section):
    """Borrow rate base + slope * max(0, u - kink); supply rate = rate * u * (1 - buffer_share)."""

    base_rate: YearlyRate
    kink: Share
    slope: YearlyRate
    buffer_share: Share


class MarginRules(Section):
    """Margin beyond the tiers."""

    transfer_margin: Share
    min_borrow_offset: Money


class LiquidationSection(Section):
    """Who is liquidated, when and in which portions."""

    portfolio_trigger: Ratio
    cross_trigger: Ratio
    backstop_fraction: Share
    partial_notional: Money
    partial_share: Share
    cooldown: Duration
    takeover_share: Share
    takeover_interval: Duration
    twap_half_life: Duration


class FundingSection(Section):
    """F = premium + clamp(interest - premium, -clamp, clamp) per interval, capped per hour."""

    interest: IntervalRate
    clamp: IntervalRate
    cap: HourlyRate
    interval: Duration


class Fact(Origin):
    """A figure or word that no computation reads."""

    value: Number | str
    unit: Name


class Assumption(Origin):
    """A reading of the rules where the venue does not say."""

    value: bool | Name
    alternatives: Annotated[list[bool | Name], Field(min_length=1)] = Field(
        description="every value that may be chosen, this one included"
    )

    @model_validator(mode="after")
    def _offered(self) -> "Assumption":
        if not any(type(a) is type(self.value) and a == self.value for a in self.alternatives):
            offered = ", ".join(str(a) for a in self.alternatives)
            raise InputError("", "value", repr(self.value), f"one of its alternatives {offered}")
        return self


class VenueFile(Section):
    """The rules of one venue from one date on."""

    model_config = ConfigDict(
        title="hyperstress venue file",
        json_schema_extra={"required": ["venue", "date"]},
    )

    venue: Name
    date: date
    description: str = ""
    extends: str | None = Field(None, description="venue/date or file whose entries this changes")
    remove: list[str] = Field([], description="keys of the extended file that no longer hold")
    sources: dict[str, Source]
    tokens: dict[str, Token]
    quotes: dict[str, Quote]
    margin_tables: dict[str, MarginTable]
    markets: dict[str, Market]
    lending: LendingRules
    margin: MarginRules
    liquidation: LiquidationSection
    funding: FundingSection
    assumptions: dict[str, Assumption]
    facts: dict[str, Fact] = Field({}, description="for the reader; nothing computes with them")
    observations: dict[str, dict[str, dict[str, Fact]]] = Field(
        {}, description="date -> reserve -> figure, for the reader; not rules"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "VenueFile":
        for key, entry in entries(self):
            if entry.source not in self.sources:
                known = ", ".join(self.sources)
                raise InputError("", f"{key}.source", repr(entry.source), f"a source: {known}")
            if isinstance(entry, Cap) and entry.unit != (token := key.split(".")[1]):
                raise InputError("", f"{key}.unit", repr(entry.unit), token)
            if isinstance(entry, Market) and entry.value not in self.margin_tables:
                known = ", ".join(self.margin_tables)
                raise InputError("", f"{key}.value", repr(entry.value), f"a margin table: {known}")
        return self


def entries(node: object, key: str = "") -> Iterator[tuple[str, Origin]]:
    """Every constant and assumption below a node, with its key path."""
    if isinstance(node, Origin):
        yield key, node
    elif isinstance(node, (Section, dict)):
        items = node.items() if isinstance(node, dict) else iter(node)
        for name, child in items:
            yield from entries(child, f"{key}.{name}" if key else str(name))
