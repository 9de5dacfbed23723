"""Distinct answers of reverse stress, and the campaigns that replay them."""

import json
import math

import jax.numpy as jnp
import numpy as np
import pytest
from campaign_cases import position, write
from reverse_cases import book, solved

from stress.campaign import plan, run_blocks
from stress.config import campaign_of, load_campaign
from stress.decide.course import KINDS
from stress.decide.reverse import WORLDS, Reverse, course_grid, late
from stress.decide.reverse_record import Played, play, ranks, record, summary
from stress.decide.still import NAME, move_overlays, still_document


@pytest.fixture(scope="module")
def mixed() -> Reverse:
    """A loop of HYPE, a short of it and a long: liquidated by a fall, by a rise, by both."""
    loop = {"id": "loop", "mode": "portfolio", "group": "looper",
            "balances": {"USDC": -50000.0}, "supplied": {"HYPE": 1000.0}}  # fmt: skip
    short = {"id": "short", "mode": "cross", "group": "trader", "balances": {"USDC": 15000.0},
             "positions": [position("HYPE", -700.0, 84.0, leverage=5)]}  # fmt: skip
    bitcoin = {"id": "btc", "mode": "cross", "group": "trader", "balances": {"USDC": 12000.0},
               "positions": [position("BTC", 1.0, 80000.0, leverage=10)]}  # fmt: skip
    held = book(loop, short, bitcoin)
    return solved(
        1.0,
        ("book", held),
        ("scenarios.base.utilization.process", "jumps"),
        ("step", "4h"),
        metric="liquidated_accounts",
        kinds=KINDS,
        rounds=24,
        answers=5,
    )


def test_distinct_answers(mixed):
    """A fall and a rise of HYPE, a fall of BTC: three ways, the nearest first."""
    found = [w.distance for w in mixed.worlds]
    assert len(found) >= 3 and found == sorted(found)
    hype = [w.moves[1] for w in mixed.worlds]
    assert min(hype) < -0.15 and max(hype) > 0.1
    assert all(w.loss >= 1 and w.distance <= w.unpolished * (1 + 1e-9) for w in mixed.worlds)
    for world in mixed.worlds:
        normal = math.erfc(world.distance / math.sqrt(2)) / 2
        assert world.probability == pytest.approx(normal, rel=1e-9)


def lost(mixed: Reverse, points: np.ndarray) -> np.ndarray:
    """Accounts liquidated in whitened worlds."""
    return np.asarray(
        mixed.course.money(jnp.asarray(mixed.law.moves(points)[:, None, :])).liquidated_accounts
    )


def test_no_nearer_world_is_overlooked(mixed):
    """Of random worlds at nine tenths of the nearest distance none reaches the loss."""
    law, nearest = mixed.law, mixed.worlds[0]
    rng = np.random.default_rng(0)
    points = rng.standard_normal((2048, law.root.shape[1]))
    points *= 0.9 * nearest.distance / np.linalg.norm(points, axis=1, keepdims=True)
    assert max(float(lost(mixed, part).max()) for part in np.split(points, 2048 // WORLDS)) == 0
    edges = np.resize([1.001 * w.whitened for w in mixed.worlds], (WORLDS, points.shape[1]))
    there = lost(mixed, edges)
    assert (np.asarray(there) >= 1).all()  # negative control: beyond the answers it is reached


def test_replays_lose_as_much(mixed, tmp_path):
    """The written campaign, read and run like any other, gives the loss that was found."""
    played = [play(mixed, world, n) for n, world in enumerate(mixed.worlds, start=1)]
    results = record(mixed, played, {})
    for world, one in zip(mixed.worlds, played, strict=True):
        assert one.losses["liquidated_accounts"] == world.loss
        assert np.isfinite(one.first).sum() == world.loss
        assert one.equity_loss.sum() == pytest.approx(one.losses["equity_loss"], rel=1e-9)
    path = write(tmp_path, played[0].document)
    total = run_blocks(plan(load_campaign(path)), None, 1)[NAME]
    assert total.by_path["liquidated_accounts"][0] == mixed.worlds[0].loss
    told = json.loads(json.dumps(summary(results), allow_nan=False))
    assert len(told["answers"]) == len(mixed.worlds)
    assert told["answers"][0]["distance"] == mixed.worlds[0].distance
    assert results["covariance"].values == pytest.approx(mixed.law.covariance)


def test_every_factor_is_replayed(mixed):
    """Moves of every kind: the course and the campaign that is written of it agree to rounding."""
    layout = mixed.course.layout
    moves = np.array([-0.1, -0.15, 0.01, -0.02, 0.0, 0.2])
    assert len(moves) == len(layout.names)
    grid = course_grid(mixed.course)
    world = late(mixed.course, 4.0, grid)
    want = world.money(jnp.asarray(np.tile(moves, (WORLDS, 1, 1))))
    document = still_document(
        mixed.campaign, "base", overlays=move_overlays(layout, moves, 4.0, float(grid[-1]))
    )
    total = run_blocks(plan(campaign_of(document)), None, 1)[NAME]
    for measure in ("equity_loss", "liquidated_debt", "liquidated_notional"):
        got = float(total.by_path[measure][0])
        assert got == pytest.approx(float(getattr(want, measure)[0]), rel=1e-9)
    still = run_blocks(plan(campaign_of(still_document(mixed.campaign, "base"))), None, 1)[NAME]
    assert abs(float(still.by_path["equity_loss"][0])) < 100 < float(want.equity_loss[0])


def test_accounts_are_ranked_by_what_was_asked_for() -> None:
    one = Played(
        document={}, losses={}, equity_loss=np.array([5.0, 9.0, 1.0, 7.0]),
        bad_debt=np.array([0.0, 0.0, 3.0, 2.0]), first=np.array([2.0, np.nan, 1.0, np.nan]),
        peak_utilization=np.zeros(1),
    )  # fmt: skip
    assert ranks("equity_loss", one).tolist() == [2, 0, 3, 1]
    assert ranks("bad_debt", one).tolist() == [3, 2, 0, 1]
    assert ranks("liquidated_debt", one).tolist() == [0, 2, 1, 3]
