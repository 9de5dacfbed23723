"""The samplers of rare events on problems that need no account: structural and credit classics."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from stress.estimate import Estimate
from stress.replicates import probability_from_replicates
from stress.sampling.design import design_point
from stress.sampling.draws import PLAIN, draws, normals
from stress.sampling.line import line_probability
from stress.sampling.splitting import split
from stress.sampling.tilt import likelihood_ratio, mixture, tilted
from stress.scenarios.chi_square import chi_square_at, chi_square_spline
from stress.tail import expected_shortfall, quantile
from stress.validate import closed_forms as exact
from stress.validate.check import Check, Checks, known, of_sample, references

OBLIGORS = 250
Score = Callable[[Float[Array, "P T n"]], Float[Array, "P"]]


def sampler_checks(quick: bool) -> Checks:
    """R - S and the four branches by every sampler; large losses by radii; tails of a sample."""
    cases = {
        "R - S": (minus_load, references()["R_minus_S"], [np.array([[-1.0, 1.0]])]),
        "four branches": (four_branches, references()["four_branch_series_system"], BRANCHES),
    }
    for name, (score, value, begins) in cases.items():
        yield from _by_all(name, score, value, begins, quick)
    for nu in ("4", "12"):
        value = exact.large_loss(float(nu))
        lines = radial_losses(float(nu), 1_600, seed=1)
        yield of_sample("samplers", f"large loss, nu {nu}, radial", lines, value)
    sample = np.random.default_rng(5).standard_t(4, 200_000) / np.sqrt(2)
    for level in (0.99, 0.999):
        risk, shortfall = exact.student_t_tail(level, 4)
        for what, found, value in (
            ("VaR", quantile(sample, level), risk),
            ("ES", expected_shortfall(sample, level), shortfall),
        ):
            yield _estimated(f"Student-t4 {what} {level:.1%}", found, value, len(sample))


def _estimated(name: str, found: Estimate, value: float, paths: int) -> Check:
    return Check(group="samplers", name=name, value=float(found.value), exact=value,
                 standard_error=float(found.standard_error), paths=paths)  # fmt: skip


def minus_load(z: Float[Array, "P T n"]) -> Float[Array, "P"]:
    """Load less resistance; positive with probability Phi(-sqrt 2)."""
    return z[:, 0, 1] - z[:, 0, 0] - 2.0


def four_branches(z: Float[Array, "P T n"]) -> Float[Array, "P"]:
    """The series system of four branches; positive where it fails.

    Source:
      Waarts (2000), Structural reliability using finite element methods, thesis, Delft.
    """
    a, b = z[:, 0, 0], z[:, 0, 1]
    bowl, root = 3 + 0.1 * (a - b) ** 2, jnp.sqrt(2.0)
    sides = [bowl - (a + b) / root, bowl + (a + b) / root, a - b + 7 / root, b - a + 7 / root]
    return -jnp.minimum(jnp.minimum(sides[0], sides[1]), jnp.minimum(sides[2], sides[3]))


BRANCHES = [np.array([[a, b]]) for a, b in ((2.0, 2.0), (-2.0, -2.0), (2.0, -2.0), (-2.0, 2.0))]


def _by_all(name: str, score: Score, value: float, begins: list[np.ndarray], quick: bool) -> Checks:
    """One limit function by tilts, Sobol tilts, lines and splitting."""
    slope = jax.jit(jax.value_and_grad(lambda row: score(row[None])[0]))

    def limit(row: np.ndarray) -> tuple[float, np.ndarray]:
        found, steep = slope(jnp.asarray(row))
        return float(found), np.asarray(steep)

    points = [design_point(limit, begin) for begin in begins]
    shifts = [np.zeros((1, 2)), *(p.point for p in points if p is not None)]
    each = 15 // (len(shifts) - 1)
    parts = (16 - each * (len(shifts) - 1), *[each] * (len(shifts) - 1))
    mix = mixture(np.stack(shifts), parts)

    def terms(how, numbers):
        drawn, _ = tilted(mix, how, jax.random.key(3), numbers, 1, 2)
        return np.asarray((score(drawn) > 0) * likelihood_ratio(mix, drawn)[:, -1])

    numbers = jnp.arange(2**14)
    yield of_sample("samplers", f"{name}, tilt", terms(PLAIN, numbers), value)
    sobol = terms(draws("sobol", np.ones(1), 2, 16), numbers).reshape(-1, 16).mean(axis=0)
    yield of_sample("samplers", f"{name}, tilt_sobol", sobol, value)
    lines = line_probability(
        score, normals(PLAIN, jax.random.key(4), jnp.arange(2**12), 1, 2), shifts[1]
    )
    if np.ptp(lines.probability) > 1e-3 * value:
        yield of_sample("samplers", f"{name}, line", lines.probability, value)
    else:  # a plane limit: every line gives the probability, to the accuracy of an end
        yield known("samplers", f"{name}, line", lines.probability.mean(), value, 5e-4)
    runs = 8 if quick else 32
    found = [split(score, jax.random.key(100 + r), 1000, (1, 2)).probability for r in range(runs)]
    estimate = probability_from_replicates(np.array(found))
    yield _estimated(f"{name}, splitting", estimate, value, runs * 1000)


def radial_losses(nu: float, count: int, seed: int) -> np.ndarray:
    """P(large loss | directions) of `exact.large_loss`, the radius integrated, `[count]`."""
    score = large_loss_score(nu)
    drawn = normals(PLAIN, jax.random.key(seed), jnp.arange(count), 1, OBLIGORS + 2)
    direction = np.zeros((1, OBLIGORS + 2))
    direction[0, -1] = 1.0
    return line_probability(score, drawn, direction).probability


def large_loss_score(nu: float) -> Score:
    """Positive where more than a quarter of the obligors default; normals: Z, e_i, radius."""
    spline = jnp.asarray(chi_square_spline(nu))
    rho, level, many = 0.25, 0.5 * np.sqrt(OBLIGORS), int(0.25 * OBLIGORS)

    @jax.jit
    def score(z: Float[Array, "P T n"]) -> Float[Array, "P"]:
        radius = jnp.sqrt(chi_square_at(spline, z[:, 0, -1]) / nu)
        latent = rho * z[:, 0, :1] + 3 * np.sqrt(1 - rho**2) * z[:, 0, 1:-1]
        decisive = jnp.sort(latent, axis=1)[:, OBLIGORS - many - 1]  # the 63rd largest
        return decisive / (level * radius) - 1

    return score
