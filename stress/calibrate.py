"""Figures of the default scenarios, regenerated from recorded prices and lending pools.

    hyperstress calibrate --candles DIR --utilization FILE --out DIR

writes `prices.yaml`, `scenario.yaml` and, with lending pools, `utilization.yaml` and `events.yaml`;
every figure carries its window, number of observations, method, standard error and date.
"""

import datetime
from pathlib import Path
from typing import Any

from stress.calibrate_events import calibrate_events
from stress.calibrate_pool_figures import calibrate_utilization
from stress.calibrate_pools import read_pools
from stress.calibrate_price_figures import calibrate_prices
from stress.calibrate_process_figures import calibrate_processes
from stress.calibrate_record import moment_text, write_yaml
from stress.candles import Candles, read_folder
from stress.errors import InputError

ASSETS = ("BTC", "ETH", "SOL", "HYPE")  # of the shipped figures
DRIVER = "ETH"
FEWEST = 90 * 24  # hours of an asset


def calibrate(
    candles: Path,
    utilization: Path | None,
    out: Path,
    *,
    assets: list[str] | None = None,
    as_of: datetime.date | None = None,
) -> str:
    """Fits everything and writes it into `out`.

    Args:
      candles: folder with hourly candles of the assets (`stress.candles`).
      utilization: recorded pools aave_v1 and aave_v2 (`stress.calibrate_pools.read_pools`); None
        fits prices alone.
      out: folder, created if absent, or FILE.yaml for the scenario with the rest beside it as
        FILE_prices.yaml and so on; nothing is written unless every fit succeeds.
      assets: what to fit; None for all that the folder holds, BTC first where it is there.
      as_of: date of the calibration; None for today.

    Returns:
      Tables of fit tests and of real against simulated utilization, ready to print.

    Errors:
      Raises InputError at a missing file, a bad row, too short a record or a fit without a maximum.
    """
    date = (as_of or datetime.date.today()).isoformat()
    series = _ordered(read_folder(candles, assets))
    names = [c.asset for c in series]
    for c in series:
        if len(c.close) < FEWEST:
            raise InputError(candles, c.asset, f"{len(c.close)} hours", f"{FEWEST} or more")
    try:
        price_figures = calibrate_prices(series, date) | calibrate_processes(series)
    except ValueError as error:
        raise InputError(candles, "", str(error), "returns that the models can be fitted to") from (
            error
        )
    place = _places(out)
    scenario = _scenario(series, date, place["prices"].name)
    files = {"prices": price_figures, "scenario": scenario}
    said = fit_table(price_figures["fit_tests"])
    if utilization is not None:
        if missing := set(ASSETS) - set(names):
            found = f"no candles of {', '.join(sorted(missing))}"
            raise InputError(candles, "", found, "those of " + ", ".join(ASSETS))
        pools = read_pools(utilization)
        driver = series[names.index(DRIVER)]
        files["utilization"] = calibrate_utilization(pools, driver, date)
        files["events"] = calibrate_events(series, pools, date)
        said += "\n\n" + moments_table(files["utilization"]["comparison"])
    place["scenario"].parent.mkdir(parents=True, exist_ok=True)
    for name, figures in files.items():
        write_yaml(place[name], figures)
    return said


def _places(out: Path) -> dict[str, Path]:
    """Where each file goes."""
    names = ("prices", "utilization", "events")
    if out.suffix == ".yaml":
        return {n: out.with_name(f"{out.stem}_{n}.yaml") for n in names} | {"scenario": out}
    return {n: out / f"{n}.yaml" for n in (*names, "scenario")}


def _ordered(series: list[Candles]) -> list[Candles]:
    """The shipped assets in their order, then the others by name."""
    place = {name: i for i, name in enumerate(ASSETS)}
    return sorted(series, key=lambda c: (place.get(c.asset, len(place)), c.asset))


def _scenario(series: list[Candles], date: str, prices: str) -> dict[str, Any]:
    """A scenario that uses the calibration beside it."""
    spans = (f"{c.asset} from {moment_text(int(c.hour[0]))}" for c in series)
    last = moment_text(int(max(c.hour[-1] for c in series)))
    return {
        "description": "Hourly moves as fitted: multivariate Student-t at typical volatility.",
        "origin": f"fitted {date} to hourly candles to {last}: {', '.join(spans)} ({prices})",
        "prices": {"process": "student_t", "calibration": prices, "regime": "typical"},
        "utilization": {"process": "constant"},
    }


def fit_table(tests: dict[str, Any]) -> str:
    """p-values and tail ratios of every asset and model as text."""
    lines = [
        f"{'fit tests, 1 h':<18}{'KS':>9}{'AD':>9}{'Ljung-Box':>11}"
        f"{'below 0.1 %':>13}{'above 99.9 %':>14}"
    ]
    for asset, models in tests.items():
        if asset == "method":
            continue
        for model, t in models.items():
            tails = t["tails"]
            lines.append(
                f"{asset:<6}{model:<12}{t['ks']:9.2g}{t['ad']:9.2g}{t['ljung_box']:11.2g}"
                f"{tails['0.001']:12.2f}x{tails['0.999']:13.2f}x"
            )
    return "\n".join(lines)


def moments_table(comparison: dict[str, Any]) -> str:
    """Real against simulated utilization as text."""
    lines = [f"{'utilization':<12}{'real':>9}{'std. err.':>11}{'simulated':>11}{'reference':>11}"]
    for name, m in comparison["moments"].items():
        reference = "" if m["reference"] is None else f"{m['reference']:+.4f}"
        numbers = f"{m['real']:+9.4f}{m['standard_error']:11.4f}{m['simulated']:+11.4f}"
        lines.append(f"{name:<12}{numbers}{reference:>11}")
    return "\n".join(lines)
