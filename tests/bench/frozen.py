"""Times the frozen book: the engine, NumPy twice and Numba on the same accounts and paths.

The engine keeps more than the peers: margin ratios, groups and times of every account. Engine and
Numba use all cores, NumPy those that its matrix products take.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import jax
import jax.numpy as jnp
import numpy as np

from stress.aggregate import reduce_tile
from stress.engine import run_block
from tests.bench.frozen_case import Case, frozen_case
from tests.bench.frozen_numpy import Outcome, frozen_numpy, frozen_numpy_wide

CORES = os.cpu_count() or 1
MONEY = ("liquidated_accounts", "liquidated_notional", "liquidated_debt", "bad_debt", "equity_loss")


def engine(case: Case, threads: int = CORES) -> Callable[[], Outcome]:
    """A function that runs the engine on equal parts of the paths, as campaigns do."""
    paths = case.plain.free.shape[0]
    width = paths // threads
    parts = [jax.tree.map(lambda x, k=k: x[:, k * width : (k + 1) * width], case.market)
             for k in range(threads)]  # fmt: skip
    valid = jnp.ones(width, bool)

    def one(market):
        return jax.block_until_ready(run_block(case.venue, case.book, market, valid, reduce_tile))

    def run() -> Outcome:
        with ThreadPoolExecutor(threads) as pool:
            found = list(pool.map(one, parts))
        sums = [f[0][0] for f in found]
        money = [np.stack([np.asarray(getattr(f[1], name)) for name in MONEY]) for f in found]
        return Outcome(
            np.stack([np.asarray(s.first, np.int64) for s in sums]).sum(axis=0),
            np.stack([np.asarray(s.full, np.int64) for s in sums]).sum(axis=0),
            np.concatenate(money, axis=1),
        )

    return run


def contenders(case: Case) -> dict[str, Callable[[], Outcome]]:
    """Name -> function that plays the case; without Numba where it is not installed."""
    found = {
        "engine": engine(case),
        "NumPy, wide": lambda: frozen_numpy_wide(case.plain),
        "NumPy, products": lambda: frozen_numpy(case.plain),
    }
    try:
        from tests.bench.frozen_numba import frozen_numba
    except ImportError:
        return found
    return found | {"Numba": lambda: frozen_numba(case.plain)}


def differences(got: Outcome, want: Outcome, ties: int = 0, relative: float = 1e-5) -> list[str]:
    """What two outcomes disagree about: counts beyond `ties`, money beyond `relative`."""
    said = []
    for name in ("first", "full"):
        apart = int(np.abs(getattr(got, name) - getattr(want, name)).sum())
        if apart > 2 * ties:
            said.append(f"{name}: {apart}")
    for name, a, b in zip(MONEY, got.money, want.money, strict=True):
        scale = np.abs(b).max()
        apart = np.abs(a - b) > relative * scale
        if apart.sum() > ties:
            said.append(f"{name}: {apart.sum()} paths")
    return said


def work(case: Case) -> dict[str, float]:
    """Arithmetic and memory of an account-step at least, float32: what a roofline counts with.

    Per market: settlement and exposure, initial and maintenance margin of two tiers (11
    operations); per token its value under three weights (7); 40 for loan, ratio and thresholds.
    Bytes: the state of the account read and written, its own figures once a path.
    """
    markets, tokens = case.plain.size.shape[0], case.plain.supplied.shape[0]
    return {
        "flops": 11.0 * markets + 7 * tokens + 40,
        "bytes": 4.0 * (2 * 3 + (2 * markets + tokens + 1) / case.plain.free.shape[1]),
    }


def sized(accounts: int, paths: int, markets: int) -> Case:
    """A case of about the size, its paths a multiple of what the cores and tiles take."""
    tile = 128 if paths >= 128 * CORES else 16
    return frozen_case(
        accounts, -(-paths // (tile * CORES)) * tile * CORES, markets, path_tile=tile
    )


__all__ = ["contenders", "differences", "engine", "sized", "work"]
