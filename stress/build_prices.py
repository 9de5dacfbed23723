"""The price process of a scenario: given and fitted figures brought together."""

from collections.abc import Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from stress.calibration_file import Calibration
from stress.campaign_schema import CorrelationMatrix, ScenarioFile
from stress.config import calibration
from stress.errors import InputError
from stress.files import validate
from stress.scenarios import gbm, student_t
from stress.scenarios.gaussian import correlation_factor, per_asset
from stress.validation import describe

DEGREES = "student_t.common.degrees_of_freedom"  # of the calibration of prices


def price_process(
    spec: ScenarioFile, assets: Sequence[str], place: str, key: str
) -> gbm.Gbm | student_t.StudentT:
    """The price process of a scenario; what it does not give comes from its calibration.

    Args:
      spec: the scenario.
      assets: risk factors of the book, in order.
      place: file the scenario stands in.
      key: what goes before its keys there.

    Returns:
      The process, float64.

    Errors:
      InputError naming the scenario's or the calibration's file and key.
    """
    prices, at = spec.prices, f"{key}prices"
    fitted = None
    if prices.calibration:
        fitted = calibration(prices.calibration, place, f"{at}.calibration")
    known = _fitted_volatility(fitted, assets, prices.regime) | prices.volatility
    volatility = per_asset(known, assets, place, f"{at}.volatility")
    drift = per_asset({"default": 0.0} | prices.drift, assets, place, f"{at}.drift")
    matrix = _correlation(spec, assets, fitted, place, f"{at}.correlation")
    factor = correlation_factor(matrix, place, f"{at}.correlation")
    if prices.process == "gbm":
        return gbm.Gbm(
            volatility=finite_array(volatility),
            drift=finite_array(drift),
            factor=finite_array(factor),
        )
    degrees = prices.degrees_of_freedom
    if degrees is None and fitted:
        degrees = fitted.number(DEGREES)
        if not degrees > 2:
            raise InputError(fitted.file, DEGREES, f"{degrees:g}", "above 2")
    if degrees is None:
        raise InputError(place, f"{at}.degrees_of_freedom", "nothing", "a number above 2")
    return student_t.build(volatility, drift, factor, degrees, prices.radius == "path")


def _fitted_volatility(
    fitted: Calibration | None, assets: Sequence[str], regime: str
) -> dict[str, float]:
    """Volatilities of the assets that the calibration knows."""
    if fitted is None:
        return {}
    known = fitted.at("volatility")
    if not isinstance(known, dict):
        raise InputError(fitted.file, "volatility", describe(known), "a mapping of assets")
    found = {a: fitted.number(f"volatility.{a}.{regime}") for a in assets if a in known}
    for asset, value in found.items():
        if value < 0:
            key = f"volatility.{asset}.{regime}"
            raise InputError(fitted.file, key, f"{value:g}", "0 or more")
    return found


def _correlation(
    spec: ScenarioFile,
    assets: Sequence[str],
    fitted: Calibration | None,
    place: str | Path,
    key: str,
) -> np.ndarray:
    """Correlation matrix of `assets`, `[A, A]`."""
    given, towards = spec.prices.correlation, spec.prices.correlation_towards
    if given is None and fitted:
        regime = {"typical": "full", "overall": "full"}.get(spec.prices.regime, spec.prices.regime)
        place, key = fitted.file, f"correlation.common.{regime}"
        block = {
            "assets": fitted.at("correlation.common.assets"),
            "matrix": fitted.at(f"{key}.value"),
        }
        given = validate(CorrelationMatrix, block, f"{place}: {key}")
    if given is None:
        if len(assets) > 1:
            raise InputError(place, key, "nothing", "a number, or `assets` and `matrix`")
        given = 0.0
    if isinstance(given, CorrelationMatrix):
        matrix = _named(given, assets, place, key)
    else:
        matrix = np.full((len(assets), len(assets)), float(given))
    if towards is not None:
        matrix = (1 - towards.weight) * matrix + towards.weight * towards.level
    np.fill_diagonal(matrix, 1.0)
    return matrix


def _named(
    given: CorrelationMatrix, assets: Sequence[str], place: str | Path, key: str
) -> np.ndarray:
    """A named matrix, checked as it stands, brought to the order of `assets`."""
    try:
        whole = np.array(given.matrix, dtype=float)
    except ValueError:
        raise InputError(
            place, f"{key}.matrix", "rows of unequal length", "a square matrix"
        ) from None
    if whole.shape != (len(given.assets),) * 2:
        found = f"shape {whole.shape} for {len(given.assets)} assets"
        raise InputError(place, f"{key}.matrix", found, "one row and one column per asset")
    correlation_factor(whole, place, f"{key}.matrix")
    missing = [a for a in assets if a not in given.assets]
    if missing and given.default is None:
        found = f"no correlation of {', '.join(missing)}"
        raise InputError(place, key, found, "one for every asset, or `default`")
    matrix = np.full((len(assets), len(assets)), given.default or 0.0)
    for i, a in enumerate(assets):
        for j, b in enumerate(assets):
            if a in given.assets and b in given.assets:
                matrix[i, j] = whole[given.assets.index(a), given.assets.index(b)]
    return matrix


def finite_array(values: object) -> jax.Array:
    """Values as a float64 array; ValueError where one is not finite."""
    array = jnp.asarray(np.asarray(values, dtype=np.float64))
    if not bool(jnp.isfinite(array).all()):
        raise ValueError("a figure that is not finite")
    return array
