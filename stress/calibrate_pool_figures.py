"""Contents of configs/calibration/utilization.yaml, from recorded lending pools."""

from typing import Any

import numpy as np

from stress import calibrate_pools as pools
from stress.calibrate_record import COMMAND, figure, rounded, window
from stress.calibrate_utilization import Settings, fit_utilization
from stress.candles import Candles
from stress.errors import InputError

POOL_SOURCE = "Aave v1 and v2 USDC pools about hourly (QuantLet/p2pInterestRate 75b326b)"
OBSERVED = {  # Hyperliquid's USDC reserve, recorded totals
    "long_run_utilization": {
        "value": 0.635564,
        "standard_error": None,
        "range": [0.635564, 0.641042],
        "as_of": "2026-09-08",
        "source": "recorded reserve states 2026-09-04 (0.641042) and 2026-09-08 (0.635564)",
        "caveat": (
            "a level observed twice, not fitted: deviations from it are those of the Aave pools, "
            "whose level and kink were higher"
        ),
    },
    "kink_utilization": {
        "value": 0.8,
        "standard_error": None,
        "as_of": "2026-09-08",
        "source": "Hyperliquid docs, borrow rate of stablecoins",
    },
}
REFERENCE = (0.840, 0.934, 0.965, 0.997, 0.0275, 0.130, None, None)
REFERENCE_NOTE = (
    "reference: figures stated for Aave v2 USDC 2020-12..2022-03, a longer record than the one "
    "used here, which ends 2021-06-30"
)


def calibrate_utilization(
    recorded: dict[str, pools.Reserve], driver: Candles, date: str
) -> dict[str, Any]:
    """Contents of utilization.yaml."""
    missing = {"aave_v1", "aave_v2"} - set(recorded)
    if missing:
        raise InputError("utilization", "pool", ", ".join(sorted(recorded)), "aave_v1 and aave_v2")
    settings = Settings()
    reserve = pools.sum_of_pools(recorded["aave_v1"], recorded["aave_v2"])
    moves = pools.transitions(reserve, driver, settings)
    fit, level = fit_utilization(moves, settings)
    parameters = {
        name: {k: figure(v) for k, v in value.items()} if isinstance(value, dict) else figure(value)
        for name, value in fit.items()
    }
    levels = (level.value, settings.kink_utilization)
    simulated = pools.simulate_record(parameters, levels, reserve, driver)
    imitation = pools.moments(simulated, np.diff(simulated, axis=1))
    real, error = pools.real_moments(reserve)
    return {
        "source": POOL_SOURCE,
        "as_of": date,
        "command": COMMAND,
        "window": window(reserve.hour),
        "n": len(moves.hours),
        "method": (
            "v1 and v2 are summed, so the migration between them cancels; moves of a total beyond "
            "jump_minimum are jumps (intensities and sizes by maximum likelihood), the rest is "
            "diffusion (least squares, robust errors); the growth of the pools is removed as a "
            "linear trend, and `size` is the exponent by which jumps become rarer with supply over "
            "reference_supply; figures without a standard error are choices, means or extremes of "
            "the record"
        ),
        "market_driver": driver.asset,
        "fitted_levels": {
            "long_run_utilization": figure(level),
            "kink_utilization": {"value": settings.kink_utilization, "standard_error": None},
        },
        "venue_levels": OBSERVED,
        "parameters": parameters,
        "comparison": {
            "method": (
                "the record against 48 paths at its fitted level under the same market returns; "
                "standard errors by a moving block bootstrap of 300 rows"
            ),
            "reference_note": REFERENCE_NOTE,
            "moments": {
                name: {"real": rounded(r), "standard_error": rounded(e), "simulated": rounded(s)}
                | {"reference": reference}
                for name, r, e, s, reference in zip(
                    pools.MOMENTS, real, error, imitation, REFERENCE, strict=True
                )
            },
        },
    }
