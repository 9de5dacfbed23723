"""Estimates against closed forms and slow arithmetic, and how often their intervals cover."""

import json
import math
from dataclasses import astuple
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statistics_helpers import (
    MEANS,
    PATHS,
    REPEATS,
    TAILS,
    Z95,
    clusters,
    coverage,
    covers,
    exact_coverage,
    lognormal_tail,
    losses,
    summed,
    t4_tail,
)

from stress import estimate, tail
from stress.estimate import Estimate


def ends(e: Estimate) -> tuple[float, float]:
    return float(e.low), float(e.high)


@given(st.integers(1, 10**7).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_ends_solve_the_score_equation(counts):
    s, n = counts
    e = estimate.proportion(s, n)
    assert 0 <= e.low <= e.value <= e.high <= 1
    for end in ends(e):
        if 0 < end < 1:
            score = (s / n - end) / math.sqrt(end * (1 - end) / n)
            assert abs(score) == pytest.approx(Z95, rel=1e-6)


def test_wilson_at_none_and_all():
    e = estimate.proportion([0, 50], 50)
    np.testing.assert_array_equal(e.value, [0, 1])
    assert e.low[0] == 0 and e.high[1] == 1
    assert e.high[0] == pytest.approx(Z95**2 / (50 + Z95**2))
    assert e.low[1] == pytest.approx(50 / (50 + Z95**2))


def test_small_proportions_keep_their_digits():
    s, n = 3, 10**9
    low, high = ends(estimate.proportion(s, n))
    z2, p = Fraction(Z95) ** 2, Fraction(s, n)
    centre = (p + z2 / (2 * n)) / (1 + z2 / n)
    half = math.sqrt((p * (1 - p) / n + z2 / (4 * n * n)) * z2) / (1 + z2 / n)
    assert high == pytest.approx(float(centre) + half, rel=1e-13)
    assert low * high == pytest.approx(float(p**2 / (1 + z2 / n)), rel=1e-13)  # product of roots


@pytest.mark.parametrize("interval", [estimate.proportion, estimate.clopper_pearson])
def test_unknown_outcomes_widen_the_interval(interval):
    e = interval(30, 1000, failed=20)
    assert e.value == pytest.approx(30 / 980)
    assert e.standard_error == pytest.approx(math.sqrt(30 / 980 * 950 / 980 / 980))
    assert e.low == interval(30, 1000).low
    assert e.high == interval(50, 1000).high
    nothing = interval(0, 7, failed=7)
    assert np.isnan(nothing.value) and ends(nothing) == (0, 1)
    for level in np.linspace(0.5, 0.999, 40):
        assert ends(interval(0, 0, level=level)) == (0, 1)


@pytest.mark.parametrize("interval", [estimate.proportion, estimate.clopper_pearson])
def test_contradicting_counts_are_refused(interval):
    for counts in ((-1, 10), (11, 10), (5, 10, 6), (5, 10, -1), (np.nan, 10)):
        with pytest.raises(ValueError, match="within trials"):
            interval(*counts)
    with pytest.raises(ValueError, match="coverage"):
        interval(1, 10, level=1.0)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_clopper_pearson_inverts_the_binomial(counts):
    s, n = counts
    low, high = ends(estimate.clopper_pearson(s, n, level=0.9))
    assert low == 0 if s == 0 else stats.binom.sf(s - 1, n, low) == pytest.approx(0.05, rel=1e-8)
    assert high == 1 if s == n else stats.binom.cdf(s, n, high) == pytest.approx(0.05, rel=1e-8)


def test_exact_coverage_of_proportions():
    n, p = 400, np.linspace(0.0005, 0.9995, 997)
    s = np.arange(n + 1)
    wilson, exact = estimate.proportion(s, n), estimate.clopper_pearson(s, n)
    assert exact_coverage(exact, n, p).min() >= 0.95
    assert abs(exact_coverage(wilson, n, p).mean() - 0.95) < 0.002
    assert exact_coverage(wilson, n, p).min() > 0.83
    # negative controls: the textbook normal interval, and Wilson's at another level
    half = Z95 * wilson.standard_error
    normal = Estimate(wilson.value, half, wilson.value - half, wilson.value + half)
    assert exact_coverage(normal, n, p).min() < 0.2
    other = estimate.proportion(s, n, level=0.9)
    assert abs(exact_coverage(other, n, p).mean() - 0.90) < 0.002


def test_mean_is_students():
    x = np.random.default_rng(1).normal(3, 2, (5, 12, 4))
    e = estimate.mean(x, axis=1, level=0.9)
    low, high = stats.t.interval(0.9, 11, x.mean(1), stats.sem(x, axis=1))
    for got, want in zip(astuple(e), (x.mean(1), stats.sem(x, axis=1), low, high), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-12)


def test_mean_keeps_the_digits_of_float32_money():
    x = (1e8 + np.random.default_rng(2).normal(0, 1e3, 200_000)).astype(np.float32)
    exact = math.fsum(x.astype(float)) / x.size
    assert estimate.mean(x).value == pytest.approx(exact, rel=1e-14)
    assert abs(np.cumsum(x)[-1] / x.size - exact) > 1  # what a running float32 sum gives


def test_mean_never_drops_what_is_not_a_number():
    e = estimate.mean([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0], [1.0, np.inf, 3.0]])
    assert np.isnan([figure[0] for figure in astuple(e)]).all()
    assert e.value[1] == 2 and np.isfinite(e.high[1])
    assert e.value[2] == np.inf and np.isnan(e.low[2])
    assert np.isnan(astuple(estimate.mean([5.0]))[1:]).all()
    with pytest.raises(ValueError, match="empty"):
        estimate.mean(np.zeros((3, 0)))


def test_paired_difference_cancels_common_noise():
    rng = np.random.default_rng(3)
    noise = rng.normal(0, 100, PATHS)
    a, b = noise + rng.normal(1, 1, PATHS), noise + rng.normal(0, 1, PATHS)
    e = estimate.paired_difference(a, b)
    assert abs(e.value - 1) < 4 * e.standard_error
    assert abs(e.value - 0) > 4 * e.standard_error
    apart = math.hypot(*(float(estimate.mean(x).standard_error) for x in (a, b)))
    assert e.standard_error < 0.05 * apart
    with pytest.raises(ValueError, match="do not pair"):
        estimate.paired_difference(a, b[:-1])
    assert np.isnan(estimate.paired_difference([np.inf, 1.0], [np.inf, 1.0]).value)


def test_clustered_error_is_that_of_the_paths():
    counts = clusters(np.random.default_rng(4), 0.1, 0.3, (6, 4, 500), 20)
    e = summed(counts, 20)
    want = estimate.mean(counts / 20)
    np.testing.assert_allclose(e.value, want.value, rtol=1e-13)
    np.testing.assert_allclose(e.standard_error, want.standard_error, rtol=1e-11)
    effective = e.value * (1 - e.value) / e.standard_error**2
    assert np.all((effective > 500) & (effective < 500 * 20))
    again = estimate.proportion(e.value * effective, effective)
    np.testing.assert_allclose(e.low, again.low, rtol=1e-9)
    np.testing.assert_allclose(e.high, again.high, rtol=1e-9)


def test_clustered_limits_are_plain_proportions():
    one = np.arange(200) < 17
    whole = estimate.proportion(17, 200)
    for e in (summed(one * 1, 1), summed(one * 30, 30)):  # single accounts, or all together
        np.testing.assert_allclose(ends(e), ends(whole), rtol=1e-12)
    same = summed(np.full(200, 3), 30)  # no spread across paths: as 6,000 separate accounts
    np.testing.assert_allclose(ends(same), ends(estimate.proportion(600, 6000)), rtol=1e-12)
    none, every = summed(np.zeros(200, int), 30), summed(np.full(200, 30), 30)
    assert ends(none) == ends(estimate.proportion(0, 200))
    assert ends(every) == ends(estimate.proportion(200, 200))


def test_clustered_sums_are_exact_beyond_64_bits():
    size, paths = 10**6, 2**20
    square = (paths - 1) * size**2 + (size - 1) ** 2
    assert paths * square > 2**63
    total = paths * size - 1
    e = estimate.clustered_proportion(np.int64(total), np.int64(square), np.int64(paths), size)
    assert e.standard_error == pytest.approx(1 / (paths * size), rel=1e-9)


def test_clustered_paths_that_failed():
    counts = np.array([0, 3, 0, 5, 1, 0, 0, 0])
    e = summed(np.append(counts[:6], [0, 0]), 5, failed=2)  # the sums hold none of the failed
    assert e.value == pytest.approx(9 / 30)
    assert e.standard_error == estimate.mean(counts[:6] / 5).standard_error
    assert e.low == summed(counts, 5).low
    assert e.high == summed(np.append(counts[:6], [5, 5]), 5).high
    assert ends(estimate.clustered_proportion(0, 0, 4, 5, failed=4)) == (0, 1)


def test_clustered_shapes_and_refusals():
    total = np.array([[0, 4], [2, 8]])
    e = estimate.clustered_proportion(total, total, 10, [3, 5])
    assert e.value.shape == (2, 2)
    assert np.isnan(astuple(estimate.clustered_proportion(0, 0, 10, 0))).all()
    for sums in ((3, 2), (-1, 1), (3, 20), (20, 38), (60, 400)):
        with pytest.raises(ValueError, match="contradict"):
            estimate.clustered_proportion(*sums, 10, 5)
    with pytest.raises(ValueError, match="contradict"):
        estimate.clustered_proportion(0, 0, 10, 5, failed=11)
    with pytest.raises(TypeError):
        estimate.clustered_proportion(1.0, 1.0, 10, 5)


@pytest.mark.parametrize(("n", "p"), [(10, 0.5), (100, 0.07), (400, 0.99), (201, 0.9), (38, 0.1)])
def test_quantile_ranks_are_the_binomial_ones(n, p):
    e = tail.quantile(np.random.default_rng(5).permutation(n) + 1.0, p)
    share = Fraction(str(p))
    pmf = [math.comb(n, k) * share**k * (1 - share) ** (n - k) for k in range(n + 1)]
    half = Fraction(1, 40)
    low = max(r for r in range(1, n + 1) if sum(pmf[:r]) <= half)
    high = min(r for r in range(1, n + 1) if sum(pmf[r:]) <= half)
    assert float(e.value) == math.ceil(n * share)
    assert ends(e) == (low, high)
    assert e.standard_error == pytest.approx((high - low) / (2 * Z95))


def test_quantile_is_refused_where_the_sample_is_too_small():
    for n, known in ((367, False), (368, True)):
        assert (0.99**n <= 0.025) == known
        e = tail.quantile(np.arange(float(n)), [0.01, 0.5, 0.99])
        assert np.isfinite(e.value).all()
        for figure in (e.standard_error, e.low, e.high):
            np.testing.assert_array_equal(np.isfinite(figure), [known, True, known])


def test_quantile_shapes_and_what_is_not_a_number():
    x = np.random.default_rng(6).normal(size=(3, 2, 999))
    x[1, 0, 7], x[2, 1, 5] = np.nan, np.inf
    e = tail.quantile(x, [[0.1, 0.5, 0.9]])
    want = np.quantile(x, [0.1, 0.5, 0.9], axis=-1, method="inverted_cdf")
    np.testing.assert_array_equal(e.value[:, :, 0], np.moveaxis(want, 0, -1))
    assert np.isnan(e.low[1, 0]).all() and np.isfinite(e.low[2, 1]).all()
    assert tail.quantile(x, 0.5).value.shape == (3, 2)
    for p in (0.0, 1.0, np.nan):
        with pytest.raises(ValueError, match="outside"):
            tail.quantile(x, p)
    with pytest.raises(ValueError, match="empty"):
        tail.quantile([], 0.5)


def test_exceedance_curve_is_the_quantile_of_the_rest():
    losses = np.random.default_rng(7).lognormal(size=10_000)
    chances = np.geomspace(1e-6, 0.5, 30)
    e = tail.exceedance_curve(losses, chances)
    assert np.all(np.diff(e.value) <= 0)
    beyond = np.mean(losses[:, None] > e.value, axis=0)
    np.testing.assert_array_less(beyond, chances + 1e-12)
    np.testing.assert_array_less(chances, beyond + 1 / losses.size + 1e-12)
    np.testing.assert_array_equal(np.isfinite(e.low), (1 - chances) ** losses.size <= 0.025)


@pytest.mark.parametrize("last", [4.0, np.inf])
def test_histogram_quantile(last):
    counts = np.array([[2, 0, 0], [0, 7, 0], [6, 0, 0], [2, 93, 0]])
    edges = [0.0, 1.0, 2.0, 3.0, last]
    got = tail.histogram_quantile(counts, edges, [0.0, 0.07, 0.1, 0.5, 0.8, 1.0])
    np.testing.assert_allclose(got[:, 0], [0, 0.35, 0.5, 2.5, 3, last])
    inside = 3 + (np.array([0.1, 0.5, 0.8, 1]) - 0.07) / 0.93 * (last - 3)
    np.testing.assert_allclose(got[:, 1], [1, 2, *inside])
    assert np.isnan(got[:, 2]).all()
    np.testing.assert_array_equal(tail.histogram_quantile(counts, edges, 0.5), got[3])
    assert tail.histogram_quantile(counts[:, 0], edges, 0.5) == got[3, 0]


def test_histogram_quantile_is_within_a_bin_of_the_sample():
    x = np.random.default_rng(8).gamma(2, 0.2, (5000, 7))
    edges = np.append(np.arange(0, 1.5, 0.0125), np.inf)
    counts = np.stack([np.histogram(column, edges)[0] for column in x.T], axis=1)
    levels = [0.01, 0.5, 0.9, 0.95]
    got = tail.histogram_quantile(counts, edges, levels)
    want = np.quantile(x, levels, axis=0, method="inverted_cdf")
    assert np.max(np.abs(got - want)) <= 0.0125


def test_histogram_quantile_refuses():
    for counts, edges, level in (
        ([1, 2], [0, 1], 0.5),
        ([1, 2], [0, 1, 1], 0.5),
        ([1, 2], [-np.inf, 1, 2], 0.5),
        ([1, 2], [0, np.nan, 2], 0.5),
        ([1, -2], [0, 1, 2], 0.5),
        ([1, np.nan], [0, 1, 2], 0.5),
        ([1, 2], [0, 1, 2], 1.5),
    ):
        with pytest.raises(ValueError, match=r"edges|levels"):
            tail.histogram_quantile(counts, edges, level)


def test_expected_shortfall_takes_a_fraction_of_the_boundary():
    losses = np.random.default_rng(9).permutation(10) + 1.0
    assert tail.expected_shortfall(losses, 0.75).value == pytest.approx((10 + 9 + 8 / 2) / 2.5)
    assert tail.expected_shortfall(losses, 0.8).value == pytest.approx((10 + 9) / 2)
    assert tail.expected_shortfall(losses, 0.99).value == 10


def test_expected_shortfall_error_is_that_of_the_influence_function():
    """Deleting one loss at a time (jackknife) gives the same error without the formula."""
    losses = np.random.default_rng(10).lognormal(size=1000)
    e = tail.expected_shortfall(losses, 0.9)
    without = np.stack([np.delete(losses, i) for i in range(losses.size)])
    again = tail.expected_shortfall(without, 0.9).value
    jackknife = math.sqrt(np.sum((again - again.mean()) ** 2) * 999 / 1000)
    assert e.standard_error == pytest.approx(jackknife, rel=0.01)
    beyond = np.sort(losses)[-100:]
    assert e.standard_error > 1.1 * beyond.std() / math.sqrt(100)  # error of q matters


def test_expected_shortfall_follows_scale_and_shift():
    losses = np.random.default_rng(11).standard_t(4, (3, 2000))
    e = tail.expected_shortfall(losses, 0.95)
    moved = tail.expected_shortfall(1e6 * losses + 1e7, 0.95)
    for name in ("value", "low", "high"):
        np.testing.assert_allclose(getattr(moved, name), 1e6 * getattr(e, name) + 1e7, rtol=1e-9)
    np.testing.assert_allclose(moved.standard_error, 1e6 * e.standard_error, rtol=1e-9)


def test_expected_shortfall_refuses_what_the_sample_cannot_know():
    losses = np.zeros((3, 2000))
    losses[1, :9], losses[2, :10] = 5.0, 5.0
    e = tail.expected_shortfall(losses, 0.99)
    np.testing.assert_allclose(e.value, [0, 45 / 20, 50 / 20])
    for figure in (e.standard_error, e.low, e.high):
        np.testing.assert_array_equal(np.isfinite(figure), [False, False, True])
    losses[2, 50] = np.nan
    assert np.isnan([figure[2] for figure in astuple(tail.expected_shortfall(losses, 0.99))]).all()
    losses[2, 50] = np.inf
    e = tail.expected_shortfall(losses[2], 0.99)
    assert e.value == np.inf and np.isnan(e.high)
    for level in (0.0, 1.0):
        with pytest.raises(ValueError, match="outside"):
            tail.expected_shortfall(losses, level)
    with pytest.raises(ValueError, match="empty"):
        tail.expected_shortfall([], 0.9)


def test_expected_shortfall_interval_is_halls():
    """Its ends solve g(T) = +-z, with psi written out and its moments from SciPy."""
    x = np.random.default_rng(16).standard_t(4, 800)
    e = tail.expected_shortfall(x, 0.95)
    q = np.sort(x)[759]
    psi = q + np.maximum(x - q, 0) / (1 - 0.95)
    assert e.value == pytest.approx(psi.mean(), rel=1e-12)
    assert e.standard_error == pytest.approx(stats.sem(psi), rel=1e-10)
    a = stats.skew(psi) / math.sqrt(800)
    for end, z in zip(ends(e), (Z95, -Z95), strict=True):
        t = (psi.mean() - end) / stats.sem(psi)
        assert t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6 == pytest.approx(z, rel=1e-9)


def test_interval_without_skew_is_the_normal_one():
    """Hall's transform at its limit, from both sides of the switch."""
    for a in (0.0, 1e-9, 2e-6):
        assert tail.unskewed(Z95, np.float64(a)) == pytest.approx(Z95, abs=1e-5)
    for a in (1e-4, 0.05, 0.4, 3.0):  # the polynomial is its inverse
        x = tail.unskewed(Z95, np.float64(a))
        assert x + a * x**2 / 3 + a**2 * x**3 / 27 + a / 6 == pytest.approx(Z95)


@pytest.mark.parametrize(("level", "name"), [(0.99, "99"), (0.999, "99.9")])
def test_tail_of_student_t(shared, level, name):
    rows = json.loads((shared / "validation" / "reference_values.json").read_text())
    want = rows["student_t4_unit_variance"]
    value_at_risk, shortfall = want["VaR" + name], want["ES" + name]
    assert t4_tail(level) == pytest.approx((value_at_risk, shortfall), abs=1e-5)
    sample = np.random.default_rng(12).standard_t(4, 2**19) / math.sqrt(2)
    wrong = t4_tail(1 - 1.5 * (1 - level))
    for e, exact, other in (
        (tail.quantile(sample, level), value_at_risk, wrong[0]),
        (tail.expected_shortfall(sample, level), shortfall, wrong[1]),
    ):
        assert abs(e.value - exact) < 4 * e.standard_error
        assert abs(e.value - other) > 4 * e.standard_error  # has power
        assert e.low < exact < e.high


@pytest.mark.parametrize("interval", [estimate.proportion, estimate.clopper_pearson])
@pytest.mark.parametrize("p", [0.01, 0.1, 0.5])
def test_proportions_cover(interval, p):
    s = np.random.default_rng(14).binomial(PATHS, p, REPEATS)
    assert covers(interval(s, PATHS), p)
    assert not covers(interval(s, PATHS, level=0.9), p)
    assert not covers(interval(s, PATHS, level=0.99), p)
    assert not covers(interval(s, PATHS), 1.2 * p)


@pytest.mark.parametrize(
    ("p", "correlation", "paths", "size"),
    [(0.05, 0.2, 1024, 20), (0.3, 0.1, 512, 50), (0.01, 0.3, 4096, 20), (0.002, 0.5, 8192, 20)],
)
def test_clustered_proportions_cover(p, correlation, paths, size):
    rng = np.random.default_rng([15, size, paths])
    counts = clusters(rng, p, correlation, (REPEATS, paths), size)
    e = summed(counts, size)
    assert covers(e, p)
    assert not covers(summed(counts, size, level=0.85), p)
    separate = estimate.proportion(counts.sum(axis=-1), paths * size)  # as if independent
    assert coverage(separate, p) < 0.75
    together = estimate.proportion(np.rint(e.value * paths), paths)  # as if one account a path
    assert coverage(together, p) > 0.97


@pytest.mark.parametrize("kind", MEANS)
def test_means_cover(kind):
    e = estimate.mean(losses(kind))
    assert covers(e, MEANS[kind])
    assert not covers(estimate.mean(losses(kind), level=0.9), MEANS[kind])
    # the error is the scatter of repeats
    ratio = math.sqrt(np.mean(e.standard_error**2)) / e.value.std()
    assert abs(ratio - 1) < 4 / math.sqrt(2 * REPEATS)
    assert abs(1.2 * ratio - 1) > 4 / math.sqrt(2 * REPEATS)


def test_means_of_few_values_cover():
    few = losses("normal")[:, :5]
    assert covers(estimate.mean(few), 0)
    half = Z95 * estimate.mean(few).standard_error  # normal instead of t
    value = few.mean(axis=1)
    assert not covers(Estimate(value, half, value - half, value + half), 0)


def test_paired_differences_cover():
    common = losses("t4")
    other = 1.01 * common + 0.01 * losses("normal") - 0.001
    paired = estimate.paired_difference(common, other)
    assert covers(paired, 0.001)
    assert not covers(estimate.paired_difference(common, other, level=0.9), 0.001)
    # two runs whose random numbers differ: the same mean, the noise of both
    apart = estimate.paired_difference(common, other[::-1])
    assert np.median(apart.standard_error) > 50 * np.median(paired.standard_error)


@pytest.mark.parametrize("kind", TAILS)
def test_quantiles_cover(kind):
    levels = np.array([0.96, 0.99])
    e = tail.quantile(losses(kind), levels)
    for i, level in enumerate(levels):
        one = Estimate(*(figure[:, i] for figure in astuple(e)))
        exact = TAILS[kind](level)[0]
        assert covers(one, exact)
        assert not covers(one, TAILS[kind](level - 0.2 * (1 - level))[0])
    narrow = tail.quantile(losses(kind), 0.99, confidence=0.85)
    assert not covers(narrow, TAILS[kind](0.99)[0])


def test_exceedance_bands_cover():
    e = tail.exceedance_curve(losses("lognormal"), [0.05, 0.01])
    for i, chance in enumerate((0.05, 0.01)):
        one = Estimate(*(figure[:, i] for figure in astuple(e)))
        assert covers(one, lognormal_tail(1 - chance)[0])
        assert not covers(one, lognormal_tail(1 - 1.3 * chance)[0])


@pytest.mark.parametrize("kind", TAILS)
@pytest.mark.parametrize("paths", [PATHS, 1400])  # 41 and 14 losses in the tail
def test_expected_shortfalls_cover(kind, paths):
    sample, exact = losses(kind)[:, :paths], TAILS[kind](0.99)[1]
    e = tail.expected_shortfall(sample, 0.99)
    assert covers(e, exact)
    assert not covers(tail.expected_shortfall(sample, 0.99, confidence=0.85), exact)
    assert not covers(tail.expected_shortfall(sample, 0.98), exact)
    if kind != "normal":  # the symmetric interval that ignores the skew
        half = Z95 * e.standard_error
        assert not covers(Estimate(e.value, half, e.value - half, e.value + half), exact)
