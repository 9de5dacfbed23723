"""The results dataset: complete, labelled, consistent with itself, readable from its files."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from campaign_cases import small_figures, small_plan, small_tails, small_totals

from models import status
from reports.page import write_report
from stress.attributes import attributes
from stress.dataset import QUANTILES, STATISTICS, build_dataset
from stress.metrics import ACCOUNT_METRICS, MEASURES, METRICS
from stress.provenance import provenance
from stress.results import as_json, open_dataset, save_dataset, summary

EVENT = "scenario account statistic"
DIMENSIONS = (
    {
        "account_liquidation_probability": EVENT,
        "account_partial_liquidation_probability": EVENT,
        "account_full_liquidation_probability": EVENT,
        "account_bad_debt_probability": EVENT,
        "account_expected_shortfall_contribution": "scenario account",
        "account_equity_loss_contribution": "scenario account",
        "account_liquidation_time": "scenario account",
        "account_pmr_horizon": "scenario account quantile",
        "group_liquidation_probability": "scenario group time statistic",
        "utilization": "scenario token time quantile",
        "borrow_rate": "scenario token time quantile",
        "price_return": "scenario asset quantile",
        "worst_price_return": "scenario asset quantile",
        "system": "scenario metric statistic",
        "loss_curve": "scenario measure exceedance statistic",
        "status_count": "scenario status",
        "account_pmr_horizon_band": "scenario account quantile end",
        "utilization_band": "scenario token time quantile end",
        "borrow_rate_band": "scenario token time quantile end",
        "cross_check": "scenario metric statistic",
        "tail_level": "scenario measure tail",
        "tail_chance": "scenario measure tail statistic",
        "tail_effective_paths": "scenario measure tail",
        "monitoring_gap": "scenario watched statistic",
        "monitoring_step": "scenario watched",
    }
    | {
        f"metric_{name}": "scenario metric"
        for name in (
            "estimator",
            "check",
            "refusal",
            "paths",
            "effective_paths",
            "largest_share",
            "pareto_k",
            "choice",
            "failed_paths",
            "plain_paths",
            "agreement",
        )
    }
    | {
        f"{of}_{name}": of
        for of, names in {
            "account": ("equity", "debt", "notional", "collateral", "pmr", "threshold"),
            "group": ("accounts", "equity", "debt", "notional"),
        }.items()
        for name in names
    }
)
ATTRIBUTES = {
    "title", "campaign", "description", "venue", "venue_date", "book", "book_as_of",
    "horizon_hours", "step_hours", "refinements", "paths", "seed", "precision", "estimator",
    "feedback",
    "assumptions", "scenario_descriptions", "provenance", "notes",
}  # fmt: skip


@pytest.fixture(scope="module")
def results() -> xr.Dataset:
    campaign = small_plan().campaign
    facts = provenance(campaign, 1.5, {"workers": 1, "threads": 2})
    return build_dataset(
        small_plan(), small_totals(), small_tails(), small_figures(), attributes(campaign, facts)
    )


@pytest.fixture(scope="module")
def folder(results: xr.Dataset, tmp_path_factory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("run")
    save_dataset(results, place)
    return place


def test_variables_and_dimensions(results: xr.Dataset) -> None:
    found = {str(name): " ".join(map(str, v.dims)) for name, v in results.data_vars.items()}
    assert found == DIMENSIONS
    assert results["statistic"].values.tolist() == list(STATISTICS)
    assert results["quantile"].values.tolist() == list(QUANTILES)
    assert results["group"].values.tolist() == ["all", "looper", "carry", "trader", "lender"]
    assert results["time"].values.tolist() == list(range(25))
    assert results["asset"].values.tolist() == ["BTC", "HYPE"]
    assert results["token"].values.tolist() == ["USDC"]
    assert results["status"].values.tolist() == list(status.NAMES)
    assert results["metric"].values.tolist() == [m.id for m in METRICS]
    assert results["account_mode"].values.tolist()[3:] == ["unified", "cross", "lender"]


def test_every_variable_says_what_it_is(results: xr.Dataset) -> None:
    for name, variable in results.data_vars.items():
        for key in ("units", "long_name", "definition"):
            assert variable.attrs.get(key), (name, key)
    for name in ("metric_label", "metric_unit", "metric_definition", "metric_bad"):
        assert all(map(str, results[name].values)), name


def test_attributes(results: xr.Dataset) -> None:
    assert results.attrs.keys() == ATTRIBUTES
    assert all(isinstance(v, str | int | float) for v in results.attrs.values())
    facts = json.loads(results.attrs["provenance"])
    assert facts["wall_seconds"] == 1.5 and facts["versions"]["numpy"] == np.__version__
    assert facts["digests"]["campaign"] == small_plan().campaign.digest
    assert facts["peak_memory_mib"] > 1 and facts["sources"] and facts["commit"]
    told = json.loads(results.attrs["scenario_descriptions"])
    assert told == {"run": "A run on the pool.", "crash": ""}
    assert len(json.loads(results.attrs["notes"])) >= 4
    assert json.loads(results.attrs["assumptions"])["min_borrow_offset"] == "floor"


def test_probabilities_fit_together(results: xr.Dataset) -> None:
    value = {
        name: results[name].sel(statistic="value") for name in DIMENSIONS if "probability" in name
    }
    for name in value:
        low, high = (results[name].sel(statistic=s) for s in ("low", "high"))
        assert ((low <= value[name]) & (value[name] <= high) & (low >= 0) & (high <= 1)).all()
    gone = value["account_liquidation_probability"]
    assert (value["account_full_liquidation_probability"] <= gone).all()
    assert (value["account_bad_debt_probability"] <= gone).all()
    groups = value["group_liquidation_probability"]
    assert (groups.diff("time") >= 0).all()
    for group in results["group"].values:
        member = (results["account_group"] == group) | (group == "all")
        np.testing.assert_allclose(
            groups.sel(group=group).isel(time=-1), gone.where(member).mean("account"), rtol=1e-12
        )
    system = results["system"].sel(metric="system.liquidated_accounts.mean", statistic="value")
    np.testing.assert_allclose(system, gone.sum("account"), rtol=1e-12)


def test_liquidation_times_are_of_those_liquidated(results: xr.Dataset) -> None:
    gone = results["account_liquidation_probability"].sel(statistic="value")
    times = results["account_liquidation_time"]
    assert (np.isnan(times) == (gone == 0)).all()
    assert float(times.min()) > 0 and float(times.max()) <= 24
    first = small_totals()["crash"].counts["first"][:-1, 3]
    want = (first * np.arange(25)).sum() / first.sum()
    assert float(times.sel(scenario="crash", account="unified")) == pytest.approx(want)


def test_quantiles_of_ratios_and_prices(results: xr.Dataset) -> None:
    ratios = results["account_pmr_horizon"].values  # infinite where equity is gone
    assert (ratios[..., 1:] >= ratios[..., :-1]).all()
    ratio = results["account_pmr_horizon"].sel(scenario="crash", account="unified", quantile=0.5)
    assert float(ratio) > float(results["account_threshold"].sel(account="unified")) == 0.95
    assert float(results["account_threshold"].sel(account="standard")) == 1.0
    path = small_totals()["run"].by_path["log_return"][:, 1]
    want = np.expm1(np.sort(path)[249])  # the 250th of 5,000
    got = results["price_return"].sel(scenario="run", asset="HYPE", quantile=0.05)
    assert float(got) == pytest.approx(want, rel=1e-12)
    assert (results["worst_price_return"] <= np.minimum(results["price_return"], 0)).all()


def test_utilization_and_its_rate(results: xr.Dataset) -> None:
    constant = results["utilization"].sel(scenario="crash")
    np.testing.assert_allclose(constant, 0.64, atol=1e-3)  # the width of a bin
    np.testing.assert_allclose(results["borrow_rate"].sel(scenario="crash"), 0.05, rtol=1e-12)
    run = results["utilization"].sel(scenario="run", token="USDC")
    assert (run.isel(time=0) > 0.63).all() and (run.isel(time=0) < 0.64).all()
    assert (run <= 1).all() and float(run.sel(time=8, quantile=0.99)) == 1.0
    rate = results["borrow_rate"].sel(scenario="run", token="USDC")
    np.testing.assert_allclose(rate, 0.05 + 4.75 * np.maximum(run - 0.8, 0), rtol=1e-9)


def test_contributions_add_up_to_the_expected_shortfall(results: xr.Dataset) -> None:
    for name, metric in (
        ("account_expected_shortfall_contribution", "system.bad_debt.es_99"),
        ("account_equity_loss_contribution", "system.equity_loss.es_99"),
    ):
        whole = results["system"].sel(metric=metric, statistic="value")
        np.testing.assert_allclose(results[name].sum("account"), whole, rtol=1e-9, atol=1e-9)


def test_loss_curve_falls_and_ends_in_the_tail(results: xr.Dataset) -> None:
    curve = results["loss_curve"].sel(statistic="value")
    assert results["measure"].values.tolist() == list(MEASURES)
    exceedance = results["exceedance"].values
    assert exceedance[0] == 0.5 and (np.diff(exceedance) < 0).all()
    assert exceedance[-1] == pytest.approx(4 / 5000)
    assert (curve.diff("exceedance") >= 0).all()
    losses = np.sort(small_totals()["crash"].by_path["equity_loss"])
    assert float(curve.sel(scenario="crash", measure="equity_loss")[0]) == losses[2499]


def test_the_book_now(results: xr.Dataset) -> None:
    equity = results["account_equity"]
    assert float(equity.sel(account="loop-hype")) == pytest.approx(100 * 84.1 - 5000)
    assert float(equity.sel(account="carry")) == pytest.approx(7873 - 873)
    assert float(equity.sel(account="standard")) == pytest.approx(900 + 210)
    assert float(results["account_notional"].sel(account="standard")) == pytest.approx(7873 + 1680)
    assert float(results["account_debt"].sel(account="loop-btc")) == pytest.approx(3500)
    for name in ("equity", "debt", "notional"):
        whole = results[f"group_{name}"]
        assert float(whole.sel(group="all")) == pytest.approx(
            float(whole.isel(group=slice(1, None)).sum())
        )
    assert results["group_accounts"].values.tolist() == [6, 2, 1, 2, 1]


def test_files_open_with_xarray_alone(results: xr.Dataset, folder: Path) -> None:
    plain = xr.open_zarr(folder / "results.zarr", consolidated=False)
    xr.testing.assert_identical(plain.load(), results)
    xr.testing.assert_identical(open_dataset(folder), results)


def test_summary_is_strict_json_with_the_documented_keys(results: xr.Dataset) -> None:
    data = json.loads(as_json(summary(results)), parse_constant=lambda text: pytest.fail(text))
    assert data.keys() == {"metrics", "status"}
    assert data["status"] == dict.fromkeys(status.NAMES, 0) | {"ok": 10000}
    common = {"id", "scenario", "value", "standard_error", "ci95", "unit", "horizon_hours",
              "paths", "estimator", "definition"}  # fmt: skip
    seen = set()
    for row in data["metrics"]:
        of = row.keys() - common
        assert of in ({"account"}, {"group"}, {"failed_paths"}) and row.keys() >= common
        assert row.get("failed_paths", 0) == 0
        assert len(row["ci95"]) == 2 and row["paths"] == 5000 and row["horizon_hours"] == 24
        seen.add(row["id"])
    want = {m.id for m in METRICS} | set(ACCOUNT_METRICS) | {"group.liquidation_probability"}
    assert seen == want | {"account.expected_shortfall_contribution"}
    assert len(data["metrics"]) == 2 * (len(METRICS) + 5 + 6 * 5)
    rows = {(r["id"], r["scenario"], r.get("account"), r.get("group")): r for r in data["metrics"]}
    row = rows["account.liquidation_probability", "crash", "unified", None]
    values = results["account_liquidation_probability"].sel(scenario="crash", account="unified")
    assert [row["value"], row["standard_error"], *row["ci95"]] == values.values.tolist()
    row = rows["group.liquidation_probability", "run", None, "trader"]
    values = results["group_liquidation_probability"].sel(scenario="run", group="trader", time=24)
    assert row["value"] == float(values.sel(statistic="value")) > 0
    row = rows["system.bad_debt.es_99", "crash", None, None]
    assert row["unit"] == "USDC" and row["ci95"][0] < row["value"] < row["ci95"][1]


def test_json_has_no_nan() -> None:
    with pytest.raises(ValueError, match="JSON"):
        as_json({"a": float("nan")})


def test_the_report_is_made_of_it(results: xr.Dataset, folder: Path, tmp_path: Path) -> None:
    page = write_report(open_dataset(folder), tmp_path / "report.html").read_text()
    assert "small" in page and "crash" in page and "A run on the pool." in page
    assert 'src="http' not in page and 'href="http' not in page.split("<footer")[0]
