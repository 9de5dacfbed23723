"""Every metric against plain NumPy on totals written by hand."""

import numpy as np
import pytest

from models.status import NON_FINITE, OK
from stress.metrics import (
    ACCOUNT_METRICS,
    COUNT_OF,
    MEASURES,
    METRICS,
    account_estimates,
    failed_paths,
)
from stress.totals import Totals

PATHS = 1000
BY_ID = {metric.id: metric for metric in METRICS}


def totals(failed: int = 0) -> Totals:
    """1,000 paths; the last `failed` are not finite."""
    rng = np.random.default_rng(1)
    made = Totals(PATHS)
    for name in (*MEASURES, "liquidated_accounts"):
        made.by_path[name] = np.maximum(rng.normal(size=PATHS), 0) * 1000
    made.by_path["peak_utilization"] = np.clip(rng.normal(0.8, 0.1, (PATHS, 2)), 0, 1)
    made.by_path["status"] = np.full(PATHS, OK)
    gone = slice(PATHS - failed, PATHS)
    made.by_path["status"][gone] = NON_FINITE
    for name in (*MEASURES, "liquidated_accounts"):
        made.by_path[name][gone] = np.nan
    made.counts = {
        "first": np.array([[10, 0], [30, 0], [960 - failed, 1000 - failed]]),
        "partial": np.array([25, 0]),
        "full": np.array([5, 0]),
        "bad_debt": np.array([1, 0]),
    }
    return made


def test_ids_are_those_of_the_interfaces() -> None:
    for name in ("bad_debt", "liquidated_notional", "liquidated_debt", "equity_loss"):
        assert {f"system.{name}.{kind}" for kind in ("mean", "var_99", "es_99")} <= BY_ID.keys()
    assert {
        "system.probability_bad_debt",
        "system.probability_full_utilization",
        "system.liquidated_accounts.mean",
        "pool.peak_utilization.mean",
        "pool.peak_utilization.p99",
    } <= BY_ID.keys()
    assert len(BY_ID) == len(METRICS)
    assert {"account.liquidation_probability", "account.full_liquidation_probability"} <= {
        *ACCOUNT_METRICS
    }


def test_every_metric_says_what_it_is() -> None:
    for metric in METRICS:
        assert metric.label and metric.definition.endswith(".")
        assert metric.unit in ("USDC", "1", "accounts") and metric.bad in ("up", "down")
    for label, definition in [*ACCOUNT_METRICS.values(), *MEASURES.values()]:
        assert label and definition.endswith(".")


@pytest.mark.parametrize("name", MEASURES)
def test_money(name: str) -> None:
    data = totals()
    ordered = np.sort(data.by_path[name])
    values = {k: BY_ID[f"system.{name}.{k}"].estimate(data) for k in ("mean", "var_99", "es_99")}
    assert values["mean"].value == pytest.approx(ordered.mean(), rel=1e-12)
    assert values["var_99"].value == ordered[989]  # the 990th of 1,000
    assert values["es_99"].value == pytest.approx(ordered[990:].mean(), rel=1e-12)
    for estimate in values.values():
        assert estimate.low < estimate.value < estimate.high
    assert "path" in BY_ID[f"system.{name}.mean"].definition


def test_probabilities_of_the_book() -> None:
    data = totals()
    bad = BY_ID["system.probability_bad_debt"].estimate(data)
    assert bad.value == (data.by_path["bad_debt"] > 0).mean()
    full = BY_ID["system.probability_full_utilization"].estimate(data)
    assert full.value == (data.by_path["peak_utilization"].max(axis=1) >= 1).mean() > 0
    peak = np.sort(data.by_path["peak_utilization"].max(axis=1))
    assert BY_ID["pool.peak_utilization.mean"].estimate(data).value == pytest.approx(peak.mean())
    assert BY_ID["pool.peak_utilization.p99"].estimate(data).value == peak[989]


def test_accounts() -> None:
    found = account_estimates(totals())
    assert found.keys() == ACCOUNT_METRICS.keys()
    assert found["account.liquidation_probability"].value.tolist() == [0.04, 0.0]
    for metric, count in COUNT_OF.items():
        assert found[metric].value.tolist() == (totals().counts[count] / PATHS).tolist()
    never = found["account.liquidation_probability"]
    assert never.low[1] == 0 < never.high[1] < 0.005  # none seen is not none possible


def test_failed_paths_are_counted_and_widen() -> None:
    data, clean = totals(failed=100), totals()
    assert failed_paths(data) == 100 and failed_paths(clean) == 0
    found = account_estimates(data)["account.liquidation_probability"]
    want = account_estimates(clean)["account.liquidation_probability"]
    assert found.value[0] == pytest.approx(40 / 900)
    assert found.low[0] == want.low[0] and found.high[0] > want.high[0] + 0.09
    assert np.isnan(BY_ID["system.bad_debt.mean"].estimate(data).value)
    bad = BY_ID["system.probability_bad_debt"].estimate(data)
    assert bad.value == pytest.approx(np.sum(data.by_path["bad_debt"] > 0) / 900)
