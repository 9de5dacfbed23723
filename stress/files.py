"""Reading what people write: YAML and JSON files, checked against pydantic models.

Everything that goes wrong becomes one `InputError` sentence that names the file and the key.
"""

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from stress.errors import EnvironmentUnusable, InputError
from stress.validation import describe, join, suggest, validate

__all__ = ["canonical_digest", "config_dir", "read_json", "read_yaml", "suggest", "validate"]


def config_dir() -> Path:
    """Folder of the shipped configurations.

    Returns:
      `stress/_configs` of an installed wheel, else `configs` of the checkout.

    Errors:
      Raises EnvironmentUnusable where neither exists.
    """
    package = Path(__file__).resolve().parent
    # The wheel's copy first: a `configs` folder beside an installed package is somebody else's.
    for folder in (package / "_configs", package.parent / "configs"):
        if folder.is_dir():
            return folder
    raise EnvironmentUnusable("The shipped configurations are missing: install the package again.")


def read_yaml(path: str | Path) -> dict[str, Any]:
    """Reads one mapping from a YAML 1.2 file.

    Args:
      path: file, UTF-8.

    Returns:
      Plain dicts, lists, strings, numbers, booleans, dates and None.

    Errors:
      Raises InputError where the file cannot be read, is not YAML (with the line), repeats a key,
      refers to itself, holds NaN or infinity, or is not one mapping with text keys.
    """
    text = _read_text(path)
    try:
        data = YAML(typ="safe", pure=True).load(text)  # pure: the C reader is YAML 1.1
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = str(error.problem or error.context).removeprefix("found ")
        raise InputError(path, _line(mark), problem, "YAML 1.2, every key once") from None
    except YAMLError as error:
        raise InputError(path, "", " ".join(str(error).split()), "YAML 1.2 text") from None
    except (RecursionError, ValueError) as error:  # nested too deep; an impossible date
        raise InputError(path, "", str(error), "YAML 1.2") from None
    if not isinstance(data, dict):
        raise InputError(path, "", describe(data), "a mapping of keys to values")
    _check_plain(data, path, "", ())
    return data


def read_json(path: str | Path) -> Any:
    """Reads a JSON file.

    Args:
      path: file, UTF-8.

    Returns:
      Plain dicts, lists, strings, numbers, booleans and None.

    Errors:
      Raises InputError where the file cannot be read, is not complete JSON (with the line),
      repeats a key, or holds NaN or infinity (with the key).
    """

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise InputError(path, twice, "the key twice in one object", "every key once")
        return found

    text = _read_text(path)
    try:
        data = json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        end = "truncated JSON, " if error.pos >= len(text.rstrip()) else ""
        found = f"{end}{error.msg} at column {error.colno}"
        raise InputError(path, f"line {error.lineno}", found, "complete JSON") from None
    except RecursionError:
        raise InputError(path, "", "JSON nested too deep", "complete JSON") from None
    _check_plain(data, path, "", ())
    return data


def canonical_digest(obj: object) -> str:
    """Identity of a configuration: SHA-256 of its sorted canonical JSON.

    Args:
      obj: mappings, sequences, numbers, text, dates, paths, arrays, dataclasses, pydantic models.

    Returns:
      64 hexadecimal digits; 1 and 1.0 are the same number, the order of keys does not matter.

    Errors:
      Raises ValueError for NaN, TypeError for anything else.
    """
    text = json.dumps(
        _plain(obj), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(obj: object) -> object:
    if isinstance(obj, BaseModel):
        return _plain(obj.model_dump(mode="json"))
    if dataclasses.is_dataclass(obj) and not isinstance(obj, type):
        return {f.name: _plain(getattr(obj, f.name)) for f in dataclasses.fields(obj)}
    if isinstance(obj, Mapping):
        return {str(key): _plain(value) for key, value in obj.items()}
    if isinstance(obj, (list, tuple)):
        return [_plain(value) for value in obj]
    if isinstance(obj, (np.ndarray, np.generic)):
        return _plain(obj.tolist())
    if isinstance(obj, date):
        return obj.isoformat()
    if isinstance(obj, Path):
        return obj.as_posix()
    if isinstance(obj, float) and obj.is_integer() and abs(obj) < 2**53:
        return int(obj)
    return obj


def _read_text(path: str | Path) -> str:
    try:
        return Path(path).read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise InputError(path, "", "bytes that are not UTF-8", "a text file") from None
    except (OSError, ValueError) as error:
        reason = (getattr(error, "strerror", None) or str(error)).lower()
        raise InputError(path, "", f"an unreadable file ({reason})", "a readable file") from None


def _check_plain(data: object, path: object, key: str, above: tuple[int, ...]) -> None:
    if isinstance(data, float) and not math.isfinite(data):
        raise InputError(path, key, str(data), "finite numbers (null where there is none)")
    if not isinstance(data, (dict, list)):
        return
    if id(data) in above:
        raise InputError(path, key, "an alias of a node that contains it", "a finite document")
    for name, value in data.items() if isinstance(data, dict) else enumerate(data):
        if isinstance(data, dict) and not isinstance(name, str):
            raise InputError(path, join(key, str(name)), f"the key {name!r}", "text (in quotes)")
        _check_plain(value, path, join(key, name), (*above, id(data)))


def _line(mark: Any) -> str:
    return f"line {mark.line + 1}" if mark else ""
