"""A whole backtest: subjects, models and horizons into records and series for figures."""

import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from stress.backtest import (
    SIDES,
    Forecasts,
    common_returns,
    daily_forecasts,
    hourly_forecasts,
    scores,
)
from stress.backtest_models import MODELS, Forecaster
from stress.candles import Candles
from stress.errors import InputError

SHORT = 60 * 24  # hours an estimate looks back where the record is too short for the window
PORTFOLIO = "portfolio"


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is forecast: one asset, or a position in several."""

    name: str
    hour: np.ndarray
    returns: np.ndarray  # [n, A]
    weights: np.ndarray  # [A]
    window: int  # hours


@dataclass
class Outcome:
    """Records of every test, and the forecasts behind them."""

    records: list[dict[str, Any]] = field(default_factory=list)
    forecasts: dict[tuple[str, str, int], Forecasts] = field(default_factory=dict)


def subjects_of(
    series: Sequence[Candles], window: int, weights: Mapping[str, float] | None
) -> list[Subject]:
    """One subject an asset, and the position in those whose records bear the window.

    Args:
      series: candles.
      window: hours that an estimate looks back; a record shorter than twice that gets 60 days.
      weights: of the assets in the position, exposure over the sum of absolute exposures; None for
        equal parts of every asset whose record bears the window.

    Errors:
      InputError for a record too short even for 60 days.
    """
    found = []
    for candles in series:
        hour, returns = common_returns([candles])
        own = window if len(hour) >= 2 * window else SHORT
        if len(hour) < 2 * own:
            allowed = f"{2 * SHORT} hours or more"
            raise InputError(candles.asset, "", f"{len(hour)} hours", allowed)
        found.append(Subject(name=candles.asset, hour=hour, returns=returns, weights=np.ones(1),
                             window=own))  # fmt: skip
    long = [c for c, s in zip(series, found, strict=True) if s.window == window]
    if weights is None:
        chosen = {c.asset: 1 / len(long) for c in long} if len(long) > 1 else {}
    else:
        chosen = {c.asset: weights[c.asset] for c in long if weights.get(c.asset)}
    if chosen:
        held = [c for c in long if c.asset in chosen]
        hour, returns = common_returns(held)
        size = np.array([chosen[c.asset] for c in held])
        if len(hour) >= 2 * window:
            found.append(Subject(name=PORTFOLIO, hour=hour, returns=returns, weights=size,
                                 window=window))  # fmt: skip
    return found


def run_backtest(
    subjects: Sequence[Subject],
    models: Sequence[str],
    horizons: Sequence[int],
    seed: int,
    workers: int,
    advance: Callable[[int], None] = lambda n: None,
) -> Outcome:
    """Forecasts and tests of every subject and model.

    Args:
      subjects: what is forecast.
      models: names of `stress.backtest_models.MODELS`.
      horizons: hours; 1 is forecast every hour, whole days every day.
      seed: of the simulations.
      workers: threads.
      advance: told the number of finished steps, see `steps_of`.

    Errors:
      InputError for an unknown model or a horizon that is neither 1 hour nor whole days.
    """
    for model in models:
        if model not in MODELS:
            raise InputError("--models", "", repr(model), ", ".join(MODELS))
    for h in horizons:
        if h != 1 and h % 24:
            raise InputError("--horizons", "", f"{h} h", "1h or whole days such as 24h and 7d")
    outcome, lock = Outcome(), threading.Lock()

    def one(subject: Subject) -> None:
        forecaster = Forecaster(subject.returns, subject.window)
        for model in models:
            made = _forecasts(subject, forecaster, model, horizons, seed, advance)
            with lock:
                for h, forecasts in made.items():
                    outcome.forecasts[subject.name, model, h] = forecasts

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(one, sorted(subjects, key=lambda s: -s.returns.size)))
    for subject in subjects:
        for h in horizons:
            for model in models:
                forecasts = outcome.forecasts.get((subject.name, model, h))
                if forecasts is None or not len(forecasts.loss):
                    continue
                for side in SIDES:
                    head = {"subject": subject.name, "model": model, "horizon_hours": h,
                            "window_hours": subject.window}  # fmt: skip
                    outcome.records.append(head | scores(forecasts, side))
    return outcome


def steps_of(subjects: Sequence[Subject], models: Sequence[str], horizons: Sequence[int]) -> int:
    """Steps that `run_backtest` tells `advance`: an origin of a day each, 1 for the hours."""
    days = sum((len(s.hour) - s.window) // 24 for s in subjects)
    return len(models) * (days * any(h != 1 for h in horizons) + len(subjects) * (1 in horizons))


def _forecasts(subject, forecaster, model, horizons, seed, advance) -> dict[int, Forecasts]:
    made = {}
    if 1 in horizons and len(subject.weights) == 1:
        made[1] = hourly_forecasts(forecaster, subject.hour, model)
        advance(1)
    days = sorted(h for h in horizons if h != 1)
    if days:
        made |= daily_forecasts(
            forecaster, subject.hour, model, days, subject.weights, seed, advance
        )
    return made
