"""Two hidden regimes of hourly returns of several assets, by expectation maximisation."""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from stress.calibrate_prices import Series
from stress.calibrate_record import Estimate
from stress.scenarios.gaussian import HOURS_PER_YEAR

ROUNDS, CLOSE = 300, 1e-7  # of the search; relative gain of the log likelihood per observation


@dataclass(frozen=True, kw_only=True)
class RegimeFit:
    """State 0 is calm, 1 is stress."""

    volatility: list[list[Estimate]]  # [2][A], per square root of a year
    correlation: np.ndarray  # [2, A, A]
    correlation_error: np.ndarray  # [2, A, A]
    leave: list[Estimate]  # [2], per hour
    stress: Series  # probability of stress at every hour given all, `[n]`
    log_likelihood: float


def fit_regime(returns: Series) -> RegimeFit:
    """Fits a two-state Markov chain with Gaussian returns of zero mean in each state.

    Args:
      returns: hourly log returns, `[n, A]`, no NaN.

    Returns:
      The fit; standard errors from the observed information of all parameters at once. The rates
      are those of the chain in continuous time with the fitted hourly transition probabilities.

    Errors:
      ValueError where a state vanishes.

    Source:
      Baum et al. (1970); Hamilton (1989).
    """
    x = jnp.asarray(returns)
    level = np.log((returns / returns.std(0)) ** 2 + 1e-8).mean(1)
    smooth = np.convolve(level, np.ones(24) / 24, mode="same")
    wild = smooth > np.quantile(smooth, 0.75)
    covariance = jnp.stack(
        [_second(x, jnp.asarray(1.0 * ~wild)), _second(x, jnp.asarray(1.0 * wild))]
    )
    chance = jnp.array([0.02, 0.06])
    before = -np.inf
    for _ in range(ROUNDS):
        weight, covariance, chance, value = _improve(x, covariance, chance)
        value = float(value) / len(returns)
        if not np.isfinite(value):
            raise ValueError("a regime vanishes")
        if value - before < CLOSE:
            break
        before = value
    order = np.argsort([float(jnp.trace(c)) for c in covariance])
    covariance, chance, weight = covariance[order], chance[order], weight[:, order]
    return _told(x, covariance, chance, np.asarray(weight[:, 1]), value * len(returns))


@jax.jit
def _improve(x, covariance, chance):
    """One round: state probabilities, then covariances and switching probabilities."""
    logs = _log_densities(x, covariance)
    shift = jnp.max(logs, axis=1, keepdims=True)
    dense = jnp.exp(logs - shift)
    move = _transition(chance)
    start = _stationary(chance)

    def forward(prior, d):
        joint = prior * d
        total = jnp.sum(joint)
        post = joint / total
        return post @ move, (post, total)

    _, (post, total) = jax.lax.scan(forward, start, dense)

    def backward(later, inputs):
        d, t = inputs
        now = move @ (d * later) / t
        return now, later

    _, after = jax.lax.scan(backward, jnp.ones(2), (dense, total), reverse=True)
    weight = post * after
    weight = weight / jnp.sum(weight, axis=1, keepdims=True)
    ahead = dense[1:] * after[1:] / total[1:, None]
    pairs = post[:-1, :, None] * move[None] * ahead[:, None, :]
    pairs = jnp.sum(pairs, axis=0)
    leave = jnp.stack([pairs[0, 1] / pairs[0].sum(), pairs[1, 0] / pairs[1].sum()])
    better = jnp.stack([_second(x, weight[:, s]) for s in (0, 1)])
    return weight, better, leave, jnp.sum(jnp.log(total)) + jnp.sum(shift)


def _second(x, weight):
    """Weighted second moments, `[A, A]`."""
    return (x * weight[:, None]).T @ x / jnp.sum(weight)


def _transition(chance):
    return jnp.stack([
        jnp.stack([1 - chance[0], chance[0]]), jnp.stack([chance[1], 1 - chance[1]])
    ])  # fmt: skip


def _stationary(chance):
    return jnp.stack([chance[1], chance[0]]) / jnp.sum(chance)


def _log_densities(x, covariance):
    size = x.shape[1]

    def one(c):
        factor = jnp.linalg.cholesky(c)
        z = jax.scipy.linalg.solve_triangular(factor, x.T, lower=True)
        logs = jnp.sum(jnp.log(jnp.diag(factor)))
        return -0.5 * jnp.sum(z**2, axis=0) - logs - size / 2 * jnp.log(2 * jnp.pi)

    return jnp.stack([one(covariance[s]) for s in (0, 1)], axis=1)


def _natural(theta, size: int):
    """Covariances and switching probabilities of a flat parameter vector."""
    deviation = jnp.exp(theta[: 2 * size].reshape(2, size))
    count = size * (size - 1) // 2
    rho = theta[2 * size : 2 * size + 2 * count].reshape(2, count)
    lower = np.tril_indices(size, -1)
    matrices = [jnp.eye(size).at[lower].set(rho[s]).at[lower[::-1]].set(rho[s]) for s in (0, 1)]
    covariance = jnp.stack([
        matrices[s] * deviation[s][:, None] * deviation[s][None, :] for s in (0, 1)
    ])  # fmt: skip
    return covariance, jax.nn.sigmoid(theta[-2:])


@partial(jax.jit, static_argnames=("size",))
def _information(theta, x, size: int):
    def loss(theta):
        covariance, chance = _natural(theta, size)
        logs = _log_densities(x, covariance)
        move = _transition(chance)

        def forward(prior, row):
            shift = jnp.max(row)
            joint = prior * jnp.exp(row - shift)
            total = jnp.sum(joint)
            return joint / total @ move, jnp.log(total) + shift

        return -jnp.sum(jax.lax.scan(forward, _stationary(chance), logs)[1])

    return jax.hessian(loss)(theta)


def _told(x, covariance, chance, stress: Series, value: float) -> RegimeFit:
    size = x.shape[1]
    deviation = np.sqrt(np.asarray(jnp.stack([jnp.diag(c) for c in covariance])))
    rho = np.asarray(covariance) / deviation[:, :, None] / deviation[:, None, :]
    lower = np.tril_indices(size, -1)
    chance = np.asarray(chance)
    theta = np.concatenate([
        np.log(deviation).ravel(), *(rho[s][lower] for s in (0, 1)), np.log(chance / (1 - chance))
    ])  # fmt: skip
    error = np.sqrt(np.diag(np.linalg.inv(np.asarray(_information(jnp.asarray(theta), x, size)))))
    scale = np.sqrt(HOURS_PER_YEAR)
    relative = error[: 2 * size].reshape(2, size)
    spread = np.zeros_like(rho)
    count = len(lower[0])
    for s in (0, 1):
        spread[s][lower] = error[2 * size + s * count : 2 * size + (s + 1) * count]
        spread[s] += spread[s].T
    kept = -np.log1p(-chance.sum())  # total rate per hour of the chain in continuous time
    rates = kept * chance / chance.sum()
    rate_error = error[-2:] * chance * (1 - chance) * kept / chance.sum()
    return RegimeFit(
        volatility=[
            [
                Estimate(float(d * scale), float(d * e * scale))
                for d, e in zip(deviation[s], relative[s], strict=True)
            ]
            for s in (0, 1)
        ],
        correlation=rho,
        correlation_error=spread,
        leave=[Estimate(float(r), float(e)) for r, e in zip(rates, rate_error, strict=True)],
        stress=stress,
        log_likelihood=value,
    )
