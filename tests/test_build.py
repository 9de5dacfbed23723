"""From a checked campaign to pytrees: figures in their places, faults with file and key."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign_cases import CRASH, small_campaign, small_plan
from ruamel.yaml import YAML

from stress.build import build_inputs, build_scenario
from stress.campaign import plan
from stress.files import config_dir
from stress.frozen import used_part
from stress.market import Scenario
from stress.quotes import Today
from stress.scenarios.gbm import Gbm
from stress.scenarios.student_t import StudentT

FITTED = YAML(typ="safe", pure=True).load(
    (config_dir() / "calibration" / "prices.yaml").read_text()
)
RUN, CRASHED = "scenarios.run", "scenarios.crash"


def built(folder: Path, name: str, *changes: tuple[str, Any]) -> tuple[Scenario, Today]:
    """One scenario of the small campaign with changes."""
    campaign = small_campaign(folder, *changes)
    inputs = build_inputs(used_part(campaign.book), campaign.venue, {}, campaign.file)
    return build_scenario(campaign, name, inputs)


def correlation(scenario: Scenario) -> np.ndarray:
    factor = np.asarray(scenario.process.factor)
    return factor @ factor.T


def test_assets_and_prices() -> None:
    inputs = small_plan().inputs
    assert inputs.assets == ("BTC", "HYPE")
    assert inputs.venue.markets == ("BTC", "HYPE") and inputs.venue.tokens == ("HYPE", "UBTC")
    assert inputs.today.market_asset == (0, 1) and inputs.today.token_asset == (1, 0)
    assert inputs.today.mark.tolist() == [78730.0, 84.0]
    assert inputs.today.collateral_price.tolist() == [84.1, 78730.0]


def test_given_figures() -> None:
    scenarios = small_plan().scenarios
    run, today = scenarios["run"]
    assert isinstance(run.process, Gbm)
    assert run.process.volatility.tolist() == [0.8, 1.5] and run.process.drift.tolist() == [0, 0]
    np.testing.assert_allclose(correlation(run), [[1, 0.5], [0.5, 1]])
    assert float(today.borrowed[0] / today.supplied[0]) == pytest.approx(0.6355641959)
    spike = run.pools[0].spike
    assert [float(spike.run_share), float(spike.run_start), float(spike.run_hours)] == [0.36, 2, 6]
    crash, today = scenarios["crash"]
    assert isinstance(crash.process, StudentT) and float(crash.process.degrees_of_freedom) == 4
    assert not crash.process.radius_per_path and crash.pools[0].model is None and crash.driver == -1
    np.testing.assert_allclose(correlation(crash), [[1, 0.9], [0.9, 1]])
    assert float(today.borrowed[0] / today.supplied[0]) == pytest.approx(0.64, rel=1e-15)


@pytest.mark.parametrize(
    ("regime", "matrix"), [("calm", "calm"), ("typical", "full"), ("stressed", "stressed")]
)
def test_fitted_figures(tmp_path: Path, regime: str, matrix: str) -> None:
    prices = {"process": "student_t", "calibration": "calibration/prices", "regime": regime}
    scenario, _ = built(tmp_path, "run", (f"{RUN}.prices", prices))
    assert isinstance(scenario.process, StudentT)
    want = [FITTED["volatility"][a][regime]["value"] for a in ("BTC", "HYPE")]
    assert scenario.process.volatility.tolist() == want
    rho = FITTED["correlation"]["common"][matrix]["value"][0][3]
    np.testing.assert_allclose(correlation(scenario), [[1, rho], [rho, 1]], rtol=1e-14)
    degrees = FITTED["student_t"]["common"]["degrees_of_freedom"]["value"]
    assert float(scenario.process.degrees_of_freedom) == degrees


def test_what_is_given_goes_before_what_is_fitted(tmp_path: Path) -> None:
    prices = {
        "process": "student_t",
        "calibration": "calibration/prices",
        "volatility": {"HYPE": 2.5},
        "degrees_of_freedom": 7,
        "radius": "path",
        "correlation_towards": {"level": 0.9, "weight": 0.25},
    }
    scenario, _ = built(tmp_path, "run", (f"{RUN}.prices", prices))
    assert isinstance(scenario.process, StudentT) and scenario.process.radius_per_path
    btc = FITTED["volatility"]["BTC"]["typical"]["value"]
    assert scenario.process.volatility.tolist() == [btc, 2.5]
    rho = 0.75 * FITTED["correlation"]["common"]["full"]["value"][0][3] + 0.25 * 0.9
    np.testing.assert_allclose(correlation(scenario), [[1, rho], [rho, 1]], rtol=1e-14)


def test_one_reserve_level_starts_there_and_stays_there(tmp_path: Path) -> None:
    for entry in (0.7, {"initial": 0.7}):
        scenario, today = built(tmp_path, "run", (f"{RUN}.utilization.USDC", entry))
        model = scenario.pools[0].model
        assert model is not None and float(model.long_run_utilization) == 0.7
        assert float(today.borrowed[0] / today.supplied[0]) == pytest.approx(0.7)
    both = {"initial": 0.7, "long_run": 0.6}
    scenario, _ = built(tmp_path, "run", (f"{RUN}.utilization.USDC", both))
    model = scenario.pools[0].model
    assert model is not None and float(model.long_run_utilization) == 0.6


def test_an_empty_reserve_is_unused(tmp_path: Path) -> None:
    empty = {"supplied": 0.0, "borrowed": 0.0}
    for name in ("run", "crash"):
        utilization = (f"scenarios.{name}.utilization", {"process": "jumps"})
        overlays = (f"scenarios.{name}.overlays", [])
        scenario, today = built(
            tmp_path, name, ("book.reserves.USDC", empty), utilization, overlays
        )
        assert scenario.pools[0].model is None and float(today.borrowed[0]) == 0.0


def test_reserves_of_the_venue_where_the_book_has_none(tmp_path: Path) -> None:
    _, today = built(tmp_path, "run", ("book.reserves", {}))
    assert float(today.supplied[0]) == 416268254.15 and float(today.borrowed[0]) == 264565198.26


def test_crashes_add_up_in_any_order(tmp_path: Path) -> None:
    one, other = CRASH, {"crash": {"size": {"HYPE": -0.1}, "at": "5h", "over": "1h"}}
    sums = [
        np.asarray(built(tmp_path, "crash", (f"{CRASHED}.overlays", order))[0].overlay)
        for order in ([one, other], [other, one], [one], [other])
    ]
    np.testing.assert_allclose(sums[0], sums[1], rtol=1e-15)
    np.testing.assert_allclose(sums[0], sums[2] + sums[3], rtol=1e-15)
    assert (sums[3][:, 0] == 0).all() and sums[3][-1, 1] == pytest.approx(np.log(0.9))


def test_a_crash_of_named_assets(tmp_path: Path) -> None:
    for asset, columns in (
        ("HYPE", [1]),
        (["BTC"], [0]),
        (["BTC", "HYPE"], [0, 1]),
        ("all", [0, 1]),
    ):
        overlay = {"crash": {"asset": asset, "size": -0.3}}
        path = np.asarray(built(tmp_path, "crash", (f"{CRASHED}.overlays", [overlay]))[0].overlay)
        fallen = np.flatnonzero(path[-1])
        assert fallen.tolist() == columns
        np.testing.assert_allclose(path[1:, columns], np.log(0.7), rtol=1e-12)


def test_scenarios_may_name_assets_that_the_book_does_not_hold(tmp_path: Path) -> None:
    size = {"BTC": -0.2, "ETH": -0.3}
    changes = (
        (f"{RUN}.overlays", [{"crash": {"size": size}}]),
        (f"{RUN}.prices.drift", {"SOL": 1.0}),
    )
    scenario, _ = built(tmp_path, "run", *changes)
    assert scenario.overlay[-1].tolist() == [pytest.approx(np.log(0.8)), 0.0]
    assert scenario.process.drift.tolist() == [0, 0]


def test_settlement_of_a_market_nobody_holds(tmp_path: Path) -> None:
    changes = ("book.settle", {"xyz:TSLA": "USDT0"}), ("book.prices.USDT0", 1.0)
    campaign = small_campaign(tmp_path, *changes)
    assert plan(campaign).inputs.venue.markets == ("BTC", "HYPE")


def test_an_assumption_of_the_campaign_changes_the_rules(tmp_path: Path) -> None:
    offsets = []
    for value in ("floor", "none"):
        campaign = small_campaign(tmp_path, ("assumptions", {"min_borrow_offset": value}))
        offsets.append(float(plan(campaign).inputs.venue.assumptions.borrow_offset_floor))
    assert offsets == [20.0, 0.0]
