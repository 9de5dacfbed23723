"""Campaigns with feedback: the same as without where nothing feeds back, monotone where it does."""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign_cases import BOOK, CRASH, change, position, small_campaign

from models import status
from stress.campaign import plan, run_blocks, tail_contributions
from stress.cascade_block import run_cascade
from stress.errors import InputError
from stress.totals import Totals

PATHS = 48
AT_FIRST = ("liquidated_accounts", "liquidated_notional", "liquidated_debt", "bad_debt",
            "equity_loss")  # fmt: skip
SMALL_BOOKS = {  # so thin that six accounts move prices
    "HYPE": {"volume": 2e4, "pass_through": 0.5},
    "BTC": {"volume": 2e5, "pass_through": 0.5},
}


def crowd(count: int = 24) -> dict[str, Any]:
    """The six accounts, and many like them at falling distances from liquidation."""
    book = BOOK
    for k in range(count):
        equity = 900.0 + 60.0 * k
        book = change(book, f"accounts.{len(book['accounts'])}", {
            "id": f"crowd-{k}",
            "mode": ("cross", "portfolio", "unified")[k % 3],
            "group": "crowd",
            "balances": {"USDC": equity},
            "supplied": {"HYPE": 4.0 * (k % 3 == 1)} if k % 3 == 1 else {},
            "positions": [position("HYPE", 80.0, 84.0, leverage=5)],
        })  # fmt: skip
    return book


def fed(count: int = 24, paths: int = PATHS, **cascade: Any) -> dict[str, Totals]:
    """Totals of the small campaign with feedback and settings as given."""
    settings = {"impact": SMALL_BOOKS, "vault_capital": 2e3} | {
        k: dict(v) if isinstance(v, tuple) else v for k, v in cascade.items()
    }
    changes = [
        ("feedback", True), ("paths", paths), ("book", crowd(count)), ("cascade", settings),
        ("scenarios.run.overlays.1", CRASH),
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        return run_blocks(plan(small_campaign(Path(folder), *changes)), None, 1)


def test_without_impact_and_pool_it_is_the_frozen_campaign():
    """Impact 0, an unmoved reserve and nobody else's loss to carry: equal to 1e-12.

    Winners that are closed against a bankrupt account lose what the price moved since the step
    before, without any impact: the loss of equity is compared on paths without such.
    """
    undisturbed = 0
    for totals in fed(3, 128, impact_scale=0.0, lending="process", takeover_capital=1e9).values():
        assert (totals.by_path["liquidated_accounts"] > 0).any()
        alone = totals.by_path["cascade_adl_notional"] == 0
        undisturbed += alone.sum()
        for name in AT_FIRST:
            got, want = totals.by_path[name], totals.by_path[f"frozen_{name}"]
            gross = np.abs(want).max() + 1
            same = np.abs(got - want) <= 1e-12 * gross
            assert same[alone].all() if name == "equity_loss" else same.all(), name
    assert undisturbed >= 5


def test_feedback_liquidates_more_and_the_difference_is_seen():
    for totals in fed(lending="process").values():
        value = totals.by_path["liquidated_notional"]
        frozen = totals.by_path["frozen_liquidated_notional"]
        assert value.mean() > 1.02 * frozen.mean()  # the negative control of the test above
        assert (totals.by_path["cascade_overshoot"] > 0).any()


def test_the_books_balance_on_every_path():
    for lending in ("react", "book", "process"):
        for totals in fed(lending=lending).values():
            assert totals.by_path["cascade_residual"].max() <= 1e-9
            assert not (totals.by_path["status"] == status.RESIDUAL).any()
            party = totals.by_path["cascade_party"]
            assert np.abs(party.sum(axis=1)).max() <= 1e-9 * np.abs(party).max()
            assert np.abs(party).max() > 10  # somebody has paid somebody


@pytest.mark.parametrize(
    ("less", "more", "measure"),
    [
        ({"depth_scale": 1.0}, {"depth_scale": 4.0}, "liquidated_notional"),
        ({"depth_scale": 1.0}, {"depth_scale": 4.0}, "cascade_shortfall"),
        ({"depth_scale": 1.0}, {"depth_scale": 4.0}, "bad_debt"),
        ({"vault_capital": 0.0}, {"vault_capital": 5e4}, "cascade_uncovered"),
        ({"vault_capital": 0.0}, {"vault_capital": 5e4}, "cascade_paid_adl"),
    ],
)
def test_more_depth_and_more_capital_hurt_nobody(less, more, measure):
    before = {name: t.by_path[measure].mean() for name, t in fed(**less).items()}
    after = {name: t.by_path[measure].mean() for name, t in fed(**more).items()}
    for name in before:
        assert after[name] <= before[name]
    assert any(after[name] < before[name] for name in before)


def test_more_accounts_at_the_brink_never_liquidate_less():
    """Path by path: twelve further accounts add their sales to the same crash."""
    few, many = fed(24, lending="process"), fed(36, lending="process")
    for name in few:
        before, after = (t[name].by_path["liquidated_notional"] for t in (few, many))
        assert (after >= before * (1 - 1e-12)).all()
        assert after.mean() > before.mean()


def test_reacting_lenders_change_the_reserve_and_a_static_book_does_not():
    book, react = fed(lending="book")["run"], fed(lending="react")["run"]
    used = {k: t.by_path["peak_utilization"].mean() for k, t in (("b", book), ("r", react))}
    assert used["b"] != used["r"]
    assert abs(used["b"] - used["r"]) < 0.1


def test_a_run_fills_the_reserve_and_queues_withdrawals():
    changes = [("feedback", True), ("paths", 16), ("scenarios", {"run": {
        "prices": {"process": "gbm", "volatility": {"default": 0.01}, "correlation": 0.5},
        "utilization": {"process": "jumps"},
        "overlays": [{"lender_run": {"share": 0.6, "at": "2h", "over": "2h"}}],
    }})]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        totals = run_blocks(plan(small_campaign(Path(folder), *changes)), None, 1)["run"]
    assert (totals.by_path["cascade_hours_full"] > 0).mean() > 0.9
    assert (totals.by_path["cascade_queued"] > 1e6).mean() > 0.9
    assert totals.by_path["peak_utilization"].max() <= 1


def test_contributions_to_the_tail_replay_the_cascade():
    changes = [("feedback", True), ("paths", PATHS), ("book", crowd()),
               ("cascade", {"impact": SMALL_BOOKS})]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        built = plan(small_campaign(Path(folder), *changes))
    totals = run_blocks(built, None, 1)
    tails = tail_contributions(built, totals)
    for name, total in totals.items():
        worst = np.sort(total.by_path["equity_loss"])[-1:]
        assert tails[name]["equity_loss"].sum() == pytest.approx(worst.mean(), rel=1e-9)


def compiled(program: Any) -> int:
    """Programs compiled so far."""
    return program._cache_size()


def test_other_figures_do_not_retrace():
    """Capital, depth and readings are leaves: one program for a sweep over them."""
    fed()
    known = compiled(run_cascade)
    fed(vault_capital=7e3, depth_scale=1.5, permanent_share=0.6, takeover_capital=10.0)
    assert compiled(run_cascade) == known
    fed(round_limit=9)  # the counter counts
    assert compiled(run_cascade) > known


def test_a_vault_lends_no_more_than_there_is(tmp_path):
    cascade = {"vault_capital": 1e9, "vault_lent_share": 0.9}
    with pytest.raises(InputError) as error:
        plan(small_campaign(tmp_path, ("feedback", True), ("cascade", cascade)))
    assert error.value.key == "cascade.vault_lent_share"


def test_a_second_quote_token_is_refused_by_name(tmp_path):
    book = change(BOOK, "accounts.3.balances.USDT0", 5.0)
    book = change(book, "reserves.USDT0", {"supplied": 1e6, "borrowed": 1e5})
    book = change(book, "prices.USDT0", 1.0)
    with pytest.raises(InputError) as error:
        plan(small_campaign(tmp_path, ("feedback", True), ("book", book)))
    assert error.value.key == "feedback" and "USDT0" in error.value.found
