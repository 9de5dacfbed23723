"""Goodness of fit: probability transforms, autocorrelation of squares, quantiles of the tails."""

import numpy as np
from scipy import stats

from stress.calibrate_prices import Series

TAIL_LEVELS = (0.001, 0.01, 0.99, 0.999)


def kolmogorov_smirnov(transform: Series) -> tuple[float, float]:
    """Statistic and p-value of probability transforms against the uniform law."""
    test = stats.kstest(transform, "uniform")
    return float(test.statistic), float(test.pvalue)


def anderson_darling(transform: Series) -> tuple[float, float]:
    """Statistic and p-value of probability transforms against the uniform law, law fully known.

    Source:
      Marsaglia and Marsaglia (2004), "Evaluating the Anderson-Darling distribution", the limiting
      law; accurate to 1e-5 for 100 observations and more.
    """
    u = np.sort(np.clip(transform, 1e-300, 1 - 1e-16))
    n = len(u)
    odd = 2 * np.arange(1, n + 1) - 1
    statistic = float(-n - np.mean(odd * (np.log(u) + np.log1p(-u[::-1]))))
    return statistic, 1 - _anderson_limit(statistic)


def _anderson_limit(z: float) -> float:
    """Distribution function of the limiting law."""
    if z <= 0:
        return 0.0
    if z < 2:
        series = (2.00012, 0.247105, -0.0649821, 0.0347962, -0.0116720, 0.00168691)
        value = series[0] + z * sum(c * z**k for k, c in enumerate(series[1:]))
        return float(np.exp(-1.2337141 / z) / np.sqrt(z) * value)
    series = (1.0776, -2.30695, 0.43424, -0.082433, 0.008056, -0.0003146)
    return float(np.exp(-np.exp(sum(c * z**k for k, c in enumerate(series)))))


def ljung_box(series: Series, lags: int = 24) -> tuple[float, float]:
    """Statistic and p-value of the first autocorrelations of a series.

    Source:
      Ljung and Box (1978), "On a measure of lack of fit in time series models".
    """
    x, n = series - series.mean(), len(series)
    lag = np.arange(1, lags + 1)
    rho = np.array([x[k:] @ x[:-k] for k in lag]) / (x @ x)
    statistic = float(n * (n + 2) * np.sum(rho**2 / (n - lag)))
    return statistic, float(stats.chi2.sf(statistic, lags))


def tail_ratios(transform: Series) -> dict[float, tuple[float, float]]:
    """Share of observations beyond the fitted quantile at each level, over what was expected.

    Returns:
      level -> (ratio, binomial standard error); below 1/2 the lower tail, above it the upper.
    """
    found = {}
    for level in TAIL_LEVELS:
        expected = min(level, 1 - level)
        beyond = transform < level if level < 0.5 else transform > level
        error = np.sqrt(expected * (1 - expected) / len(transform)) / expected
        found[level] = (float(beyond.mean() / expected), float(error))
    return found


def tail_quantiles(transform: Series) -> dict[float, tuple[float, float]]:
    """Points of a quantile plot in the tails, on the scale of a standard normal.

    Returns:
      level -> (quantile of the normal, empirical quantile of the normal scores of the transforms);
      equal where the fit is right, the second further out where the record's tail is heavier.
    """
    scores = stats.norm.ppf(np.clip(transform, 1e-16, 1 - 1e-16))
    return {
        level: (float(stats.norm.ppf(level)), float(np.quantile(scores, level)))
        for level in TAIL_LEVELS
    }
