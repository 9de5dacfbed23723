"""What a tuning file may say. Sense is checked in `stress.decide.tuning.problem`."""

import datetime
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from stress.campaign_parts import Finite, Name, Part
from stress.errors import InputError

Kind = Literal[
    "ltv",
    "user_supply_cap",
    "global_supply_cap",
    "user_borrow_cap",
    "global_borrow_cap",
    "kink",
    "slope",
]
Response = Literal["fixed", "proportional", "cap_filling"]
Measure = Literal[
    "bad_debt",
    "liquidated_accounts",
    "liquidated_debt",
    "liquidated_notional",
    "equity_loss",
    "peak_utilization",
    "full_utilization",
    "shortfall",
    "supplier_loss",
]
OF_CASCADES = ("shortfall", "supplier_loss")  # measured with feedback alone
Positive = Annotated[Finite, Field(gt=0)]


def _text(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime.date) else value


Moment = Annotated[str, BeforeValidator(_text)]


class Variable(Part):
    """A figure of the rule book that may change."""

    of: Kind = Field(description="ltv and supply caps of a collateral token; else of a quote token")
    token: Name
    low: Annotated[Finite, Field(ge=0)] | None = None
    high: Positive | None = None
    step: Positive | None = Field(None, description="candidates are its multiples in [low, high]")
    values: Annotated[list[Positive], Field(min_length=1)] | None = None
    largest_step: Positive | None = Field(
        None, description="most that one change may move it; farther is a plan of several"
    )

    @model_validator(mode="after")
    def _one_form(self) -> "Variable":
        bounds = (self.low, self.high, self.step)
        if self.values is not None:
            if any(b is not None for b in bounds):
                raise InputError("", "values", "values besides bounds", "low, high, step or values")
            return self
        for name, bound in zip(("low", "high", "step"), bounds, strict=True):
            if bound is None:
                raise InputError("", name, "nothing", "low, high and step, or values")
        return self


class Constraint(Part):
    """An upper limit on a risk, to be met by its upper confidence bound."""

    kind: Literal["probability", "expected_shortfall"]
    measure: Measure
    above: Annotated[Finite, Field(ge=0)] = Field(
        0.0, description="probability: of a measure above this"
    )
    level: Annotated[Finite, Field(gt=0.5, lt=1)] = Field(
        0.99, description="expected_shortfall: mean of the worst share 1 - level"
    )
    at_most: Positive
    scenario: str | None = Field(None, description="one of the campaign's; every one by default")
    source: str = ""
    as_of: Moment = ""

    @model_validator(mode="after")
    def _fits(self) -> "Constraint":
        if self.kind == "probability" and self.at_most >= 1:
            raise InputError("", "at_most", f"{self.at_most:g}", "a probability in (0, 1)")
        if self.kind == "expected_shortfall" and self.measure == "full_utilization":
            raise InputError("", "measure", "'full_utilization'", "a measure that is no yes or no")
        return self


class Objective(Part):
    """What is to be as large as possible."""

    measure: Literal["capital_efficiency", "supported"] = Field(
        "capital_efficiency",
        description="capital_efficiency: loans within the borrowing power, and notional of "
        "portfolio accounts, per USDC of their collateral; supported: the same in USDC",
    )


class Search(Part):
    """How candidates are looked for."""

    method: Literal["grid", "bisection", "optuna"] = "grid"
    along: Name | None = Field(None, description="bisection: the variable; the others form a grid")
    trials: Annotated[int, Field(ge=1, le=100_000, strict=True)] = 200
    sampler: Literal["nsga2", "tpe"] = "nsga2"
    seed: Annotated[int, Field(ge=0, le=2**32 - 1, strict=True)] = 0


class Fresh(Part):
    """The check of the best candidates on random numbers that the search did not see."""

    seed: Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)] | None = Field(
        None, description="of the check; the campaign's seed + 1 by default"
    )
    paths: Annotated[int, Field(ge=16, le=2**31 - 1, strict=True)] | None = Field(
        None, description="of the check; the campaign's by default"
    )
    most: Annotated[int, Field(ge=1, le=100_000, strict=True)] | None = Field(
        None, description="candidates simulated again at most; all feasible ones by default"
    )


class TuningFile(Part):
    """Parameters to tune, and what they must keep to."""

    name: Name
    description: str = ""
    campaign: str
    set: dict[str, object] = Field(
        default_factory=dict, description="changes of the campaign, key.path: value"
    )
    borrower_response: Response
    variables: Annotated[dict[Name, Variable], Field(min_length=1)]
    objective: Objective = Field(default_factory=lambda: Objective.model_validate({}))
    constraints: Annotated[dict[Name, Constraint], Field(min_length=1)]
    confidence: Annotated[Finite, Field(ge=0.5, lt=1)] = Field(
        0.95, description="of the upper bounds, one-sided"
    )
    search: Search = Field(default_factory=lambda: Search.model_validate({}))
    fresh: Fresh = Field(default_factory=lambda: Fresh.model_validate({}))
