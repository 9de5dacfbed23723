"""Sections of prices.yaml on jumps, GARCH, regimes, self-excitation, copula and blocks."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from stress import calibrate_prices as prices
from stress import fit_copula, fit_hawkes, fit_jumps, goodness
from stress.calibrate_price_figures import returns_on_one_clock
from stress.calibrate_prices import Series
from stress.calibrate_record import Estimate, figure, matrix, rounded, window
from stress.candles import Candles
from stress.fit_blocks import mean_blocks
from stress.fit_garch import GarchFit, fit_garch
from stress.fit_regime import fit_regime

INDEPENDENT = "standard errors treat hours as independent and so are too small"
STATES = ("calm", "stress")


@dataclass(frozen=True)
class Record:
    """Hourly returns of the assets: each over its own window, and all over the common one."""

    names: list[str]
    own: dict[str, tuple[np.ndarray, Series]]  # hours and returns of each asset
    hour: np.ndarray  # of the common window
    common: Series  # [n, A]

    @property
    def week(self) -> np.ndarray:
        """Week of each row of the common window."""
        return np.arange(len(self.hour)) // prices.WEEK


def calibrate_processes(series: list[Candles]) -> dict[str, Any]:
    """Sections `t_copula`, `merton`, `kou`, `hawkes`, `garch`, `regime`, `bootstrap`, `fit_tests`.

    Args:
      series: candles of the assets.

    Errors:
      ValueError where a fit has no finite maximum.
    """
    hour, returns = returns_on_one_clock(series)
    names = [c.asset for c in series]
    own = {}
    for column, name in enumerate(names):
        present = np.isfinite(returns[:, column])
        own[name] = (hour[present], returns[present, column])
    together = np.isfinite(returns).all(axis=1)
    record = Record(names, own, hour[together], returns[together])
    fits = {name: fit_garch(r) for name, (_, r) in own.items()}
    jumps = {
        kind: {name: _fit_jumps(kind, r) for name, (_, r) in own.items()}
        for kind in ("merton", "kou")
    }
    return {
        "t_copula": _t_copula(record),
        "merton": _jumps(record, "merton", jumps["merton"]),
        "kou": _jumps(record, "kou", jumps["kou"]),
        "hawkes": _hawkes(record),
        "garch": _garch(record, fits),
        "regime": _regime(record),
        "bootstrap": _bootstrap(record),
        "fit_tests": _fit_tests(record, fits, jumps),
    }


def _fit_jumps(kind: str, returns: Series) -> dict[str, Estimate]:
    return fit_jumps.fit_merton(returns) if kind == "merton" else fit_jumps.fit_kou(returns)


def _figures(estimates: dict[str, Estimate]) -> dict[str, Any]:
    return {name: figure(e) for name, e in estimates.items()}


def _t_copula(record: Record) -> dict[str, Any]:
    nu, correlation = fit_copula.fit_t_copula(fit_copula.ranks(record.common))
    result: dict[str, Any] = {
        "method": (
            "t copula of ranks over the common window: correlation sin(pi tau / 2), degrees of "
            f"freedom by maximum likelihood ({INDEPENDENT}); marginals over each asset's own "
            "window: quantiles over the standard deviation, generalised Pareto tails beyond 1 % "
            "and 99 %"
        ),
        "common": {
            "window": window(record.hour),
            "n": len(record.hour),
            "assets": list(record.names),
            "degrees_of_freedom": figure(nu),
            "correlation": {"value": matrix(correlation)},
        },
    }
    for name, (hour, r) in record.own.items():
        found = fit_copula.fit_marginal(r)
        result[name] = {
            "window": window(hour),
            "n": len(r),
            "probabilities": found["probabilities"],
            "quantiles": [rounded(q) for q in found["quantiles"]],
            "lower": _figures(found["lower"]),
            "upper": _figures(found["upper"]),
        }
    return result


def _jumps(record: Record, kind: str, fits: dict[str, dict[str, Estimate]]) -> dict[str, Any]:
    chance = np.column_stack([
        fit_jumps.jump_probability(kind, fits[name], record.common[:, column])
        for column, name in enumerate(record.names)
    ])  # fmt: skip
    common, _ = fit_jumps.common_intensity(chance, record.week)
    result: dict[str, Any] = {
        "method": (
            "maximum likelihood of hourly returns of each asset over its own window; calm and wild "
            "hours are told apart as hours without and with jumps; common_intensity from jumps "
            "that coincide over the common window (weekly jackknife), own_intensity the rest; "
            f"intensities per year, sizes of the logarithm; {INDEPENDENT}"
        ),
        "common": {
            "window": window(record.hour),
            "n": len(record.hour),
            "common_intensity": figure(common),
        },
    }
    for name, (hour, r) in record.own.items():
        whole = fits[name]["intensity"]
        rest = Estimate(max(whole.value - common.value, 0.0), whole.standard_error)
        told = fits[name] | {"own_intensity": rest}
        result[name] = {"window": window(hour), "n": len(r), **_figures(told)}
    return result


def _hawkes(record: Record) -> dict[str, Any]:
    """Common events over the window of the assets that trade longest together."""
    long = [n for n in record.names if len(record.own[n][0]) > 2 * len(record.hour)] or record.names
    first = max(int(record.own[n][0][0]) for n in long)
    last = min(int(record.own[n][0][-1]) for n in long)
    rows = {n: dict(zip(*record.own[n], strict=True)) for n in long}
    hours = np.arange(first, last + 1)
    returns = np.array([[rows[n][h] for n in long] for h in hours.tolist()])
    events, _ = fit_hawkes.jump_hours(returns)
    found = fit_hawkes.fit_hawkes(fit_hawkes.placed(events), float(len(hours)))
    result: dict[str, Any] = {
        "method": (
            "events: hours in which the mean standardised return of the assets lies beyond "
            f"{fit_hawkes.THRESHOLD:g} deviations of the trailing week, placed uniformly within "
            "the hour (fixed seed); exponential kernel by maximum likelihood, rates per hour; jump "
            "sizes: mean and deviation of the returns of those hours; volatility: of the others"
        ),
        "common": {
            "window": window(hours),
            "n": len(hours),
            "events": len(events),
            "assets": long,
            **_figures(found),
        },
    }
    for name, (hour, r) in record.own.items():
        position = np.searchsorted(hour, hours[events])
        inside = (position < len(hour)) & (
            hour[np.minimum(position, len(hour) - 1)] == hours[events]
        )
        held = position[inside]
        jumps, others = r[held], np.delete(r, held)
        count = max(len(jumps), 2)
        spread = float(jumps.std(ddof=1))
        result[name] = {
            "n": len(jumps),
            "volatility": figure(prices.overall_volatility(others)),
            "jump_mean": figure(Estimate(float(jumps.mean()), spread / np.sqrt(count))),
            "jump_deviation": figure(Estimate(spread, spread / np.sqrt(2 * count))),
        }
    return result


def _garch(record: Record, fits: dict[str, GarchFit]) -> dict[str, Any]:
    columns = [fits[n].residuals[-len(record.hour) :] for n in record.names]
    residuals = np.column_stack(columns)
    nu, scatter = prices.student_t_fit(residuals)
    scale = np.sqrt(np.diag(scatter))
    result: dict[str, Any] = {
        "method": (
            "GJR-GARCH(1,1) with Student-t innovations of hourly returns by the library arch, zero "
            "mean, robust standard errors, each asset over its own window; omega per hour; common: "
            "multivariate t of the residuals over the common window"
        ),
        "common": {
            "window": window(record.hour),
            "n": len(record.hour),
            "assets": list(record.names),
            "degrees_of_freedom": figure(nu),
            "correlation": {"value": matrix(scatter / np.outer(scale, scale))},
        },
    }
    for name, (hour, r) in record.own.items():
        result[name] = {
            "window": window(hour),
            "n": len(r),
            **_figures(fits[name].parameters),
            "last_variance": figure(Estimate(fits[name].last, None)),
        }
    return result


def _regime(record: Record) -> dict[str, Any]:
    fit = fit_regime(record.common)
    block: dict[str, Any] = {
        "window": window(record.hour),
        "n": len(record.hour),
        "assets": list(record.names),
        "share_of_stress": rounded(float(fit.stress.mean())),
    }
    for s, state in enumerate(STATES):
        block[state] = {
            "leave": figure(fit.leave[s]),
            "volatility": {
                n: figure(fit.volatility[s][a]) for a, n in enumerate(record.names)
            },
            "correlation": {
                "value": matrix(fit.correlation[s]),
                "standard_error": matrix(fit.correlation_error[s]),
            },
        }  # fmt: skip
    return {
        "method": (
            "two-state Markov chain of Gaussian hourly returns of zero mean over the common window "
            "(Baum-Welch), standard errors from the observed information; leave: per hour"
        ),
        "common": block,
    }


def _bootstrap(record: Record) -> dict[str, Any]:
    found = {
        name: {k: mean_blocks(r[:, None], k)[0] for k in ("stationary", "circular")}
        for name, (_, r) in record.own.items()
    }
    longest = max(v["stationary"] for v in found.values())
    return {
        "method": (
            "optimal mean block of absolute hourly returns, Politis and White (2004) with the "
            "correction of 2009, library arch; common: the longest of the assets"
        ),
        "common": {"mean_block": {"value": rounded(longest, 3), "standard_error": None}},
        **{n: {k: rounded(v[k], 3) for k in ("stationary", "circular")} for n, v in found.items()},
    }


def _fit_tests(record: Record, fits: dict[str, GarchFit], jumps: dict) -> dict[str, Any]:
    """What fits and what does not, by asset and model, in the sample."""
    result: dict[str, Any] = {
        "method": (
            "probability transforms of hourly returns in the sample: Kolmogorov-Smirnov and "
            "Anderson-Darling p-values (parameters fitted on the same hours, so too large), "
            "Ljung-Box p-value of squared (standardised) returns at 24 lags, shares beyond the "
            "fitted quantiles over those expected (tails), and normal scores of the transforms at "
            "those levels (qq: -3.09, -2.33, 2.33, 3.09 where the fit is right); with so many "
            "hours small faults reject"
        )
    }
    for name, (_, r) in record.own.items():
        models = {"gbm": (stats.norm.cdf(r / r.std()), r), **_student_t(r)}
        for kind in ("merton", "kou"):
            u = fit_jumps.probability_transform(kind, jumps[kind][name], r)
            models[kind] = (u, r)
        fit = fits[name]
        nu = fit.parameters["degrees_of_freedom"].value
        scaled = fit.residuals * np.sqrt(nu / (nu - 2))
        models["garch"] = (stats.t.cdf(scaled, nu), fit.residuals)
        result[name] = {kind: _tested(u, x) for kind, (u, x) in models.items()}
    return result


def _student_t(r: Series) -> dict[str, tuple[Series, Series]]:
    nu, scatter = prices.student_t_fit(r[:, None])
    return {"student_t": (stats.t.cdf(r / np.sqrt(scatter[0, 0]), nu.value), r)}


def _tested(transform: Series, series: Series) -> dict[str, Any]:
    ratios = goodness.tail_ratios(transform)
    return {
        "ks": rounded(goodness.kolmogorov_smirnov(transform)[1], 2),
        "ad": rounded(goodness.anderson_darling(transform)[1], 2),
        "ljung_box": rounded(goodness.ljung_box(series**2)[1], 2),
        "tails": {f"{level:g}": rounded(r, 3) for level, (r, _) in ratios.items()},
        "qq": {
            f"{level:g}": rounded(q, 3)
            for level, (_, q) in goodness.tail_quantiles(transform).items()
        },
    }
