"""What a venue file may hold: every fault is refused with file and key."""

import math
from datetime import date
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stress.errors import InputError
from stress.venue_files import load_venue
from stress.venue_schema import VenueFile

LATEST = "hyperliquid/2026-08-19"


LTV = {"value": 0.7, "unit": "1", "source": "margining", "as_of": date(2026, 9, 1)}


def variant(folder: Path, **changes) -> Path:
    """A person's own file that extends the latest one."""
    path = folder / "mine.yaml"
    data = {"venue": "hyperliquid", "date": date(2026, 9, 1), "extends": LATEST, **changes}
    with path.open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(data, stream)
    return path


CHOICE = {"alternatives": ["suppliers"], "source": "project", "as_of": date(2026, 9, 1)}


def cap(**changes) -> dict:
    entry = {**LTV, "value": 5, "unit": "HYPE", **changes}
    return {"tokens": {"HYPE": {"user_supply_cap": entry}}}


def table(value: list) -> dict:
    entry = {**LTV, "value": value, "unit": "[USDC, 1]"}
    return {"margin_tables": {"tiered_40x": entry}}


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"tokns": {}}, "tokns"),
        ({"tokens": {"HYPE": {"lvt": LTV}}}, "tokens.HYPE.lvt"),
        ({"tokens": {"HYPE": {"ltv": 0.7}}}, "tokens.HYPE.ltv"),
        ({"tokens": {"HYPE": {"ltv": {**LTV, "value": math.nan}}}}, "tokens.HYPE.ltv.value"),
        ({"tokens": {"HYPE": {"ltv": {**LTV, "value": -0.1}}}}, "tokens.HYPE.ltv.value"),
        ({"tokens": {"HYPE": {"ltv": {**LTV, "value": 1.1}}}}, "tokens.HYPE.ltv.value"),
        ({"tokens": {"HYPE": {"ltv": {**LTV, "value": "0.7"}}}}, "tokens.HYPE.ltv.value"),
        ({"tokens": {"HYPE": {"ltv": {**LTV, "value": True}}}}, "tokens.HYPE.ltv.value"),
        ({"tokens": {"HYPE": {"ltv": {**LTV, "unit": "%"}}}}, "tokens.HYPE.ltv.unit"),
        ({"tokens": {"HYPE": {"ltv": {**LTV, "source": "hearsay"}}}}, "tokens.HYPE.ltv.source"),
        ({"tokens": {"HYPE": {"ltv": {"value": 0.7, "unit": "1"}}}}, "tokens.HYPE.ltv.source"),
        ({"tokens": {"UETH": {"ltv": LTV}}}, "tokens.UETH.underlying"),
        (cap(value=-1), "tokens.HYPE.user_supply_cap.value"),
        (cap(unit="USDC"), "tokens.HYPE.user_supply_cap.unit"),
        ({"markets": {"X": {**LTV, "value": "50x", "unit": "margin table"}}}, "markets.X.value"),
        (table([[0, 40], [0, 20]]), "margin_tables.tiered_40x.value"),
        (table([[1, 40]]), "margin_tables.tiered_40x.value"),
        (table([[0, 20], [1e6, 40]]), "margin_tables.tiered_40x.value"),
        (table([]), "margin_tables.tiered_40x.value"),
        ({"remove": ["quotes.USDH"]}, "remove[0]"),
        ({"remove": ["quotes.USDC.x.y"]}, "remove[0]"),
        ({"remove": ["lending.kink"]}, "lending.kink"),
        ({"date": date(2026, 8, 18)}, "date"),
        ({"extends": "hyperliquid/2026-08-20"}, "extends"),
        ({"extends": "mine.yaml"}, "extends"),
        (
            {"assumptions": {"pool_loss": {**CHOICE, "value": "nobody"}}},
            "assumptions.pool_loss.value",
        ),
    ],
)
def test_bad_files_are_refused_with_file_and_key(tmp_path, changes, key):
    path = variant(tmp_path, **changes)
    with pytest.raises(InputError) as error:
        load_venue(path)
    assert error.value.file == str(path)
    assert error.value.key.startswith(key)
    assert "\n" not in str(error.value)


def test_the_schema_asks_extending_files_for_little():
    schema = VenueFile.model_json_schema()
    assert schema["required"] == ["venue", "date"]
    assert "required" not in schema["$defs"]["Quote"]
    assert {"value", "unit", "source", "as_of"} <= set(schema["$defs"]["Share"]["required"])
