"""What a campaign file may say. Ranges are checked here, sense in `stress.config`."""

from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Tag,
)

from stress.campaign_parts import (
    BY_KIND,
    IN_SCHEMA,
    Finite,
    Hours,
    Name,
    Part,
    Share,
    SomeHours,
)
from stress.cascade_schema import CascadeSection
from stress.decide.compare_schema import Compare
from stress.decide.rates_schema import Rates
from stress.decide.sensitivity_schema import Sensitivity
from stress.errors import InputError
from stress.estimator_schema import Estimator, Event
from stress.overlay_schema import Overlay
from stress.process_schema import Prices, Wander
from stress.validation import describe


class Reserve(Part):
    """Level of one reserve."""

    initial: Annotated[Finite, Field(gt=0, le=1)] | None = None
    long_run: Annotated[Finite, Field(gt=0, lt=1)] | None = None


class Utilization(BaseModel):
    """Process of the lending pool; other keys are quote tokens with their utilization."""

    model_config = ConfigDict(extra="allow", frozen=True)
    __pydantic_extra__: dict[
        str,
        Annotated[Annotated[Reserve, Tag("mapping")] | Annotated[Share, Tag("plain")], BY_KIND],
    ]

    process: Literal["constant", "jumps"] = "constant"
    calibration: str = "calibration/utilization"


class Funding(Part):
    """Premium of perpetuals over the oracle, constant; the venue's formula makes the rate."""

    premium: Finite = 0.0


class ScenarioFile(Part):
    """One scenario: a file of configs/scenarios or a mapping in a campaign."""

    description: str = ""
    origin: str = ""
    prices: Prices
    utilization: Utilization = Field(default_factory=lambda: Utilization.model_validate({}))
    funding: Funding = Funding()
    basis: Wander | None = None
    peg: Wander | None = None
    overlays: list[Overlay] = []


class Refinement(Part):
    """A window of time with steps of its own, shorter than the campaign's."""

    model_config = ConfigDict(serialize_by_alias=True)

    start: Hours = Field(alias="from")
    to: SomeHours
    step: SomeHours


def _switch(value: object) -> object:
    if not isinstance(value, bool | str):
        raise InputError("", "", describe(value), "true, false or a name the rule book offers")
    return value


Switch = Annotated[bool | str, BeforeValidator(_switch)]


def _some(scenarios: dict[str, Any]) -> dict[str, Any]:
    if not scenarios:
        raise InputError("", "", "no scenario", "one or more, name: file or mapping")
    return scenarios


class CampaignFile(Part):
    """A stress campaign."""

    name: Name
    description: str = ""
    venue: str
    book: str | dict[str, Any]
    horizon: Annotated[SomeHours, Field(le=24 * 366), IN_SCHEMA] = 168.0
    step: SomeHours = 1.0
    refine: list[Refinement] = []
    paths: Annotated[int, Field(ge=1, le=2**31 - 1, strict=True)] = 16384
    seed: Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)] = 0
    precision: Literal["float32", "float64"] = "float32"
    feedback: Annotated[bool, Field(strict=True)] = Field(
        False, description="true: liquidations move prices and the lending pool"
    )
    cascade: CascadeSection = Field(default_factory=lambda: CascadeSection.model_validate({}))
    block: Annotated[int, Field(ge=1, le=2**20, strict=True)] = 1024
    scenarios: Annotated[dict[Name, ScenarioFile | str], AfterValidator(_some)] = Field(
        json_schema_extra={"minProperties": 1, "additionalProperties": False}
    )
    estimator: Estimator = Estimator()
    events: Annotated[
        dict[Name, Event],
        Field(description="what the probability of is asked for, however small"),
    ] = {}
    assumptions: dict[str, Switch] = {}
    against: str | None = Field(
        None, description="rule book before `venue`: the campaign compares the two on its book"
    )
    sensitivity: Sensitivity = Field(default_factory=lambda: Sensitivity.model_validate({}))
    rates: Rates = Field(default_factory=lambda: Rates.model_validate({}))
    compare: Compare = Field(default_factory=lambda: Compare.model_validate({}))
