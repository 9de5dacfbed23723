"""Runs on worker processes: the same bits, every fault by one sentence."""

import dataclasses
import pickle
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dask.config
import pytest
from campaign_cases import small_campaign, small_plan, small_totals
from distributed import Client, Future, LocalCluster
from test_campaign import assert_identical

from stress import scale_out, scale_out_cluster, scale_out_task
from stress.block_store import load_block, open_blocks
from stress.campaign import plan
from stress.errors import EnvironmentUnusable, InputError
from stress.files import config_dir
from stress.scale_out import run_on_workers
from stress.scale_out_cluster import LOCAL, SETTINGS, local_cluster, running_cluster, threads_of
from stress.scale_out_task import Order


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    """Two worker processes."""
    with local_cluster(2) as client:
        yield client


@pytest.fixture
def store(tmp_path: Path) -> str:
    place = str(tmp_path / "blocks.zarr")
    open_blocks(place, {})
    return place


def never(*arguments: Any) -> None:
    raise AssertionError("said")


def test_two_workers_give_the_bits_of_one_process(client: Client, store: str) -> None:
    paths: list[tuple[int, int]] = []
    found, workers = run_on_workers(
        client, small_plan(), store, lambda blocks, n: paths.append((blocks, n)), never
    )
    assert_identical(small_totals(), found)
    assert len(paths) == 6 and sum(n for _, n in paths) == 2 * 5000
    assert 1 <= workers <= 2 and list(threads_of(client).values()) == [1, 1]
    again, workers = run_on_workers(client, small_plan(), store, lambda blocks, n: None, never)
    assert_identical(small_totals(), again)
    assert workers == 0  # every block was there


def test_damaged_blocks_go_to_the_workers(client: Client, store: str) -> None:
    run_on_workers(client, small_plan(), store, lambda blocks, n: None, never)
    chunk = Path(store) / "crash" / "1" / "count.first" / "c" / "0" / "0"
    chunk.write_bytes(chunk.read_bytes()[::-1])
    said: list[str] = []
    found, workers = run_on_workers(client, small_plan(), store, lambda b, n: None, said.append)
    assert_identical(small_totals(), found)
    assert workers == 1 and len(said) == 1 and f"{store}/crash/1" in said[0]


def test_a_store_that_is_not_shared(client: Client) -> None:
    """Memory of a process is seen by none of the others."""
    place, said = "memory://not-shared/blocks.zarr", []
    open_blocks(place, {})
    with pytest.raises(InputError, match="workers and this process share") as refused:
        run_on_workers(client, small_plan(), place, lambda b, n: None, said.append)
    assert refused.value.file == "--store"
    assert said and all("not where tcp://127.0.0.1:" in sentence for sentence in said)


def test_workers_with_other_versions_or_files(client: Client, store: str, monkeypatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(scale_out, "version", lambda package: "0.0")
        other = dataclasses.replace(
            small_plan(), campaign=dataclasses.replace(small_plan().campaign, digest="another")
        )
        with pytest.raises(EnvironmentUnusable, match=r"worker tcp://.* and 0\.0 here"):
            run_on_workers(client, other, store, lambda b, n: None, never)
    with pytest.raises(EnvironmentUnusable, match="files that the campaign names differ"):
        run_on_workers(client, other, store, lambda b, n: None, never)
    assert load_block(store, "run", 0) == (None, "")


def test_a_task_that_fails_is_tried_again_and_then_told(client: Client, store: str) -> None:
    """A campaign whose blocks no worker can compute: the plan here and there differ in a name."""
    stranger = dataclasses.replace(
        small_plan(), scenarios={"stranger": small_plan().scenarios["run"]}
    )
    said: list[str] = []
    with pytest.raises(KeyError, match="stranger"):
        run_on_workers(client, stranger, store, lambda b, n: None, said.append)
    assert any("failed on a worker ('stranger'); computed again" in s for s in said)


def test_a_scheduler_that_goes_away(client: Client, store: str) -> None:
    """Its tasks count as cancelled; what is finished stays."""

    def cancel(blocks: int, paths: int) -> None:
        client.cancel([Future(key, client) for key in list(client.futures)], force=True)

    with pytest.raises(EnvironmentUnusable, match="scheduler is gone; finished blocks are kept"):
        run_on_workers(client, small_plan(), store, cancel, never)
    assert list(Path(store).glob("*/*.receipt.json"))


def test_a_worker_whose_numbers_are_wrong_keeps_nothing(store: str, monkeypatch) -> None:
    """In this process: what a task does before it computes."""
    from stress import doctor

    monkeypatch.setitem(doctor.CANARIES, "one_by_one", (lambda: {"sqrt": 1.0}, 0.0))
    order = Order(
        campaign=pickle.dumps(small_plan().campaign),
        digest=small_plan().campaign.digest,
        versions={},
        store=store,
    )
    monkeypatch.setattr("distributed.get_worker", lambda: type("W", (), {"address": "here"}))
    with pytest.raises(EnvironmentUnusable, match=r"worker here cannot be used: .*one_by_one"):
        scale_out_task.compute_to_store(order, "run", 0)
    assert load_block(store, "run", 0) == (None, "")


def test_files_of_the_campaign_are_found_from_other_folders(
    client: Client, store: str, tmp_path: Path, monkeypatch
) -> None:
    """Workers stand in the folder where they were started."""
    monkeypatch.chdir(tmp_path)
    Path("mine.yaml").write_text((config_dir() / "calibration" / "prices.yaml").read_text())
    prices = {"process": "gbm", "calibration": "mine.yaml"}
    one = small_campaign(
        Path(), ("scenarios.run", ...), ("paths", 64), ("scenarios.crash.prices", prices)
    )
    assert not one.file.is_absolute()
    found, _ = run_on_workers(client, plan(one), store, lambda b, n: None, never)
    assert len(found["crash"].by_path["status"]) == 64


@pytest.fixture
def silent() -> Iterator[str]:
    """An address where something listens and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"tcp://127.0.0.1:{listener.getsockname()[1]}"


def refused(address: str) -> str:
    with pytest.raises(InputError) as error, running_cluster(address):
        pytest.fail("connected")
    assert error.value.file == "--scheduler" and "tcp://host:port" in error.value.allowed
    return str(error.value)


def test_schedulers_that_do_not_answer(silent: str, monkeypatch) -> None:
    monkeypatch.setattr(scale_out_cluster, "PATIENCE", 0.2)
    assert "no scheduler answers (silence" in refused(silent)
    for address in ("", "hello", "tcp://127.0.0.1", "tcp://127.0.0.1:x", "tcp://127.0.0.1:9"):
        assert f"{address!r}, where no scheduler answers (" in refused(address)


def test_a_scheduler_that_runs(client: Client, monkeypatch) -> None:
    with running_cluster(client.scheduler_info(0)["address"]) as other:
        assert threads_of(other) == threads_of(client)
    monkeypatch.setattr(scale_out_cluster, "PATIENCE", 1)
    with dask.config.set(SETTINGS):
        cluster: Any = LocalCluster(**LOCAL, n_workers=0)
        with cluster:
            assert "which has no workers" in refused(cluster.scheduler_address)


def test_faults_travel_as_they_are() -> None:
    for error in (InputError("f", "k", "this", "that"), EnvironmentUnusable("wrong numbers")):
        twin = pickle.loads(pickle.dumps(error))
        assert type(twin) is type(error) and str(twin) == str(error)
        assert vars(twin) == vars(error)
