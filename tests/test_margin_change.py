"""A change of rules put on a book as it stands, at once and in pieces."""

import dataclasses
import json
from pathlib import Path

import jax
import numpy as np
import pytest
from book_cases import HALF, LATEST, book_of, close
from campaign_cases import position
from ruamel.yaml import YAML

from stress.book import Book, margin_accounts
from stress.errors import InputError
from stress.margin_change import DryRun, dry_run, grouped, with_rules
from stress.margin_figures import book_venue, row_figures
from stress.margin_state import margin_states
from stress.venues import diff_venues, load_venue

PRICES = {"HYPE": {"mark": 84.0, "oracle": 84.0}, "BTC": 80000.0}
AT = {"source": "margining", "as_of": "2026-11-01"}
# What each group of rules changes; laid over the latest rule book. Tighter but for the funding.
PIECES = {
    "LTVs": {"tokens": {"HYPE": {"ltv": {"value": 0.4, "unit": "1", **AT}}}},
    "supply caps": {"tokens": {"HYPE": {"user_supply_cap": {"value": 50, "unit": "HYPE", **AT}}}},
    "borrow caps": {"quotes": {"USDC": {"user_borrow_cap": {"value": 4e3, "unit": "USDC", **AT}}}},
    "margin tiers": {
        "margin_tables": {"thin": {"value": [[0, 3], [1e6, 2]], "unit": "[USDC, 1]", **AT}},
        "markets": {"HYPE": {"value": "thin", "unit": "margin table", **AT}},
    },
    "liquidation": {"liquidation": {"portfolio_trigger": {"value": 0.7, "unit": "1", **AT}}},
    "transfer margin": {"margin": {"transfer_margin": {"value": 0.2, "unit": "1", **AT}}},
    "borrow offset": {"margin": {"min_borrow_offset": {"value": 9e3, "unit": "USDC", **AT}}},
    "readings": {
        "assumptions": {
            "rate_convention": {"value": "effective", "alternatives": ["nominal", "effective"],
                                **AT},
        }
    },
    "rate curve": {"lending": {"kink": {"value": 0.7, "unit": "1", **AT}}},
    "funding": {"funding": {"cap": {"value": 0.03, "unit": "1/h", **AT}}},
}  # fmt: skip


def rules(folder: Path, *groups: str):
    """The latest rule book with some groups changed, through its file: an independent way."""

    def laid(below, above):
        both = isinstance(below, dict) and isinstance(above, dict) and "value" not in above
        return below | {k: laid(below.get(k), v) for k, v in above.items()} if both else above

    text: dict = {"venue": "hyperliquid", "date": "2026-11-01", "extends": LATEST.name}
    for group in groups:
        text = laid(text, PIECES[group])
    path = folder / f"{len(groups)}-{groups[0].replace(' ', '-')}.yaml"
    with path.open("w") as file:
        YAML(typ="safe").dump(text, file)
    return load_venue(path)


@pytest.fixture(scope="module")
def book() -> Book:
    """Loopers, one near the trigger, a trader, one with an isolated position, a lender."""
    return book_of(
        {"id": "loop", "balances": {"USDC": -5700.0}, "supplied": {"HYPE": 100.0}},
        {"id": "safe", "balances": {"USDC": -1000.0}, "supplied": {"HYPE": 40.0}},
        {
            "id": "short",
            "supplied": {"HYPE": 80.0},
            "positions": [position("HYPE", -78.0, 40.0, leverage=3)],
        },
        {
            "id": "trader",
            "mode": "unified",
            "balances": {"USDC": 1000.0},
            "positions": [position("HYPE", 100.0, 84.0, leverage=5)],
        },
        {
            "id": "alone",
            "mode": "cross",
            "positions": [
                position("HYPE", 20.0, 84.0, margin="isolated", leverage=8, margin_balance=210.0)
            ],
        },
        {"id": "gone", "balances": {"USDC": -7900.0}, "supplied": {"HYPE": 100.0}},
        {"id": "lends", "mode": "lender", "balances": {"USDC": 10000.0}},
        prices=PRICES,
    )


@pytest.fixture(scope="module")
def whole(book, tmp_path_factory) -> DryRun:
    new = rules(tmp_path_factory.mktemp("rules"), *PIECES)
    return dry_run(book, new, LATEST)


def statuses(book, venue) -> np.ndarray:
    rows = margin_accounts(book)
    return row_figures(book, book_venue(book, venue, {}), rows).status


@pytest.mark.parametrize("group", PIECES)
def test_a_group_alone_is_its_own_rule_book(group, book, whole, tmp_path):
    """Mixed in arrays and written as a file of its own, the same leaves and the same verdicts."""
    alone = rules(tmp_path, group)
    assert list(grouped(diff_venues(LATEST, alone))) == [group]
    old, new = (book_venue(book, v, {}) for v in (LATEST, rules(tmp_path, *PIECES)))
    mixed, filed = with_rules(old, new, [group]), book_venue(book, alone, {})
    for one, other in zip(jax.tree.leaves(mixed), jax.tree.leaves(filed), strict=True):
        np.testing.assert_array_equal(one, other)
    before, after = statuses(book, LATEST), statuses(book, alone)
    found = next(a for a in whole.applications if a.name == f"only {group}")
    fresh = [m for m in found.moved if m.status_before == "healthy"]
    assert len(fresh) == np.sum((before == 0) & (after > 0))
    assert found.cured == np.sum((before > 0) & (after == 0))


def test_every_application_is_there(whole):
    names = [a.name for a in whole.applications]
    groups = list(whole.changes)
    assert set(groups) == set(PIECES)
    assert names == [
        "all at once", *(f"only {g}" for g in groups), *(f"all but {g}" for g in groups)
    ]  # fmt: skip
    harmless = {"rate curve", "funding", "readings", "transfer margin"}
    for one in whole.applications[1 : len(groups) + 1]:
        assert bool(one.accounts) is (one.rules[0] not in harmless), one.name
    assert whole.liquidatable_before == 1


def test_figures_of_a_looper(book):
    """LTV 0.65 -> 0.50: ratio, loan and what is missing, by hand."""
    tight = dry_run(book, HALF, LATEST, prices={"HYPE": 75.0})
    (one,) = tight.applications
    loop = {m.id: m for m in one.moved}["loop"]
    assert loop.ratio_before == close(5700 / (7500 * 0.825))
    assert loop.ratio_after == close(5700 / (7500 * 0.75))
    assert (loop.status_before, loop.status_after) == ("healthy", "partial")
    assert loop.loan == close(5700.0) and loop.notional == 0
    assert loop.shortfall == close(5700 - 0.95 * 7500 * 0.75)
    assert one.loan == close(sum(m.loan for m in one.moved if m.status_before == "healthy"))
    none = dry_run(book, LATEST, LATEST)
    assert none.changes == {} and none.applications[0].moved == ()


def test_what_is_missing_is_what_brings_back(book, tmp_path):
    """Paid in, an account stands at the trigger; a thousandth less and it is liquidatable."""
    new = rules(tmp_path, "LTVs", "margin tiers")
    found = dry_run(book, new, LATEST).applications[0]
    assert {m.id for m in found.moved} >= {"loop", "short", "trader"}
    place = {name: u for u, name in enumerate(book.ids.tolist())}
    for moved in found.moved:
        if moved.part != "cross":
            continue
        u, ratios = place[moved.id], []
        for share in (1.0, 0.999):
            cash = book.cash.copy()
            cash[u, 0] += moved.shortfall * share
            paid = dataclasses.replace(book, cash=cash)
            ratios.append(margin_states(paid, new)[u].portfolio_margin_ratio)
        assert ratios[0] == close(0.95) and ratios[1] > 0.95


def test_a_token_the_old_rules_lack_is_refused(book):
    with_bitcoin = book_of({"supplied": {"UBTC": 1.0}}, prices=PRICES)
    with pytest.raises(InputError, match=r"tokens\.UBTC"):
        dry_run(with_bitcoin, LATEST, load_venue("2025-12-23"))


def test_json_is_whole(whole):
    from stress.commands.margin import finite

    text = json.dumps(finite(dataclasses.asdict(whole)), default=str)
    found = json.loads(text, parse_constant=lambda word: pytest.fail(word))
    assert found["applications"][0]["moved"][0]["id"]
