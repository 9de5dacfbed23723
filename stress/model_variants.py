"""The same campaign under several price models: every scenario once under each."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stress.campaign_schema import ScenarioFile
from stress.errors import InputError
from stress.process_schema import DATA, PROCESS_NAMES, Prices

ALIASES = {"t": "student_t"}
MARK = "."  # between a scenario's name and its model's


def model_names(given: Sequence[str]) -> tuple[str, ...]:
    """Names of processes, aliases resolved.

    Errors:
      InputError for an unknown or repeated one.
    """
    names = tuple(ALIASES.get(name, name) for name in given)
    for name in names:
        if name not in PROCESS_NAMES:
            raise InputError("--models", "", repr(name), ", ".join(PROCESS_NAMES))
        if names.count(name) > 1:
            raise InputError("--models", "", f"{name!r} twice", "each model once")
    return names


def under_models(
    scenarios: Mapping[str, ScenarioFile],
    places: Mapping[str, str],
    models: Sequence[str],
    candles: str | None,
) -> tuple[dict[str, ScenarioFile], dict[str, str]]:
    """Every scenario under every model, named `<scenario>.<model>`.

    Only the process changes: calibration, regime, correlation and overlays stay. Models that read
    candles take `candles`, else the folder that the scenario names.

    Errors:
      InputError for a model that needs candles without any.
    """
    made, where = {}, {}
    for name, scenario in scenarios.items():
        for model in models:
            prices = scenario.prices.model_dump(by_alias=True, exclude_unset=True)
            prices["process"] = model
            if model in DATA and candles is not None:
                prices["candles"] = str(Path(candles).resolve())
            if model in DATA and prices.get("candles") is None:
                allowed = f"--candles DIR, a folder of hourly candles, which {model} reads"
                raise InputError("--models", model, "no candles", allowed)
            if model == "replay" and scenario.prices.start is None:
                allowed = f"a scenario {name} with prices.from"
                raise InputError("--models", model, "no hour at which it begins", allowed)
            changed = Prices.model_validate(prices)
            variant = f"{name}{MARK}{model}"
            made[variant] = scenario.model_copy(update={"prices": changed})
            where[variant] = places[name]
    return made, where


def base_of(variant: str, scenarios: Mapping[str, object]) -> str:
    """The scenario of the campaign that a variant comes from; itself where it is one."""
    return variant if variant in scenarios else variant.rpartition(MARK)[0]
