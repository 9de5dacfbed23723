"""Processes made of real hours: the clock, block bootstrap, filtered simulation, replay."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from process_helpers import mean_error, returns_of, share_error

from stress.scenarios import bootstrap, clock, fhs, garch, replay

TABLE = np.random.default_rng(0).standard_normal((500, 2)) * [0.01, 0.02]


def test_clock_on_minutes_hours_and_days() -> None:
    hourly = jnp.asarray(TABLE[:48])
    np.testing.assert_allclose(clock.on_grid(hourly, 1.0, 48), TABLE[:48], atol=1e-15)
    minutes = np.asarray(clock.on_grid(hourly, 1 / 60, 120)).reshape(2, 60, 2)
    np.testing.assert_allclose(minutes, np.repeat(TABLE[:2, None] / 60, 60, axis=1), atol=1e-12)
    days = np.asarray(clock.on_grid(hourly, 24.0, 3))
    np.testing.assert_allclose(days[:2], TABLE[:48].reshape(2, 24, 2).sum(1), atol=1e-14)
    assert (days[2] == 0).all()  # at rest after its end
    steps = jnp.asarray([1.0, 0.5, 0.5, 2.0])
    mixed = np.asarray(clock.on_grid(hourly, steps, 4))
    exact = [TABLE[0], TABLE[1] / 2, TABLE[1] / 2, TABLE[2] + TABLE[3]]
    np.testing.assert_allclose(mixed, exact, atol=1e-15)


def rows_of(model, hours: int, paths: int, seed: int) -> np.ndarray:
    """Rows of the table that every hour of a path takes, `[paths, hours]`."""
    draws = jnp.asarray(np.random.default_rng(seed).standard_normal((paths, hours, 2)))
    return np.asarray(jax.vmap(lambda z: bootstrap.hours_drawn(model, z))(draws))


@pytest.mark.parametrize("scheme", ["stationary", "circular"])
def test_blocks_have_their_mean_length_and_wrap(scheme: str) -> None:
    """A block begins once in 8 hours; every hour of the table is as likely as any other."""
    model = bootstrap.build(TABLE, 8.0, scheme)
    rows = rows_of(model, 80, 4_000, seed=1)
    follows = (np.diff(rows, axis=1) == 1) | (np.diff(rows, axis=1) == -(len(TABLE) - 1))
    # 1/500 of the new blocks begin where the old one would have gone on
    fresh = (~follows).mean(axis=1)
    assert abs(mean_error(fresh, (1 - 1 / len(TABLE)) / 8)) < 4
    assert abs(mean_error(fresh, 1 / 7)) > 4
    assert (np.diff(rows, axis=1) == -(len(TABLE) - 1)).any()
    first = np.bincount(rows[:, 0], minlength=len(TABLE))
    expected = len(rows) / len(TABLE)
    statistic = ((first - expected) ** 2 / expected).sum()
    assert abs(statistic - len(TABLE)) < 4 * np.sqrt(2 * len(TABLE))
    if scheme == "circular":
        lengths = np.diff(np.flatnonzero(~follows[0]))
        assert set(lengths.tolist()) <= {8, 16}


def test_bootstrap_keeps_assets_together_and_what_follows_on_what() -> None:
    """Table: an AR(1) shared by both assets. Its autocorrelation survives in blocks alone."""
    rng, x = np.random.default_rng(2), np.zeros(4000)
    for t in range(1, len(x)):
        x[t] = 0.7 * x[t - 1] + rng.standard_normal()
    table = np.column_stack([x, -2 * x]) * 0.01
    kept = {}
    for block in (1.0, 50.0):
        r = returns_of(bootstrap, bootstrap.build(table, block), 400, 100, seed=3)
        np.testing.assert_allclose(r[..., 1], -2 * r[..., 0], atol=1e-14)
        product = (r[:, 1:, 0] * r[:, :-1, 0]).mean(axis=1) / table[:, 0].var()
        kept[block] = product
    lag = float((x[1:] * x[:-1]).mean() / x.var())
    assert abs(mean_error(kept[50.0], lag * 0.98)) < 4  # a new block in 50 forgets
    assert abs(mean_error(kept[1.0], 0.0)) < 4 < abs(mean_error(kept[1.0], lag * 0.98))


def test_bootstrap_over_days_sums_its_hours() -> None:
    model = bootstrap.build(TABLE, 8.0, "stationary", hours_per_step=24)
    day = returns_of(bootstrap, model, 20_000, 1, 24.0, seed=4)[:, 0]
    assert abs(mean_error(day[:, 0], 24 * TABLE[:, 0].mean())) < 4
    short = bootstrap.build(TABLE, 8.0, "stationary", hours_per_step=1)
    assert bootstrap.normals_per_step(model) == 24 * bootstrap.normals_per_step(short)


PARAMETERS: dict[str, Any] = {
    "omega": np.array([2e-6, 4e-6]), "alpha": np.array([0.03, 0.05]),
    "gamma": np.array([0.04, 0.02]), "beta": np.array([0.9, 0.88]),
}  # fmt: skip


def test_filter_finds_the_innovations_and_the_variance_again() -> None:
    factor = np.linalg.cholesky(np.array([[1.0, 0.5], [0.5, 1.0]]))
    long_run = PARAMETERS["omega"] / (
        1 - PARAMETERS["alpha"] - PARAMETERS["gamma"] / 2 - PARAMETERS["beta"]
    )
    model = garch.build(
        factor=factor, degrees_of_freedom=8.0, variance=long_run, drift=np.zeros(2), **PARAMETERS
    )
    table = returns_of(garch, model, 1, 3000, seed=5)[0]
    residuals, last = fhs.filtered(table, **PARAMETERS)
    h = long_run.copy()
    exact = np.empty_like(table)
    for t, r in enumerate(table):
        exact[t] = r / np.sqrt(h)
        h = (
            PARAMETERS["omega"]
            + (PARAMETERS["alpha"] + PARAMETERS["gamma"] * (r < 0)) * r**2
            + (PARAMETERS["beta"] * h)
        )
    np.testing.assert_allclose(last, h, rtol=1e-6)
    late = slice(500, None)  # the start is forgotten
    ratio = residuals[late] / exact[late]
    assert np.corrcoef(residuals[late, 0], exact[late, 0])[0, 1] > 1 - 1e-9
    assert abs(np.median(ratio) - 1) < 0.05


def test_filtered_simulation_has_the_variance_of_its_recursion() -> None:
    """From twice the long-run variance down to it; residuals drawn with their neighbours."""
    long_run = PARAMETERS["omega"] / (
        1 - PARAMETERS["alpha"] - PARAMETERS["gamma"] / 2 - PARAMETERS["beta"]
    )
    raw = np.random.default_rng(6).standard_normal((4000, 1)) * [1.0, -1.0]
    table = (raw - raw.mean(0)) / raw.std(0)
    given = {"table": table, "variance": 2 * long_run, "drift": np.zeros(2), **PARAMETERS}
    r = returns_of(fhs, fhs.build(**given), 40_000, 30, seed=7)
    keep = PARAMETERS["alpha"] + PARAMETERS["beta"]
    for a in range(2):
        fall = (table[:, a] ** 2 * (table[:, a] < 0)).mean()
        factor = keep[a] + PARAMETERS["gamma"][a] * fall
        h = 2 * long_run[a]
        for t in range(30):
            assert abs(mean_error(r[:, t, a] ** 2, h)) < 4
            h = PARAMETERS["omega"][a] + factor * h
        assert abs(mean_error(r[:, -1, a] ** 2, 2 * long_run[a])) > 4
    assert abs(share_error(r[:, 5, 0] * r[:, 5, 1] < 0, 1 - 1e-4)) < 4


def test_replay_is_the_path_itself() -> None:
    model = replay.build(TABLE[:30])
    assert replay.normals_per_step(model) == 0
    got = np.asarray(replay.log_returns(model, jnp.zeros((40, 0)), 1.0))
    np.testing.assert_allclose(got[:30], TABLE[:30], atol=1e-15)
    assert (got[30:] == 0).all()


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: bootstrap.build(TABLE, 0.5), "block"),
        (lambda: bootstrap.build(TABLE, 5, "moving"), "scheme"),
        (lambda: bootstrap.build(TABLE[:0], 5), "empty"),
        (lambda: replay.build(np.array([[np.nan]])), "finite"),
        (lambda: fhs.build(
            table=TABLE[:0], variance=np.ones(2), drift=np.zeros(2), **PARAMETERS), "empty"),
    ],
)  # fmt: skip
def test_nonsense_is_refused(build, words) -> None:
    with pytest.raises(ValueError, match=words):
        build()
