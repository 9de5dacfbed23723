"""Merton's and Kou's jump diffusions fitted to equally spaced log returns of one asset."""

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import log_ndtr, logsumexp
from jax.scipy.stats import norm

from stress.calibrate_prices import Series
from stress.calibrate_record import Estimate
from stress.likelihood import maximise
from stress.scenarios.gaussian import HOURS_PER_YEAR

MOST = 5  # jumps of Merton's in a step; more count as so many
NODES = 2**14  # of the Fourier inversion of Kou's density
VISIBLE = 1e-11  # of its peak: below, rounding hides the density, and two jumps stand for any
JUMPY = 4.0  # robust deviations beyond which a return starts as a jump
NORMAL_MEDIAN = 0.6745


def fit_merton(returns: Series, hours: float = 1.0) -> dict[str, Estimate]:
    """Volatility and drift of the log between jumps (per year), intensity (per year), jump sizes.

    Args:
      returns: log returns, `[n]`, no NaN.
      hours: length of their step.

    Returns:
      volatility, log_drift, intensity, jump_mean, jump_deviation.

    Errors:
      ValueError where the likelihood has no finite maximum. Returns are taken as independent; where
      volatility clusters, calm and wild hours are told apart as hours without and with jumps and
      standard errors are too small.

    Source:
      Merton (1976); mixture over at most five jumps a step.
    """
    start = _start(returns, hours)
    jump = np.log(np.abs(start["jump"]) + 1e-12)
    free = np.array([start["sigma"], start["mu"], start["rate"], 0.0, jump])
    return maximise(
        lambda x: jnp.sum(_log_density("merton", x, jnp.asarray(returns))),
        free,
        lambda x: natural_merton(x, hours),
    )


def fit_kou(returns: Series, hours: float = 1.0) -> dict[str, Estimate]:
    """Kou's diffusion; arguments and errors as `fit_merton`.

    Returns:
      volatility, log_drift, intensity, up_probability, mean_up, mean_down.

    Source:
      Kou (2002); density by Fourier inversion of the characteristic function, where it is below
      1e-11 of its peak by the closed form of one and two jumps.
    """
    start = _start(returns, hours)
    size = np.log(np.abs(start["jump"]))
    reach = _reach(returns)
    free = np.array([start["sigma"], start["mu"], start["rate"], 0.0, size, size])
    return maximise(
        lambda x: jnp.sum(_log_density("kou", x, jnp.asarray(returns), reach)),
        free,
        lambda x: natural_kou(x, hours),
    )


def natural_merton(x, hours: float) -> dict:
    """Names and units of the free parameters (all of a step)."""
    year = hours / HOURS_PER_YEAR
    return {
        "volatility": jnp.exp(x[0]) / jnp.sqrt(year),
        "log_drift": x[1] * jnp.exp(x[0]) / year,
        "intensity": jnp.exp(x[2]) / year,
        "jump_mean": x[3] * jnp.exp(x[4]),
        "jump_deviation": jnp.exp(x[4]),
    }


def natural_kou(x, hours: float) -> dict:
    """Names and units of the free parameters (all of a step)."""
    year = hours / HOURS_PER_YEAR
    return {
        "volatility": jnp.exp(x[0]) / jnp.sqrt(year),
        "log_drift": x[1] * jnp.exp(x[0]) / year,
        "intensity": jnp.exp(x[2]) / year,
        "up_probability": jax.nn.sigmoid(x[3]),
        "mean_up": jnp.exp(x[4]),
        "mean_down": jnp.exp(x[5]),
    }


def free_parameters(name: str, fit: dict[str, Estimate], hours: float) -> np.ndarray:
    """Free parameters of a fit, the inverse of `natural_...`."""
    year = hours / HOURS_PER_YEAR
    v = {k: e.value for k, e in fit.items()}
    sigma = v["volatility"] * np.sqrt(year)
    first = [np.log(sigma), v["log_drift"] * year / sigma, np.log(v["intensity"] * year)]
    if name == "merton":
        size = v["jump_deviation"]
        return np.array([*first, v["jump_mean"] / size, np.log(size)])
    odds = np.log(v["up_probability"] / (1 - v["up_probability"]))
    return np.array([*first, odds, np.log(v["mean_up"]), np.log(v["mean_down"])])


def jump_probability(
    name: str, fit: dict[str, Estimate], returns: Series, hours: float = 1.0
) -> Series:
    """Probability that each return holds a jump, given the return, `[n]`."""
    x, r = jnp.asarray(free_parameters(name, fit, hours)), jnp.asarray(returns)
    still = norm.logpdf(r, x[1] * jnp.exp(x[0]), jnp.exp(x[0])) - jnp.exp(x[2])
    return np.asarray(1 - jnp.exp(jnp.minimum(still - _log_density(name, x, r), 0)))


def probability_transform(
    name: str, fit: dict[str, Estimate], returns: Series, hours: float = 1.0
) -> Series:
    """Distribution function of the fit at each return, by quadrature of its density, `[n]`."""
    x = jnp.asarray(free_parameters(name, fit, hours))
    reach = np.abs(returns).max() * 1.5
    inner = 8 * float(np.exp(x[0]))
    outer = np.geomspace(inner, max(reach, 2 * inner), 4001)[1:]
    grid = np.concatenate([-outer[::-1], np.linspace(-inner, inner, 8001), outer])
    density = np.exp(np.asarray(_log_density(name, x, jnp.asarray(grid))))
    area = np.concatenate([[0.0], np.cumsum(np.diff(grid) * (density[1:] + density[:-1]) / 2)])
    return np.interp(returns, grid, area / area[-1])


def common_intensity(
    jumps: Series, week: np.ndarray, hours: float = 1.0
) -> tuple[Estimate, Series]:
    """Jumps a year that hit all assets, from jumps that coincide, and each asset's own.

    With q the probability that a return holds a jump, E q^2 / E q is how surely a jump is seen, and
    E q (1 - q) / E (1 - q) how often one is seen where there is none. Jumps of a common draw are
    seen together, so that the covariance of two assets' q over the smaller of the two powers is
    the probability of a common jump; it is averaged over pairs and cannot exceed an asset's
    intensity. Volatility that clusters in all assets counts as common jumps too.

    Args:
      jumps: `jump_probability` of each asset, `[n, A]`.
      week: the week of each row, for the standard error.
      hours: length of the step.

    Returns:
      (per year, own intensities per year `[A]`, 0 or more).
    """
    from stress.calibrate_prices import jackknife_error

    pairs = np.triu_indices(jumps.shape[1], 1)

    def statistic(rows: Series) -> Series:
        if not len(pairs[0]):
            return np.asarray(0.0)
        mean, square = rows.mean(0), (rows**2).mean(0)
        power = square / mean - (mean - square) / (1 - mean)
        together = np.cov(rows.T)[pairs] / np.minimum(power[pairs[0]], power[pairs[1]])
        return np.asarray(np.clip(together.mean(), 0, mean.min()) * HOURS_PER_YEAR / hours)

    value = float(statistic(jumps))
    error = float(jackknife_error(statistic, jumps, week))
    own = np.maximum(jumps.mean(0) * HOURS_PER_YEAR / hours - value, 0)
    return Estimate(value, error), own


def _start(returns: Series, hours: float) -> dict[str, float]:
    """Free parameters to begin with: jumps are what lies far out."""
    sigma = float(np.median(np.abs(returns)) / NORMAL_MEDIAN)
    far = np.abs(returns) > JUMPY * sigma
    size = float(np.abs(returns[far]).mean()) if far.any() else JUMPY * sigma
    return {"sigma": np.log(sigma), "mu": 0.0, "rate": np.log(max(far.mean(), 1e-4)), "jump": size}


def _reach(returns) -> float:
    """Half width of the grid of the Fourier inversion: far beyond every return."""
    return 4 * float(np.abs(np.asarray(returns)).max()) + 0.25


def _log_density(name: str, x, r, reach: float | None = None):
    """Log density of returns under free parameters."""
    sigma, rate = jnp.exp(x[0]), jnp.exp(x[2])
    centred = r - x[1] * sigma
    if name == "kou":
        return _kou_density(centred, sigma, rate, x, _reach(r) if reach is None else reach)
    weights = [k * x[2] - rate - float(np.log(np.prod(np.arange(1, k + 1)))) for k in range(MOST)]
    weights.append(jnp.log1p(-jnp.minimum(jnp.sum(jnp.exp(jnp.stack(weights))), 1 - 1e-12)))
    mean, deviation = x[3] * jnp.exp(x[4]), jnp.exp(x[4])
    parts = [
        w + norm.logpdf(centred, k * mean, jnp.sqrt(sigma**2 + k * deviation**2))
        for k, w in enumerate(weights)
    ]
    return logsumexp(jnp.stack(parts), axis=0)


def _kou_density(r, sigma, rate, x, reach: float):
    p, up, down = jax.nn.sigmoid(x[3]), jnp.exp(x[4]), jnp.exp(x[5])
    width = 2 * reach / NODES
    place = (jnp.arange(NODES) - NODES // 2) * width
    t = jnp.asarray(2 * np.pi * np.fft.fftfreq(NODES, width))
    jump = p / (1 - 1j * up * t) + (1 - p) / (1 + 1j * down * t) - 1
    transform = jnp.exp(-((sigma * t) ** 2) / 2 + rate * jump)
    shifted = transform * jnp.exp(-1j * t * place[0])
    density = jnp.real(jnp.fft.fft(shifted)) / (2 * reach)
    peak = jnp.max(density)
    logs = jnp.log(jnp.maximum(density, VISIBLE * peak))
    body = _cubic(r, place[0], width, logs)
    log_p, log_q = jax.nn.log_sigmoid(x[3]), jax.nn.log_sigmoid(-x[3])
    once, twice = _kou(r, sigma, log_p, log_q, up, down)
    far = jnp.logaddexp(once + x[2] - rate, twice + 2 * x[2] - rate - jnp.log(2.0))
    return jnp.where(body > jnp.log(peak * VISIBLE) + 1, body, far)


def _cubic(r, first, width, values):
    """Values of an even grid at r by Catmull and Rom's cubic, smooth enough for an information."""
    at = (r - first) / width
    left = jnp.clip(jnp.floor(at).astype(jnp.int32), 1, values.shape[0] - 3)
    u = at - left
    a, b, c, d = (values[left + k] for k in (-1, 0, 1, 2))
    slope = (c - a) / 2
    second = a - 2.5 * b + 2 * c - d / 2
    third = 1.5 * (b - c) + (d - a) / 2
    return b + u * (slope + u * (second + u * third))


def _kou(r, sigma, p, q, up, down):
    """Log densities of a normal plus one and plus two double exponential jumps."""
    once = logsumexp(jnp.stack([p + _with_one(r, sigma, up), q + _with_one(-r, sigma, down)]), 0)
    mixed = jnp.log(2.0) + p + q
    rises = mixed + jnp.log(up / (up + down))
    falls = mixed + jnp.log(down / (up + down))
    twice = logsumexp(
        jnp.stack([
            2 * p + _with_two(r, sigma, up),
            2 * q + _with_two(-r, sigma, down),
            rises + _with_one(r, sigma, up),
            falls + _with_one(-r, sigma, down),
        ]),
        0,
    )  # fmt: skip
    return once, twice


def _with_one(r, sigma, mean):
    """Log density of N(0, sigma^2) plus an exponential of that mean."""
    a = 1 / mean
    return jnp.log(a) + (a * sigma) ** 2 / 2 - a * r + log_ndtr(r / sigma - a * sigma)


def _with_two(r, sigma, mean):
    """Log density of N(0, sigma^2) plus the sum of two exponentials of that mean."""
    a = 1 / mean
    z = r / sigma - a * sigma
    # sigma (z Phi(z) + phi(z)), by its ratio to phi where Phi is tiny
    safe = jnp.maximum(z, -6.0)
    plain = jnp.log(safe * jnp.exp(log_ndtr(safe)) + norm.pdf(safe))
    far = jnp.minimum(z, -6.0)
    tail = norm.logpdf(far) - 2 * jnp.log(-far) + jnp.log1p(-3 / far**2 + 15 / far**4)
    integral = jnp.log(sigma) + jnp.where(z > -6, plain, tail)
    return 2 * jnp.log(a) + (a * sigma) ** 2 / 2 - a * r + integral
