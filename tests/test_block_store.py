"""Blocks in a zarr store: whole or absent, on a disk and behind a URL; every damage is found."""

import json
import uuid
from pathlib import Path

import fsspec
import numpy as np
import pytest
import zarr

from stress.block_store import digest, load_block, open_blocks, save_block
from stress.errors import InputError

ARRAYS = {
    "count.first": np.arange(12).reshape(3, 4),
    "count.paths": np.asarray(7),
    "count.nobody": np.zeros((4, 0), np.int64),
    "path.bad_debt": np.array([0.0, 1.5, np.nan, -0.0]),
    "path.zero": np.array([-0.0, -0.0]),
    "path.full": np.array([True, False]),
    "path.status": np.array([0, 1, 2], np.int32),
}
RUN = {"campaign": "abc", "block": 64, "version": {"jax": "1"}}


@pytest.fixture(params=["folder", "memory"])
def place(request, tmp_path: Path) -> str:
    """An opened store in a folder, and one behind a URL."""
    where = str(tmp_path / "blocks.zarr")
    if request.param == "memory":
        where = f"memory://{uuid.uuid4().hex}/blocks.zarr"
    open_blocks(where, RUN)
    return where


@pytest.fixture
def local(tmp_path: Path) -> Path:
    """A store in a folder with one block."""
    open_blocks(str(tmp_path / "blocks.zarr"), RUN)
    save_block(str(tmp_path / "blocks.zarr"), "calm", 0, ARRAYS)
    return tmp_path / "blocks.zarr"


def assert_stored(place: str, scenario: str, index: int, arrays=ARRAYS) -> None:
    """Every bit of the arrays, signs of zeros included."""
    loaded, why = load_block(place, scenario, index)
    assert why == "" and loaded is not None and loaded.keys() == arrays.keys()
    for name, want in arrays.items():
        assert loaded[name].dtype == want.dtype and loaded[name].shape == want.shape
        assert loaded[name].tobytes() == want.tobytes()


def test_what_is_saved_is_what_is_loaded(place: str) -> None:
    receipt = save_block(place, "calm", 3, ARRAYS)
    assert receipt == digest(ARRAYS)
    assert_stored(place, "calm", 3)
    found = zarr.open_group(place, mode="r")["calm/3/count.first"]
    assert isinstance(found, zarr.Array) and found.chunks == found.shape  # a task owns its chunks
    assert any(type(codec).__name__ == "Crc32cCodec" for codec in found.compressors)


def test_blocks_that_are_not_there(place: str) -> None:
    assert load_block(place, "calm", 0) == (None, "")
    save_block(place, "calm", 0, ARRAYS)
    assert load_block(place, "calm", 1) == (None, "")
    assert load_block(place, "wild", 0) == (None, "")
    filesystem, root = fsspec.core.url_to_fs(place)
    filesystem.rm_file(f"{root}/calm/0.receipt.json")  # interrupted between data and receipt
    assert load_block(place, "calm", 0) == (None, "")


def test_a_block_is_written_over_one_that_is_there(place: str) -> None:
    save_block(place, "calm", 0, ARRAYS)
    other = {"count.first": np.ones((2, 2)), "path.more": np.arange(3)}
    save_block(place, "calm", 0, other)
    assert_stored(place, "calm", 0, other)


def test_the_old_receipt_goes_before_the_data(place: str, monkeypatch) -> None:
    """A block half written over a damaged one has no receipt that could speak for it."""
    save_block(place, "calm", 0, ARRAYS)

    def no_space(*arguments, **more):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(zarr.Group, "create_array", no_space)
        with pytest.raises(OSError, match="space"):
            save_block(place, "calm", 0, ARRAYS)
    assert load_block(place, "calm", 0) == (None, "")
    save_block(place, "calm", 0, ARRAYS)
    assert_stored(place, "calm", 0)


def flip(path: Path) -> None:
    """Changes one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["count.first", "path.bad_debt", "path.status"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "empty", "gone"])
def test_a_damaged_chunk_is_told(local: Path, name: str, damage: str) -> None:
    (chunk,) = (p for p in (local / "calm" / "0" / name / "c").rglob("*") if p.is_file())
    if damage == "flip":
        flip(chunk)
    elif damage == "gone":
        chunk.unlink()
    else:
        chunk.write_bytes(chunk.read_bytes()[:5] if damage == "truncate" else b"")
    assert_told(local)


@pytest.mark.parametrize("key", ["0.receipt.json", "0/count.first/zarr.json"])
@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"arrays": 1, "sha256": 2}'])
def test_damaged_words_are_told(local: Path, key: str, content: str) -> None:
    (local / "calm" / key).write_text(content)
    assert_told(local)


def test_a_block_under_another_receipt_is_told(local: Path) -> None:
    path = local / "calm" / "0.receipt.json"
    receipt = json.loads(path.read_text())
    path.write_text(json.dumps(receipt | {"sha256": digest({})}))
    assert_told(local)
    save_block(str(local), "calm", 0, ARRAYS)
    path.write_text(json.dumps(receipt | {"arrays": receipt["arrays"][1:]}))
    assert_told(local)


def assert_told(local: Path) -> None:
    """The block counts as damaged, by a sentence, until it is computed again."""
    arrays, why = load_block(str(local), "calm", 0)
    assert arrays is None and why.count("\n") == 0
    assert str(local / "calm" / "0") in why and why.endswith("; computed again")
    save_block(str(local), "calm", 0, ARRAYS)
    assert_stored(str(local), "calm", 0)


def test_the_digest_tells_everything_apart() -> None:
    values = np.arange(6)
    one = {"a": values, "b": values.astype(np.int32)}
    others = [
        {"a": values, "c": values.astype(np.int32)},
        {"a": values},
        {"a": values.reshape(2, 3), "b": values.astype(np.int32)},
        {"a": values.view(np.float64), "b": values.astype(np.int32)},
        {"a": values + (values == 3), "b": values.astype(np.int32)},
    ]
    assert len({digest(arrays) for arrays in [one, *others]}) == 6
    assert digest(dict(reversed(one.items()))) == digest(one)
    assert digest({"a": values[::2]}) == digest({"a": values[::2].copy()})


def test_a_store_knows_whose_blocks_it_holds(place: str) -> None:
    save_block(place, "calm", 0, ARRAYS)
    open_blocks(place, RUN)
    with pytest.raises(InputError, match="another run's blocks"):
        open_blocks(place, RUN | {"campaign": "xyz"})
    assert_stored(place, "calm", 0)


@pytest.mark.parametrize(
    ("place", "words"), [("nowhere://blocks", "nowhere"), ("{tmp}/file/blocks.zarr", "file")]
)
def test_places_that_cannot_be_used(tmp_path: Path, place: str, words: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=words) as refused:
        open_blocks(place.format(tmp=tmp_path), RUN)
    assert refused.value.file == "--store" and "cannot be used" in str(refused.value)
    assert (tmp_path / "file").read_text() == ""


def test_a_store_whose_root_is_damaged(local: Path) -> None:
    (local / "zarr.json").write_text("{")
    with pytest.raises(InputError, match="cannot be used"):
        open_blocks(str(local), RUN)
