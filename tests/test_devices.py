"""Blocks on several devices: the bits of one; on a GPU, the numbers of the CPU."""

import json
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest
from campaign_cases import CAMPAIGN, CRASH, small_campaign, write
from test_campaign import assert_identical
from test_cascade_campaign import SMALL_BOOKS, crowd
from test_cli_refusals import refused  # noqa: F401

from stress import campaign
from stress.block_store import open_blocks
from stress.campaign import Plan, plan, run_blocks
from stress.commands.compute import Where, compute
from stress.devices import devices
from stress.errors import InputError
from stress.totals import Totals

ROOT = Path(__file__).resolve().parents[1]
TWO = "--xla_force_host_platform_device_count=2"
RUN = (
    "from stress.environment import prepare_environment; prepare_environment(); "
    "import sys, test_devices; test_devices.one_and_two(sys.argv[1])"
)
KINDS = ("frozen", "cascade")


def small(folder: Path, feedback: bool, crowded: bool = False) -> Plan:
    """Four blocks of 16 paths; accounts of one structure, which compile fast, or a crowd."""
    accounts = crowd(9)["accounts"]
    changes: list[tuple[str, Any]] = [
        ("feedback", feedback),
        ("paths", 60),
        ("block", 16),
        ("horizon", "6h"),
        ("book.accounts", accounts if crowded else accounts[6::3]),
        ("scenarios.crash", ...),
        ("scenarios.run.overlays.1", CRASH),
    ]
    if not crowded:
        constant = {"process": "constant", "USDC": 0.64}
        scenario = "scenarios.run"
        changes += [(f"{scenario}.utilization", constant), (f"{scenario}.overlays", [CRASH])]
    if feedback:
        changes.append(("cascade", {"impact": SMALL_BOOKS, "vault_capital": 2e3}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(campaign, "WIDEST_PATH_TILE", 16)
        made = plan(small_campaign(folder, *changes))
    assert (made.blocks, made.block) == (4, 16)
    return made


def one_and_two(folder: str) -> None:
    """In a process of two devices: each campaign on one and on both, its arrays in files."""
    both = threading.Barrier(2)  # the first block of each thread waits for the other's
    seen, whole = {}, campaign.block_arrays

    def watched(counts: Any, *arguments: Any) -> dict[str, np.ndarray]:
        found = {str(d) for leaf in jax.tree.leaves(counts) for d in leaf.devices()}
        if threading.get_ident() not in seen:
            both.wait(timeout=300)
        seen.setdefault(threading.get_ident(), set()).update(found)
        return whole(counts, *arguments)

    for kind in KINDS:
        made = small(Path(folder), kind == "cascade")
        keep(Path(folder), kind, "one", run_blocks(made, None, 1)["run"])
        store = f"{folder}/{kind}.zarr"
        open_blocks(store, {})
        seen.clear()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(campaign, "block_arrays", watched)
            found, hands = compute(
                made, Where(devices="all"), None, store, lambda *n: None, print, lambda: None
            )
        keep(Path(folder), kind, "two", found["run"])
        used = sorted(map(sorted, seen.values()))
        print(json.dumps({"used": used, "hands": hands}))


def keep(folder: Path, kind: str, where: str, total: Totals) -> None:
    arrays = {f"{k}.{n}": x for k in ("counts", "by_path") for n, x in vars(total)[k].items()}
    np.savez(folder / f"{kind}_{where}.npz", **arrays)


def differing(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> set[str]:
    """Names of arrays that are not the same to the last bit."""
    assert one.keys() == two.keys()

    def bits(x: np.ndarray) -> tuple:
        return x.dtype, x.shape, x.tobytes()

    return {name for name in one if bits(one[name]) != bits(two[name])}


def test_two_devices_give_the_bits_of_one(tmp_path: Path) -> None:
    """Every array, frozen and cascade, both devices at work; one flipped bit shows."""
    flags = f"{os.environ.get('XLA_FLAGS', '')} {TWO}".strip()
    paths = f"{ROOT}{os.pathsep}{ROOT / 'tests'}"
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(tmp_path)],
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": paths, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    for line in map(json.loads, done.stdout.splitlines()):
        assert len({device for (device,) in line["used"]}) == 2  # one a thread
        assert line["hands"]["devices"] == 2 and line["hands"]["workers"] == 1
    for kind in KINDS:
        one, two = (dict(np.load(tmp_path / f"{kind}_{n}.npz")) for n in ("one", "two"))
        assert differing(one, two) == set()
        assert one["by_path.equity_loss"].std() > 0
        assert ("by_path.cascade_residual" in one) == (kind == "cascade")
        worst = two["by_path.equity_loss"]
        worst[7] = np.nextafter(worst[7], np.inf)
        assert differing(one, two) == {"by_path.equity_loss"}


@pytest.mark.parametrize("wanted", ["0", "-1", "two", "1.5", "", "all,"])
def test_a_number_of_devices_or_all(wanted: str) -> None:
    with pytest.raises(InputError, match=r"--devices: found .*whole number of devices from 1, or"):
        Where(devices=wanted).check()


REFUSED = [
    (("--devices", "999"), f"found 999 with {len(jax.local_devices())} here (", "or all."),
    (("--devices", "none"), "--devices: found 'none'", "a whole number of devices from 1, or all"),
    (("--devices", "all", "--workers", "2"), "--workers: found --devices besides", "first device"),
    (
        ("--scheduler", "tcp://127.0.0.1:9", "--devices", "1"),
        "--scheduler: found --devices besides",
        "first device",
    ),
]


@pytest.mark.parametrize(("options", "found", "allowed"), REFUSED)
def test_refusals(refused, tmp_path: Path, options, found: str, allowed: str) -> None:  # noqa: F811
    write(tmp_path, CAMPAIGN)
    sentence = refused("run", "campaign.yaml", "--out", "new", *options)
    assert found in sentence and allowed in sentence


def test_what_computes_unless_told_otherwise() -> None:
    there = jax.local_devices()
    assert devices("all") == there and devices("1") == there[:1]
    assert devices() == (there[:1] if there[0].platform == "cpu" else there)
    Where(devices="all", threads=3).check()


def gpus() -> list[Any]:
    try:
        return jax.devices("gpu")
    except RuntimeError:
        return []


def assert_close(one: dict[str, np.ndarray], two: dict[str, np.ndarray]) -> None:
    """Whole numbers equal; others to 1e-9 of themselves, and 1e-6 (USDC, where it is money)."""
    assert one.keys() == two.keys()
    for name, value in one.items():
        exact = value.dtype.kind in "iub"
        rtol, atol = (0.0, 0.0) if exact else (1e-9, 1e-6)
        np.testing.assert_allclose(two[name], value, rtol=rtol, atol=atol, err_msg=name)


@pytest.mark.gpu
@pytest.mark.skipif(not gpus(), reason="JAX has no GPU here")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_gives_the_numbers_of_the_cpu(kind: str, tmp_path: Path) -> None:
    """In float64: counts and statuses equal, money to 1e-9 of itself and 1e-6 USDC.

    Both draw the same random bits. Functions such as exp and log differ by a few units in the last
    place (1e-16), sums by their order; six steps and rounds of a cascade leave a thousand times
    that below the tolerance. A price within 1e-12 of a trigger could turn a liquidation, which 60
    paths of 15 accounts do not meet. All GPUs together give the bits of the first.
    """
    made = small(tmp_path, kind == "cascade", crowded=True)
    cpu, gpu = (
        run_blocks(made, None, 1, devices=d)["run"] for d in (jax.devices("cpu"), gpus()[:1])
    )
    for part in ("counts", "by_path"):
        assert_close(vars(cpu)[part], vars(gpu)[part])
    money = cpu.by_path["equity_loss"]
    with pytest.raises(AssertionError):
        assert_close({"loss": money}, {"loss": money * (1 + 1e-6)})
    assert_identical({"run": gpu}, run_blocks(made, None, 1, devices=gpus()))
