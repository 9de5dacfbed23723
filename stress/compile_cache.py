"""Compiled programs kept between runs, so that a run that starts compiles nothing it has met.

JAX can keep them in a folder. What it lacks is done here: an entry carries a digest, so that a
damaged one is never loaded, it appears whole or not at all, so that processes can share a folder,
and a folder belongs to one processor, one release of JAX and one set of XLA flags. The last is
needed on the CPU, where XLA loads machine code of another processor and only writes to its log.
"""

import hashlib
import json
import os
import platform
import re
import tempfile
from contextlib import suppress
from pathlib import Path

import jax
from jax._src import compilation_cache  # no public way to say what reads and writes entries
from jax._src.compilation_cache_interface import CacheInterface

from stress.environment import installed

LARGEST = 512 * 2**20  # bytes of all entries; beyond it the least lately used go
DIGEST = hashlib.sha256().digest_size


class Programs(CacheInterface):
    """Entries of one folder, each a file: SHA-256 over key and value, then the value.

    Any number of threads and processes may read and write at once. A folder that cannot be read
    or written keeps nothing, without a word: a run needs no cache.

    Args:
      folder: made when the first entry is written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder

    def get(self, key: str) -> bytes | None:
        """The value of a key; None where there is none, or a damaged one."""
        place = self._path / key
        try:
            data = place.read_bytes()
            os.utime(place)  # used now, for `prune`
        except OSError:
            return None
        digest, value = data[:DIGEST], data[DIGEST:]
        return value if digest == _digest(key, value) else None

    def put(self, key: str, value: bytes) -> None:
        """Writes an entry, in the place of a damaged one too."""
        part = None
        try:
            self._path.mkdir(parents=True, exist_ok=True, mode=0o700)
            handle, part = tempfile.mkstemp(dir=self._path)
            with os.fdopen(handle, "wb") as file:
                file.write(_digest(key, value) + value)
            os.replace(part, self._path / key)
        except OSError:
            if part is not None:
                Path(part).unlink(missing_ok=True)


def _digest(key: str, value: bytes) -> bytes:
    return hashlib.sha256(key.encode() + b"\0" + value).digest()


def keep_programs() -> None:
    """Keeps what this process compiles from now on, and loads what is kept.

    The folder is JAX_COMPILATION_CACHE_DIR, or `hyperstress/programs` in the user's cache folder
    (XDG_CACHE_HOME, else `~/.cache`); an empty JAX_COMPILATION_CACHE_DIR or
    JAX_ENABLE_COMPILATION_CACHE=0 switches it off. An address (`gs://...`) is left to JAX.
    """
    folder = cache_folder()
    known = hasattr(compilation_cache, "get_file_cache")  # else a JAX that does it another way
    switch = jax.config.jax_enable_compilation_cache  # pyright: ignore[reportAttributeAccessIssue]
    if folder is None or not known or not switch:
        return
    prune(folder, LARGEST)
    programs = Programs(folder / environment_digest())
    compilation_cache.get_file_cache = lambda path: (programs, path)
    jax.config.update("jax_compilation_cache_dir", str(programs._path))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)  # many small ones add up
    compilation_cache.reset_cache()


def cache_folder() -> Path | None:
    """Where programs are kept, or None where they are not."""
    given = os.environ.get("JAX_COMPILATION_CACHE_DIR")
    if given is not None:
        return Path(given) if given and "://" not in given else None
    base = os.environ.get("XDG_CACHE_HOME", "")
    try:
        root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    except RuntimeError:  # no home
        return None
    return root / "hyperstress" / "programs"


def environment_digest(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """What a program must share with a process to be loaded there, as a name of a folder.

    Args:
      cpuinfo: where Linux describes the processor; elsewhere its name has to do.

    Returns:
      16 hexadecimal digits of releases, processor, its instructions and XLA_FLAGS.
    """
    try:
        first = cpuinfo.read_text(encoding="utf-8", errors="replace").split("\n\n")[0]
    except OSError:
        first = ""
    wanted = r"^(vendor_id|cpu family|model|model name|stepping|flags|Features|CPU \w+)\s*:\s*(.*)$"
    facts = {
        "releases": [installed("jax"), installed("jaxlib")],
        "processor": [platform.system(), platform.machine(), platform.processor()],
        "details": re.findall(wanted, first, re.MULTILINE),
        "flags": os.environ.get("XLA_FLAGS", "").split(),
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]


def prune(folder: Path, largest: int) -> None:
    """Removes the entries that nobody used for longest, until the others fit.

    Args:
      folder: of all programs; other processes may write there and remove at the same time.
      largest: bytes that may stay.
    """
    found = []
    for place in folder.glob("*/*"):
        with suppress(OSError):
            facts = place.stat()
            found.append((facts.st_mtime, facts.st_size, place))
    total = sum(size for _, size, _ in found)
    for _, size, place in sorted(found):
        if total <= largest:
            return
        with suppress(OSError):
            place.unlink()
        total -= size
