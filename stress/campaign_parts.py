"""Pieces that the schemas of campaign files share: durations, ranges, names, sections."""

import re
from collections.abc import Mapping
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    WithJsonSchema,
)

from stress.errors import InputError
from stress.units import DURATION, hours
from stress.validation import describe


def _duration(value: object) -> float:
    try:
        return hours(value)
    except ValueError:
        raise InputError("", "", describe(value), "a duration such as 7d, 1h, 30m, 3s") from None


# Stands last in an annotation: pydantic alone would show the limits under names of its own.
IN_SCHEMA = WithJsonSchema(
    {
        "description": "duration: 7d, 1h, 30m, 3s, or hours",
        "anyOf": [{"type": "string", "pattern": DURATION}, {"type": "number", "minimum": 0}],
    }
)
Duration = Annotated[float, BeforeValidator(_duration), Field(allow_inf_nan=False)]
Hours = Annotated[Duration, Field(ge=0), IN_SCHEMA]
SomeHours = Annotated[Duration, Field(gt=0), IN_SCHEMA]
Finite = Annotated[float, Field(strict=True, allow_inf_nan=False)]
Share = Annotated[Finite, Field(ge=0, le=1)]
Correlation = Annotated[Finite, Field(ge=-1, le=1)]
Return = Annotated[Finite, Field(gt=-1)]
Assets = str | list[str]


def _name(value: str) -> str:
    if not re.fullmatch(NAME, value):
        allowed = "at most 80 letters, digits and _ . -, a letter or digit first"
        raise InputError("", "", describe(value), allowed)
    return value


NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}"
Name = Annotated[str, AfterValidator(_name), Field(json_schema_extra={"pattern": f"^{NAME}$"})]


def _kind(value: object) -> str:
    return "mapping" if isinstance(value, Mapping | BaseModel) else "plain"


BY_KIND = Discriminator(_kind)  # of a number or a mapping: messages are about what was meant


class Part(BaseModel):
    """A mapping whose unknown keys are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True)
