"""Windows of shorter steps: what is refused, the grid, and the same laws on it."""

import dataclasses
import json
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import oracles
import pytest
import xarray as xr
from campaign_cases import BOOK, CAMPAIGN, VENUE, change, small_campaign, write
from test_gbm import DRIFT, PATHS, RHO, VOLATILITY, model, standard_normals
from test_utilization import LEVEL, normals, shipped

from models.account import Market
from stress.campaign import Plan, plan, run_blocks, scenario_key
from stress.config import load_campaign
from stress.errors import InputError
from stress.files import read_yaml
from stress.market import PathView, sample_block
from stress.scenarios import gbm, student_t
from stress.scenarios.gaussian import HOURS_PER_YEAR, correlation_factor
from stress.time_grid import MOST_STEPS
from stress.utilization import pool_path
from stress.utilization_model import no_spike

WINDOWS = [
    {"from": "20h", "to": "21h", "step": "20m"},  # not in the order of time
    {"from": "2h", "to": "4h", "step": "40m"},  # 40 min do not divide an hour, but the window
    {"from": "4h", "to": "5h", "step": "1m"},
]
LENGTHS = np.array([1.0] * 2 + [2 / 3] * 3 + [1 / 60] * 60 + [1.0] * 15 + [1 / 3] * 3 + [1.0] * 3)


def window(start: object, to: object, step: object) -> dict[str, object]:
    return {"from": start, "to": to, "step": step}


@pytest.mark.parametrize(
    ("refine", "key", "found", "allowed"),
    [
        ({}, "refine", "a mapping", "list"),
        ([5], "refine[0]", "5", "from, step, to"),
        ([{"to": "2h", "step": "1m"}], "refine[0].from", "nothing", "required"),
        ([window("-1h", "2h", "1m")], "refine[0].from", "'-1h'", "duration"),
        ([window(-1, "2h", "1m")], "refine[0].from", "-1", "equal to 0"),
        ([window("1h", "2h", 0)], "refine[0].step", "0", "greater than 0"),
        ([window("1h", "2h", "1m") | {"start": 1}], "refine[0].start", "unknown key", "from"),
        ([window("2h", "2h", "1m")], "refine[0].to", "2 h", "after the start of the window, 2 h"),
        ([window("3h", "2h", "1m")], "refine[0].to", "2 h", "after the start of the window, 3 h"),
        ([window("23h", "25h", "1m")], "refine[0].to", "25 h", "within the horizon, 24 h"),
        ([window("90m", "3h", "1m")], "refine[0].from", "1.5 h", "multiple of the campaign's step"),
        ([window("0h", "30m", "1m")], "refine[0].to", "30 min", "multiple of the campaign's step"),
        ([window("1h", "2h", "1h")], "refine[0].step", "1 h", "a step below the campaign's, 1 h"),
        ([window("1h", "5h", "2h")], "refine[0].step", "2 h", "a step below the campaign's, 1 h"),
        ([window("1h", "2h", "7m")], "refine[0].step", "7 min for a window of 1 h", "divides"),
        ([window("1h", "2h", "1e-9")], "refine[0].step", "'1e-9'", "duration"),
        ([window("1h", "2h", 1e-320)], "refine[0].step", "inf steps", f"at most {MOST_STEPS}"),
        (
            [window("1h", "2h", "0.005s"), window("3h", "4h", "0.01s")],
            "refine[1].step", "1080022 steps", f"at most {MOST_STEPS}",
        ),
        (
            [window("3h", "5h", "1m"), window("1h", "2h", "1m"), window("4h", "6h", "1m")],
            "refine[2].from", "4 h, inside refine[0]", "5 h or later",
        ),
        (
            [window("3h", "5h", "1m"), window("1h", "4h", "1m")],
            "refine[0].from", "3 h, inside refine[1]", "4 h or later",
        ),
        ([window("1h", "2h", "1m")] * 2, "refine[1].from", "1 h, inside refine[0]", "2 h or later"),
    ],
)  # fmt: skip
def test_refusals(tmp_path: Path, refine: Any, key: str, found: str, allowed: str) -> None:
    with pytest.raises(InputError) as refused:
        small_campaign(tmp_path, ("refine", refine))
    error = refused.value
    assert error.file == str(tmp_path / "campaign.yaml") and "\n" not in str(error)
    assert error.key == key
    assert found in error.found and allowed in error.allowed


def test_a_step_too_short_for_a_number_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="inf steps"):
        small_campaign(tmp_path, ("step", 1e-320))


def test_the_grid_is_short_inside_windows_only(tmp_path: Path) -> None:
    made = small_campaign(tmp_path, ("refine", WINDOWS))
    assert made.steps == len(LENGTHS) == len(made.grid) - 1
    np.testing.assert_allclose(made.grid, np.concatenate([[0], np.cumsum(LENGTHS)]), rtol=1e-13)
    np.testing.assert_allclose(made.step_hours, LENGTHS, rtol=1e-12)
    assert set(range(25)) - {3} <= set(made.grid.tolist())  # whole hours to the last bit
    assert made.grid[5] == 4.0 and made.grid[65] == 5.0  # windows may touch


def test_the_whole_horizon_and_every_length_may_be_refined(tmp_path: Path) -> None:
    whole = small_campaign(tmp_path, ("refine", [window(0, "1d", "30m")]))
    np.testing.assert_array_equal(whole.grid, np.arange(49) * 0.5)
    most = small_campaign(tmp_path, ("step", "8h"), ("refine", [window("8h", "16h", "1s")]))
    assert most.steps == 8 * 3600 + 2
    np.testing.assert_allclose(np.diff(most.grid)[1:-1], 1 / 3600, rtol=1e-9)


@pytest.mark.parametrize("step", ["1h", "7.5m", "1m", "10s"])
def test_without_windows_the_grid_is_uniform(tmp_path: Path, step: str) -> None:
    made = small_campaign(tmp_path, ("step", step))
    np.testing.assert_array_equal(made.grid, np.arange(made.steps + 1) * made.spec.step)
    assert made.step_hours.shape == () and float(made.step_hours) == made.spec.step


def test_settings_and_digest(tmp_path: Path) -> None:
    path = write(tmp_path)
    plain, refined = (
        load_campaign(path, [f"refine={text}"]) for text in ("[]", "[{from: 1h, to: 2h, step: 1m}]")
    )
    assert plain.digest == small_campaign(tmp_path).digest != refined.digest
    assert plain.steps == 24 and refined.steps == 83


def sampled(module: Any, process: Any, draws: np.ndarray, lengths: Any) -> np.ndarray:
    """Log prices at every time after now, `[paths, T, A]`."""
    run = jax.jit(jax.vmap(lambda z: module.log_returns(process, z, jnp.asarray(lengths))))
    return np.asarray(run(jnp.asarray(draws))).cumsum(axis=1)


def moment_errors(logs: np.ndarray, hours: np.ndarray) -> float:
    """Greatest distance of mean, variance and correlation from theory, in standard errors."""
    years = (hours / HOURS_PER_YEAR)[:, None]
    mean, variance = (DRIFT - VOLATILITY**2 / 2) * years, VOLATILITY**2 * years
    z = (logs - mean) / np.sqrt(variance)
    n = len(z)
    product = (z[..., 0] * z[..., 1]).mean(0)
    found = [
        z.mean(0) * np.sqrt(n),
        (z.var(0) - 1) / np.sqrt(2 / n),
        (product - RHO) / np.sqrt((1 + RHO**2) / n),
    ]
    return max(float(np.abs(x).max()) for x in found)


def test_gbm_has_its_law_at_every_time_of_a_mixed_grid(tmp_path: Path) -> None:
    refine = [window("2h", "4h", "10m"), window("20h", "21h", "5m")]
    made = small_campaign(tmp_path, ("refine", refine))
    draws = standard_normals(21, made.steps)
    hours = made.grid[1:]
    assert moment_errors(sampled(gbm, model(), draws, made.step_hours), hours) < 4
    even = np.full(made.steps, made.grid[-1] / made.steps)  # the same horizon, other times
    wrong = sampled(gbm, model(), draws, even)
    assert moment_errors(wrong[:, -1:], hours[-1:]) < 4 < moment_errors(wrong, hours)
    assert moment_errors(sampled(gbm, model(), draws, made.step_hours[::-1]), hours) > 4


@pytest.mark.parametrize("per_path", [False, True])
def test_student_t_has_its_volatility_on_a_mixed_grid(per_path: bool) -> None:
    lengths = np.array([1.0, 0.1, 0.1, 0.3, 2.0])
    factor = correlation_factor(np.array([[1.0, RHO], [RHO, 1.0]]), "test", "")
    process = student_t.build(VOLATILITY, DRIFT, factor, 8.0, per_path)
    draws = np.random.default_rng(22).standard_normal((PATHS, 5, 3))
    years = lengths[:, None] / HOURS_PER_YEAR

    def errors(of: np.ndarray) -> float:
        steps = np.diff(sampled(student_t, process, draws, of), axis=1, prepend=0)
        square = (steps - (DRIFT - VOLATILITY**2 / 2) * years) ** 2 / (VOLATILITY**2 * years)
        return float(np.abs((square.mean(0) - 1) / (square.std(0) / np.sqrt(PATHS))).max())

    assert errors(lengths) < 4 < errors(lengths[::-1])


@pytest.mark.parametrize("process", ["gbm", "student_t"])
def test_one_length_or_the_same_of_every_step(process: str) -> None:
    one, each = (np.asarray(0.25), np.full(8, 0.25))
    if process == "gbm":
        draws, module, made = standard_normals(23)[:50], gbm, model()
    else:
        draws = np.random.default_rng(23).standard_normal((50, 8, 3))
        module, made = student_t, student_t.build(VOLATILITY, DRIFT, np.eye(2), 5.0, False)
    np.testing.assert_array_equal(
        sampled(module, made, draws, one), sampled(module, made, draws, each)
    )


SPIKE = dataclasses.replace(
    no_spike(),
    run_share=jnp.asarray(0.3),
    run_start=jnp.asarray(1.25),
    run_hours=jnp.asarray(2.0),
)
pools = jax.jit(jax.vmap(pool_path, in_axes=(None, 0, 0, None, None, None)))


def test_the_pool_of_equal_steps_is_that_of_one_length() -> None:
    market = 0.01 * jax.random.normal(jax.random.key(3), (64, 40))
    arguments = (shipped(), normals(64, 40, 4), market)
    one = pools(*arguments, jnp.asarray(0.25), LEVEL, SPIKE)
    each = pools(*arguments, jnp.full(40, 0.25), LEVEL, SPIKE)
    other = pools(*arguments, jnp.full(40, 0.25).at[3].set(0.5), LEVEL, SPIKE)
    for got, want, wrong in zip(each, one, other, strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)
        assert np.abs(np.asarray(wrong) - np.asarray(want)).max() > 1e-4


def test_the_pool_of_a_mixed_grid_takes_one_step_after_another() -> None:
    """Coarse, then fine, then coarse: each part agrees with the uniform path up to its start."""
    lengths = np.array([0.5] * 4 + [0.1] * 10 + [0.5] * 4)
    market = 0.01 * jax.random.normal(jax.random.key(5), (64, len(lengths)))
    draws = normals(64, len(lengths), 6)
    mixed = pools(shipped(), draws, market, jnp.asarray(lengths), LEVEL, SPIKE)
    coarse = pools(shipped(), draws[:, :4], market[:, :4], jnp.asarray(0.5), LEVEL, SPIKE)
    for got, want in zip(mixed, coarse, strict=True):
        np.testing.assert_allclose(got[:, :5], want, rtol=1e-9, atol=1e-12)
    # Where nothing is random the run has left by its schedule, whatever the grid.
    still = dataclasses.replace(SPIKE, run_share=jnp.asarray(0.2))
    left = np.clip((np.concatenate([[0], lengths.cumsum()]) - 1.25) / 2, 0, 1)
    path = pools(quiet(), draws, 0 * market, jnp.asarray(lengths), LEVEL, still)
    want = np.broadcast_to(np.log1p(-0.2) * left, (64, len(left)))
    np.testing.assert_allclose(path.log_supply, want, atol=1e-12)


def quiet() -> Any:
    """The pool without jumps, diffusion and reversion."""
    from test_utilization import still

    return still(shipped())


PREMIUM = -3e-3
RUN = {"lender_run": {"share": 0.8, "at": "2h", "over": "6h"}}
MIXED = [
    ("refine", WINDOWS),
    ("paths", 200),
    ("scenarios.run.funding", {"premium": PREMIUM}),
    ("scenarios.run.overlays", [RUN]),
]


@pytest.fixture(scope="module")
def mixed(tmp_path_factory) -> Plan:
    """A campaign on a mixed grid, built."""
    return plan(small_campaign(tmp_path_factory.mktemp("mixed"), *MIXED))


@pytest.fixture(scope="module")
def market(mixed: Plan) -> tuple[Market, PathView]:
    scenario, today = mixed.scenarios["run"]
    paths, hours = jnp.arange(mixed.block), jnp.asarray(mixed.campaign.step_hours)
    key = scenario_key(mixed.campaign.spec.seed, "run")
    return sample_block(mixed.inputs.venue, today, scenario, key, paths, hours)


def test_funding_and_interest_are_of_each_step(mixed: Plan, market) -> None:
    seen, view = market
    mark, today = np.asarray(seen.mark), mixed.scenarios["run"][1]
    basis = np.asarray(today.oracle / today.mark)[:, None, None]
    per_hour = mark * basis * oracles.funding_rate(PREMIUM)
    paid = (per_hour[..., :-1] * LENGTHS).cumsum(axis=2)
    np.testing.assert_allclose((mark - seen.settlement)[..., 1:], paid, rtol=1e-9, atol=1e-9)
    assert (np.asarray(mark - seen.settlement)[..., 0] == 0).all()
    used = np.asarray(view.utilization)[:, :, 0]
    for p in (0, 3):
        for rate, growth, index in (
            (oracles.borrow_rate, seen.borrow_growth, seen.borrow_index),
            (oracles.supply_rate, seen.supply_growth, seen.supply_index),
        ):
            steps = zip(used[p, :-1], LENGTHS, strict=True)
            want = [oracles.growth_factor(rate(u), h) for u, h in steps]
            np.testing.assert_allclose(index[0, p, 1:], np.cumprod(want), rtol=1e-12)
            np.testing.assert_allclose(growth[0, p, 1:], np.array(want) - 1, rtol=1e-7)


def test_hours_at_full_utilization(mixed: Plan, market) -> None:
    total = run_blocks(mixed, None, 1)["run"].by_path
    full = np.asarray(market[1].utilization)[:200, 1:] >= 1 - 1e-9
    assert full[:, 2:65].any() and full[:, 65:].any()
    np.testing.assert_array_equal(total["times_full"], full.sum(axis=1))
    np.testing.assert_allclose(total["hours_full"], (full * LENGTHS[:, None]).sum(1), rtol=1e-10)
    assert (total["hours_full"] <= 24 + 1e-9).all()


def test_crashes_stand_on_the_grid(mixed: Plan) -> None:
    """The crash of 2 h to 6 h is linear in the logarithm across lengths of steps."""
    overlay = np.asarray(mixed.scenarios["crash"][0].overlay)[:, 0]
    hours = mixed.campaign.grid
    fall = np.log(0.75) * np.clip((hours - 2) / 4, 0, 1)
    before = hours <= 6
    np.testing.assert_allclose(overlay[before], fall[before], atol=1e-12)
    np.testing.assert_allclose(overlay[-1], 0.7 * np.log(0.75), rtol=1e-9)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, str]:
    """A small campaign with windows, run by the command: its folder and what it printed."""
    import contextlib
    import io

    from stress.cli import main

    folder, said = tmp_path_factory.mktemp("refined"), io.StringIO()
    document = change(CAMPAIGN, "refine", WINDOWS)
    document = change(document, "book.accounts", [BOOK["accounts"][i] for i in (0, 4)])
    write(folder, document)
    arguments = ["run", "campaign.yaml", "--paths", "256", "--out", "run"]
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(said):
        patch.chdir(folder)
        patch.setattr("stress.doctor.self_test", lambda *arguments: [])
        patch.setattr(sys, "argv", ["hyperstress", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
    assert not left.value.code
    return folder, said.getvalue()


TOLD = "20 min from 20 h to 21 h, 40 min from 2 h to 4 h, 1 min from 4 h to 5 h"


def test_a_run_says_its_grid(finished: tuple[Path, str]) -> None:
    folder, said = finished
    assert f"24 h in steps of 1 h, {TOLD};" in " ".join(said.split())
    results = xr.open_zarr(folder / "run" / "results.zarr", consolidated=False)
    grid = load_campaign(folder / "campaign.yaml").grid
    np.testing.assert_array_equal(results["time"], grid)
    assert results.attrs["refinements"] == TOLD and results.attrs["step_hours"] == 1.0
    times = results["account_liquidation_time"].values
    assert np.isfinite(times).any() and 0 < np.nanmin(times) <= np.nanmax(times) <= 24
    assert f"in steps of 1 h, {TOLD}" in (folder / "run" / "report.html").read_text().replace(
        "\N{NARROW NO-BREAK SPACE}", " "
    ).replace("\N{NO-BREAK SPACE}", " ")


def test_a_manifest_holds_what_a_campaign_file_says(finished: tuple[Path, str]) -> None:
    folder, _ = finished
    told = json.loads((folder / "run" / "manifest.json").read_text())["campaign"]
    assert [w.keys() for w in told["refine"]] == [{"from", "to", "step"}] * 3
    document = read_yaml(folder / "campaign.yaml") | {"refine": told["refine"]}
    again = load_campaign(write(folder, document, "again.yaml"))
    np.testing.assert_array_equal(again.grid, load_campaign(folder / "campaign.yaml").grid)
    assert again.spec.venue == VENUE
