"""What a worker process does: it computes a block, keeps it in the store and hands a receipt back.

Schedulers and workers import this module before anything else of the package. It imports nothing
that starts JAX, which has to find its settings when it is imported.
"""

import pickle
import signal
import threading
from dataclasses import dataclass
from typing import Any

from stress.environment import check_versions, prepare_environment
from stress.errors import EnvironmentUnusable


@dataclass(frozen=True, kw_only=True)
class Order:
    """What the tasks of a run share; it travels to a worker once."""

    campaign: bytes  # pickled, as unpickling it may import JAX
    digest: str  # of the campaign
    versions: dict[str, str]  # of the packages that decide about bits
    store: str  # folder or URL of the blocks


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What comes back of a block; its arrays are in the store."""

    scenario: str
    index: int
    sha256: str
    paths: int
    worker: str  # its address


_READY: dict[str, Any] = {}  # plan of the campaign in work, by digest: one at a time
_PREPARING = threading.Lock()  # a worker may have several threads


def dask_setup(worker: Any) -> None:
    """Leaves Ctrl-C, which a terminal sends to every process, to the one that asks.

    Dask calls it by this name in worker processes that a run has started.
    """
    del worker
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def hand_out(order: Order) -> Order:
    """The order as the result of a task, which is made again where its worker is lost."""
    return order


def compute_to_store(order: Order, scenario: str, index: int) -> Receipt:
    """Computes one block, unless a task that was lost has kept it already.

    Args:
      order: what the tasks share.
      scenario: name of the scenario.
      index: number of the block.

    Returns:
      The receipt.

    Errors:
      EnvironmentUnusable where this worker computes wrong numbers, or others than the process that
      asks; InputError where a file that the campaign names is not here.
    """
    from distributed import get_worker

    worker = get_worker().address
    try:
        plan = _plan(order)
    except EnvironmentUnusable as error:
        raise EnvironmentUnusable(f"The worker {worker} cannot be used: {error}") from None
    from stress.block_store import digest, load_block, save_block
    from stress.campaign import compute_block

    arrays, _ = load_block(order.store, scenario, index)
    if arrays is None:
        arrays = compute_block(plan, scenario, index)
        sha256 = save_block(order.store, scenario, index, arrays)
    else:
        sha256 = digest(arrays)
    return Receipt(
        scenario=scenario,
        index=index,
        sha256=sha256,
        paths=len(arrays["path.status"]),
        worker=worker,
    )


def _plan(order: Order):
    """The plan of the campaign, built once a worker after its numbers were proved right."""
    with _PREPARING:
        if order.digest in _READY:
            return _READY[order.digest]
        prepare_environment()
        check_versions()
        _check_same(order)
        from stress.campaign import plan
        from stress.compile_cache import keep_programs
        from stress.config import digest_of
        from stress.doctor import self_test
        from stress.engine_canary import engine_canary

        keep_programs()
        campaign = pickle.loads(order.campaign)
        if digest_of(campaign) != order.digest:
            raise EnvironmentUnusable("files that the campaign names differ there from those here.")
        self_test(None, engine_canary)
        _READY.clear()
        _READY[order.digest] = plan(campaign)
        return _READY[order.digest]


def _check_same(order: Order) -> None:
    """Refuses versions that may give other bits than those of the process that asks."""
    from stress.provenance import version

    for package, wanted in order.versions.items():
        if version(package) != wanted:
            raise EnvironmentUnusable(
                f"{package} is {version(package)} there and {wanted} here; install the versions "
                "of constraints.txt on every machine."
            )
