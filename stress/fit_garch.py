"""GJR-GARCH(1,1) with Student-t innovations, fitted by the library `arch`."""

import warnings
from dataclasses import dataclass

import numpy as np

from stress.calibrate_prices import Series
from stress.calibrate_record import Estimate

NAMES = {"omega": "omega", "alpha[1]": "alpha", "gamma[1]": "gamma", "beta[1]": "beta",
         "nu": "degrees_of_freedom"}  # fmt: skip


AGREED = 0.05  # log likelihoods of two searches nearer than this have found the same maximum


@dataclass(frozen=True, kw_only=True)
class GarchFit:
    """A fit to hourly log returns."""

    parameters: dict[str, Estimate]  # omega (variance per hour), alpha, gamma, beta, degrees
    variance: Series  # of every hour given those before, `[n]`
    residuals: Series  # returns over the root of it, `[n]`
    last: float  # variance of the hour after the record


def fit_garch(returns: Series) -> GarchFit:
    """Fits h' = omega + (alpha + gamma 1[r < 0]) r^2 + beta h with t innovations, zero mean.

    Args:
      returns: hourly log returns, `[n]`, no NaN.

    Returns:
      Estimates with robust standard errors (Bollerslev and Wooldridge 1992), filtered variances.

    Errors:
      ValueError where no search converges and the best two do not agree in their likelihood.

    Source:
      Glosten, Jagannathan and Runkle (1993); library `arch` 8.0.
    """
    from arch import arch_model

    scale = 1 / float(np.std(returns))
    model = arch_model(
        returns * scale, mean="Zero", vol="GARCH", p=1, o=1, q=1, dist="t", rescale=False
    )
    fit = _best(model)
    values, errors = dict(fit.params.items()), dict(fit.std_err.items())
    found = {}
    for name, ours in NAMES.items():
        unit = scale**-2 if ours == "omega" else 1.0
        error = errors[name] * unit
        known = float(error) if np.isfinite(error) and error > 0 else None
        found[ours] = Estimate(float(values[name] * unit), known)
    variance = np.asarray(fit.conditional_volatility, dtype=np.float64) ** 2 / scale**2
    p = {k: e.value for k, e in found.items()}
    r, h = returns[-1], variance[-1]
    last = p["omega"] + (p["alpha"] + p["gamma"] * (r < 0)) * r**2 + p["beta"] * h
    return GarchFit(
        parameters=found, variance=variance, residuals=returns / np.sqrt(variance), last=float(last)
    )


def _best(model):
    """The first search that converges, from up to three starts; else two that agree."""
    starts = [None, np.array([0.05, 0.05, 0.02, 0.9, 5.0]), np.array([0.01, 0.1, 0.0, 0.89, 4.0])]
    fits = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for start in starts:
            fits.append(model.fit(disp="off", show_warning=False, starting_values=start))
            if fits[-1].convergence_flag == 0:
                return fits[-1]
    best, second, *_ = sorted(fits, key=lambda fit: -fit.loglikelihood)
    if best.loglikelihood - second.loglikelihood > AGREED:
        raise ValueError(f"the GARCH fit does not converge (flag {best.convergence_flag})")
    return best
