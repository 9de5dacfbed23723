"""What every variable of the dataset carries: unit, name, definition, and parts of an estimate."""

import numpy as np

from stress.estimate import Estimate

STATISTICS = ("value", "standard_error", "low", "high")


def attrs(units: str, name: str, definition: str) -> dict[str, str]:
    """Unit, name and definition of a variable."""
    return {"units": units, "long_name": name, "definition": definition}


def stacked(estimate: Estimate) -> np.ndarray:
    """An estimate's parts along a last axis `statistic`, float64."""
    parts = [getattr(estimate, name) for name in STATISTICS]
    return np.stack(np.broadcast_arrays(*parts), axis=-1).astype(np.float64)
