"""Canaries: stored results come from plain NumPy, pass here, and a wrong number is caught.

To write stress/canaries.json again: python -m tests.test_doctor
"""

import functools
import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy.special import erfinv

from stress import doctor, environment
from stress.errors import EnvironmentUnusable

ROOT = Path(__file__).resolve().parents[1]
STORED = ROOT / "stress" / "canaries.json"
ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))


# The programs once more, in plain NumPy: nothing of the project is imported for them.


def scrambled(shape, below):
    mask, out = 2**64 - 1, []
    for count in range(int(np.prod(shape))):
        mixed = count * 0x9E3779B97F4A7C15 & mask
        mixed = (mixed ^ mixed >> 31) * 0xBF58476D1CE4E5B9 & mask
        out.append((mixed >> 33) % below)
    return np.array(out, dtype=np.int64).reshape(shape)


def digest(values):
    flat = np.asarray(values, dtype=np.float64).ravel()
    weights = np.array([1.0 + i % 97 for i in range(flat.size)])
    return [float(np.sum(flat)), float(np.sum(flat * weights))]


def product_then_reduction():
    results = {}
    for dtype in ("float32", "float64"):
        for rows, columns in ((40000, 3), (40000, 4)):
            product = scrambled((rows, columns), 128) @ (scrambled((columns, columns), 7) - 3).T
            results[f"sum {rows}x{columns} {dtype}"] = digest(product.sum(axis=1))
            results[f"squares {rows}x{columns} {dtype}"] = digest((product**2).sum(axis=1))
    return results


def vmapped_scan():
    lanes, steps = 2048, 168
    state = scrambled((lanes,), 2**31)
    wealth, peak, first = np.ones(lanes), np.ones(lanes), np.full(lanes, steps)
    for time in range(steps):
        state = (state * 1103515245 + 12345) % 2**31
        wealth = wealth * (1.0 + 0.02 * (state / 2**31 - 0.5))
        peak = np.maximum(peak, wealth)
        gap = wealth - 0.95 * peak
        assert np.abs(gap).min() > 1e-9  # no comparison hangs on the last bits
        first[(gap < 0.0) & (first == steps)] = time
    return {
        "state": digest(state),
        "wealth": digest(wealth),
        "peak": digest(peak),
        "first passage": digest(first),
    }


def cumulative_growth():
    rates = scrambled((720, 64), 1000) * 1e-6
    product = np.cumprod(1.0 + rates, axis=0)
    logarithms = np.exp(np.cumsum(np.log1p(rates), axis=0))
    return {"product": digest(product), "log-sum": digest(logarithms)}


def integer_sums():
    counts = scrambled((4096, 128), 2**20)
    return {
        "all": digest(counts.sum()),
        "columns": digest(counts.sum(axis=0)),
        "below": digest((counts < 2**18).sum(axis=0)),
    }


def single_precision_sums():
    values = scrambled((4096, 256), 2**24) / 2**24
    return {"all": digest(values.sum()), "columns": values.sum(axis=0)[:8].tolist()}


def one_by_one():
    return {
        "sqrt": float(np.sqrt(512.0)),
        "add": [2.0] * 4,
        "where": [i if i % 3 == 0 else -1.0 for i in range(8)],
    }


def threefry(key, counter):
    """Threefry-2x32 with 20 rounds, from Salmon et al., SC11 (2011), section 4.2."""
    mask = 2**32 - 1
    schedule = (key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA)
    x, y = (counter[0] + key[0]) & mask, (counter[1] + key[1]) & mask
    for group in range(5):
        for rotation in ROTATIONS[group % 2]:
            x = (x + y) & mask
            y = ((y << rotation | y >> (32 - rotation)) & mask) ^ x
        x = (x + schedule[(group + 1) % 3]) & mask
        y = (y + schedule[(group + 2) % 3] + group + 1) & mask
    return x, y


def seed_words(seed):
    return seed >> 32, seed & (2**32 - 1)


def random_bits():
    results = {}
    for seed in (0, 2026, 2**40 + 7):
        pairs = [threefry(seed_words(seed), (0, i)) for i in range(8)]
        results[f"32 bits of {seed}"] = [x ^ y for x, y in pairs]
        results[f"{seed} folded"] = list(threefry(seed_words(seed), (0, 12345)))
    return results


def random_normals(bits):
    """Inversion of uniforms on (-1, 1) that carry the mantissa's number of random bits."""
    pairs = [threefry(seed_words(2026), (0, i)) for i in range(64)]
    dtype = np.float32 if bits == 32 else np.float64
    if bits == 32:
        uniform = np.array([(x ^ y) >> 9 for x, y in pairs]) / 2**23
    else:
        uniform = np.array([(x << 32 | y) >> 12 for x, y in pairs]) / 2**52
    low = np.nextafter(dtype(-1), dtype(0))
    uniform = np.maximum(low, uniform.astype(dtype) * (dtype(1) - low) + low)
    return {"normal": (np.sqrt(2.0) * erfinv(uniform.astype(np.float64))).tolist()}


@functools.cache
def numpy_results():
    return {
        "product_then_reduction": product_then_reduction(),
        "vmapped_scan": vmapped_scan(),
        "cumulative_growth": cumulative_growth(),
        "integer_sums": integer_sums(),
        "single_precision_sums": single_precision_sums(),
        "one_by_one": one_by_one(),
        "random_bits": random_bits(),
        "random_normals_float32": random_normals(32),
        "random_normals_float64": random_normals(64),
    }


RUN = """
import json, dataclasses
from stress.environment import prepare_environment
prepare_environment()
from stress import doctor
print(json.dumps([dataclasses.asdict(row) for row in doctor.report()]))
"""


@pytest.fixture(scope="module")
def report_rows():
    """The report of a process that starts as the command line does."""
    environment = {k: v for k, v in os.environ.items() if k not in ("XLA_FLAGS", "JAX_ENABLE_X64")}
    done = subprocess.run(
        [sys.executable, "-c", RUN], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def one_canary(monkeypatch):
    """Only the cheapest canary, and a stored file that the test may spoil."""
    kept = {"one_by_one": doctor.CANARIES["one_by_one"]}
    monkeypatch.setattr(doctor, "CANARIES", kept)
    results = {"one_by_one": one_by_one()}
    monkeypatch.setattr(doctor, "stored", lambda: results)
    return results


def test_stored_results_are_the_numpy_results():
    stored, again = json.loads(STORED.read_text(encoding="utf-8")), numpy_results()
    assert stored.keys() == again.keys() == doctor.CANARIES.keys()
    for name, want in again.items():
        found = doctor.compare(name, stored[name], want, 1e-14)  # other builds of NumPy round so
        assert found.passed, found


def test_threefry_known_answers():
    """Known-answer vectors published with the Random123 library (kat_vectors, threefry2x32-20)."""
    assert threefry((0, 0), (0, 0)) == (0x6B200159, 0x99BA4EFE)
    ones = 0xFFFFFFFF
    assert threefry((ones, ones), (ones, ones)) == (0x1CB996FC, 0xBB002BE7)
    assert threefry((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3)) == (0xC4923A9C, 0x483DF7A0)


def test_every_canary_passes_here(report_rows):
    canaries = [row for row in report_rows if row["section"] == "canary"]
    assert [row["name"] for row in canaries] == list(doctor.CANARIES)
    assert all(row["passed"] for row in canaries), canaries


def test_report_names_versions_machine_and_devices(report_rows):
    found = {(row["section"], row["name"]): row["value"] for row in report_rows}
    assert found["version", "jax"] == metadata.version("jax")
    assert found["machine", "64-bit floats"] == "on"
    assert environment.NO_LIBRARY_FUSION in found["machine", "XLA_FLAGS"]
    assert any(section == "device" for section, _ in found)


@pytest.mark.parametrize("name", json.loads(STORED.read_text(encoding="utf-8")))
def test_a_wrong_stored_number_is_caught(name):
    """Negative control: one number of one output off by a thousandth (by one where whole)."""
    want = numpy_results()[name]
    tolerance = doctor.CANARIES[name][1]
    assert doctor.compare(name, want, want, tolerance).passed
    for output in want:
        spoiled = np.atleast_1d(np.array(want[output], dtype=np.float64))
        spoiled[-1] += 1.0 if tolerance == 0.0 else 1e-3 * abs(spoiled[-1])
        got = want | {output: spoiled.reshape(np.shape(want[output]))}
        assert not doctor.compare(name, got, want, tolerance).passed


@pytest.mark.parametrize(
    "got", [{"a": [1.0, np.nan]}, {"a": [1.0]}, {}, {"b": [1.0, 2.0]}, {"a": [1.0, 2.0], "b": 1.0}]
)
def test_missing_misshapen_and_nan_outputs_fail(got):
    assert doctor.compare("x", got, {"a": [1.0, 2.0]}, 1e9).worst_relative_error == np.inf


def test_nothing_stored_is_no_pass():
    assert not doctor.compare("x", {}, {}, 1.0).passed


def test_swapped_rows_change_the_digest():
    rows = np.arange(200.0)
    swapped = rows.copy()
    swapped[[3, 150]] = swapped[[150, 3]]
    assert doctor.digest(rows)[0] == doctor.digest(swapped)[0]
    assert doctor.digest(rows)[1] != doctor.digest(swapped)[1]


def test_self_test_refuses_a_wrong_number(one_canary):
    assert [canary.name for canary in doctor.self_test()] == ["one_by_one"]
    one_canary["one_by_one"]["sqrt"] *= 1.0 + 1e-9
    with pytest.raises(EnvironmentUnusable, match="one_by_one"):
        doctor.self_test(jax.devices()[0])


def test_engine_canary_runs_last_on_the_same_device(one_canary):
    seen = []

    def engine(device):
        seen.append(device)
        return doctor.compare("engine", {"breaches": [3.0]}, {"breaches": [4.0]}, 0.0)

    device = jax.devices()[0]
    assert [c.passed for c in doctor.canaries(device, engine)] == [True, False]
    assert seen == [device]
    assert doctor.report(engine)[-1].passed is False
    with pytest.raises(EnvironmentUnusable, match="engine"):
        doctor.self_test(device, engine)


if __name__ == "__main__":
    STORED.write_text(json.dumps(numpy_results(), indent=1) + "\n", encoding="utf-8")
