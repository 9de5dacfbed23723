"""Rolling forecasts: nothing of the future is seen, right models pass, wrong ones fail."""

import json
import warnings
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from process_helpers import returns_of
from scipy import stats
from typer.testing import CliRunner

from stress import backtest
from stress.backtest_models import MODELS, Forecaster, simulated
from stress.backtest_run import run_backtest, steps_of, subjects_of
from stress.candles import Candles, read_folder
from stress.cli import app
from stress.errors import InputError
from stress.scenarios import garch, gbm

WINDOW = 60 * 24
GJR = {
    "omega": np.array([1e-6]), "alpha": np.array([0.10]), "gamma": np.array([0.0]),
    "beta": np.array([0.88]),
}  # fmt: skip


def market(hours: int = 5000, seed: int = 0, clustered: bool = False) -> np.ndarray:
    """Hourly log returns of one asset, `[hours, 1]`."""
    if clustered:
        start = np.array([5e-5])
        model = garch.build(factor=np.eye(1), degrees_of_freedom=6.0, variance=start,
                            drift=np.zeros(1), **GJR)  # type: ignore[arg-type]  # fmt: skip
        return returns_of(garch, model, 1, hours, seed=seed)[0]
    plain = gbm.Gbm(volatility=jnp.array([0.7]), drift=jnp.array([0.245]), factor=jnp.eye(1))
    return returns_of(gbm, plain, 1, hours, seed=seed)[0]


def clock(returns: np.ndarray) -> np.ndarray:
    return np.arange(len(returns)) + 438_000


@pytest.mark.parametrize("model", MODELS)
def test_a_forecast_does_not_know_what_comes(model: str) -> None:
    """Other returns from the origin on change nothing; another hour before it does."""
    returns, origin = market(3200), 2900
    other, earlier = returns.copy(), returns.copy()
    other[origin:] *= -3
    earlier[origin - 5] *= 10
    leaves = []
    for series in (returns, other, earlier):
        process = Forecaster(series, WINDOW).process(model, origin)
        leaves.append([np.asarray(x) for x in jax.tree.leaves(process)])
        law = Forecaster(series, WINDOW).one_hour(model, np.arange(WINDOW, origin + 1))
        leaves[-1].append(law.scale[-1:])
        last = len(law.scale) - 1
        leaves[-1].append(np.asarray([law.law(last).ppf(p) for p in (0.01, 0.5)]))
    for a, b in zip(leaves[0], leaves[1], strict=True):
        np.testing.assert_array_equal(a, b)
    assert any(not np.array_equal(a, b) for a, b in zip(leaves[0], leaves[2], strict=True))


@pytest.mark.parametrize("model", MODELS)
def test_the_law_of_an_hour_is_that_of_the_simulation(model: str) -> None:
    forecaster, origin = Forecaster(market(2600, clustered=True), WINDOW), 2000
    paths = simulated(forecaster.process(model, origin), jax.random.key(1), 20_000, (1, 3))
    law = forecaster.one_hour(model, np.arange(origin, origin + 1))
    u = law.law(0).cdf(np.asarray(paths)[0, :, 0] / law.scale[0])
    statistic = stats.kstest(u, "uniform").statistic
    assert statistic < 2.0 / np.sqrt(len(u)) + (0.001 if model in ("fhs", "bootstrap") else 0)
    wrong = stats.kstest(law.law(0).cdf(1.2 * np.asarray(paths)[0, :, 0] / law.scale[0]), "uniform")
    assert wrong.statistic > 2.0 / np.sqrt(len(u))


def test_a_right_model_passes_and_a_wrong_one_fails() -> None:
    """Hours of clustered volatility: the constant one fails, the filtered ones do not."""
    returns = market(30_000, seed=3, clustered=True)
    forecaster, hour = Forecaster(returns, 6000), clock(returns)
    found = {m: backtest.scores(backtest.hourly_forecasts(forecaster, hour, m), "long")
             for m in ("gbm", "garch", "fhs")}  # fmt: skip
    for model in ("garch", "fhs"):
        assert found[model]["zone"] == "green" and found[model]["kupiec_p"] > 0.01
        assert found[model]["independence_p"] > 0.01
    assert found["garch"]["uniform_p"] > 0.01 and found["garch"]["shortfall_p"] > 0.01
    assert found["gbm"]["zone"] == "red" and found["gbm"]["independence_p"] < 1e-6
    assert found["gbm"]["uniform_p"] < 1e-6


def test_days_of_a_random_walk_are_covered() -> None:
    returns = market(12_000, seed=4)
    forecaster, hour = Forecaster(returns, WINDOW), clock(returns)
    found = backtest.daily_forecasts(forecaster, hour, "gbm", (24, 168), np.ones(1))
    for h, overlap in ((24, 1), (168, 7)):
        forecasts = found[h]
        assert forecasts.overlap == overlap and (forecasts.hour % 24 == 0).all()
        begin = np.searchsorted(hour, forecasts.hour) + 1
        exact = [returns[b : b + h, 0].sum() for b in begin]
        np.testing.assert_allclose(-forecasts.loss, exact, atol=1e-12)
        sd = 0.7 * np.sqrt(h / 8760)
        np.testing.assert_allclose(forecasts.value_at_risk.mean() / sd, 2.326, rtol=0.05)
        score = backtest.scores(forecasts, "short")
        assert score["kupiec_p"] > 0.01 and score["uniform_p"] > 0.01
        tripled = backtest.Forecasts(**{**vars(forecasts), "loss": 3 * forecasts.loss})
        assert backtest.scores(tripled, "short")["kupiec_p"] < 1e-3


def test_a_portfolio_is_its_weighted_assets() -> None:
    rng = np.random.default_rng(5)
    returns = rng.multivariate_normal([0, 0], [[1e-4, 6e-5], [6e-5, 2e-4]], 3000)
    weights = np.array([0.5, -0.5])
    forecaster = Forecaster(returns, WINDOW)
    found = backtest.daily_forecasts(forecaster, clock(returns), "gbm", (24,), weights)[24]
    variance = 24 * (weights @ np.array([[1e-4, 6e-5], [6e-5, 2e-4]]) @ weights)
    np.testing.assert_allclose(found.value_at_risk.mean(), 2.326 * np.sqrt(variance), rtol=0.1)


def series(hours: int, assets: tuple[str, ...] = ("AAA", "BBB")) -> list[Candles]:
    rng = np.random.default_rng(6)
    made = []
    for n, asset in enumerate(assets):
        length = hours if n == 0 else hours - 200
        close = 100 * np.exp(np.cumsum(0.006 * rng.standard_normal(length)))
        made.append(Candles(asset, np.arange(hours - length, hours) + 438_000, close))
    return made


def test_subjects_windows_and_steps() -> None:
    found = subjects_of(series(4000), 60 * 24, None)
    assert [s.name for s in found] == ["AAA", "BBB", "portfolio"]
    assert found[2].weights.tolist() == [0.5, 0.5] and found[2].returns.shape[1] == 2
    short = subjects_of(series(4000), 365 * 24, None)
    assert [s.window for s in short] == [60 * 24] * 2  # too short for a year: no portfolio
    with pytest.raises(InputError, match="hours or more"):
        subjects_of(series(2000), 365 * 24, None)
    done = []
    outcome = run_backtest(found, ["gbm"], [1, 24], 0, 1, done.append)
    assert sum(done) == steps_of(found, ["gbm"], [1, 24])
    rows = {(r["subject"], r["horizon_hours"], r["side"]) for r in outcome.records}
    assert len(rows) == len(outcome.records) == 2 * (2 + 2 + 1)
    for wrong in ((["levy"], [1]), (["gbm"], [5])):
        with pytest.raises(InputError):
            run_backtest(found, wrong[0], wrong[1], 0, 1)


def test_command_writes_tables_and_figures(tmp_path: Path) -> None:
    for candles in series(2 * 60 * 24 + 300):
        lines = ["time,open,high,low,close,volume"]
        for h, c in zip(candles.hour, candles.close, strict=True):
            moment = np.datetime64(int(h) - 1, "h")
            lines.append(f"{moment}:00:00Z,{c!r},{c!r},{c!r},{c!r},1".replace("np.float64", ""))
        text = "\n".join(lines).replace("(", "").replace(")", "")
        (tmp_path / f"{candles.asset}_1h.csv").write_text(text + "\n")
    out = tmp_path / "out"
    command = ["backtest", "--candles", str(tmp_path), "--out", str(out), "--window", "60d",
               "--models", "gbm,fhs", "--horizons", "1h,24h"]  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        done = CliRunner().invoke(app, command, catch_exceptions=False)
    assert done.exit_code == 0 and "portfolio" in done.stdout and "Kupiec" in done.stdout
    written = {p.name for p in out.iterdir()}
    figures = {f"backtest{k}.{s}" for k in ("", "_transforms", "_losses") for s in ("svg", "png")}
    assert written == {"backtest.json", "backtest.csv"} | figures
    stored = json.loads((out / "backtest.json").read_text())
    assert len(stored["records"]) == 2 * 2 * 5
    with pytest.raises(InputError, match="durations"):
        CliRunner().invoke(app, [*command, "--window", "soon"], catch_exceptions=False)


@pytest.mark.slow
def test_two_shipped_models_are_green_on_days_of_real_prices(shared: Path) -> None:
    """99 % one-day value at risk of BTC, ETH and SOL: filtered models and the bootstrap."""
    found = subjects_of(read_folder(shared / "data" / "prices", ["BTC", "ETH", "SOL"]), 8760, None)
    outcome = run_backtest(found[:3], ["student_t", "fhs", "bootstrap"], [24], 0, 2)
    zones = {(r["subject"], r["model"], r["side"]): r["zone"] for r in outcome.records}
    for asset in ("BTC", "ETH", "SOL"):
        for model in ("fhs", "bootstrap"):
            assert zones[asset, model, "long"] == "green"
    assert zones["BTC", "student_t", "long"] == "red"
