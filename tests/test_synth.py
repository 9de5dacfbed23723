"""Synthetic populations: totals by the kernels, caps, health, tails, scaling, refusals."""

import copy
import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.account import Account, Market, margin_state
from models.portfolio import desired_loan, excess, idle_balance, margin_ratio, requirements
from stress.book import Book, group_names, margin_accounts
from stress.book_io import load_book, save_book
from stress.errors import InputError
from stress.files import config_dir, read_yaml
from stress.synth import build_book
from stress.synth_margin import fill, least_equity
from stress.synth_margin import margin_ratio as numpy_ratio
from stress.venues import build_venue, load_venue

PORTFOLIO = 25e6  # USD, account value below which portfolio margin is offered


@functools.cache
def plan() -> dict[str, Any]:
    return read_yaml(config_dir() / "books" / "default.yaml")


@functools.cache
def population(accounts: int = 2000, seed: int = 20260908) -> Book:
    return build_book(copy.deepcopy(plan()) | {"accounts": accounts, "seed": seed})


@functools.cache
def figures(accounts: int = 2000, seed: int = 20260908) -> dict[str, np.ndarray]:
    """Every margin account's figures by the kernels, not by the generator's own arithmetic."""
    book = population(accounts, seed)
    rows = margin_accounts(book)
    venue = build_venue(load_venue(book.venue), book.markets, quotes=["USDC"], tokens=book.tokens)
    marks = jnp.array([book.marks[m] for m in book.markets])
    one = jnp.ones(1)
    still = dict.fromkeys((f.name for f in dataclasses.fields(Market)), one)  # no interest yet
    moving = {
        "mark": marks,
        "settlement": marks,
        "collateral_price": jnp.array([book.token_prices[c] for c in book.tokens]),
        "free_liquidity": jnp.array([np.inf]),
    }
    market = Market(**still | moving)

    def of_one(cash: Any, size: Any, leverage: Any, supplied: Any, shared: Any) -> Any:
        account = Account(
            markets=tuple(range(len(book.markets))),
            tokens=tuple(range(len(book.tokens))),
            portfolio=True,
            net_cash=cash,
            size=size,
            inverse_leverage=1 / leverage,
            supplied=supplied,
            shared_margin=shared,
        )
        state = margin_state(venue, account, market)
        required = requirements(venue, account, market, state)
        return {
            "ratio": margin_ratio(required),
            "excess": excess(venue, account, required),
            "loan": desired_loan(venue, market, state, 0),
            "idle": idle_balance(state, 0),
            "equity": state.equity[0],
            "collateral": state.collateral_value,
        }

    shared = np.isin(rows.kind, ("portfolio", "unified")).astype(float)
    found = jax.jit(jax.vmap(of_one))(
        rows.net_cash[:, :1], rows.size, rows.leverage, rows.supplied, shared
    )
    value = np.zeros(len(book.ids))
    np.add.at(value, rows.owner, np.asarray(found["equity"] + found["collateral"]))
    return {k: np.asarray(v) for k, v in found.items()} | {"kind": rows.kind, "value": value}


CASES = [(2000, 20260908), (20_000, 20260908), (3000, 5)]


@pytest.mark.parametrize(("accounts", "seed"), CASES)
def test_reserves_are_the_observed_ones(accounts: int, seed: int) -> None:
    book, found = population(accounts, seed), figures(accounts, seed)
    portfolio, lender = found["kind"] == "portfolio", found["kind"] == "lender"
    supplied = found["idle"][portfolio].sum() + found["equity"][lender].sum()
    assert supplied == pytest.approx(416_268_254, rel=1e-3)
    assert found["loan"][portfolio].sum() == pytest.approx(264_565_198, rel=1e-3)
    held = dict(zip(book.tokens, book.supplied.sum(axis=0), strict=True))
    assert held["HYPE"] == pytest.approx(9_872_338, rel=1e-3)
    assert held["UBTC"] == pytest.approx(1_818.14, rel=1e-3)
    assert (book.supplied[book.modes != "portfolio"] == 0).all()


@pytest.mark.parametrize(("accounts", "seed"), CASES)
def test_longs_equal_shorts_equal_open_interest(accounts: int, seed: int) -> None:
    book = population(accounts, seed)
    rows = margin_accounts(book)
    for m, market in enumerate(book.markets):
        size = rows.size[:, m]
        longs, shorts = size[size > 0].sum(), -size[size < 0].sum()
        assert longs == pytest.approx(shorts, rel=1e-12)
        observed = plan()["observed"]["open_interest"][market]["contracts"]
        assert longs == pytest.approx(observed, rel=1e-3)


def test_open_interest_is_the_recorded_one(shared: Path) -> None:
    meta, contexts = json.loads(
        (shared / "data" / "recorded" / "metaAndAssetCtxs_2026.json").read_text()
    )
    observed = plan()["observed"]["open_interest"]
    for entry, context in zip(meta["universe"], contexts, strict=True):
        recorded = float(context["openInterest"])
        assert observed[entry["name"]]["contracts"] == pytest.approx(recorded, rel=1e-9)


@pytest.mark.parametrize(("accounts", "seed"), CASES)
def test_nobody_is_above_a_cap(accounts: int, seed: int) -> None:
    book, found = population(accounts, seed), figures(accounts, seed)
    most = dict(zip(book.tokens, book.supplied.max(axis=0), strict=True))
    assert most["HYPE"] <= 1e6 and most["UBTC"] <= 200
    assert found["loan"].max() <= 50e6
    assert found["equity"][found["kind"] == "lender"].max() <= 250e6
    assert found["value"][book.modes == "portfolio"].max() < PORTFOLIO
    limit = np.array([greatest_leverage(market) for market in book.markets])
    assert (book.leverage <= limit).all() and (book.isolated.leverage >= 1).all()


def greatest_leverage(market: str) -> float:
    return {"BTC": 40.0, "ETH": 25.0, "SOL": 20.0, "HYPE": 10.0}[market]


@pytest.mark.parametrize(("accounts", "seed"), CASES)
def test_nobody_is_liquidatable(accounts: int, seed: int) -> None:
    found = figures(accounts, seed)
    due = found["ratio"] > 0
    assert (found["excess"][due] < 0).all()
    assert found["ratio"].max() <= 0.85
    # Power: with a tenth of the credit and equity gone somebody would be.
    assert (found["ratio"] / 0.9 > 0.93).any()


def test_margin_ratios_are_spread() -> None:
    book, found = population(), figures()
    ratio = found["ratio"][: len(book.ids)]
    for group in ("hype_looper", "btc_looper"):
        low, median, high = np.quantile(ratio[book.groups == group], [0.05, 0.5, 0.95])
        assert 0.4 < median < 0.6
        assert low < 0.3 and 0.7 < high < 0.85
    perps = ratio[np.isin(book.groups, ("cross_whale", "unified", "directional"))]
    assert 0.02 < np.median(perps) < 0.2 and perps.max() > 0.6


def test_a_crash_takes_many_and_a_small_move_few() -> None:
    """Shares of accounts that a common move of all prices would make liquidatable."""

    def share(move: float) -> float:
        book = population()
        scaled = dataclasses.replace(
            book,
            marks={k: v * (1 + move) for k, v in book.marks.items()},
            token_prices=book.token_prices
            | {c: book.token_prices[c] * (1 + move) for c in book.tokens},
        )
        rows = margin_accounts(scaled)
        marks = np.array([scaled.marks[m] for m in scaled.markets])
        rate = np.array([0.5 / greatest_leverage(m) for m in scaled.markets])
        equity = rows.net_cash[:, 0] + rows.size @ marks
        margin = (np.abs(rows.size) * marks) @ rate
        weight = np.array([{"HYPE": 0.825, "UBTC": 0.75}[c] for c in scaled.tokens])
        price = np.array([scaled.token_prices[c] for c in scaled.tokens])
        credit = rows.supplied @ (price * weight)
        limit = np.where(np.isin(rows.kind, ("portfolio", "unified")), 0.95, 1.0)
        hit = np.zeros(len(scaled.ids), dtype=bool)
        np.logical_or.at(hit, rows.owner, numpy_ratio(equity, margin, credit) > limit)
        return hit[scaled.modes != "lender"].mean()

    assert share(0.0) == 0
    assert 0 < share(-0.05) < 0.03
    assert share(-0.4) > 0.2
    assert share(0.3) > 0.05  # shorts are there too


def test_groups_and_modes() -> None:
    book = population()
    counts = {g: int((book.groups == g).sum()) for g in group_names(book)}
    assert sum(counts.values()) == 2000 and min(counts.values()) >= 100
    want = {n: round(2000 * g["share"]) for n, g in plan()["population"].items()}
    assert counts == want
    assert set(book.modes) == {"portfolio", "unified", "cross", "lender"}
    assert len(book.isolated.account) > 50
    held = (book.size != 0).sum(axis=1)
    assert (held[book.groups == "hype_looper"] == 0).all()
    assert (held[book.groups == "carry"] == 1).all()
    assert held[book.groups == "directional"].max() > 2
    marks = np.array([book.marks[m] for m in book.markets])
    neutral = book.size[book.groups == "market_neutral"] * marks
    np.testing.assert_allclose(neutral.sum(axis=1) / np.abs(neutral).sum(axis=1), 0, atol=1e-12)


def top_tenth(book: Book, group: str) -> float:
    """Share of a group's collateral, notional or supply that its largest tenth holds."""
    marks = np.array([book.marks[m] for m in book.markets])
    values = {
        "hype_looper": book.supplied.sum(axis=1),
        "cross_whale": np.abs(book.size) @ marks,
        "lender": book.cash[:, 0],
    }[group]
    sizes = np.sort(values[book.groups == group])[::-1]
    return float(sizes[: len(sizes) // 10].sum() / sizes.sum())


@pytest.mark.parametrize("group", ["hype_looper", "cross_whale", "lender"])
def test_sizes_are_heavy_tailed(group: str) -> None:
    assert top_tenth(population(), group) > 0.4
    even = copy.deepcopy(plan())  # negative control: sizes nearly alike
    even["population"][group]["size"] = {"kind": "lognormal", "sigma": 0.05}
    assert top_tenth(build_book(even), group) < 0.4


def test_some_positions_reach_the_second_tier() -> None:
    book = population()
    marks = np.array([book.marks[m] for m in book.markets])
    largest = dict(zip(book.markets, (np.abs(book.size) * marks).max(axis=0), strict=True))
    assert largest["BTC"] > 150e6 and largest["ETH"] > 100e6 and largest["HYPE"] > 20e6


def test_same_seed_same_book() -> None:
    again = build_book(copy.deepcopy(plan()))
    assert again.digest == population().digest
    assert population(2000, 0).digest != population(2000, 1).digest
    assert load_book("books/default").digest == population().digest


@pytest.mark.parametrize("ending", ["json", "parquet"])
def test_population_survives_its_file(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"book.{ending}"
    save_book(population(), path)
    assert load_book(path).digest == population().digest


def test_a_hundred_thousand_accounts() -> None:
    book = population(100_000)
    assert len(book.ids) == 100_000
    assert book.supplied.sum() == pytest.approx(9_872_338 + 1_818, rel=1e-3)


FAULTS: list[tuple[Callable[[dict[str, Any]], Any], str]] = [
    (lambda s: s.update(accounts=40), "population"),
    (lambda s: s.update(acounts=40), "acounts"),
    (lambda s: s.update(seed=-1), "seed"),
    (lambda s: s["population"].pop("lender"), "population"),
    (lambda s: s["population"]["carry"].update(share=0.5), "population"),
    (lambda s: s["population"]["carry"].update(rationale=""), "population.carry.rationale"),
    (
        lambda s: s["population"]["carry"]["collateral"].update(HYPE=0.98),
        "population.hype_looper",
    ),
    (lambda s: s["population"]["hype_looper"].update(token="DOGE"), "population.hype_looper"),
    (lambda s: s["population"]["directional"].update(notional=0.9), "population.cross_whale"),
    (
        lambda s: s["population"]["unified"].update(
            collateral=s["population"]["directional"]["collateral"]
        ),
        "population.unified.collateral",
    ),
    (lambda s: s["observed"]["reserves"]["USDC"].update(borrowed=4.5e8), "population.hype_looper"),
    (lambda s: s["observed"]["reserves"]["USDC"].update(borrowed=1e6), "population.hype_looper"),
    (lambda s: s["observed"]["reserves"]["USDC"].update(supplied=3e6), "population.lender"),
    (lambda s: s["observed"]["reserves"]["HYPE"].update(supplied=9.9e7), "population"),
    (lambda s: s["observed"]["prices"].pop("ETH"), "observed.prices.ETH"),
    (lambda s: s["observed"]["prices"]["ETH"].pop("source"), "observed.prices.ETH.source"),
    (
        lambda s: s["observed"]["open_interest"].update(
            XXX=s["observed"]["open_interest"].pop("ETH")
        ),
        "observed.open_interest.XXX",
    ),
    (lambda s: s["assumed"].update(greatest_position=0.005), "population.cross_whale"),
]


@pytest.mark.parametrize(("fault", "key"), FAULTS)
def test_infeasible_or_malformed_specs(fault: Callable[[dict[str, Any]], Any], key: str) -> None:
    spec = copy.deepcopy(plan())
    fault(spec)
    with pytest.raises(InputError) as refused:
        build_book(spec, "mine.yaml")
    assert refused.value.key.startswith(key)
    assert str(refused.value).startswith("mine.yaml")


@given(
    st.lists(st.tuples(st.floats(1e-3, 1e3), st.floats(1e-3, 1e6)), min_size=1, max_size=20),
    st.floats(0.001, 1.0),
)
def test_fill_shares_out_within_caps(pairs: list[tuple[float, float]], part: float) -> None:
    weights, caps = (np.array(x) for x in zip(*pairs, strict=True))
    total = part * caps.sum()
    amounts = fill(weights, caps, total)
    assert amounts is not None
    assert amounts.sum() == pytest.approx(total, rel=1e-9)
    assert (amounts <= caps * (1 + 1e-12)).all()
    free = amounts < caps * (1 - 1e-9)
    if free.any():  # those below their caps have one scale, and it is the highest
        scale = (amounts / weights)[free]
        np.testing.assert_allclose(scale, scale[0], rtol=1e-9)
        assert (amounts / weights).max() <= scale[0] * (1 + 1e-9)


def test_fill_refuses_what_does_not_fit() -> None:
    weights, caps = np.ones(3), np.full(3, 2.0)
    assert fill(weights, caps, 6.000001) is None
    assert fill(weights, caps, -1.0) is None
    np.testing.assert_array_equal(fill(weights, caps, 0.0), np.zeros(3))


@given(st.floats(0, 1e7), st.floats(0, 1e8), st.floats(0.01, 0.99))
def test_least_equity_inverts_the_ratio(margin: float, credit: float, ratio: float) -> None:
    if margin + credit < 1:
        return
    equity = least_equity(ratio, np.array([margin]), np.array([credit]))
    found = numpy_ratio(equity, np.array([margin]), np.array([credit]))[0]
    assert found == pytest.approx(ratio, rel=1e-6)
    richer = numpy_ratio(equity + 1, np.array([margin]), np.array([credit]))[0]
    assert richer < found
