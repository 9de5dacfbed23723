"""Contents of configs/calibration/prices.yaml, from hourly candles."""

from typing import Any

import numpy as np

from stress import calibrate_prices as prices
from stress.calibrate_prices import Series
from stress.calibrate_record import COMMAND, figure, matrix, moment_text, rounded, window
from stress.candles import Candles

LISTING_HOURS = 168  # price discovery after a first listing is no risk factor of today
PRICE_SOURCE = (
    "hourly candles: Binance USDT-margined futures (BTC, ETH, SOL; HYPE from 2025-05-30) and "
    "Hyperliquid spot (HYPE to 2025-05-29)"
)


def returns_on_one_clock(series: list[Candles]) -> tuple[np.ndarray, Series]:
    """Hours [n] (bar ends) and log returns [n, A]; NaN before an asset is `LISTING_HOURS` old."""
    first = min(int(c.hour[0]) for c in series)
    last = max(int(c.hour[-1]) for c in series)
    hour = np.arange(first + 1, last + 1)
    returns = np.full((len(hour), len(series)), np.nan)
    for column, c in enumerate(series):
        returns[c.hour[1:] - first - 1, column] = np.diff(np.log(c.close))
        if c.hour[0] > first:
            returns[: int(c.hour[0]) - first + LISTING_HOURS, column] = np.nan
    return hour, returns


def calibrate_prices(series: list[Candles], date: str) -> dict[str, Any]:
    """Contents of prices.yaml."""
    hour, returns = returns_on_one_clock(series)
    names = [c.asset for c in series]
    first = {c.asset: int(c.hour[0]) for c in series}
    long = [n for n in names if first[n] < min(first.values()) + 365 * 24]
    together = {"common": names, "long": long} if len(long) < len(names) else {"common": names}
    figures = {
        "source": PRICE_SOURCE,
        "as_of": date,
        "command": COMMAND,
        "method": (
            "log returns of hourly closes; the first 7 days of an asset listed inside the record "
            "are left out; 365 x 24 hours per year"
        ),
        "volatility": _volatility(hour, returns, names),
        "correlation": {
            "method": (
                "Ledoit-Wolf shrinkage towards the identity; calm: trailing 7-day "
                f"{_leader(names)} volatility up to its median in the window; stressed: in its "
                "top decile; standard errors by leaving out weeks"
            ),
            **{k: _correlation(hour, returns, names, v) for k, v in together.items()},
        },
        "student_t": _student_t(hour, returns, names, together),
        "worst": _worst(hour, returns, names),
    }
    if {"BTC", "ETH", "SOL", "HYPE"} <= set(names):
        figures["hype_beta"] = _hype_betas(hour, returns, names)
        figures["joint_falls"] = _joint_falls(hour, returns, names)
    return figures


def _leader(names: list[str]) -> str:
    """Asset whose volatility says whether the market is calm."""
    return "BTC" if "BTC" in names else names[0]


def _volatility(hour: np.ndarray, returns: Series, names: list[str]) -> dict[str, Any]:
    levels = {"calm": 0.25, "typical": 0.5, "stressed": 0.99}
    result: dict[str, Any] = {
        "unit": "1/sqrt(year)",
        "method": (
            "calm, typical, stressed: quantiles 0.25, 0.5, 0.99 of the trailing 7-day realised "
            "volatility read daily, standard errors by a moving block bootstrap (28 days); "
            "overall: root mean square, standard error from weekly means"
        ),
    }
    for column, name in enumerate(names):
        present = np.isfinite(returns[:, column])
        r = returns[present, column]
        figures = {k: figure(prices.volatility_quantile(r, q)) for k, q in levels.items()}
        figures["overall"] = figure(prices.overall_volatility(r))
        result[name] = {"window": window(hour[present]), "n": len(r), **figures}
    return result


def _correlation(
    hour: np.ndarray, returns: Series, names: list[str], chosen: list[str]
) -> dict[str, Any]:
    columns = [names.index(n) for n in chosen]
    calmness = prices.rolling_volatility(returns[:, names.index(_leader(names))])
    present = np.isfinite(returns[:, columns]).all(1) & np.isfinite(calmness)
    rows, level = returns[present][:, columns], calmness[present]
    week = np.flatnonzero(present) // prices.WEEK
    states = {
        "full": np.ones(len(level), bool),
        "calm": level <= np.quantile(level, 0.5),
        "stressed": level >= np.quantile(level, 0.9),
    }
    result: dict[str, Any] = {"assets": list(chosen), "window": window(hour[present])}
    for state, some in states.items():
        value, weight = prices.shrunk_correlation(rows[some])
        error = prices.jackknife_error(
            lambda x: prices.shrunk_correlation(x)[0], rows[some], week[some]
        )
        result[state] = {
            "n": int(some.sum()),
            "shrinkage": rounded(weight),
            "value": matrix(value),
            "standard_error": matrix(error),
        }
    return result


def _student_t(
    hour: np.ndarray, returns: Series, names: list[str], together: dict[str, list[str]]
) -> dict[str, Any]:
    groups = together | {name: [name] for name in names}
    result: dict[str, Any] = {
        "method": (
            "multivariate Student-t of hourly returns, zero mean, maximum likelihood (EM); "
            "standard errors treat hours as independent and so are too small"
        )
    }
    for key, chosen in groups.items():
        columns = [names.index(n) for n in chosen]
        present = np.isfinite(returns[:, columns]).all(1)
        nu, scatter = prices.student_t_fit(returns[present][:, columns])
        scale = np.sqrt(np.diag(scatter))
        result[key] = {"window": window(hour[present]), "n": int(present.sum())}
        result[key]["degrees_of_freedom"] = figure(nu)
        if len(chosen) > 1:
            result[key]["assets"] = list(chosen)
            result[key]["scatter_correlation"] = matrix(scatter / np.outer(scale, scale))
    return result


def _worst(hour: np.ndarray, returns: Series, names: list[str]) -> dict[str, Any]:
    result: dict[str, Any] = {
        "method": "lowest log return over the span, and the UTC hour it ends",
        "standard_error": None,
    }
    for column, name in enumerate(names):
        present = np.isfinite(returns[:, column])
        r, h = returns[present, column], hour[present]
        result[name] = {"window": window(h), "n": len(r)}
        for label, span in (("1h", 1), ("24h", 24), ("7d", 168)):
            moves = prices.moves_over(r, span)
            row = int(np.nanargmin(moves))
            result[name][label] = {"log_return": rounded(moves[row]), "to": moment_text(h[row])}
    return result


def _hype_betas(hour: np.ndarray, returns: Series, names: list[str]) -> dict[str, Any]:
    hype = names.index("HYPE")
    present = np.isfinite(returns[:, hype])
    rows = returns[present]
    result: dict[str, Any] = {
        "method": "least-squares slope of HYPE on the factor (overlapping 24 h; weekly jackknife)",
        "window": window(hour[present]),
        "n": int(present.sum()),
    }
    for label, span in (("1h", 1), ("24h", 24)):
        moves = prices.moves_over(rows, span)[span - 1 :]
        week = np.arange(len(moves)) // prices.WEEK
        result[label] = {
            n: figure(prices.beta(moves[:, hype], moves[:, names.index(n)], week))
            for n in ("BTC", "ETH", "SOL")
        }
    return result


def _joint_falls(hour: np.ndarray, returns: Series, names: list[str]) -> dict[str, Any]:
    """The ten deepest common falls over 24 h, the figures behind the `crash` overlay."""
    three = [names.index(n) for n in ("BTC", "ETH", "SOL")]
    hype, btc = names.index("HYPE"), names.index("BTC")
    present = np.isfinite(returns[:, hype])
    known = prices.moves_over(returns[present], 24)[23:]
    week = np.arange(len(known)) // prices.WEEK
    slope = prices.beta(known[:, hype], known[:, btc], week).value
    together = np.isfinite(returns[:, three]).all(1)
    rows, h = returns[together], hour[together]
    moves = prices.moves_over(rows, 24)
    events = []
    for row in prices.deepest(moves[:, three].mean(1), 10, 24):
        observed = bool(np.isfinite(moves[row, hype]))
        event = {names[c]: rounded(moves[row, c]) for c in three}
        event["HYPE"] = rounded(moves[row, hype] if observed else slope * moves[row, btc])
        events.append(
            {
                "from": moment_text(h[row] - 24),
                "to": moment_text(h[row]),
                "hours": 24,
                "log_return": event,
            }
            | {"hype": "observed" if observed else "24 h beta times BTC"}
        )
    return {
        "method": (
            "lowest mean 24 h log return of BTC, ETH and SOL, non-overlapping; HYPE observed where "
            "it traded, else its 24 h beta to BTC times the fall of BTC"
        ),
        "window": window(h),
        "n": len(h),
        "standard_error": None,
        "deepest": events,
    }
