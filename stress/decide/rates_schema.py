"""What a campaign may say about interest; read by `hyperstress rates`."""

from typing import Annotated

from pydantic import AfterValidator, Field

from stress.campaign_parts import Finite, Part, Share, SomeHours
from stress.errors import InputError


def _ascending(values: list[float]) -> list[float]:
    if sorted(set(values)) != values:
        found = ", ".join(f"{x:g}" for x in values)
        raise InputError("", "", found, "values that ascend")
    return values


class Rates(Part):
    """Levels at which utilization is held, and by how much it is moved."""

    utilization: Annotated[list[Share], Field(min_length=1), AfterValidator(_ascending)] = [
        0.9, 0.95, 1.0,
    ]  # fmt: skip
    shift: Annotated[Finite, Field(gt=0, le=0.1)] = Field(
        0.01, description="up and down, of utilization; the difference is told per point"
    )
    within: Annotated[list[SomeHours], Field(min_length=1), AfterValidator(_ascending)] = Field(
        [30 * 24.0, 365 * 24.0], description="times within which accounts and loans are counted"
    )
