"""How calibrated figures are written down: value, standard error, window, date."""

import datetime
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML

COMMAND = "hyperstress calibrate --candles DIR --utilization FILE --out DIR"


@dataclass(frozen=True)
class Estimate:
    """A figure and its standard error; None where it is a choice or an extreme."""

    value: float
    standard_error: float | None


def rounded(value: float, digits: int = 5) -> float:
    """To significant digits."""
    return float(f"{float(value):.{digits}g}")


def figure(estimate: Estimate) -> dict[str, float | None]:
    """An estimate as a mapping."""
    error = estimate.standard_error
    return {
        "value": rounded(estimate.value),
        "standard_error": None if error is None else rounded(error, 3),
    }


def moment_text(hour: float) -> str:
    """Hours since 1970-01-01 UTC as ISO 8601 to the minute."""
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(hours=float(hour))
    return moment.strftime("%Y-%m-%dT%H:%MZ")


def matrix(values: np.ndarray) -> list[list[float]]:
    """A matrix as nested lists."""
    return [[rounded(x) for x in row] for row in values]


def window(hour: np.ndarray) -> dict[str, str]:
    """First and last hour of ascending `hour`."""
    return {"from": moment_text(hour[0]), "to": moment_text(hour[-1])}


def write_yaml(path: Path, figures: dict[str, Any]) -> None:
    """Writes beside the target and renames, so that a reader never sees half a file."""
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 100
    yaml.representer.add_representer(
        type(None), lambda r, _: r.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    partial = path.with_suffix(".partial")
    with partial.open("w", encoding="utf-8") as stream:
        yaml.dump(figures, stream)
    partial.replace(path)
