"""Contents of configs/calibration/events.yaml: recorded crashes in outline, and a severity grid."""

import datetime
from typing import Any

import numpy as np

from stress import calibrate_prices as prices
from stress.calibrate_pools import Reserve
from stress.calibrate_price_figures import PRICE_SOURCE, returns_on_one_clock
from stress.calibrate_prices import Series
from stress.calibrate_record import COMMAND, moment_text, rounded, window
from stress.candles import Candles

DAY = 24
# Beginning and turning points (hours after it): they cut the mean log price of the assets into the
# straight pieces that fit it best (least squares over all choices of as many points).
EVENTS: dict[str, tuple[str, tuple[int, ...]]] = {
    "crash_2020_03_12": ("2020-03-12T00:00", (10, 11, 22, 26, 28, 48)),
    "crash_2021_05_19": ("2021-05-18T12:00", (12, 24, 25, 28, 36, 48)),
    "terra_2022_05": ("2022-05-09T00:00", (25, 36, 57, 67, 80, 96)),
    "ftx_2022_11": ("2022-11-08T00:00", (15, 38, 43, 60, 62, 72)),
    "usdc_depeg_2023_03": ("2023-03-10T00:00", (12, 16, 65, 73, 81, 96)),
    "whale_2025_03_12": ("2025-03-12T00:00", (6, 13, 15, 25, 36)),
    "hype_2025_03_26": ("2025-03-25T00:00", (3, 37, 38, 42, 72)),
}
LEVELS = {"mild": 0.05, "adverse": 0.01, "severe": 0.001}  # quantile of the joint fall over 24 h
BAND = 0.5  # half width of the ranks averaged around a quantile, relative to it
BLEED_DAYS, BLEED_DAY = 7, -0.05  # a slow bleed: no 24 h within it fall by more


def calibrate_events(
    series: list[Candles], reserves: dict[str, Reserve], date: str
) -> dict[str, Any]:
    """Contents of events.yaml.

    Args:
      series: candles; BTC, ETH, SOL and HYPE are among them.
      reserves: recorded pools, for the greatest withdrawals.
      date: of the calibration.
    """
    hour, returns = returns_on_one_clock(series)
    names = [c.asset for c in series]
    betas = _betas(returns, names)
    level = {c.asset: dict(zip(c.hour.tolist(), np.log(c.close), strict=True)) for c in series}
    events = {name: _event(_hour(start), turns, level, betas) for name, (start, turns) in
              EVENTS.items()}  # fmt: skip
    events["slow_bleed"] = _slow_bleed(level, betas)
    return {
        "source": PRICE_SOURCE,
        "as_of": date,
        "command": COMMAND,
        "events": {
            "method": (
                "level: simple return from the beginning to each turning point, closes of hourly "
                "candles, straight in the logarithm between; an asset that did not trade yet moves "
                "by its beta to BTC (24 h, least squares), see estimated; slow_bleed: deepest "
                f"{BLEED_DAYS}-day fall of BTC in which no 24 h fell by more than {-BLEED_DAY:.0%}"
            ),
            "standard_error": None,
            "betas": {a: rounded(b) for a, b in betas.items()},
            **events,
        },
        "severity": _severity(hour, returns, names, betas),
        "withdrawals": _withdrawals(reserves),
    }


def _betas(returns: Series, names: list[str]) -> dict[str, float]:
    """Slope of each asset's 24 h log return on that of BTC."""
    btc, result = names.index("BTC"), {}
    for column, name in enumerate(names):
        present = np.isfinite(returns[:, [btc, column]]).all(1)
        moves = prices.moves_over(returns[present][:, [column, btc]], DAY)[DAY - 1 :]
        centred = moves - moves.mean(0)
        result[name] = float(centred[:, 0] @ centred[:, 1] / (centred[:, 1] @ centred[:, 1]))
    return result


def _event(
    start: int, turns: tuple[int, ...], level: dict[str, dict], betas: dict[str, float]
) -> dict[str, Any]:
    """Levels at the turning points."""
    found, estimated = {}, []
    for asset, logs in level.items():
        own, factor = logs, 1.0
        if start not in own:
            own, factor = level["BTC"], betas[asset]
            estimated.append(asset)
        moves = [factor * (own[start + turn] - own[start]) for turn in turns]
        found[asset] = [rounded(np.expm1(m)) for m in moves]
    return {
        "from": moment_text(start),
        "hours": list(turns),
        "level": found,
        "estimated": estimated,
    }


def _slow_bleed(level: dict[str, dict], betas: dict[str, float]) -> dict[str, Any]:
    hours = np.array(sorted(level["BTC"]))
    logs = np.array([level["BTC"][h] for h in hours.tolist()])
    length = BLEED_DAYS * DAY
    daily = logs[DAY:] - logs[:-DAY]  # ends at DAY, DAY + 1, ...
    worst = np.lib.stride_tricks.sliding_window_view(daily, length).min(1)  # of length ends
    falls = logs[DAY - 1 + length :] - logs[DAY - 1 : -length]
    size = min(len(worst), len(falls))
    slow = worst[:size] > np.log1p(BLEED_DAY)
    row = int(np.where(slow, falls[:size], np.inf).argmin())
    start = int(hours[DAY - 1 + row])
    return _event(start, tuple(DAY * (d + 1) for d in range(BLEED_DAYS)), level, betas)


def _severity(
    hour: np.ndarray, returns: Series, names: list[str], betas: dict[str, float]
) -> dict[str, Any]:
    """Joint falls over 24 h at quantiles of their history."""
    three = [names.index(n) for n in ("BTC", "ETH", "SOL")]
    together = np.isfinite(returns[:, three]).all(1)
    moves = prices.moves_over(returns[together][:, three], DAY)[DAY - 1 :]
    scale = returns[together][:, three].std(0) * np.sqrt(DAY)
    result: dict[str, Any] = {
        "method": (
            "score: mean over BTC, ETH and SOL of the 24 h log return over its standard deviation, "
            "overlapping windows; a level is the mean return of each asset over the windows whose "
            f"rank lies within {BAND:.0%} of the quantile; extreme is the lowest score on record; "
            "standard errors by a moving block bootstrap (28 days); assets that the window does "
            "not cover move by their beta to BTC"
        ),
        "window": window(hour[together]),
        "n": len(moves),
    }
    rng = np.random.default_rng(0)
    for label, quantile in LEVELS.items():
        value = _at(moves, scale, quantile)
        again = np.array([_at(moves[_resampled(rng, len(moves))], scale, quantile)
                          for _ in range(100)])  # fmt: skip
        result[label] = _level(quantile, value, again.std(0, ddof=1), names, betas)
    worst = moves[int((moves / scale).mean(1).argmin())]
    result["extreme"] = _level(1 / len(moves), worst, None, names, betas)
    return result


def _at(moves: Series, scale: Series, quantile: float) -> Series:
    """Mean return of each asset around a quantile of the joint score."""
    order = np.argsort((moves / scale).mean(1), kind="stable")
    ranks = quantile * len(moves) * np.array([1 - BAND, 1 + BAND])
    return moves[order[int(ranks[0]) : max(int(ranks[1]), int(ranks[0]) + 1)]].mean(0)


def _resampled(rng: np.random.Generator, size: int) -> np.ndarray:
    block = 28 * DAY
    starts = rng.integers(0, size - block + 1, -(-size // block))
    return (starts[:, None] + np.arange(block)).ravel()[:size]


def _level(
    quantile: float, logs: Series, error: Series | None, names: list[str], betas: dict[str, float]
) -> dict[str, Any]:
    moves = {a: float(x) for a, x in zip(("BTC", "ETH", "SOL"), logs, strict=True)}
    moves |= {a: betas[a] * moves["BTC"] for a in names if a not in moves}
    level = {a: [rounded(np.expm1(moves[a]))] for a in names}
    result: dict[str, Any] = {"quantile": rounded(quantile), "hours": [DAY], "level": level}
    result["standard_error"] = None
    if error is not None:
        pairs = zip(("BTC", "ETH", "SOL"), error, strict=True)
        result["standard_error"] = {a: rounded(e * np.exp(moves[a]), 3) for a, e in pairs}
    return result


def _withdrawals(reserves: dict[str, Reserve]) -> dict[str, Any]:
    """Greatest falls of a pool's supply."""
    result: dict[str, Any] = {
        "method": "greatest fall of the supply of a recorded pool over the span, and utilization",
        "standard_error": None,
    }
    for name, pool in reserves.items():
        for label, span in (("6h", 6.0), ("24h", 24.0)):
            later = np.searchsorted(pool.hour, pool.hour + span + 0.5) - 1
            some = (pool.supplied > 0) & (later > np.arange(len(later)))
            change = np.where(some, pool.supplied[later] / np.where(some, pool.supplied, 1), 1.0)
            row = int(change.argmin())
            used = pool.borrowed[row : later[row] + 1] / pool.supplied[row : later[row] + 1]
            result.setdefault(name, {})[label] = {
                "from": moment_text(pool.hour[row]),
                "share": rounded(1 - change[row]),
                "utilization_before": rounded(used[0]),
                "utilization_peak": rounded(used.max()),
            }
    return result


def _hour(text: str) -> int:
    moment = datetime.datetime.fromisoformat(text)
    return int((moment - datetime.datetime(1970, 1, 1)) // datetime.timedelta(hours=1))
