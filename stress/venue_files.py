"""Dated venue files: finding, loading and comparing them."""

import copy
import math
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from stress.errors import InputError
from stress.files import canonical_digest, config_dir, read_yaml, suggest, validate
from stress.venue_schema import Assumption, Cap, Origin, Source, VenueFile, entries

_OWN = ("date", "description", "extends", "remove")  # what a file does not take over


@dataclass(frozen=True, kw_only=True)
class Constant:
    """One resolved constant: an absent cap is +inf, a switch is a bool."""

    value: Any
    unit: str
    source: str  # an entry of `VenueBook.sources`
    as_of: date
    note: str


@dataclass(frozen=True, kw_only=True)
class VenueBook:
    """The rule book of one date, everything it extends included."""

    name: str  # `hyperliquid/2026-08-19`, or the path of a person's own file
    date: date
    description: str
    constants: dict[str, Constant]  # by key path, for instance `tokens.HYPE.ltv`
    sources: dict[str, Source]
    assumptions: dict[str, Assumption]
    digest: str  # SHA-256 of the resolved rules
    file: VenueFile


@dataclass(frozen=True, kw_only=True)
class Change:
    """One rule that differs between two dates; None is absence, an absent cap is +inf."""

    key: str
    before: Any
    after: Any
    unit: str
    kind: Literal["added", "removed", "changed"]


def list_venues() -> list[str]:
    """Names of the shipped rule books, oldest first within a venue."""
    folder = config_dir() / "venues"
    return sorted(f"{file.parent.name}/{file.stem}" for file in folder.glob("*/*.yaml"))


def venue_in_force(when: date | str, venue: str = "hyperliquid") -> str:
    """Name of the latest shipped rule book of a venue that is not after a date.

    Args:
      when: a date, or text that begins with an ISO date.
      venue: folder of the rule books.

    Returns:
      A name for `load_venue`.

    Errors:
      Raises InputError where the text is no date, the venue is unknown or the date is earlier than
      its first rule book.
    """
    try:
        day = (
            when.isoformat()[:10] if isinstance(when, date) else str(date.fromisoformat(when[:10]))
        )
    except ValueError:
        raise InputError("venue", "", repr(when), "a date such as 2026-08-19") from None
    names = [name for name in list_venues() if name.startswith(f"{venue}/")]
    earlier = [name for name in names if name.split("/")[1] <= day]
    if not earlier:
        allowed = (
            f"dates from {names[0].split('/')[1]} on" if names else suggest(venue, list_venues())
        )
        raise InputError("venue", "", f"{venue} on {day}", allowed)
    return earlier[-1]


def load_venue(ref: str | Path | date) -> VenueBook:
    """Loads a rule book and everything it extends.

    Args:
      ref: `hyperliquid/2026-08-19`, its date alone, or the path of a YAML file.

    Returns:
      The rule book with every constant resolved.

    Errors:
      Raises InputError for an unknown name (listing the known ones) and for every fault of a file.
    """
    name, path = _find(ref, "venue", "", Path())
    _, file = _resolve(path, ())
    rules = file.model_dump(mode="json", exclude={"extends", "remove", "description"})
    return VenueBook(
        name=name,
        date=file.date,
        description=file.description,
        constants={key: _constant(entry) for key, entry in entries(file)},
        sources=file.sources,
        assumptions=file.assumptions,
        digest=canonical_digest(rules),
        file=file,
    )


def diff_venues(a: VenueBook, b: VenueBook) -> list[Change]:
    """Rules that differ from `a` to `b`, by key; facts and observations are no rules."""

    def rules(book: VenueBook) -> dict[str, Constant]:
        informal = ("facts.", "observations.")
        return {k: c for k, c in book.constants.items() if not k.startswith(informal)}

    old, new = rules(a), rules(b)
    changes = []
    for key in sorted(old.keys() | new.keys()):
        before, after = old.get(key), new.get(key)
        if before and after and (before.value, before.unit) == (after.value, after.unit):
            continue
        changes.append(
            Change(
                key=key,
                before=before.value if before else None,
                after=after.value if after else None,
                unit=(after or old[key]).unit,
                kind="added" if not before else "changed" if after else "removed",
            )
        )
    return changes


def _constant(entry: Origin) -> Constant:
    stated = entry.model_dump()
    value = math.inf if isinstance(entry, Cap) and entry.value is None else stated["value"]
    unit = stated.get("unit", "")
    return Constant(value=value, unit=unit, source=entry.source, as_of=entry.as_of, note=entry.note)


def _find(ref: str | Path | date, file: object, key: str, beside: Path) -> tuple[str, Path]:
    """Name and path of a rule book: a shipped one, or a file relative to `beside`."""
    names, text = list_venues(), str(ref)
    matches = [name for name in names if text in (name, name.split("/")[1])]
    if len(matches) == 1 and not isinstance(ref, Path):
        return matches[0], config_dir() / "venues" / f"{matches[0]}.yaml"
    if isinstance(ref, Path) or text.endswith((".yaml", ".yml")):
        return text, beside / text
    raise InputError(file, key, repr(text), f"{suggest(text, names)}, or the path of a YAML file")


def _resolve(path: Path, below: tuple[Path, ...]) -> tuple[dict[str, Any], VenueFile]:
    """A file's entries laid over those of the file that it extends, plain and checked.

    The extended file is checked first, so that a fault found later is this file's own.
    """
    data = read_yaml(path)
    extends, chain = data.get("extends"), (*below, path.resolve())
    base: VenueFile | None = None
    if extends is not None:
        _, parent = _find(extends, path, "extends", path.parent)
        if parent.resolve() in chain:
            raise InputError(path, "extends", f"a circle, {extends}", "a file that stands alone")
        whole, base = _resolve(parent, chain)
        inherited = {k: v for k, v in whole.items() if k not in _OWN}
        data = _merge(_without(inherited, data.get("remove", []), path), data)
    file = validate(VenueFile, data, path)
    if base and file.date < base.date:
        raise InputError(path, "date", str(file.date), f"{base.date} or later, as {extends} is")
    return data, file


def _merge(below: Any, above: Any) -> Any:
    """Lays one mapping over another; a constant is replaced whole, with its source."""
    if not (isinstance(below, dict) and isinstance(above, dict)) or "value" in {*below, *above}:
        return above
    return below | {k: _merge(below[k], v) if k in below else v for k, v in above.items()}


def _without(inherited: dict[str, Any], keys: Any, path: Path) -> dict[str, Any]:
    """A copy of what is inherited less the removed key paths."""
    result = copy.deepcopy(inherited)
    for n, key in enumerate(keys if isinstance(keys, list) else []):
        *parents, last = str(key).split(".")
        node: Any = result
        for parent in parents:
            node = node.get(parent) if isinstance(node, dict) else None
        if not isinstance(node, dict) or last not in node:
            raise InputError(path, f"remove[{n}]", repr(key), "a key of the extended file")
        del node[last]
    return result
