"""Strict numerics for every test, and the shared data where it is present."""

# ruff: noqa: E402
import gc
import os
import tempfile
from pathlib import Path

from stress.environment import prepare_environment

prepare_environment()

import jax
import pytest
from hypothesis import settings

PROGRAMS = tempfile.TemporaryDirectory()  # of commands that tests start: they share programs
os.environ["JAX_COMPILATION_CACHE_DIR"] = PROGRAMS.name

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_numpy_rank_promotion", "raise")

settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.load_profile("repeatable")

MOST_MAPS = 25_000  # memory maps of the process; Linux allows 65,530, a compiled program takes some
MAPS = Path("/proc/self/maps")


@pytest.fixture(scope="module", autouse=True)
def few_programs():
    """Drops compiled programs before their memory maps run out, which crashes the compiler."""
    yield
    if MAPS.exists() and MAPS.read_bytes().count(b"\n") > MOST_MAPS:
        jax.clear_caches()
        gc.collect()


SHARED = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """Folder with recorded accounts, real prices and reference values."""
    if not SHARED.is_dir():
        pytest.skip("the shared data folder is not beside this checkout")
    return SHARED
