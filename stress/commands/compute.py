"""Where the blocks of a run are computed and kept, as the options of the command say."""

import os
import re
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from stress.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Where:
    """Options of `run`; None where they were not given."""

    threads: int | None = None  # of this process
    devices: str | None = None  # of this process: a number, or all
    workers: int | None = None  # processes of this machine
    scheduler: str | None = None  # address of a dask scheduler
    store: str | None = None  # folder or URL of the blocks

    def check(self) -> None:
        """Refuses values that cannot be meant.

        Errors:
          InputError naming the option.
        """
        for option, number in (("threads", self.threads), ("workers", self.workers)):
            if number is not None and number < 1:
                raise InputError(
                    f"--{option}", "", str(number), f"a whole number of {option} from 1"
                )
        wanted = "all" if self.devices is None else self.devices
        if not re.fullmatch(r"all|0*[1-9][0-9]{0,5}", wanted):
            allowed = "a whole number of devices from 1, or all"
            raise InputError("--devices", "", repr(wanted), allowed)
        given = [
            f"--{option}"
            for option in ("threads", "devices", "workers", "scheduler")
            if getattr(self, option) is not None
        ]
        if len(given) > 1 and given != ["--threads", "--devices"]:
            allowed = "one of the two"
            if "--devices" in given:
                allowed += "; a worker computes on the first device that its machine shows it"
            raise InputError(given[-1], "", f"{given[-2]} besides", allowed)

    def here(self) -> list[Any]:
        """Devices that compute in this process; one, for the rest, where workers compute.

        Errors:
          InputError where there are fewer than asked for.
        """
        from stress.devices import devices

        return devices(self.devices) if self.workers is self.scheduler is None else devices("1")

    def client(self) -> AbstractContextManager[Any]:
        """A client of the workers; of None where this process computes."""
        if self.workers is None and self.scheduler is None:
            return nullcontext()
        from stress.scale_out_cluster import local_cluster, running_cluster

        if self.scheduler is not None:
            return running_cluster(self.scheduler)
        return local_cluster(self.workers or 1)


def compute(
    plan,
    where: Where,
    client: Any,
    store: str,
    advance: Callable[[int, int], None],
    say: Callable[[str], None],
    check: Callable[[], object],
) -> tuple[dict[str, Any], dict[str, int]]:
    """Computes every block that the store does not hold.

    Args:
      plan: the campaign, built.
      where: the options.
      client: of the workers, or None.
      store: folder or URL of the blocks.
      advance: called with (blocks, paths) that a finished block adds.
      say: called with a sentence about what went wrong and was mended.
      check: raises where this process computes wrong numbers; workers check themselves.

    Returns:
      Totals of every scenario; `workers`, `threads` and `devices` of each, for the manifest.
    """
    if client is not None:
        from stress.scale_out import run_on_workers
        from stress.scale_out_cluster import threads_of

        totals, workers = run_on_workers(client, plan, store, advance, say)
        threads = max(threads_of(client).values(), default=1)
        return totals, {"workers": workers, "threads": threads, "devices": 1}
    from stress.campaign import run_blocks

    devices = where.here()
    threads = max(where.threads or os.cpu_count() or 1, len(devices))
    totals = run_blocks(plan, store, threads, advance, say, check, devices)
    return totals, {"workers": 1, "threads": threads, "devices": len(devices)}
