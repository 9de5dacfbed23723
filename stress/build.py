"""From a checked campaign to the pytrees that the engine runs."""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from models.venue import Venue
from stress.book import Book
from stress.calibration_file import Calibration
from stress.campaign_schema import BorrowerSurge, CorrelationMatrix, LenderRun, ScenarioFile
from stress.config import Campaign, calibration, scenario_prefix
from stress.errors import InputError
from stress.files import suggest, validate
from stress.market import Pool, Scenario, Today
from stress.scenarios import gbm, student_t
from stress.scenarios.gaussian import correlation_factor, per_asset
from stress.scenarios.overlays import crash
from stress.utilization_model import Spike, UtilizationModel, utilization_model
from stress.validation import describe
from stress.venues import VenueBook, build_venue

DEGREES = "student_t.common.degrees_of_freedom"  # of the calibration of prices


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What does not differ between scenarios."""

    assets: tuple[str, ...]
    venue: Venue  # float64
    today: Today


def build_inputs(book: Book, venue_book: VenueBook, assumptions: dict, file: object) -> Inputs:
    """Rule book, assets and today's prices of a campaign, float64."""
    if not (book.markets or book.tokens):
        raise InputError(file, "book", "no position and no collateral", "accounts that prices move")
    try:
        venue = build_venue(
            venue_book,
            book.markets,
            extra_markets={**book.max_leverage, **book.margin_tables},
            settle={m: token for m, token in book.settle.items() if m in book.markets},
            quotes=book.quotes,
            tokens=book.tokens,
            assumptions=assumptions,
        )
    except InputError as error:
        if error.key.removeprefix("assumptions.") in assumptions:  # the campaign's, not the venue's
            raise InputError(file, error.key, error.found, error.allowed) from None
        raise
    of_market = [m.split(":")[-1] for m in book.markets]
    of_token = [_underlying(venue_book, t) for t in book.tokens]
    assets = tuple(dict.fromkeys([*of_market, *of_token]))
    reserves = [_reserve(book, venue_book, q, file) for q in book.quotes]
    today = Today(
        market_asset=tuple(assets.index(a) for a in of_market),
        token_asset=tuple(assets.index(a) for a in of_token),
        quote_asset=(-1,) * len(book.quotes),
        mark=_array([book.marks[m] for m in book.markets]),
        oracle=_array([book.oracles[m] for m in book.markets]),
        collateral_price=_array([book.token_prices[t] for t in book.tokens]),
        quote_price=_array([book.token_prices.get(q, 1.0) for q in book.quotes]),
        supplied=_array([r[0] for r in reserves]),
        borrowed=_array([r[1] for r in reserves]),
    )
    return Inputs(assets=assets, venue=venue, today=today)


def build_scenario(campaign: Campaign, name: str, inputs: Inputs) -> tuple[Scenario, Today]:
    """One scenario of a campaign, and today as the scenario starts it.

    Errors:
      InputError naming the scenario's file and key for figures that do not fit together.
    """
    spec, place = campaign.scenarios[name], campaign.scenario_files[name]
    key = scenario_prefix(campaign.spec, name)
    _check_assets(spec, inputs.assets, campaign.venue, place, key)
    grid = np.arange(campaign.steps + 1) * campaign.spec.step
    pools, today, driver = _pools(spec, inputs, place, key)
    return (
        Scenario(
            driver=driver,
            process=_process(spec, inputs.assets, place, key),
            overlay=_overlay(spec, inputs.assets, grid, place, key),
            premium=jnp.asarray(float(spec.funding.premium)),
            pools=pools,
        ),
        today,
    )


def _check_assets(
    spec: ScenarioFile, assets: Sequence[str], venue: VenueBook, place: str, key: str
) -> None:
    """Refuses assets that neither the book nor the venue knows: a mistyped name would do nothing.

    A scenario may name assets that the book does not hold, so that files serve several books.
    """
    file = venue.file
    traded = [market.split(":")[-1] for market in file.markets]
    known = list(dict.fromkeys([*assets, *traded, *(t.underlying for t in file.tokens.values())]))
    given: dict[str, Sequence[str]] = {
        "prices.volatility": list(spec.prices.volatility),
        "prices.drift": list(spec.prices.drift),
    }
    if isinstance(spec.prices.correlation, CorrelationMatrix):
        given["prices.correlation.assets"] = spec.prices.correlation.assets
    for i, overlay in enumerate(spec.overlays):
        if overlay.crash is not None and isinstance(overlay.crash.size, dict):
            given[f"overlays[{i}].crash.size"] = list(overlay.crash.size)
    for where, names in given.items():
        for name in names:
            if name not in known and (name != "default" or not where.endswith(("ity", "drift"))):
                raise InputError(
                    place, f"{key}{where}", f"the asset {name!r}", suggest(name, known)
                )


def _process(spec: ScenarioFile, assets: Sequence[str], place: str, key: str):
    """The price process with every figure resolved."""
    prices, at = spec.prices, f"{key}prices"
    fitted = None
    if prices.calibration:
        fitted = calibration(prices.calibration, place, f"{at}.calibration")
    known = _fitted_volatility(fitted, assets, prices.regime) | prices.volatility
    volatility = per_asset(known, assets, place, f"{at}.volatility")
    drift = per_asset({"default": 0.0} | prices.drift, assets, place, f"{at}.drift")
    matrix = _correlation(spec, assets, fitted, place, f"{at}.correlation")
    factor = correlation_factor(matrix, place, f"{at}.correlation")
    if prices.process == "gbm":
        return gbm.Gbm(volatility=_array(volatility), drift=_array(drift), factor=_array(factor))
    degrees = prices.degrees_of_freedom
    if degrees is None and fitted:
        degrees = fitted.number(DEGREES)
        if not degrees > 2:
            raise InputError(fitted.file, DEGREES, f"{degrees:g}", "above 2")
    if degrees is None:
        raise InputError(place, f"{at}.degrees_of_freedom", "nothing", "a number above 2")
    return student_t.build(volatility, drift, factor, degrees, prices.radius == "path")


def _fitted_volatility(
    fitted: Calibration | None, assets: Sequence[str], regime: str
) -> dict[str, float]:
    """Volatilities of the assets that the calibration knows."""
    if fitted is None:
        return {}
    known = fitted.at("volatility")
    if not isinstance(known, dict):
        raise InputError(fitted.file, "volatility", describe(known), "a mapping of assets")
    found = {a: fitted.number(f"volatility.{a}.{regime}") for a in assets if a in known}
    for asset, value in found.items():
        if value < 0:
            key = f"volatility.{asset}.{regime}"
            raise InputError(fitted.file, key, f"{value:g}", "0 or more")
    return found


def _correlation(
    spec: ScenarioFile,
    assets: Sequence[str],
    fitted: Calibration | None,
    place: str | Path,
    key: str,
) -> np.ndarray:
    """Correlation matrix of `assets`, `[A, A]`."""
    given, towards = spec.prices.correlation, spec.prices.correlation_towards
    if given is None and fitted:
        regime = {"typical": "full", "overall": "full"}.get(spec.prices.regime, spec.prices.regime)
        place, key = fitted.file, f"correlation.common.{regime}"
        block = {
            "assets": fitted.at("correlation.common.assets"),
            "matrix": fitted.at(f"{key}.value"),
        }
        given = validate(CorrelationMatrix, block, f"{place}: {key}")
    if given is None:
        if len(assets) > 1:
            raise InputError(place, key, "nothing", "a number, or `assets` and `matrix`")
        given = 0.0
    if isinstance(given, CorrelationMatrix):
        matrix = _named(given, assets, place, key)
    else:
        matrix = np.full((len(assets), len(assets)), float(given))
    if towards is not None:
        matrix = (1 - towards.weight) * matrix + towards.weight * towards.level
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _named(
    given: CorrelationMatrix, assets: Sequence[str], place: str | Path, key: str
) -> np.ndarray:
    """A named matrix, checked as it stands, brought to the order of `assets`."""
    try:
        whole = np.array(given.matrix, dtype=float)
    except ValueError:
        raise InputError(
            place, f"{key}.matrix", "rows of unequal length", "a square matrix"
        ) from None
    if whole.shape != (len(given.assets),) * 2:
        found = f"shape {whole.shape} for {len(given.assets)} assets"
        raise InputError(place, f"{key}.matrix", found, "one row and one column per asset")
    correlation_factor(whole, place, f"{key}.matrix")
    matrix = np.full((len(assets), len(assets)), given.default)
    for i, a in enumerate(assets):
        for j, b in enumerate(assets):
            if a in given.assets and b in given.assets:
                matrix[i, j] = whole[given.assets.index(a), given.assets.index(b)]
    return matrix


def _overlay(
    spec: ScenarioFile, assets: Sequence[str], grid: np.ndarray, place: str, key: str
) -> jax.Array:
    """Sum of the crashes, `[T, A]`; sums commute, so their order does not matter."""
    total = np.zeros((len(grid), len(assets)))
    for i, overlay in enumerate(spec.overlays):
        if overlay.crash is None:
            continue
        fall = overlay.crash
        sizes = fall.size if isinstance(fall.size, dict) else {}
        named = list(sizes) or ([] if fall.asset == "all" else np.atleast_1d(fall.asset).tolist())
        missing = [a for a in named if a not in assets]
        if missing and (not sizes or missing == named):
            where = f"{key}overlays[{i}].crash.{'size' if sizes else 'asset'}"
            allowed = f"assets of the book: {'' if sizes else 'all, '}{', '.join(assets)}"
            raise InputError(place, where, repr(missing[0]), allowed)
        for j, asset in enumerate(assets):
            size = sizes.get(asset, 0.0) if sizes else float(fall.size)  # type: ignore[arg-type]
            if named and asset not in named:
                continue
            total[:, j] += crash(grid, size, fall.at, fall.over, fall.recovery, fall.recovery_over)
    return jnp.asarray(total)


def _pools(
    spec: ScenarioFile, inputs: Inputs, place: str, key: str
) -> tuple[tuple[Pool, ...], Today, int]:
    """Reserves of the scenario, today with its initial utilization, and the driving asset."""
    given = spec.utilization.__pydantic_extra__
    quotes, today, driver = inputs.venue.quotes, inputs.today, -1
    for token in given:
        if token not in quotes:
            raise InputError(place, f"{key}utilization.{token}", repr(token), ", ".join(quotes))
    fitted = None
    if spec.utilization.process == "jumps":
        at = f"{key}utilization.calibration"
        fitted = calibration(spec.utilization.calibration, place, at)
        driver = _driver(fitted.at("market_driver"), inputs.assets)
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
            model = _model(fitted, level, float(inputs.venue.lending.kink[q]), supplied)
        pools.append(Pool(model=model, spike=_spike(spec, quote, quotes, place, key)))
    if spec.utilization.process == "constant" and (flows := _flows(spec)):
        allowed = f"'jumps', which {next(iter(flows))} needs"
        raise InputError(place, f"{key}utilization.process", "'constant'", allowed)
    return tuple(pools), dataclasses.replace(today, borrowed=_array(borrowed)), driver


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
        run_share=_array(run.share if run else 0.0),
        run_start=_array(run.at if run else 0.0),
        run_hours=_array(run.over if run else 1.0),
        surge_share=_array(surge.share if surge else 0.0),
        surge_start=_array(surge.at if surge else 0.0),
        surge_hours=_array(surge.over if surge else 1.0),
    )


def _reserve(book: Book, venue: VenueBook, quote: str, file: object) -> tuple[float, float]:
    """Supplied and borrowed tokens: the book's, else the venue's latest observation."""
    if quote in book.reserves:
        supplied, borrowed = book.reserves[quote]
        if borrowed > supplied * (1 + 1e-9):
            found = f"{borrowed:.10g} of a supply of {supplied:.10g}"
            at = f"book.reserves.{quote}.borrowed"
            raise InputError(file, at, found, "at most what is supplied")
        return supplied, borrowed
    for _, tokens in sorted(venue.file.observations.items(), reverse=True):
        if quote in tokens:
            facts = tokens[quote]
            return float(facts["supplied"].value), float(facts["borrowed"].value)
    raise InputError(
        file, f"book.reserves.{quote}", "nothing", "supplied and borrowed of the reserve"
    )


def _underlying(venue: VenueBook, token: str) -> str:
    """Asset that moves a collateral token's price."""
    return venue.file.tokens[token].underlying or token


def _array(values) -> jax.Array:
    array = jnp.asarray(np.asarray(values, dtype=np.float64))
    if not bool(jnp.isfinite(array).all()):
        raise ValueError("a figure that is not finite")
    return array
