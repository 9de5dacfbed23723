"""The frozen book: how it is grouped and tiled changes nothing; padding is never anybody."""

import dataclasses
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from engine_cases import Case, random_case

from stress import engine
from stress.aggregate import reduce_tile
from stress.book import group_names, margin_accounts, select_accounts
from stress.engine import FrozenBook, path_rows, run_block
from stress.frozen import LANES, equity_now, freeze, in_precision, used_part
from stress.margin_figures import row_figures

rows_of = jax.jit(path_rows)


@functools.cache
def case() -> Case:
    return random_case(6)


def frozen(**options: Any) -> FrozenBook:
    made = case()
    return freeze(used_part(made.book), made.venue, path_tile=8, **options)


def placed(book: FrozenBook) -> dict[str, np.ndarray]:
    """Every leaf of the outcome, in the order of `stress.book.margin_accounts`."""
    rows = rows_of(case().venue, book, case().market)
    place = np.concatenate([np.asarray(book.row), np.asarray(book.isolated_row)])
    leaves = {n: getattr(rows, n) for n in ("first", "partial", "full", "loss")}
    leaves |= vars(rows.settlement)
    return {name: np.asarray(leaf)[:, place] for name, leaf in leaves.items()}


def assert_same(got: dict[str, np.ndarray], want: dict[str, np.ndarray]) -> None:
    """Events equal, money to rounding."""
    for name, value in want.items():
        if name in ("first", "partial", "full"):
            np.testing.assert_array_equal(got[name], value, err_msg=name)
        else:
            scale = np.abs(value[np.isfinite(value)]).max()
            np.testing.assert_allclose(got[name], value, rtol=1e-10, atol=1e-12 * scale)


def test_terms_that_are_left_out_were_zero() -> None:
    """A group's program without terms its accounts cannot have, against all terms for all."""
    fine, coarse = frozen(), frozen(coarse=True)
    assert len(fine.accounts) == 3 and len(coarse.accounts) == 2
    kinds = [(a.portfolio, bool(a.markets), bool(a.tokens)) for a in fine.accounts]
    assert sorted(kinds) == [(False, True, False), (True, False, True), (True, True, True)]
    assert all(len(a.markets) == 4 for a in coarse.accounts)
    outcome = placed(fine)
    # With all terms a plain borrower has a backstop, and its interest stops at its liquidation.
    rows = margin_accounts(case().book)
    same = (rows.size != 0).any(axis=1) | (rows.kind != "portfolio")
    got = placed(coarse)
    assert_same(
        {n: x[:, same] for n, x in got.items()}, {n: x[:, same] for n, x in outcome.items()}
    )
    np.testing.assert_array_equal(got["first"], outcome["first"])
    assert 0 < np.isfinite(got["first"][:, ~same]).mean() < 1
    assert 0.1 < np.isfinite(outcome["first"]).mean() < 0.9


@pytest.mark.parametrize("tile", [16, 64])
def test_tiles_of_accounts_change_nothing(tile: int) -> None:
    small = frozen(account_tile=tile)
    shapes = [a.net_cash.shape for a in small.accounts]
    assert all(shape[-1] % LANES == 0 for shape in shapes)
    assert (max(shape[0] for shape in shapes) > 1) == (tile < 64)
    assert_same(placed(small), placed(frozen()))


def test_tiles_of_paths_change_nothing() -> None:
    made = case()
    standard = used_part(select_accounts(made.book, made.book.modes == "cross"))
    valid = jnp.asarray(np.arange(8) != 5)
    results = []
    for tile in (2, 8):
        book = freeze(standard, made.venue, path_tile=tile)
        (counts, accounts), money = run_block(made.venue, book, made.market, valid, reduce_tile)
        results.append((vars(counts), {**vars(accounts), **vars(money)}))
    for counts, sums in results[1:]:
        for name, value in counts.items():
            np.testing.assert_array_equal(value, results[0][0][name], err_msg=name)
        for name, value in sums.items():
            kept = valid if value.shape == valid.shape else slice(None)
            want = np.asarray(results[0][1][name])[kept]
            np.testing.assert_allclose(np.asarray(value)[kept], want, rtol=1e-11, atol=1e-6)


@pytest.mark.parametrize("lanes", [1, 4])
def test_paths_side_by_side_come_to_what_paths_alone_come_to(lanes: int, monkeypatch) -> None:
    made, book, played = case(), frozen(), []
    together = engine._lane_rows

    def seen(venue, book, market):
        played.append(market.quote_price.shape[1])
        return together(venue, book, market)

    monkeypatch.setattr(engine, "_lane_rows", seen)
    found = []
    for width in (lanes, 8):
        monkeypatch.setattr(engine, "lanes_here", lambda paths, width=width: width)
        rows = jax.jit(lambda *a: path_rows(*a))(made.venue, book, made.market)
        found.append({k: np.asarray(x) for k, x in (vars(rows) | vars(rows.settlement)).items()
                      if k != "settlement"})  # fmt: skip
    assert played == [lanes, 8]
    assert_same(*found)


def test_padding_is_nobody() -> None:
    """Its rows belong to no account, are never liquidated and are worth nothing, in every sum."""
    book = frozen(account_tile=16)
    rows = rows_of(case().venue, book, case().market)
    place = np.concatenate([np.asarray(book.row), np.asarray(book.isolated_row)])
    assert len(set(place.tolist())) == len(place)
    padding = np.setdiff1d(np.arange(rows.first.shape[1]), place)
    assert len(padding) > 10
    assert np.isinf(np.asarray(rows.first)[:, padding]).all()
    for leaf in (rows.partial, rows.full, rows.loss, *vars(rows.settlement).values()):
        assert (np.asarray(leaf)[:, padding] == 0).all()


def test_rows_are_where_the_book_says() -> None:
    """Cash, sizes, collateral and equity of every margin account stand in its place."""
    made = case()
    held, book = used_part(made.book), frozen(account_tile=16)
    rows = margin_accounts(held)
    place = np.concatenate([np.asarray(book.row), np.asarray(book.isolated_row)])
    flat = [
        np.moveaxis(np.asarray(a.net_cash), 1, -1).reshape(-1, len(held.quotes))
        for a in book.accounts
    ]
    np.testing.assert_array_equal(np.concatenate(flat)[place], rows.net_cash)
    for account, start in zip(book.accounts, np.cumsum([0, *map(len, flat)]), strict=False):
        length = account.net_cash.shape[0] * account.net_cash.shape[-1]
        size = np.moveaxis(np.asarray(account.size), 1, -1).reshape(length, len(account.markets))
        here = np.flatnonzero((place >= start) & (place < start + length))
        for i, m in enumerate(account.markets):
            np.testing.assert_array_equal(size[place[here] - start, i], rows.size[here, m])
        others = [m for m in range(4) if m not in account.markets]
        assert (rows.size[here][:, others] == 0).all()
    worth = np.concatenate([np.asarray(e).ravel() for e in book.equity])[place]
    np.testing.assert_array_equal(worth, equity_now(held, rows))
    names = group_names(held)
    assert book.groups == len(names)
    assert [names[g] for g in np.asarray(book.group)] == held.groups.tolist()


def test_equity_now_is_that_of_the_margin_figures() -> None:
    made = case()
    held = used_part(made.book)
    rows = margin_accounts(held)
    figures = row_figures(held, made.venue, rows)
    price = np.array([held.token_prices[q] for q in held.quotes])
    want = figures.equity @ price + figures.collateral_value
    gross = np.abs(rows.net_cash) @ price + figures.notional @ price + figures.collateral_value
    assert (np.abs(equity_now(held, rows) - want) <= 1e-12 * gross).all()
    dearer = dataclasses.replace(held, token_prices=held.token_prices | {"HYPE": 1e3})
    assert (equity_now(dearer, rows) != equity_now(held, rows)).any()


def test_used_part_keeps_what_is_used() -> None:
    book = case().book
    assert used_part(book).quotes == book.quotes == ("USDC", "USDT0")
    cash, away = book.cash * [1, 0], dataclasses.replace(book.dex_cash, cash=0 * book.dex_cash.cash)
    settled = dataclasses.replace(book, cash=cash, dex_cash=away)
    assert used_part(settled).quotes == book.quotes  # positions settle in the second
    plain = used_part(dataclasses.replace(settled, settle={}))
    assert plain.quotes == ("USDC",)
    np.testing.assert_array_equal(plain.cash, book.cash[:, :1])
    assert plain.dex_cash.cash.shape == (len(away.account), 1)
    lent = dataclasses.replace(book, settle={}, cash=cash)
    assert used_part(lent).quotes == book.quotes  # cash on another DEX


def test_axes_of_another_venue_are_refused() -> None:
    made = case()
    with pytest.raises(ValueError, match="quotes of the book"):
        freeze(made.book, dataclasses.replace(made.venue, quotes=("USDC",)))
    with pytest.raises(ValueError, match="markets of the book"):
        freeze(used_part(made.book), dataclasses.replace(made.venue, markets=("BTC",)))


def test_precision_changes_floats_alone() -> None:
    book = in_precision(frozen(), "float32")
    kinds = {str(leaf.dtype) for leaf in jax.tree.leaves(book)}
    assert kinds == {"float32", "int64"}
    assert book.accounts[0].markets == frozen().accounts[0].markets
