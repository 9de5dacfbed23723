"""What a campaign may say about how its figures are estimated, and which events it asks for."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stress.campaign_parts import Finite, Part
from stress.errors import InputError

MAIN = ("plain", "antithetic", "sobol")  # ways to draw the paths that every figure comes from
RARE = (
    "tilt",
    "tilt_sobol",
    "line",
    "radial",
    "splitting",
)  # ways to what they do not reach
Measure = Literal[
    "liquidated_accounts", "liquidated_notional", "liquidated_debt", "bad_debt", "equity_loss"
]


class Estimator(Part):
    """How figures are estimated.

    plain, antithetic and sobol draw all paths of the campaign. The other methods keep plain paths
    for what these show, and estimate events and the tails of losses on paths of their own; auto
    chooses for every one of them by a pilot.
    """

    method: Literal[
        "plain", "antithetic", "sobol", "tilt", "tilt_sobol", "line", "radial", "splitting", "auto"
    ] = "plain"
    replicates: Annotated[int, Field(ge=2, le=256, strict=True)] = Field(
        default=16, description="independent scramblings of Sobol points"
    )
    ordering: Literal["bridge", "pca", "time"] = "bridge"
    target_relative_error: Annotated[Finite, Field(gt=0, lt=1)] = Field(
        default=0.1, description="standard error over value at which the sampling of an event stops"
    )
    most_paths: Annotated[int, Field(ge=1024, le=10**9, strict=True)] = Field(
        default=200_000, description="paths an event may cost"
    )
    cross_check: Annotated[bool, Field(strict=True)] = Field(
        default=False, description="true: a second, independent method beside the first"
    )
    monitoring: Literal["step", "continuous"] = Field(
        default="step", description="continuous: events of accounts are seen between times too"
    )

    @property
    def main(self) -> Literal["plain", "antithetic", "sobol"]:
        """How the campaign's paths are drawn."""
        return self.method if self.method in ("plain", "antithetic", "sobol") else "plain"

    @property
    def reaches(self) -> bool:
        """Whether tails are sampled on paths of their own."""
        return self.method not in MAIN


class Event(Part):
    """A loss of the whole book above a level, or the liquidation of one account."""

    measure: Measure | None = None
    above: Annotated[Finite, Field(ge=0)] | None = None
    of: Literal["book"] | None = Field(
        default=None, description="book: `above` is a share of what the book has now"
    )
    account: str | None = None
    description: str = ""

    @model_validator(mode="after")
    def _one_kind(self) -> "Event":
        if (self.account is None) == (self.measure is None):
            found = "both" if self.account is not None else "neither"
            raise InputError("", "measure", f"{found} of account and measure", "one of them")
        if self.measure is not None and self.above is None:
            raise InputError("", "above", "nothing", "the level of the measure, a number from 0")
        if self.account is not None and (self.above is not None or self.of is not None):
            raise InputError("", "above", "a level of an account's liquidation", "nothing")
        if self.of == "book" and self.above is not None and not self.above < 1:
            raise InputError("", "above", f"{self.above:g}", "a share of the book below 1")
        return self
