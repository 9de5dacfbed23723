"""What a campaign with feedback writes: variables, metrics, statuses, and that they agree."""

import json
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from campaign_cases import change, write
from test_cascade_campaign import SMALL_BOOKS, crowd

from stress.commands.compute import Where
from stress.commands.run import run_command
from stress.results import open_dataset

CAMPAIGN = {
    "name": "fed", "venue": "hyperliquid/2026-08-19", "book": crowd(), "horizon": "8h",
    "step": "1h", "refine": [{"from": "2h", "to": "3h", "step": "10m"}], "paths": 40, "seed": 2,
    "precision": "float32", "feedback": True,
    "cascade": {"impact": SMALL_BOOKS, "vault_capital": 2e3, "lending": "book"},
    "scenarios": {"crash": {
        "prices": {"process": "student_t", "volatility": {"default": 1.2},
                   "degrees_of_freedom": 4, "correlation": 0.7},
        "utilization": {"process": "constant"},
        "overlays": [{"crash": {"size": -0.3, "at": "1h", "over": "2h", "recovery": 0.5,
                                "recovery_over": "2h"}}],
    }},
}  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("fed")
    out = folder / "out"
    run_command(str(write(folder, CAMPAIGN)), out, [], Where(), False, True)
    return out


@pytest.fixture(scope="module")
def results(run) -> xr.Dataset:
    return open_dataset(run)


def test_variables_say_what_they_are(results):
    dims = {
        "cascade_timeline": ("scenario", "time", "quantile"),
        "cascade_channel": ("scenario", "channel", "time"),
        "shortfall_paid": ("scenario", "payer", "statistic"),
        "shortfall_paid_tail": ("scenario", "payer"),
        "party_change": ("scenario", "party", "statistic"),
        "contagion": ("scenario", "source_asset", "asset", "statistic"),
        "overshoot": ("scenario", "asset", "quantile"),
        "static_response": ("shock", "asset", "bound"),
    }
    for name, want in dims.items():
        assert results[name].dims == want
        assert all(results[name].attrs.get(k) for k in ("units", "long_name", "definition"))
    assert results.attrs["feedback"] == "true" and "vault_capital (USDC)" in json.loads(
        results.attrs["cascade_settings"]
    )
    assert "frozen" not in json.loads(results.attrs["notes"])[0]


def test_figures_agree_with_each_other(results):
    channels = results["cascade_channel"].sel(scenario="crash")
    assert (channels.diff("time") >= 0).all() and channels.sum() > 0
    metrics = results["system"].sel(scenario="crash", statistic="value")
    names = {"book": "book_notional", "backstop": "backstop_notional", "adl": "adl_notional"}
    for channel, metric in names.items():
        mean = float(metrics.sel(metric=f"system.{metric}.mean"))
        assert float(channels.sel(channel=channel)[-1]) == pytest.approx(mean, abs=1)
    parties = results["party_change"].sel(scenario="crash", statistic="value")
    assert abs(float(parties.sum())) < 1e-5 * float(np.abs(parties).max())
    contagion = results["contagion"].sel(scenario="crash", statistic="value")
    assert ((contagion >= 0) & (contagion <= 1)).all()
    assert 0 < float(metrics.sel(metric="system.branching_ratio")) <= 1
    assert float(metrics.sel(metric="system.amplification")) >= 1
    fan = results["cascade_timeline"].sel(scenario="crash")
    assert (fan.diff("quantile") >= 0).all() and (fan.diff("time") >= 0).all()
    response = results["static_response"]
    assert (response.sel(bound="least") >= response.sel(bound="shock") - 1e-12).all()
    assert (response.sel(bound="greatest") >= response.sel(bound="least") - 1e-12).all()


def test_files_carry_the_metrics_and_the_page_their_section(run):
    data = json.loads((run / "summary.json").read_text())
    ids = {row["id"] for row in data["metrics"]}
    for name in ("system.adl_notional.mean", "system.amplification", "system.branching_ratio",
                 "pool.supplier_loss.es_99", "system.shortfall.es_99"):  # fmt: skip
        assert name in ids
    assert sum(data["status"].values()) == 40
    assert "who pays" in (run / "report.html").read_text()


def test_an_empty_book_is_a_counted_status(tmp_path):
    thin = change(CAMPAIGN, "cascade.reach", 1e-4)
    thin = change(thin, "paths", 16)
    out = tmp_path / "out"
    run_command(str(write(tmp_path, thin)), out, [], Where(), False, False)
    counts = json.loads((out / "summary.json").read_text())["status"]
    assert counts["empty_depth"] > 0 and sum(counts.values()) == 16
