"""Overlays and factors from the file to what accounts see, against loops written here."""

import itertools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from campaign_cases import small_campaign
from test_market import quiet

from stress.campaign import plan, scenario_key
from stress.errors import InputError
from stress.factors import Reverting, factor_path
from stress.market import market_paths, sample_paths
from stress.scenarios.gaussian import HOURS_PER_YEAR
from stress.scenarios.overlays import crash, mixing, pulse, shown_time

PATHS = 6
GRID = np.arange(25.0)
OVERLAYS: list[dict[str, Any]] = [
    {"crash": {"size": {"BTC": -0.2, "HYPE": -0.4}, "at": "2h", "over": "3h", "shape": "early"}},
    {"crash": {"asset": "BTC", "size": -0.1, "at": "6h", "recovery": 0.5, "recovery_over": "4h"}},
    {"depeg": {"size": 0.13, "at": "5h", "over": "2h", "hold": "3h", "half_life": "6h"}},
    {"basis_blowout": {"asset": "HYPE", "size": -0.06, "at": "3h", "half_life": "2h"}},
    {"basis_blowout": {"size": -0.02, "at": "4h"}},
    {"depth_collapse": {"to": 0.05, "at": "3h", "over": "1h", "half_life": "3h"}},
    {"depth_collapse": {"asset": ["BTC"], "to": 0.5, "at": "1h"}},
    {"oracle_lag": {"lag": "2h", "at": "1h", "over": "20h"}},
    {"oracle_outage": {"asset": "HYPE", "at": "3h", "over": "5h"}},
    {"funding_spike": {"premium": 0.01, "at": "2h", "half_life": "4h"}},
]


def sampled(folder: Path, overlays: list[dict[str, Any]], **changes: Any):
    """(market [F, P, T], sample, scenario, today) of a scenario with overlays."""
    name = "run"
    edits = [(f"scenarios.run.{key}", value) for key, value in changes.items()]
    built = plan(small_campaign(folder, ("scenarios.run.overlays", overlays), *edits))
    model, today = built.scenarios[name]
    hours = jnp.asarray(built.campaign.step_hours)
    sample = sample_paths(today, model, scenario_key(3, name), jnp.arange(PATHS), hours)
    market, _ = market_paths(built.inputs.venue, today, model, sample, hours)
    return market, sample, model, today


def test_what_accounts_see_of_every_overlay(tmp_path) -> None:
    """Marks, collateral and funding by plain loops over paths and hours."""
    bare, without, _, _ = sampled(tmp_path, [])
    market, sample, model, today = sampled(tmp_path, OVERLAYS)
    order = ["BTC", "HYPE"]
    fall = {
        "BTC": crash(GRID, -0.2, 2, 3, 0, 0, "early") + crash(GRID, -0.1, 6, 0, 0.5, 4),
        "HYPE": crash(GRID, -0.4, 2, 3, 0, 0, "early"),
    }
    basis = {
        "BTC": np.log(0.98) * pulse(GRID, 4, 0, 0, None),
        "HYPE": np.log(0.98) * pulse(GRID, 4, 0, 0, None) + np.log(0.94) * pulse(GRID, 3, 0, 0, 2),
    }
    peg = np.log(1.13) * pulse(GRID, 5, 2, 3, 6)
    columns = {a: np.asarray(without.logs)[:, :, i] + fall[a] for i, a in enumerate(order)}
    np.testing.assert_allclose(
        np.asarray(sample.logs), np.stack([columns[a] for a in order], -1), atol=1e-13
    )
    for asset in order:
        hours_shown = []
        for t in GRID:
            late = t - 2 if 1 < t < 21 else t
            silent = 3 if asset == "HYPE" and 3 < t < 8 else t
            hours_shown.append(int(max(0, min(late, silent, t))))
        i = order.index(asset)
        np.testing.assert_array_equal(np.asarray(model.factors.shown)[:, i], hours_shown)
        logs = columns[asset]
        for m, a in enumerate(today.market_asset):
            if a == i:
                mark = float(today.mark[m]) * np.exp(logs + basis[asset])
                np.testing.assert_allclose(np.asarray(market.mark[m]), mark, rtol=1e-12)
                oracle = float(today.oracle[m]) * np.exp(logs[:, hours_shown])
                seen = np.exp(basis[asset] + logs - logs[:, hours_shown]) - 1
                premium = seen + 0.01 * pulse(GRID, 2, 0, 0, 4)
                f = premium + np.clip(1e-4 - premium, -5e-4, 5e-4)
                paid = np.cumsum((np.clip(f / 8, -0.04, 0.04) * oracle)[:, :-1], axis=1)
                gap = np.asarray(market.mark[m] - market.settlement[m])
                np.testing.assert_allclose(gap[:, 1:], paid, rtol=1e-9, atol=1e-9 * mark.max())
        for c, a in enumerate(today.token_asset):
            if a == i:
                price = float(today.collateral_price[c]) * np.exp(logs[:, hours_shown] + peg)
                np.testing.assert_allclose(
                    np.asarray(market.collateral_price[c]), price, rtol=1e-12
                )
    np.testing.assert_array_equal(np.asarray(bare.quote_price), np.asarray(market.quote_price))
    depth = np.asarray(sample.factors.depth)[0]
    thin = 1 - 0.95 * pulse(GRID, 3, 1, 0, 3)
    np.testing.assert_allclose(depth[:, 1], thin, rtol=1e-12)
    np.testing.assert_allclose(depth[:, 0], thin * (1 - 0.5 * (GRID > 1)), rtol=1e-12)


def test_order_of_overlays_does_not_matter(tmp_path) -> None:
    first = sampled(tmp_path, OVERLAYS)[0]
    rng = np.random.default_rng(0)
    for _ in range(3):
        shuffled = [OVERLAYS[i] for i in rng.permutation(len(OVERLAYS))]
        again = sampled(tmp_path, shuffled)[0]
        for got, want in zip(jax.tree.leaves(again), jax.tree.leaves(first), strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12, atol=1e-300)
    changed = sampled(tmp_path, OVERLAYS[1:])[0]
    assert not np.allclose(changed.mark, first.mark, rtol=1e-3)


def test_noisy_basis_leaves_the_prices_alone(tmp_path) -> None:
    plain = sampled(tmp_path, [])[1]
    noise = {"volatility": 0.5, "half_life": "3h", "exposure": 0.1}
    basis, peg = {"basis": noise}, {"peg": {"volatility": 0.1, "half_life": "10h"}}
    market, noisy, _, today = sampled(tmp_path, [], **basis, **peg)
    np.testing.assert_array_equal(noisy.logs, plain.logs)
    np.testing.assert_array_equal(noisy.supply, plain.supply)
    assert (np.asarray(noisy.factors.basis)[:, 1:] != 0).all()
    assert (np.asarray(noisy.factors.peg)[:, 1:] != 0).all()
    same = np.asarray(today.mark)[0] * np.exp(
        np.asarray(noisy.logs)[..., today.market_asset[0]]
        + np.asarray(noisy.factors.basis)[..., today.market_asset[0]]
    )
    np.testing.assert_allclose(np.asarray(market.mark)[0], same, rtol=1e-13)


@pytest.mark.parametrize("step", [0.25, 2.0])
def test_the_noise_is_an_ornstein_uhlenbeck_process(step: float) -> None:
    """Variance, autocorrelation and answer to returns at the horizon, exact for any step."""
    steps, n = int(24 / step), 20_000
    half_life, volatility, exposure = 6.0, 0.8, 0.3
    noise = Reverting(
        volatility=jnp.array([volatility]),
        half_life=jnp.asarray(half_life),
        exposure=jnp.array([exposure]),
    )
    factors = quiet(steps + 1, 1, 0.0)
    factors = type(factors)(**{**vars(factors), "basis_noise": noise})
    rng = np.random.default_rng(1)
    normals, returns = rng.standard_normal((n, steps, 1)), np.zeros((n, steps, 1))
    returns[:, steps // 2] = 0.1

    def one(z, r):
        return factor_path(factors, z, r, r[:, 0], jnp.ones((steps, 1)), jnp.asarray(step)).basis

    path = np.asarray(jax.jit(jax.vmap(one))(jnp.asarray(normals), jnp.asarray(returns)))[..., 0]
    rate = np.log(2) / half_life
    spread = volatility**2 / (2 * rate * HOURS_PER_YEAR) * (1 - np.exp(-2 * rate * 24))
    end = path[:, -1]
    mean = exposure * 0.1 * 2 ** (-(steps - 1 - steps // 2) * step / half_life)
    error = end.std() / np.sqrt(n)
    assert abs(end.mean() - mean) < 4 * error < abs(mean)
    variance = end.var()
    assert abs(variance - spread) < 4 * np.sqrt(2 / n) * spread
    assert abs(variance - 1.1 * spread) > 4 * np.sqrt(2 / n) * spread


def test_correlations_move_inside_their_window(tmp_path) -> None:
    """All shocks alike from hour 8 to 16, as before outside; volatilities stay."""
    shift = {"correlation": {"level": 1.0, "at": "8h", "over": "8h"}}
    plain = np.diff(np.asarray(sampled(tmp_path, [])[1].logs), axis=1)
    moved = np.diff(np.asarray(sampled(tmp_path, [shift])[1].logs), axis=1)
    np.testing.assert_allclose(moved[:, :8], plain[:, :8], atol=1e-15)
    np.testing.assert_allclose(moved[:, 16:], plain[:, 16:], atol=1e-15)
    window = moved[:, 8:16].reshape(-1, moved.shape[-1])
    centred = window - window.mean(0)
    assert np.corrcoef(centred.T)[0, 1] > 1 - 1e-9
    assert np.corrcoef(plain[:, 8:16].reshape(-1, plain.shape[-1]).T)[0, 1] < 0.95


def test_mixing_reaches_any_correlation() -> None:
    rng = np.random.default_rng(2)
    for size in (1, 2, 5):
        a = rng.standard_normal((size, size + 2))
        b = rng.standard_normal((size, max(size - 1, 1)))
        scale = [np.sqrt(np.diag(m @ m.T)) for m in (a, b)]
        now, then = (m @ m.T / np.outer(s, s) for m, s in zip((a, b), scale, strict=True))
        factor = np.linalg.cholesky(now)
        whole = factor @ mixing(factor, then)
        np.testing.assert_allclose(whole @ whole.T, then, atol=1e-9)
    with pytest.raises(ValueError, match="eigenvalue"):
        mixing(np.eye(3), np.full((3, 3), -0.9) + 1.9 * np.eye(3))


def test_pulse_and_shown_time_by_hand() -> None:
    course = pulse(GRID, 2, 4, 3, 5)
    assert (course[:3] == 0).all()
    np.testing.assert_allclose(course[3:7], [0.25, 0.5, 0.75, 1])
    assert (course[6:10] == 1).all() and course[14] == pytest.approx(0.5)
    assert pulse(GRID, 2, 0, 0, None).tolist() == [0.0] * 3 + [1.0] * 22
    late = shown_time(GRID, 0.0, np.inf, 3.0)
    np.testing.assert_array_equal(late, np.maximum(GRID - 3, 0))
    silent = shown_time(GRID, 5.0, 9.0, None)
    assert silent[5:10].tolist() == [5, 5, 5, 5, 9]


REFUSED = [
    ([{"correlation": {"level": 0.5}}] * 2, "overlays[1].correlation", "a second one"),
    ([{"correlation": {"level": -1.5}}], "overlays[0].correlation.level", "-1.5"),
    ([{"depeg": {"size": -1.0}}], "overlays[0].depeg.size", "-1"),
    ([{"basis_blowout": {"size": {"DOGE": -0.1}}}], "overlays[0].basis_blowout.size", "DOGE"),
    ([{"depth_collapse": {"to": 0.0}}], "overlays[0].depth_collapse.to", "0"),
    ([{"depth_collapse": {"asset": "SOL", "to": 0.1}}], "overlays[0].depth_collapse", "SOL"),
    ([{"oracle_outage": {"at": "1h"}}], "overlays[0].oracle_outage.over", ""),
    ([{"crash": {"size": -0.1, "shape": "square"}}], "overlays[0].crash.shape", "square"),
    ([{"funding_spike": {}}], "overlays[0].funding_spike.premium", ""),
    ([{"depeg": {"size": 0.1}, "crash": {"size": 0.1}}], "overlays[0]", "crash and depeg"),
]


@pytest.mark.parametrize(("overlays", "key", "found"), REFUSED)
def test_overlays_that_make_no_sense_are_refused(tmp_path, overlays, key, found) -> None:
    with pytest.raises(InputError) as caught:
        sampled(tmp_path, overlays)
    assert key in str(caught.value) and found in str(caught.value)


def test_every_pair_of_overlays_commutes_in_the_file(tmp_path) -> None:
    """Two courses of the same kind add or multiply: no pair sees which came first."""
    for a, b in itertools.combinations((1, 2, 4, 6, 7), 2):
        one = sampled(tmp_path, [OVERLAYS[a], OVERLAYS[b]])[1]
        two = sampled(tmp_path, [OVERLAYS[b], OVERLAYS[a]])[1]
        np.testing.assert_allclose(one.logs, two.logs, atol=1e-14)
        np.testing.assert_allclose(one.factors.depth, two.factors.depth, rtol=1e-14)
