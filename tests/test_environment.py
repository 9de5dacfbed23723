"""What is set before JAX starts, and which versions are refused."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from stress import environment
from stress.environment import (
    LESS_OPTIMISED,
    NO_LIBRARY_FUSION,
    VECTOR_WIDTH,
    WHOLE_LOOPS,
    check_versions,
    loops_are_programs,
    prepare_environment,
)
from stress.errors import EnvironmentUnusable

ALWAYS = f"{NO_LIBRARY_FUSION} {WHOLE_LOOPS} {LESS_OPTIMISED}"
ROOT = Path(__file__).resolve().parents[1]
WITH_AVX512 = "processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512dq\n"
WITHOUT = "processor\t: 0\nflags\t\t: fpu avx2 avx512dq\nbugs\t\t: avx512f\n"


@pytest.fixture
def fresh(monkeypatch, tmp_path):
    """A process that has not imported JAX, a processor with AVX-512, no variable set."""
    monkeypatch.delitem(sys.modules, "jax")
    for name in ("XLA_FLAGS", "JAX_ENABLE_X64", "TF_CPP_MIN_LOG_LEVEL"):
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


def test_sets_double_precision_and_its_flags(fresh):
    assert not loops_are_programs()
    prepare_environment(fresh)
    assert os.environ["JAX_ENABLE_X64"] == "1"
    assert os.environ["XLA_FLAGS"] == f"{ALWAYS} {VECTOR_WIDTH}"
    prepare_environment(fresh)
    assert os.environ["XLA_FLAGS"] == f"{ALWAYS} {VECTOR_WIDTH}"
    assert loops_are_programs()


def test_other_options_of_the_backend_stand_and_leave_loops_alone(fresh, monkeypatch):
    given = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=1024"
    monkeypatch.setenv("XLA_FLAGS", given)
    prepare_environment(fresh)
    assert os.environ["XLA_FLAGS"].startswith(given) and not loops_are_programs()


def test_a_loop_is_one_program_here():
    """Control: with a scatter it is not, so what the text shows can fail."""
    assert loops_are_programs()
    wide = jax.numpy.ones(100_000)

    def text(change):
        def loop(x):
            return jax.lax.fori_loop(0, 100, lambda i, x: change(x), x)

        return jax.jit(loop).lower(wide).compile().as_text()

    def scattered(x):
        return x.at[(x > 1).astype(int)[::3]].add(jax.numpy.cos(x[::3]))

    assert "xla_cpu_small_call" in text(lambda x: jax.numpy.cos(x) + x.sum())
    assert "xla_cpu_small_call" not in text(scattered)


@pytest.mark.parametrize("text", [WITHOUT, "", "flags", None])
def test_wide_vectors_only_where_the_processor_has_them(fresh, tmp_path, text):
    cpuinfo = tmp_path / "other"
    if text is not None:
        cpuinfo.write_text(text)
    prepare_environment(cpuinfo)
    assert os.environ["XLA_FLAGS"] == ALWAYS


def test_what_the_person_set_stands(fresh, monkeypatch):
    given = "--xla_cpu_prefer_vector_width=256 --xla_cpu_multi_thread_eigen=false"
    monkeypatch.setenv("XLA_FLAGS", given)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "0")
    prepare_environment(fresh)
    assert os.environ["XLA_FLAGS"] == f"{given} {ALWAYS}"
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
    flags = f"{VECTOR_WIDTH} {ALWAYS}"
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
