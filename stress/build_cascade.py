"""From a campaign's `cascade` section and its settings file to the pytrees of a cascade."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from models.impact import Impact
from stress.arrays import finite_array
from stress.campaign_schema import CampaignFile
from stress.cascade_schema import AssetImpact, ImpactFile
from stress.cascade_state import Backstops
from stress.config import beside, find
from stress.errors import InputError
from stress.files import read_yaml, suggest, validate
from stress.l2book import Ladder, read_ladder

SCALARS = (
    "permanent_share", "half_life", "reach", "depth_collapse", "depth_half_life", "depth_floor",
    "vault_capital", "vault_lent_share", "takeover_capital",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CascadeFigures:
    """Resolved settings: the file's, replaced where the campaign says so."""

    assets: dict[str, dict[str, Any]]  # shape, its figures, volatility, pass_through
    scalars: dict[str, float]  # durations in hours
    impact_scale: float
    depth_scale: float


def cascade_figures(spec: CampaignFile, file: Path, assets: Sequence[str]) -> CascadeFigures:
    """Figures of a cascade for the assets of a campaign.

    Args:
      spec: the campaign.
      file: its file, for messages and as the base of names.
      assets: risk factors.

    Returns:
      The figures.

    Errors:
      InputError for a settings file or an asset that is not there, or a figure that a shape needs
      and nobody gives.
    """
    section = spec.cascade
    place = find(section.settings, file.parent, "impact", file, "cascade.settings")
    given = validate(ImpactFile, read_yaml(place), place)
    for asset in section.impact:
        if asset not in assets and asset not in given.assets:
            known = suggest(asset, [*assets, *given.assets])
            raise InputError(file, f"cascade.impact.{asset}", "an unknown asset", known)
    scalars = {
        name: float(value) if (value := getattr(section, name)) is not None
        else _in_range(place, name, getattr(given, name).number)
        for name in SCALARS
    }  # fmt: skip
    return CascadeFigures(
        assets={a: _asset(given, section.impact.get(a), a, place, file) for a in assets},
        scalars=scalars,
        impact_scale=section.impact_scale,
        depth_scale=section.depth_scale,
    )


_RANGES = {
    "permanent_share": (0, 1), "vault_lent_share": (0, 1), "depth_floor": (1e-9, 1),
    "half_life": (1e-9, np.inf), "depth_half_life": (1e-9, np.inf), "reach": (1e-9, np.inf),
}  # fmt: skip


def _in_range(place: Path, name: str, value: float) -> float:
    low, high = _RANGES.get(name, (0, np.inf))
    if not low <= value <= high:
        raise InputError(place, name, f"{value:g}", f"from {low:g} to {high:g}")
    return value


def _asset(
    given: ImpactFile, change: AssetImpact | None, asset: str, place: Path, file: Path
) -> dict[str, Any]:
    """Impact figures of one asset."""
    known = given.assets.get(asset)
    found: dict[str, Any] = {}
    for name in ("shape", "scale", "volatility", "volume", "depth", "pass_through"):
        figure = getattr(known, name) if known else None
        if figure is not None:
            found[name] = figure.value if name == "shape" else figure.number
        if change is not None and getattr(change, name) is not None:
            found[name] = getattr(change, name)
    if change is not None and change.ladder is not None:
        found["bids"], found["asks"] = read_ladder(
            beside(change.ladder, file, f"cascade.impact.{asset}.ladder")
        )
    for side in ("bids", "asks"):
        if change is not None and getattr(change, side) is not None:
            found[side] = _ascending(getattr(change, side), file, f"cascade.impact.{asset}.{side}")
    found.setdefault("scale", 1.0)
    shape = found.get("shape", "nothing")
    needs = {"square_root": ("volume",), "linear": ("depth",), "ladder": ("bids", "asks")}
    if shape not in needs:
        where = f"cascade.impact.{asset}.shape" if known is None else f"assets.{asset}.shape.value"
        at = file if known is None else place
        raise InputError(at, where, repr(shape), ", ".join(needs))
    for name in (*needs[shape], "volatility", "pass_through"):
        if name not in found:
            key = f"cascade.impact.{asset}.{name}"
            raise InputError(file, key, "nothing", f"a figure: {shape} impact needs it")
    return found


def _ascending(ladder: Ladder, file: Path, key: str) -> Ladder:
    points = np.array([(0.0, 0.0), *ladder])
    if not (np.diff(points, axis=0) > 0).all():
        raise InputError(file, key, str(ladder), "distances and volumes that ascend from above 0")
    return ladder


def impact_model(figures: CascadeFigures) -> Impact:
    """The impact pytree, assets in the order of the figures."""
    entries = list(figures.assets.values())
    shapes = tuple(str(entry["shape"]) for entry in entries)
    nothing = [(1.0, 1.0)]
    ladders = [
        [entry[s] if shape == "ladder" else nothing for s in ("bids", "asks")]
        for entry, shape in zip(entries, shapes, strict=True)
    ]
    points = 1 + max((len(side) for pair in ladders for side in pair), default=1)
    distances, volumes = (np.zeros((len(entries), 2, points)) for _ in range(2))
    coefficient, capacity = np.zeros(len(entries)), np.zeros((len(entries), 2))
    scale, depth, reach = figures.impact_scale, figures.depth_scale, figures.scalars["reach"]
    for a, (entry, shape) in enumerate(zip(entries, shapes, strict=True)):
        for s, side in enumerate(ladders[a]):
            rows = [(0.0, 0.0), *side, *[side[-1]] * (points - 1 - len(side))]
            distances[a, s], volumes[a, s] = np.array(rows).T
        distances[a] *= scale
        volumes[a] *= depth
        with np.errstate(divide="ignore"):
            if shape == "square_root":
                volume = np.sqrt(entry["volume"] * depth)
                coefficient[a] = scale * entry["scale"] * entry["volatility"] / volume
                capacity[a] = np.square(np.divide(reach, coefficient[a]))
            elif shape == "linear":
                coefficient[a] = scale / (entry["depth"] * depth)
                capacity[a] = np.divide(reach, coefficient[a])
            else:
                capacity[a] = [
                    np.interp(reach, distances[a, s], volumes[a, s]) for s in range(2)
                ] if scale > 0 else volumes[a, :, -1]  # fmt: skip
    chosen = {n: jnp.asarray(figures.scalars[n]) for n in SCALARS[:2] + SCALARS[3:6]}
    return Impact(
        shapes=shapes,
        coefficient=finite_array(coefficient),
        volumes=finite_array(volumes),
        distances=finite_array(distances),
        capacity=jnp.asarray(capacity),  # infinite without impact
        volatility=finite_array([entry["volatility"] for entry in entries]),
        pass_through=finite_array([entry["pass_through"] for entry in entries]),
        **chosen,
    )


def backstops(figures: CascadeFigures) -> Backstops:
    """Capital of vault and takeover backstop."""
    return Backstops(**{name: jnp.asarray(figures.scalars[name]) for name in SCALARS[6:]})
