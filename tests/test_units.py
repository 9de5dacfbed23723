"""Durations as people write them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.units import HOURS, hours, written


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("7d", 168.0),
        ("1h", 1.0),
        ("30m", 0.5),
        ("3s", 3 / 3600),
        ("2w", 336.0),
        (" 1.5 h ", 1.5),
        ("1.h", 1.0),
        (24, 24.0),
        (0.25, 0.25),
        (-1, -1.0),
    ],
)
def test_durations(text: object, expected: float) -> None:
    assert hours(text) == pytest.approx(expected, rel=1e-15)


@pytest.mark.parametrize(
    "text", ["0 h", "168 h", "1 h", "1.5 h", "59 min", "1 min", "30 s", "1 s", "0.25 s"]
)
def test_durations_for_people(text: str) -> None:
    assert written(hours(text.replace("min", "m"))) == text


@given(st.floats(0, 1e6), st.sampled_from(sorted(HOURS)))
def test_every_unit(amount: float, unit: str) -> None:
    assert hours(f"{amount:f}{unit}") == pytest.approx(float(f"{amount:f}") * HOURS[unit])


@pytest.mark.parametrize(
    "text",
    ["", "1", "1 hour", "h", "-1h", "1h30m", "1e3h", ".5h", "1 H", None, True, [], "nan", "٣h1"],
)
def test_what_is_no_duration(text: object) -> None:
    with pytest.raises(ValueError, match="duration"):
        hours(text)
