"""The campaign loop: any threads, blocks and interruptions give the same; so do replays."""

import dataclasses
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign_cases import (
    BOOK,
    CAMPAIGN,
    small_campaign,
    small_plan,
    small_tails,
    small_totals,
)

from models.status import NON_FINITE
from stress.campaign import (
    compute_block,
    plan,
    run_blocks,
    scenario_key,
    tail_contributions,
)
from stress.errors import EnvironmentUnusable
from stress.metrics import account_estimates
from stress.tail import expected_shortfall
from stress.totals import Totals

NAMES = ("run", "crash")


def assert_identical(one: dict[str, Totals], other: dict[str, Totals]) -> None:
    """Every bit of the totals."""
    assert set(one) == set(other)
    for name, total in one.items():
        for kind in ("counts", "by_path"):
            mine, theirs = getattr(total, kind), getattr(other[name], kind)
            assert mine.keys() == theirs.keys()
            for key, value in mine.items():
                np.testing.assert_array_equal(theirs[key], value, err_msg=f"{name}.{key}")


class Interrupted(BaseException):
    """Stands for a person's Ctrl-C."""


def stop_after(blocks: int):
    """A progress that is interrupted once a number of blocks has come in."""
    seen: list[int] = []

    def progress(done: int, paths: int) -> None:
        seen.append(paths)
        if len(seen) == blocks:
            raise Interrupted

    return progress


def stored(folder: Path) -> int:
    return len(list(folder.glob("*/*.receipt.json")))


def test_something_happens() -> None:
    """The campaign has outcomes to compare, and outcomes that differ between accounts."""
    assert small_plan().blocks == 3
    gone = account_estimates(small_totals()["run"])["account.liquidation_probability"].value
    assert gone.tolist()[1:3] == [0, 0] and 0.02 < gone[3] < 0.5 and 0.02 < gone[4] < 0.9
    assert (small_totals()["crash"].by_path["bad_debt"] > 0).any()
    assert 0.01 < (small_totals()["run"].by_path["peak_utilization"] >= 1).mean() < 0.9


@pytest.mark.parametrize("threads", [2, 5])
def test_threads_change_nothing(threads: int) -> None:
    assert_identical(small_totals(), run_blocks(small_plan(), None, threads))


def test_progress_counts_every_path_once() -> None:
    paths: list[tuple[int, int]] = []
    run_blocks(small_plan(), None, 2, lambda done, n: paths.append((done, n)))
    assert len(paths) == 6 and sum(n for _, n in paths) == 2 * 5000


@pytest.mark.parametrize(("after", "threads"), [(1, 1), (3, 1), (2, 4)])
def test_interrupted_and_resumed(tmp_path: Path, after: int, threads: int) -> None:
    with pytest.raises(Interrupted):
        run_blocks(small_plan(), str(tmp_path), threads, stop_after(after))
    kept = stored(tmp_path)
    assert after <= kept < 6 or threads > 1
    with pytest.raises(Interrupted):  # once more, on the way
        run_blocks(small_plan(), str(tmp_path), threads, stop_after(min(kept + 1, 6)))
    assert_identical(small_totals(), run_blocks(small_plan(), str(tmp_path), threads))
    assert stored(tmp_path) == 6


def test_a_finished_run_computes_nothing(tmp_path: Path, monkeypatch) -> None:
    run_blocks(small_plan(), str(tmp_path), 1)

    def never(*arguments: Any) -> None:
        raise AssertionError("computed again")

    monkeypatch.setattr("stress.campaign.compute_block", never)
    assert_identical(small_totals(), run_blocks(small_plan(), str(tmp_path), 1))


def test_a_damaged_block_is_told_and_computed_again(tmp_path: Path, monkeypatch) -> None:
    run_blocks(small_plan(), str(tmp_path), 1)
    path = tmp_path / "crash" / "1" / "count.first" / "c" / "0" / "0"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    computed, said = [], []

    def watched(plan, name, index):
        computed.append((name, index))
        return compute_block(plan, name, index)

    monkeypatch.setattr("stress.campaign.compute_block", watched)
    found = run_blocks(small_plan(), str(tmp_path), 1, say=said.append)
    assert_identical(small_totals(), found)
    assert computed == [("crash", 1)]
    assert len(said) == 1 and str(tmp_path / "crash" / "1") in said[0]
    run_blocks(small_plan(), str(tmp_path), 1, say=said.append)
    assert len(said) == 1  # repaired


def test_no_block_is_kept_where_the_machine_computes_wrong_numbers(tmp_path: Path) -> None:
    def check() -> None:
        raise EnvironmentUnusable("wrong numbers")

    with pytest.raises(EnvironmentUnusable):
        run_blocks(small_plan(), str(tmp_path), 2, check=check)
    assert stored(tmp_path) == 0


def test_a_fault_of_one_block_stops_the_others(monkeypatch) -> None:
    begun, lock = [], threading.Lock()

    def faulty(plan, name, index):
        with lock:
            begun.append(index)
        if len(begun) == 2:
            raise MemoryError("block")
        return compute_block(plan, name, index)

    monkeypatch.setattr("stress.campaign.compute_block", faulty)
    with pytest.raises(MemoryError):
        run_blocks(small_plan(), None, 1)
    assert len(begun) < 6


def assert_equal_results(found: dict[str, Totals], want: dict[str, Totals]) -> None:
    """Counts equal, money to 1e-10 relative."""
    for name, total in want.items():
        for key, value in total.counts.items():
            np.testing.assert_array_equal(found[name].counts[key], value, err_msg=key)
        for key, value in total.by_path.items():
            np.testing.assert_allclose(
                found[name].by_path[key], value, rtol=1e-10, atol=1e-8, err_msg=key
            )


def test_block_size_changes_no_count_and_no_money(tmp_path: Path) -> None:
    other = plan(small_campaign(tmp_path, ("block", 5000)))
    assert other.block == 5120 and other.blocks == 1 and small_plan().block == 2048
    assert_equal_results(run_blocks(other, None, 1), small_totals())


def test_contributions_add_up_to_the_expected_shortfall() -> None:
    for name, total in small_totals().items():
        for measure in ("bad_debt", "equity_loss"):
            shares = small_tails()[name][measure]
            whole = float(expected_shortfall(total.by_path[measure], 0.99).value)
            assert shares.shape == (6,)
            assert shares.sum() == pytest.approx(whole, rel=1e-9, abs=1e-9), (name, measure)
    assert small_tails()["crash"]["bad_debt"].sum() > 1
    assert small_tails()["crash"]["bad_debt"][-1] == 0  # a lender owes nothing
    less = {name: dataclasses.replace(t, paths=t.paths) for name, t in small_totals().items()}
    less["crash"].by_path = dict(less["crash"].by_path)
    less["crash"].by_path["bad_debt"] = -less["crash"].by_path["bad_debt"]  # the best paths instead
    wrong = tail_contributions(small_plan(), {"crash": less["crash"]})["crash"]["bad_debt"].sum()
    assert wrong < 0.1 * small_tails()["crash"]["bad_debt"].sum()


def test_a_scenario_keeps_its_paths_in_other_company(tmp_path: Path) -> None:
    alone = plan(small_campaign(tmp_path, ("scenarios.run", ...)))
    found = run_blocks(alone, None, 1)
    assert_identical(found, {"crash": small_totals()["crash"]})


def test_keys_differ_by_seed_and_name() -> None:
    import jax

    keys = {
        tuple(np.asarray(jax.random.key_data(scenario_key(seed, name))).tolist())
        for seed in (0, 1, 2**63 - 1)
        for name in ("run", "crash", "run2")
    }
    assert len(keys) == 9


def test_paths_are_independent_of_each_other() -> None:
    """Uncorrelated between neighbours and between scenarios; the same path is not."""
    total = small_totals()
    own = total["run"].by_path["log_return"][:, 0]
    other = total["crash"].by_path["log_return"][:, 0]
    limit = 4 / np.sqrt(len(own))
    assert abs(np.corrcoef(own[1:], own[:-1])[0, 1]) < limit
    assert abs(np.corrcoef(np.sign(own), np.sign(other - np.median(other)))[0, 1]) < limit
    assert np.corrcoef(total["run"].by_path["log_return"].T)[0, 1] > limit
    assert len(np.unique(own)) == len(own)


def test_paths_that_are_not_finite_count_in_no_event(tmp_path: Path) -> None:
    wild = plan(small_campaign(tmp_path, ("scenarios.crash.prices.volatility.default", 1e200)))
    total = run_blocks(wild, None, 1)["crash"]
    assert (total.by_path["status"] == NON_FINITE).all()
    assert np.isnan(total.by_path["equity_loss"]).all()
    assert total.counts["first"].sum() == 0 and total.counts["group"].sum() == 0
    found = account_estimates(total)["account.liquidation_probability"]
    assert np.isnan(found.value).all()
    assert found.low.tolist() == [0] * 6 and found.high.tolist() == [1] * 6


@pytest.mark.parametrize("paths", [1, 17, 2049])
def test_any_number_of_paths(tmp_path: Path, paths: int) -> None:
    few = plan(small_campaign(tmp_path, ("paths", paths), ("scenarios.run", ...)))
    assert few.blocks * few.block >= paths > (few.blocks - 1) * few.block


def test_the_same_paths_whatever_their_number(tmp_path: Path) -> None:
    few = plan(small_campaign(tmp_path, ("paths", 2048), ("scenarios.run", ...)))
    found = run_blocks(few, None, 1)["crash"]
    for key, value in found.by_path.items():
        np.testing.assert_array_equal(value, small_totals()["crash"].by_path[key][:2048])


def test_books_without_perpetuals_and_without_collateral(tmp_path: Path) -> None:
    """The documented example has no perpetual; a book of standard accounts no collateral."""
    assert CAMPAIGN["book"] is BOOK
    for ids in (["loop-hype"], ["standard"]):
        accounts = [a for a in BOOK["accounts"] if a["id"] in ids]
        one = plan(
            small_campaign(
                tmp_path, ("book.accounts", accounts), ("scenarios.run", ...), ("paths", 64)
            )
        )
        index = small_plan().campaign.book.ids.tolist().index(ids[0])
        found = run_blocks(one, None, 1)["crash"]
        assert found.counts["first"].shape == (26, 1)
        assert tail_contributions(one, {"crash": found})["crash"]["equity_loss"].shape == (1,)
        first = found.counts["first"][:-1].sum()
        whole = small_totals()["crash"].counts["first"][:-1, index].sum() / 5000
        assert 64 * whole * 0.3 <= first <= 64
