"""A run on worker processes of this machine, or of any that a dask scheduler brings together.

Tasks carry (scenario, index) out and a receipt back; blocks go through the store and are merged
here by index. They are the same bits whoever computes them, so a worker that is lost costs time
only. JAX is started on a worker as here, see `stress.scale_out_task`.
"""

import pickle
import uuid
from collections import Counter, deque
from dataclasses import replace
from pathlib import Path

from distributed import Client, Future, KilledWorker, as_completed

from stress.block_store import load_block
from stress.campaign import Plan
from stress.config import Campaign
from stress.errors import EnvironmentUnusable, InputError
from stress.merge import Advance, Merge, Say
from stress.provenance import DECISIVE, version
from stress.scale_out_cluster import threads_of
from stress.scale_out_task import Order, Receipt, compute_to_store, hand_out
from stress.totals import Arrays, Totals

AHEAD = 2  # tasks in flight a thread of the workers: the next one waits where one is computed
TRIES = 3  # of a block
GONE = "The scheduler is gone; finished blocks are kept, --resume goes on."


def run_on_workers(
    client: Client, plan: Plan, store: str, advance: Advance, say: Say
) -> tuple[dict[str, Totals], int]:
    """Runs, or finds, every block of a campaign on the workers of a scheduler.

    Args:
      client: of the scheduler.
      plan: the campaign, built.
      store: folder or URL of the blocks, the same for this process and every worker.
      advance: called with (blocks, paths) that a finished block adds.
      say: called with a sentence about a damaged block, a lost worker, a block that is tried again.

    Returns:
      Totals of every scenario; number of workers that computed a block.

    Errors:
      EnvironmentUnusable where a worker computes wrong numbers or other ones, where a block is lost
      with every worker that tries it, or with the scheduler. InputError where the store is not
      shared, or a worker lacks a file. KeyboardInterrupt passes through. Whatever it is, blocks in
      flight are cancelled and finished ones kept.
    """
    merge = Merge(plan.scenarios, plan.campaign.spec.paths, plan.block, advance)
    waiting = deque(merge.missing(store, plan.blocks, say))
    tasks = _Tasks(client, _order(plan.campaign, store), say)
    tries, workers = Counter(), set()
    try:
        while waiting or tasks.flying:
            while waiting and tasks.room():
                tasks.send(*waiting.popleft())
            (name, index), receipt = tasks.next()
            arrays, why = _arrays(store, name, index, receipt)
            if arrays is not None and isinstance(receipt, Receipt):
                merge.add(name, index, arrays)
                workers.add(receipt.worker)
                continue
            tries[name, index] += 1
            if tries[name, index] == TRIES:
                _give_up(store, name, index, receipt)
            say(why)
            waiting.appendleft((name, index))
    finally:
        tasks.close()
    return merge.totals, len(workers)


def _order(campaign: Campaign, store: str) -> Order:
    """What every task needs; files by absolute paths, as workers stand in other folders."""
    places = {name: str(Path(place).resolve()) for name, place in campaign.scenario_files.items()}
    there = replace(campaign, file=campaign.file.resolve(), scenario_files=places)
    return Order(
        campaign=pickle.dumps(there),
        digest=campaign.digest,
        versions={package: version(package) for package in DECISIVE},
        store=store if "://" in store else str(Path(store).resolve()),
    )


def _arrays(
    store: str, name: str, index: int, receipt: Receipt | Exception
) -> tuple[Arrays | None, str]:
    """Arrays of a block that a worker says it has kept, or why it has to be computed again."""
    if isinstance(receipt, Exception):
        reason = " ".join(str(receipt).split()) or type(receipt).__name__
        return None, f"{name}/{index}: failed on a worker ({reason}); computed again"
    arrays, why = load_block(store, name, index)
    missing = f"{store}/{name}/{index}: not where {receipt.worker} kept it; computed again"
    return arrays, why or missing


def _give_up(store: str, name: str, index: int, receipt: Receipt | Exception) -> None:
    """Ends a run whose block cannot be had."""
    if isinstance(receipt, Exception):
        raise receipt
    found = f"{store!r} without the block {name}/{index} that {receipt.worker} has kept"
    raise InputError(
        "--store", "", found, "a folder or URL that all workers and this process share"
    )


class _Tasks:
    """Tasks in flight, few enough that what a crash loses is little.

    Args:
      client: of the scheduler.
      order: what the tasks share.
      say: called with a sentence about a lost worker.
    """

    def __init__(self, client: Client, order: Order, say: Say) -> None:
        self.flying: dict[str, tuple[str, int]] = {}  # key -> block
        self._client, self._say, self._run = client, say, f"hyperstress-{uuid.uuid4().hex}"
        self._order = client.submit(hand_out, order, key=f"{self._run}-order")
        self._futures: dict[str, Future] = {}
        self._done = as_completed(loop=client.loop)
        self._sent = 0
        client.subscribe_topic("all", self._hear)

    def room(self) -> bool:
        """Whether the workers there are now should have more tasks."""
        try:
            threads = sum(threads_of(self._client).values())
        except OSError:
            raise EnvironmentUnusable(GONE) from None
        return len(self.flying) < AHEAD * max(1, threads)

    def send(self, name: str, index: int) -> None:
        """Hands a block to the workers."""
        self._sent += 1
        key = f"{self._run}-{name}-{index}-{self._sent}"
        self.flying[key] = (name, index)
        future = self._client.submit(compute_to_store, self._order, name, index, key=key)
        self._futures[key] = future
        self._done.add(future)

    def next(self) -> tuple[tuple[str, int], Receipt | Exception]:
        """The block that is done first: its receipt, or what failed but may go well again.

        Errors:
          InputError, EnvironmentUnusable as `run_on_workers`.
        """
        future = next(self._done)
        block = self.flying.pop(future.key)
        del self._futures[future.key]
        if future.cancelled():
            raise EnvironmentUnusable(GONE)
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise EnvironmentUnusable(
                f"The block {block[0]}/{block[1]} was lost with {error.allowed_failures + 1} "
                "workers, one after the other; they may lack memory: fewer workers a machine."
            )
        if isinstance(error, InputError | EnvironmentUnusable):
            raise error
        return block, error if isinstance(error, Exception) else future.result()

    def close(self) -> None:
        """Cancels what is in flight."""
        self._client.unsubscribe_topic("all")
        self._client.cancel([*self._futures.values(), self._order], force=True)

    def _hear(self, event: tuple[float, dict]) -> None:
        """Says that a worker is lost, with the number of our tasks that it had."""
        message = event[1]
        if message.get("action") != "remove-worker" or message["expected"]:
            return
        mine = sum(str(key) in self.flying for key in message["processing-tasks"])
        self._say(f"Worker {message['worker']} is lost; {mine} blocks go to others.")
