"""A study of sensitivity: inputs, tornado, indices, refusals, the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign_cases import CAMPAIGN, change, small_campaign, write
from test_cli import Command, command, trusted  # noqa: F401

from stress.campaign import plan, run_blocks
from stress.config import load_campaign
from stress.decide import inputs
from stress.decide.inputs import uncertain, with_values
from stress.decide.sensitivity import campaigns_of, check_study, study
from stress.errors import InputError

STUDY: dict[str, Any] = {
    "measures": ["equity_loss", "liquidated_debt"],
    "base_points": 8,
    "inputs": {
        "volatility": {"key": "scenario.prices.volatility.HYPE", "between": [0.5, 2.5]},
        "offset": {"key": "assumptions.min_borrow_offset", "one_of": ["floor", "none"]},
    },
}
SMALL = (("paths", 200), ("block", 256), ("scenarios.crash", ...))


def campaign(folder: Path, *changes: tuple[str, Any]):
    return small_campaign(folder, *SMALL, ("sensitivity", STUDY), *changes)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    return study(campaign(tmp_path_factory.mktemp("study")), None, 1, lambda: None)


def test_bars_are_paired_with_the_campaign(found, tmp_path: Path) -> None:
    """The tornado's campaign by hand: the same file with another volatility."""
    assert [bar.name for bar in found.bars] == ["offset", "volatility", "volatility"]
    assert [bar.value for bar in found.bars] == ["none", pytest.approx(0.6), pytest.approx(2.4)]
    other = campaign(tmp_path, ("scenarios.run.prices.volatility.HYPE", 2.4))
    loss = run_blocks(plan(other), None, 1)["run"].by_path["equity_loss"]
    assert np.allclose(found.bars[2].figures[0, 0], loss, rtol=1e-12)
    assert found.bars[2].figures[0, 0].std() > found.base[0, 0].std()


def test_indices_know_what_matters(found) -> None:
    """Twenty USDC of offset move no equity; volatility does."""
    total = found.indices.total.value
    assert total.shape == (2, 2)
    assert total[0, 1] > 0.5 and abs(total[0, 0]) < 0.05
    part = found.attribution["run"]["equity_loss"]
    assert part.gap <= 1e-9


def test_other_values_reach_the_campaign(tmp_path: Path) -> None:
    first = campaign(tmp_path)
    assert with_values(first, {}).digest == first.digest
    moved = with_values(first, {"scenario.prices.volatility.BTC": 0.9, "cascade.depth_scale": 2.0})
    assert moved.scenarios["run"].prices.volatility["BTC"] == 0.9
    assert moved.spec.cascade.depth_scale == 2.0
    assert moved.book is first.book and moved.digest != first.digest
    with pytest.raises(InputError, match="volatilty: found an unknown key"):
        with_values(first, {"scenario.prices.volatilty.BTC": 1.0})


def test_calibrated_inputs_have_their_standard_error() -> None:
    """HYPE's typical volatility, as the shipped calibration states it."""
    entry = {"key": "scenario.prices.volatility.HYPE", "calibrated": "volatility.HYPE.typical"}
    given = json.dumps({"inputs": {"v": entry}})
    shipped = load_campaign("campaigns/rare", [f"sensitivity={given}", "paths=100"])
    with pytest.raises(InputError, match=r"estimator\.method"):
        check_study(shipped)
    (one,) = uncertain(load_campaign("campaigns/cascade", [f"sensitivity={given}",
        "scenarios={crash_and_run: scenarios/crash_and_run}"]))  # fmt: skip
    assert one.law.mean() == pytest.approx(1.4993) and one.law.std() == pytest.approx(0.155)
    assert one.outer() == pytest.approx([1.4993 - 1.645 * 0.155, 1.4993 + 1.645 * 0.155], abs=1e-3)


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("inputs", {}, "sensitivity.inputs: found no input"),
        ("inputs.volatility.key", "paths", "inputs.volatility.key: found 'paths'"),
        ("inputs.volatility.between", [2.0, 1.0], "between: found 2, 1"),
        ("inputs.volatility.normal", [1.0, 0.1], "found normal and between; allowed: one of"),
        ("inputs.offset.one_of", ["floor"], "inputs.offset.one_of"),
        ("inputs.offset.one_of", ["floor", "roof"], "assumptions.min_borrow_offset: found 'roof'"),
        ("base_points", 12, "sensitivity.base_points: found 12; allowed: a power of 2"),
        ("measures", ["supplier_loss"], "measures: found supplier_loss; allowed: feedback: true"),
    ],
)
def test_what_cannot_be_studied(tmp_path: Path, path: str, value: Any, says: str) -> None:
    with pytest.raises(InputError) as told:
        check_study(campaign(tmp_path, (f"sensitivity.{path}", value)))
    assert says in str(told.value)


def test_a_choice_is_equally_likely() -> None:
    law = inputs.Choice(values=("a", "b", "c"))
    assert np.bincount(law.ppf(np.linspace(0.001, 0.999, 999)).astype(int)).tolist() == [333] * 3


def test_the_command(command: Command, trusted: None, tmp_path: Path) -> None:  # noqa: F811
    document = CAMPAIGN
    for path, value in (*SMALL, ("sensitivity", STUDY), ("sensitivity.base_points", 2)):
        document = change(document, path, value)
    file = write(tmp_path, document)
    code, out, _ = command("sensitivity", "campaign.yaml", "--out", "s", "--threads", "1")
    assert code == 0 and "volatility" in out and "Report in s" in out
    summary = json.loads((tmp_path / "s/summary.json").read_text())
    assert max(part["gap"] for part in summary["attribution"]) <= 1e-9
    assert len(list((tmp_path / "s/points").glob("*.npy"))) <= campaigns_of(load_campaign(file)) - 1
    html = (tmp_path / "s/report.html").read_text()
    for text in ("hangs most on", "Which input explains", "scenario.prices.volatility.HYPE"):
        assert text in html
    assert command("sensitivity", "campaign.yaml", "--out", "s", "--resume")[0] == 0
    code, _, err = command("sensitivity", "campaign.yaml", "--paths", "150", "--out", "t")
    assert code == 2 and "a multiple of 100" in err and not (tmp_path / "t").exists()
