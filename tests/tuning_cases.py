"""Tuning problems that the tests share: one borrower with one collateral, and a small book."""

from pathlib import Path
from typing import Any

import numpy as np
from campaign_cases import CAMPAIGN, VENUE, write
from scipy.special import ndtr, ndtri

from stress.decide.tuning.problem import Problem, problem_of
from stress.decide.tuning.run import tune
from stress.decide.tuning.tuning_schema import TuningFile

VOLATILITY, DRAWN, HOURS = 0.9, 0.9, 24 * 30  # per year; share of the power; one step
RATE = 0.05 * HOURS / 8760  # that a loan grows by below 80 % utilization
LOOPER: dict[str, Any] = {
    "name": "one borrower",
    "as_of": "2026-09-08T04:25:36Z",
    "venue": VENUE,
    "prices": {"HYPE": 84.0, "BTC": 78730.0},
    "reserves": {"USDC": {"supplied": 4e8, "borrowed": 2e8}},
    "accounts": [
        {
            "id": "looper",
            "mode": "portfolio",
            "group": "looper",
            "balances": {"USDC": -DRAWN * 0.65 * 100 * 84.0},
            "supplied": {"HYPE": 100.0},
        }
    ],
}
ALONE: dict[str, Any] = {
    "name": "alone",
    "venue": VENUE,
    "book": LOOPER,
    "horizon": f"{HOURS}h",
    "step": f"{HOURS}h",
    "paths": 4096,
    "seed": 7,
    "precision": "float64",
    "block": 4096,
    "scenarios": {
        "base": {
            "prices": {
                "process": "gbm",
                "volatility": {"default": VOLATILITY},
                "drift": {"default": 0.0},
                "correlation": 0.0,
            },
            "utilization": {"process": "constant", "USDC": 0.5},
        }
    },
}
TUNING: dict[str, Any] = {
    "name": "ltv",
    "campaign": "campaign.yaml",
    "borrower_response": "proportional",
    "variables": {"ltv": {"of": "ltv", "token": "HYPE", "low": 0.4, "high": 0.9, "step": 0.005}},
    "constraints": {
        "odds": {"kind": "probability", "measure": "liquidated_accounts", "at_most": 0.05}
    },
    "search": {"method": "bisection"},
}
BOOK_TUNING: dict[str, Any] = TUNING | {
    "variables": {
        "ltv": {"of": "ltv", "token": "HYPE", "values": [0.5, 0.6, 0.65, 0.7, 0.75]},
        "cap": {"of": "user_supply_cap", "token": "HYPE", "values": [60, 100]},
    },
    "constraints": {
        "odds": {"kind": "probability", "measure": "liquidated_debt", "above": 1e3, "at_most": 0.3},
        "debt": {"kind": "expected_shortfall", "measure": "liquidated_debt", "level": 0.9,
                 "at_most": 1e4},
    },
    "search": {"method": "grid"},
}  # fmt: skip
SMALL = CAMPAIGN | {
    "paths": 256,
    "block": 256,
    "step": "2h",
    "scenarios": {
        "run": CAMPAIGN["scenarios"]["run"]
        | {"prices": CAMPAIGN["scenarios"]["run"]["prices"] | {"volatility": {"default": 4.0}}}
    },
}


def odds(ltv: float) -> float:
    """Chance that the borrower is liquidated, closed form.

    The ratio of its loan to the liquidation value passes 0.95 at one moment, the end of the only
    step: s LTV (1 + r t) > 0.95 (1 + LTV) / 2 x, with x log-normal.
    """
    wide = VOLATILITY * np.sqrt(HOURS / 8760)
    level = DRAWN * ltv * (1 + RATE) / (0.95 * (1 + ltv) / 2)
    return float(ndtr((np.log(level) + wide**2 / 2) / wide))


def ltv_of(chance: float) -> float:
    """The LTV at which the borrower's odds are `chance`."""
    wide = VOLATILITY * np.sqrt(HOURS / 8760)
    level = np.exp(ndtri(chance) * wide - wide**2 / 2) * 0.95 / 2 / (DRAWN * (1 + RATE))
    return float(level / (1 - level))


def problem(
    folder: Path, tuning: dict[str, Any] = TUNING, campaign: dict[str, Any] = ALONE
) -> Problem:
    """A problem from documents."""
    write(folder, campaign)
    return problem_of(TuningFile.model_validate(tuning), folder / "tuning.yaml")


def tuned(place: Path, tuning: dict[str, Any], campaign: dict[str, Any] = ALONE, **more: Any):
    """The dataset of a tuning, and its problem; `more` is for `tune`."""
    made = problem(place, tuning, campaign)
    return tune(made, **more), made
