"""Variables of a campaign with feedback, imagined by formulas for the tests of `reports`.

Nothing of it is simulated. Sums are consistent: channels add up to what is liquidated, payers to
the shortfall, and the changes of the parties to zero.
"""

import json

import numpy as np
import xarray as xr
from synthetic_results import QUANTILES, SCENARIO_RISK, STATISTICS, amount, share

CHANNELS = {"book": 0.62, "backstop": 0.21, "takeover": 0.14, "adl": 0.03}  # shares of the value
PAYERS = {"adl_winners": 0.18, "vault": 0.46, "takeover_backstop": 0.14, "lending_buffer": 0.05,
          "suppliers": 0.12, "uncovered": 0.05}  # fmt: skip
PARTIES = {"accounts": -1.0, "makers": 0.7, "vault": 0.35, "takeover_backstop": 0.06,
           "lending_buffer": 0.02, "suppliers": -0.03, "borrowers": -0.1}  # fmt: skip
SETTINGS = {"shape": "square_root", "permanent_share": 0.3, "half_life_hours": 2.0,
            "lending": "react", "vault_capital": 4e8, "round_limit": 64}  # fmt: skip
NOTES = ["Liquidations move prices and the lending pool; other traders do not answer them."]

METRICS: dict[str, tuple[str, str, float]] = {
    # id: unit, label, value of a risk of one
    "system.book_notional.mean": ("USDC", "Sold into the order book, mean", 6e8),
    "system.book_notional.es_99": ("USDC", "Sold into the order book, mean of the worst 1 %", 3e9),
    "system.backstop_notional.mean": ("USDC", "Taken over by the vault, mean", 2e8),
    "system.backstop_notional.es_99": ("USDC", "Taken over by the vault, worst 1 %", 1.4e9),
    "system.takeover_value.mean": ("USDC", "Collateral taken over, mean", 1.4e8),
    "system.takeover_value.es_99": ("USDC", "Collateral taken over, worst 1 %", 8e8),
    "system.adl_notional.mean": ("USDC", "Auto-deleveraged, mean", 3e7),
    "system.adl_notional.es_99": ("USDC", "Auto-deleveraged, worst 1 %", 6e8),
    "system.probability_adl": ("1", "Probability of auto-deleveraging", 0.12),
    "system.shortfall.mean": ("USDC", "Gross shortfall, mean", 4e7),
    "system.shortfall.var_99": ("USDC", "Gross shortfall, 1 path in 100", 2.2e8),
    "system.shortfall.es_99": ("USDC", "Gross shortfall, mean of the worst 1 %", 3.6e8),
    "system.amplification": ("1", "Amplification by feedback", 1.42),
    "system.branching_ratio": ("1", "Branching ratio", 0.31),
    "system.rounds.p99": ("rounds", "Rounds of a step, 1 path in 100", 11.0),
    "pool.supplier_loss.mean": ("USDC", "Loss of suppliers, mean", 5e6),
    "pool.supplier_loss.es_99": ("USDC", "Loss of suppliers, mean of the worst 1 %", 1.1e8),
    "pool.hours_full.mean": ("h", "Time without liquidity, mean", 3.2),
    "pool.queued.es_99": ("USDC", "Withdrawals waiting, mean of the worst 1 %", 2.4e8),
}


def with_cascade(results: xr.Dataset) -> xr.Dataset:
    """The imagined campaign as if it had been run with feedback.

    Args:
      results: of `synthetic_results.build`.

    Returns:
      A new dataset with the variables, metrics and attributes that feedback adds.
    """
    scenarios, assets = (list(map(str, results[k].values)) for k in ("scenario", "asset"))
    risk = np.array([SCENARIO_RISK.get(s, 0.1) for s in scenarios])
    paths, found = int(results.attrs["paths"]), {}
    hours = results["time"].values
    grown = (hours / max(hours[-1], 1.0)) ** 1.6
    value = 9e8 * risk / max(SCENARIO_RISK.values())

    def put(name: str, dims: str, values: np.ndarray, unit: str = "USDC") -> None:
        words = name.replace("_", " ")
        told = {"units": unit, "long_name": words, "definition": f"The {words}."}
        found[name] = (tuple(dims.split()), values, told)

    score = np.array([-2.3, -1.6, -0.7, 0.0, 0.7, 1.6, 2.3, 3.1])
    later = grown[:, None] * np.exp(0.8 * score - 0.32)
    put("cascade_timeline", "scenario time quantile", value[:, None, None] * later)
    parts = np.array(list(CHANNELS.values()))
    put("cascade_channel", "scenario channel time", value[:, None, None] * parts[:, None] * grown)
    paid = 0.045 * value[:, None] * (risk > 0.02)[:, None] * np.array(list(PAYERS.values()))
    put("shortfall_paid", "scenario payer statistic", amount(paid, 0.09))
    put("shortfall_paid_tail", "scenario payer", 14 * paid * np.array([1.4, 1, 1, 1, 1.1, 1.9]))
    change = 0.08 * value[:, None] * np.array(list(PARTIES.values()))
    error = 0.03 * np.abs(change)
    statistic = np.stack([change, error, change - 1.96 * error, change + 1.96 * error], axis=-1)
    put("party_change", "scenario party statistic", statistic)

    thin = np.linspace(0.2, 1.0, len(assets))  # the last asset has the thinnest book
    links = np.outer(thin, thin[::-1]) * 0.12 + np.diag(0.35 * thin)
    links = links * np.sqrt(risk / max(SCENARIO_RISK.values()))[:, None, None]
    put("contagion", "scenario source_asset asset statistic", share(links, paths), "1")
    pushed = 1 - np.exp(-np.exp(0.7 * score) * risk[:, None, None] * 0.25 * thin[:, None])
    put("overshoot", "scenario asset quantile", pushed, "1")
    shock = np.append(0.01, np.arange(0.02, 0.61, 0.02))
    ends = np.stack([np.broadcast_to(shock[:, None], (len(shock), len(assets))),
                     response(shock, thin, 0.0), response(shock, thin, 1.0)], axis=-1)  # fmt: skip
    put("static_response", "shock asset bound", ends, "1")
    bounds = ["shock", "least", "greatest"]
    labels = {"channel": list(CHANNELS), "payer": list(PAYERS), "party": list(PARTIES),
              "source_asset": assets, "shock": shock, "bound": bounds}  # fmt: skip
    results = with_metrics(results, risk, paths).assign_coords(labels).assign(found)
    results.attrs |= {"feedback": "true", "cascade_settings": json.dumps(SETTINGS),
                      "notes": json.dumps(NOTES)}  # fmt: skip
    assert list(results["quantile"].values) == list(QUANTILES)
    return results


def response(shock: np.ndarray, thin: np.ndarray, start: float) -> np.ndarray:
    """Imagined fixed points of fall = shock + sales(fall), `[shock, asset]`, from a start."""
    fall = np.full((len(shock), len(thin)), start)
    for _ in range(400):
        sold = thin / (1 + np.exp(-(fall - 0.42) / 0.05)) + 0.25 * thin * fall
        fall = np.clip(shock[:, None] + 0.24 * sold, 0, 1)
    return fall


def with_metrics(results: xr.Dataset, risk: np.ndarray, paths: int) -> xr.Dataset:
    """The dataset with the metrics of a cascade after its own."""
    scale = (risk / max(SCENARIO_RISK.values()))[:, None]
    size = np.array([v for _, _, v in METRICS.values()])
    value = amount(size * scale)
    for i, name in enumerate(METRICS):
        if name == "system.probability_adl":
            value[:, i] = share(size[i] * scale[:, 0] * (scale[:, 0] > 0.1), paths)
        if name == "system.amplification":
            value[:, i] = amount(1 + (size[i] - 1) * scale[:, 0], 0.01)
    more = xr.Dataset(
        {"system": (("scenario", "metric", "statistic"), value)},
        coords={
            "scenario": results["scenario"],
            "statistic": list(STATISTICS),
            "metric": list(METRICS),
            "metric_unit": ("metric", [u for u, _, _ in METRICS.values()]),
            "metric_label": ("metric", [n for _, n, _ in METRICS.values()]),
            "metric_definition": ("metric", [f"{n}, imagined." for _, n, _ in METRICS.values()]),
            "metric_bad": ("metric", ["up"] * len(METRICS)),
        },
    )
    both = xr.concat([results[["system"]], more], dim="metric", data_vars="all", coords="minimal",
                     compat="override", join="exact")  # fmt: skip
    return results.drop_dims("metric").merge(both, join="exact", compat="override")
