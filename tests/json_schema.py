"""A small checker of documents against the part of JSON Schema that the project prints."""

import re
from typing import Any

TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "number": (int, float),
    "integer": int,
    "boolean": bool,
    "null": type(None),
}
KNOWN = {
    "$defs", "$ref", "additionalProperties", "anyOf", "oneOf", "allOf", "const", "default",
    "description", "discriminator",
    "enum", "exclusiveMaximum", "exclusiveMinimum", "format", "items", "maximum",
    "maxItems", "maxLength", "minimum", "minItems", "minLength", "minProperties", "pattern",
    "patternProperties", "prefixItems", "properties", "propertyNames", "required", "title", "type",
}  # fmt: skip
LIMITS = {
    "minimum": lambda x, y: x >= y,
    "maximum": lambda x, y: x <= y,
    "exclusiveMinimum": lambda x, y: x > y,
    "exclusiveMaximum": lambda x, y: x < y,
    "minLength": lambda x, y: len(x) >= y,
    "maxLength": lambda x, y: len(x) <= y,
    "minItems": lambda x, y: len(x) >= y,
    "maxItems": lambda x, y: len(x) <= y,
    "minProperties": lambda x, y: len(x) >= y,
    "pattern": lambda x, y: re.search(y, x) is not None,
}


def unknown_keywords(schema: Any) -> set[str]:
    """Keywords of a schema that the checker does not know."""
    if not isinstance(schema, dict):
        return set()
    found = set(schema) - KNOWN
    parts = [schema.get(k) for k in ("items", "additionalProperties", "propertyNames")]
    for key in ("anyOf", "oneOf", "allOf", "prefixItems"):
        parts += schema.get(key, [])
    for key in ("properties", "patternProperties", "$defs"):
        parts += schema.get(key, {}).values()
    return found.union(*map(unknown_keywords, parts)) if parts else found


def faults(value: Any, schema: Any, root: dict[str, Any], at: str = "") -> list[str]:
    """Where a document departs from a schema; empty where it does not."""
    if isinstance(schema, bool):
        return [] if schema else [f"{at}: not allowed"]
    if "$ref" in schema:
        name = schema["$ref"].removeprefix("#/$defs/")
        return faults(value, root["$defs"][name], root, at)
    found: list[str] = []
    for key in ("anyOf", "oneOf"):
        if key in schema and all(faults(value, part, root, at) for part in schema[key]):
            found.append(f"{at}: {value!r} is none of {key}")
    for part in schema.get("allOf", []):
        found += faults(value, part, root, at)
    if "const" in schema and value != schema["const"]:
        found.append(f"{at}: not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{at}: not in {schema['enum']}")
    wanted = schema.get("type")
    if wanted and not _is(value, wanted):
        return [*found, f"{at}: {value!r} is no {wanted}"]
    for key, fits in LIMITS.items():
        if key in schema and not fits(value, schema[key]):
            found.append(f"{at}: {value!r} breaks {key} {schema[key]}")
    if isinstance(value, dict):
        found += _object(value, schema, root, at)
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        for n, item in enumerate(value):
            part = first[n] if n < len(first) else schema.get("items", True)
            found += faults(item, part, root, f"{at}[{n}]")
    return found


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, TYPES[kind]) or (
        kind == "integer" and isinstance(value, float) and value.is_integer()
    )


def _object(value: dict[str, Any], schema: dict, root: dict, at: str) -> list[str]:
    found = [f"{at}: lacks {name}" for name in schema.get("required", []) if name not in value]
    properties = schema.get("properties", {})
    for name, item in value.items():
        shaped = [p for k, p in schema.get("patternProperties", {}).items() if re.search(k, name)]
        other = shaped[0] if shaped else schema.get("additionalProperties", True)
        part = properties.get(name, other)
        found += faults(item, part, root, f"{at}.{name}")
        found += faults(name, schema.get("propertyNames", True), root, f"{at}.{name}")
    return found
