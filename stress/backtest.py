"""Rolling backtest: what models forecast against what happened afterwards.

One-hour forecasts are made every hour from exact laws; longer ones every day at 00:00 UTC from
simulations of the shipped processes. A forecast for seven days made every day overlaps the next
six; its tests run on phases apart (`stress.backtest_tests`).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from stress import backtest_tests as tests
from stress.backtest_models import Forecaster, simulated
from stress.candles import Candles

Values = NDArray[np.float64]
LEVEL, SHORTFALL = 0.01, 0.025  # probability of the value at risk, and of the tail of the ES
YEAR = 250  # days of a rolling traffic light
SAMPLES = 999  # the 10th and 25th lowest are then exact quantiles of a rank
TAIL = 25  # outcomes that stand for a forecast's tail
SIDES = {"long": 1.0, "short": -1.0}


@dataclass(frozen=True, kw_only=True)
class Forecasts:
    """Forecasts of one subject by one model over one horizon, losses positive, `[n]` each."""

    hour: NDArray[np.int64]  # of the origin, hours since 1970
    loss: Values  # that came, 1 of the exposure
    transform: Values  # probability transform of the return
    value_at_risk: Values  # at LEVEL, of a long position
    upper: Values  # at LEVEL, of a short one
    shortfall: dict[str, Values]  # ES at SHORTFALL by side
    edge: dict[str, Values]  # VaR at SHORTFALL by side
    tails: dict[str, Values]  # [n, TAIL], losses beyond `edge` over ES
    overlap: int  # forecasts that cover the same hour


def hourly_forecasts(
    forecaster: Forecaster, hour: NDArray[np.int64], model: str, every: int = 1
) -> Forecasts:
    """One-hour forecasts of one asset, every `every` hours.

    Args:
      forecaster: of one asset.
      hour: ends of its rows, `[n]`.
      model: name.
      every: hours between origins.
    """
    origins = np.arange(forecaster.window, len(forecaster.returns), every)
    law = forecaster.one_hour(model, origins)
    move = forecaster.returns[origins, 0]
    parts: dict[str, list] = {k: [] for k in ("u", "low", "high", "down", "up")}
    grid = SHORTFALL * (np.arange(TAIL) + 0.5) / TAIL
    for begin in range(0, len(origins), law.daily):
        some = slice(begin, begin + law.daily)
        unit, scale = law.law(begin), law.scale[some]
        parts["u"].append(unit.cdf(move[some] / scale))
        for name, p in (("low", LEVEL), ("high", 1 - LEVEL)):
            parts[name].append(unit.ppf(p) * scale)
        parts["down"].append(scale[:, None] * unit.ppf(grid)[None, :])
        parts["up"].append(scale[:, None] * unit.ppf(1 - grid)[None, :])
    flat = {k: np.concatenate(v) for k, v in parts.items()}
    return _forecasts(hour[origins - 1], move, flat, overlap=1)


def daily_forecasts(
    forecaster: Forecaster,
    hour: NDArray[np.int64],
    model: str,
    horizons: Sequence[int],
    weights: Values,
    seed: int = 0,
    advance: Callable[[int], None] = lambda n: None,
) -> dict[int, Forecasts]:
    """Forecasts made at 00:00 UTC over horizons of hours, from one simulation each.

    Args:
      forecaster: of one or more assets.
      hour: ends of its rows, `[n]`.
      model: name.
      horizons: hours, ascending.
      weights: of the assets in the position, `[A]`; its return is their weighted simple return,
        for one asset of weight 1 the log return.
      seed: of the simulations.
      advance: told the number of finished origins.
    """
    total = np.concatenate([np.zeros((1, len(weights))), np.cumsum(forecaster.returns, axis=0)])
    midnight = np.flatnonzero(hour % 24 == 0) + 1  # rows known at midnight
    origins = midnight[midnight >= forecaster.window]
    key = jax.random.key(seed)
    samples: dict[int, list] = {h: [] for h in horizons}
    for n, origin in enumerate(origins):
        process = forecaster.process(model, int(origin))
        paths = simulated(process, jax.random.fold_in(key, n), SAMPLES, tuple(horizons))
        for h, moves in zip(horizons, np.asarray(paths), strict=True):
            samples[h].append(np.sort(_position(moves, weights)))
        advance(1)
    found = {}
    for h in horizons:
        known = origins + h < len(total)
        drawn = np.array(samples[h])[known]
        move = _position(total[origins[known] + h] - total[origins[known]], weights)
        rank = (drawn < move[:, None]).sum(axis=1)
        low, high = round(LEVEL * (SAMPLES + 1)), round(SHORTFALL * (SAMPLES + 1))
        flat = {
            "u": (rank + 0.5) / (SAMPLES + 1),
            "low": drawn[:, low - 1], "high": drawn[:, -low],
            "down": drawn[:, :high], "up": drawn[:, ::-1][:, :high],
        }  # fmt: skip
        found[h] = _forecasts(hour[origins[known] - 1], move, flat, overlap=max(h // 24, 1))
    return found


def _position(moves: Values, weights: Values) -> Values:
    """Return of a position from log returns `[..., A]`."""
    return moves[..., 0] if len(weights) == 1 else np.expm1(moves) @ weights


def _forecasts(hour, move: Values, flat: Mapping[str, Values], overlap: int) -> Forecasts:
    sides = {"long": -flat["down"], "short": flat["up"]}
    shortfall = {s: x.mean(axis=1) for s, x in sides.items()}
    return Forecasts(
        hour=hour, loss=-move, transform=flat["u"], value_at_risk=-flat["low"],
        upper=flat["high"], shortfall=shortfall, overlap=overlap,
        edge={s: x.min(axis=1) for s, x in sides.items()},
        tails={s: x / shortfall[s][:, None] for s, x in sides.items()},
    )  # fmt: skip


def scores(forecasts: Forecasts, side: str) -> dict[str, Any]:
    """All tests of one side of a position.

    Returns:
      n, expected and observed exceedances, coverage with its interval, p-values of Kupiec,
      Christoffersen (independence, conditional coverage), of the shortfall and of the transforms,
      the traffic light over everything and over the worst of the rolling years, and the share of
      rolling years that are green.
    """
    sign, overlap = SIDES[side], forecasts.overlap
    loss = sign * forecasts.loss
    limit = forecasts.value_at_risk if side == "long" else forecasts.upper
    hits, n = loss > limit, len(loss)
    apart = hits[::overlap]

    def phases(test: Callable[[NDArray[np.bool_]], float]) -> float:
        return tests.over_phases(lambda part: test(hits[part]), overlap)

    ratio = loss / forecasts.shortfall[side]
    beyond, tails = loss > forecasts.edge[side], forecasts.tails[side]
    statistics = [
        tests.acerbi_szekely(ratio[p::overlap], beyond[p::overlap], tails[p::overlap], SHORTFALL)
        for p in range(overlap)
    ]
    z, p_shortfall = np.median(statistics, axis=0)
    share = float(hits.mean())
    if overlap == 1 or not hits.any():
        low, high = tests.coverage_interval(apart)
    else:
        error = tests.block_error(hits, 4 * overlap)
        low, high = max(share - 1.96 * error, 0.0), share + 1.96 * error
    zones = rolling_zones(apart)
    return {
        "side": side,
        "n": n,
        "overlap": overlap,
        "expected": LEVEL * n,
        "exceedances": int(hits.sum()),
        "coverage": share,
        "coverage_low": low,
        "coverage_high": high,
        "kupiec_p": phases(lambda h: tests.kupiec(int(h.sum()), len(h), LEVEL)[1]),
        "independence_p": phases(lambda h: tests.independence(h)[1]),
        "conditional_coverage_p": phases(lambda h: tests.conditional_coverage(h, LEVEL)[1]),
        "zone": tests.traffic_light(int(apart.sum()), len(apart), LEVEL),
        "worst_year": max(zones, key=tests.ZONES.index) if zones else "",
        "green_years": float(np.mean([z == "green" for z in zones])) if zones else None,
        "shortfall_z": float(z),
        "shortfall_p": min(1.0, float(p_shortfall) * (2 if overlap > 1 else 1)),
        "uniform_p": tests.over_phases(
            lambda part: tests.uniformity(forecasts.transform[part]), overlap
        ),
    }


def rolling_zones(hits: NDArray[np.bool_]) -> list[str]:
    """Traffic lights of every run of YEAR forecasts in a row; empty where there are fewer."""
    total = np.concatenate([[0], np.cumsum(hits)])
    counts = total[YEAR:] - total[:-YEAR]
    return [tests.traffic_light(int(c), YEAR, LEVEL) for c in counts]


def common_returns(series: Sequence[Candles]) -> tuple[NDArray[np.int64], Values]:
    """Hours (ends of bars) and hourly log returns of the window that all assets cover."""
    first = max(int(c.hour[0]) for c in series) + 1
    last = min(int(c.hour[-1]) for c in series)
    columns = [np.diff(np.log(c.close))[first - 1 - int(c.hour[0]) :] for c in series]
    size = last - first + 1
    return np.arange(first, last + 1), np.column_stack([c[:size] for c in columns])
