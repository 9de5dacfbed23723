"""Sobol points bit by bit, their scrambling, orderings, and normals keyed by path number."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from scipy.stats import qmc

from stress.sampling import sobol
from stress.sampling.draws import PLAIN, draws, normals, spare_uniform
from stress.sampling.ordering import rotation

KEY = jax.random.key(11)
HOURS = np.array([1.0, 1.0, 0.5, 0.25, 2.0, 1.0, 3.0])


@pytest.mark.parametrize("dimensions", [1, 2, 37, 400, 21201])
def test_unscrambled_points_are_scipys(dimensions: int) -> None:
    count = 4096 if dimensions < 1000 else 64
    want = qmc.Sobol(dimensions, scramble=False, bits=32).random(count)
    got = sobol.points(jnp.asarray(sobol.direction_numbers(dimensions)), jnp.arange(count))
    np.testing.assert_array_equal(np.asarray(got) / 2**32, want)


def test_dimensions_outside_the_tables_are_refused() -> None:
    for dimensions in (0, 21202):
        with pytest.raises(ValueError, match="dimensions of a Sobol sequence"):
            sobol.direction_numbers(dimensions)


def scrambled(replicate: int, count: int = 1024, dimensions: int = 40) -> np.ndarray:
    raw = sobol.points(jnp.asarray(sobol.direction_numbers(dimensions)), jnp.arange(count))
    seeds = sobol.seeds_of(KEY, replicate + 1, dimensions)[replicate, None]
    return np.asarray(sobol.uniform(sobol.scramble(raw, seeds)))


def test_scrambled_points_keep_the_net() -> None:
    """Every interval of 1 / 1024 of every coordinate, and every elementary box of the first two."""
    found = scrambled(3)
    for column in found.T:
        np.testing.assert_array_equal(np.sort(np.floor(column * 1024)), np.arange(1024))
    for split in range(11):
        box = np.floor(found[:, 0] * 2**split) * 2 ** (10 - split)
        cells = box + np.floor(found[:, 1] * 2 ** (10 - split))
        assert len(np.unique(cells)) == 1024
    assert (found > 0).all() and (found < 1).all()


def test_scrambling_is_uniform_and_a_one_sided_one_is_not() -> None:
    """One point over many scramblings: each coordinate uniform, coordinates independent."""
    point = jnp.asarray(sobol.direction_numbers(2))
    raw = sobol.points(point, jnp.full(20_000, 5))
    seeds = sobol.seeds_of(KEY, 20_000, 2)
    found = np.asarray(sobol.uniform(sobol.scramble(raw, seeds)))
    for column in found.T:
        assert stats.kstest(column, "uniform").pvalue > 1e-4
    assert abs(np.corrcoef(found.T)[0, 1]) < 4 / np.sqrt(20_000)
    one_sided = np.asarray(sobol.uniform(raw | seeds))  # sets bits, never clears them
    assert stats.kstest(one_sided[:, 0], "uniform").pvalue < 1e-10


@pytest.mark.parametrize("ordering", ["time", "bridge", "pca"])
def test_orderings_are_rotations(ordering: str) -> None:
    matrix = rotation(ordering, HOURS)  # type: ignore[arg-type]
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(7), atol=1e-12)
    levels = np.cumsum(np.sqrt(HOURS)[:, None] * matrix, axis=0)
    np.testing.assert_allclose(levels @ levels.T, np.minimum.outer(HOURS.cumsum(), HOURS.cumsum()))
    first = levels[-1, 0] ** 2 / HOURS.sum()  # what coordinate 0 says about the level at the end
    assert {"time": 0.1, "bridge": 0.999999, "pca": 0.7}[ordering] <= first <= 1 + 1e-12


def test_steps_without_length_are_refused() -> None:
    with pytest.raises(ValueError, match="length"):
        rotation("bridge", np.array([1.0, 0.0]))


@pytest.mark.parametrize("method", ["plain", "antithetic", "sobol"])
def test_normals_depend_on_the_path_alone(method: str) -> None:
    how = draws(method, HOURS, 3, 4)  # type: ignore[arg-type]
    whole = np.asarray(normals(how, KEY, jnp.arange(64), 7, 3))
    part = np.asarray(normals(how, KEY, jnp.arange(40, 56), 7, 3))
    np.testing.assert_allclose(part, whole[40:56], rtol=0, atol=1e-13)
    assert whole.shape == (64, 7, 3)
    other = np.asarray(normals(how, jax.random.key(12), jnp.arange(64), 7, 3))
    assert not np.allclose(whole, other)


def test_mirrored_paths() -> None:
    found = np.asarray(normals(draws("antithetic", HOURS, 3), KEY, jnp.arange(64), 7, 3))
    np.testing.assert_array_equal(found[::2], -found[1::2])
    assert not np.allclose(found[0], found[2])


def test_replicates_are_independent_and_each_a_net() -> None:
    how = draws("sobol", HOURS, 3, 4)
    found = np.asarray(normals(how, KEY, jnp.arange(4 * 256), 7, 3))
    flat = stats.norm.cdf(found).reshape(-1, 4, 7, 3)
    assert not np.allclose(flat[:, 0], flat[:, 1])
    # the rotation is undone: the ordered coordinates are in their strata
    ordered = np.einsum("tk,ptn->pkn", rotation("bridge", HOURS), found)[::4]
    strata = np.sort(np.floor(stats.norm.cdf(ordered[:, 0, 0]) * 256))
    np.testing.assert_array_equal(strata, np.arange(256))


def test_normals_beyond_the_tables_are_pseudo_random() -> None:
    how = draws("sobol", np.ones(600), 40, 2)  # 24,000 numbers a path
    found = np.asarray(normals(how, KEY, jnp.arange(64), 600, 40))
    assert abs(found.mean()) < 4 / np.sqrt(found.size)
    assert abs(found.var() - 1) < 4 * np.sqrt(2 / found.size)


def test_sobol_integrates_better_and_without_bias() -> None:
    """Mean of the maximum of a bridge-ordered walk: smaller scatter, same mean."""
    hours = np.ones(16)

    def means(method: str, seed: int) -> float:
        how = draws(method, hours, 1, 2)  # type: ignore[arg-type]
        found = normals(how, jax.random.key(seed), jnp.arange(1024), 16, 1)[..., 0]
        return float(jnp.max(jnp.cumsum(found, axis=1), axis=1).mean())

    smooth = np.array([means("sobol", s) for s in range(24)])
    rough = np.array([means("plain", s) for s in range(24)])
    assert smooth.std() < 0.3 * rough.std()
    pooled = np.sqrt(smooth.var() / 24 + rough.var() / 24)
    assert abs(smooth.mean() - rough.mean()) < 4 * pooled


def test_spare_numbers_fill_their_strata() -> None:
    for how in (PLAIN, draws("antithetic", HOURS, 3), draws("sobol", HOURS, 3, 4)):
        found = np.asarray(spare_uniform(how, KEY, jnp.arange(4 * 32)))
        np.testing.assert_array_equal(np.bincount(np.floor(found * 16).astype(int)), 8)


def test_nonsense_is_refused() -> None:
    with pytest.raises(ValueError, match="plain, antithetic or sobol"):
        draws("halton", HOURS, 3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least 2"):
        draws("sobol", HOURS, 3, 1)
    with pytest.raises(ValueError, match="bridge or pca"):
        rotation("random", HOURS)  # type: ignore[arg-type]
