"""What a campaign may say about a study of sensitivity."""

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from stress.campaign_parts import Finite, Name, Part
from stress.errors import InputError

Measure = Literal[
    "liquidated_accounts", "liquidated_notional", "liquidated_debt", "bad_debt", "equity_loss",
    "supplier_loss",
]  # fmt: skip
KINDS = ("calibrated", "normal", "between", "one_of")


def _power(value: int) -> int:
    if value & (value - 1):
        raise InputError("", "", str(value), "a power of 2")
    return value


class Input(Part):
    """One uncertain input: where it stands, and what it may be."""

    key: str = Field(
        description="key path of the campaign file, or `scenario.` and one of every scenario"
    )
    calibrated: str | None = Field(
        None,
        description="figure of the calibration of prices: normal with its standard error",
    )
    normal: tuple[Finite, Finite] | None = Field(None, description="mean, standard deviation")
    between: tuple[Finite, Finite] | None = Field(None, description="least, greatest; uniform")
    log: Annotated[bool, Field(strict=True)] = Field(
        False, description="true: uniform in the logarithm"
    )
    one_of: Annotated[list[bool | float | str], Field(min_length=2)] | None = Field(
        None, description="values, equally likely"
    )

    @model_validator(mode="after")
    def _one_kind(self) -> "Input":
        given = [kind for kind in KINDS if getattr(self, kind) is not None]
        if len(given) != 1:
            found = " and ".join(given) or "nothing"
            raise InputError("", "", found, f"one of {', '.join(KINDS)}")
        if self.normal is not None and not self.normal[1] > 0:
            raise InputError("", "normal", f"a deviation of {self.normal[1]:g}", "one above 0")
        if self.between is not None:
            low, high = self.between
            if not low < high or (self.log and not low > 0):
                allowed = "two ascending numbers" + (" above 0" if self.log else "")
                raise InputError("", "between", f"{low:g}, {high:g}", allowed)
        elif self.log:
            raise InputError("", "log", "true", "false but for between")
        return self


class Sensitivity(Part):
    """Which inputs a study varies and what it looks at; read by `hyperstress sensitivity`."""

    measures: Annotated[list[Measure], Field(min_length=1)] = ["bad_debt", "equity_loss"]
    base_points: Annotated[int, Field(ge=2, le=65536, strict=True), AfterValidator(_power)] = Field(
        32, description="of the Sobol design, a power of 2; inputs + 2 campaigns for each"
    )
    inputs: dict[Name, Input] = {}
