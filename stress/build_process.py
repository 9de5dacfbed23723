"""Builders of the processes with jumps, memory or data; the plain ones are in `build_prices`."""

from typing import Any

import numpy as np

from stress.candle_table import hourly_table
from stress.errors import InputError
from stress.price_figures import PriceFigures
from stress.process_schema import Jumps
from stress.scenarios import bootstrap, fhs, garch, hawkes, kou, merton, regime, replay, t_copula
from stress.scenarios.gaussian import correlation_factor

STATES = ("calm", "stress")
SIZES = ("jump_mean", "jump_deviation")
SCALED = (*SIZES, "mean_up", "mean_down")


def build_t_copula(figures: PriceFigures, grid: np.ndarray) -> t_copula.TCopula:
    """Student-t copula; marginals given as degrees of freedom, else those of the calibration."""
    given = figures.prices.marginals
    if given is not None:
        degrees = figures.vector_of(given, "marginals")
        marginals: list[Any] = [{"degrees_of_freedom": float(nu)} for nu in degrees]
    else:
        marginals = [_fitted_marginal(figures, asset) for asset in figures.assets]
    copula = figures.prices.degrees_of_freedom
    if copula is None:
        copula = figures.number("t_copula.common", "degrees_of_freedom", None, "")
    factor = figures.factor("t_copula.common")
    return t_copula.build(figures.volatility(), figures.drift(), factor, copula, marginals)


def build_merton(figures: PriceFigures, grid: np.ndarray) -> merton.Merton:
    """Jumps of normal log sizes."""
    common, own = _intensities(figures, "merton")
    mean, deviation = (_of_jumps(figures, "merton", name) for name in SIZES)
    volatility, longest = _diffusive(figures, "merton"), float(np.diff(grid).max())
    return merton.build(
        volatility, figures.drift(), figures.factor(), common, own, mean, deviation, longest
    )


def build_kou(figures: PriceFigures, grid: np.ndarray) -> kou.Kou:
    """Jumps of double exponential log sizes."""
    common, own = _intensities(figures, "kou")
    up, rise, fall = (
        _of_jumps(figures, "kou", n) for n in ("up_probability", "mean_up", "mean_down")
    )
    volatility, longest = _diffusive(figures, "kou"), float(np.diff(grid).max())
    return kou.build(
        volatility, figures.drift(), figures.factor(), common, own, up, rise, fall, longest
    )


def build_hawkes(figures: PriceFigures, grid: np.ndarray) -> hawkes.Hawkes:
    """Jumps that excite more jumps."""
    jumps = figures.prices.jumps
    baseline, excitation, decay = (
        figures.number("hawkes.common", n, getattr(jumps, n), "jumps")
        for n in ("baseline", "excitation", "decay")
    )
    mean, deviation = (_of_jumps(figures, "hawkes", name) for name in SIZES)
    volatility = _diffusive(figures, "hawkes")
    initial = baseline * excitation / max(decay - excitation, 1e-12)  # its stationary mean
    return hawkes.build(
        volatility, figures.drift(), figures.factor(), baseline, excitation, decay, initial, mean,
        deviation,
    )  # fmt: skip


def build_garch(figures: PriceFigures, grid: np.ndarray) -> garch.Garch:
    """GJR-GARCH; starts at the variance of the regime, else at its long-run mean."""
    if float(np.diff(grid).max()) > 1 + 1e-9:
        allowed = "steps of an hour or less, which the process garch needs"
        found = f"a step of {float(np.diff(grid).max()):g} h"
        raise InputError(figures.place, f"{figures.key}.process", found, allowed)
    parameters, variance = _garch_figures(figures)
    degrees = figures.prices.degrees_of_freedom
    if degrees is None:
        degrees = figures.number("garch.common", "degrees_of_freedom", None, "")
    return garch.build(
        factor=figures.factor("garch.common"), degrees_of_freedom=degrees, variance=variance,
        drift=figures.drift(), **parameters,
    )  # fmt: skip


def build_regime(figures: PriceFigures, grid: np.ndarray) -> regime.Regime:
    """Two states; the scenario's regime says where it starts."""
    fitted, section = figures.fitted, "regime.common"
    if fitted is None:
        allowed = "a calibration, which the process regime reads"
        raise InputError(figures.place, f"{figures.key}.calibration", "nothing", allowed)
    leave = np.array([fitted.number(f"{section}.{state}.leave") for state in STATES])
    stationary = leave[::-1] / leave.sum()
    start = stationary
    if figures.prices.regime in ("calm", "stressed"):
        start = np.array([1.0, 0.0] if figures.prices.regime == "calm" else [0.0, 1.0])
    volatility = [
        [fitted.number(f"{section}.{s}.volatility.{a}") for a in figures.assets] for s in STATES
    ]
    factor = [
        correlation_factor(
            figures.fitted_correlation(section, f"{s}.correlation"), fitted.file, section
        )
        for s in STATES
    ]
    jumps = figures.prices.jumps
    mean, deviation = (
        figures.vector_of(getattr(jumps, n) or dict.fromkeys(figures.assets, 0.0), f"jumps.{n}")
        for n in SIZES
    )
    intensity = jumps.common_intensity or 0.0
    return regime.build(
        volatility=np.array(volatility), factor=np.stack(factor), drift=figures.drift(),
        leave=leave, start=start,
        jump_intensity=np.array([0.0, intensity]), jump_mean=mean, jump_deviation=deviation,
        depth=np.array([1.0, figures.prices.stress_depth]),
    )  # fmt: skip


def build_bootstrap(figures: PriceFigures, grid: np.ndarray) -> bootstrap.Bootstrap:
    """Blocks of real hours; the mean block is given, else the calibration's."""
    prices = figures.prices
    block = prices.block
    if block is None:
        block = figures.number("bootstrap.common", "mean_block", None, "")
    table = hourly_table(prices, figures.assets, figures.place, figures.key)
    return bootstrap.build(table, block, prices.scheme, _hours(grid))


def build_fhs(figures: PriceFigures, grid: np.ndarray) -> fhs.Fhs:
    """Residuals of real hours under the fitted GARCH, drawn anew from today's variance."""
    table = hourly_table(figures.prices, figures.assets, figures.place, figures.key)
    parameters, start = _garch_figures(figures)
    residuals, last = fhs.filtered(table, **parameters)
    if figures.variance_now() is None:
        start = last
    return fhs.build(
        table=residuals, variance=start, drift=figures.drift(), hours_per_step=_hours(grid),
        **parameters,
    )  # fmt: skip


def build_replay(figures: PriceFigures, grid: np.ndarray) -> replay.Replay:
    """A real path; it has to last as long as the campaign."""
    table = hourly_table(figures.prices, figures.assets, figures.place, figures.key)
    if len(table) < grid[-1] - 1e-9:
        found, allowed = f"{len(table)} hours", f"a window of the horizon's {grid[-1]:g} hours"
        raise InputError(figures.place, f"{figures.key}.to", found, allowed)
    return replay.build(table)


def _fitted_marginal(figures: PriceFigures, asset: str) -> dict[str, Any]:
    """Standardised quantiles and tails of an asset's hourly returns."""
    fitted = figures.fitted
    if fitted is None:
        allowed = "degrees of freedom for every asset, or a calibration"
        raise InputError(figures.place, f"{figures.key}.marginals", "nothing", allowed)
    section = f"t_copula.{asset}"
    tails = {
        side: {n: fitted.number(f"{section}.{side}.{n}") for n in ("shape", "scale")}
        for side in ("lower", "upper")
    }
    rows = {n: np.array(fitted.at(f"{section}.{n}"), float) for n in ("probabilities", "quantiles")}
    return rows | tails


def _intensities(figures: PriceFigures, name: str) -> tuple[float, np.ndarray]:
    """Common and own jumps per year."""
    jumps = figures.prices.jumps
    common = figures.number(f"{name}.common", "common_intensity", jumps.common_intensity, "jumps")
    return common, _of_jumps(figures, name, "own_intensity")


def _of_jumps(figures: PriceFigures, section: str, name: str) -> np.ndarray:
    """A figure of the jumps; fitted sizes are scaled to the volatility of the regime."""
    jumps: Jumps = figures.prices.jumps
    given = getattr(jumps, name)
    values = figures.vector(section, name, given, "jumps")
    if given is None and name in SCALED and figures.fitted is not None:
        return values * figures.volatility_ratio()
    return values


def _diffusive(figures: PriceFigures, section: str) -> np.ndarray:
    """Volatility without the jumps, at the level of the regime."""
    if figures.fitted is None:
        return figures.volatility()
    return figures.scaled(figures.vector(section, "volatility", None, section))


def _garch_figures(figures: PriceFigures) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """omega, alpha, gamma, beta and the variance per hour at the start."""
    given = figures.prices.garch
    parameters = {
        n: figures.vector("garch", n, getattr(given, n), "garch")
        for n in ("omega", "alpha", "gamma", "beta")
    }
    persistence = parameters["alpha"] + parameters["gamma"] / 2 + parameters["beta"]
    start, at = figures.variance_now(), f"{figures.key}.garch"
    found = f"alpha + gamma / 2 + beta of {persistence.max():.6g}"
    if (persistence > garch.MOST_PERSISTENT).any():
        raise InputError(figures.place, at, found, "at most 1")
    if start is not None:
        return parameters, start
    if (persistence >= 1).any():
        raise InputError(figures.place, at, found, "below 1, or a volatility to start from")
    return parameters, parameters["omega"] / (1 - persistence)


def _hours(grid: np.ndarray) -> int:
    """Hours of the clock that a row of normals feeds."""
    return max(1, int(np.ceil(grid[-1] / (len(grid) - 1) - 1e-9)))
