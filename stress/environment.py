"""Settings that have to stand before JAX starts, and the versions that compute wrong numbers.

Imports nothing heavy: the command line calls `prepare_environment` before anything imports JAX.
"""

import ctypes
import os
import re
import sys
from importlib import metadata
from pathlib import Path

from stress.errors import EnvironmentUnusable

OLDEST, NEWEST = (0, 10, 1), (0, 13)  # of jax and jaxlib, newest excluded; as in pyproject.toml
MISCOMPILES = (0, 10, 2)

VECTOR_WIDTH = "--xla_cpu_prefer_vector_width=512"
NO_LIBRARY_FUSION = "--xla_cpu_experimental_ynn_fusion_type="
WHOLE_LOOPS = (  # and of LLVM: loops over the rows of many markets are vectorised too
    f"--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold={2**60},"
    "-vectorize-memory-check-threshold=5000"
)
LESS_OPTIMISED = "--xla_backend_optimization_level=2"


def prepare_environment(cpuinfo: Path = Path("/proc/cpuinfo")) -> None:
    """Set the environment variables JAX reads once, at its import.

    Double precision is switched on. On the CPU four XLA flags are added to those the person gave,
    unless a flag of that name is there already:

    - no fusions handed to the YNNPACK library. Such a fusion of a matrix-vector product with a
      reduction returns wrong rows in jaxlib 0.10.2 (jax issue 39103) and, for a 3x3 float32 matrix
      and 32,769 to about 43,700 rows, in 0.10.1 as well (measured 2026-11-23). Without them both
      are exact, and reductions over paths take as long as before;
    - 512-bit vectors where the processor has AVX-512: XLA takes 256 bits by itself;
    - loops as one program each: by itself XLA starts every operation of a loop's turn by itself,
      at 0.5 to 1 us (measured 2026-11-26), unless the loop works on less than 1 KiB. A loop with
      a scatter, a sort or a call of a library stays as it is. With it goes an option of LLVM's
      vectoriser: a loop that reads more than about a hundred rows (48 markets and more) it leaves
      scalar by itself, which takes three times as long (measured 2026-11-27, jaxlib 0.10.1);
    - LLVM's second level of optimisation in the place of its third, which takes a fifth longer
      for such programs and gives the same speed (likewise; not tried on a GPU, where XLA takes
      the level too).

    XLA aborts the process on a flag it does not know, so they are added only for the releases
    they were tried on (0.10.1, 0.10.2, 0.12.0.1 and what lies between; LLVM's option on the first
    two alone). Does nothing to the flags once JAX is imported, or when XLA_FLAGS names a file: the
    self-test decides then.

    Args:
      cpuinfo: where Linux describes the processor; absent elsewhere.
    """
    os.environ["JAX_ENABLE_X64"] = "1"
    # 3: XLA logs an error for every kept program it loads, for it takes two settings of its
    # compiler (prefer-no-gather, -scatter) for instructions that the processor lacks.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    given = os.environ.get("XLA_FLAGS", "").strip()
    names_a_file = bool(given) and not given.startswith("--")
    version = installed("jaxlib")
    if "jax" in sys.modules or names_a_file or not OLDEST <= version < NEWEST:
        return
    wanted = [NO_LIBRARY_FUSION, WHOLE_LOOPS, LESS_OPTIMISED]
    if _has_avx512(cpuinfo):
        wanted.append(VECTOR_WIDTH)
    present = {flag.split("=")[0] for flag in given.split()}
    added = [flag for flag in wanted if flag.split("=")[0] not in present]
    os.environ["XLA_FLAGS"] = " ".join([given, *added]).strip()


def loops_are_programs() -> bool:
    """Whether XLA takes a loop as one program on the CPU, however much memory it works on."""
    return WHOLE_LOOPS in os.environ.get("XLA_FLAGS", "").split()


def return_memory() -> None:
    """Gives memory that was freed back to the system, where the C library can (glibc).

    Compiling a cascade takes about 0.9 GiB for a moment (measured 2026-11-25), which the process
    would keep otherwise.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None) if os.name == "posix" else None
    if trim is not None:
        trim(0)


def check_versions() -> None:
    """Refuse versions and settings under which no number can be trusted.

    Errors:
      EnvironmentUnusable for jax or jaxlib 0.10.2, for one outside the supported range or not
      installed, and when JAX runs without 64-bit floats.
    """
    for package in ("jax", "jaxlib"):
        version = installed(package)
        shown = ".".join(map(str, version)) or "missing"
        if version[:3] == MISCOMPILES:
            raise EnvironmentUnusable(
                f"{package} {shown} returns wrong numbers on the CPU (jax issue 39103): "
                "install the versions of constraints.txt."
            )
        if not OLDEST <= version < NEWEST:
            raise EnvironmentUnusable(
                f"{package} is {shown}; supported are 0.10.1 to below 0.13, without 0.10.2."
            )
    if not _double_precision():
        raise EnvironmentUnusable(
            "JAX runs without 64-bit floats: set JAX_ENABLE_X64=1 before it is imported."
        )


def installed(package: str) -> tuple[int, ...]:
    """Release numbers of an installed package; empty when it is not installed."""
    try:
        release = re.match(r"\d+(\.\d+)*", metadata.version(package))
    except metadata.PackageNotFoundError:
        return ()
    return tuple(int(part) for part in release.group().split(".")) if release else ()


def _has_avx512(cpuinfo: Path) -> bool:
    try:
        text = cpuinfo.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    flags = next((line for line in text.splitlines() if line.startswith("flags")), "")
    return "avx512f" in flags.split()


def _double_precision() -> bool:
    jax = sys.modules.get("jax")
    if jax is not None:
        return bool(jax.config.jax_enable_x64)
    return os.environ.get("JAX_ENABLE_X64", "").lower() in ("1", "true", "yes", "on")
