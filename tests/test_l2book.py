"""Ladders from recorded order books, and what is refused."""

import json
import math
from pathlib import Path
from typing import Any

import pytest

from stress.errors import InputError
from stress.l2book import read_ladder

BOOK: dict[str, Any] = {
    "coin": "HYPE", "time": 1757305536000,
    "levels": [
        [{"px": "99.0", "sz": "10.0", "n": 2}, {"px": "98.0", "sz": "5.0", "n": 1}],
        [{"px": "101.0", "sz": "2.0", "n": 1}, {"px": "103.0", "sz": "4.0", "n": 3}],
    ],
}  # fmt: skip


def write(folder: Path, data: Any) -> Path:
    path = folder / "l2Book.json"
    path.write_text(json.dumps(data), encoding="utf-8")
    return path


def test_distances_are_from_the_mid_and_volumes_add_up(tmp_path):
    bids, asks = read_ladder(write(tmp_path, BOOK))
    for got, want in (
        (bids, [(math.log(100 / 99), 990.0), (math.log(100 / 98), 1480.0)]),
        (asks, [(math.log(1.01), 202.0), (math.log(1.03), 614.0)]),
    ):
        assert len(got) == len(want)
        for a, b in zip(got, want, strict=True):
            assert a == pytest.approx(b)


@pytest.mark.parametrize(
    ("change", "key", "found"),
    [
        (lambda b: {"coin": "HYPE"}, "levels", "null"),
        (lambda b: b | {"levels": [b["levels"][0]]}, "levels", "list"),
        (lambda b: b | {"levels": [[], b["levels"][1]]}, "levels[0]", "list"),
        (lambda b: b | {"levels": b["levels"][::-1]}, "levels", "best bid 101"),
        (lambda b: b | {"levels": [[{"px": "99", "sz": "-1"}], b["levels"][1]]},
         "levels[0][0].sz", "'-1'"),
        (lambda b: b | {"levels": [[{"px": True, "sz": "1"}], b["levels"][1]]},
         "levels[0][0].px", "True"),
        (lambda b: b | {"levels": [b["levels"][0], b["levels"][1][::-1]]}, "levels", ""),
        (lambda b: b | {"levels": [b["levels"][0][::-1], b["levels"][1]]}, "levels[0][1].px", "99"),
    ],
)  # fmt: skip
def test_what_is_no_order_book_is_refused(tmp_path, change, key, found):
    with pytest.raises(InputError) as error:
        read_ladder(write(tmp_path, change(BOOK)))
    assert error.value.key.startswith(key) and found in error.value.found
