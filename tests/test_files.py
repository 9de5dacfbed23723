"""Reading YAML and JSON: every fault is one sentence with file and key."""

import json
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.errors import EnvironmentUnusable, InputError
from stress.files import canonical_digest, config_dir, read_json, read_yaml


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_yaml_is_version_1_2(tmp_path):
    path = write(tmp_path, "a.yaml", "rate: 1e5\nclock: 12:30\nanswer: no\nday: 2026-08-19\n")
    want = {"rate": 1e5, "clock": "12:30", "answer": "no", "day": date(2026, 8, 19)}
    assert read_yaml(path) == want


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ("a: 1\nb: 2\na: 3\n", "line 3", "duplicate key"),
        ("a:\n  - [1, 2\n", "line 3", "expected"),
        ("a: *missing\n", "line 1", "undefined alias"),
        ("a: !!python/name:os.system\n", "line 1", "tag"),
        ("a: 1\n---\nb: 2\n", "line 2", "document"),
        ("a: {b: [1, .nan]}\n", "a.b[1]", "nan"),
        ("a: -.inf\n", "a", "inf"),
        ("a: &x [*x]\n", "a[0]", "alias"),
        ("1: 2\n", "1", "the key 1"),
        ("- 1\n", "", "a list of 1"),
        ("", "", "null"),
        ("a: 2026-13-45\n", "", "month"),
        ("a: \x01\n", "", "character"),
    ],
)
def test_bad_yaml_is_refused(tmp_path, text, key, found):
    path = write(tmp_path, "bad.yaml", text)
    with pytest.raises(InputError) as error:
        read_yaml(path)
    assert error.value.file == str(path)
    assert error.value.key == key
    assert found in error.value.found
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "key", "found"),
    [
        ('{"a": [1, 2', "line 1", "truncated"),
        ("", "line 1", "truncated"),
        ('{"a": 1,\n "b": x}', "line 2", "Expecting value"),
        ('{"a": {"b": [NaN]}}', "a.b[0]", "nan"),
        ('[{"a": 1e999}]', "[0].a", "inf"),
        ('{"a": 1, "a": 2}', "a", "twice"),
        ("[" * 100_000, "", "deep"),
    ],
)
def test_bad_json_is_refused(tmp_path, text, key, found):
    path = write(tmp_path, "bad.json", text)
    with pytest.raises(InputError) as error:
        read_json(path)
    assert (error.value.file, error.value.key) == (str(path), key)
    assert found in error.value.found
    assert "\n" not in str(error.value)


def test_json_reads_what_json_writes(tmp_path):
    data = {"accounts": [{"id": "a", "size": -0.1, "open": True, "note": None}]}
    assert read_json(write(tmp_path, "good.json", json.dumps(data))) == data


@pytest.mark.parametrize("read", [read_yaml, read_json])
def test_unreadable_files_are_refused(tmp_path, read):
    binary = tmp_path / "binary"
    binary.write_bytes(b"\xff\xfe\x00a")
    for path, found in [
        (tmp_path / "absent", "no such file"),
        (tmp_path, "directory"),
        (binary, "UTF-8"),
    ]:
        with pytest.raises(InputError, match=found):
            read(path)


def test_digest_is_of_the_meaning():
    @dataclass
    class Pair:
        left: float
        right: tuple[int, ...]

    assert canonical_digest({"a": 1, "b": [2.5, None]}) == canonical_digest(
        {"b": (2.5, None), "a": 1.0}
    )
    assert canonical_digest(Pair(1.0, (2,))) == canonical_digest({"left": 1, "right": [2]})
    assert canonical_digest(np.array([1.0, 2.5])) == canonical_digest([1, 2.5])
    assert canonical_digest({"d": date(2026, 8, 19)}) == canonical_digest({"d": "2026-08-19"})
    # SHA-256 of the two characters {}
    assert canonical_digest({}).startswith("44136fa355b3678a1146ad16f7e8649e")


@given(
    st.dictionaries(st.text(max_size=3), st.integers() | st.text() | st.booleans(), min_size=1),
    st.data(),
)
def test_digest_ignores_order_and_sees_every_change(data, draw):
    keys = draw.draw(st.permutations(list(data)))
    assert canonical_digest({key: data[key] for key in keys}) == canonical_digest(data)
    assert canonical_digest({**data, keys[0]: [data[keys[0]]]}) != canonical_digest(data)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_digest_refuses_what_json_cannot_say(bad):
    with pytest.raises(ValueError, match="JSON"):
        canonical_digest({"a": bad})
    with pytest.raises(TypeError):
        canonical_digest(object())


def test_configs_are_found_in_a_checkout_and_in_a_wheel(tmp_path, monkeypatch):
    assert (config_dir() / "venues").is_dir()
    package = tmp_path / "stress"
    package.mkdir()
    monkeypatch.setattr("stress.files.__file__", str(package / "files.py"))
    with pytest.raises(EnvironmentUnusable):
        config_dir()
    (tmp_path / "configs").mkdir()
    assert config_dir() == tmp_path / "configs"
    (package / "_configs").mkdir()
    assert config_dir() == package / "_configs"
