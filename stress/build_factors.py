"""The overlays of a scenario and the factors beside its prices, as the sampler takes them."""

from collections.abc import Sequence

import jax
import numpy as np

from stress.arrays import device_array, finite_array
from stress.campaign_schema import ScenarioFile
from stress.config import calibration
from stress.errors import InputError
from stress.factors import Factors, Reverting
from stress.overlay_schema import CorrelationShift, Event, Targeted
from stress.process_schema import Wander
from stress.scenarios import overlays
from stress.scenarios.gaussian import per_asset

CORRELATED = "gbm, student_t, t_copula, merton, kou, hawkes or garch"


def price_overlay(
    spec: ScenarioFile, assets: Sequence[str], grid: np.ndarray, place: str, key: str
) -> jax.Array:
    """Sum of crashes and events, `[T, A]`; sums commute, so their order does not matter.

    Args:
      spec: the scenario.
      assets: risk factors of the book, in order.
      grid: hours from now, `[T]`.
      place: file the scenario stands in.
      key: what goes before its keys there.

    Errors:
      InputError naming an asset that the book does not hold, or one without a course.
    """
    total = np.zeros((len(grid), len(assets)))
    for where, fall in _each(spec, "crash"):
        sizes = _sizes(fall, assets, place, f"{key}{where}")
        for j, size in enumerate(sizes):
            total[:, j] += overlays.crash(
                grid, size, fall.at, fall.over, fall.recovery, fall.recovery_over, fall.shape
            )
    for where, event in _each(spec, "event"):
        total += _event(event, assets, grid, place, f"{key}{where}")
    return finite_array(total)


def _event(event: Event, assets: Sequence[str], grid: np.ndarray, place: str, key: str):
    """Additions of a recorded course of prices, `[T, A]`: straight between its turning points."""
    fitted = calibration(event.calibration, place, f"{key}.calibration")
    turns = np.array(fitted.at(f"{event.name}.hours"), dtype=float)
    levels = fitted.at(f"{event.name}.level")
    hours = event.at + np.concatenate([[0.0], turns])
    total = np.zeros((len(grid), len(assets)))
    for j, asset in enumerate(assets):
        source = asset if asset in levels else "BTC" if asset in event.betas else None
        if source is None:
            found = f"no course of {asset} in {event.name}"
            raise InputError(place, f"{key}.betas", found, f"a beta of {asset} to BTC")
        moves = np.log1p(np.array(levels[source], dtype=float)) * event.scale
        moves = moves * (1.0 if source == asset else event.betas[asset])
        total[:, j] = np.interp(grid, hours, np.concatenate([[0.0], moves]))
    return total


def build_factors(
    spec: ScenarioFile, assets: Sequence[str], grid: np.ndarray, place: str, key: str
) -> Factors:
    """Basis, peg, depth, premium and oracle of a scenario; arguments as `price_overlay`.

    Errors:
      InputError naming the scenario's key.
    """
    times, width = len(grid), len(assets)

    def course(overlay):
        return overlays.pulse(grid, overlay.at, overlay.over, overlay.hold, overlay.half_life)

    basis = np.zeros((times, width))
    for where, blowout in _each(spec, "basis_blowout"):
        sizes = _sizes(blowout, assets, place, f"{key}{where}")
        basis += course(blowout)[:, None] * np.log1p(sizes)
    peg = np.zeros(times)
    for _, depeg in _each(spec, "depeg"):
        peg += course(depeg) * np.log1p(depeg.size)
    depth = np.ones((times, width))
    for where, thin in _each(spec, "depth_collapse"):
        chosen = _chosen(thin.asset, assets, place, f"{key}{where}.asset")
        depth *= 1 - (1 - thin.to) * course(thin)[:, None] * chosen
    premium = np.full((times, width), float(spec.funding.premium))
    for where, spike in _each(spec, "funding_spike"):
        chosen = _chosen(spike.asset, assets, place, f"{key}{where}.asset")
        premium += spike.premium * course(spike)[:, None] * chosen
    shown = _shown(spec, assets, grid, place, key)
    return Factors(
        basis=finite_array(basis),
        peg=finite_array(peg),
        depth=finite_array(depth),
        premium=finite_array(premium),
        shown=device_array(shown, shown.dtype),
        basis_noise=_noise(spec.basis, assets, place, f"{key}basis"),
        peg_noise=_noise(spec.peg, ("peg",), place, f"{key}peg"),
    )


def correlation_mix(
    spec: ScenarioFile, process: object, grid: np.ndarray, place: str, key: str
) -> jax.Array | None:
    """What correlates the shocks of every step anew, `[T - 1, A, A]`; None without an overlay.

    Errors:
      InputError for a second overlay, a process without one correlation matrix, or a level that no
      correlation of so many assets has.
    """
    shifts = _each(spec, "correlation")
    if not shifts:
        return None
    where, shift = shifts[0]
    if len(shifts) > 1:
        raise InputError(place, f"{key}{shifts[1][0]}", "a second one", "one a scenario")
    assert isinstance(shift, CorrelationShift)
    factor = np.asarray(getattr(process, "factor", np.zeros(0)))
    if factor.ndim != 2:
        found = f"with the process {spec.prices.process}"
        raise InputError(place, f"{key}{where}", found, f"one of {CORRELATED}")
    matrix = (1 - shift.weight) * factor @ factor.T + shift.weight * shift.level
    np.fill_diagonal(matrix, 1.0)
    try:
        mixed = overlays.mixing(factor, matrix)
    except ValueError:
        allowed = f"a level at which {len(matrix)} assets can all correlate"
        raise InputError(place, f"{key}{where}.level", f"{shift.level:g}", allowed) from None
    until = np.inf if shift.over is None else shift.at + shift.over
    inside = (grid[:-1] >= shift.at - 1e-9) & (grid[1:] <= until + 1e-9)
    return finite_array(np.where(inside[:, None, None], mixed, np.eye(len(matrix))))


def _each(spec: ScenarioFile, name: str) -> list:
    """Overlays of one kind, with their keys."""
    found = [(i, getattr(overlay, name)) for i, overlay in enumerate(spec.overlays)]
    return [(f"overlays[{i}].{name}", overlay) for i, overlay in found if overlay is not None]


def _sizes(overlay: Targeted, assets: Sequence[str], place: str, key: str) -> np.ndarray:
    """Size of every asset, `[A]`; 0 where it is not meant. Assets not in the book are skipped."""
    if not isinstance(overlay.size, dict):
        chosen = _chosen(overlay.asset, assets, place, f"{key}.asset")
        return np.where(chosen, float(overlay.size), 0.0)
    if not set(overlay.size) & set(assets):
        allowed = f"assets of the book: {', '.join(assets)}"
        raise InputError(place, f"{key}.size", repr(next(iter(overlay.size), "nothing")), allowed)
    return np.array([float(overlay.size.get(asset, 0.0)) for asset in assets])


def _chosen(asset: str | list[str], assets: Sequence[str], place: str, key: str) -> np.ndarray:
    """Which assets are meant, bool `[A]`."""
    if asset == "all":
        return np.ones(len(assets), bool)
    named = [asset] if isinstance(asset, str) else list(asset)
    for name in named:
        if name not in assets:
            allowed = f"assets of the book: all, {', '.join(assets)}"
            raise InputError(place, key, repr(name), allowed)
    return np.array([a in named for a in assets])


def _shown(spec: ScenarioFile, assets, grid: np.ndarray, place: str, key: str) -> np.ndarray:
    """Index of the time whose price the oracle shows, `[T, A]`: the oldest any overlay leaves."""
    shown = np.repeat(grid[:, None], len(assets), axis=1)
    for name in ("oracle_lag", "oracle_outage"):
        for where, overlay in _each(spec, name):
            chosen = _chosen(overlay.asset, assets, place, f"{key}{where}.asset")
            until = np.inf if overlay.over is None else overlay.at + overlay.over
            hour = overlays.shown_time(grid, overlay.at, until, getattr(overlay, "lag", None))
            shown = np.where(chosen, np.minimum(shown, hour[:, None]), shown)
    return np.searchsorted(grid, shown + 1e-9, side="right") - 1


def _noise(wander: Wander | None, names: Sequence[str], place: str, key: str) -> Reverting | None:
    if wander is None:
        return None
    given = wander.volatility
    table = given if isinstance(given, dict) else {"default": given}
    return Reverting(
        volatility=finite_array(per_asset(table, names, place, f"{key}.volatility")),
        half_life=finite_array(wander.half_life),
        exposure=finite_array(np.full(len(names), wander.exposure)),
    )
