"""Model spread beside Monte Carlo error: what each is, and that they are told apart."""

import numpy as np
import pytest
import xarray as xr
from campaign_cases import CAMPAIGN, change, write

from reports.spread_tables import spread
from stress.config import load_campaign
from stress.errors import InputError
from stress.model_spread import _spread, model_spread


def results(values: np.ndarray, errors: np.ndarray) -> xr.Dataset:
    """A dataset of one base scenario, values and errors `[model, metric]`."""
    models = [f"base.m{i}" for i in range(len(values))]
    parts = np.stack([values, errors, values - errors, values + errors], axis=-1)
    metrics = ["system.liquidated_accounts.mean", "system.probability_bad_debt"]
    return xr.Dataset(
        {"system": (("scenario", "metric", "statistic"), parts)},
        coords={
            "scenario": models, "metric": metrics,
            "statistic": ["value", "standard_error", "low", "high"],
            "metric_unit": ("metric", ["accounts", "1"]),
            "metric_label": ("metric", ["Accounts liquidated, mean", "P(bad debt)"]),
        },
    )  # fmt: skip


def test_sampling_error_is_taken_out_of_the_spread() -> None:
    """Models that agree but for sampling show none; models that differ show how much."""
    rng, rounds = np.random.default_rng(0), 4000
    alike = np.array([
        _spread(5 + rng.standard_normal((5, 1)), np.ones((5, 1)))[0] for _ in range(rounds)
    ])  # fmt: skip
    apart = np.array([
        _spread(5 + np.sqrt(10) * rng.standard_normal((5, 1)), np.ones((5, 1)))[0]
        for _ in range(rounds)
    ])  # fmt: skip
    assert np.median(alike[:, 3]) < 0.5 and (alike[:, 4] == 1).all()
    square = apart[:, 3] ** 2
    assert abs(square.mean() - 9) < 4 * square.std() / np.sqrt(rounds)


def test_table_names_the_extreme_models() -> None:
    data = results(np.array([[10.0, 0.1], [14.0, 0.3]]), np.array([[1.0, 0.01], [1.0, 0.01]]))
    variants = {"base.m0": ("base", "gbm"), "base.m1": ("base", "garch")}
    made = model_spread(data, variants)
    found = made["model_spread"].sel(base="base", metric="system.liquidated_accounts.mean")
    assert found.values.tolist() == pytest.approx([10, 14, 12, np.sqrt(8 - 1), 1])
    table = spread(made)
    assert table is not None and table.rows[0][2].detail == "gbm"
    assert table.rows[0][3].detail == "garch" and table.rows[0][6].text == "2.65"
    assert spread(data) is None


def test_a_campaign_under_models(tmp_path) -> None:
    path = write(tmp_path, change(CAMPAIGN, "scenarios.run.prices.degrees_of_freedom", 5))
    campaign = load_campaign(path, models=["gbm", "t"])
    expected = {f"{s}.{m}" for s in ("run", "crash") for m in ("gbm", "student_t")}
    assert set(campaign.scenarios) == expected
    assert campaign.scenarios["run.student_t"].prices.process == "student_t"
    assert campaign.scenarios["run.gbm"].overlays == campaign.spec.scenarios["run"].overlays  # type: ignore[union-attr]
    assert campaign.digest != load_campaign(path).digest
    with pytest.raises(InputError, match="--candles"):
        load_campaign(path, models=["bootstrap"])
    with pytest.raises(InputError, match="'levy'"):
        load_campaign(path, models=["levy"])
