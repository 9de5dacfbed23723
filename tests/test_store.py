"""Blocks on disk: whole or absent, and run directories that know whose they are."""

import json
from pathlib import Path

import numpy as np
import pytest

from stress.errors import InputError
from stress.store import load_block, open_run, save_block, write_atomically

ARRAYS = {
    "count.first": np.arange(12).reshape(3, 4),
    "path.bad_debt": np.array([0.0, 1.5, np.nan]),
    "path.status": np.array([0, 1, 2], np.int32),
}
IDENTITY: dict[str, object] = {"campaign": "abc", "block": 64, "paths": 100}


def test_what_is_saved_is_what_is_loaded(tmp_path: Path) -> None:
    save_block(tmp_path, "calm", 3, ARRAYS)
    loaded, why = load_block(tmp_path, "calm", 3)
    assert why == "" and loaded is not None and loaded.keys() == ARRAYS.keys()
    for name, want in ARRAYS.items():
        assert loaded[name].dtype == want.dtype
        np.testing.assert_array_equal(loaded[name], want)
    names = sorted(p.name for p in (tmp_path / "blocks" / "calm").iterdir())
    assert names == ["3.npz", "3.sha256"]


def test_blocks_that_are_not_there(tmp_path: Path) -> None:
    assert load_block(tmp_path, "calm", 0) == (None, "")
    save_block(tmp_path, "calm", 0, ARRAYS)
    assert load_block(tmp_path, "calm", 1) == (None, "")
    assert load_block(tmp_path, "wild", 0) == (None, "")
    (tmp_path / "blocks" / "calm" / "0.sha256").unlink()  # interrupted between data and receipt
    assert load_block(tmp_path, "calm", 0) == (None, "")


@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "receipt"])
def test_a_damaged_block_is_told(tmp_path: Path, damage: str) -> None:
    save_block(tmp_path, "calm", 0, ARRAYS)
    path = tmp_path / "blocks" / "calm" / "0.npz"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    if damage == "receipt":
        path.with_suffix(".sha256").write_bytes(b"\xff")
    else:
        path.write_bytes({"flip": data, "truncate": data[:50], "empty": b""}[damage])
    arrays, why = load_block(tmp_path, "calm", 0)
    assert arrays is None
    assert str(path) in why and "computed again" in why
    save_block(tmp_path, "calm", 0, ARRAYS)
    assert load_block(tmp_path, "calm", 0)[0] is not None


def test_writing_leaves_the_old_or_the_new(tmp_path: Path, monkeypatch) -> None:
    path = tmp_path / "state.json"
    write_atomically(path, b"old")

    def no_space(file: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("stress.store.os.fsync", no_space)
    with pytest.raises(OSError, match="space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    monkeypatch.undo()
    write_atomically(path, b"new")
    assert path.read_bytes() == b"new"


def test_a_new_run(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    open_run(folder, IDENTITY, resume=False)
    assert json.loads((folder / "state.json").read_text()) == IDENTITY
    open_run(folder, IDENTITY, resume=True)
    empty = tmp_path / "empty"
    empty.mkdir()
    open_run(empty, IDENTITY, resume=False)


def refused(folder: Path, identity: dict[str, object], resume: bool) -> str:
    before = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else None
    with pytest.raises(InputError) as error:
        open_run(folder, identity, resume)
    after = sorted(p.name for p in folder.iterdir()) if folder.is_dir() else None
    assert before == after
    return str(error.value)


def test_folders_that_are_refused(tmp_path: Path) -> None:
    begun = tmp_path / "begun"
    assert "no run to resume" in refused(begun, IDENTITY, resume=True)
    assert not begun.exists()
    open_run(begun, IDENTITY, resume=False)
    assert "an unfinished run" in refused(begun, IDENTITY, resume=False)
    other = IDENTITY | {"campaign": "xyz", "paths": 200}
    assert "another campaign, paths" in refused(begun, other, resume=True)
    (begun / "summary.json").write_text("{}")
    assert "a finished run" in refused(begun, IDENTITY, resume=False)
    open_run(begun, IDENTITY, resume=True)

    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.tex").write_text("")
    assert "other files" in refused(full, IDENTITY, resume=False)
    assert "no run to resume" in refused(full, IDENTITY, resume=True)
    assert "not a directory" in refused(full / "thesis.tex", IDENTITY, resume=False)


@pytest.mark.parametrize("content", ["{", "[]", "null", ""])
@pytest.mark.parametrize("resume", [True, False])
def test_a_state_that_no_run_wrote(tmp_path: Path, content: str, resume: bool) -> None:
    (tmp_path / "state.json").write_text(content)
    assert "no run wrote" in refused(tmp_path, IDENTITY, resume)
