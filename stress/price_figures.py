"""Where the figures of a price process come from: what a scenario gives, else its calibration."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from stress.calibration_file import Calibration
from stress.config import calibration
from stress.errors import InputError
from stress.files import validate
from stress.process_schema import CorrelationMatrix, Prices
from stress.scenarios.gaussian import HOURS_PER_YEAR, correlation_factor, per_asset
from stress.validation import describe


@dataclass(frozen=True, kw_only=True)
class PriceFigures:
    """Figures of the assets of one scenario, in their order."""

    prices: Prices
    fitted: Calibration | None
    assets: Sequence[str]
    place: str  # file the scenario stands in
    key: str  # of the section `prices` there

    def volatility(self, regime: str | None = None) -> np.ndarray:
        """Per square root of a year, `[A]`; the scenario's regime, or another."""
        known = self._table("volatility", regime or self.prices.regime)
        for asset, value in known.items():
            if value < 0:
                at = f"volatility.{asset}.{regime or self.prices.regime}"
                raise InputError(self._file(), at, f"{value:g}", "0 or more")
        return self._order(known | dict(self.prices.volatility), "volatility")

    def scaled(self, diffusive: np.ndarray) -> np.ndarray:
        """A fitted diffusive volatility at the level of the scenario's regime, `[A]`.

        It is scaled by `volatility_ratio`, as fitted sizes of jumps are; volatilities that the
        scenario gives are taken as they are.
        """
        values = dict(zip(self.assets, diffusive * self.volatility_ratio(), strict=True))
        return self._order(values | dict(self.prices.volatility), "volatility")

    def volatility_ratio(self) -> np.ndarray:
        """Volatility of the regime over that of the whole record, `[A]`; 1 without a record."""
        if self.fitted is None or self.prices.regime == "overall":
            return np.ones(len(self.assets))
        now = self._order(self._table("volatility", self.prices.regime), "volatility")
        return now / self._order(self._table("volatility", "overall"), "volatility")

    def variance_now(self) -> np.ndarray | None:
        """Variance per hour at the level of the regime, `[A]`; None where nothing says it."""
        if self.fitted is None and not self.prices.volatility:
            return None
        return self.volatility() ** 2 / HOURS_PER_YEAR

    def drift(self) -> np.ndarray:
        """Per year, `[A]`."""
        return self._order({"default": 0.0} | dict(self.prices.drift), "drift")

    def vector(
        self, section: str, name: str, given: Mapping[str, float] | None, where: str
    ) -> np.ndarray:
        """A figure of every asset: given at `where`, else `section.<asset>.name`, `[A]`."""
        return self._order(self._table(section, name) | dict(given or {}), f"{where}.{name}")

    def vector_of(self, values: Mapping[str, float], name: str) -> np.ndarray:
        """Given values of the assets in their order, `[A]`."""
        return self._order(values, name)

    def number(self, section: str, name: str, given: float | None, where: str) -> float:
        """A figure: given at `where`, else `section.name` of the calibration."""
        if given is not None:
            return float(given)
        if self.fitted is None:
            key = f"{self.key}.{where}".rstrip(".")
            at = f"{key}.{name}"
            raise InputError(self.place, at, "nothing", "a number, or a calibration")
        return self.fitted.number(f"{section}.{name}")

    def factor(self, section: str | None = None) -> np.ndarray:
        """Lower Cholesky factor of the correlation, `[A, A]`; arguments as `correlation`."""
        return correlation_factor(self.correlation(section), self.place, f"{self.key}.correlation")

    def correlation(self, section: str | None = None) -> np.ndarray:
        """Correlation matrix of the assets, `[A, A]`.

        Given by the scenario; else fitted with the process where `section` of the calibration
        holds one (a copula's, that of residuals), else that of returns in the regime.
        """
        prices, place, key = self.prices, self.place, f"{self.key}.correlation"
        given = prices.correlation
        if given is None and self.fitted and section:
            return self._towards(self.fitted_correlation(section, "correlation"))
        if given is None and self.fitted:
            regime = {"typical": "full", "overall": "full"}.get(prices.regime, prices.regime)
            return self._towards(self.fitted_correlation("correlation.common", regime))
        if given is None:
            if len(self.assets) > 1:
                raise InputError(place, key, "nothing", "a number, or `assets` and `matrix`")
            given = 0.0
        if isinstance(given, CorrelationMatrix):
            return self._towards(_named(given, self.assets, place, key))
        return self._towards(np.full((len(self.assets),) * 2, float(given)))

    def fitted_correlation(self, section: str, name: str) -> np.ndarray:
        """A matrix of the calibration, `section.name.value` of `section.assets`, `[A, A]`."""
        assert self.fitted is not None
        place, key = self.fitted.file, f"{section}.{name}"
        block = {
            "assets": self.fitted.at(f"{section}.assets"),
            "matrix": self.fitted.at(f"{key}.value"),
        }
        given = validate(CorrelationMatrix, block, f"{place}: {key}")
        return _named(given, self.assets, place, key)

    def _towards(self, matrix: np.ndarray) -> np.ndarray:
        towards = self.prices.correlation_towards
        if towards is not None:
            matrix = (1 - towards.weight) * matrix + towards.weight * towards.level
        np.fill_diagonal(matrix, 1.0)
        return matrix

    def _table(self, section: str, name: str) -> dict[str, float]:
        """Figures of the assets that a section of the calibration knows."""
        if self.fitted is None:
            return {}
        known = self.fitted.at(section)
        if not isinstance(known, dict):
            raise InputError(self.fitted.file, section, describe(known), "a mapping of assets")
        return {a: self.fitted.number(f"{section}.{a}.{name}") for a in self.assets if a in known}

    def _order(self, values: Mapping[str, float], name: str) -> np.ndarray:
        return per_asset(values, self.assets, self.place, f"{self.key}.{name}")

    def _file(self) -> object:
        return self.fitted.file if self.fitted else self.place


def price_figures(prices: Prices, assets: Sequence[str], place: str, key: str) -> PriceFigures:
    """Figures of a scenario's section `prices`; `key` is the section's."""
    fitted = None
    if prices.calibration:
        fitted = calibration(prices.calibration, place, f"{key}.calibration")
    return PriceFigures(prices=prices, fitted=fitted, assets=assets, place=place, key=key)


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
