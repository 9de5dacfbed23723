"""Sobol indices of a function of independent inputs, with intervals."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from stress.estimate import Estimate, as_estimate

RESAMPLES = 999  # of the bootstrap: the ends of a 95 % interval move by a few per cent of its width


@dataclass(frozen=True, kw_only=True)
class Indices:
    """Shares of the variance of each output that each input explains, `[S, d]`."""

    first: Estimate  # by itself
    total: Estimate  # with all that it does together with others


def sobol_table(
    function: Callable[[np.ndarray], np.ndarray],
    inputs: Sequence[Any],
    points: int,
    seed: int,
    level: float = 0.95,
) -> Indices:
    r"""First and total Sobol indices by Saltelli's design on scrambled Sobol points.

        S_i = Var(E[f | x_i]) / Var(f),    ST_i = E[Var(f | all but x_i)] / Var(f)

    Args:
      function: values `[S, m]` at points `[d, m]`; asked for points (d + 2) points in sum.
      inputs: distribution of each of the d inputs, independent of each other; `ppf` gives
        quantiles at shares in (0, 1).
      points: of the base design, a power of 2.
      seed: of the scrambling and of the bootstrap.
      level: coverage of the intervals.

    Returns:
      Estimates `[S, d]`. The interval is a percentile bootstrap over the base points, as if these
      were random, which is wide; it is that of the function given, whose own sampling error it does
      not know. An output that never changes has NaN throughout. First indices near 0 may come out
      below it.

    Errors:
      Raises ValueError where `points` is no power of 2 or a value is not finite.

    Source:
      Saltelli et al. (2010), Computer Physics Communications 181, 259-270; estimators of scipy.
    """
    a, b, ab = design(inputs, points, seed)
    f_a, f_b = np.asarray(function(a), float), np.asarray(function(b), float)
    f_ab = np.stack([np.asarray(function(x), float) for x in ab])
    if not all(np.all(np.isfinite(f)) for f in (f_a, f_b, f_ab)):
        raise ValueError("a value of the function is not finite")
    moves = np.ptp(np.concatenate([f_a, f_b], axis=1), axis=1) > 0
    parts = np.full((2, 4, len(f_a), len(inputs)), np.nan)  # (first, total), statistic
    if moves.any():
        values = (f_a[moves], f_b[moves], f_ab[:, moves])
        parts[:, 0, moves] = _indices(values, slice(None))
        rng = np.random.default_rng(seed)
        again = np.stack(
            [_indices(values, rng.integers(0, points, points)) for _ in range(RESAMPLES)]
        )
        parts[:, 1, moves] = np.std(again, axis=0, ddof=1)
        tail = (1 - level) / 2
        parts[:, 2, moves], parts[:, 3, moves] = np.quantile(again, (tail, 1 - tail), axis=0)
    return Indices(first=as_estimate(*parts[0]), total=as_estimate(*parts[1]))


def _indices(values: tuple[np.ndarray, ...], chosen: Any) -> np.ndarray:
    """First and total indices `[2, S, d]` of some of the base points."""
    f_a, f_b, f_ab = (f[..., chosen] for f in values)
    with np.errstate(invalid="ignore", divide="ignore"):
        found = stats.sobol_indices(func={"f_A": f_a, "f_B": f_b, "f_AB": f_ab}, n=f_a.shape[-1])
    return np.stack([found.first_order, found.total_order]).reshape(2, len(f_a), len(f_ab))


def design(
    inputs: Sequence[Any], points: int, seed: int
) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Points of Saltelli's design: A and B `[d, n]`, and for each input A with B's row of it."""
    if points < 2 or points & (points - 1):
        raise ValueError(f"{points} base points; a power of 2 is needed")
    count = len(inputs)
    sampler = stats.qmc.Sobol(2 * count, rng=np.random.default_rng(seed))
    shares = sampler.random(points).T
    shares = np.clip(shares, 1e-12, 1 - 1e-12)
    a, b = (
        np.stack([one.ppf(share) for one, share in zip(inputs, half, strict=True)])
        for half in (shares[:count], shares[count:])
    )
    ab = []
    for i in range(count):
        mixed = a.copy()
        mixed[i] = b[i]
        ab.append(mixed)
    return a, b, ab
