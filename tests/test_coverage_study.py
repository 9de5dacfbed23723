"""The coverage study: 93 to 97 % of 1,000 nominal 95 % intervals; controls are caught."""

import coverage_study as study
import pytest

QUICK = ("proportion (Wilson), p 1.3 %", "quantile 99 %, Student-t4", "mirrored pairs, mean",
         "splitting, 8 lognormal runs of error 0.5")  # fmt: skip


@pytest.mark.parametrize("name", QUICK)
def test_intervals_cover(name: str) -> None:
    assert study.LOW <= study.CASES[name](study.REPEATS) <= study.HIGH


def test_the_tilt_covers() -> None:
    """All 1,000 repetitions of the interval that small probabilities hang on."""
    assert study.LOW <= study.CASES["tilt, probability 4.8e-4"](study.REPEATS) <= study.HIGH


@pytest.mark.parametrize("name", study.CONTROLS)
def test_controls_are_caught(name: str) -> None:
    assert study.CONTROLS[name](100) < 0.5


@pytest.mark.slow
def test_every_interval_covers() -> None:
    rows = study.table()
    assert [row for row in rows if row[2] in ("OUTSIDE", "NOT CAUGHT")] == []
