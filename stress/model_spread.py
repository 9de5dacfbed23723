"""Model spread beside Monte Carlo error: one campaign under several price models."""

from collections.abc import Mapping, Sequence

import numpy as np
import xarray as xr

SPREAD = ("lowest", "highest", "mean", "model_deviation", "monte_carlo_error")


def model_spread(results: xr.Dataset, variants: Mapping[str, tuple[str, str]]) -> xr.Dataset:
    """Adds the spread of every system metric over models to results.

    Args:
      results: dataset of a campaign with scenarios `<base>.<model>`.
      variants: scenario -> (base, model), all of `results`.

    Returns:
      The dataset with `model_spread` (base, metric, spread) and the models by scenario. The spread
      is a standard deviation over models (ddof 1) less what sampling alone puts there (its square
      at least 0); the Monte Carlo error is the root mean square of the models' standard errors.

    Errors:
      Raises nothing; NaN where a metric is NaN under a model.
    """
    bases = list(dict.fromkeys(base for base, _ in variants.values()))
    names = [str(s) for s in results["scenario"].values]
    system = results["system"].transpose("scenario", "metric", "statistic")
    value = system.sel(statistic="value").values
    error = system.sel(statistic="standard_error").values
    parts = []
    for base in bases:
        rows = [i for i, name in enumerate(names) if variants[name][0] == base]
        parts.append(_spread(value[rows], error[rows]))
    told = {
        "units": "see metric_unit",
        "long_name": "spread over price models",
        "definition": (
            "Lowest, highest and mean value over the price models; standard deviation over models "
            "less the part that sampling explains; root mean square Monte Carlo standard error."
        ),
    }
    models: Sequence[str] = [variants[name][1] for name in names]
    return results.assign(
        model_spread=(("base", "metric", "spread"), np.stack(parts), told)
    ).assign_coords(base=bases, spread=list(SPREAD), scenario_model=("scenario", models))


def _spread(value: np.ndarray, error: np.ndarray) -> np.ndarray:
    """`[metric, spread]` of values and standard errors `[model, metric]`."""
    sampling = (error**2).mean(axis=0)
    between = value.var(axis=0, ddof=1) if len(value) > 1 else np.zeros(value.shape[1])
    deviation = np.sqrt(np.maximum(between - sampling, 0))
    rows = (value.min(0), value.max(0), value.mean(0), deviation, np.sqrt(sampling))
    return np.stack(rows, axis=-1)
