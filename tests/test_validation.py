"""From pydantic's first fault to a sentence with a key path a person can find."""

from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from stress.errors import InputError
from stress.validation import suggest, validate


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Gbm(Strict):
    process: Literal["gbm"]
    volatility: dict[str, Annotated[float, Field(ge=0, strict=True, allow_inf_nan=False)]]


class Jump(Strict):
    process: Literal["jump"]
    intensity: float


class Lender(Strict):
    name: str = Field(alias="lender")


class Scenario(Strict):
    prices: Annotated[Gbm | Jump, Field(discriminator="process")]
    overlays: list[Lender | None] = []
    pair: tuple[int, Lender] | None = None

    @field_validator("pair")
    @classmethod
    def _known(cls, value):
        if value and value[0] == 13:
            raise InputError("", "first", "13", "any other number")
        if value and value[0] == 14:
            raise ValueError("not fourteen")
        return value


class Campaign(Strict):
    name: str
    scenarios: Annotated[dict[str, Scenario], Field(min_length=1)]


def campaign(**base) -> dict:
    prices = {"process": "gbm", "volatility": {"HYPE": 1.2}}
    return {"name": "x", "scenarios": {"base": {"prices": prices, **base}}}


def test_good_data_becomes_the_model():
    got = validate(Campaign, campaign(overlays=[{"lender": "a"}, None]), "x.yaml")
    assert got.scenarios["base"].overlays[0] == Lender(lender="a")


GBM = {"process": "gbm"}


@pytest.mark.parametrize(
    ("data", "key", "found", "allowed"),
    [
        (
            campaign(prices={**GBM, "volatility": {"HYPE": -1.0}}),
            "scenarios.base.prices.volatility.HYPE",
            "-1.0",
            "greater than or equal to 0",
        ),
        (
            campaign(prices={**GBM, "volatility": {"HYPE": float("nan")}}),
            "scenarios.base.prices.volatility.HYPE",
            "nan",
            "finite number",
        ),
        (
            campaign(prices={**GBM, "volatility": {"HYPE": "high"}}),
            "scenarios.base.prices.volatility.HYPE",
            "'high'",
            "valid number",
        ),
        (
            campaign(prices={**GBM, "volatilty": {}}),
            "scenarios.base.prices.volatilty",
            "an unknown key",
            "process, volatility (did you mean volatility?)",
        ),
        (
            campaign(prices={**GBM}),
            "scenarios.base.prices.volatility",
            "nothing",
            "required",
        ),
        (
            campaign(prices={"process": "gmb"}),
            "scenarios.base.prices.process",
            "'gmb'",
            "'gbm', 'jump'",
        ),
        (campaign(prices={}), "scenarios.base.prices.process", "nothing", "required"),
        ({"name": "x", "scenarios": {}}, "scenarios", "a mapping", "at least 1"),
        (campaign(prices=3), "scenarios.base.prices", "3", "valid dictionary"),
        (
            campaign(overlays=[None, {"lendr": "a"}]),
            "scenarios.base.overlays[1].lendr",
            "an unknown key",
            "lender (did you mean lender?)",
        ),
        (
            campaign(pair=[1, {"lender": "a", "q": 1}]),
            "scenarios.base.pair[1].q",
            "an unknown key",
            "lender",
        ),
        (campaign(pair=[13, {"lender": "a"}]), "scenarios.base.pair.first", "13", "any other"),
        (
            campaign(pair=[14, {"lender": "a"}]),
            "scenarios.base.pair",
            "a list of 2",
            "not fourteen",
        ),
        (
            {"name": "x", "scenarios": {"base": None}},
            "scenarios.base",
            "null",
            "a mapping of overlays, pair, prices",
        ),
        (
            {"name": "x", "scenario": {}},
            "scenario",
            "an unknown key",
            "name, scenarios (did you mean scenarios?)",
        ),
        ([], "", "a list of 0", "a mapping of name, scenarios"),
    ],
)
def test_the_first_fault_names_key_found_and_allowed(data, key, found, allowed):
    with pytest.raises(InputError) as error:
        validate(Campaign, data, "x.yaml")
    assert (error.value.file, error.value.key) == ("x.yaml", key)
    assert error.value.found == found
    assert allowed in error.value.allowed
    assert "\n" not in str(error.value)


def test_long_values_are_cut():
    with pytest.raises(InputError) as error:
        validate(Lender, {"lender": 10**200}, "x.yaml")
    assert len(error.value.found) == 60


def test_suggestions_name_the_nearest_or_none():
    assert suggest("BTX", ["BTC", "ETH"]) == "BTC, ETH (did you mean BTC?)"
    assert suggest("nothing like it", ["BTC", "ETH"]) == "BTC, ETH"
    assert suggest("BTC", []) == "no key"
