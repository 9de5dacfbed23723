"""Price processes against first passages, drawdowns, tails and families of events."""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from stress.scenarios import gbm, hawkes, kou, t_copula
from stress.scenarios.gaussian import HOURS_PER_YEAR
from stress.validate import closed_forms as exact
from stress.validate.check import Checks, of_sample, of_share, references

BATCH = 1000  # paths at once


def process_checks(quick: bool) -> Checks:
    """Kou's drops, two barriers, drawdowns, tail dependence of the copula, Borel families."""
    yield from _kou(quick)
    yield from _two_barriers(quick)
    yield from _drawdowns(quick)
    yield from _tail_dependence()
    if not quick:
        yield from _families()


def run_paths(one, count: int, seed: int) -> np.ndarray:
    """A function of a key on many keys, in batches."""
    keys = jax.random.split(jax.random.key(seed), count)
    run = jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=BATCH))
    return jax.tree.map(np.asarray, run(keys))


def kou_hits(days: float, barrier: float, paths: int, seed: int, jumping: bool = True):
    """P(path continuously below a log barrier) of each path of Kou's reference case, `[paths]`.

    Steps of an hour. Within one the diffusion's bridge gives the crossing; a step with a jump is
    split at the jump's time, uniform, so that nothing is left to the step: its two bridges meet at
    the jump (two jumps in an hour: probability 1.6e-5). Without jumps: the same variance.
    """
    steps, hours, sigma = int(days * 24), 1.0, 0.6
    rate = 50.0 if jumping else 0.0
    variance = sigma**2 + 50.0 * 2 * (0.4 * 0.03**2 + 0.6 * 0.05**2)
    volatility = np.array([sigma if jumping else np.sqrt(variance)])
    growth = rate * (0.4 / 0.97 + 0.6 / 1.05 - 1)

    def model(intensity: float):
        return kou.build(
            volatility, volatility**2 / 2 + growth, np.eye(1), 0.0, np.array([intensity]),
            np.array([0.4]), np.array([0.03]), np.array([0.05]), hours,
        )  # fmt: skip

    whole_model, still = model(rate), model(0.0)
    width, own = kou.normals_per_step(whole_model), kou.normals_per_step(still)
    spread = volatility[0] * np.sqrt(hours / HOURS_PER_YEAR)

    def one(key):
        draws = jax.random.normal(key, (steps, width + 2), jnp.float64)
        whole = kou.log_returns(whole_model, draws[:, :width], hours)[:, 0]
        # with the jumps off, the rest of the return is the diffusion's (its drift set to 0)
        diffusion = kou.log_returns(still, draws[:, :own], hours)[:, 0]
        diffusion = diffusion - growth * hours / HOURS_PER_YEAR
        jump = whole - diffusion
        split = jax.scipy.special.ndtr(draws[:, width])
        meet = split * diffusion + spread * jnp.sqrt(split * (1 - split)) * draws[:, width + 1]
        level = jnp.concatenate([jnp.zeros(1), jnp.cumsum(whole)])[:-1]

        def stays(start, end, part):
            gap = (start - barrier) * (end - barrier)
            crossed = jnp.exp(-2 * gap / (spread**2 * jnp.maximum(part, 1e-12)))
            return jnp.where((start > barrier) & (end > barrier), 1 - crossed, 0.0)

        before = stays(level, level + meet, split)
        after = stays(level + meet + jump, level + whole, 1 - split)
        return 1 - jnp.prod(before * after)

    return run_paths(one, paths, seed)


def _kou(quick: bool) -> Checks:
    for row, paths in zip(
        references()["kou_jump_drop"]["rows"], (40_000, 8_000, 20_000), strict=True
    ):
        if quick and row["days"] > 1:
            continue
        hits = kou_hits(row["days"], float(np.log1p(-row["drop"])), paths, seed=row["days"])
        name = f"Kou, drop of {row['drop']:g} in {row['days']} d"
        yield of_sample("processes", name, hits, float(row["p"]))


def lowest(returns, uniforms, width):
    """Lowest level within every step, given its ends: the bridge's minimum by inversion."""
    ends = jnp.concatenate([jnp.zeros((1, returns.shape[1])), jnp.cumsum(returns, axis=0)])
    start, end = ends[:-1], ends[1:]
    return (start + end - jnp.sqrt((start - end) ** 2 - 2 * width * jnp.log(uniforms))) / 2


def walks(rho: float) -> gbm.Gbm:
    """Two driftless walks of unit variance over a year of hours."""
    factor = np.linalg.cholesky(np.array([[1.0, rho], [rho, 1.0]]))
    one = jnp.ones(2)
    return gbm.Gbm(volatility=one, drift=one / 2, factor=jnp.asarray(factor))


def barrier_hits(row: dict, steps: int, paths: int, bridge: bool = True, rho: float | None = None):
    """Whether each of two barriers is reached, `[paths, 2]`."""
    model = walks(row["rho"] if rho is None else rho)
    hours, width = HOURS_PER_YEAR / steps, 1 / steps
    barrier = jnp.array([-float(row["Z1"]), -float(row["Z2"])])

    def one(key):
        first, second = jax.random.split(key)
        draws = jax.random.normal(first, (steps, 2), jnp.float64)
        returns = gbm.log_returns(model, draws, hours)
        uniforms = jax.random.uniform(second, (steps, 2), jnp.float64, minval=1e-300)
        if bridge:
            return lowest(returns, uniforms, width).min(axis=0) <= barrier
        return jnp.cumsum(returns, axis=0).min(axis=0) <= barrier

    return run_paths(one, paths, 7)


def _two_barriers(quick: bool) -> Checks:
    for row in references()["two_account_first_passage"]["rows"]:
        if quick and (row["Z1"] > 2 or row["rho"] not in (-0.5, 0.8)):
            continue
        found = barrier_hits(row, 256, 60_000 if row["Z1"] < 3 else 200_000)
        where = f"Z {row['Z1']}, {row['Z2']}, rho {row['rho']}"
        for a, name in enumerate(("p1", "p2")):
            yield of_share("processes", f"{name} of {where}", found[:, a], float(row[name]))
        yield of_share("processes", f"either of {where}", found.any(axis=1), float(row["either"]))


def drawdowns(steps: int, paths: int, bridge: bool = True) -> np.ndarray:
    """Greatest drawdown of walks over unit time, `[paths]`.

    Within a step the bridge's maximum is sampled before the drop to the step's end is taken, and
    the drop below that end by a bridge minimum drawn apart: halving the step bounds what it costs.
    """
    model = walks(0.0)
    hours, width = HOURS_PER_YEAR / steps, 1 / steps

    def one(key):
        first, second = jax.random.split(key)
        draws = jax.random.normal(first, (steps, 2), jnp.float64)
        returns = gbm.log_returns(model, draws, hours)[:, :1]
        uniforms = jax.random.uniform(second, (2, steps, 1), jnp.float64, minval=1e-300)
        ends = jnp.concatenate([jnp.zeros(1), jnp.cumsum(returns[:, 0])])
        if not bridge:
            return jnp.max(jax.lax.cummax(ends) - ends)
        low = lowest(returns, uniforms[0], width)[:, 0]
        high = -lowest(-returns, uniforms[1], width)[:, 0]
        before = jnp.concatenate([jnp.zeros(1), jax.lax.cummax(high)[:-1]])
        return jnp.max(jnp.maximum(before - low, jnp.maximum(before, high) - ends[1:]))

    return run_paths(one, paths, 3)


def _drawdowns(quick: bool) -> Checks:
    found = drawdowns(512 if quick else 2048, 5_000 if quick else 20_000)
    for level in references()["max_drawdown_tail"]["rows"]:
        x = float(level)
        yield of_share("processes", f"drawdown above {level}", found > x, exact.drawdown_tail(x))


def _tail_dependence(level: float = 1e-7, shift: float = -4.6, count: int = 200_000) -> Checks:
    """Both in the lower 1e-7, the radius drawn about the tail and weighted back.

    Against the limit this level is off by the order of 3e-4 relative.
    """
    hourly = np.full(2, np.sqrt(HOURS_PER_YEAR))
    for name, _ in references()["t_tail_dependence"].items():
        rho = float(name)
        factor = np.linalg.cholesky(np.array([[1.0, rho], [rho, 1.0]]))
        law = [{"degrees_of_freedom": 4.0}] * 2
        process = t_copula.build(hourly, hourly**2 / 2, factor, 4.0, law)
        draws = np.random.default_rng(1).standard_normal((count, 1, 3))
        draws[..., 2] += shift
        weight = np.exp(-shift * draws[:, 0, 2] + shift**2 / 2)
        run = jax.jit(jax.vmap(lambda z, p=process: t_copula.log_returns(p, z, 1.0)))
        returns = np.asarray(run(jnp.asarray(draws)))[:, 0]
        both = weight * (returns < stats.t.ppf(level, 4) / np.sqrt(2)).all(axis=1) / level
        value = exact.t_tail_dependence(rho)
        yield of_sample("processes", f"t copula tail dependence, rho {name}", both, value)


def _families() -> Checks:
    pair = np.linalg.cholesky(np.array([[1.0, 0.5], [0.5, 1.0]]))
    for ratio in (0.8, 0.9):
        model = hawkes.build(
            volatility=np.array([0.5, 0.8]), drift=np.zeros(2), factor=pair, baseline=0.0,
            excitation=ratio, decay=1.0, initial=ratio, jump_mean=np.zeros(2),
            jump_deviation=np.full(2, 0.01),
        )  # fmt: skip
        width = hawkes.normals_per_step(model)

        def one(key, model=model, width=width):
            return hawkes.events(model, jax.random.normal(key, (80, width), jnp.float64), 4.0).sum()

        size = 1 + run_paths(one, 20_000, 1)
        value = exact.borel_tail(ratio, 100)
        yield of_share("processes", f"Hawkes family above 100, ratio {ratio}", size > 100, value)
