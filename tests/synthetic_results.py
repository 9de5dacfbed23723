"""A plausible results dataset made of formulas, for the tests of `reports`; nothing simulated.

Same variables, coordinates and attributes as the dataset a campaign writes, in any size, so
that the report can be tested without running one.
"""

import json

import numpy as np
import xarray as xr

SCENARIOS = ("calm", "correlated_crash", "utilization_spike")
GROUPS = (
    "hype_looper",
    "btc_looper",
    "carry",
    "directional",
    "market_neutral",
    "cross_whale",
    "lender",
)
STATISTICS = ("value", "standard_error", "low", "high")
QUANTILES = np.array([0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 0.999])
MEASURES = ("equity_loss", "bad_debt", "liquidated_notional", "liquidated_debt")
GROUP_RISK = {"hype_looper": 1.0, "btc_looper": 0.5, "directional": 0.7, "cross_whale": 0.35,
              "carry": 0.05, "market_neutral": 0.02, "lender": 0.0}  # fmt: skip
SCENARIO_RISK = {"calm": 0.012, "correlated_crash": 0.22, "utilization_spike": 0.05}

METRICS: dict[str, tuple[str, str, float, str]] = {
    # id: unit, label, value of a risk of one, which way is bad
    "system.probability_bad_debt": ("1", "Probability of bad debt", 0.02, "up"),
    "system.bad_debt.mean": ("USDC", "Bad debt, mean", 2.1e5, "up"),
    "system.bad_debt.var_99": ("USDC", "Bad debt, 99 % quantile", 3.1e6, "up"),
    "system.bad_debt.es_99": ("USDC", "Bad debt, mean of the worst 1 %", 1.7e7, "up"),
    "system.liquidated_notional.mean": ("USDC", "Liquidated perp notional, mean", 9e8, "up"),
    "system.liquidated_notional.var_99": (
        "USDC", "Liquidated perp notional, 99 % quantile", 3e9, "up"),
    "system.liquidated_notional.es_99": (
        "USDC", "Liquidated perp notional, mean of the worst 1 %", 4.2e9, "up"),
    "system.liquidated_debt.mean": ("USDC", "Liquidated loans, mean", 1.3e8, "up"),
    "system.liquidated_debt.es_99": (
        "USDC", "Liquidated loans, mean of the worst 1 %", 2.2e8, "up"),
    "system.liquidated_accounts.mean": ("accounts", "Accounts liquidated, mean", 900.0, "up"),
    "system.equity_loss.mean": ("USDC", "Loss of equity, mean", 4e8, "up"),
    "system.equity_loss.es_99": ("USDC", "Loss of equity, mean of the worst 1 %", 9e8, "up"),
    "system.probability_full_utilization": ("1", "Probability of full utilization", 0.3, "up"),
    "pool.peak_utilization.mean": ("1", "Peak utilization, mean", 0.9, "up"),
    "pool.peak_utilization.p99": ("1", "Peak utilization, 99 % quantile", 0.99, "up"),
}  # fmt: skip


def build(
    accounts: int = 60,
    scenarios: tuple[str, ...] = SCENARIOS,
    groups: tuple[str, ...] = GROUPS,
    hours: int = 24,
    tokens: tuple[str, ...] = ("USDC",),
    assets: tuple[str, ...] = ("BTC", "ETH", "SOL", "HYPE"),
    paths: int = 16384,
    seed: int = 0,
    cascade: bool = False,
) -> xr.Dataset:
    """Results of an imagined campaign.

    Args:
      accounts, scenarios, groups, hours, tokens, assets: sizes and names of the dimensions.
      paths: simulated paths the intervals pretend to come from.
      seed: of the imagined book.
      cascade: whether liquidations feed back: adds the variables of `synthetic_cascade`.

    Returns:
      Dataset of the schema that `reports` reads; names repeat nothing of a real venue.
    """
    random = np.random.default_rng(seed)
    group = np.array(groups)[np.sort(random.integers(0, len(groups), accounts))]
    time = np.arange(hours + 1.0)
    peak = np.array([SCENARIO_RISK.get(s, 0.1) for s in scenarios])
    data: dict[str, tuple[tuple[str, ...], np.ndarray]] = {}

    def put(name: str, dims: str, values: np.ndarray) -> None:
        data[name] = (tuple(dims.split()), np.asarray(values))

    # accounts
    equity = np.exp(random.normal(11.5, 1.9, accounts))
    borrows = np.isin(group, ["hype_looper", "btc_looper", "carry"])
    trades = ~np.isin(group, ["hype_looper", "btc_looper", "lender"])
    debt = np.where(borrows, equity * random.uniform(0.3, 1.6, accounts), 0.0)
    notional = np.where(trades, equity * random.uniform(0.5, 8.0, accounts), 0.0)
    now = np.where(group == "lender", np.nan, random.beta(3, 4, accounts) * 0.9)
    risk = np.array([GROUP_RISK.get(str(g), 0.3) for g in group]) * np.nan_to_num(now) * 2
    chance = np.clip(peak[:, None] * risk * random.uniform(0.2, 1.8, accounts), 0, 1)
    for kind, part in (("", 1.0), ("partial_", 0.7), ("full_", 0.4)):
        put(f"account_{kind}liquidation_probability", "scenario account statistic",
            share(chance * part, paths))  # fmt: skip
    put("account_bad_debt_probability", "scenario account statistic", share(chance * 0.01, paths))
    put("account_equity", "account", equity)
    put("account_debt", "account", debt)
    put("account_notional", "account", notional)
    put("account_collateral", "account", debt * 2.1)
    put("account_pmr", "account", now)
    put("account_threshold", "account", np.where(group == "cross_whale", 1.0, 0.95))
    spread = np.linspace(-0.4, 0.9, len(QUANTILES)) * (0.3 + 2 * peak[:, None, None])
    late = np.nan_to_num(now)[None, :, None] * np.exp(spread)
    put("account_pmr_horizon", "scenario account quantile", np.minimum(late, 0.95 + 0.03 * late))
    put("account_expected_shortfall_contribution", "scenario account", chance * debt * 0.02)
    put("account_equity_loss_contribution", "scenario account", chance * equity * 1.5)
    put("account_liquidation_time", "scenario account", np.where(chance > 0, 0.6 * hours, np.nan))

    # groups
    members = [np.full(accounts, True)] + [group == g for g in groups]
    grown = (time / max(hours, 1)) ** 1.4
    mean = np.array([[c[m].mean() if m.any() else 0.0 for m in members] for c in chance])
    put("group_liquidation_probability", "scenario group time statistic",
        share(mean[:, :, None] * grown, paths))  # fmt: skip
    put("group_accounts", "group", np.array([m.sum() for m in members]))
    for name, values in (("equity", equity), ("debt", debt), ("notional", notional)):
        put(f"group_{name}", "group", np.array([values[m].sum() for m in members]))

    # reserves and prices
    width = np.linspace(-1, 1, len(QUANTILES)) * (0.05 + peak[:, None, None, None])
    used = 0.64 + width * np.sqrt(grown)[:, None] * np.ones((len(tokens), 1, 1))
    put("utilization", "scenario token time quantile", np.clip(used, 0, 1))
    put("borrow_rate", "scenario token time quantile",
        0.05 + 4.75 * np.maximum(0, np.clip(used, 0, 1) - 0.8))  # fmt: skip
    moves = np.linspace(-0.9, 0.6, len(QUANTILES)) * (0.2 + peak[:, None, None])
    moves = moves * np.linspace(0.6, 1.2, len(assets))[:, None]
    put("price_return", "scenario asset quantile", moves)
    put("worst_price_return", "scenario asset quantile", np.minimum(moves - 0.02, 0))

    # the book as a whole
    scale = np.array([v for _, _, v, _ in METRICS.values()])
    unit = np.array([u for u, _, _, _ in METRICS.values()])
    value = scale * (peak[:, None] / peak.max()) * random.uniform(0.8, 1.0, (len(peak), len(scale)))
    put("system", "scenario metric statistic",
        np.where((unit == "1")[:, None], share(value, paths), amount(value)))  # fmt: skip
    exceedance = np.geomspace(0.5, max(1e-4, 2 / paths), 30)
    sizes = equity.sum() * np.array([0.3, 0.004, 2.0, 0.4])
    curve = sizes[:, None] * peak[:, None, None] * np.log(2 / exceedance) ** 1.3
    put("loss_curve", "scenario measure exceedance statistic",
        amount(curve, np.sqrt(1 / (exceedance * paths))))  # fmt: skip
    statuses = ("ok", "round_limit", "non_finite")
    put("status_count", "scenario status", np.tile([paths - 3, 3, 0], (len(scenarios), 1)))

    results = xr.Dataset(
        data,
        coords={
            "scenario": list(scenarios),
            "account": [f"{g}-{i:04d}" for i, g in enumerate(group)],
            "account_group": ("account", group),
            "account_mode": ("account", np.where(group == "cross_whale", "cross", "portfolio")),
            "group": ["all", *groups],
            "time": time,
            "asset": list(assets),
            "token": np.array(tokens, dtype=str),
            "statistic": list(STATISTICS),
            "quantile": QUANTILES,
            "metric": list(METRICS),
            "metric_unit": ("metric", [u for u, _, _, _ in METRICS.values()]),
            "metric_label": ("metric", [n for _, n, _, _ in METRICS.values()]),
            "metric_definition": (
                "metric",
                [f"{n}, over all paths." for _, n, _, _ in METRICS.values()],
            ),
            "metric_bad": ("metric", [b for _, _, _, b in METRICS.values()]),
            "measure": list(MEASURES),
            "exceedance": exceedance,
            "status": list(statuses),
        },
        attrs=attributes(scenarios, hours, paths, seed),
    )
    for name in results.data_vars:
        words = str(name).replace("_", " ")
        results[name].attrs = {"units": "1", "long_name": words, "definition": f"The {words}."}
    if cascade:
        from synthetic_cascade import with_cascade  # it builds on the functions below

        return with_cascade(results)
    return results


def share(value: np.ndarray, paths: int) -> np.ndarray:
    """Probability with its standard error and Wilson interval, along a new last axis."""
    value, z = np.clip(value, 0, 1), 1.959963984540054
    error = np.sqrt(value * (1 - value) / paths)
    centre = (value + z * z / (2 * paths)) / (1 + z * z / paths)
    half = z / (1 + z * z / paths) * np.sqrt(value * (1 - value) / paths + (z / (2 * paths)) ** 2)
    low, high = np.clip(centre - half, 0, value), np.clip(centre + half, value, 1)
    return np.stack([value, error, low, high], axis=-1)


def amount(value: np.ndarray, relative_error: np.ndarray | float = 0.02) -> np.ndarray:
    """Sum of money with a standard error proportional to it and its 95 % interval, last axis."""
    error = value * relative_error
    low = np.maximum(value - 1.96 * error, 0.0)
    return np.stack([value, error, low, value + 1.96 * error], axis=-1)


def attributes(scenarios: tuple[str, ...], hours: int, paths: int, seed: int) -> dict[str, object]:
    """Attributes of the dataset, the nested ones as JSON text."""
    return {
        "title": "Portfolio margin stress: baseline",
        "campaign": "baseline",
        "description": "The default book in ordinary markets, a joint crash and a run on the pool.",
        "venue": "hyperliquid",
        "venue_date": "2026-08-19",
        "book": "default",
        "book_as_of": "2026-09-08T04:25:36Z",
        "horizon_hours": float(hours),
        "step_hours": 1.0,
        "paths": paths,
        "seed": seed,
        "precision": "float32",
        "estimator": "plain",
        "assumptions": json.dumps(
            {
                "min_borrow_offset": "floor",
                "liquidation_order": "random",
                "reserve_liquidity_limits_credit": True,
            }
        ),
        "scenario_descriptions": json.dumps(
            {s: f"Prices and loans as imagined for {s.replace('_', ' ')}." for s in scenarios}
        ),
        "provenance": json.dumps(
            {
                "commit": "0123abc",
                "versions": {"jax": "0.10.1", "numpy": "2.4.6"},
                "device": "cpu (2 cores)",
                "digests": {"book": "9f" * 32, "campaign": "a1" * 32},
                "created": "2026-11-23T14:00:00Z",
                "wall_seconds": 41.7,
                "command": "hyperstress run baseline.yaml",
                "sources": ["Venue documentation, https://example.org/margin, read 2026-08-22"],
            }
        ),
        "notes": json.dumps(["The book is frozen: liquidations do not move prices."]),
    }
