"""Accumulators against plain counting, path by path and account by account."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from engine_cases import random_case

from models.step import Settlement
from stress import liquidated
from stress.aggregate import RATIO_BINS, RATIO_STEP, reduce_tile
from stress.book import select_accounts
from stress.engine import FrozenBook, Rows, run_block
from stress.frozen import freeze, owners, used_part

reduced = jax.jit(reduce_tile, static_argnums=0)
PATHS, USERS, ROWS, TIMES = 40, 5, 12, 6
OWNER = {3: 1, 0: 1, 7: 4}  # rows of isolated positions and whose they are
OWN = [2, 5, 1, 8, 4]
GROUP = [0, 1, 0, 2, 1]


def book() -> FrozenBook:
    """Where rows belong; rows 6, 9, 10 and 11 are padding."""
    return FrozenBook(
        accounts=(),
        entry=(),
        equity=(),
        row=jnp.array(OWN),
        isolated_row=jnp.array(list(OWNER)),
        isolated_owner=jnp.array(list(OWNER.values())),
        group=jnp.array(GROUP),
        groups=3,
        path_tile=PATHS,
        **owners(np.array(OWN), np.array(list(OWNER.values())), np.array(GROUP), 3, ROWS),
    )


def outcomes(seed: int = 0) -> Rows:
    """Random outcomes of every row; padding ends as it does in the engine."""
    rng = np.random.default_rng(seed)
    shape = (PATHS, ROWS)
    padding = ~np.isin(np.arange(ROWS), [*OWN, *OWNER])
    first = np.where(rng.random(shape) < 0.4, rng.integers(0, TIMES, shape), np.inf)
    edges = rng.choice([0.0, np.inf, 1.9999, 2.0, 5.0], shape)
    ratio = np.where(rng.random(shape) < 0.3, edges, rng.uniform(0, 2.2, shape))

    def money(scale: float) -> np.ndarray:
        return np.where(padding, 0, rng.normal(0, scale, shape))

    return Rows(
        first=jnp.asarray(np.where(padding, np.inf, first)),
        partial=jnp.asarray((rng.random(shape) < 0.3) & ~padding),
        full=jnp.asarray((rng.random(shape) < 0.2) & ~padding),
        loss=jnp.asarray(money(1e5)),
        settlement=Settlement(
            equity=jnp.asarray(money(1e6)),
            loan=jnp.asarray(np.abs(money(1e4))),
            notional=jnp.asarray(np.abs(money(1e7))),
            collateral=jnp.asarray(np.abs(money(1e5))),
            margin_ratio=jnp.asarray(np.where(padding, 0, ratio)),
        ),
    )


def rows_of(user: int) -> list[int]:
    return [OWN[user], *(row for row, owner in OWNER.items() if owner == user)]


@pytest.mark.parametrize("seed", range(3))
def test_counts_by_hand(seed: int) -> None:
    rows, valid = outcomes(seed), np.random.default_rng(seed).random(PATHS) < 0.7
    (counts, accounts), _ = reduced(TIMES, book(), rows, jnp.asarray(valid))
    want = {
        "first": np.zeros((TIMES + 1, USERS), int),
        "ratio": np.zeros((RATIO_BINS, USERS), int),
        "group": np.zeros((TIMES, 4), int),
        "group_square": np.zeros((TIMES, 4), int),
        **{name: np.zeros(USERS, int) for name in ("partial", "full", "bad_debt")},
    }
    sums = {"bad_debt": np.zeros(USERS), "equity_loss": np.zeros(USERS)}
    first, equity = np.asarray(rows.first), np.asarray(rows.settlement.equity)
    for p in np.flatnonzero(valid):
        gone = np.zeros((TIMES, 4), int)
        for u in range(USERS):
            own = rows_of(u)
            when = min(first[p, k] for k in own)
            want["first"][TIMES if np.isinf(when) else int(when), u] += 1
            for t in range(TIMES):
                gone[t, 0] += when <= t
                gone[t, 1 + GROUP[u]] += when <= t
            lost = [max(-equity[p, k], 0) for k in own if np.isfinite(first[p, k])]
            want["partial"][u] += any(rows.partial[p, k] for k in own)
            want["full"][u] += any(rows.full[p, k] for k in own)
            want["bad_debt"][u] += sum(lost) > 0
            ratio = float(rows.settlement.margin_ratio[p, OWN[u]])
            want["ratio"][RATIO_BINS - 1 if ratio >= 2 else int(ratio / RATIO_STEP), u] += 1
            sums["bad_debt"][u] += sum(lost)
            sums["equity_loss"][u] += sum(float(rows.loss[p, k]) for k in own)
        want["group"] += gone
        want["group_square"] += gone**2
    assert int(counts.paths) == valid.sum()
    for name, value in want.items():
        found = getattr(counts, name)
        assert jnp.issubdtype(found.dtype, jnp.integer)
        np.testing.assert_array_equal(found, value, err_msg=name)
    for name, value in sums.items():
        np.testing.assert_allclose(getattr(accounts, name), value, rtol=1e-12)
    assert want["ratio"][-1].sum() > 5 and want["bad_debt"].sum() > 5
    assert (want["group_square"] > want["group"]).any()


@pytest.mark.parametrize("window", [1, 5, 12, 128])
def test_windows_of_rows_change_nothing(window: int, monkeypatch) -> None:
    """Also where the last overlaps the one before, and where most are passed over."""
    rows, valid = outcomes(4), jnp.asarray(np.arange(PATHS) % 3 > 0)
    quiet = np.isin(np.arange(ROWS), (0, 2, 8, 11))  # alone with something to tell
    calm = dataclasses.replace(
        rows,
        first=jnp.where(quiet[None, :], rows.first, jnp.inf),
        partial=rows.partial & quiet[None, :],
        full=rows.full & quiet[None, :],
    )
    for some in (rows, calm):
        monkeypatch.setattr(liquidated, "WINDOW", 3)
        want = reduce_tile(TIMES, book(), some, valid)
        monkeypatch.setattr(liquidated, "WINDOW", window)
        got = reduce_tile(TIMES, book(), some, valid)
        for mine, theirs in zip(*map(jax.tree.leaves, (got, want)), strict=True):
            np.testing.assert_allclose(mine, theirs, rtol=1e-14)
    assert int(got[0][0].first[:-1].sum()) > 10


def test_money_of_a_path_by_hand() -> None:
    rows = outcomes()
    _, money = reduced(TIMES, book(), rows, jnp.ones(PATHS, bool))
    first, end = np.asarray(rows.first), rows.settlement
    for p in range(PATHS):
        gone = [k for k in range(ROWS) if np.isfinite(first[p, k])]
        users = sum(min(first[p, k] for k in rows_of(u)) < np.inf for u in range(USERS))
        assert money.liquidated_accounts[p] == users
        want = {
            "liquidated_notional": sum(float(end.notional[p, k]) for k in gone),
            "liquidated_debt": sum(float(end.loan[p, k]) for k in gone),
            "bad_debt": sum(max(-float(end.equity[p, k]), 0) for k in gone),
            "equity_loss": float(np.asarray(rows.loss)[p].sum()),
        }
        for name, value in want.items():
            assert float(getattr(money, name)[p]) == pytest.approx(value, rel=1e-12), name


def test_single_precision_is_summed_in_double() -> None:
    """A whale of 1e8 and a million small losses: float32 sums would lose the small ones."""
    rows = outcomes()
    loss = jnp.full((PATHS, ROWS), 0.25, "float32").at[:, 2].set(1e8)
    narrow = jax.tree.map(lambda x: x.astype("float32") if x.dtype == jnp.float64 else x, rows)
    narrow = dataclasses.replace(narrow, loss=loss)
    (_, accounts), money = reduced(TIMES, book(), narrow, jnp.ones(PATHS, bool))
    assert (np.asarray(money.equity_loss) == 1e8 + 0.25 * (ROWS - 1)).all()
    assert money.equity_loss.dtype == accounts.equity_loss.dtype == jnp.float64
    assert float(jnp.sum(loss[0])) != 1e8 + 0.25 * (ROWS - 1)


def test_a_masked_path_counts_nowhere_even_if_it_is_not_finite() -> None:
    rows = outcomes()
    bad = jax.tree.map(lambda x: x.at[3].set(jnp.nan) if x.dtype == jnp.float64 else x, rows)
    valid = jnp.asarray(np.arange(PATHS) != 3)
    found, want = (reduced(TIMES, book(), r, valid)[0] for r in (bad, rows))
    for mine, theirs in zip(jax.tree.leaves(found), jax.tree.leaves(want), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    assert int(found[0].paths) == PATHS - 1


def test_halves_add_up_to_the_whole() -> None:
    rows = outcomes()
    half = np.arange(PATHS) < PATHS // 3
    parts = [reduced(TIMES, book(), rows, jnp.asarray(v))[0][0] for v in (half, ~half)]
    (whole, _), _ = reduced(TIMES, book(), rows, jnp.ones(PATHS, bool))
    for name, value in vars(whole).items():
        np.testing.assert_array_equal(getattr(parts[0], name) + getattr(parts[1], name), value)


def test_a_tile_without_a_counted_path_is_not_played() -> None:
    """Its market is not even looked at: prices that are not numbers leave no trace."""
    made = random_case(0)
    standard = select_accounts(made.book, made.book.modes == "cross")
    frozen = freeze(used_part(standard), made.venue, path_tile=4)
    valid = jnp.asarray(np.arange(8) < 3)
    spoilt = jax.tree.map(lambda x: x.at[:, 4:].set(jnp.nan), made.market)
    results = [run_block(made.venue, frozen, m, valid, reduce_tile) for m in (spoilt, made.market)]
    for got, want in zip(*map(jax.tree.leaves, results), strict=True):
        np.testing.assert_array_equal(got, want)
    money = results[0][1]
    assert (np.asarray(money.equity_loss)[4:] == 0).all()
    assert (np.asarray(money.equity_loss)[:4] != 0).all()  # of a played tile also the masked path
