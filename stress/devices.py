"""The devices of this process that compute: all its GPUs, or as many as `--devices` says.

Whole blocks go to whichever device is free; a block is not sharded over devices. A campaign's path
axis is cut into blocks already, each a pure function of its index, so the program that a device
runs is the one of a single device, and so are its bits. A program sharded by XLA is another one,
whose bits nobody promises; its devices would wait for each other at every block, and with feedback
a block has too few paths (128) to go round. What is paid: XLA compiles for every device of the
host; of GPUs, one compiles and the others load what is kept (`stress.compile_cache`).
"""

from dataclasses import replace
from typing import Any, TypeAlias

import jax

from stress.errors import InputError

Device: TypeAlias = Any  # a jax.Device, which type checkers take for a variable
ALL = "all"
HOST = "XLA_FLAGS=--xla_force_host_platform_device_count=N makes N of the processor"


def devices(wanted: str | None = None) -> list[Device]:
    """Devices that compute.

    Args:
      wanted: a whole number from 1, or `all`; None: every GPU (or TPU), else one device, for
        those that XLA_FLAGS makes of a processor share its cores.

    Returns:
      The first so many that JAX shows this process, the one in use first.

    Errors:
      InputError where there are fewer.
    """
    there = jax.local_devices()
    if wanted is None:
        return there[:1] if there[0].platform == "cpu" else there
    count = len(there) if wanted == ALL else int(wanted)
    if count > len(there):
        names = ", ".join(map(str, there))
        more = f"; {HOST}" if there[0].platform == "cpu" else ""
        raise InputError(
            "--devices", "", f"{count} with {len(there)} here ({names}{more})",
            f"1 to {len(there)}, or all" if len(there) > 1 else "1, or all",
        )  # fmt: skip
    return there[:count]


def placed(plan: Any, device: Device) -> Any:
    """A plan (`stress.campaign.Plan`) whose arrays are on a device: its blocks are computed there.

    Arrays that are put on a device stay there, and what is computed from them follows. A plan that
    JAX has put there by itself is left as it is: it shares the programs of what runs afterwards.
    """
    if plan.book.row.devices() == {device}:
        return plan

    def put(tree: Any) -> Any:
        return jax.tree.map(
            lambda x: jax.device_put(x, device) if isinstance(x, jax.Array) else x, tree
        )

    def part(whole: Any, *names: str, **more: Any) -> Any:
        return replace(whole, **{name: put(getattr(whole, name)) for name in names}, **more)

    cascade = plan.cascade and part(plan.cascade, "book", "groups", "settings")
    inputs = part(plan.inputs, "venue", "today")
    more = {"inputs": inputs, "cascade": cascade, "device": device}
    return part(plan, "venue", "book", "scenarios", "draws", **more)
