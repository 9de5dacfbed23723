"""Every process through the sampler: the same path anywhere, whatever the precision."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest
from campaign_cases import small_campaign
from test_build_process import candles

from stress.campaign import plan, scenario_key
from stress.market import market_paths, normals_per_step, sample_paths
from stress.process_schema import PROCESS_NAMES
from stress.processes import PROCESSES

DATA = {"candles": ".", "from": "2024-01-13T00:00:00Z"}
PATHS = 8


def campaign(folder: Path, name: str) -> Any:
    prices = {"process": name, "calibration": "calibration/prices"}
    if name in ("bootstrap", "fhs", "replay"):
        candles(folder)
        prices |= DATA
    return plan(small_campaign(folder, ("scenarios.run.prices", prices)))


def test_every_name_has_a_process() -> None:
    assert {m.__name__.rpartition(".")[2] for m in PROCESSES.values()} == set(PROCESS_NAMES)


@pytest.mark.parametrize("name", PROCESS_NAMES)
def test_a_path_is_the_same_anywhere_and_in_either_precision(tmp_path, name: str) -> None:
    built = campaign(tmp_path, name)
    model, today = built.scenarios["run"]
    module = PROCESSES[type(model.process)]
    assert module.__name__.endswith(name)
    hours, key = jnp.asarray(built.campaign.step_hours), scenario_key(3, "run")

    def logs(paths, key=key):
        return np.asarray(sample_paths(today, model, key, jnp.asarray(paths), hours).logs)

    whole = logs(np.arange(PATHS))
    np.testing.assert_array_equal(logs(np.arange(PATHS)[::-1])[::-1], whole)
    np.testing.assert_allclose(logs([5]), whole[[5]], rtol=1e-11, atol=1e-13)
    assert np.isfinite(whole).all() and (whole[:, 0] == 0).all()
    if name == "replay":
        np.testing.assert_allclose(whole, np.broadcast_to(whole[:1], whole.shape), atol=1e-15)
    else:
        assert len(np.unique(whole[:, -1, 0])) == PATHS
        assert not np.allclose(logs(np.arange(PATHS), scenario_key(4, "run")), whole)
    width = module.normals_per_step(model.process)
    assert normals_per_step(model) == width + 8  # and those of the reserve
    sample = sample_paths(today, model, key, jnp.arange(PATHS), hours)
    wide, _ = market_paths(built.inputs.venue, today, model, sample, hours)
    narrow, _ = market_paths(built.inputs.venue, today, model, sample, hours, "float32")
    np.testing.assert_allclose(narrow.mark, wide.mark, rtol=1e-6)


@pytest.mark.parametrize("name", ["garch", "kou", "hawkes", "bootstrap", "regime"])
def test_minutes_end_where_hours_do_in_distribution(tmp_path, name: str) -> None:
    """Deviation of a day's return on a grid of 1 h and of 15 min, within 4 standard errors."""
    found = []
    for n, step in enumerate(("1h", "15m")):
        folder = tmp_path / str(n)
        folder.mkdir()
        prices = {"process": name, "calibration": "calibration/prices"}
        if name == "bootstrap":
            candles(folder)
            prices |= DATA
        built = plan(small_campaign(folder, ("scenarios.run.prices", prices), ("step", step)))
        model, today = built.scenarios["run"]
        hours = jnp.asarray(built.campaign.step_hours)
        paths = jnp.arange(3000)
        sample = sample_paths(today, model, scenario_key(n, "run"), paths, hours)
        found.append(np.asarray(sample.logs)[:, -1])
    for a in range(2):
        size = [np.abs(r[:, a]) for r in found]
        error = np.sqrt(sum(s.var() / len(s) for s in size))
        assert abs(size[0].mean() - size[1].mean()) < 4 * error
        assert abs(1.3 * size[0].mean() - size[1].mean()) > 4 * error
