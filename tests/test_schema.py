"""`hyperstress schema` prints what editors need, and the shipped files agree with it."""

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest
from campaign_cases import BOOK, CAMPAIGN, change
from json_schema import faults, unknown_keywords

from stress.cli import main
from stress.files import config_dir, read_yaml

KINDS = {
    "campaign": "campaigns/*.yaml",
    "scenario": "scenarios/*.yaml",
    "population": "books/*.yaml",
    "venue": "venues/*/*.yaml",
}


def plain(value: Any) -> Any:
    """What JSON would hold: YAML's dates are text."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.isoformat() if isinstance(value, date | datetime) else value


@pytest.fixture
def schema(capsys, monkeypatch):
    def printed(kind: str) -> dict[str, Any]:
        monkeypatch.setattr(sys, "argv", ["hyperstress", "schema", kind])
        with pytest.raises(SystemExit) as left:
            main()
        out, err = capsys.readouterr()
        assert not left.value.code and err == ""
        return json.loads(out)

    return printed


@pytest.mark.parametrize("kind", KINDS)
def test_shipped_files_agree(schema, kind: str) -> None:
    printed = schema(kind)
    assert printed["type"] == "object" and printed["properties"]
    assert unknown_keywords(printed) == set()
    shipped = sorted(config_dir().glob(KINDS[kind]))
    assert shipped
    for file in shipped:
        document = plain(read_yaml(file))
        assert faults(document, printed, printed) == [], file.name
        assert faults(document | {"colour": 1}, printed, printed) != []


def test_a_book(schema) -> None:
    printed = schema("book")
    assert unknown_keywords(printed) == set()
    assert faults(BOOK, printed, printed) == []
    for path, value in [
        ("accounts", []),
        ("accounts.0.supplied.HYPE", -1.0),
        ("accounts.0.mode", "margin"),
        ("prices", ...),
        ("accounts.3.positions.0.colour", 1),
    ]:
        assert faults(change(BOOK, path, value), printed, printed) != [], path


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("refine", [{"from": "1h", "step": "1m"}]),
        ("refine", [{"from": "1h", "to": "2h", "step": "fast"}]),
        ("paths", 0),
        ("paths", "many"),
        ("seed", -1),
        ("precision", "float16"),
        ("feedback", "yes"),
        ("cascade", {"lending": "none"}),
        ("cascade", {"impact": {"BTC": {"volume": -1.0}}}),
        ("name", "a/b"),
        ("scenarios", {}),
        ("scenarios.run.prices.process", "heston"),
        ("scenarios.run.prices.correlation", 2),
        ("scenarios.run.prices.degrees_of_freedom", 2),
        ("scenarios.run.utilization.USDC", 2),
        ("scenarios.run.overlays", [{"flood": {}}]),
    ],
)
def test_a_campaign(schema, path: str, value: Any) -> None:
    printed = schema("campaign")
    assert faults(CAMPAIGN, printed, printed) == []
    assert faults(change(CAMPAIGN, path, value), printed, printed) != []


def test_configurations_stand_in_the_checkout() -> None:
    assert (Path(config_dir()) / "campaigns" / "baseline.yaml").is_file()
