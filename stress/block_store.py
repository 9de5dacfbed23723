"""Blocks of a run in a zarr store: whole or absent, proved by a receipt, found again by index.

    zarr.json                        the root group; its attribute `run` says whose blocks it holds
    <scenario>/<index>/<name>        one array, one chunk, so that one task owns whole chunks
    <scenario>/<index>.receipt.json  written after the data

A block without a receipt does not exist. One that differs from its receipt, whose checksum does
not match or that cannot be read, is damaged: it is told and computed again. The store is a folder
or any URL that fsspec opens, so that processes on several machines can share it.
"""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from fsspec.core import url_to_fs
from fsspec.implementations.local import LocalFileSystem
from zarr.abc.store import Store
from zarr.codecs import Crc32cCodec, ZstdCodec
from zarr.storage import FsspecStore, LocalStore

from stress.errors import InputError
from stress.store import write_atomically
from stress.totals import Arrays

LEVEL = 1  # of zstd: counts shrink to a few per cent at any level, and this one is the quickest


def open_blocks(place: str, run: dict[str, Any]) -> None:
    """Begins the store of a run, or checks that the one there is of the same run.

    Args:
      place: folder or fsspec URL.
      run: what must be the same for blocks to be of one run; JSON-ready.

    Errors:
      InputError where the place cannot be used, or holds the blocks of another run.
    """
    try:
        try:
            there = dict(zarr.open_group(_opened(place)[0], mode="r").attrs).get("run")
        except FileNotFoundError:
            zarr.create_group(_opened(place)[0], zarr_format=3, attributes={"run": run})
            return
    except Exception as error:  # every filesystem has its own
        reason = " ".join(str(error).split()) or type(error).__name__
        found = f"{place!r}, which cannot be used ({reason})"
        raise InputError("--store", "", found, "a folder, or a URL that fsspec opens") from None
    if there != run:
        raise InputError("--store", "", f"{place!r} with another run's blocks", "another place")


def save_block(place: str, scenario: str, index: int, arrays: Arrays) -> str:
    """Commits one block: an old receipt goes first, then come the data, then the new receipt.

    Args:
      place: folder or fsspec URL.
      scenario: its name.
      index: number of the block.
      arrays: by name, of numbers.

    Returns:
      SHA-256 of the block, see `digest`.
    """
    key = f"{scenario}/{index}"
    _remove(place, f"{key}.receipt.json")
    group = zarr.open_group(_opened(place)[0], path=key, mode="w", zarr_format=3)
    for name, array in arrays.items():
        group.create_array(
            name,
            data=array,
            chunks=tuple(max(1, length) for length in array.shape),
            compressors=[ZstdCodec(level=LEVEL), Crc32cCodec()],
            config={"write_empty_chunks": True},  # zeros too, with their signs
        )
    receipt = {"arrays": sorted(arrays), "sha256": digest(arrays)}
    _write(place, f"{key}.receipt.json", json.dumps(receipt).encode())
    return receipt["sha256"]


def load_block(place: str, scenario: str, index: int) -> tuple[Arrays | None, str]:
    """Reads one block.

    Returns:
      (arrays, "") or (None, why): why is "" where there is none, a sentence where it is damaged.
    """
    key = f"{scenario}/{index}"
    try:
        data = _read(place, f"{key}.receipt.json")
    except (FileNotFoundError, NotADirectoryError):
        return None, ""
    where = f"{place}/{key}"
    try:
        receipt = json.loads(data)
        store = _opened(place)[0]
        arrays = {
            name: np.asarray(zarr.open_array(store, path=f"{key}/{name}", mode="r")[...])
            for name in receipt["arrays"]
        }
        matches = digest(arrays) == receipt["sha256"]
    except Exception as error:  # a damaged store fails in as many ways as there are bytes
        reason = " ".join(str(error).split()) or type(error).__name__
        return None, f"{where}: cannot be read ({reason}); computed again"
    return (
        (arrays, "") if matches else (None, f"{where}: does not match its receipt; computed again")
    )


def digest(arrays: Arrays) -> str:
    """SHA-256 over name, dtype, shape and bytes of every array, in the order of names."""
    hasher = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        hasher.update(json.dumps([name, array.dtype.str, array.shape]).encode())
        hasher.update(np.ascontiguousarray(array).data)
    return hasher.hexdigest()


def _opened(place: str) -> tuple[Store, Any, str]:
    """Zarr's store of a place, its filesystem and the root there."""
    filesystem, root = url_to_fs(place)
    if isinstance(filesystem, LocalFileSystem):
        return LocalStore(root), filesystem, root
    return FsspecStore.from_url(place), filesystem, root


def _read(place: str, key: str) -> bytes:
    _, filesystem, root = _opened(place)
    return filesystem.cat_file(f"{root}/{key}")


def _write(place: str, key: str, data: bytes) -> None:
    """Writes an object whole or not at all; object stores do so by themselves."""
    _, filesystem, root = _opened(place)
    if isinstance(filesystem, LocalFileSystem):
        write_atomically(Path(root) / key, data)
    else:
        filesystem.pipe_file(f"{root}/{key}", data)


def _remove(place: str, key: str) -> None:
    _, filesystem, root = _opened(place)
    try:
        filesystem.rm_file(f"{root}/{key}")
    except FileNotFoundError:
        return
