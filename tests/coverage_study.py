"""How often nominal 95 % intervals contain the truth, over 1,000 seeded repetitions.

To print the table: python -m tests.coverage_study
"""

# ruff: noqa: E402
import math
import sys
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from stress.environment import prepare_environment

prepare_environment()

import jax
import jax.numpy as jnp
import numpy as np
from scipy import special
from scipy.stats import qmc
from statistics_helpers import clusters, lognormal_tail, losses, normal_tail, summed, t4_tail

from stress import estimate, tail
from stress.batches import batch_of, batched, cautious
from stress.estimate import Estimate
from stress.estimator_schema import Estimator
from stress.metrics import METRICS
from stress.replicates import from_replicates, probability_from_replicates
from stress.sampled import Sample, until
from stress.sampling.draws import PLAIN, Draws, draws, normals
from stress.sampling.line import line_probability
from stress.sampling.splitting import split
from stress.sampling.tilt import likelihood_ratio, mixture, tilted
from stress.totals import Totals
from stress.weighted import (
    weighted_expected_shortfall,
    weighted_mean,
    weighted_proportion,
    weighted_quantile,
)

REPEATS = 1000
LOW, HIGH = 0.93, 0.97
STEPS, LEVEL = 8, 3.3  # a walk of eight steps, its end 3.3 deviations out: 4.8e-4
EXACT = float(special.ndtr(-LEVEL))
Case = Callable[[int], float]  # repetitions -> share of intervals that contain the truth


def _share(found: list[Estimate], exact: float) -> float:
    return float(np.mean([e.low <= exact <= e.high for e in found]))


def _rows(found: Estimate, exact: float) -> float:
    return float(np.mean((found.low <= exact) & (exact <= found.high)))


def _binomial(method: Callable) -> Case:
    def run(repeats: int) -> float:
        counts = np.random.default_rng(1).binomial(4096, 0.013, repeats)
        return _rows(method(counts, 4096), 0.013)

    return run


def _plain(kind: str, of: Callable[[np.ndarray], Estimate], exact: float) -> Case:
    return lambda repeats: _rows(of(losses(kind)[:repeats]), exact)


def _paired(repeats: int) -> float:
    rng = np.random.default_rng(2)
    a = rng.lognormal(size=(repeats, 2048))
    return _rows(estimate.paired_difference(a + rng.normal(0.1, 1, a.shape), a), 0.1)


def _ratio(repeats: int) -> float:
    rng = np.random.default_rng(3)
    y = rng.gamma(4.0, size=(repeats, 1024))
    return _rows(estimate.ratio_of_means(1.4 * y + rng.normal(size=y.shape), y), 1.4)


def _clustered(repeats: int) -> float:
    counts = clusters(np.random.default_rng(4), 0.03, 0.2, (repeats, 4096), 50)
    return _rows(summed(counts, 50), 0.03)


def _mirrored(repeats: int) -> float:
    """As a campaign does it: between batches of pairs."""
    z = np.random.default_rng(5).standard_normal((repeats, 1024))
    pairs = np.exp(np.stack([z, -z], axis=-1)).reshape(repeats, -1)
    batch = batch_of(Estimator(method="antithetic"), pairs.shape[1])
    found = [
        batched(ACCOUNTS.estimate, Totals(len(row), by_path={"liquidated_accounts": row}), batch)
        for row in pairs
    ]
    return _share(found, math.exp(0.5))


ACCOUNTS = next(m for m in METRICS if m.id == "system.liquidated_accounts.mean")


def _stopped(p: float, tilt: bool) -> Case:
    """Samples that stop at their own relative error of a tenth, as events do."""

    def run(repeats: int) -> float:
        found = []
        for key in _keys(repeats):
            rng = np.random.default_rng(np.asarray(jax.random.key_data(key)))

            def more(spent: int, rng=rng) -> Sample:
                x = rng.standard_normal(1024)
                stratum = (np.arange(spent, spent + 1024) % 16 >= 1).astype(int) * tilt
                x = x + LEVEL * stratum
                weight = np.ones(1024)
                if tilt:
                    weight = 1 / (1 / 16 + 15 / 16 * np.exp(LEVEL * x - LEVEL**2 / 2))
                return Sample(weight * (x > -special.ndtri(p)), weight, stratum)

            sample, e = until(0.1, 10**6, more, lambda s: weighted_mean(s.known, 1.0, s.stratum))
            if not tilt:
                hits = int((sample.known > 0).sum())
                e = estimate.clopper_pearson(hits, len(sample.known))
            found.append(e)
        return _share(found, p)

    return run


def _mirrored_event(of: Callable[[np.ndarray], Estimate], both: bool) -> Case:
    """Events of pairs beyond 2 deviations: of one mirrored path, or of both paths at once."""

    def run(repeats: int) -> float:
        z = np.random.default_rng(8).standard_normal((repeats, 1024))
        one, other = (abs(z) > 2,) * 2 if both else (z > 2, z < -2)
        return _rows(of(one.astype(int) + other), (1 + both) * float(special.ndtr(-2)))

    return run


def _paired_share(pairs: np.ndarray) -> Estimate:
    return summed(pairs, 2)


def _cautious_share(pairs: np.ndarray) -> Estimate:
    found = estimate.proportion(pairs.sum(axis=-1), 2 * pairs.shape[-1])
    return cautious(found, Estimator(method="antithetic"))


def _shifted(repeats: int, wrap: bool) -> float:
    """Sobol points shifted at random, modulo 1 or (wrongly) held back at 1."""
    rng, points = np.random.default_rng(9), qmc.Sobol(2, scramble=False).random(128)
    exact, weights, edge = math.exp(0.5), np.array([0.6, 0.8]), 2.0**-33
    found = []
    for _ in range(repeats):
        moved = points + rng.random((16, 1, 2))
        inside = np.clip(moved % 1 if wrap else moved, edge, 1 - edge)
        found.append(from_replicates(np.exp(special.ndtri(inside) @ weights).mean(axis=1)))
    return _share(found, exact)


def walk(key: jax.Array, how: Draws = PLAIN, count: int = 2048, wrong: bool = False):
    """Ends of tilted walks in deviations, weights and strata."""
    move = np.full((STEPS, 1), LEVEL / math.sqrt(STEPS))
    mix = mixture(np.stack([np.zeros((STEPS, 1)), move]), (2, 14))
    drawn, which = tilted(mix, how, key, jnp.arange(count), STEPS, 1)
    ratio = likelihood_ratio(mix, drawn)[:, -1]
    if wrong:  # the quadratic term with the wrong sign
        ratio = 1 / (2 / 16 + 14 / 16 * jnp.exp(LEVEL * drawn.sum((1, 2)) / math.sqrt(STEPS)
                                                + LEVEL**2 / 2))  # fmt: skip
    ends = drawn.sum((1, 2)) / math.sqrt(STEPS)
    return np.asarray(ends), np.asarray(ratio), np.asarray(which)


def _keys(repeats: int) -> list[jax.Array]:
    return list(jax.random.split(jax.random.key(6), repeats))


def _tilted(of: Callable[..., Estimate], exact: float, wrong: bool = False) -> Case:
    return lambda repeats: _share([of(*walk(k, wrong=wrong)) for k in _keys(repeats)], exact)


def _exceeds(x: np.ndarray, w: np.ndarray, k: np.ndarray) -> Estimate:
    return weighted_proportion(x > LEVEL, w, k)


def _stratum_mean(x: np.ndarray, w: np.ndarray, k: np.ndarray) -> Estimate:
    return weighted_mean(np.maximum(x, 0), w, k)


def _sobol(repeats: int, tilt: bool = True, shared: bool = False) -> float:
    """Randomised points: 16 scramblings of 128 points."""
    how = draws("sobol", np.ones(STEPS), 1, 16, "bridge")
    found = []
    for key in _keys(repeats):
        if tilt:
            x, w, _ = walk(key, how)
            terms = w * (x > LEVEL)
            exact = EXACT
        else:
            z = np.asarray(normals(how, key, jnp.arange(2048), STEPS, 1))[:, :, 0]
            terms = np.maximum(np.cumsum(z, axis=1).max(axis=1), 0)
            exact = MEAN_MAXIMUM
        parts = terms.reshape(-1, 16).mean(axis=0)
        if shared:  # repeats that differ in nothing but rounding
            parts = parts[0] * (1 + 1e-9 * np.arange(16))
        found.append(from_replicates(parts))
    return _share(found, exact)


MEAN_MAXIMUM = sum(1 / math.sqrt(2 * math.pi * k) for k in range(1, STEPS + 1))  # Spitzer 1956


def _lines(repeats: int) -> float:
    direction = np.zeros((STEPS, 1))
    direction[0, 0] = 1.0
    found = []
    for key in _keys(repeats):
        drawn = normals(PLAIN, key, jnp.arange(4096), STEPS, 1)
        lines = line_probability(LINE_SCORE, drawn, direction).probability
        found.append(weighted_mean(lines, np.ones(len(lines))))
    return _share(found, LINE_EXACT)


def _line_score(z):
    return 0.8 * z[:, 0, 0] + 0.6 * z[:, 1, 0] - LEVEL


LINE_SCORE, LINE_EXACT = jax.jit(_line_score), float(special.ndtr(-LEVEL))


def _splitting(repeats: int) -> float:
    """Eight runs of 500 particles each."""
    found = []
    for key in _keys(repeats):
        runs = [split(_end, k, 500, (2, 1), 6).probability for k in jax.random.split(key, 8)]
        found.append(probability_from_replicates(np.array(runs)))
    return _share(found, EXACT)


def _ends(z):
    return z.sum((1, 2)) / math.sqrt(2) - LEVEL


_end = jax.jit(_ends)


def _lognormal_runs(spread: float, runs: int) -> Case:
    def run(repeats: int) -> float:
        rng = np.random.default_rng(7)
        sigma = math.sqrt(math.log1p(spread**2))
        x = np.exp(rng.normal(-(sigma**2) / 2, sigma, (repeats, runs)))
        return _share([probability_from_replicates(row) for row in x], 1.0)

    return run


T99, T_SHORT = t4_tail(0.99)
CASES: dict[str, Case] = {
    "proportion (Wilson), p 1.3 %": _binomial(estimate.proportion),
    "mean, lognormal": _plain("lognormal", estimate.mean, math.exp(0.5)),
    "quantile 99 %, Student-t4": _plain("t4", lambda x: tail.quantile(x, 0.99), T99),
    "ES 99 %, Student-t4": _plain("t4", lambda x: tail.expected_shortfall(x, 0.99), T_SHORT),
    "ES 99 %, mostly zero": _plain(
        "mostly zero", lambda x: tail.expected_shortfall(x, 0.99), lognormal_tail(0.99, 0.05)[1]
    ),
    "paired difference": _paired,
    "ratio of means": _ratio,
    "share of a group, clustered": _clustered,
    "mirrored pairs, mean": _mirrored,
    "tilt, probability 4.8e-4": _tilted(_exceeds, EXACT),
    "mirrored pairs, event of one": _mirrored_event(_paired_share, both=False),
    "mirrored pairs, event of both": _mirrored_event(_paired_share, both=True),
    "tilt, mean": _tilted(_stratum_mean, 1 / math.sqrt(2 * math.pi)),
    "tilt, quantile 99.9 %": _tilted(
        lambda x, w, k: weighted_quantile(x, w, 0.999, k), normal_tail(0.999)[0]
    ),
    "tilt, ES 99.9 %": _tilted(
        lambda x, w, k: weighted_expected_shortfall(x, w, 0.999, k), normal_tail(0.999)[1]
    ),
    "Sobol, mean of a maximum": lambda repeats: _sobol(repeats, tilt=False),
    "Sobol shifted, 16 repeats, mean": lambda repeats: _shifted(repeats, wrap=True),
    "tilt_sobol, probability 4.8e-4": _sobol,
    "line, probability 4.8e-4": _lines,
    "splitting, 8 runs, 4.8e-4": _splitting,
    "splitting, 8 lognormal runs of error 0.5": _lognormal_runs(0.5, 8),
    "splitting, 32 lognormal runs of error 0.5": _lognormal_runs(0.5, 32),
    "splitting, 16 lognormal runs of error 0.1": _lognormal_runs(0.1, 16),
    "splitting, 16 lognormal runs of error 0.6": _lognormal_runs(0.6, 16),
}
STOPPED = {
    "plain, stopped at 10 %, p 1.3 %": _stopped(0.013, tilt=False),
    "tilt, stopped at 10 %, 4.8e-4": _stopped(EXACT, tilt=True),
}
CASES |= STOPPED
CONSERVATIVE: dict[str, Case] = {
    "Clopper-Pearson, p 1.3 %": _binomial(estimate.clopper_pearson),
    "mirrored pairs, cautious, event of one": _mirrored_event(_cautious_share, both=False),
    "mirrored pairs, cautious, event of both": _mirrored_event(_cautious_share, both=True),
}
CONTROLS: dict[str, Case] = {
    "wrong likelihood ratio": _tilted(_exceeds, EXACT, wrong=True),
    "shared seed": lambda repeats: _sobol(repeats, shared=True),
    "shift without wrap": lambda repeats: _shifted(repeats, wrap=False),
}


def table(repeats: int = REPEATS) -> list[tuple[str, float, str]]:
    """(interval, coverage, verdict) of every case."""
    rows = []
    for name, case in CASES.items():
        share = case(repeats)
        rows.append((name, share, "ok" if LOW <= share <= HIGH else "OUTSIDE"))
    for name, case in CONSERVATIVE.items():
        share = case(repeats)
        rows.append((name, share, "ok, never below" if share >= LOW else "OUTSIDE"))
    for name, case in CONTROLS.items():
        share = case(min(repeats, 200))
        rows.append((f"control: {name}", share, "caught" if share < LOW else "NOT CAUGHT"))
    return rows


if __name__ == "__main__":
    print(f"{'nominal 95 % interval':45} coverage  (its own error {0.0069:.4f})")
    for interval, covered, verdict in table():
        print(f"{interval:45} {covered:8.3f}  {verdict}", flush=True)
