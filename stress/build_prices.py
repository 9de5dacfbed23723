"""The price process of a scenario: given and fitted figures brought together."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from stress import build_process as others
from stress.arrays import finite_array
from stress.campaign_schema import ScenarioFile
from stress.errors import InputError
from stress.price_figures import PriceFigures, price_figures
from stress.scenarios import gbm, student_t

DEGREES = "student_t.common.degrees_of_freedom"  # of the calibration of prices


def price_process(
    spec: ScenarioFile, assets: Sequence[str], grid: np.ndarray, place: str, key: str
) -> Any:
    """The price process of a scenario; what it does not give comes from its calibration.

    Args:
      spec: the scenario.
      assets: risk factors of the book, in order.
      grid: hours from now, `[T]`.
      place: file the scenario stands in.
      key: what goes before its keys there.

    Returns:
      The process, float64.

    Errors:
      InputError naming the scenario's or the calibration's file and key.
    """
    figures = price_figures(spec.prices, assets, place, f"{key}prices")
    try:
        return BUILDERS[spec.prices.process](figures, grid)
    except InputError:
        raise
    except ValueError as error:
        allowed = f"figures that the process {spec.prices.process} can have"
        raise InputError(place, f"{key}prices", str(error), allowed) from None


def _gbm(figures: PriceFigures, grid: np.ndarray) -> gbm.Gbm:
    return gbm.Gbm(
        volatility=finite_array(figures.volatility()),
        drift=finite_array(figures.drift()),
        factor=finite_array(figures.factor()),
    )


def _student_t(figures: PriceFigures, grid: np.ndarray) -> student_t.StudentT:
    volatility, drift, factor = figures.volatility(), figures.drift(), figures.factor()
    per_path = figures.prices.radius == "path"
    return student_t.build(volatility, drift, factor, _degrees(figures, DEGREES), per_path)


def _degrees(figures: PriceFigures, key: str) -> float:
    """Degrees of freedom: given, else the calibration's."""
    degrees = figures.prices.degrees_of_freedom
    if degrees is None and figures.fitted:
        degrees = figures.fitted.number(key)
        if not degrees > 2:
            raise InputError(figures.fitted.file, key, f"{degrees:g}", "above 2")
    if degrees is None:
        at = f"{figures.key}.degrees_of_freedom"
        raise InputError(figures.place, at, "nothing", "a number above 2")
    return degrees


BUILDERS = {
    "gbm": _gbm,
    "student_t": _student_t,
    "t_copula": others.build_t_copula,
    "merton": others.build_merton,
    "kou": others.build_kou,
    "hawkes": others.build_hawkes,
    "garch": others.build_garch,
    "regime": others.build_regime,
    "bootstrap": others.build_bootstrap,
    "fhs": others.build_fhs,
    "replay": others.build_replay,
}
