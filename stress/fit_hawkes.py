"""Self-exciting events fitted to their times, and events told from hourly returns."""

import jax
import jax.numpy as jnp
import numpy as np

from stress.calibrate_prices import Series, rolling_volatility
from stress.calibrate_record import Estimate
from stress.likelihood import maximise
from stress.scenarios.gaussian import HOURS_PER_YEAR

THRESHOLD = 4.0  # deviations of the trailing week beyond which an hour holds an event


def fit_hawkes(times: Series, horizon: float) -> dict[str, Estimate]:
    """Baseline, excitation and decay (per hour) of intensity mu + sum alpha exp(-beta (t - t_i)).

    Args:
      times: of the events, hours, ascending, `[n]`.
      horizon: hours that were watched, from 0.

    Returns:
      baseline, excitation, decay, and branching_ratio = excitation / decay.

    Errors:
      ValueError for fewer than 10 events, or without a finite maximum.

    Source:
      Ozaki (1979), "Maximum likelihood estimation of Hawkes' self-exciting point processes".
    """
    if len(times) < 10:
        raise ValueError(f"{len(times)} events: too few to fit")
    gaps, ends = jnp.diff(jnp.asarray(times)), horizon - jnp.asarray(times)

    def log_likelihood(x):
        mu, beta = jnp.exp(x[0]), jnp.exp(x[2])
        alpha = beta * jax.nn.sigmoid(x[1])

        def step(excess, gap):
            excess = (excess + alpha) * jnp.exp(-beta * gap)
            return excess, jnp.log(mu + excess)

        _, logs = jax.lax.scan(step, jnp.zeros(()), gaps)
        compensator = mu * horizon - jnp.sum(alpha / beta * jnp.expm1(-beta * ends))
        return jnp.log(mu) + jnp.sum(logs) - compensator

    def natural(x):
        mu, beta, ratio = jnp.exp(x[0]), jnp.exp(x[2]), jax.nn.sigmoid(x[1])
        return {"baseline": mu, "excitation": beta * ratio, "decay": beta, "branching_ratio": ratio}

    rate = len(times) / horizon
    start = np.array([np.log(rate / 2), 0.0, np.log(max(4 * rate, 0.2))])
    return maximise(log_likelihood, start, natural)


def jump_hours(returns: Series) -> tuple[np.ndarray, Series]:
    """Hours that hold an event, and returns over the trailing volatility of the week before.

    An event: the mean over assets of the standardised return beyond `THRESHOLD` of its own
    deviation, either way.

    Args:
      returns: hourly log returns, `[n, A]`, no NaN.

    Returns:
      (rows, `[m]`; standardised mean of every row, `[n]`, NaN in the first week).
    """
    trailing = np.column_stack([rolling_volatility(r) for r in returns.T])
    before = np.vstack([np.full((1, returns.shape[1]), np.nan), trailing[:-1]])
    standard = (returns / (before / np.sqrt(HOURS_PER_YEAR))).mean(axis=1)
    spread = np.nanmedian(np.abs(standard)) / 0.6745
    score = standard / spread
    return np.flatnonzero(np.abs(score) > THRESHOLD), score


def placed(rows: np.ndarray, seed: int = 0) -> Series:
    """Times of events known to the hour: uniform within it, drawn once, ascending."""
    return np.sort(rows + np.random.default_rng(seed).random(len(rows)))
