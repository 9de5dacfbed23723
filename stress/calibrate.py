"""Figures of the default scenarios, regenerated from recorded prices and lending pools.

    hyperstress calibrate --candles DIR --utilization FILE --out DIR

writes `prices.yaml` and `utilization.yaml`; every figure carries its window, number of
observations, method, standard error and date.
"""

import datetime
from pathlib import Path
from typing import Any

from stress.calibrate_pool_figures import calibrate_utilization
from stress.calibrate_pools import read_pools
from stress.calibrate_price_figures import calibrate_prices
from stress.calibrate_record import write_yaml
from stress.candles import read_folder

ASSETS = ("BTC", "ETH", "SOL", "HYPE")
DRIVER = "ETH"


def calibrate(
    candles: Path, utilization: Path, out: Path, *, as_of: datetime.date | None = None
) -> str:
    """Writes `prices.yaml` and `utilization.yaml` into `out`.

    Args:
      candles: folder with BTC_1h.csv.gz, ETH_..., SOL_..., HYPE_... (`stress.candles`).
      utilization: recorded pools aave_v1 and aave_v2 (`stress.calibrate_pools.read_pools`).
      out: folder, created if absent; nothing is written unless both fits succeed.
      as_of: date of the calibration; None for today.

    Returns:
      A table of real against simulated utilization, ready to print.

    Errors:
      Raises InputError at a missing file or a bad row.
    """
    date = (as_of or datetime.date.today()).isoformat()
    series = read_folder(candles, list(ASSETS))
    driver = series[ASSETS.index(DRIVER)]
    price_figures = calibrate_prices(series, date)
    pool_figures = calibrate_utilization(read_pools(utilization), driver, date)
    out.mkdir(parents=True, exist_ok=True)
    for name, figures in (("prices", price_figures), ("utilization", pool_figures)):
        write_yaml(out / f"{name}.yaml", figures)
    return moments_table(pool_figures["comparison"])


def moments_table(comparison: dict[str, Any]) -> str:
    """Real against simulated utilization as text."""
    lines = [f"{'utilization':<12}{'real':>9}{'std. err.':>11}{'simulated':>11}{'reference':>11}"]
    for name, m in comparison["moments"].items():
        reference = "" if m["reference"] is None else f"{m['reference']:+.4f}"
        numbers = f"{m['real']:+9.4f}{m['standard_error']:11.4f}{m['simulated']:+11.4f}"
        lines.append(f"{name:<12}{numbers}{reference:>11}")
    return "\n".join(lines)
