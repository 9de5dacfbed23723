"""A scenario without chance: its overlays alone, as a campaign that `hyperstress run` plays.

Reverse stress searches in the still world and writes its answers as still worlds with moves.
"""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from stress.campaign_schema import ScenarioFile
from stress.config import Campaign, campaign_of, find, scenario_prefix
from stress.decide.course import Layout
from stress.errors import InputError
from stress.files import config_dir

NAME = "reverse"  # of the only scenario


def still_campaign(campaign: Campaign, scenario: str, paths: int) -> Campaign:
    """The still world of a scenario, float64; its book is the campaign's own.

    Args:
      campaign: checked.
      scenario: one of its scenarios.
      paths: how many worlds a call computes.

    Returns:
      A campaign with one scenario, NAME.

    Errors:
      InputError as `stress.config.campaign_of`.
    """
    still = campaign_of(still_document(campaign, scenario, paths=paths), campaign.file)
    return dataclasses.replace(still, book=campaign.book)


def still_document(
    campaign: Campaign,
    scenario: str,
    *,
    paths: int = 1,
    name: str = "",
    description: str = "",
    overlays: tuple[dict[str, Any], ...] = (),
) -> dict[str, Any]:
    """The content of a campaign file that plays the still world with further overlays.

    Args:
      campaign: checked.
      scenario: one of its scenarios.
      paths: of the campaign; all are the same but for the order of liquidations.
      name: of the campaign; empty: of the scenario and what was done.
      description: of the campaign.
      overlays: entries that go after the scenario's own.

    Returns:
      Plain mappings. Files beside the campaign are named by their whole path, shipped ones as they
      are; a correlation overlay is left out, it correlates nothing.
    """
    spec, entry = campaign.spec, campaign.scenarios[scenario]
    document: dict[str, Any] = spec.model_dump(mode="json", by_alias=True, exclude_unset=True)
    for key in ("estimator", "events", "block"):
        document.pop(key, None)
    document |= {
        "name": name or f"{spec.name}-{scenario}-still"[:80],
        "description": description,
        "venue": _beside(spec.venue, campaign.file),
        "book": spec.book if isinstance(spec.book, dict) else _beside(spec.book, campaign.file),
        "paths": paths,
        "precision": "float64",
    }
    if "cascade" in document:
        document["cascade"] = _cascade(campaign, document["cascade"])
    document["scenarios"] = {NAME: _scenario(campaign, scenario, entry, overlays)}
    return document


def _scenario(
    campaign: Campaign, name: str, entry: ScenarioFile, overlays: tuple[dict[str, Any], ...]
) -> dict[str, Any]:
    own = [o.model_dump(mode="json", exclude_unset=True) for o in entry.overlays]
    own = [o for o in own if "correlation" not in o]
    place = Path(campaign.scenario_files[name])
    for overlay in own:
        if "event" in overlay:
            ref = overlay["event"].get("calibration", "calibration/events")
            overlay["event"]["calibration"] = _beside(ref, place)
    levels = {}
    for token, given in (entry.utilization.__pydantic_extra__ or {}).items():
        level = given if isinstance(given, float | int) else given.initial
        levels |= {} if level is None else {token: level}
    return {
        "prices": {
            "process": "gbm", "volatility": {"default": 0.0}, "drift": {"default": 0.0},
            "correlation": 0.0,
        },
        "utilization": {"process": "constant", **levels},
        "funding": entry.funding.model_dump(mode="json"),
        "overlays": [*own, *overlays],
    }  # fmt: skip


def _beside(ref: str, file: Path) -> str:
    """A reference that holds from any folder: whole paths of files that are no shipped ones."""
    for path in (file.parent / ref, Path(ref)):
        if path.is_file():
            return str(path.resolve())
    return ref


def _cascade(campaign: Campaign, section: Mapping[str, Any]) -> dict[str, Any]:
    found = dict(section)
    if "settings" in found:
        path = find(found["settings"], campaign.file.parent, "impact", campaign.file, "cascade")
        shipped = config_dir().resolve() in path.resolve().parents
        found["settings"] = found["settings"] if shipped else str(path.resolve())
    for change in found.get("impact", {}).values():
        if change.get("ladder"):
            change["ladder"] = _beside(change["ladder"], campaign.file)
    return found


def layout_of(campaign: Campaign, scenario: str, assets: tuple[str, ...], quotes: tuple[str, ...]):
    """Which factor stands where; a reserve moves by withdrawals where no overlay runs already.

    Errors:
      InputError where a reserve has both a run of lenders and a surge of borrowers.
    """
    flows = []
    overlays = campaign.scenarios[scenario].overlays
    for quote in quotes:
        runs, surges = (
            any(getattr(o, kind) is not None and getattr(o, kind).token == quote for o in overlays)
            for kind in ("lender_run", "borrower_surge")
        )
        if runs and surges:
            key = f"{scenario_prefix(campaign.spec, scenario)}overlays"
            raise InputError(
                campaign.scenario_files[scenario], key,
                f"a lender_run and a borrower_surge of {quote}",
                "one of the two, so that reverse stress can move the reserve by the other",
            )  # fmt: skip
        flows.append("surge" if runs else "run")
    return Layout(assets=assets, quotes=quotes, flows=tuple(flows))


def move_overlays(
    layout: Layout, moves: np.ndarray, lag: float, horizon: float
) -> tuple[dict[str, Any], ...]:
    """Moves of factors at the horizon as overlays of a scenario file.

    Args:
      layout: which factor stands where.
      moves: `[F]`.
      lag: hours the oracle is late; 0: it is live.
      horizon: hours.

    Returns:
      Overlays whose course is straight from now to the horizon, as `stress.decide.course` has it.
    """
    by_name = dict(zip(layout.names, moves.tolist(), strict=True))
    over: dict[str, Any] = {"at": 0.0, "over": horizon}

    def sizes(kind: str) -> dict[str, float]:
        found = {a: float(np.expm1(by_name[f"{kind}.{a}"])) for a in layout.assets}
        return {a: size for a, size in found.items() if size}

    made: list[dict[str, Any]] = []
    if prices := sizes("price"):
        made.append({"crash": {"size": prices, **over}})
    if basis := sizes("basis"):
        made.append({"basis_blowout": {"size": basis, **over}})
    if by_name["depth"] < 0:
        made.append({"depth_collapse": {"to": float(np.exp(by_name["depth"])), **over}})
    for quote, flow in zip(layout.quotes, layout.flows, strict=True):
        if rise := by_name[f"utilization.{quote}"]:
            kind, share = "lender_run", -np.expm1(-rise)
            if flow == "surge":
                kind, share = "borrower_surge", np.expm1(rise)
            made.append({kind: {"token": quote, "share": float(share), **over}})
    if lag > 0:
        made.append({"oracle_lag": {"lag": lag, "at": 0.0}})
    return tuple(made)
