"""Workers of a run: processes of this machine, or those of a dask scheduler that runs."""

import asyncio
import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, cast

import dask.config
from distributed import Client, LocalCluster, rpc
from distributed.system import MEMORY_LIMIT
from distributed.utils import silence_logging_cmgr

from stress.errors import InputError

PATIENCE = 10  # seconds in which a scheduler has to answer, and to show a worker
SETTINGS = {
    "distributed.scheduler.http.routes": [],
    "distributed.worker.http.routes": [],
    "distributed.worker.multiprocessing-method": "spawn",  # JAX has threads, which no fork survives
    "distributed.admin.large-graph-warning-threshold": "1GiB",  # the order holds the book, once
}
LOCAL: dict[str, Any] = {
    "threads_per_worker": 1,
    "processes": True,
    "host": "127.0.0.1",
    "dashboard_address": None,
    "scheduler_kwargs": {"dashboard_address": "127.0.0.1:0"},  # or port 8787 would be taken
    "silence_logs": logging.CRITICAL,
    "preload": ["stress.scale_out_task"],  # for its dask_setup
}


@contextmanager
def local_cluster(processes: int) -> Iterator[Client]:
    """Worker processes of this machine, one thread each, on the loopback interface.

    Args:
      processes: their number; each gets its share of the memory and is started again beyond it.
    """
    share = MEMORY_LIMIT // processes
    with (
        dask.config.set(SETTINGS),
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch,
        LocalCluster(
            n_workers=processes, memory_limit=share, local_directory=scratch, **LOCAL
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


@contextmanager
def running_cluster(address: str) -> Iterator[Client]:
    """The workers of a scheduler that runs.

    Args:
      address: for instance `tcp://10.0.0.1:8786`.

    Errors:
      InputError where nothing answers there, or has no worker.
    """

    def refused(why: str) -> InputError:
        allowed = "the address of a running dask scheduler, tcp://host:port"
        return InputError("--scheduler", "", f"{address!r}, {why}", allowed)

    try:
        asyncio.run(_identity(address))
    except Exception as error:  # whatever listens there may answer anything
        reason = " ".join(str(error).split()) or f"silence for {PATIENCE} s"
        raise refused(f"where no scheduler answers ({reason})") from None
    with (
        silence_logging_cmgr(logging.CRITICAL),
        dask.config.set(SETTINGS),
        Client(address, set_as_default=False) as client,
    ):
        try:
            client.wait_for_workers(1, timeout=PATIENCE)
        except TimeoutError:
            raise refused("which has no workers") from None
        yield client


async def _identity(address: str) -> object:
    """What a scheduler says of itself. A client would go on asking where nobody answers."""
    async with rpc(address, timeout=PATIENCE) as scheduler:
        return await asyncio.wait_for(scheduler.identity(), PATIENCE)


def threads_of(client: Client) -> dict[str, int]:
    """Threads of every worker there is, by its address."""
    return cast(dict[str, int], client.nthreads())
