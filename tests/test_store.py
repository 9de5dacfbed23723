"""Files whole or not at all, and run directories that know whose they are."""

import json
from pathlib import Path

import pytest

from stress.errors import InputError
from stress.store import open_run, write_atomically

IDENTITY: dict[str, object] = {"campaign": "abc", "block": 64, "paths": 100}


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


def test_what_cannot_be_prepared_leaves_no_run(tmp_path: Path) -> None:
    def before() -> None:
        raise InputError("--store", "", "a place that is full", "another")

    with pytest.raises(InputError, match="full"):
        open_run(tmp_path / "one", IDENTITY, resume=False, before=before)
    assert not (tmp_path / "one").exists()
    open_run(tmp_path / "one", IDENTITY, resume=False)
    with pytest.raises(InputError, match="full"):
        open_run(tmp_path / "one", IDENTITY, resume=True, before=before)
