"""From a campaign file to a checked campaign: every name resolved, every message with its file."""

import dataclasses
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stress.book import Book
from stress.book_io import load_book
from stress.calibration_file import Calibration, load_calibration
from stress.campaign_schema import CampaignFile, ScenarioFile
from stress.candle_table import candle_folder
from stress.errors import InputError
from stress.files import canonical_digest, config_dir, read_json, read_yaml, validate
from stress.model_variants import base_of, model_names, under_models
from stress.process_schema import DATA
from stress.time_grid import time_grid
from stress.venue_files import VenueBook, load_venue


@dataclass(frozen=True, kw_only=True)
class Campaign:
    """A campaign with everything it names."""

    file: Path
    spec: CampaignFile
    venue: VenueBook
    book: Book
    scenarios: dict[str, ScenarioFile]
    scenario_files: dict[str, str]  # where each scenario stands, for messages
    models: tuple[str, ...]  # price models that every scenario is run under; none: its own
    grid: np.ndarray  # [T + 1], hours from now
    digest: str  # SHA-256 of everything that changes a result

    @property
    def steps(self) -> int:
        """Number of steps, T."""
        return len(self.grid) - 1

    @property
    def step_hours(self) -> np.ndarray:
        """Length of every step, hours: `[]` where all are the same, else `[T]`."""
        return np.diff(self.grid) if self.spec.refine else np.asarray(self.spec.step)


def load_campaign(
    path: str | Path,
    settings: Sequence[str] = (),
    models: Sequence[str] = (),
    candles: str | None = None,
) -> Campaign:
    """Reads and checks a campaign.

    Args:
      path: the campaign file; shipped ones may be named `campaigns/<name>`.
      settings: changes `key.path=value`, applied in order before the checks.
      models: price models to run every scenario under, see `stress.model_variants`.
      candles: folder of hourly candles, for models that read them.

    Returns:
      The campaign.

    Errors:
      InputError for whatever cannot be used.
    """
    file = find(path, Path(), "campaigns", None, "")
    data = read_yaml(file)
    for setting in settings:
        _change(data, setting)
    return campaign_of(data, file, models, candles)


def campaign_of(
    data: dict[str, Any],
    file: Path = Path("campaign"),
    models: Sequence[str] = (),
    candles: str | None = None,
) -> Campaign:
    """A campaign from the content of its file; arguments and errors as `load_campaign`."""
    spec = validate(CampaignFile, data, file)
    venue = rule_book(spec.venue, file, "venue")
    try:
        own = None if spec.against else venue  # compared rules judge a book made under its own
        book = load_book(spec.book, venue=own, base=file.parent)
    except InputError as error:
        raise _of_book(error, spec, file) from None
    scenarios, places = {}, {}
    for name, entry in spec.scenarios.items():
        scenarios[name], places[name] = _scenario(name, entry, file)
    chosen = model_names(models)
    if chosen:
        scenarios, places = under_models(scenarios, places, chosen, candles)
    campaign = Campaign(
        file=file,
        spec=spec,
        venue=venue,
        book=book,
        scenarios=scenarios,
        scenario_files=places,
        models=chosen,
        grid=time_grid(spec, file),
        digest="",
    )
    return dataclasses.replace(campaign, digest=digest_of(campaign))


def digest_of(campaign: Campaign) -> str:
    """SHA-256 of everything that changes a result, the files that are read later included.

    Errors:
      InputError where one of them cannot be read.
    """
    spec, scenarios, places = campaign.spec, campaign.scenarios, campaign.scenario_files
    return canonical_digest(
        {
            "campaign": spec.model_dump(mode="json", exclude={"venue", "book", "description"}),
            "scenarios": {n: s.model_dump(mode="json") for n, s in scenarios.items()},
            "venue": campaign.venue.digest,
            "book": campaign.book.digest,
            "calibration": _calibrations(spec, scenarios, places),
            "impact": _impact_files(spec, campaign.file),
            "candles": _candles(spec, scenarios, places),
        }
    )


def find(ref: str | Path, base: Path, kind: str, file: object, key: str) -> Path:
    """A configuration file: one beside the file that names it, a shipped `kind/name`, or a path.

    Args:
      ref: what was written.
      base: folder of the file that names it; goes before the working folder.
      kind: folder of the shipped ones.
      file: the file that names it, for the message; None for the command line.
      key: where it does.

    Returns:
      Path of a file.

    Errors:
      InputError where there is none.
    """
    path = Path(ref)
    for candidate in (base / path, config_dir() / f"{ref}.yaml", config_dir() / path, path):
        if candidate.is_file():
            return candidate
    known = sorted(f"{kind}/{p.stem}" for p in (config_dir() / kind).glob("*.yaml"))
    allowed = f"a file, or one of {', '.join(known)}"
    fault = "a folder" if (base / path).is_dir() else "no such file"
    if file is None:
        raise InputError(ref, "", fault, allowed)
    raise InputError(file, key, f"{str(ref)!r}, {fault}", allowed)


def calibration(ref: str, place: str | Path, key: str) -> Calibration:
    """A calibration file named at `key` of a scenario that stands in `place`."""
    return load_calibration(find(ref, Path(place).parent, "calibration", place, key))


def scenario_prefix(spec: CampaignFile, name: str) -> str:
    """What goes before the keys of a scenario in the file it stands in."""
    base = base_of(name, spec.scenarios)
    return "" if isinstance(spec.scenarios[base], str) else f"scenarios.{base}."


def _calibrations(
    spec: CampaignFile, scenarios: dict[str, ScenarioFile], places: dict[str, str]
) -> list[str]:
    """Digests of the calibration files that scenarios name, in their order."""
    digests = []
    for name, scenario in scenarios.items():
        named: dict[str, str | None] = {"prices": scenario.prices.calibration}
        if scenario.utilization.process != "constant":
            named["utilization"] = scenario.utilization.calibration
        for i, overlay in enumerate(scenario.overlays):
            if overlay.event is not None:
                named[f"overlays[{i}].event"] = overlay.event.calibration
        for part, ref in named.items():
            if ref is not None:
                key = f"{scenario_prefix(spec, name)}{part}.calibration"
                digests.append(canonical_digest(calibration(ref, places[name], key).data))
    return digests


def _candles(
    spec: CampaignFile, scenarios: dict[str, ScenarioFile], places: dict[str, str]
) -> list[str]:
    """Digests of the candle files that scenarios replay or resample."""
    digests = []
    for name, scenario in scenarios.items():
        if scenario.prices.process in DATA:
            key = f"{scenario_prefix(spec, name)}prices.candles"
            folder = candle_folder(scenario.prices.candles or "", places[name], key)
            digests += [
                hashlib.sha256(path.read_bytes()).hexdigest()
                for path in sorted(folder.glob("*_1h.*"))
            ]
    return digests


def _impact_files(spec: CampaignFile, file: Path) -> list[str]:
    """Digests of the settings file and of the order books that a cascade reads."""
    if not spec.feedback:
        return []
    named = [find(spec.cascade.settings, file.parent, "impact", file, "cascade.settings")]
    digests = [canonical_digest(read_yaml(named[0]))]
    for asset, change in spec.cascade.impact.items():
        if change.ladder is not None:
            key = f"cascade.impact.{asset}.ladder"
            digests.append(canonical_digest(read_json(beside(change.ladder, file, key))))
    return digests


def beside(name: str, file: Path, key: str) -> Path:
    """A data file named by a campaign, beside it or by its path.

    Errors:
      InputError naming the campaign and the key where there is none.
    """
    for path in (file.parent / name, Path(name)):
        if path.is_file():
            return path
    raise InputError(file, key, f"{name!r}, no such file", "a file")


def _scenario(name: str, entry: ScenarioFile | str, file: Path) -> tuple[ScenarioFile, str]:
    """A scenario and the file it stands in."""
    if isinstance(entry, ScenarioFile):
        return entry, str(file)
    found = find(entry, file.parent, "scenarios", file, f"scenarios.{name}")
    return validate(ScenarioFile, read_yaml(found), found), str(found)


def rule_book(ref: str, file: Path, key: str) -> VenueBook:
    """A rule book named at `key`: a file beside the campaign where there is one, else shipped.

    Errors:
      InputError naming the campaign and the key where there is none; faults of a file by its own.
    """
    beside = file.parent / ref
    try:
        return load_venue(beside if beside.is_file() else ref)
    except InputError as error:
        if error.key or error.file not in ("venue", ref):
            raise
        found = error.found if error.file == "venue" else f"{ref!r}, {error.found}"
        raise InputError(file, key, found, error.allowed) from None


def _of_book(error: InputError, spec: CampaignFile, file: Path) -> InputError:
    """A fault of the book, by the campaign's key where no file of its own holds it."""
    if isinstance(spec.book, dict):
        key = f"book.{error.key}" if error.key else "book"
        return InputError(file, key, error.found, error.allowed)
    if error.key or Path(error.file).is_file():
        return error
    return InputError(file, "book", f"{spec.book!r}, {error.found}", error.allowed)


def _change(data: dict[str, Any], setting: str) -> None:
    """Applies one `key.path=value`."""
    path, sign, text = setting.partition("=")
    keys = path.split(".")
    if not sign or not all(keys):
        raise InputError("--set", "", repr(setting), "key.path=value, for instance horizon=1d")
    try:
        value = YAML(typ="safe", pure=True).load(text)  # pure: YAML 1.2, as in files
    except (YAMLError, ValueError, RecursionError):
        raise InputError("--set", path, repr(text), "a YAML value") from None
    place: Any = data
    for key in keys[:-1]:
        place = place.setdefault(key, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise InputError("--set", path, f"{key} is not a mapping", "keys of mappings")
    place[keys[-1]] = value
