"""What is set before JAX starts, and which versions are refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stress import environment
from stress.environment import (
    CACHE,
    NO_LIBRARY_FUSION,
    VECTOR_WIDTH,
    check_versions,
    prepare_environment,
)
from stress.errors import EnvironmentUnusable

ROOT = Path(__file__).resolve().parents[1]
SET = (
    "XLA_FLAGS", "JAX_ENABLE_X64", "TF_CPP_MIN_LOG_LEVEL", "JAX_COMPILATION_CACHE_DIR",
    "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS",
)  # fmt: skip
WITH_AVX512 = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512dq\n"
WITHOUT = "processor\t: 0\nflags\t\t: fpu avx2 avx512dq\nbugs\t\t: avx512f\n"


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A process that has not imported JAX, a processor with AVX-512, no variable set."""
    monkeypatch.delitem(sys.modules, "jax")
    for name in SET:
        monkeypatch.setenv(name, "")  # so that the teardown restores what was there
        monkeypatch.delenv(name)
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(WITH_AVX512)
    return cpuinfo


def versions(monkeypatch, **installed):
    def version(package):
        if package not in installed:
            raise environment.metadata.PackageNotFoundError(package)
        return installed[package]

    monkeypatch.setattr(environment.metadata, "version", version)


def test_sets_double_precision_and_both_flags(fresh):
    prepare_environment(fresh)
    assert os.environ["JAX_ENABLE_X64"] == "1"
    assert os.environ["XLA_FLAGS"] == f"{NO_LIBRARY_FUSION} {VECTOR_WIDTH}"
    prepare_environment(fresh)
    assert os.environ["XLA_FLAGS"] == f"{NO_LIBRARY_FUSION} {VECTOR_WIDTH}"


@pytest.mark.parametrize("text", [WITHOUT, "", "flags", None])
def test_wide_vectors_only_where_the_processor_has_them(fresh, tmp_path, text):
    cpuinfo = tmp_path / "other"
    if text is not None:
        cpuinfo.write_text(text)
    prepare_environment(cpuinfo)
    assert os.environ["XLA_FLAGS"] == NO_LIBRARY_FUSION


def test_what_the_person_set_stands(fresh, monkeypatch):
    given = "--xla_cpu_prefer_vector_width=256 --xla_cpu_multi_thread_eigen=false"
    monkeypatch.setenv("XLA_FLAGS", given)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    prepare_environment(fresh)
    assert os.environ["XLA_FLAGS"] == f"{given} {NO_LIBRARY_FUSION}"
    assert os.environ["TF_CPP_MIN_LOG_LEVEL"] == "0"


def test_a_file_of_flags_is_left_alone(fresh, monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "flags.txt")
    prepare_environment(fresh)
    assert os.environ["XLA_FLAGS"] == "flags.txt"


@pytest.mark.parametrize("installed", [{"jaxlib": "0.13.0"}, {"jaxlib": "0.9.2"}, {}])
def test_no_flag_for_a_release_that_may_not_know_it(fresh, monkeypatch, installed):
    versions(monkeypatch, **installed)
    prepare_environment(fresh)
    assert "XLA_FLAGS" not in os.environ


def test_no_flag_once_jax_is_imported(fresh, monkeypatch):
    monkeypatch.setitem(sys.modules, "jax", environment)
    prepare_environment(fresh)
    assert "XLA_FLAGS" not in os.environ


def test_jax_starts_with_every_flag_and_double_precision():
    """XLA aborts on an unknown flag, so this is the check that it knows ours."""
    code = (
        "from stress.environment import check_versions, prepare_environment\n"
        "prepare_environment(); import jax, jax.numpy as jnp; check_versions()\n"
        "print(jax.jit(jnp.sum)(jnp.ones(3)).dtype)"
    )
    flags = f"{VECTOR_WIDTH} {NO_LIBRARY_FUSION}"
    environ = os.environ | {"JAX_ENABLE_X64": "0", "XLA_FLAGS": flags}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env=environ, capture_output=True, text=True
    )
    assert done.stdout.strip() == "float64", done.stderr


def test_the_installed_versions_are_accepted():
    check_versions()


@pytest.mark.parametrize("wrong", ["jax", "jaxlib"])
@pytest.mark.parametrize("version", ["0.10.2", "0.10.2.1", "0.10.0", "0.13.0", "0.9.2", "unknown"])
def test_wrong_versions_are_refused(monkeypatch, wrong, version):
    versions(monkeypatch, **({"jax": "0.10.1", "jaxlib": "0.10.1"} | {wrong: version}))
    with pytest.raises(EnvironmentUnusable, match=wrong):
        check_versions()


@pytest.mark.parametrize("version", ["0.10.1", "0.11.2", "0.12.0.1", "0.12.1.dev20260901"])
def test_supported_versions_are_accepted(monkeypatch, version):
    versions(monkeypatch, jax=version, jaxlib=version)
    check_versions()


def test_missing_package_is_refused(monkeypatch):
    versions(monkeypatch, jax="0.10.1")
    with pytest.raises(EnvironmentUnusable, match="jaxlib is missing"):
        check_versions()


def test_single_precision_is_refused(fresh, monkeypatch):
    with pytest.raises(EnvironmentUnusable, match="64-bit"):
        check_versions()
    monkeypatch.setenv("JAX_ENABLE_X64", "true")
    check_versions()


def test_programs_are_kept_in_a_folder_of_the_machine(fresh, monkeypatch, tmp_path):
    monkeypatch.delenv(CACHE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    prepare_environment(fresh)
    first = Path(os.environ.pop("JAX_COMPILATION_CACHE_DIR"))
    assert first.is_dir() and first.parent == tmp_path / "hyperstress" / "programs"
    monkeypatch.setenv("XLA_FLAGS", "")
    fresh.write_text(WITHOUT)  # another processor
    prepare_environment(fresh)
    assert Path(os.environ["JAX_COMPILATION_CACHE_DIR"]).parent == first.parent
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] != str(first)


@pytest.mark.parametrize("off", ["off", "0", "No"])
def test_nothing_is_kept_where_nobody_wants_it(fresh, monkeypatch, off):
    monkeypatch.setenv(CACHE, off)
    prepare_environment(fresh)
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ


def test_a_folder_given_to_jax_stands_and_one_that_cannot_be_written_is_left(fresh, monkeypatch):
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
    prepare_environment(fresh)
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "mine"
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv(CACHE, str(fresh))  # a file
    prepare_environment(fresh)
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ


PROGRAM = """
from stress.environment import prepare_environment
prepare_environment()
import jax, jax.numpy as jnp
print(float(jax.jit(lambda x: jnp.sum(jnp.sin(x) ** 2 + jnp.cos(x) ** 2))(jnp.arange(8.0))))
"""


def test_a_damaged_program_is_compiled_anew(tmp_path):
    given = os.environ | {"PYTHONPATH": str(ROOT), CACHE: str(tmp_path)}
    given["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"

    def run() -> tuple[str, str]:
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM], env=given, capture_output=True, text=True, check=True
        )
        return done.stdout, done.stderr

    assert run() == ("8.0\n", "")
    files = [path for path in tmp_path.rglob("*-cache") if path.is_file()]
    assert files
    assert run() == ("8.0\n", "")  # from the cache, without a word
    for path in files:
        content = bytearray(path.read_bytes())
        for place in range(len(content) // 4, len(content), 97):
            content[place] ^= 0xFF
        path.write_bytes(content)
    assert run()[0] == "8.0\n"
