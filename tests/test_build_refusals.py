"""What cannot be built is refused with the file, the key, what was found and what is allowed."""

from pathlib import Path
from typing import Any

import pytest
from campaign_cases import BOOK, change, position, small_campaign, write
from ruamel.yaml import YAML

from stress.campaign import plan
from stress.errors import InputError
from stress.files import config_dir

RUN = "scenarios.run"
RUNS = [{"lender_run": {"share": 0.2, "at": "2h", "over": "3h"}}] * 2


def fitted(name: str) -> dict[str, Any]:
    """A shipped calibration file."""
    text = (config_dir() / "calibration" / f"{name}.yaml").read_text()
    return YAML(typ="safe", pure=True).load(text)


def third_asset() -> list[tuple[str, Any]]:
    """Changes that add an account with a third asset."""
    eth = position("ETH", 1.0, 2700.0)
    accounts = [*BOOK["accounts"], {"id": "e", "mode": "cross", "positions": [eth]}]
    return [("book.accounts", accounts), ("book.prices.ETH", 2700.0)]


REFUSALS = [
    ([(f"{RUN}.prices.volatility", {"BTC": 1.0})], "prices.volatility", "HYPE"),
    ([(f"{RUN}.prices.volatility.HPYE", 1.0)], "prices.volatility", "'HPYE'"),
    ([(f"{RUN}.prices.drift", {"HPYE": 1.0})], "prices.drift", "'HPYE'"),
    ([(f"{RUN}.prices.correlation", 1.0)], "prices.correlation", "eigenvalue"),
    ([(f"{RUN}.prices.correlation", None)], "prices.correlation", "nothing"),
    (
        [
            (
                f"{RUN}.prices.correlation",
                {"assets": ["BTC", "HYPE"], "matrix": [[1, 0.5], [0.4, 1]]},
            )
        ],
        "prices.correlation.matrix",
        "symmetric",
    ),
    (
        [(f"{RUN}.prices.correlation", {"assets": ["BTC", "HYPE"], "matrix": [[1, 0.5], [0.5]]})],
        "prices.correlation.matrix",
        "unequal",
    ),
    (
        [(f"{RUN}.prices.correlation", {"assets": ["BTC"], "matrix": [[1, 0.5], [0.5, 1]]})],
        "prices.correlation.matrix",
        "shape (2, 2)",
    ),
    (
        [(f"{RUN}.prices.correlation", {"assets": ["HPYE"], "matrix": [[1]]})],
        "prices.correlation.assets",
        "'HPYE'",
    ),
    ([(f"{RUN}.prices.process", "student_t")], "prices.degrees_of_freedom", "nothing"),
    ([(f"{RUN}.utilization.EURC", 0.5)], "utilization.EURC", "'EURC'"),
    ([(f"{RUN}.overlays", RUNS)], "overlays[1].lender_run", "second"),
    (
        [(f"{RUN}.overlays", [{"borrower_surge": {"token": "EURC", "share": 0.1}}])],
        "overlays[0].borrower_surge.token",
        "'EURC'",
    ),
    (
        [(f"{RUN}.overlays", [{"crash": {"asset": "BTX", "size": -0.1}}])],
        "overlays[0].crash.asset",
        "BTX",
    ),
    ([(f"{RUN}.overlays", [{"crash": {"size": {"BTX": -0.1}}}])], "overlays[0].crash.size", "BTX"),
    ([(f"{RUN}.overlays", [{"crash": {"size": {"ETH": -0.1}}}])], "overlays[0].crash.size", "ETH"),
]


def refusal(folder: Path, *changes: tuple[str, Any]) -> InputError:
    with pytest.raises(InputError) as refused:
        plan(small_campaign(folder, *changes))
    assert "\n" not in str(refused.value)
    return refused.value


@pytest.mark.parametrize(("changes", "key", "found"), REFUSALS)
def test_refusals(tmp_path: Path, changes: list[tuple[str, Any]], key: str, found: str) -> None:
    error = refusal(tmp_path, *changes)
    assert (error.file, error.key) == (str(tmp_path / "campaign.yaml"), f"{RUN}.{key}")
    assert found in error.found


def test_a_scenario_of_its_own_file_is_named_by_it(tmp_path: Path) -> None:
    for changes, key, _ in REFUSALS[::5]:
        content = small_campaign(tmp_path, *changes).scenarios["run"]
        write(tmp_path, content.model_dump(mode="json", exclude_defaults=True), "run.yaml")
        error = refusal(tmp_path, (RUN, "run.yaml"))
        assert (error.file, error.key) == (str(tmp_path / "run.yaml"), key)


def test_refusals_of_the_whole_campaign(tmp_path: Path) -> None:
    over = {"supplied": 5.0, "borrowed": 10.0}
    lender = [BOOK["accounts"][-1]]
    for changes, key in [
        ([("book.reserves.USDC", over)], "book.reserves.USDC.borrowed"),
        ([("book.accounts", lender)], "book"),
        ([("assumptions", {"nope": True})], "assumptions.nope"),
        ([("assumptions", {"min_borrow_offset": "some"})], "assumptions.min_borrow_offset"),
        ([(f"{RUN}.prices.volatility.ETH", 1), *third_asset()],
         "scenarios.crash.prices.correlation"),
        ([(f"{RUN}.prices.volatility.ETH", 1), (f"{RUN}.prices.correlation", -0.9),
          ("scenarios.crash.prices.correlation.default", 0.5), *third_asset()],
         "scenarios.run.prices.correlation"),
    ]:  # fmt: skip
        with pytest.raises(InputError) as refused:
            plan(small_campaign(tmp_path, *changes))
        assert (refused.value.file, refused.value.key) == (str(tmp_path / "campaign.yaml"), key)


CALIBRATIONS = [
    ("volatility.HYPE.calm", ..., "volatility.HYPE.calm", "nothing"),
    ("volatility.HYPE.calm.value", "high", "volatility.HYPE.calm.value", "'high'"),
    ("volatility.HYPE.calm.value", -1.0, "volatility.HYPE.calm", "-1"),
    ("volatility", 3, "volatility", "3"),
    ("correlation", ..., "correlation", "nothing"),
    ("correlation.common.calm", ..., "correlation.common.calm", "nothing"),
    ("student_t.common", ..., "student_t.common", "nothing"),
    (
        "student_t.common.degrees_of_freedom.value",
        1.5,
        "student_t.common.degrees_of_freedom",
        "1.5",
    ),
]


@pytest.mark.parametrize(("path", "value", "key", "found"), CALIBRATIONS)
def test_faults_of_a_calibration_name_it(
    tmp_path: Path, path: str, value: Any, key: str, found: str
) -> None:
    file = write(tmp_path, change(fitted("prices"), path, value), "fit.yaml")
    prices = {"process": "student_t", "calibration": "fit.yaml", "regime": "calm"}
    with pytest.raises(InputError) as refused:
        plan(small_campaign(tmp_path, (f"{RUN}.prices", prices)))
    assert (refused.value.file, refused.value.key) == (str(file), key)
    assert found in refused.value.found


@pytest.mark.parametrize(
    ("path", "value", "key"),
    [
        ("market_driver", ..., "market_driver"),
        ("parameters", ..., "parameters"),
        ("parameters", 5, "parameters"),
        ("parameters.supply_in", ..., "parameters"),
        ("parameters.supply_in.size", ..., "parameters"),
        ("parameters.correlation.value", "x", "parameters"),
        ("venue_levels", ..., "venue_levels"),
    ],
)
def test_faults_of_a_utilization_calibration(
    tmp_path: Path, path: str, value: Any, key: str
) -> None:
    file = write(tmp_path, change(fitted("utilization"), path, value), "fit.yaml")
    with pytest.raises(InputError) as refused:
        plan(small_campaign(tmp_path, (f"{RUN}.utilization.calibration", "fit.yaml")))
    assert (refused.value.file, refused.value.key) == (str(file), key)
