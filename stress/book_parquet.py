"""Books in parquet: one row per account, nested columns, the header in the file's metadata."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from stress.book_table import BookTable, Entries, Positions
from stress.errors import InputError

_KEY = b"hyperstress_book"
_HEADER = ("name", "as_of", "venue", "prices", "reserves", "settle", "margin_tables")
_ENTRY = {"name": pa.string(), "amount": pa.float64()}
_POSITION = {
    "market": pa.string(),
    "size": pa.float64(),
    "entry_price": pa.float64(),
    "margin": pa.string(),
    "leverage": pa.float64(),
    "margin_balance": pa.float64(),
    "max_leverage": pa.float64(),
}
_COLUMNS = {"balances": _ENTRY, "supplied": _ENTRY, "positions": _POSITION}


def write_parquet(table: BookTable, path: Path) -> None:
    """Writes a book's columns.

    Args:
      table: columns, sorted by account.
      path: file, replaced where it exists.
    """
    users = len(table.ids)
    columns: dict[str, pa.Array] = {
        "id": pa.array(table.ids.tolist(), pa.string()),
        "mode": pa.array(table.modes.tolist(), pa.string()),
        "group": pa.array(table.groups.tolist(), pa.string()),
    }
    for name, fields in _COLUMNS.items():
        part = getattr(table, name)
        arrays = []
        for key, kind in fields.items():
            values = getattr(part, key)
            text = kind == pa.string()
            arrays.append(
                pa.array(values.tolist(), kind)
                if text
                else pa.array(values, kind, mask=np.isnan(values))
            )
        offsets = np.searchsorted(part.account, np.arange(users + 1)).astype(np.int32)
        nested = pa.StructArray.from_arrays(arrays, names=list(fields))
        columns[name] = pa.ListArray.from_arrays(pa.array(offsets), nested)
    reported = [json.dumps(table.reported.get(i)) for i in table.ids.tolist()]
    columns["reported"] = pa.array([None if r == "null" else r for r in reported], pa.string())
    header = json.dumps({key: getattr(table, key) for key in _HEADER}).encode()
    pq.write_table(pa.table(columns).replace_schema_metadata({_KEY: header}), path)


def read_parquet(path: Path) -> BookTable:
    """Reads a book's columns.

    Args:
      path: file written by `write_parquet`.

    Returns:
      The columns, with types and required values checked.

    Errors:
      Raises InputError for an unreadable file, another file's columns, and missing values.
    """
    try:
        data = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        reason = str(error).splitlines()[0]
        raise InputError(path, "", f"an unreadable file ({reason})", "a parquet book") from None
    header = (data.schema.metadata or {}).get(_KEY)
    if header is None:
        raise InputError(path, "metadata", "no header of a book", "a parquet book of hyperstress")
    columns = {name: _text(data, name, path) for name in ("id", "mode", "group")}
    parts = {name: _nested(data, name, fields, path) for name, fields in _COLUMNS.items()}
    head: dict[str, Any] = json.loads(header)
    reported = data["reported"].to_pylist()
    return BookTable(
        name=head["name"],
        as_of=head["as_of"],
        venue=head["venue"],
        prices={k: (v[0], v[1]) for k, v in head["prices"].items()},
        reserves={k: (v[0], v[1]) for k, v in head["reserves"].items()},
        settle=head["settle"],
        margin_tables={
            k: tuple((t[0], t[1]) for t in tiers) for k, tiers in head["margin_tables"].items()
        },
        ids=columns["id"],
        modes=columns["mode"],
        groups=columns["group"],
        balances=Entries(**parts["balances"]),
        supplied=Entries(**parts["supplied"]),
        positions=Positions(**parts["positions"]),
        reported={
            i: json.loads(r) for i, r in zip(columns["id"].tolist(), reported, strict=True) if r
        },
    )


def _text(data: pa.Table, name: str, path: Path) -> np.ndarray:
    if name not in data.column_names or data[name].type != pa.string() or data[name].null_count:
        raise InputError(path, name, "no text in every row", "one text per account")
    return np.array(data[name].to_pylist(), dtype=str)


def _nested(
    data: pa.Table, name: str, fields: dict[str, pa.DataType], path: Path
) -> dict[str, np.ndarray]:
    """Flattens a list column; a missing number becomes NaN, a missing list is empty."""
    wanted = pa.list_(pa.struct(list(fields.items())))
    found = data.schema.field(name).type if name in data.column_names else "nothing"
    if name not in data.column_names or not _same(found, fields):
        raise InputError(path, name, str(found), str(wanted))
    column = data[name].combine_chunks()
    counts = np.asarray(column.value_lengths().fill_null(0))
    flat = column.flatten()
    result = {"account": np.repeat(np.arange(len(counts)), counts)}
    for key, kind in fields.items():
        values = flat.field(key)
        if kind == pa.string():
            if values.null_count:
                raise InputError(path, f"{name}.{key}", "null", "a name in every entry")
            # Few distinct names: encode once, look up.
            coded = values.dictionary_encode()
            names = np.array(coded.dictionary.to_pylist() or [""], dtype=str)
            result[key] = names[np.asarray(coded.indices, dtype=int)]
        else:
            result[key] = values.to_numpy(zero_copy_only=False).astype(float)
    return result


def _same(found: Any, fields: dict[str, pa.DataType]) -> bool:
    if not pa.types.is_list(found) or not pa.types.is_struct(found.value_type):
        return False
    kinds = {f.name: f.type for f in found.value_type}
    return kinds == fields
