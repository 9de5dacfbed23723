"""Compiled programs between runs: found again, never damaged, never another machine's."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from stress.compile_cache import Programs, cache_folder, environment_digest, prune

ROOT = Path(__file__).resolve().parents[1]
PROCESSOR = "processor\t: 0\nmodel name\t: A\nflags\t\t: fpu avx2\n\nprocessor\t: 1\n"
PROGRAM = """
from stress.environment import prepare_environment
prepare_environment()
import logging, jax, jax.numpy as jnp
from stress.compile_cache import keep_programs
keep_programs()
hits = []
jax.monitoring.register_event_listener(lambda name, **_: hits.append(name.endswith("cache_hits")))
value = jax.jit(lambda x: jnp.sum(jnp.sin(x) ** 2 + jnp.cos(x) ** 2))(jnp.arange(8.0))
print(round(float(value), 9), any(hits))
"""


def run(folder: Path) -> str:
    """The program in a process that keeps what it compiles in the folder; nothing on stderr."""
    given = os.environ | {"PYTHONPATH": str(ROOT), "JAX_COMPILATION_CACHE_DIR": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=given, capture_output=True, text=True, check=True
    )
    assert done.stderr == ""
    return done.stdout.strip()


def test_a_program_is_found_again_and_a_damaged_one_is_compiled_anew(tmp_path):
    assert run(tmp_path) == "8.0 False"
    assert run(tmp_path) == "8.0 True"
    (folder,) = tmp_path.iterdir()
    assert len(list(folder.iterdir())) >= 1
    for place in folder.iterdir():
        content = bytearray(place.read_bytes())
        content[len(content) // 2] ^= 1
        place.write_bytes(content)
    assert run(tmp_path) == "8.0 False"  # one bit is enough
    assert run(tmp_path) == "8.0 True"  # and was written again


def test_an_entry_is_whole_or_nothing(tmp_path):
    programs = Programs(tmp_path / "made" / "later")
    assert programs.get("key") is None
    programs.put("key", b"value")
    assert programs.get("key") == b"value"
    place = tmp_path / "made" / "later" / "key"
    for content in (b"", place.read_bytes()[:-1], place.read_bytes() + b"x"):
        place.write_bytes(content)
        assert programs.get("key") is None
    place.rename(place.with_name("other"))  # under another key it is none either
    programs.put("key", b"value")
    place.rename(place.with_name("other"))
    assert programs.get("other") is None


def test_a_folder_that_cannot_be_written_keeps_nothing(tmp_path):
    (tmp_path / "file").write_text("")
    programs = Programs(tmp_path / "file")
    programs.put("key", b"value")
    assert programs.get("key") is None


def test_every_machine_has_a_folder_of_its_own(tmp_path, monkeypatch):
    def digest(text: str) -> str:
        (tmp_path / "cpuinfo").write_text(text)
        return environment_digest(tmp_path / "cpuinfo")

    first = digest(PROCESSOR)
    assert digest(PROCESSOR + "cpu MHz\t: 9\n") == first  # of another core, and changing
    assert digest(PROCESSOR.replace("avx2", "avx512f")) != first
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_prefer_vector_width=128")
    assert digest(PROCESSOR) != first


@pytest.mark.parametrize(
    ("given", "home", "want"),
    [
        ({"JAX_COMPILATION_CACHE_DIR": "mine"}, "/h", Path("mine")),
        ({"JAX_COMPILATION_CACHE_DIR": ""}, "/h", None),
        ({"JAX_COMPILATION_CACHE_DIR": "gs://bucket"}, "/h", None),
        ({"XDG_CACHE_HOME": "/x"}, "/h", Path("/x/hyperstress/programs")),
        ({"XDG_CACHE_HOME": "relative"}, "/h", Path("/h/.cache/hyperstress/programs")),
        ({}, "/h", Path("/h/.cache/hyperstress/programs")),
    ],
)
def test_where_programs_are_kept(monkeypatch, given, home, want):
    for name in ("JAX_COMPILATION_CACHE_DIR", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (given | {"HOME": home}).items():
        monkeypatch.setenv(name, value)
    assert cache_folder() == want


def test_what_nobody_used_for_longest_goes_first(tmp_path):
    (tmp_path / "a").mkdir()
    for age, name in enumerate(("new", "middle", "old")):
        place = tmp_path / "a" / name
        place.write_bytes(bytes(100))
        os.utime(place, (1e9 - age, 1e9 - age))
    prune(tmp_path, 300)
    assert len(list(tmp_path.glob("a/*"))) == 3
    prune(tmp_path, 250)
    assert sorted(p.name for p in tmp_path.glob("a/*")) == ["middle", "new"]
