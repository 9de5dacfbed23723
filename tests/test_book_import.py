"""Import of recorded answers, held to the venue's own figures in plain NumPy."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from stress.book import Book, dex_of, margin_accounts, market_tiers
from stress.book_import import import_book
from stress.book_io import book_document, load_book
from stress.errors import InputError
from stress.venue_files import load_venue


@pytest.fixture
def recorded(shared: Path, tmp_path: Path) -> Path:
    """A copy of the recorded account that a test may change."""
    folder = tmp_path / "account"
    shutil.copytree(shared / "data" / "recorded" / "account_2026-09-08", folder)
    for file in [folder, *folder.iterdir()]:
        file.chmod(0o755)
    return folder


def leverages(book: Book) -> np.ndarray:
    """Maximum leverage of the first tier of each market."""
    file = load_venue(book.venue).file
    found = []
    for market in book.markets:
        listed = file.markets.get(market)
        tiers = file.margin_tables[listed.value].value if listed else market_tiers(book, market)
        assert tiers is not None
        found.append(tiers[0][1])
    return np.array(found)


def test_recorded_account_matches_the_venue(recorded: Path) -> None:
    book = import_book(recorded)
    rows, reported = margin_accounts(book), book.reported["account"]
    assert (book.as_of, book.venue) == ("2026-09-08T04:25:33Z", "hyperliquid/2026-08-19")
    assert book.modes.tolist() == ["portfolio"]
    marks = np.array([book.marks[market] for market in book.markets])
    equity = rows.net_cash[:, 0] + rows.size @ marks
    exposure = np.abs(rows.size[0]) * marks
    maintenance = (exposure / (2 * leverages(book))).sum()
    credit = rows.supplied[0, 0] * book.token_prices["HYPE"] * (1 + 0.65) / 2

    spot = json.loads((recorded / "spotClearinghouseState.json").read_text())
    total = float(spot["balances"][0]["total"])
    assert equity.sum() == pytest.approx(total, rel=1e-9)
    assert maintenance == pytest.approx(reported["maintenance_margin"], rel=1e-9)
    ratio = (2 * maintenance - equity[0]) / (maintenance + credit)
    assert ratio == pytest.approx(reported["portfolio_margin_ratio"], rel=1e-9)
    assert ratio == pytest.approx(0.3661023849, rel=1e-9)
    available = reported["available_after_maintenance"]
    assert equity[0] + credit - maintenance == pytest.approx(available["USDC"], rel=1e-9)
    in_usdt = (equity[0] + credit - maintenance) / book.token_prices["USDT0"]
    assert in_usdt == pytest.approx(available["USDT0"], rel=1e-9)


def test_recorded_isolated_liquidation_prices(recorded: Path) -> None:
    """-rawUsd / (size (1 - l)): the net cash of an isolated position is the venue's rawUsd."""
    book = import_book(recorded)
    rows, prices = margin_accounts(book), book.reported["account"]["liquidation_prices"]
    state = json.loads((recorded / "clearinghouseState.json").read_text())
    raw = {
        item["position"]["coin"]: float(item["position"]["leverage"]["rawUsd"])
        for item in state["assetPositions"]
        if item["position"]["leverage"]["type"] == "isolated"
    }
    checked, leverage = 0, leverages(book)
    for n in np.flatnonzero(rows.kind == "isolated"):
        m = int(np.flatnonzero(rows.size[n])[0])
        market, size = book.markets[m], rows.size[n, m]
        assert rows.net_cash[n, 0] == pytest.approx(raw[market], rel=1e-12)
        price = -rows.net_cash[n, 0] / (size * (1 - 0.5 / leverage[m]))
        # The venue prints ten decimals: of CHIP's 0.0259238885 the last is worth 2e-9 of it.
        assert price == pytest.approx(prices[market], rel=1e-9, abs=5e-11)
        checked += 1
    assert checked == len(raw) == 14


def test_reserves_and_what_is_not_collateral(recorded: Path) -> None:
    book = import_book(recorded)
    assert book.reserves["USDC"] == (416268254.14801538, 264565198.26497728)
    assert book.tokens == ("HYPE",)  # dust that is held but not supplied does not count
    assert book.oracles["HYPE"] == 84.114 and book.marks["HYPE"] == 84.092
    assert book.max_leverage["ZEC"] == 10 and "SOL" not in book.max_leverage


def test_imported_book_survives_its_file(recorded: Path) -> None:
    book = import_book(recorded)
    assert load_book(book_document(book)).digest == book.digest


def test_a_folder_per_account(recorded: Path, tmp_path: Path) -> None:
    root = tmp_path / "many"
    for name in ("x", "y"):
        shutil.copytree(recorded, root / name)
    shutil.move(root / "x" / "allBorrowLendReserveStates.json", root)
    (root / "y" / "allBorrowLendReserveStates.json").unlink()
    book = import_book(root)
    assert book.ids.tolist() == ["x", "y"]
    np.testing.assert_array_equal(book.cash[0], book.cash[1])
    assert book.reserves["HYPE"][0] == 9872337.7088912595


def test_standard_account_keeps_each_dex_apart(recorded: Path) -> None:
    """Without portfolio margin, equity per DEX is the venue's own account value there."""
    spot = json.loads((recorded / "spotClearinghouseState.json").read_text())
    (recorded / "spotClearinghouseState.json").write_text(
        json.dumps(spot | {"portfolioMarginEnabled": False})
    )
    state = json.loads((recorded / "clearinghouseState.json").read_text())
    position = {
        "coin": "xyz:TSLA",
        "szi": "-2.0",
        "leverage": {"type": "cross", "value": 30},
        "entryPx": "310.0",
        "positionValue": "600.0",
        "unrealizedPnl": "20.0",
        "liquidationPx": None,
        "marginUsed": "20.0",
        "maxLeverage": 20,
    }
    away = {
        "crossMarginSummary": {"accountValue": "150.0", "totalRawUsd": "750.0"},
        "crossMaintenanceMarginUsed": "15.0",
        "assetPositions": [{"position": position}],
        "time": state["time"],
    }
    (recorded / "clearinghouseState.xyz.json").write_text(json.dumps(away))
    book = import_book(recorded)
    rows = margin_accounts(book)
    marks = np.array([book.marks[market] for market in book.markets])
    equity = rows.net_cash[:, 0] + rows.size @ marks
    assert book.modes.tolist() == ["cross"] and not book.supplied.size
    assert equity[0] == pytest.approx(float(state["crossMarginSummary"]["accountValue"]), rel=1e-9)
    assert equity[1] == pytest.approx(150.0, rel=1e-12)
    assert [dex_of(m) for m, size in zip(book.markets, rows.size[1], strict=True) if size] == [
        "xyz"
    ]
    # Kept from before a change of the table: 30 counts as the maximum.
    assert book.leverage[0, book.markets.index("xyz:TSLA")] == 20


def test_unified_account(recorded: Path) -> None:
    spot = json.loads((recorded / "spotClearinghouseState.json").read_text())
    del spot["portfolioMarginEnabled"], spot["portfolioMarginRatio"]
    (recorded / "spotClearinghouseState.json").write_text(json.dumps(spot))
    (recorded / "userAbstraction.json").write_text('"unifiedAccount"')
    book = import_book(recorded)
    rows = margin_accounts(book)
    marks = np.array([book.marks[market] for market in book.markets])
    assert book.modes.tolist() == ["unified"]
    assert (rows.net_cash[:, 0] + rows.size @ marks).sum() == pytest.approx(3320.49989393, rel=1e-9)


def test_contexts_add_tables_and_prices(recorded: Path, shared: Path) -> None:
    contexts = json.loads((shared / "data" / "recorded" / "metaAndAssetCtxs_2026.json").read_text())
    meta = contexts[0]
    meta["universe"].append({"name": "XMR", "maxLeverage": 5, "marginTableId": 51})
    contexts[1].append({"markPx": "1.0", "oraclePx": "1.5"})
    (recorded / "metaAndAssetCtxs.json").write_text(json.dumps(contexts))
    book = import_book(recorded)
    assert book.marks["BTC"] == 84981.0 and book.oracles["BTC"] == 85005.0
    assert book.marks["SOL"] == 103.03  # the account's own value goes before a context
    assert book.margin_tables == {"XMR": ((0.0, 10.0), (3e6, 5.0))}
    assert "XMR" not in book.max_leverage


@pytest.mark.parametrize(
    ("file", "old", "new", "key"),
    [
        ("clearinghouseState.json", '"29.72"', '"a lot"', r"assetPositions\[0\].position.szi"),
        ("clearinghouseState.json", '"29.72"', '"0"', r"assetPositions\[0\].position.szi"),
        (
            "clearinghouseState.json",
            '"entryPx"',
            '"entry"',
            r"assetPositions\[0\].position.entryPx",
        ),
        ("spotClearinghouseState.json", '"balances"', '"money"', "balances"),
        ("spotClearinghouseState.json", '"3320.49989393"', '"NaN"', r"balances\[0\].total"),
        ("allBorrowLendReserveStates.json", '"oraclePx"', '"px"', r"\[0\]\[1\].oraclePx"),
        ("clearinghouseState.json", "]", "", "line"),
    ],
)
def test_malformed_answers(recorded: Path, file: str, old: str, new: str, key: str) -> None:
    text = (recorded / file).read_text()
    assert old in text
    (recorded / file).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=f"{file}.*{key}"):
        import_book(recorded)


def test_missing_answers(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="clearinghouseState"):
        import_book(tmp_path)
