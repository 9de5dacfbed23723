"""Where numbers come from: versions, device, commit, digests, wall time and memory."""

import platform
import resource
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from stress.config import Campaign

PACKAGES = ("hyperstress", "jax", "jaxlib", "numpy", "scipy", "xarray", "zarr")
DECISIVE = ("hyperstress", "jax", "jaxlib")  # another version may give other bits


def provenance(campaign: Campaign, wall_seconds: float, hands: dict[str, int]) -> dict[str, object]:
    """Facts of one run, JSON-ready; the report prints them in its footer.

    Args:
      campaign: that was run.
      wall_seconds: it took.
      hands: `workers` (processes that computed), `threads` and `devices` of each.
    """
    import jax

    return {
        "command": "hyperstress " + shlex.join(_visible(sys.argv[1:])),
        "commit": commit(),
        "created": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "wall_seconds": round(wall_seconds, 2),
        "peak_memory_mib": round(peak_memory() / 2**20, 1),
        **hands,
        "device": ", ".join(f"{d.platform} {d.device_kind}" for d in jax.devices()),
        "platform": platform.platform(),
        "versions": {"python": platform.python_version()} | {p: version(p) for p in PACKAGES},
        "digests": {
            "campaign": campaign.digest,
            f"venue {campaign.venue.name}": campaign.venue.digest,
            f"book {campaign.book.name}": campaign.book.digest,
        },
        "sources": [
            f"{name}: {source.title} (read {source.read})"
            for name, source in campaign.venue.sources.items()
        ],
    }


def _visible(arguments: list[str]) -> list[str]:
    """Arguments without the folders of this machine."""

    def visible(argument: str) -> str:
        head, sign, tail = argument.partition("=")
        if Path(argument).is_absolute():
            return Path(argument).name
        return head + sign + Path(tail).name if Path(tail).is_absolute() else argument

    return list(map(visible, arguments))


def commit() -> str:
    """Commit of the checkout the packages stand in, `+changes` where it is not clean."""
    here = Path(__file__).resolve().parents[1]
    if not (here / ".git").exists():
        return "installed package"

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(here), *arguments], capture_output=True, text=True, timeout=10
        )
        return done.stdout.strip()

    try:
        head = git("rev-parse", "--short=12", "HEAD")
        return (head + ("+changes" if git("status", "--porcelain", "-uno") else "")) or "unknown"
    except (OSError, subprocess.SubprocessError):
        return "unknown"


def version(package: str) -> str:
    """Installed version of a package."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"


def peak_memory() -> int:
    """Greatest resident memory of this process so far, bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
