"""Dated venue files: what each states, how they extend each other, what is refused."""

import itertools
from datetime import date
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from stress.errors import InputError
from stress.files import config_dir, read_yaml
from stress.venue_files import diff_venues, list_venues, load_venue, venue_in_force

LATEST = "hyperliquid/2026-08-19"


@pytest.fixture(scope="module")
def latest():
    return load_venue(LATEST)


def test_every_constant_has_a_source_and_a_date(latest):
    """Walks the files as written: whatever holds a value states where it comes from."""
    count = 0

    def walk(node, file):
        nonlocal count
        for child in node.values() if isinstance(node, dict) else ():
            if isinstance(child, dict) and "value" in child:
                assert child["source"] in latest.sources, file
                assert isinstance(child["as_of"], date), file
                count += 1
            walk(child, file)

    for name in list_venues():
        data = read_yaml(config_dir() / "venues" / f"{name}.yaml")
        walk(data, name)
        numbers = [k for k, v in data.items() if isinstance(v, (int, float))]
        assert not numbers, f"{name}: bare numbers {numbers}"
    assert count > 90
    assert all(c.source in latest.sources for c in latest.constants.values())
    assert all(
        source.title and source.read <= date(2026, 11, 23) for source in latest.sources.values()
    )


def test_later_files_state_only_what_changed():
    names = list_venues()
    for before, after in itertools.pairwise(names):
        data = read_yaml(config_dir() / "venues" / f"{after}.yaml")
        assert data["extends"] == before
        stated = {
            f"{section}.{name}.{key}"
            for section in ("tokens", "quotes")
            for name, entry in data.get(section, {}).items()
            for key in entry
            if key != "underlying"
        }
        changes = diff_venues(load_venue(before), load_venue(after))
        changed = {c.key for c in changes if c.kind != "removed"}
        assert stated == changed


def test_only_the_ltv_of_hype_changes_in_august():
    (change,) = diff_venues(load_venue("2026-06-23"), load_venue("2026-08-19"))
    assert (change.key, change.before, change.after) == ("tokens.HYPE.ltv", 0.50, 0.65)
    assert (change.unit, change.kind) == ("1", "changed")


def test_usdh_is_removed():
    changes = diff_venues(load_venue("2026-06-02"), load_venue("2026-06-21"))
    caps = ["global_borrow_cap", "global_supply_cap", "user_borrow_cap", "user_supply_cap"]
    assert [c.key for c in changes] == [f"quotes.USDH.{cap}" for cap in caps]
    assert {c.kind for c in changes} == {"removed"} and {c.after for c in changes} == {None}


def test_a_book_does_not_differ_from_itself(latest):
    assert diff_venues(latest, load_venue(date(2026, 8, 19))) == []
    assert latest.digest == load_venue("2026-08-19").digest
    assert len({load_venue(name).digest for name in list_venues()}) == len(list_venues())


@pytest.mark.parametrize(
    ("when", "want"),
    [
        ("2026-06-22", "2026-06-21"),
        ("2026-06-23", "2026-06-23"),
        ("2026-09-08T04:25:36Z", "2026-08-19"),
        (date(2025, 12, 23), "2025-12-23"),
    ],
)
def test_the_book_in_force_is_the_latest_not_after(when, want):
    assert venue_in_force(when) == f"hyperliquid/{want}"


@pytest.mark.parametrize("when", ["2025-12-22", "yesterday"])
def test_no_book_is_in_force_before_the_first(when):
    with pytest.raises(InputError):
        venue_in_force(when)


@pytest.mark.parametrize("ref", ["2026-08-20", "hyperliquid/2026", "../books/x", ""])
def test_unknown_names_list_the_known(ref):
    with pytest.raises(InputError) as error:
        load_venue(ref)
    assert all(name in error.value.allowed for name in list_venues())


LTV = {"value": 0.7, "unit": "1", "source": "margining", "as_of": date(2026, 9, 1)}


def variant(folder: Path, **changes) -> Path:
    """A person's own file that extends the latest one."""
    path = folder / "mine.yaml"
    data = {"venue": "hyperliquid", "date": date(2026, 9, 1), "extends": LATEST, **changes}
    with path.open("w", encoding="utf-8") as stream:
        YAML(typ="safe", pure=True).dump(data, stream)
    return path


def test_a_person_may_extend_a_shipped_book(tmp_path, latest):
    path = variant(tmp_path, tokens={"HYPE": {"ltv": LTV}}, remove=["tokens.UBTC"])
    for ref in (path, str(path)):
        book = load_venue(ref)
        assert book.name == str(path)
        assert book.constants["tokens.HYPE.ltv"].value == 0.7
    kinds = {c.key: c.kind for c in diff_venues(latest, book)}
    assert kinds["tokens.HYPE.ltv"] == "changed" and kinds["tokens.UBTC.ltv"] == "removed"
    grandchild = tmp_path / "next.yaml"
    grandchild.write_text("venue: hyperliquid\ndate: 2026-10-01\nextends: mine.yaml\n")
    assert diff_venues(book, load_venue(grandchild)) == []


def test_duplicate_keys_and_circles_are_refused(tmp_path):
    path = tmp_path / "twice.yaml"
    path.write_text("venue: a\ndate: 2026-09-01\nvenue: b\n")
    with pytest.raises(InputError, match=r"twice\.yaml: line 3: found duplicate key"):
        load_venue(path)
    for name, other in (("a", "b"), ("b", "a")):
        text = f"venue: v\ndate: 2026-09-01\nextends: {other}.yaml\n"
        (tmp_path / f"{name}.yaml").write_text(text)
    with pytest.raises(InputError, match=r"b\.yaml: extends: found a circle"):
        load_venue(tmp_path / "a.yaml")


def test_a_file_that_stands_alone_must_be_complete(tmp_path):
    path = tmp_path / "alone.yaml"
    path.write_text("venue: v\ndate: 2026-09-01\n")
    with pytest.raises(InputError, match="sources: found nothing"):
        load_venue(path)
