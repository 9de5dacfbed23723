"""The lending reserves of a scenario: levels today, their process and deterministic flows."""

import dataclasses
from collections.abc import Sequence

from models.venue import Venue
from stress.arrays import finite_array
from stress.calibration_file import Calibration
from stress.campaign_schema import ScenarioFile
from stress.config import calibration
from stress.errors import InputError
from stress.market import Pool
from stress.overlay_schema import BorrowerSurge, LenderRun
from stress.quotes import Today
from stress.utilization_model import Spike, UtilizationModel, utilization_model


def scenario_pools(
    spec: ScenarioFile, venue: Venue, today: Today, assets: Sequence[str], place: str, key: str
) -> tuple[tuple[Pool, ...], Today, int]:
    """Reserves of a scenario.

    Args:
      spec: the scenario.
      venue: the rule book.
      today: reserves now.
      assets: risk factors of the book, in order.
      place: file the scenario stands in.
      key: what goes before its keys there.

    Returns:
      (pool per quote token, today as the scenario starts it, asset that drives lenders; -1: none).

    Errors:
      InputError naming the scenario's or the calibration's file and key.
    """
    given = spec.utilization.__pydantic_extra__
    quotes, driver = venue.quotes, -1
    for token in given:
        if token not in quotes:
            raise InputError(place, f"{key}utilization.{token}", repr(token), ", ".join(quotes))
    fitted = None
    if spec.utilization.process == "jumps":
        at = f"{key}utilization.calibration"
        fitted = calibration(spec.utilization.calibration, place, at)
        driver = _driver(fitted.at("market_driver"), assets)
    pools, borrowed = [], []
    for q, quote in enumerate(quotes):
        entry = given.get(quote)
        initial = entry if isinstance(entry, float | int) else entry.initial if entry else None
        supplied = float(today.supplied[q])
        start = initial
        if start is None:
            start = float(today.borrowed[q]) / supplied if supplied > 0 else 0.0
        borrowed.append(start * supplied)
        model = None
        if fitted and start > 0:
            long_run = None if entry is None or isinstance(entry, float | int) else entry.long_run
            level = long_run or initial or fitted.number("venue_levels.long_run_utilization")
            model = _model(fitted, level, float(venue.lending.kink[q]), supplied)
        pools.append(Pool(model=model, spike=_spike(spec, quote, quotes, place, key)))
    return tuple(pools), dataclasses.replace(today, borrowed=finite_array(borrowed)), driver


def _model(fitted: Calibration, level: float, kink: float, supply: float) -> UtilizationModel:
    """The process of one reserve with the figures of a calibration file."""
    parameters = fitted.at("parameters")
    try:
        return utilization_model(
            parameters, long_run_utilization=level, kink_utilization=kink, supply=supply
        )
    except KeyError as error:
        found = f"no {error.args[0]}"
    except (TypeError, ValueError) as error:
        found = str(error)
    raise InputError(fitted.file, "parameters", found, "every figure of the model, a number each")


def _flows(spec: ScenarioFile) -> dict[str, LenderRun | BorrowerSurge]:
    """Overlays that move a reserve, by their keys."""
    flows = {}
    for i, overlay in enumerate(spec.overlays):
        for name in ("lender_run", "borrower_surge"):
            if (flow := getattr(overlay, name)) is not None:
                flows[f"overlays[{i}].{name}"] = flow
    return flows


def _driver(name: str, assets: Sequence[str]) -> int:
    """Asset whose returns move lenders: the calibration's, else BTC, else the first."""
    return next((assets.index(a) for a in (name, "BTC") if a in assets), 0 if assets else -1)


def _spike(spec: ScenarioFile, quote: str, quotes: Sequence[str], place: str, key: str) -> Spike:
    """Deterministic flows of one reserve; at most one run and one surge each."""
    found: dict[type, LenderRun | BorrowerSurge] = {}
    for at, flow in _flows(spec).items():
        if flow.token not in quotes:
            raise InputError(place, f"{key}{at}.token", repr(flow.token), ", ".join(quotes))
        if flow.token == quote:
            if type(flow) in found:
                raise InputError(place, f"{key}{at}", f"a second one for {quote}", "one a reserve")
            found[type(flow)] = flow
    run, surge = found.get(LenderRun), found.get(BorrowerSurge)
    return Spike(
        run_share=finite_array(run.share if run else 0.0),
        run_start=finite_array(run.at if run else 0.0),
        run_hours=finite_array(run.over if run else 1.0),
        surge_share=finite_array(surge.share if surge else 0.0),
        surge_start=finite_array(surge.at if surge else 0.0),
        surge_hours=finite_array(surge.over if surge else 1.0),
    )
