"""Books: splitting into margin accounts, files in both formats, and every refusal."""

import copy
import dataclasses
import functools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stress.book import (
    group_names,
    make_book,
    margin_accounts,
    market_tiers,
    select_accounts,
    used_quotes,
)
from stress.book_io import book_document, load_book, save_book
from stress.errors import InputError
from stress.venue_files import VenueBook, load_venue

Document = dict[str, Any]


def document() -> Document:
    """A book that uses everything, in the order in which it is written."""
    cross = {"margin": "cross", "leverage": 5.0}
    return {
        "name": "everything",
        "as_of": "2026-09-08T04:25:36Z",
        "venue": "hyperliquid/2026-08-19",
        "prices": {
            "HYPE": {"mark": 84.092, "oracle": 84.114},
            "BTC": 78730.0,
            "SOL": 103.03,
            "USDT": 0.99974,
            "NEW": 2.0,
            "xyz:TSLA": 300.0,
            "abc:GOLD": 4000.0,
        },
        "reserves": {"USDC": {"supplied": 416268254.15, "borrowed": 264565198.27}},
        "settle": {"abc:GOLD": "USDT0"},
        "margin_tables": {"xyz:TSLA": [[0.0, 10.0], [1e6, 5.0]]},
        "accounts": [
            {
                "id": "loops",
                "mode": "portfolio",
                "group": "looper",
                "balances": {"USDC": -2000.0},
                "supplied": {"HYPE": 100.0, "UBTC": 0.5},
                "positions": [
                    {"market": "BTC", "size": -0.1, "entry_price": 1e5} | cross,
                    {"market": "xyz:TSLA", "size": 1.0, "entry_price": 310.0} | cross,
                    {
                        "market": "SOL",
                        "size": 29.72,
                        "entry_price": 104.88,
                        "margin": "isolated",
                        "leverage": 20.0,
                        "margin_balance": 315.7,
                    },
                ],
                "reported": {"portfolio_margin_ratio": 0.366},
            },
            {
                "id": "hips",
                "mode": "cross",
                "group": "whale",
                "balances": {"USDC": 50.0, "USDT0": 3.0, "xyz:USDC": 70.0},
                "supplied": {},
                "positions": [
                    {"market": "BTC", "size": 1.0, "entry_price": 78000.0} | cross,
                    {"market": "NEW", "size": 5.0, "entry_price": 3.0, "max_leverage": 5.0} | cross,
                    {
                        "market": "abc:GOLD",
                        "size": -2.0,
                        "entry_price": 4100.0,
                        "max_leverage": 20.0,
                    }
                    | cross,
                    {"market": "xyz:TSLA", "size": 2.0, "entry_price": 310.0} | cross,
                ],
            },
            {
                "id": "one",
                "mode": "unified",
                "group": "whale",
                "balances": {"USDC": 7.0},
                "supplied": {},
                "positions": [],
            },
            {
                "id": "lends",
                "mode": "lender",
                "group": "lender",
                "balances": {"USDC": 1e6},
                "supplied": {},
                "positions": [],
            },
        ],
    }


@functools.cache
def rule_book() -> VenueBook:
    return load_venue("hyperliquid/2026-08-19")


def in_order(data: Document) -> Document:
    """A document without the order of keys inside a position."""
    return json.loads(json.dumps(data, sort_keys=True))


def test_json_round_trip_is_exact(tmp_path: Path) -> None:
    book = load_book(document())
    assert in_order(book_document(book)) == in_order(document())
    save_book(book, tmp_path / "book.json")
    again = load_book("book.json", base=tmp_path)
    assert again.digest == book.digest
    assert book_document(again) == book_document(book)


def test_parquet_holds_the_same_book(tmp_path: Path) -> None:
    book = load_book(document())
    save_book(book, tmp_path / "book.parquet")
    again = load_book(tmp_path / "book.parquet")
    assert again.digest == book.digest
    assert in_order(book_document(again)) == in_order(document())
    assert not list(tmp_path.glob("*.part"))


@given(
    st.lists(
        st.tuples(
            st.floats(-1e12, 1e12, allow_subnormal=False),
            st.floats(0, 1e9, allow_subnormal=False),
            st.floats(1e-6, 1e6),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_every_number_survives(rows: list[tuple[float, float, float]]) -> None:
    data = document()
    data["accounts"] = [
        {
            "id": f"a{n}",
            "mode": "portfolio",
            "balances": {"USDC": cash},
            "supplied": {"HYPE": supplied},
            "positions": [
                {
                    "market": "BTC",
                    "size": -size,
                    "entry_price": size,
                    "margin": "isolated",
                    "margin_balance": cash,
                }
            ],
        }
        for n, (cash, supplied, size) in enumerate(rows)
    ]
    venue = rule_book()
    book = load_book(data, venue=venue)
    assert load_book(book_document(book), venue=venue).digest == book.digest
    assert book.cash[:, 0].tolist() == [row[0] for row in rows]
    assert book.isolated.margin_balance.tolist() == [row[0] for row in rows]
    assert (book.isolated.leverage == 40).all()  # left out: the market's maximum


def test_digest_tells_books_apart() -> None:
    book, changed = load_book(document()), document()
    changed["accounts"][0]["supplied"]["HYPE"] = 100.00000000000001
    assert load_book(changed).digest != book.digest
    changed = document() | {"name": "another"}
    assert load_book(changed).digest == book.digest


def test_margin_accounts_by_hand() -> None:
    book = load_book(document())
    rows = margin_accounts(book)
    btc, tsla, gold, sol, new = (
        book.markets.index(m) for m in ("BTC", "xyz:TSLA", "abc:GOLD", "SOL", "NEW")
    )
    # The accounts, then the cross account's two DEXs, then the isolated position.
    assert rows.owner.tolist() == [0, 1, 2, 3, 1, 1, 0]
    assert rows.kind.tolist() == [
        "portfolio",
        "cross",
        "unified",
        "lender",
        "cross",
        "cross",
        "isolated",
    ]
    want = np.zeros((7, len(book.markets)))
    want[0, btc], want[0, tsla] = -0.1, 1.0  # a portfolio account margins every DEX together
    want[1, btc], want[1, new] = 1.0, 5.0
    want[4, gold], want[5, tsla], want[6, sol] = -2.0, 2.0, 29.72
    np.testing.assert_array_equal(rows.size, want)
    usdc = [
        -2000 + 0.1 * 1e5 - 310,
        50 - 78000 - 15,
        7,
        1e6,
        0,
        70 - 620,
        315.7 - 29.72 * 104.88,
    ]
    np.testing.assert_allclose(rows.net_cash[:, 0], usdc, rtol=1e-14)
    np.testing.assert_allclose(rows.net_cash[:, 1], [0, 3, 0, 0, 8200, 0, 0], rtol=1e-14)
    np.testing.assert_array_equal(rows.supplied.sum(axis=1), [100.5, 0, 0, 0, 0, 0, 0])
    assert rows.leverage[1, btc] == 5 and rows.leverage[1, tsla] == 1


def test_margin_accounts_keep_the_money() -> None:
    """Splitting moves cash and positions, it makes none: totals equal the book's."""
    book = load_book(document())
    rows = margin_accounts(book)
    iso = book.isolated
    marks = np.array([book.marks[m] for m in book.markets])
    profit = (book.size * (marks - book.entry_price)).sum()
    profit += (iso.size * (marks[iso.market] - iso.entry_price)).sum()
    cash = book.cash.sum() + book.dex_cash.cash.sum() + iso.margin_balance.sum()
    equity = rows.net_cash.sum() + (rows.size * marks).sum()
    assert equity == pytest.approx(cash + profit, rel=1e-12)


def test_small_helpers() -> None:
    book = load_book(document())
    assert group_names(book) == ["looper", "whale", "lender"]
    assert used_quotes(book) == ("USDC", "USDT0")
    assert market_tiers(book, "NEW") == ((0.0, 5.0),)
    assert market_tiers(book, "xyz:TSLA") == ((0.0, 10.0), (1e6, 5.0))
    assert market_tiers(book, "BTC") is None
    assert book.token_prices == {"HYPE": 84.114, "UBTC": 78730.0, "USDC": 1.0, "USDT0": 0.99974}


def test_select_accounts_reorders_and_keeps_what_belongs_to_them() -> None:
    book = load_book(document())
    some = select_accounts(book, ["hips", "loops"])
    assert some.ids.tolist() == ["hips", "loops"]
    assert some.isolated.account.tolist() == [1]
    assert some.dex_cash.account.tolist() == [0]
    assert list(some.reported) == ["loops"]
    data = document()
    data["accounts"] = [data["accounts"][1], data["accounts"][0]]
    both, whole = margin_accounts(some), margin_accounts(load_book(data))
    np.testing.assert_array_equal(both.net_cash.sum(axis=1), whole.net_cash.sum(axis=1))
    assert select_accounts(book, book.modes == "lender").ids.tolist() == ["lends"]
    with pytest.raises(ValueError, match="twice"):
        select_accounts(book, [0, 0])


def test_make_book_digest_ignores_the_name_only() -> None:
    book = load_book(document())
    fields = {f.name: getattr(book, f.name) for f in dataclasses.fields(book)}
    del fields["digest"]
    assert make_book(**fields | {"name": "b"}).digest == book.digest
    assert make_book(**fields | {"cash": book.cash + 1}).digest != book.digest


def first(data: Document) -> Document:
    return data["accounts"][0]


def position(data: Document, number: int = 0) -> Document:
    return data["accounts"][0]["positions"][number]


FAULTS: list[tuple[Callable[[Document], Any], str, str]] = [
    (lambda d: first(d)["supplied"].update(HYPE=-1.0), "accounts[loops].supplied.HYPE", "-1"),
    (lambda d: first(d)["supplied"].update(HYPE=float("nan")), "accounts[loops].supplied.HYPE", ""),
    (lambda d: first(d)["balances"].update(USDC=float("inf")), "accounts[loops].balances.USDC", ""),
    (lambda d: first(d)["supplied"].update(DOGE=1.0), "accounts[loops].supplied.DOGE", "'DOGE'"),
    (lambda d: first(d)["supplied"].update(USDC=1.0), "accounts[loops].supplied.USDC", "'USDC'"),
    (lambda d: first(d)["balances"].update(HYPE=1.0), "accounts[loops].balances.HYPE", "'HYPE'"),
    (lambda d: first(d)["balances"].update(USDC="1"), "accounts[loops].balances.USDC", "'1'"),
    (
        lambda d: first(d)["balances"].update({"xyz:USDC": 1.0}),
        "accounts[loops].balances.xyz:USDC",
        "DEX",
    ),
    (lambda d: first(d).update(mode="margin"), "accounts[loops].mode", "'margin'"),
    (lambda d: first(d).update(mode="cross"), "accounts[loops].supplied.HYPE", "100"),
    (lambda d: first(d).update(mode="lender"), "accounts[loops].positions[0].market", "BTC"),
    (lambda d: first(d).update(id="one"), "accounts[one].id", "twice"),
    (lambda d: first(d).update(colour="red"), "accounts[loops].colour", "unknown key"),
    (lambda d: first(d).pop("id"), "accounts[0].id", "nothing"),
    (lambda d: position(d).update(market="BTX"), "accounts[loops].positions[0].market", "'BTX'"),
    (lambda d: position(d).update(size=0.0), "accounts[loops].positions[0].size", "0.0"),
    (lambda d: position(d).update(entry_price=0.0), "accounts[loops].positions[0].entry_price", ""),
    (lambda d: position(d).update(leverage=0.0), "accounts[loops].positions[0].leverage", "0"),
    (lambda d: position(d).update(leverage=41.0), "accounts[loops].positions[0].leverage", "41"),
    (lambda d: position(d).update(margin="iso"), "accounts[loops].positions[0].margin", "'iso'"),
    (
        lambda d: position(d).update(margin_balance=1.0),
        "accounts[loops].positions[0].margin_balance",
        "1.0",
    ),
    (
        lambda d: position(d, 2).pop("margin_balance"),
        "accounts[loops].positions[2].margin_balance",
        "nothing",
    ),
    (
        lambda d: first(d)["positions"].append(dict(position(d))),
        "accounts[loops].positions[3].market",
        "'BTC'",
    ),
    (
        lambda d: d["accounts"][1]["positions"][1].pop("max_leverage"),
        "accounts[hips].positions[1].market",
        "'NEW'",
    ),
    (
        lambda d: d["accounts"][3]["balances"].update(USDC=-1.0),
        "accounts[lends].balances.USDC",
        "-1.0",
    ),
    (lambda d: d.update(accounts=[]), "accounts", "an empty book"),
    (lambda d: d["prices"].pop("BTC"), "prices.BTC", "nothing"),
    (lambda d: d["prices"].pop("USDT"), "prices.USDT0", "nothing"),
    (lambda d: d["prices"].update(BTC=0.0), "prices.BTC", "0"),
    (lambda d: d["settle"].update(BTC="EUR"), "settle.BTC", "'EUR'"),
    (lambda d: d["reserves"]["USDC"].update(supplied=-1.0), "reserves.USDC.supplied", "-1"),
    (lambda d: d.update(venue="nowhere/2026-01-01"), "venue", "nowhere"),
    (lambda d: d.update(as_of="yesterday"), "as_of", "'yesterday'"),
    (lambda d: d.pop("as_of"), "as_of", "nothing"),
]


@pytest.mark.parametrize(("fault", "key", "found"), FAULTS)
def test_refusals_name_the_account_and_the_key(
    fault: Callable[[Document], Any], key: str, found: str
) -> None:
    data = copy.deepcopy(document())
    fault(data)
    with pytest.raises(InputError) as refused:
        load_book(data)
    assert refused.value.key == key
    assert found in refused.value.found
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize(
    "change",
    [
        {"supplied": [[("HYPE", -1.0)]]},
        {"balances": [[("USDC", float("nan"))]]},
        {"balances": [[("USDC", None)]]},
    ],
)
def test_parquet_is_checked_like_json(tmp_path: Path, change: dict[str, Any]) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    data = document()
    data["accounts"] = [first(data) | {"positions": []}]
    path = tmp_path / "book.parquet"
    save_book(load_book(data), path)
    table = pq.read_table(path)
    for name, values in change.items():
        entries = [[{"name": n, "amount": v} for n, v in row] for row in values]
        column = pa.array(entries, table.schema.field(name).type)
        table = table.set_column(table.schema.get_field_index(name), name, column)
    pq.write_table(table, path)
    with pytest.raises(InputError, match=r"accounts\[loops\]\.(supplied\.HYPE|balances\.USDC)"):
        load_book(path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("book.json", '{"as_of": "2026-09-08T04:25:36Z", "accou'),
        ("book.json", "[]"),
        ("book.parquet", "not parquet"),
        ("book.txt", ""),
        ("book.yaml", "population: {}"),
    ],
)
def test_unusable_files(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=name):
        load_book(name, base=tmp_path)


def test_unknown_references_and_unwritable_places(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="books/default"):
        load_book("books/nothing")
    with pytest.raises(InputError, match=r"missing\.json"):
        load_book("missing.json", base=tmp_path)
    book = load_book(document())
    with pytest.raises(InputError, match="unwritable"):
        save_book(book, tmp_path / "nowhere" / "book.json")
    with pytest.raises(InputError, match="ending"):
        save_book(book, tmp_path / "book.csv")
    assert not list(tmp_path.iterdir())
