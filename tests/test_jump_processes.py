"""Merton, Kou, Hawkes: moments, correlations, first passage, cascades of events."""

import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from process_helpers import mean_error, returns_of, share_error
from scipy import special, stats

from stress.scenarios import gbm, hawkes, jumps, kou, merton
from stress.scenarios.gaussian import HOURS_PER_YEAR
from stress.validate.processes import kou_hits

PAIR = np.linalg.cholesky(np.array([[1.0, 0.5], [0.5, 1.0]]))
SIGMA, DRIFT = np.array([0.5, 0.9]), np.array([0.1, -0.2])


def references(shared: Path) -> dict:
    return json.loads((shared / "validation" / "reference_values.json").read_text())


def merton_model(**changes):
    given = {
        "volatility": SIGMA, "drift": DRIFT, "factor": PAIR, "common_intensity": 900.0,
        "own_intensity": np.array([300.0, 0.0]), "jump_mean": np.array([-0.01, 0.005]),
        "jump_deviation": np.array([0.02, 0.03]), "longest_step": 24.0,
    }  # fmt: skip
    return merton.build(**(given | changes))


def kou_model(**changes):
    given = {
        "volatility": SIGMA, "drift": DRIFT, "factor": PAIR, "common_intensity": 700.0,
        "own_intensity": np.array([0.0, 500.0]), "up_probability": np.array([0.4, 0.3]),
        "mean_up": np.array([0.02, 0.03]), "mean_down": np.array([0.03, 0.02]),
        "longest_step": 24.0,
    }  # fmt: skip
    return kou.build(**(given | changes))


@pytest.mark.parametrize("mean", [1e-4, 0.02, 0.7, 6.0])
def test_poisson_counts_against_scipy(mean: float) -> None:
    score = np.linspace(-8, 8, 4001)
    most = jumps.most_jumps(mean)
    assert (
        stats.poisson.sf(most, mean) < jumps.RARE <= stats.poisson.sf(most - 1, mean) or most == 1
    )
    got = np.asarray(jumps.poisson_count(jnp.asarray(score), jnp.asarray(mean), most))
    exact = stats.poisson.isf(special.ndtr(-score), mean)
    np.testing.assert_array_equal(got, np.minimum(exact, most))


def test_double_exponential_quantile_against_its_law() -> None:
    score = np.linspace(-8, 8, 2001)
    got = np.asarray(kou.double_exponential(jnp.asarray(score), 0.3, 0.02, 0.05))
    rising = got > 0
    np.testing.assert_allclose(0.3 * np.exp(-got[rising] / 0.02), special.ndtr(-score[rising]))
    np.testing.assert_allclose(0.7 * np.exp(got[~rising] / 0.05), special.ndtr(score[~rising]))
    assert (np.diff(got) > 0).all()


def merton_moments(hours: float) -> tuple[np.ndarray, np.ndarray, float]:
    """Variance and third central moment of each asset, covariance."""
    m, t = merton_model(), hours / HOURS_PER_YEAR
    rate = np.asarray(m.common_intensity + m.own_intensity)
    mean, dev = np.asarray(m.jump_mean), np.asarray(m.jump_deviation)
    variance = (SIGMA**2 + rate * (mean**2 + dev**2)) * t
    third = rate * (mean**3 + 3 * mean * dev**2) * t
    shared = float(m.common_intensity) * (mean.prod() + dev.prod()) + 0.5 * SIGMA.prod()
    return variance, third, shared * t


def kou_moments(hours: float) -> tuple[np.ndarray, np.ndarray, float]:
    m, t = kou_model(), hours / HOURS_PER_YEAR
    rate = np.asarray(m.common_intensity + m.own_intensity)
    p, u, d = (np.asarray(x) for x in (m.up_probability, m.mean_up, m.mean_down))
    variance = (SIGMA**2 + rate * (p * 2 * u**2 + (1 - p) * 2 * d**2)) * t
    third = rate * (p * 6 * u**3 - (1 - p) * 6 * d**3) * t
    # of a common jump: both up below the smaller p, both down above the larger, else apart
    both = 0.3 * u.prod() - 0.1 * u[0] * d[1] + 0.6 * d.prod()
    shared = 700.0 * 2 * both + 0.5 * SIGMA.prod()
    return variance, third, shared * t


CASES = {
    "merton": (merton, merton_model, merton_moments), "kou": (kou, kou_model, kou_moments)
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize(("hours", "steps"), [(24.0, 1), (1.0, 24)])
def test_moments_over_a_day_whatever_the_step(name: str, hours: float, steps: int) -> None:
    """Mean price, variance, skewness, covariance against closed forms; without jumps they fail."""
    module, model, moments = CASES[name]
    day = returns_of(module, model(), 200_000 // steps, steps, hours, seed=steps).sum(axis=1)
    variance, third, shared = moments(24.0)

    def errors(day):
        found = []
        for a in range(2):
            r = day[:, a] - day[:, a].mean()
            found += [
                mean_error(np.exp(day[:, a]), np.exp(DRIFT[a] / 365)),
                mean_error(r**2, variance[a]),
                mean_error(r**3, third[a]),
            ]
        centred = day - day.mean(0)
        return [*found, mean_error(centred.prod(axis=1), shared)]

    assert max(map(abs, errors(day))) < 4
    plain = gbm.Gbm(
        volatility=jnp.asarray(SIGMA), drift=jnp.asarray(DRIFT), factor=jnp.asarray(PAIR)
    )
    assert max(map(abs, errors(returns_of(gbm, plain, 20_000, 1, 24.0)[:, 0]))) > 4


@pytest.mark.parametrize("row", [0, 1])
def test_kou_drop_probabilities(shared: Path, row: int) -> None:
    known = references(shared)["kou_jump_drop"]["rows"][row]
    exact, barrier = float(known["p"]), float(np.log1p(-known["drop"]))
    hits = kou_hits(known["days"], barrier, (40_000, 8_000)[row], seed=row)
    assert abs(mean_error(hits, exact)) < 4
    plain = kou_hits(known["days"], barrier, 4_000, seed=9, jumping=False)
    assert abs(mean_error(plain, exact)) > 4  # the same variance without jumps


@pytest.mark.slow
def test_kou_drop_probability_of_a_month(shared: Path) -> None:
    known = references(shared)["kou_jump_drop"]["rows"][2]
    hits = kou_hits(known["days"], float(np.log1p(-known["drop"])), 20_000, seed=5)
    assert abs(mean_error(hits, float(known["p"]))) < 4


def hawkes_model(**changes):
    given = {
        "volatility": SIGMA, "drift": DRIFT, "factor": PAIR, "baseline": 0.05, "excitation": 0.6,
        "decay": 1.0, "initial": 0.0, "jump_mean": np.array([-0.01, 0.0]),
        "jump_deviation": np.array([0.01, 0.02]),
    }  # fmt: skip
    return hawkes.build(**(given | changes))


def counts(model, paths: int, steps: int, hours: float = 1.0, seed: int = 0) -> np.ndarray:
    """Events of every step, `[paths, steps]`."""
    width = hawkes.normals_per_step(model)

    def one(key):
        return hawkes.events(model, jax.random.normal(key, (steps, width), jnp.float64), hours)

    run = jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=500))
    return np.asarray(run(jax.random.split(jax.random.key(seed), paths)))


def test_times_of_events_meet_the_compensator() -> None:
    """Over six decades of baseline, decay and excitation; one iteration does not."""
    rng, most = np.random.default_rng(8), {}
    for few in (1, hawkes.NEWTON):
        worst = 0.0
        for _ in range(40):
            baseline, decay = 10 ** rng.uniform(-6, 0), 10 ** rng.uniform(-2, 1.5)
            excess, wait = 10 ** rng.uniform(-6, 2), rng.exponential(size=50)
            model = hawkes_model(baseline=baseline, excitation=decay / 2, decay=decay)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(hawkes, "NEWTON", few)
                time = np.asarray(
                    jax.vmap(lambda w, m=model, e=excess: hawkes._time(m, jnp.asarray(e), w))(
                        jnp.asarray(wait)
                    )
                )
            met = baseline * time - excess / decay * np.expm1(-decay * time)
            worst = max(worst, float(np.abs(met / wait - 1).max()))
        most[few] = worst
    assert most[hawkes.NEWTON] < 1e-14 < 1e-3 < most[1]


@pytest.mark.parametrize(("ratio", "name"), [(0.8, "n=.8"), (0.9, "n=.9")])
def test_offspring_of_one_event_are_borel(shared: Path, ratio: float, name: str) -> None:
    """One event now, none from outside: the size of its family."""
    known = references(shared)["borel_branching_total_size"][name]
    model = hawkes_model(baseline=0.0, excitation=ratio, initial=ratio)
    found = counts(model, 20_000, 80, hours=4.0, seed=1)
    assert found[:, -5:].sum() < 1e-3 * len(found) * 5  # families have died out
    size = 1 + found.sum(axis=1)
    tail = share_error(size > 100, known["P(>100)"])
    assert abs(tail) < 4
    other = 1 + counts(
        hawkes_model(baseline=0.0, excitation=0.95, initial=0.95), 4_000, 80, hours=4.0
    ).sum(axis=1)
    assert abs(share_error(other > 100, known["P(>100)"])) > 4
    if "P(size=1)" in known:
        assert abs(share_error(size == 1, known["P(size=1)"])) < 4


@pytest.mark.parametrize(("hours", "steps"), [(1.0, 400), (5.0, 80)])
def test_mean_and_clustering_of_events(hours: float, steps: int) -> None:
    """Mean rate baseline / (1 - n); variance over mean of long windows 1 / (1 - n)^2."""
    model = hawkes_model(initial=0.05 * 0.6 / 0.4)
    total = counts(model, 4_000, steps, hours, seed=steps).sum(axis=1)
    rate = 0.05 / 0.4 * 400
    assert abs(mean_error(total, rate)) < 4
    assert abs(mean_error(total, 0.05 * 400)) > 4
    # the start is the mean intensity, not a draw of it: what is lost is 1 part in the length
    fano = (total - rate) ** 2 / rate
    assert abs(mean_error(fano, 1 / 0.4**2)) < 4
    assert abs(mean_error(fano, 1.0)) > 4


def test_events_move_all_assets() -> None:
    model = hawkes_model(volatility=np.array([1e-9, 1e-9]), drift=np.zeros(2))
    draws = np.random.default_rng(3).standard_normal((500, 50, hawkes.normals_per_step(model)))
    moves = np.asarray(jax.vmap(lambda z: hawkes.log_returns(model, z, 1.0))(jnp.asarray(draws)))
    happened = np.asarray(jax.vmap(lambda z: hawkes.events(model, z, 1.0))(jnp.asarray(draws)))
    assert ((np.abs(moves[..., 0]) > 1e-7) == (happened > 0)).mean() > 0.999
    mean = moves[happened > 0] / happened[happened > 0][:, None]
    assert abs(mean_error(mean[:, 0], -0.01)) < 4 and abs(mean_error(mean[:, 1], 0.0)) < 4


@pytest.mark.parametrize(
    ("build", "changes", "words"),
    [
        (merton_model, {"common_intensity": -1.0}, "below 0"),
        (merton_model, {"jump_mean": np.array([np.nan, 0])}, "finite"),
        (kou_model, {"mean_up": np.array([1.0, 0.1])}, "no mean"),
        (kou_model, {"up_probability": np.array([1.1, 0.1])}, "above 1"),
        (hawkes_model, {"excitation": 1.0}, "not below the decay"),
        (hawkes_model, {"decay": 0.0}, "not below the decay"),
    ],
)
def test_nonsense_is_refused(build, changes, words) -> None:
    with pytest.raises(ValueError, match=words):
        build(**changes)
