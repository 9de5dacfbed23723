"""From a checked campaign to the pytrees that the engine runs."""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np

from models.venue import Venue
from stress.book import Book
from stress.campaign_schema import BorrowerSurge, CorrelationMatrix, LenderRun, ScenarioFile
from stress.config import Campaign, calibration
from stress.errors import InputError
from stress.market import Pool, Scenario, Today
from stress.scenarios import gbm, student_t
from stress.scenarios.gaussian import correlation_factor, per_asset
from stress.scenarios.overlays import crash
from stress.utilization_model import Spike, utilization_model
from stress.venues import VenueBook, build_venue


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What does not differ between scenarios."""

    assets: tuple[str, ...]
    venue: Venue  # float64
    today: Today


def build_inputs(book: Book, venue_book: VenueBook, assumptions: dict, file: object) -> Inputs:
    """Rule book, assets and today's prices of a campaign, float64."""
    venue = build_venue(
        venue_book,
        book.markets,
        extra_markets={**book.max_leverage, **book.margin_tables},
        settle=book.settle,
        quotes=book.quotes,
        tokens=book.tokens,
        assumptions=assumptions,
    )
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
    key = "" if isinstance(campaign.spec.scenarios[name], str) else f"scenarios.{name}."
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


def _process(spec: ScenarioFile, assets: Sequence[str], place: str, key: str):
    """The price process with every figure resolved."""
    prices, at = spec.prices, f"{key}prices"
    data = calibration(prices.calibration, place) if prices.calibration else {}
    regime = prices.regime
    fitted = {
        asset: entry[regime]["value"]
        for asset, entry in data.get("volatility", {}).items()
        if isinstance(entry, dict) and regime in entry
    }
    volatility = per_asset(fitted | prices.volatility, assets, place, f"{at}.volatility")
    drift = per_asset({"default": 0.0} | prices.drift, assets, place, f"{at}.drift")
    unknown = [a for a in prices.drift if a != "default" and a not in assets]
    if unknown and not prices.calibration:
        raise InputError(place, f"{at}.drift", f"{unknown[0]!r}", f"assets {', '.join(assets)}")
    matrix = _correlation(spec, assets, data, place, f"{at}.correlation")
    factor = correlation_factor(matrix, place, f"{at}.correlation")
    if prices.process == "gbm":
        return gbm.Gbm(volatility=_array(volatility), drift=_array(drift), factor=_array(factor))
    degrees = prices.degrees_of_freedom
    if degrees is None and data:
        degrees = data["student_t"]["common"]["degrees_of_freedom"]["value"]
    if degrees is None:
        raise InputError(place, f"{at}.degrees_of_freedom", "nothing", "a number above 2")
    return student_t.build(volatility, drift, factor, degrees, prices.radius == "path")


def _correlation(
    spec: ScenarioFile, assets: Sequence[str], data: dict, place: str, key: str
) -> np.ndarray:
    """Correlation matrix of `assets`, `[A, A]`."""
    given, towards = spec.prices.correlation, spec.prices.correlation_towards
    if given is None and data:
        regime = {"typical": "full", "overall": "full"}.get(spec.prices.regime, spec.prices.regime)
        block = data["correlation"]["common"]
        given = CorrelationMatrix(assets=block["assets"], matrix=block[regime]["value"])
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
    given: CorrelationMatrix, assets: Sequence[str], place: str, key: str
) -> np.ndarray:
    """A named matrix, checked as it stands, brought to the order of `assets`."""
    try:
        whole = np.array(given.matrix, dtype=float)
    except ValueError:
        raise InputError(place, f"{key}.matrix", "rows of unequal length", "a square matrix") from None
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
        if missing and not sizes:
            allowed = f"all, {', '.join(assets)}"
            raise InputError(place, f"{key}overlays[{i}].crash.asset", repr(missing[0]), allowed)
        for j, asset in enumerate(assets):
            size = sizes.get(asset, 0.0) if sizes else float(fall.size)  # type: ignore[arg-type]
            if named and asset not in named:
                continue
            total[:, j] += crash(
                grid, size, fall.at, fall.over, fall.recovery, fall.recovery_over
            )
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
    data = {}
    if spec.utilization.process == "jumps":
        data = calibration(spec.utilization.calibration, place)
        driver = _driver(data["market_driver"], inputs.assets)
    pools, borrowed = [], []
    for q, quote in enumerate(quotes):
        entry = given.get(quote)
        initial = entry if isinstance(entry, float | int) else entry.initial if entry else None
        supplied = float(today.supplied[q])
        start = float(today.borrowed[q]) / supplied if initial is None else initial
        borrowed.append(start * supplied)
        model = None
        if data and 0 < start:
            levels = data["venue_levels"]
            long_run = None if entry is None or isinstance(entry, float | int) else entry.long_run
            model = utilization_model(
                data["parameters"],
                long_run_utilization=long_run or initial or levels["long_run_utilization"]["value"],
                kink_utilization=float(inputs.venue.lending.kink[q]),
                supply=supplied,
            )
        pools.append(Pool(model=model, spike=_spike(spec, quote, quotes, place, key)))
    if spec.utilization.process == "constant" and _flows(spec):
        allowed = "utilization.process: jumps for a lender_run or borrower_surge"
        raise InputError(place, f"{key}utilization.process", "'constant'", allowed)
    return tuple(pools), dataclasses.replace(today, borrowed=_array(borrowed)), driver


def _flows(spec: ScenarioFile) -> list[LenderRun | BorrowerSurge]:
    """Overlays that move a reserve."""
    flows = [flow for o in spec.overlays for flow in (o.lender_run, o.borrower_surge)]
    return [flow for flow in flows if flow is not None]


def _driver(name: str, assets: Sequence[str]) -> int:
    """Asset whose returns move lenders: the calibration's, else BTC, else the first."""
    return next((assets.index(a) for a in (name, "BTC") if a in assets), 0 if assets else -1)


def _spike(spec: ScenarioFile, quote: str, quotes: Sequence[str], place: str, key: str) -> Spike:
    """Deterministic flows of one reserve; at most one run and one surge each."""
    found: dict[type, LenderRun | BorrowerSurge] = {}
    for flow in _flows(spec):
        if flow.token not in quotes:
            raise InputError(place, f"{key}overlays", repr(flow.token), ", ".join(quotes))
        if flow.token == quote:
            if type(flow) in found:
                raise InputError(place, f"{key}overlays", f"two of a kind for {quote}", "one")
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
        return book.reserves[quote]
    for _, tokens in sorted(venue.file.observations.items(), reverse=True):
        if quote in tokens:
            facts = tokens[quote]
            return float(facts["supplied"].value), float(facts["borrowed"].value)
    raise InputError(file, f"reserves.{quote}", "nothing", "supplied and borrowed of the reserve")


def _underlying(venue: VenueBook, token: str) -> str:
    """Asset that moves a collateral token's price."""
    return venue.file.tokens[token].underlying or token


def _array(values) -> jax.Array:
    array = jnp.asarray(np.asarray(values, dtype=np.float64))
    if not math.isfinite(float(jnp.sum(jnp.abs(array)))):
        raise ValueError("a figure that is not finite")
    return array
