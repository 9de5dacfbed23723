"""Uncertain inputs of a campaign: their distributions, and the campaign with other values."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from stress.campaign_schema import CampaignFile, ScenarioFile
from stress.config import Campaign, calibration, digest_of, scenario_prefix
from stress.decide.sensitivity_schema import Input
from stress.errors import InputError
from stress.files import validate

SCENARIO = "scenario."
VARIES = ("cascade", "assumptions", "scenario")  # first parts of keys
OUTER = (0.05, 0.95)  # shares between which a tornado moves a continuous input


@dataclasses.dataclass(frozen=True, kw_only=True)
class Choice:
    """Values that are equally likely."""

    values: tuple[Any, ...]

    def ppf(self, share: np.ndarray) -> np.ndarray:
        """Place of the value at each share."""
        last = len(self.values) - 1
        return np.minimum(np.floor(np.asarray(share) * len(self.values)), last)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Uncertain:
    """An input ready to be drawn."""

    name: str
    key: str
    law: Any  # has ppf
    text: str  # for a reader
    stated: Any  # what the campaign says; None where it leaves it to a calibration

    def value(self, drawn: float) -> Any:
        """What stands at the key for a drawn figure: itself, or the value in that place."""
        return self.law.values[int(drawn)] if isinstance(self.law, Choice) else float(drawn)

    def outer(self) -> list[Any]:
        """Values a tornado moves to: the outer quantiles, or every value but the stated one."""
        if isinstance(self.law, Choice):
            return [value for value in self.law.values if value != self.stated]
        return [float(self.law.ppf(share)) for share in OUTER]


def uncertain(campaign: Campaign) -> list[Uncertain]:
    """The inputs of a campaign's section `sensitivity`, in order.

    Errors:
      InputError where there is none, a key may not vary, or a calibration lacks the figure.
    """
    given = campaign.spec.sensitivity.inputs
    if not given:
        allowed = "one or more inputs, name: {key, calibrated | normal | between | one_of}"
        raise InputError(campaign.file, "sensitivity.inputs", "no input", allowed)
    found = []
    for name, entry in given.items():
        if entry.key.split(".")[0] not in VARIES:
            at = f"sensitivity.inputs.{name}.key"
            allowed = "cascade.*, assumptions.*, or scenario.* with a key of a scenario"
            raise InputError(campaign.file, at, repr(entry.key), allowed)
        law, text = _law(campaign, name, entry)
        stated = _stated(campaign, entry.key)
        found.append(Uncertain(name=name, key=entry.key, law=law, text=text, stated=stated))
    return found


def _stated(campaign: Campaign, key: str) -> Any:
    """What a campaign says at a key; None where nothing stands there."""
    place: Any = campaign.spec.model_dump(mode="json")
    readings = {name: entry.value for name, entry in campaign.venue.assumptions.items()}
    place["assumptions"] = readings | place["assumptions"]
    for part in key.split("."):
        place = place.get(part) if isinstance(place, dict) else None
    return place


def _law(campaign: Campaign, name: str, entry: Input) -> tuple[Any, str]:
    """Distribution of an input, and what a reader is told of it."""
    if entry.one_of is not None:
        shown = ", ".join(str(v).lower() if isinstance(v, bool) else f"{v}" for v in entry.one_of)
        return Choice(values=tuple(entry.one_of)), f"one of {shown}"
    if entry.between is not None:
        low, high = entry.between
        if entry.log:
            return stats.loguniform(low, high), f"{low:g} to {high:g}, uniform in the logarithm"
        return stats.uniform(low, high - low), f"{low:g} to {high:g}, uniform"
    if entry.normal is not None:
        mean, deviation = entry.normal
        return stats.norm(mean, deviation), f"normal, {mean:g} with deviation {deviation:g}"
    mean, error = _calibrated(campaign, f"sensitivity.inputs.{name}.calibrated", entry)
    text = f"calibrated {mean:g} with standard error {error:g} ({entry.calibrated})"
    return stats.norm(mean, error), text


def _calibrated(campaign: Campaign, key: str, entry: Input) -> tuple[float, float]:
    """Value and standard error of a figure; every scenario must read the same."""
    found = set()
    for name, scenario in campaign.scenarios.items():
        reference, place = scenario.prices.calibration, campaign.scenario_files[name]
        if reference is None:
            raise InputError(
                campaign.file, key, f"no calibration in {name}", "normal, with figures"
            )
        at = f"{scenario_prefix(campaign.spec, name)}prices.calibration"
        read = calibration(reference, place, at)
        path = str(entry.calibrated)
        found.add((read.number(path), read.number(f"{path}.standard_error")))
    if len(found) > 1:
        raise InputError(campaign.file, key, "scenarios of different calibrations", "one of them")
    return found.pop()


def with_values(campaign: Campaign, values: Mapping[str, Any]) -> Campaign:
    """The campaign with other values at keys.

    Args:
      campaign: checked.
      values: by key path; those that begin with `scenario.` go into every scenario.

    Returns:
      The campaign with its digest; its book is the same object.

    Errors:
      InputError for a key that does not exist or a value that may not stand there.
    """
    spec: dict[str, Any] = campaign.spec.model_dump(mode="json", exclude_none=True)
    scenarios = {
        name: one.model_dump(mode="json", exclude_none=True)
        for name, one in campaign.scenarios.items()
    }
    for key, value in values.items():
        if key.startswith(SCENARIO):
            for one in scenarios.values():
                _set(one, key.removeprefix(SCENARIO), value)
        else:
            _set(spec, key, value)
    changed = dataclasses.replace(
        campaign,
        spec=validate(CampaignFile, spec, campaign.file),
        scenarios={
            name: validate(ScenarioFile, one, f"{campaign.file} ({name})")
            for name, one in scenarios.items()
        },
    )
    return dataclasses.replace(changed, digest=digest_of(changed))


def _set(place: dict[str, Any], key: str, value: Any) -> None:
    """Sets a key path, making mappings on the way; what may stand there is checked afterwards."""
    *above, last = key.split(".")
    for part in above:
        place = place.setdefault(part, {})
    place[last] = value
