"""The shipped scenarios: each says where it comes from, builds on the default book, works."""

from functools import cache
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest
from ruamel.yaml import YAML

from stress.campaign import Plan, plan, scenario_key
from stress.config import load_campaign
from stress.market import Sample, sample_paths

FOLDER = Path(__file__).parents[1] / "configs" / "scenarios"
NAMES = sorted(p.stem for p in FOLDER.glob("*.yaml"))
PATHS = 64


@cache
def library() -> Plan:
    """Every shipped scenario over a week of the default book."""
    import tempfile

    document = {
        "name": "library", "venue": "hyperliquid/2026-08-19", "book": "books/default",
        "horizon": "7d", "step": "1h", "paths": PATHS,
        "scenarios": {n: f"scenarios/{n}" for n in NAMES},
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "library.yaml"
        YAML(typ="safe").dump(document, path)
        return plan(load_campaign(path))


@cache
def sampled(name: str) -> Sample:
    model, today = library().scenarios[name]
    numbers = jnp.arange(PATHS)
    return sample_paths(today, model, scenario_key(1, name), numbers, jnp.asarray(1.0))


def lowest(name: str) -> dict[str, float]:
    """Median over paths of the deepest simple return of each asset."""
    deep = np.asarray(sampled(name).logs).min(axis=1)
    return dict(zip(library().inputs.assets, np.expm1(np.median(deep, axis=0)), strict=True))


def used(name: str) -> np.ndarray:
    """Greatest utilization of every path."""
    sample = sampled(name)
    return np.asarray(sample.borrow / sample.supply)[:, :, 0].max(axis=1)


@pytest.mark.parametrize("name", NAMES)
def test_scenarios_say_what_they_are_and_where_from(name: str) -> None:
    spec = library().campaign.scenarios[name]
    assert len(spec.description) > 40 and len(spec.origin) > 40
    assert np.isfinite(np.asarray(sampled(name).logs)).all()


def test_what_the_issue_asks_for_is_there() -> None:
    wanted = {
        "crash_2020_03_12", "crash_2021_05_19", "terra_2022_05", "ftx_2022_11",
        "usdc_depeg_2023_03", "whale_2025_03_12", "stylised_2025_10_10", "stablecoin_run",
        "full_utilization_2020_08", "correlation_one", "oracle_outage", "hype_collapse",
        "slow_bleed", "severity_mild", "severity_adverse", "severity_severe", "severity_extreme",
    }  # fmt: skip
    assert wanted <= set(NAMES)


def test_the_severity_grid_rises() -> None:
    falls = [lowest(f"severity_{n}") for n in ("mild", "adverse", "severe", "extreme")]
    for asset in ("BTC", "ETH", "SOL"):
        depths = [f[asset] for f in falls]
        assert depths == sorted(depths, reverse=True) and depths[0] > 1.5 * depths[-1]


def test_events_reach_their_recorded_lows() -> None:
    assert lowest("crash_2020_03_12")["BTC"] == pytest.approx(-0.488, abs=0.05)
    assert lowest("ftx_2022_11")["SOL"] == pytest.approx(-0.627, abs=0.05)
    assert lowest("hype_collapse")["HYPE"] == pytest.approx(-0.48, abs=0.05)
    assert lowest("hype_collapse")["BTC"] > -0.12


def test_runs_use_the_reserve_up() -> None:
    assert (used("full_utilization_2020_08") > 1 - 1e-9).mean() > 0.9
    assert (used("stablecoin_run") > 1 - 1e-9).mean() > 0.9
    assert (used("calm") > 1 - 1e-9).mean() < 0.1
    rising = np.asarray(sampled("slow_bleed").borrow / sampled("slow_bleed").supply)[:, :, 0]
    assert np.median(rising[:, -1]) > 0.8 > np.median(rising[:, 48])


def test_correlation_one_moves_all_coins_alike() -> None:
    """In its window the returns of two coins over their volatilities differ by the drift alone."""
    moves = np.diff(np.asarray(sampled("correlation_one").logs), axis=1)[:, :, :2]
    window, outside = moves[:, 12:36].reshape(-1, 2), moves[:, 48:].reshape(-1, 2)
    assert np.corrcoef(window.T)[0, 1] > 0.9999 > 0.98 > np.corrcoef(outside.T)[0, 1]


def test_the_oracle_falls_silent_and_hedges_fail() -> None:
    outage, _ = library().scenarios["oracle_outage"]
    shown = np.asarray(outage.factors.shown)
    assert (shown[25] == 24).all() and (shown[26] == 26).all() and (shown[24] == 24).all()
    fails, _ = library().scenarios["hedges_fail"]
    basis = np.expm1(np.asarray(fails.factors.basis).min(axis=0))
    place = library().inputs.assets
    assert basis[place.index("HYPE")] == pytest.approx(-0.12)
    assert basis[place.index("BTC")] == pytest.approx(-0.06)


def test_a_weak_usdc_lifts_collateral_and_not_perpetuals() -> None:
    model, _ = library().scenarios["usdc_depeg_2023_03"]
    assert np.expm1(np.asarray(model.factors.peg).max()) == pytest.approx(0.14)
    assert (np.asarray(model.factors.basis) == 0).all()
