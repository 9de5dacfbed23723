"""Does this machine compute right numbers? Canaries against stored NumPy results, and a report.

Compilers for the CPU and for GPUs have returned wrong numbers without a word. Each canary is a
small program of a shape that went wrong somewhere, run on the device in use; what it must give was
computed by plain NumPy and is stored in canaries.json, so one compiler is never its own judge.
Canaries of whole numbers are exact (every intermediate is an integer the dtype holds, whatever the
order of summation) and are compared with tolerance 0. Outputs of many elements are compared as
two sums, one weighted by position, so that a shifted or swapped element shows.
"""

import functools
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata, resources
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import psutil

from stress.devices import Device, devices
from stress.environment import check_versions
from stress.errors import EnvironmentUnusable

Outputs: TypeAlias = Mapping[str, Any]
PACKAGES = ("hyperstress", "jax", "jaxlib", "numpy", "scipy", "xarray", "zarr", "pydantic")
PRODUCT_SHAPES = ((40000, 3), (40000, 4))  # rows, columns; 3 by 3 is the one that goes wrong
LANES, STEPS = 2048, 168


@dataclass(frozen=True, kw_only=True)
class Canary:
    """What one canary gave on this device."""

    name: str
    worst_relative_error: float  # 1; infinite when a result is missing, misshapen or NaN
    tolerance: float  # 1
    passed: bool


@dataclass(frozen=True, kw_only=True)
class Row:
    """One line of the report; `passed` is None where there is nothing to pass."""

    section: str
    name: str
    value: str
    passed: bool | None = None


EngineCanary: TypeAlias = Callable[[Device], Canary]


def scrambled(shape: tuple[int, ...], below: int) -> np.ndarray:
    """Repeatable whole numbers without a pattern, the same on every machine.

    Args:
      shape: of the result.
      below: exclusive upper bound, at most 2**31.

    Returns:
      int64 in [0, below).
    """
    count = np.arange(int(np.prod(shape)), dtype=np.uint64)
    mixed = count * np.uint64(0x9E3779B97F4A7C15)  # wraps around 2**64; golden-ratio stride
    mixed = (mixed ^ (mixed >> np.uint64(31))) * np.uint64(0xBF58476D1CE4E5B9)
    return ((mixed >> np.uint64(33)) % np.uint64(below)).astype(np.int64).reshape(shape)


def digest(values: jax.Array | np.ndarray) -> list[float]:
    """Plain and position-weighted sum, on the host, in float64 (exact for whole numbers)."""
    flat = np.asarray(values).astype(np.float64).ravel()
    return [float(flat.sum()), float(flat @ (1.0 + np.arange(flat.size) % 97))]


def product_then_reduction() -> Outputs:
    """A jitted vmapped matrix-vector product and a reduction (jax issue 39103)."""
    reductions = {"sum": jnp.sum, "squares": lambda v: jnp.sum(v**2)}
    results = {}
    for rows, columns in PRODUCT_SHAPES:
        matrix = scrambled((columns, columns), 7) - 3
        vectors = scrambled((rows, columns), 128)
        for name, reduction in reductions.items():
            kernel = jax.jit(jax.vmap(lambda m, v, f=reduction: f(m @ v), in_axes=(None, 0)))
            for dtype in (np.float32, np.float64):
                out = kernel(matrix.astype(dtype), vectors.astype(dtype))
                results[f"{name} {rows}x{columns} {dtype.__name__}"] = digest(out)
    return results


def vmapped_scan() -> Outputs:
    """Batched loop with integer and float carries: `vmap` of `scan` (jax issue 36958)."""

    def step(carry, time):
        state, wealth, peak, first = carry
        state = (state * 1103515245 + 12345) % 2**31
        wealth = wealth * (1.0 + 0.02 * (state / 2**31 - 0.5))
        peak = jnp.maximum(peak, wealth)
        first = jnp.where((wealth < 0.95 * peak) & (first == STEPS), time, first)
        return (state, wealth, peak, first), None

    def lane(state):
        carry = (state, jnp.ones(()), jnp.ones(()), jnp.asarray(STEPS))
        return jax.lax.scan(step, carry, jnp.arange(STEPS))[0]

    state, wealth, peak, first = jax.jit(jax.vmap(lane))(scrambled((LANES,), 2**31))
    return {
        "state": digest(state),
        "wealth": digest(wealth),
        "peak": digest(peak),
        "first passage": digest(first),
    }


def cumulative_growth() -> Outputs:
    """An index compounded hourly for 30 days as a product and as a sum of logarithms, float64."""
    rates = scrambled((720, 64), 1000) * 1e-6

    def both(rates):
        return jnp.cumprod(1.0 + rates, axis=0), jnp.exp(jnp.cumsum(jnp.log1p(rates), axis=0))

    product, exponential = jax.jit(both)(rates)
    return {"product": digest(product), "log-sum": digest(exponential)}


def integer_sums() -> Outputs:
    """Counts: sums of 64-bit integers past 2**31, over all and over paths."""
    counts = scrambled((4096, 128), 2**20)
    total, by_column, below = jax.jit(lambda c: (c.sum(), c.sum(axis=0), (c < 2**18).sum(axis=0)))(
        counts
    )
    return {"all": digest(total), "columns": digest(by_column), "below": digest(below)}


def single_precision_sums() -> Outputs:
    """Large float32 reductions over all and over paths."""
    values = scrambled((4096, 256), 2**24).astype(np.float32) / np.float32(2**24)
    total, by_column = jax.jit(lambda v: (v.sum(), v.sum(axis=0)))(values)
    return {"all": digest(total), "columns": by_column[:8]}


def one_by_one() -> Outputs:
    """Operations outside jit, each its own kernel (jax issue 40633)."""
    return {
        "sqrt": jnp.sqrt(jnp.full((), 512.0)),
        "add": jnp.ones(4) + 1.0,
        "where": jnp.where(jnp.arange(8) % 3 == 0, jnp.arange(8.0), -1.0),
    }


def random_bits() -> Outputs:
    """Threefry: the same seed gives the same paths everywhere."""
    results = {}
    for seed in (0, 2026, 2**40 + 7):
        key = jax.random.key(seed, impl="threefry2x32")
        results[f"32 bits of {seed}"] = jax.random.bits(key, (8,), jnp.uint32)
        results[f"{seed} folded"] = jax.random.key_data(jax.random.fold_in(key, 12345))
    return results


def random_normals(dtype: Any) -> Outputs:
    """Standard normals by inversion, from the same bits."""
    key = jax.random.key(2026, impl="threefry2x32")
    return {"normal": jax.random.normal(key, (64,), dtype)}


# name: what runs, relative tolerance. Zero where every number is whole; 1e-12 covers fused
# multiply-add and other elementary functions in float64, 1e-5 the same in float32.
CANARIES: dict[str, tuple[Callable[[], Outputs], float]] = {
    "product_then_reduction": (product_then_reduction, 0.0),
    "vmapped_scan": (vmapped_scan, 1e-12),
    "cumulative_growth": (cumulative_growth, 1e-12),
    "integer_sums": (integer_sums, 0.0),
    "single_precision_sums": (single_precision_sums, 1e-5),
    "one_by_one": (one_by_one, 1e-12),
    "random_bits": (random_bits, 0.0),
    "random_normals_float32": (functools.partial(random_normals, jnp.float32), 1e-5),
    "random_normals_float64": (functools.partial(random_normals, jnp.float64), 1e-12),
}


@functools.cache
def stored() -> dict[str, dict[str, Any]]:
    """Stored NumPy results, by canary and output."""
    return json.loads(resources.files("stress").joinpath("canaries.json").read_text("utf-8"))


def compare(name: str, got: Outputs, want: Outputs, tolerance: float) -> Canary:
    """Largest relative error of the outputs against the stored ones.

    Args:
      name: of the canary.
      got: outputs on the device.
      want: stored outputs under the same names.
      tolerance: largest relative error that passes, |got - want| / |want|; absolute where the
        stored value is 0.

    Returns:
      The verdict. A missing or additional output, another shape or a NaN is an infinite error.
    """
    worst = 0.0 if got.keys() == want.keys() and want else np.inf
    for key in got.keys() & want.keys():
        found, right = np.asarray(got[key], np.float64), np.asarray(want[key], np.float64)
        if found.shape != right.shape or not np.all(np.isfinite(found)):
            worst = np.inf
            continue
        error = np.abs(found - right) / np.where(right == 0.0, 1.0, np.abs(right))
        worst = max(worst, float(error.max()))
    return Canary(
        name=name, worst_relative_error=worst, tolerance=tolerance, passed=worst <= tolerance
    )


def canaries(
    device: Device | None = None, engine_canary: EngineCanary | None = None
) -> list[Canary]:
    """Run every canary on a device.

    Args:
      device: where; by default the one JAX uses.
      engine_canary: one more, the engine itself on a tiny fixed book.

    Returns:
      A verdict for each, in the order of `CANARIES`, the engine last.
    """
    device = device or device_in_use()
    results = []
    with jax.default_device(device):
        for name, (run, tolerance) in CANARIES.items():
            results.append(compare(name, run(), stored().get(name, {}), tolerance))
        if engine_canary is not None:
            results.append(engine_canary(device))
    return results


def self_test(
    device: Device | None = None, engine_canary: EngineCanary | None = None
) -> list[Canary]:
    """Refuse to compute on a machine whose numbers are wrong.

    Errors:
      EnvironmentUnusable naming the canaries that differ, or the version known to be wrong.
    """
    check_versions()
    results = canaries(device, engine_canary)
    wrong = [
        f"{canary.name} (relative error {canary.worst_relative_error:.2g})"
        for canary in results
        if not canary.passed
    ]
    if wrong:
        raise EnvironmentUnusable(
            f"wrong numbers on {device or device_in_use()} with jaxlib {_version('jaxlib')}: "
            f"{', '.join(wrong)}. Start by the command `hyperstress`, which sets XLA_FLAGS, with "
            "the versions of constraints.txt."
        )
    return results


def device_in_use() -> Device:
    """The device JAX puts arrays on unless told otherwise."""
    return next(iter(jnp.zeros(()).devices()))


def report(engine_canary: EngineCanary | None = None) -> list[Row]:
    """Versions, machine, devices and canaries, a row each; a wrong number raises nothing here."""
    rows = [Row(section="version", name="python", value=sys.version.split()[0])]
    rows += [Row(section="version", name=name, value=_version(name)) for name in PACKAGES]
    rows += [Row(section="machine", name=name, value=value) for name, value in _machine().items()]
    rows += [
        Row(section="device", name=str(device), value=f"{device.platform}, {device.device_kind}")
        for device in jax.devices()
    ]
    for number, device in enumerate(devices()):  # those that a run uses unless told otherwise
        for canary in canaries(device, engine_canary):
            name = f"{canary.name} on {device}" if number else canary.name
            error = f"relative error {canary.worst_relative_error:.2g}"
            value = f"{error}, at most {canary.tolerance:g}"
            rows.append(Row(section="canary", name=name, value=value, passed=canary.passed))
    return rows


def _machine() -> dict[str, str]:
    memory = psutil.virtual_memory()
    affinity = getattr(os, "sched_getaffinity", None)  # Linux only; fewer than the machine has
    return {
        "platform": platform.platform(),
        "cores": str(len(affinity(0)) if affinity else os.cpu_count()),
        "memory": f"{memory.total / 2**30:.1f} GiB, {memory.available / 2**30:.1f} GiB available",
        "64-bit floats": "on" if jnp.zeros(()).dtype == jnp.float64 else "off",
        "XLA_FLAGS": os.environ.get("XLA_FLAGS", "") or "none",
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
