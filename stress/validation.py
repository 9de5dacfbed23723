"""Checking data against pydantic models: the first fault as one sentence with file and key."""

import difflib
import types
import typing
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from stress.errors import InputError

Model = typing.TypeVar("Model", bound=BaseModel)


def validate(model: type[Model], data: object, file: object) -> Model:
    """Checks data against a pydantic model.

    Args:
      model: what is expected.
      data: what was read.
      file: named in the message.

    Returns:
      The model's instance.

    Errors:
      Raises InputError for the first fault: key path such as `accounts[3].supplied.HYPE`, what was
      found, what is allowed; for an unknown key the known ones and the nearest of them. A validator
      may raise InputError itself, its key relative to where it stands.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        fault = _first_fault(error)
    kind, given, loc = fault["type"], fault["input"], fault["loc"]
    context = fault.get("ctx", {})
    cause = context.get("error")
    if kind in ("missing", "extra_forbidden"):
        name = str(loc[-1])
        key, names = _locate(model, data, loc[:-1])
        key = join(key, name)
        if kind == "missing":
            raise InputError(file, key, "nothing", "a value, this key is required")
        raise InputError(file, key, "an unknown key", suggest(name, names))
    key, names = _locate(model, data, loc)
    if isinstance(cause, InputError):
        inner = ".".join(part for part in (key, cause.key) if part)
        raise InputError(file, inner, cause.found, cause.allowed)
    if kind == "model_type" and names:
        raise InputError(file, key, describe(given), f"a mapping of {', '.join(names)}")
    if kind == "union_tag_invalid":
        key = join(key, context["discriminator"].strip("'"))
        raise InputError(file, key, repr(context["tag"]), context["expected_tags"])
    if kind == "union_tag_not_found":
        key = join(key, context["discriminator"].strip("'"))
        raise InputError(file, key, "nothing", "a value, this key is required")
    if kind == "too_short":
        raise InputError(file, key, describe(given), f"at least {context['min_length']}")
    allowed = fault["msg"].removeprefix("Input should be ").removeprefix("Value error, ")
    raise InputError(file, key, describe(given), allowed)


def suggest(name: str, known: Sequence[str]) -> str:
    """Lists what is known, with the nearest to a mistyped name."""
    near = difflib.get_close_matches(name, known, n=1)
    hint = f" (did you mean {near[0]}?)" if near else ""
    return (", ".join(known) or "no key") + hint


def join(key: str, part: str | int) -> str:
    """Key path of an entry: `accounts`, 3 -> `accounts[3]`; `supplied`, HYPE -> `supplied.HYPE`."""
    if isinstance(part, int):
        return f"{key}[{part}]"
    return f"{key}.{part}" if key else part


def describe(value: object) -> str:
    """Names a value in a message."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return f"a list of {len(value)}"
    text = str(value) if isinstance(value, date) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _first_fault(error: ValidationError) -> Any:
    faults = error.errors(include_url=False)
    first = faults[0]
    if first["type"] == "missing":  # a mistyped key explains a missing one: name the mistyped
        for fault in faults:
            if fault["type"] == "extra_forbidden" and fault["loc"][:-1] == first["loc"][:-1]:
                return fault
    return first


def _locate(model: type[BaseModel], data: Any, loc: Sequence[int | str]) -> tuple[str, list[str]]:
    """Follows pydantic's location, which also names union members, through data and models.

    Returns the key path in the data and the keys that the models at its end know.
    """
    key, kinds = "", _members(model)
    for part in loc:
        try:
            data = data[part]
        except (LookupError, TypeError):  # a member or tag of a union: not in the data
            tagged = [kind for kind in kinds if part in _tags(kind)]
            kinds = tagged or kinds
            continue
        key = join(key, part)
        kinds = [m for kind in kinds for m in _members(_child(kind, part))]
    return key, sorted({name for kind in kinds for name in _keys(kind)})


def _members(annotation: Any) -> list[Any]:
    """Models and containers that an annotation allows."""
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return _members(arguments[0])
    if origin in (typing.Union, types.UnionType):
        return [member for argument in arguments for member in _members(argument)]
    return [annotation]


def _child(kind: Any, part: int | str) -> Any:
    """Annotation of one entry of a model or container."""
    if not typing.get_origin(kind) and isinstance(kind, type) and issubclass(kind, BaseModel):
        fields = {_name(n, f): f.annotation for n, f in kind.model_fields.items()}
        return fields.get(str(part), _extra(kind))
    arguments = [a for a in typing.get_args(kind) if a is not ...]
    if isinstance(part, int) and typing.get_origin(kind) is tuple and part < len(arguments):
        return arguments[part]
    return arguments[-1] if arguments else None


def _extra(kind: type[BaseModel]) -> Any:
    """Annotation of the keys that a model takes beside its fields."""
    values = typing.get_args(typing.get_type_hints(kind).get("__pydantic_extra__"))
    return values[-1] if kind.model_config.get("extra") == "allow" and values else None


def _keys(kind: Any) -> list[str]:
    if not typing.get_origin(kind) and isinstance(kind, type) and issubclass(kind, BaseModel):
        return [_name(name, field) for name, field in kind.model_fields.items()]
    return []


def _tags(kind: Any) -> list[Any]:
    """What pydantic calls a member of a union: its name, or a value of a discriminating field."""
    if not _keys(kind):
        return []
    literals = [typing.get_args(field.annotation) for field in kind.model_fields.values()]
    return [kind.__name__, *(value for values in literals for value in values)]


def _name(name: str, field: FieldInfo) -> str:
    return field.alias or name
