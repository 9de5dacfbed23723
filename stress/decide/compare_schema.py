"""What a campaign may say about a comparison of two rule books."""

from typing import Annotated, Literal, get_args

from pydantic import Field

from stress.campaign_parts import Part

Response = Literal["fixed", "proportional", "cap_filling"]
RESPONSES: tuple[Response, ...] = get_args(Response)


class Compare(Part):
    """How two rule books are compared; read where `against` names the second one."""

    responses: Annotated[list[Response], Field(min_length=1)] = Field(
        list(RESPONSES), description="how borrowers answer to the rules"
    )
    readings: Literal["stated", "each"] = Field(
        "each",
        description="each: besides the stated reading of the rules every other one of each "
        "assumption, one at a time",
    )
