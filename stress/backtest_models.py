"""Price models as forecasters: estimated on the hours before, never on those they forecast.

A forecaster is made of a set of assets and a window. At an origin it knows the returns of the
hours up to it and no other; `one_hour` is its exact law of the next hour, `simulated` draws the
shipped processes over more.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from numpy.typing import NDArray
from scipy import stats

from stress.calibrate_prices import student_t_fit
from stress.fit_blocks import mean_blocks
from stress.fit_garch import fit_garch
from stress.processes import PROCESSES
from stress.scenarios import bootstrap, fhs, garch, gbm, student_t
from stress.scenarios.gaussian import HOURS_PER_YEAR

Values = NDArray[np.float64]
MODELS = ("gbm", "student_t", "garch", "fhs", "bootstrap")
REFIT = 90 * 24  # hours between fits of degrees of freedom and GARCH parameters
LEAST_NU = 2.05  # degrees of freedom below have no variance worth the name


@dataclass(frozen=True, kw_only=True)
class Fitted:
    """What is refitted from time to time."""

    at: int  # rows that were known
    nu: float
    block: float  # hours, mean block of the bootstrap
    garch: dict[str, Values]  # omega, alpha, gamma, beta, each [A]
    residual_nu: float
    residual_factor: Values  # [A, A]
    variance: Values  # [n, A] of every row from `at - window` on, given the rows before it


class Forecaster:
    """Forecasts of one set of assets.

    Args:
      returns: hourly log returns, `[n, A]`, no NaN.
      window: rows that an estimate looks back.
    """

    def __init__(self, returns: Values, window: int) -> None:
        self.returns, self.window = returns, window
        self._fits: dict[int, Fitted] = {}

    def fitted(self, origin: int) -> Fitted:
        """The latest fit that an origin may know; made where it is first asked for."""
        at = self.window + (origin - self.window) // REFIT * REFIT
        if at not in self._fits:
            self._fits[at] = self._fit(at)
        return self._fits[at]

    def _fit(self, at: int) -> Fitted:
        past = self.returns[at - self.window : at]
        fits = [fit_garch(r) for r in past.T]
        figures = {
            n: np.array([f.parameters[n].value for f in fits])
            for n in ("omega", "alpha", "gamma", "beta")
        }
        residuals = np.column_stack([f.residuals for f in fits])
        nu, scatter = student_t_fit(residuals)
        scale = np.sqrt(np.diag(scatter))
        until = min(at + REFIT + 1, len(self.returns))
        variance = np.empty((self.window + until - at + 1, past.shape[1]))
        variance[: self.window] = np.column_stack([f.variance for f in fits])
        variance[self.window] = [f.last for f in fits]
        for t in range(at, until):  # given row t, the variance of row t + 1
            r, row = self.returns[t], self.window + t - at
            news = figures["alpha"] + figures["gamma"] * (r < 0)
            variance[row + 1] = figures["omega"] + news * r**2 + figures["beta"] * variance[row]
        return Fitted(
            at=at,
            nu=max(student_t_fit(past)[0].value, LEAST_NU),
            block=max(mean_blocks(past)),
            garch=figures,
            residual_nu=max(nu.value, LEAST_NU),
            residual_factor=np.asarray(np.linalg.cholesky(scatter / np.outer(scale, scale)), float),
            variance=variance,
        )

    def variance(self, origin: int) -> Values:
        """Filtered variance per hour of the hour after the origin, `[A]`."""
        fit = self.fitted(origin)
        return fit.variance[self.window + origin - fit.at]

    def residuals(self, origin: int) -> Values:
        """Residuals of the window before the origin, mean 0 and variance 1, `[window, A]`."""
        fit = self.fitted(origin)
        first = origin - fit.at  # of the window within the filtered rows
        past = self.returns[origin - self.window : origin]
        raw = past / np.sqrt(fit.variance[first : first + self.window])
        return (raw - raw.mean(axis=0)) / raw.std(axis=0)

    def process(self, model: str, origin: int) -> Any:
        """The shipped process with what is known at the origin (rows before it)."""
        past = self.returns[origin - self.window : origin]
        if model == "bootstrap":
            return bootstrap.build(past, self.fitted(origin).block)
        zero = np.zeros(past.shape[1])
        if model == "garch":
            fit = self.fitted(origin)
            return garch.build(
                factor=fit.residual_factor, degrees_of_freedom=fit.residual_nu, drift=zero,
                variance=self.variance(origin), **_stable(fit.garch),
            )  # fmt: skip
        if model == "fhs":
            return fhs.build(
                table=self.residuals(origin), variance=self.variance(origin), drift=zero,
                **_stable(self.fitted(origin).garch),
            )  # fmt: skip
        second = past.T @ past / len(past)
        hourly = np.sqrt(np.diag(second))
        factor = np.linalg.cholesky(second / np.outer(hourly, hourly))
        volatility = hourly * np.sqrt(HOURS_PER_YEAR)
        if model == "gbm":
            given = (volatility, volatility**2 / 2, factor)
            return gbm.Gbm(
                **dict(zip(("volatility", "drift", "factor"), map(jnp.asarray, given), strict=True))
            )
        nu = self.fitted(origin).nu
        return student_t.build(volatility, volatility**2 / 2, factor, nu, False)

    def one_hour(self, model: str, origins: NDArray[np.int64]) -> "HourLaw":
        """Exact laws of the hour after each origin, one asset only."""
        past = np.lib.stride_tricks.sliding_window_view(self.returns[:, 0], self.window)
        rows = origins - self.window
        if model in ("gbm", "student_t"):
            total = np.concatenate([[0.0], np.cumsum(self.returns[:, 0] ** 2)])
            scale = np.sqrt((total[origins] - total[rows]) / self.window)
            if model == "gbm":
                return HourLaw(scale, lambda _: stats.norm)
            return HourLaw(scale, lambda i: _unit_t(self.fitted(int(origins[i])).nu))
        if model == "bootstrap":
            return HourLaw(np.ones(len(origins)), lambda i: Empirical(past[rows[i]]), daily=24)
        scale = np.sqrt([self.variance(int(t))[0] for t in origins])
        if model == "garch":
            return HourLaw(scale, lambda i: _unit_t(self.fitted(int(origins[i])).residual_nu))
        return HourLaw(
            scale, lambda i: Empirical(self.residuals(int(origins[i]))[:, 0]), daily=REFIT // 12
        )


def _stable(figures: dict[str, Values]) -> dict[str, Any]:
    """GARCH figures that a fit left beyond a bound by rounding, brought to it."""
    gamma = np.maximum(figures["gamma"], -figures["alpha"])
    figures = figures | {"gamma": gamma}
    excess = figures["alpha"] + figures["gamma"] / 2 + figures["beta"] - 1
    return figures | {"beta": figures["beta"] - np.maximum(excess, 0)}


@dataclass(frozen=True)
class HourLaw:
    """Scale of every origin and the law of return / scale, renewed every `daily` origins."""

    scale: Values
    law: Callable[[int], Any]
    daily: int = 24


class Empirical:
    """Law of a sample, with the interface of scipy's that is used here."""

    def __init__(self, sample: Values) -> None:
        self.sample = np.sort(sample)

    def cdf(self, x: Values) -> Values:
        """Rank of the middle: between the shares below and up to x."""
        n = len(self.sample)
        low = np.searchsorted(self.sample, x, "left")
        high = np.searchsorted(self.sample, x, "right")
        return (low + high + 1) / 2 / (n + 1)

    def ppf(self, p: Values) -> Values:
        """Quantiles, linear between order statistics."""
        return np.quantile(self.sample, p)


def _unit_t(nu: float) -> Any:
    return stats.t(nu, scale=np.sqrt((nu - 2) / nu))


@partial(jax.jit, static_argnames=("samples", "hours"))
def simulated(process: Any, key: jax.Array, samples: int, hours: tuple[int, ...]) -> jax.Array:
    """Cumulative log returns after each of `hours`, `[len(hours), samples, A]`."""
    module = PROCESSES[type(process)]
    shape = (samples, module.normals_per_step(process), hours[-1])

    def one(z):
        path = jnp.cumsum(module.log_returns(process, z.T, 1.0), axis=0)
        return path[jnp.asarray(hours) - 1]

    draws = jax.random.normal(key, shape, jnp.float64)
    return jnp.swapaxes(jax.vmap(one)(draws), 0, 1)
