"""From a checked campaign to the pytrees that the engine runs."""

from collections.abc import Sequence
from dataclasses import dataclass

from models.venue import Venue
from stress.arrays import finite_array
from stress.book import Book
from stress.build_factors import build_factors, correlation_mix, price_overlay
from stress.build_pools import scenario_pools
from stress.build_prices import price_process
from stress.campaign_schema import ScenarioFile
from stress.config import Campaign, scenario_prefix
from stress.errors import InputError
from stress.files import suggest
from stress.margin_figures import book_venue
from stress.market import Scenario
from stress.process_schema import CorrelationMatrix
from stress.quotes import Today
from stress.venues import VenueBook


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
        venue = book_venue(book, venue_book, assumptions)
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
        quote_pegged=tuple(q.startswith("USDT") for q in book.quotes),
        mark=finite_array([book.marks[m] for m in book.markets]),
        oracle=finite_array([book.oracles[m] for m in book.markets]),
        collateral_price=finite_array([book.token_prices[t] for t in book.tokens]),
        quote_price=finite_array([book.token_prices.get(q, 1.0) for q in book.quotes]),
        supplied=finite_array([r[0] for r in reserves]),
        borrowed=finite_array([r[1] for r in reserves]),
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
    pools, today, driver = scenario_pools(
        spec, inputs.venue, inputs.today, inputs.assets, place, key
    )
    grid, assets = campaign.grid, inputs.assets
    process = price_process(spec, assets, grid, place, key)
    return (
        Scenario(
            driver=driver,
            process=process,
            overlay=price_overlay(spec, assets, grid, place, key),
            mix=correlation_mix(spec, process, grid, place, key),
            factors=build_factors(spec, assets, grid, place, key),
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
        for name in ("crash", "basis_blowout"):
            sized = getattr(overlay, name)
            if sized is not None and isinstance(sized.size, dict):
                given[f"overlays[{i}].{name}.size"] = list(sized.size)
    for where, names in given.items():
        for name in names:
            if name not in known and (name != "default" or not where.endswith(("ity", "drift"))):
                raise InputError(
                    place, f"{key}{where}", f"the asset {name!r}", suggest(name, known)
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
