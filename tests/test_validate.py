"""The suite of known values as a product: what it judges, prints and exits with."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from stress.errors import InputError
from stress.validate import closed_forms as exact
from stress.validate.check import Check, known, of_estimate, of_sample, of_share, references
from stress.validate.rules import rule_checks
from stress.validate.samplers import radial_losses, sampler_checks
from stress.validate.suite import GROUPS, checks

SHIPPED = Path(__file__).resolve().parents[1] / "stress" / "references.json"


def test_the_shipped_values_are_the_recorded_ones(shared: Path) -> None:
    recorded = json.loads((shared / "validation" / "reference_values.json").read_text())
    shipped = json.loads(SHIPPED.read_text())
    assert recorded.keys() - {"_doc"} == shipped.keys() - {"_doc"}
    for key in shipped.keys() - {"_doc"}:
        assert shipped[key]["value"] == recorded[key]
        assert len(shipped[key]["derivation"]) > 20


def test_rules_and_formulas() -> None:
    found = list(rule_checks())
    assert len(found) > 50 and all(check.passed for check in found), [
        check for check in found if not check.passed
    ]


def test_samplers() -> None:
    found = list(sampler_checks(True))
    assert len(found) >= 14 and all(check.passed for check in found)


def test_dates_tend_to_continuous_watching() -> None:
    """The correction of Broadie, Glasserman and Kou, and more dates see more."""
    way = (0.3, -0.1, 0.8, 30 / 365)
    seen = [exact.barrier_hit_at_dates(*way, dates) for dates in (24, 96, 384)]
    ever = exact.barrier_hit(*way)
    assert seen[0] < seen[1] < seen[2] < ever
    moved = 0.3 + 0.5826 * 0.8 * np.sqrt(30 / 365 / 384)
    assert seen[2] == pytest.approx(exact.barrier_hit(moved, *way[1:]), rel=2e-3)
    assert exact.barrier_hit_at_dates(*way, 1) == pytest.approx(
        stats.norm.cdf((-0.3 + 0.1 * way[3]) / (0.8 * np.sqrt(way[3]))), rel=1e-12
    )


def test_limits_of_other_formulas() -> None:
    assert exact.either_barrier(1.0, 9.0, 0.3) == pytest.approx(2 * stats.norm.sf(1.0), abs=1e-9)
    apart = 1 - (1 - 2 * stats.norm.sf(1.5)) * (1 - 2 * stats.norm.sf(2.0))
    assert exact.either_barrier(1.5, 2.0, 0.0) == pytest.approx(apart, abs=1e-12)
    assert exact.drawdown_tail(6.0) == pytest.approx(4 * stats.norm.sf(6.0), rel=1e-4, abs=1e-12)
    assert exact.borel_tail(0.5, 1) == pytest.approx(1 - math.exp(-0.5))
    assert exact.t_tail_dependence(0.5, 4.0) > exact.t_tail_dependence(0.5, 8.0)


def test_large_losses_by_radii() -> None:
    """2 % error at 40,000 samples, and a thousand times the variance of plain paths and more."""
    for nu in (4.0, 12.0):
        lines = radial_losses(nu, 1_600, seed=7)  # 25 samples each
        p = exact.large_loss(nu)
        error = lines.std(ddof=1) / np.sqrt(len(lines))
        assert abs(lines.mean() - p) < 4 * error
        assert abs(lines.mean() - exact.large_loss(3.0 if nu == 4 else 11.0)) > 4 * error


def test_judgement() -> None:
    def check(value: float, error: float) -> Check:
        return Check(group="g", name="n", value=value, exact=1.0, standard_error=error)

    assert check(1.39, 0.1).passed and not check(1.41, 0.1).passed
    assert not check(math.nan, 0.1).passed and not check(1.0 + 1e-8, 0.0).passed
    assert check(1.0 + 1e-10, 0.0).passed and math.isnan(check(1.0, 0.0).z)
    assert known("g", "n", 1.001, 1.0, 1e-2).passed
    assert of_share("g", "n", np.arange(100) < 50, 0.5).z == 0
    assert of_sample("g", "n", np.array([0.0, 2.0]), 1.0).passed
    row = json.dumps(check(1.0, 0.0).row(), allow_nan=False)
    assert '"z": null' in row and '"passed": true' in row

    class Refused:
        refusal = "why"
        paths = 3
        estimate = type("E", (), {"value": 1.0, "standard_error": 0.1})

    assert not of_estimate("g", "n", Refused, 1.0).passed


def test_a_group_can_be_chosen() -> None:
    assert next(c.group for c in checks(True, ("rules",))) == "rules"
    assert set(GROUPS) == {"rules", "samplers", "accounts", "processes"}
    assert references()["R_minus_S"] == pytest.approx(0.0786496)


def run(monkeypatch, found: list[Check], **options):
    from stress.commands.validate import validate_command

    monkeypatch.setattr("stress.validate.suite.checks", lambda quick: iter(found))
    return validate_command(**({"quick": True, "format": "table", "out": None} | options))


def test_the_command(monkeypatch, capsys, tmp_path: Path) -> None:
    import typer

    good = known("g", "right", 1.0, 1.0, 1e-9)
    bad = known("g", "wrong", 2.0, 1.0, 1e-9)
    run(monkeypatch, [good], out=tmp_path / "v.json")
    assert "1 checks, 0 failed" in capsys.readouterr().out
    assert json.loads((tmp_path / "v.json").read_text())["failed"] == 0
    with pytest.raises(typer.Exit) as left:
        run(monkeypatch, [good, bad], format="json")
    assert left.value.exit_code == 1
    assert [c["passed"] for c in json.loads(capsys.readouterr().out)["checks"]] == [True, False]
    with pytest.raises(InputError, match="no folder"):
        run(monkeypatch, [good], out=tmp_path / "none" / "v.json")
