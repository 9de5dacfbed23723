"""From a campaign file to a checked campaign: every name resolved, every message with its file."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stress.book import Book
from stress.book_io import load_book
from stress.campaign_schema import CampaignFile, ScenarioFile
from stress.errors import InputError
from stress.files import canonical_digest, config_dir, read_yaml, validate
from stress.venue_files import VenueBook, load_venue

MOST_STEPS = 2**20


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A campaign with everything it names."""

    file: Path
    spec: CampaignFile
    venue: VenueBook
    book: Book
    scenarios: dict[str, ScenarioFile]
    scenario_files: dict[str, str]  # where each scenario stands, for messages
    steps: int
    digest: str  # SHA-256 of everything that changes a result


def load_campaign(path: str | Path, settings: Sequence[str] = ()) -> Campaign:
    """Reads and checks a campaign.

    Args:
      path: the campaign file; shipped ones may be named `campaigns/<name>`.
      settings: changes `key.path=value`, applied in order before the checks.

    Returns:
      The campaign.

    Errors:
      InputError for whatever cannot be used.
    """
    file = find(path, Path(), "campaigns")
    data = read_yaml(file)
    for setting in settings:
        _change(data, setting)
    spec = validate(CampaignFile, data, file)
    venue = load_venue(_beside(spec.venue, file))
    book = load_book(spec.book, venue=venue, base=file.parent)
    scenarios, places = {}, {}
    for name, entry in spec.scenarios.items():
        scenarios[name], places[name] = _scenario(name, entry, file)
    return Campaign(
        file=file,
        spec=spec,
        venue=venue,
        book=book,
        scenarios=scenarios,
        scenario_files=places,
        steps=_steps(spec, file),
        digest=canonical_digest(
            {
                "campaign": spec.model_dump(mode="json", exclude={"venue", "book", "description"}),
                "scenarios": {n: s.model_dump(mode="json") for n, s in scenarios.items()},
                "venue": venue.digest,
                "book": book.digest,
                "calibration": _calibrations(scenarios, places),
            }
        ),
    )


def find(ref: str | Path, base: Path, kind: str) -> Path:
    """A configuration file: a path, one relative to `base`, or a shipped `kind/name`."""
    path = Path(ref)
    shipped = config_dir() / f"{ref}.yaml"
    for candidate in (path, base / path, shipped, config_dir() / path):
        if candidate.is_file():
            return candidate
    known = sorted(f"{kind}/{p.stem}" for p in (config_dir() / kind).glob("*.yaml"))
    raise InputError(ref, "", "no such file", f"a file, or one of {', '.join(known)}")


def calibration(ref: str, place: str | Path) -> dict[str, Any]:
    """A calibration file named by a scenario that stands in `place`."""
    return read_yaml(find(ref, Path(place).parent, "calibration"))


def _calibrations(scenarios: dict[str, ScenarioFile], places: dict[str, str]) -> dict[str, str]:
    """Digests of the calibration files that scenarios name."""
    named = {}
    for name, scenario in scenarios.items():
        refs = [scenario.prices.calibration]
        if scenario.utilization.process != "constant":
            refs.append(scenario.utilization.calibration)
        for ref in filter(None, refs):
            named[ref] = canonical_digest(calibration(ref, places[name]))
    return named


def _scenario(name: str, entry: ScenarioFile | str, file: Path) -> tuple[ScenarioFile, str]:
    """A scenario and the file it stands in."""
    if isinstance(entry, ScenarioFile):
        return entry, str(file)
    found = find(entry, file.parent, "scenarios")
    return validate(ScenarioFile, read_yaml(found), found), str(found)


def _steps(spec: CampaignFile, file: Path) -> int:
    """Number of steps; the horizon is a whole number of them."""
    ratio = spec.horizon / spec.step
    steps = round(ratio)
    if steps < 1 or not math.isclose(ratio, steps, rel_tol=1e-9):
        found = f"a step of {spec.step:g} h for a horizon of {spec.horizon:g} h"
        raise InputError(file, "step", found, "a step that divides the horizon")
    if steps > MOST_STEPS:
        raise InputError(file, "step", f"{steps} steps", f"at most {MOST_STEPS}")
    return steps


def _beside(ref: str, file: Path) -> str | Path:
    """A venue reference: a path relative to the campaign file where there is one."""
    beside = file.parent / ref
    return beside if beside.is_file() else ref


def _change(data: dict[str, Any], setting: str) -> None:
    """Applies one `key.path=value`."""
    path, sign, text = setting.partition("=")
    keys = path.split(".")
    if not sign or not all(keys):
        raise InputError("--set", "", repr(setting), "key.path=value, for instance horizon=1d")
    try:
        value = YAML(typ="safe").load(text)
    except YAMLError:
        raise InputError("--set", path, repr(text), "a YAML value") from None
    place: Any = data
    for key in keys[:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise InputError("--set", path, f"{key} is not a mapping", "keys of mappings")
    place[keys[-1]] = value
