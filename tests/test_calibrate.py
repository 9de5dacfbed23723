"""Candle checks, estimators on made-up data, and the shipped figures against the shared data."""

import datetime
import functools
import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from ruamel.yaml import YAML

from stress import calibrate_pools as pools
from stress import calibrate_prices as prices
from stress.calibrate import calibrate
from stress.calibrate_events import EVENTS as EVENT_TURNS
from stress.calibrate_jumps import fit_tail
from stress.calibrate_price_figures import returns_on_one_clock
from stress.calibrate_record import Estimate
from stress.calibrate_utilization import Settings, fit_utilization
from stress.candles import Candles, read_candles
from stress.errors import InputError
from stress.utilization import NORMALS_PER_STEP, pool_path
from stress.utilization_model import jump_size, utilization_model

FOLDER = Path(__file__).parents[1] / "configs" / "calibration"
PRICES: Any
POOLS: Any
EVENTS: Any
PRICES, POOLS, EVENTS = (
    YAML(typ="safe").load((FOLDER / f"{n}.yaml").read_text())
    for n in ("prices", "utilization", "events")
)
HEADER = "time,open,high,low,close,volume\n"


def spread(estimate: Estimate) -> float:
    assert estimate.standard_error is not None
    return estimate.standard_error


def candle_lines(hours):
    first = datetime.datetime(2024, 1, 1)
    return [f"{first + datetime.timedelta(hours=h):%Y-%m-%dT%H:%M:%SZ},1,2,1,1.5,10" for h in hours]


def write(path, lines, header=HEADER):
    path.write_text(header + "\n".join(lines) + "\n")
    return path


def test_reads_candles_compressed_or_not(tmp_path):
    lines = candle_lines(range(5))
    plain = read_candles(write(tmp_path / "BTC_1h.csv", lines))
    packed = tmp_path / "BTC_1h.csv.gz"
    packed.write_bytes(gzip.compress((HEADER + "\n".join(lines)).encode()))
    again = read_candles(packed)
    assert plain.asset == again.asset == "BTC"
    assert np.array_equal(plain.hour, again.hour) and np.array_equal(plain.close, again.close)
    assert np.datetime64(int(plain.hour[0]), "h") == np.datetime64("2024-01-01T01")  # bar's end


def _spoil(lines, row, old, new):
    lines[row] = lines[row].replace(old, new)
    return lines


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        (candle_lines([0, 1, 3]), "row 4, time", "a gap of 1 h after row 3"),
        (candle_lines([0, 1, 1]), "row 4, time", "a duplicate of row 3"),
        (candle_lines([0, 2, 1]), "row 3, time", "a gap"),
        (candle_lines([5, 6, 4]), "row 4, time", "earlier than row 3"),
        (_spoil(candle_lines([0, 1, 2]), 1, "1.5", "0"), "row 3, close", "'0'"),
        (_spoil(candle_lines([0, 1, 2]), 2, "1.5", "-1"), "row 4, close", "'-1'"),
        (_spoil(candle_lines([0, 1, 2]), 2, "1.5", "nan"), "row 4, close", "'nan'"),
        (_spoil(candle_lines([0, 1, 2]), 2, "1.5", "x"), "row 4, close", "'x'"),
        (_spoil(candle_lines([0, 1, 2]), 1, "Z", "+02:00"), "row 3, time", "+02:00"),
        (_spoil(candle_lines([0, 1, 2]), 1, "Z", ""), "row 3, time", "2024-01-01T01:00:00"),
        (_spoil(candle_lines([0, 1, 2]), 1, ":00:00Z", ":30:00Z"), "row 3, time", ":30:00Z"),
        (_spoil(candle_lines([0, 1, 2]), 1, "2024", "soon"), "row 3, time", "soon"),
        (_spoil(candle_lines([0, 1, 2]), 1, ",10", ""), "row 3", "5 fields"),
        (candle_lines([0]), "", "1 candles"),
    ],
)
def test_bad_candles_name_the_row(tmp_path, lines, key, words):
    with pytest.raises(InputError) as caught:
        read_candles(write(tmp_path / "SOL_1h.csv", lines))
    assert caught.value.key == key and words in caught.value.found


def closes(path, values):
    """A file of candles with these closes, each bar from the close before."""
    first = datetime.datetime(2024, 1, 1)
    lines = []
    for h, (a, b) in enumerate(zip([values[0], *values[:-1]], values, strict=True)):
        when = f"{first + datetime.timedelta(hours=h):%Y-%m-%dT%H:%M:%SZ}"
        lines.append(
            f"{when},{float(a)!r},{float(max(a, b))!r},{float(min(a, b))!r},{float(b)!r},1"
        )
    return write(path, lines)


def test_prints_that_no_market_made_are_refused(tmp_path):
    """One spike in calm hours; a shifted decimal; a bar that does not fit. A crash is none."""
    rng = np.random.default_rng(0)
    calm = 100 * np.exp(np.cumsum(0.003 * rng.standard_normal(400)))
    read_candles(closes(tmp_path / "A_1h.csv", calm))
    crash = calm.copy()
    crash[200:] *= 0.7  # stays
    read_candles(closes(tmp_path / "A_1h.csv", crash))
    spike = calm.copy()
    spike[200] *= 0.8
    with pytest.raises(InputError, match="a spike") as caught:
        read_candles(closes(tmp_path / "A_1h.csv", spike))
    assert caught.value.key == "row 202, close"
    wild = 100 * np.exp(np.cumsum(0.02 * rng.standard_normal(400)))
    wild[200] *= 0.8  # in wild hours it may be a trade
    read_candles(closes(tmp_path / "A_1h.csv", wild))
    shifted = calm.copy()
    shifted[300:] *= 10
    with pytest.raises(InputError, match="factor of 5") as caught:
        read_candles(closes(tmp_path / "A_1h.csv", shifted))
    assert caught.value.key == "row 302, close"
    with pytest.raises(InputError, match="low <= open"):
        read_candles(write(tmp_path / "A_1h.csv", ["2024-01-01T00:00:00Z,5,4,3,4,1"] * 2))


def test_parquet_and_recorded_answers_hold_the_same_candles(tmp_path):
    import json

    import pandas as pd

    values = [100.0, 101.0, 99.5, 102.0]
    plain = read_candles(closes(tmp_path / "X_1h.csv", values))
    table = pd.read_csv(tmp_path / "X_1h.csv")
    table.to_parquet(tmp_path / "Y_1h.parquet")
    table.assign(time=pd.to_datetime(table["time"])).to_parquet(tmp_path / "Z_1h.parquet")
    answer: list[dict[str, Any]] = []
    for row in table.to_dict("records"):
        moment = datetime.datetime.fromisoformat(row["time"])
        letters = {k[0]: str(row[k]) for k in ("open", "high", "low", "close")}
        when = {"t": int(moment.timestamp() * 1000), "T": 0, "s": "X", "i": "1h"}
        answer.append(when | letters | {"v": "1", "n": 1})
    (tmp_path / "W_1h.json").write_text(json.dumps(answer))
    for name in ("Y_1h.parquet", "Z_1h.parquet", "W_1h.json"):
        again = read_candles(tmp_path / name)
        np.testing.assert_array_equal(again.hour, plain.hour)
        np.testing.assert_allclose(again.close, plain.close, rtol=1e-12)
    answer[2]["i"] = "4h"
    (tmp_path / "W_1h.json").write_text(json.dumps(answer))
    with pytest.raises(InputError, match="row 3, i"):
        read_candles(tmp_path / "W_1h.json")
    (tmp_path / "V_1h.json").write_text("{}")
    with pytest.raises(InputError, match="list of candles"):
        read_candles(tmp_path / "V_1h.json")
    table.drop(columns="low").to_parquet(tmp_path / "U_1h.parquet")
    with pytest.raises(InputError, match="no low"):
        read_candles(tmp_path / "U_1h.parquet")


def test_scenario_files_tell_the_figures_of_their_events(shared):
    """The recorded course of an event, by hand; a wrong hour differs."""
    candles = read_candles(shared / "data/prices/BTC_1h.csv.gz")
    event = EVENTS["events"]["crash_2020_03_12"]
    start = int(np.datetime64("2020-03-12T00:00", "h").astype(int))
    place = {int(h): c for h, c in zip(candles.hour, candles.close, strict=True)}
    exact = [place[start + h] / place[start] - 1 for h in event["hours"]]
    np.testing.assert_allclose(event["level"]["BTC"], exact, atol=1e-5)
    late = [place[start + h + 1] / place[start + 1] - 1 for h in event["hours"]]
    assert np.abs(np.array(late) - exact).max() > 0.01


recorded_candles = functools.cache(read_candles)


def best_turns(paths: np.ndarray, count: int) -> list[int]:
    """Points that cut paths [n + 1, A] into straight pieces with the least squared error."""
    last = len(paths) - 1

    def cost(i, j):
        share = np.linspace(0, 1, j - i + 1)[:, None]
        return float(((paths[i : j + 1] - paths[i] - share * (paths[j] - paths[i])) ** 2).sum())

    costs = {(i, j): cost(i, j) for i in range(last) for j in range(i + 1, last + 1)}
    best = {0: (0.0, [0])}
    for _ in range(count):
        following: dict[int, tuple[float, list[int]]] = {}
        for i, (value, turns) in best.items():
            for j in range(i + 1, last + 1):
                found = value + costs[i, j]
                if j not in following or found < following[j][0]:
                    following[j] = (found, [*turns, j])
        best = following
    return best[last][1][1:]


@pytest.mark.parametrize("name", list(EVENT_TURNS))
def test_turning_points_are_the_best_ones(shared, name):
    """Of all choices of as many; assets that traded."""
    start, turns = EVENT_TURNS[name]
    hour = int(np.datetime64(start, "h").astype(int))
    columns = []
    for asset in ("BTC", "ETH", "SOL", "HYPE"):
        candles = recorded_candles(shared / f"data/prices/{asset}_1h.csv.gz")
        if candles.hour[0] <= hour:
            first = hour - int(candles.hour[0])
            columns.append(np.log(candles.close[first : first + turns[-1] + 1]))
    assert best_turns(np.array(columns).T, len(turns)) == list(turns)


def test_unusable_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="row 1"):
        read_candles(write(tmp_path / "a.csv", [], header="a,b\n"))
    (tmp_path / "b.csv.gz").write_bytes(b"no archive")
    for name in ("b.csv.gz", "absent.csv"):
        with pytest.raises(InputError, match="unreadable"):
            read_candles(tmp_path / name)
    for assets, words in ((None, "no <COIN>_1h"), (["BTC"], "no BTC_1h")):
        with pytest.raises(InputError, match=words):
            calibrate(tmp_path, tmp_path / "none.csv", tmp_path / "out", assets=assets)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("2021-01-01T01:00:00Z,p,100,101,1,0", "borrowed"),
        ("2021-01-01T01:00:00Z,p,100,-1,1,0", "borrowed"),
        ("2021-01-01T01:00:00Z,p,x,1,1,0", "x, 1"),
        ("2021-01-01T00:00:00Z,p,100,1,1,0", "T00:00"),
        ("2021-01-01T01:00:00,p,100,1,1,0", "T01:00"),
    ],
)
def test_bad_pool_rows_are_named(tmp_path, line, words):
    path = tmp_path / "pools.csv"
    path.write_text(
        ",".join(pools.COLUMNS) + "\n2021-01-01T00:00:00Z,p,100,50,0.5,0\n" + line + "\n"
    )
    with pytest.raises(InputError) as caught:
        pools.read_pools(path)
    assert "row 3" in caught.value.key and words in caught.value.found


def test_pools_are_summed_where_both_were_seen():
    first = pools.Reserve(np.array([0.0, 1, 2]), np.array([10.0, 20, 30]), np.array([5.0, 5, 5]))
    second = pools.Reserve(np.array([0.1, 1.5, 2.2]), np.ones(3), np.zeros(3))
    total = pools.sum_of_pools(first, second)
    assert np.array_equal(total.hour, [0.1, 2.2])
    assert np.array_equal(total.supplied, [11.0, 31.0]) and np.array_equal(
        total.borrowed, [5.0, 5.0]
    )


def t_returns(n, nu, correlation, seed):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, len(correlation))) @ np.linalg.cholesky(correlation).T
    return 0.01 * z * np.sqrt(nu / rng.chisquare(nu, n))[:, None]


def test_student_t_recovers_degrees_of_freedom():
    correlation = np.array([[1, 0.8, 0.5], [0.8, 1, 0.6], [0.5, 0.6, 1]])
    nu, scatter = prices.student_t_fit(t_returns(6000, 4.0, correlation, 3))
    assert abs(nu.value - 4) < 4 * spread(nu) < 1
    scale = np.sqrt(np.diag(scatter))
    assert np.abs(scatter / np.outer(scale, scale) - correlation).max() < 4 * 0.02
    assert abs(nu.value - 6) > 4 * spread(nu)  # has power
    repeats = [prices.student_t_fit(t_returns(1500, 4.0, correlation, s))[0] for s in range(20)]
    scatter_of_repeats = np.std([r.value for r in repeats], ddof=1)
    assert 0.5 < scatter_of_repeats / np.mean([spread(r) for r in repeats]) < 1.6


def test_correlation_is_positive_definite_and_shrinks_when_data_are_few():
    rng = np.random.default_rng(0)
    few, weight = prices.shrunk_correlation(rng.standard_normal((6, 10)))
    assert np.linalg.eigvalsh(few).min() > 0 and 0.1 < weight <= 1
    correlation = np.array([[1, 0.7], [0.7, 1]])
    returns = rng.standard_normal((20000, 2)) @ np.linalg.cholesky(correlation).T
    many, weight = prices.shrunk_correlation(returns)
    week = np.arange(len(returns)) // 168
    error = prices.jackknife_error(lambda x: prices.shrunk_correlation(x)[0], returns, week)
    assert weight < 0.001 and np.array_equal(np.diag(error), [0.0, 0.0])
    assert abs(many[0, 1] - 0.7) < 4 * error[0, 1]
    assert error[0, 1] == pytest.approx((1 - 0.49) / np.sqrt(20000), rel=0.4)


def test_volatility_and_beta():
    rng = np.random.default_rng(1)
    factor = 0.01 * rng.standard_normal(168 * 60)
    overall = prices.overall_volatility(factor)
    assert abs(overall.value - 0.01 * np.sqrt(8760)) < 4 * spread(overall) < 0.1
    rolling = prices.rolling_volatility(factor)
    assert np.isnan(rolling[166]) and rolling[-1] == pytest.approx(
        np.sqrt(np.mean(factor[-168:] ** 2) * 8760)
    )
    middle = prices.volatility_quantile(factor, 0.5)
    assert abs(middle.value - 0.01 * np.sqrt(8760)) < 4 * spread(middle)
    dependent = 1.5 * factor + 0.02 * rng.standard_normal(len(factor))
    slope = prices.beta(dependent, factor, np.arange(len(factor)) // 168)
    assert abs(slope.value - 1.5) < 4 * spread(slope) < 1


def test_deepest_falls_do_not_overlap():
    score = np.array([0.0, -5, -6, 0, 0, -3, np.nan, -1])
    assert prices.deepest(score, 3, 3) == [2, 5]


def test_listing_week_is_left_out():
    hour = np.arange(400)
    rng = np.random.default_rng(0)
    old = Candles("OLD", hour, np.exp(rng.standard_normal(400)))
    new = Candles("NEW", hour[100:], np.exp(rng.standard_normal(300)))
    clock, returns = returns_on_one_clock([old, new])
    assert clock[0] == 1 and np.isfinite(returns[:, 0]).all()
    assert clock[np.isfinite(returns[:, 1])][0] == 100 + 168 + 1


def sample_jumps(uniform, tail_exponent, most):
    law = (jnp.asarray(x) for x in (uniform, tail_exponent, 0.005, most))
    return np.asarray(jax.vmap(jump_size, in_axes=(0, None, None, 0))(*law))


def test_tail_exponent_is_recovered_under_varying_bounds():
    rng = np.random.default_rng(5)
    most = rng.uniform(0.01, 0.3, 3000)
    sizes = sample_jumps(rng.uniform(size=3000), 1.2, most)
    fit, seen = fit_tail(sizes, 0.005, most, 0.0)
    assert abs(fit.value - 1.2) < 4 * spread(fit) < 0.4 and seen == pytest.approx(1)
    ignoring, _ = fit_tail(sizes, 0.005, np.full(3000, 0.3), 0.0)
    assert abs(ignoring.value - 1.2) > 4 * spread(ignoring)  # has power


def test_tail_exponent_is_recovered_through_noise():
    rng = np.random.default_rng(6)
    count, noise = 20000, 0.0015
    sizes = sample_jumps(rng.uniform(size=count), 0.9, np.full(count, 0.24))
    visible = sizes + noise * rng.standard_normal(count)
    visible = visible[visible > 0.005]
    most = np.full(len(visible), 0.24)
    fit, seen = fit_tail(visible, 0.005, most, noise)
    assert abs(fit.value - 0.9) < 4 * spread(fit) < 0.1
    assert abs(seen - len(visible) / count) < 4 * np.sqrt(seen * (1 - seen) / count)
    blind, _ = fit_tail(visible, 0.005, most, 0.0)
    assert abs(blind.value - 0.9) > 4 * spread(blind)  # has power


TRUTH = {
    **POOLS["parameters"],
    "utilization_reversion": 0.004,
    "kink_reversion": 0.01,
    "supply_share": 0.4,
    "level_reversion": 0.003,
    "supply_volatility": 4e-4,  # small, and no jump near the threshold: they can be told apart
    "borrow_volatility": 4e-4,
    "jump_minimum": 0.008,
    "correlation": 0.3,
}


FIT = Settings(threshold=0.0055, jump_minimum=0.008)


def simulated_transitions(truth, steps=8000, seed=6):
    """One long record of the process, with the market that drove it."""
    rng = np.random.default_rng(seed)
    market = 0.01 * np.exp(0.5 * np.sin(np.arange(steps) / 200)) * rng.standard_normal(steps)
    model = utilization_model(truth, long_run_utilization=0.85, kink_utilization=0.9)
    z = rng.standard_normal((steps, NORMALS_PER_STEP))
    path = jax.jit(pool_path)(model, z, market, 1.0, 0.85)
    hour = np.arange(steps + 1.0)
    supplied = 4.2e8 * np.exp(np.asarray(path.log_supply))
    borrowed = 4.2e8 * 0.85 * np.exp(np.asarray(path.log_borrow))
    close = np.exp(np.concatenate([[0.0], np.cumsum(market)]))
    reserve = pools.Reserve(hour, supplied, np.minimum(borrowed, supplied))
    return pools.transitions(reserve, Candles("ETH", hour.astype(np.int64), close), FIT)


def scores(fit, truth):
    """(estimate - truth) / standard error of everything that is estimated."""
    result = {}
    for name, estimate in fit.items():
        entries = estimate if isinstance(estimate, dict) else {"": estimate}
        for key, e in entries.items():
            if e.standard_error is None or key in ("size", "usual_intensity"):
                continue
            true = truth[name][key] if key else truth[name]
            true = true["value"] if isinstance(true, dict) else true
            result[f"{name} {key}".strip()] = (e.value - true) / e.standard_error
    return result


def test_simulate_then_fit_recovers_utilization_parameters():
    fit, level = fit_utilization(simulated_transitions(TRUTH), FIT)
    found = scores(fit, TRUTH)
    assert abs(level.value - 0.85) < 3 * spread(level) < 0.15
    assert len(found) == 49
    assert max(map(abs, found.values())) < 3, found
    assert np.mean(np.square(list(found.values()))) < 1.6
    wrong = TRUTH | {"supply_out": TRUTH["supply_out"] | {"intensity": 0.04}, "kink_reversion": 0.0}
    missed = scores(fit, wrong)
    assert abs(missed["supply_out intensity"]) > 3 and abs(missed["kink_reversion"]) > 3


def test_shipped_figures_have_provenance():
    for content in (PRICES, POOLS, EVENTS):
        assert {"source", "as_of", "command"} <= set(content)
        assert content["as_of"] == "2026-11-25"
    for section in ("t_copula", "merton", "kou", "hawkes", "garch", "regime", "bootstrap"):
        assert PRICES[section]["method"]
        for part in PRICES[section].values():
            if isinstance(part, dict) and section != "bootstrap":
                assert part["n"] > 90  # events of HYPE; hours of all others
    for group in PRICES["correlation"].values():
        for state in ("full", "calm", "stressed") if isinstance(group, dict) else ():
            matrix = np.array(group[state]["value"])
            assert np.allclose(matrix, matrix.T) and np.linalg.eigvalsh(matrix).min() > 0.05
    for name in ("BTC", "ETH", "SOL", "HYPE"):
        v = PRICES["volatility"][name]
        assert v["calm"]["value"] < v["typical"]["value"] < v["stressed"]["value"]


def _record(shared):
    recorded = pools.read_pools(shared / "data/utilization/usdc_pools_1h.csv.gz")
    reserve = pools.sum_of_pools(recorded["aave_v1"], recorded["aave_v2"])
    return reserve, read_candles(shared / "data/prices/ETH_1h.csv.gz")


def test_simulated_utilization_matches_the_record(shared):
    """Mean, p95, p99, p99.9 and the rises within 3 block-bootstrap standard errors."""
    reserve, ether = _record(shared)
    real, error = pools.real_moments(reserve)
    levels = tuple(
        POOLS["fitted_levels"][n]["value"] for n in ("long_run_utilization", "kink_utilization")
    )

    def distance(parameters):
        u = pools.simulate_record(parameters, levels, reserve, ether, paths=32)
        found = pools.moments(u, np.diff(u, axis=1))
        return np.abs(found - real)[:6] / error[:6]

    assert distance(POOLS["parameters"]).max() < 3
    tripled = {
        k: v | {n: 3 * v[n]["value"] for n in ("intensity", "usual_intensity")}
        if "intensity" in v
        else v
        for k, v in POOLS["parameters"].items()
    }
    assert distance(tripled).max() > 3  # has power


def test_shipped_prices_come_from_the_shared_data(shared):
    ether = read_candles(shared / "data/prices/ETH_1h.csv.gz")
    found = prices.overall_volatility(np.diff(np.log(ether.close)))
    assert found.value == pytest.approx(PRICES["volatility"]["ETH"]["overall"]["value"], rel=1e-4)
    ether = replace(ether, close=ether.close**1.01)
    wrong = prices.overall_volatility(np.diff(np.log(ether.close)))
    assert wrong.value != pytest.approx(found.value, rel=1e-3)


def _close(a, b):
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_close(a[k], b[k]) for k in a)
    if isinstance(a, list):
        return len(a) == len(b) and all(map(_close, a, b))
    return a == pytest.approx(b, rel=2e-3, abs=1e-6) if isinstance(a, float) else a == b


def test_a_scenario_file_with_its_calibration_beside_it(tmp_path, monkeypatch):
    """`--out FILE.yaml`: the scenario there, its figures beside it; a folder holds them by name."""
    rng = np.random.default_rng(3)
    closes(tmp_path / "AAA_1h.csv", 100 * np.exp(np.cumsum(0.005 * rng.standard_normal(2300))))
    for name in ("calibrate_prices", "calibrate_processes"):
        table = {"fit_tests": {}} if name == "calibrate_processes" else {"volatility": {}}
        monkeypatch.setattr(f"stress.calibrate.{name}", lambda *_, t=table: t)
    calibrate(tmp_path, None, tmp_path / "fit" / "mine.yaml")
    calibrate(tmp_path, None, tmp_path / "folder")
    written = {p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.yaml")}
    assert written == {
        "fit/mine.yaml", "fit/mine_prices.yaml", "folder/scenario.yaml", "folder/prices.yaml",
    }  # fmt: skip
    for name, figures in (("fit/mine", "mine_prices.yaml"), ("folder/scenario", "prices.yaml")):
        made = YAML(typ="safe").load((tmp_path / f"{name}.yaml").read_text())
        assert made["prices"]["calibration"] == figures


@pytest.mark.slow
def test_shipped_figures_are_regenerated(shared, tmp_path):
    date = datetime.date(2026, 11, 25)
    table = calibrate(
        shared / "data/prices",
        shared / "data/utilization/usdc_pools_1h.csv.gz",
        tmp_path,
        as_of=date,
    )
    assert "rise p99.9" in table
    yaml = YAML(typ="safe")
    for name, content in (("prices", PRICES), ("utilization", POOLS), ("events", EVENTS)):
        again = yaml.load((tmp_path / f"{name}.yaml").read_text())
        assert _close(again, content)
        again["as_of"] = "2020-01-01"
        assert not _close(again, content)
