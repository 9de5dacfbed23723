"""What a file of impact settings and the `cascade` section of a campaign may say."""

import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, ConfigDict, Field, Strict

from stress.campaign_parts import Finite, Part, Share, SomeHours

Positive = Annotated[Finite, Field(gt=0)]
NonNegative = Annotated[Finite, Field(ge=0)]
Shape = Literal["square_root", "linear", "ladder"]
Lending = Literal["react", "book", "process"]
Ladder = Annotated[list[tuple[Positive, Positive]], Field(min_length=1)]
_HOURS = {"s": 1 / 3600, "min": 1 / 60, "h": 1.0}


def _text(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime.date) else value


class Figure(Part):
    """A figure with its origin."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Annotated[float, Strict()] | Annotated[str, Strict()]
    unit: str
    source: str
    as_of: Annotated[str, BeforeValidator(_text)]
    note: str = ""

    @property
    def number(self) -> float:
        """The value; durations in hours."""
        return float(self.value) * _HOURS.get(self.unit, 1.0)


class AssetFigures(Part):
    """Impact of one asset, as a settings file states it."""

    shape: Figure
    scale: Figure | None = None
    volatility: Figure
    volume: Figure | None = None
    depth: Figure | None = None
    pass_through: Figure


class ImpactFile(Part):
    """A file of configs/impact."""

    name: str
    description: str = ""
    assets: dict[str, AssetFigures]
    permanent_share: Figure
    half_life: Figure
    reach: Figure
    depth_collapse: Figure
    depth_half_life: Figure
    depth_floor: Figure
    vault_capital: Figure
    vault_lent_share: Figure
    takeover_capital: Figure


class AssetImpact(Part):
    """What a campaign changes of one asset's impact."""

    shape: Shape | None = None
    scale: NonNegative | None = Field(None, description="square root: Y, 1")
    volatility: Positive | None = Field(None, description="per square root of a day")
    volume: Positive | None = Field(None, description="square root: V, USDC a day")
    depth: Positive | None = Field(None, description="linear: USDC per unit of log price")
    ladder: str | None = Field(None, description="file with an l2Book answer of the info API")
    bids: Ladder | None = Field(None, description="[log distance, cumulative USDC], ascending")
    asks: Ladder | None = Field(None, description="as bids")
    pass_through: Share | None = None


class CascadeSection(Part):
    """How liquidations feed back; read where `feedback` is true."""

    settings: str = "impact/default"
    lending: Lending = Field(
        "react",
        description="react: the book moves the reserve and outsiders answer; book: they do not "
        "answer; process: the reserve moves as without feedback",
    )
    round_limit: Annotated[int, Field(ge=1, le=10000, strict=True)] = 64
    impact_scale: NonNegative = Field(1.0, description="multiplies every displacement; 0: none")
    depth_scale: Positive = Field(1.0, description="multiplies depths and volumes of all assets")
    impact: dict[str, AssetImpact] = {}
    permanent_share: Share | None = None
    half_life: SomeHours | None = None
    reach: Positive | None = None
    depth_collapse: NonNegative | None = None
    depth_half_life: SomeHours | None = None
    depth_floor: Annotated[Finite, Field(gt=0, le=1)] | None = None
    vault_capital: NonNegative | None = None
    vault_lent_share: Share | None = None
    takeover_capital: NonNegative | None = None
