"""Time to liquidation by interest alone: closed form, a loop over hours, the engine itself."""

import dataclasses
import math
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import oracles_path
import pytest
from campaign_cases import BOOK, VENUE, small_campaign
from margin_cases import (
    QUOTES,
    accounts_of,
    market_of,
    random_account,
    random_prices,
    random_rules,
    venue_of,
)

from models.carry import LONGEST, hours_to_liquidation
from stress.book_io import load_book
from stress.campaign import plan, run_blocks
from stress.decide.liquidation_time import (
    borrowers,
    group_members,
    shares,
    times_to_liquidation,
)
from stress.frozen import used_part
from stress.margin_figures import book_venue
from stress.venues import load_venue

LEVELS = [0.5, 0.9, 0.95, 1.0]
YEAR = 8760.0


def book_times(accounts, levels=LEVELS, **readings):
    """Times of a book of accounts at 0.636 today and at levels."""
    rules = load_venue(VENUE)
    book = used_part(load_book(BOOK | {"accounts": accounts}, venue=rules))
    today = np.full(len(book.quotes), 0.636)
    return book, times_to_liquidation(book, book_venue(book, rules, readings), today, levels)


def looper(loan: float, **more) -> dict:
    return {"id": f"loop-{loan:g}", "mode": "portfolio", "balances": {"USDC": -loan},
            "supplied": {"HYPE": 100.0}} | more  # fmt: skip


@pytest.mark.parametrize("reading", ["nominal", "effective"])
def test_one_loan_on_one_token_has_a_closed_form(reading: str) -> None:
    """0.95 (1 + LTV) / 2 of the value over the loan, its logarithm over the rate."""
    loans = [3000.0, 5000.0, 6570.0, 6600.0]
    limit = 0.95 * (1 + 0.65) / 2 * 100 * 84.1
    _, times = book_times([looper(x) for x in loans], rate_convention=reading)
    rates = np.array([0.05, 0.05, 0.525, 0.7625, 1.0])
    assert np.allclose(times.rate[:, 0], rates, rtol=1e-12)
    grows = rates if reading == "nominal" else np.log1p(rates)
    exact = np.array([[math.log(limit / x) / r * YEAR for x in loans] for r in grows])
    assert np.array_equal(times.hours, np.where(exact < 0, 0, np.floor(exact) + 1))
    other = np.log1p(rates) if reading == "nominal" else rates  # negative control
    wrong = np.array([math.log(limit / loans[0]) / r * YEAR for r in other])
    assert np.all(np.abs(times.hours[:, 0] / wrong - 1) > 0.02)


def test_who_owes_nothing_lasts_for_ever() -> None:
    accounts = [*BOOK["accounts"], looper(9000.0, group="looper")]
    book, times = book_times(accounts)
    by_id = dict(zip(map(str, book.ids), times.hours.T, strict=True))
    for name in ("unified", "standard", "lends"):
        assert np.isinf(by_id[name]).all()
    assert not by_id["loop-9000"].any()
    assert np.all(np.diff(by_id["loop-hype"][[0, 2, 3, 4]]) < 0)
    names, members = group_members(book)
    owing, earliest, median = borrowers(members, times)
    of = names.index("looper")
    assert (
        owing[of] == 3
        and not earliest[:, of].any()
        and np.isnan(earliest[0, names.index("lender")])
    )
    assert np.array_equal(median[:, of], np.minimum(by_id["loop-hype"], by_id["loop-btc"]))
    gone = shares(members, times.loan, times.hours == 0)
    assert gone[0, of] == pytest.approx([1 / 3, 9000 / 17500])
    assert gone[0, 0] == pytest.approx([1 / 7, 9000 / times.loan.sum()])


def by_hour(account, prices, rules, used: float, hours: float, most: int):
    """The first interval after which the account is liquidatable, by a loop; and its loans."""
    account, loans = oracles_path.own_copy(account), []
    for t in range(most + 1):
        seen = oracles_path.observe(account, prices, rules, {}, {})
        loans.append(seen["loan"]["USDC"])
        if seen["liquidatable"]:
            return t, loans
        oracles_path.pay_interest(account, seen, dict.fromkeys(QUOTES, used), hours, "nominal")
    return math.inf, loans


@pytest.fixture(scope="module")
def counted():
    """`hours_to_liquidation` of a batch of accounts of one shape."""
    return jax.jit(jax.vmap(hours_to_liquidation, in_axes=(None, -1, None), out_axes=-1))


@pytest.mark.parametrize(("seed", "mode"), [(1, "floor"), (2, "none")])
def test_every_stretch_against_a_loop(counted, seed: int, mode: str) -> None:
    """Intervals of ten days and of one hour; loans at the user cap, at C_ltv, at maintenance."""
    rng = np.random.default_rng(seed)
    rules = random_rules(rng, offset_mode=mode, min_borrow_offset=20.0)
    prices, used, most, kinds = random_prices(rng), float(rng.uniform(0.85, 1.0)), 400, set()
    for positions in (True, False):
        if not positions:
            rules = rules | {"user_borrow_cap": {}}
        made = [random_account(rng, rules, prices, "portfolio", positions) for _ in range(40)]
        for hours in (240.0, 1.0):
            growths = [
                jnp.full(len(QUOTES), oracles.growth_factor(rate(used), hours) - 1)
                for rate in (oracles.borrow_rate, oracles.supply_rate)
            ]
            market = dataclasses.replace(
                market_of(prices), borrow_growth=growths[0], supply_growth=growths[1]
            )
            found = counted(venue_of(rules), accounts_of(made, positions=positions), market)
            for got, account in zip(np.asarray(found), made, strict=True):
                exact, loans = by_hour(account, prices, rules, used, hours, most)
                assert got == exact if exact < math.inf else got > most
                credit = oracles.collateral_credit(account, prices, rules)[0]
                cap = rules["user_borrow_cap"].get("USDC", math.inf)
                kinds |= {"cap"} if loans[-1] == cap else set()
                kinds |= {"credit"} if loans[-1] == credit else set()
                kinds |= {"maintenance"} if credit < loans[-1] < cap else set()
                kinds |= {"later"} if 1 < exact < math.inf else set()
    assert "later" in kinds and (kinds & {"cap", "credit"})


def test_loops_reach_every_stretch() -> None:
    """What the test above stands on: a loan that passes each of its limits before the end."""
    rules = random_rules(np.random.default_rng(0), offset_mode="none", min_borrow_offset=0.0)
    rules |= {"user_borrow_cap": {"USDC": 4000.0}, "ltv": {"HYPE": 0.2, "UBTC": 0.2}}
    rules["tiers"]["BTC"] = [(0.0, 40.0)]
    prices = random_prices(np.random.default_rng(0))
    mark = prices["mark"]["BTC"]
    held = {"market": "BTC", "size": 20000.0 / mark, "entry_price": mark, "leverage": 5.0,
            "margin": "cross"}  # fmt: skip
    account = {"mode": "portfolio", "cash": {"USDC": 3000.0},
               "supplied": {"HYPE": 10000.0 / prices["borrow"]["HYPE"]},
               "positions": [held]}  # fmt: skip
    first, loans = by_hour(account, prices, rules, 1.0, 24.0, 5000)
    assert loans[0] < 2000.0 and 2000.0 in np.round(loans, 9) and loans[-1] > 2000.0
    market = dataclasses.replace(market_of(prices), **{
        name: jnp.full(2, oracles.growth_factor(rate, 24.0) - 1)
        for name, rate in (("borrow_growth", 1.0), ("supply_growth", 0.9))
    })  # fmt: skip
    one = jax.tree.map(lambda x: x[..., 0], accounts_of([account]))
    assert float(hours_to_liquidation(venue_of(rules), one, market)) == first < LONGEST


def test_the_engine_agrees(tmp_path: Path) -> None:
    """A campaign whose prices stand still and whose reserve is fully used."""
    accounts = [looper(x) for x in (6500.0, 6560.0)] + [
        {"id": "carry", "mode": "portfolio", "supplied": {"UBTC": 0.1},
         "positions": [{"market": "BTC", "size": -0.1, "entry_price": 25000.0, "leverage": 5,
                        "margin": "cross"}]}]  # fmt: skip
    still = {"process": "gbm", "volatility": {"default": 0.0}, "correlation": 0.0}
    scenario = {"prices": still, "utilization": {"process": "constant", "USDC": 1.0},
                "funding": {"premium": -0.0005}}  # fmt: skip
    campaign = small_campaign(
        tmp_path, ("book", BOOK | {"accounts": accounts}), ("horizon", "400h"), ("paths", 2),
        ("scenarios", {"still": scenario}),
    )  # fmt: skip
    counts = run_blocks(plan(campaign), None, 1)["still"].counts["first"]
    _, times = book_times(accounts, [1.0])
    first = counts.argmax(axis=0)
    assert np.all(counts.max(axis=0) == 2) and np.all((first > 0) & (first < 401))
    assert np.array_equal(times.hours[1], first)
