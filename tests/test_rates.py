"""Slopes of liquidation in utilization: a closed form, campaigns by hand, the command."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign_cases import BOOK, CAMPAIGN, VENUE, change, small_campaign, write
from scipy.stats import norm
from test_cli import Command, command, trusted  # noqa: F401

from stress.campaign import plan, run_blocks
from stress.config import Campaign, campaign_of
from stress.decide.rate_greeks import RUNS, exact, rate_greeks
from stress.decide.rates_dataset import rates_dataset, rates_summary
from stress.errors import InputError

LOANS = np.linspace(2600.0, 6400.0, 40)
DAYS, VOLATILITY, LTV = 30, 1.0, 0.65
THREE = [a for a in BOOK["accounts"] if a["id"] in ("loop-hype", "carry", "lends")]
SMALL = (
    ("paths", 200),
    ("horizon", "12h"),
    ("book", BOOK | {"accounts": THREE}),
    ("scenarios.crash.utilization.USDC", 0.9),
)


def loopers() -> Campaign:
    """Loans on 100 tokens of 84.1 each, seen once, after thirty days of one Brownian motion."""
    accounts = [
        {"id": f"loop-{k:02}", "mode": "portfolio", "group": "looper",
         "balances": {"USDC": -loan}, "supplied": {"HYPE": 100.0}}
        for k, loan in enumerate(LOANS)
    ]  # fmt: skip
    return campaign_of({
        "name": "loopers", "venue": VENUE, "horizon": DAYS * 24, "step": DAYS * 24,
        "paths": 16384, "block": 8192, "seed": 3,
        "book": {"as_of": "2026-09-08T00:00:00Z", "venue": VENUE, "accounts": accounts,
                 "prices": {"HYPE": 84.1},
                 "reserves": {"USDC": {"supplied": 4e8, "borrowed": 3.6e8}}},
        "scenarios": {"base": {
            "prices": {"process": "gbm", "volatility": {"HYPE": VOLATILITY},
                       "drift": {"HYPE": 0.0}, "correlation": 0.0},
        }},
        "assumptions": {"min_borrow_offset": "none"},
    })  # fmt: skip


def closed_form(used: float, effective: bool = False) -> np.ndarray:
    """P(loan grown by interest > 0.95 (1 + LTV) / 2 of the value) for each loan."""
    years = DAYS / 365
    rate = 0.05 + 4.75 * max(0.0, used - 0.8)
    grown = LOANS * np.exp((np.log1p(rate) if effective else rate) * years)
    barrier = np.log(grown / (0.95 * (1 + LTV) / 2 * 100 * 84.1))
    spread = VOLATILITY * np.sqrt(years)
    return norm.cdf((barrier + spread**2 / 2) / spread)


def slope(used: float, **reading) -> np.ndarray:
    """Per point of utilization, of accounts and of loans: up and down, never beyond 1."""
    up, down = min(used + 0.01, 1.0), used - 0.01
    rise = (closed_form(up, **reading) - closed_form(down, **reading)) / ((up - down) * 100)
    return np.array([rise.mean(), rise @ LOANS / LOANS.sum()])


@pytest.fixture(scope="module")
def known():
    campaign = exact(loopers())
    found = rate_greeks(plan(campaign), None, 1, lambda: None)
    return rates_dataset(campaign, found, ("USDC",), {}), found


def test_slopes_have_a_closed_form(known) -> None:
    """Within four standard errors at every level; at another reading of the rate beyond them."""
    results, _ = known
    for level, used in (("path", 0.9), ("0.9", 0.9), ("0.95", 0.95), ("1", 1.0)):
        at = results.sel(level=level, scenario="base", group="all")
        chance, se = at["probability"].sel(share="accounts").values[:2]
        assert abs(chance - closed_form(used).mean()) < 4 * se
        value, error = at["slope"].sel(channel="whole").values[:, :2].T
        assert np.all(np.abs(value - slope(used)) < 4 * error) and np.all(error < 0.05 * value)
        assert np.all(np.abs(value - slope(used, effective=True)) > 4 * error)
        low, high = at["slope"].sel(channel="whole").values[:, 2:].T
        assert np.all((low < value) & (value < high))
    assert np.allclose(results["moved"].values, [[2.0, 2.0, 2.0, 1.0]])


def test_pairing_takes_the_noise_away(known) -> None:
    _, found = known
    up, down = (found.happened[0, 1, RUNS.index(n), 0, 0] for n in ("up", "down"))
    assert (up - down).std() < 0.15 * np.hypot(up.std(), down.std())
    assert np.all(up >= down)


def test_loans_without_positions_ask_the_reserve_for_nothing(known) -> None:
    """All of their slope is interest."""
    at = known[0]["slope"].sel(statistic="value")
    assert not at.sel(channel="liquidity").any()
    assert np.array_equal(at.sel(channel="whole"), at.sel(channel="interest"))


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rates")
    campaign = exact(small_campaign(folder, *SMALL, ("rates", {"utilization": [0.95, 1.0]})))
    return campaign, rate_greeks(plan(campaign), folder / "blocks", 2, lambda: None), folder


def test_runs_are_campaigns_with_another_utilization(small, tmp_path: Path) -> None:
    """The same shares as the file with the level written in it; and what was kept is found."""
    campaign, found, folder = small
    other = exact(small_campaign(tmp_path, *SMALL, ("scenarios.crash.utilization.USDC", 0.96)))
    by_hand = run_blocks(plan(other), None, 1)["crash"].by_path["liquidated_accounts"] / 3
    crash = list(campaign.scenarios).index("crash")
    held = found.happened[crash, found.levels.index("0.95"), RUNS.index("up"), 0, 0]
    assert np.allclose(held, by_hand, rtol=0, atol=1e-15) and 0 < held.mean() < 1
    path = found.happened[crash, 0, RUNS.index("base"), 0, 0]
    own = run_blocks(plan(campaign), None, 1)["crash"].by_path["liquidated_accounts"] / 3
    assert np.allclose(path, own, rtol=0, atol=1e-15)
    kept = sorted((folder / "blocks").glob("*.npy"))
    assert len(kept) == 2
    kept[0].write_bytes(kept[0].read_bytes()[:50])  # cut short: computed again
    again = rate_greeks(plan(campaign), folder / "blocks", 1, lambda: None)
    assert np.array_equal(again.happened, found.happened)


def test_shifts_stop_at_full_use(small) -> None:
    """The run on the pool reaches full use: there up is no higher, and a point moves less."""
    campaign, found, _ = small
    run = list(campaign.scenarios).index("run")
    assert np.all(found.moved[run, 0] <= 2 + 1e-9) and found.moved[run, 0].min() < 1.9
    assert np.allclose(found.moved[:, 2], 1.0)
    summary = rates_summary(rates_dataset(campaign, found, ("USDC",), {}))
    text = json.dumps(summary, allow_nan=False)
    lenders = [row for row in summary["slopes"] if row["group"] == "lender"]
    assert all(row["whole"]["value"] is None for row in lenders if row["share"] == "loans")
    assert "within_8760h" in text


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("feedback", True, "feedback: found true; allowed: false: utilization is held"),
        ("estimator", {"method": "tilt"}, "estimator.method: found 'tilt'; allowed: plain"),
        ("rates", {"utilization": [0.9, 1.2]}, "rates.utilization[1]: found 1.2"),
        ("rates", {"utilization": [0.95, 0.9]}, "found 0.95, 0.9; allowed: values that ascend"),
        ("rates", {"utilization": []}, "rates.utilization"),
        ("rates", {"shift": 0}, "rates.shift"),
        ("rates", {"within": ["0d"]}, "rates.within[0]"),
        ("rates", {"utilisation": [0.9]}, "rates.utilisation"),
    ],
)
def test_what_cannot_be_studied(tmp_path: Path, path: str, value: Any, says: str) -> None:
    with pytest.raises(InputError) as told:
        exact(small_campaign(tmp_path, *SMALL, (path, value)))
    assert says in str(told.value) and "\n" not in str(told.value)


def test_the_command(command: Command, trusted: None, tmp_path: Path) -> None:  # noqa: F811
    document = CAMPAIGN
    for path, value in (*SMALL, ("rates", {"utilization": [0.95, 1.0]})):
        document = change(document, path, value)
    write(tmp_path, document)
    code, out, _ = command("rates", "campaign.yaml", "--out", "r", "--threads", "1")
    assert code == 0 and "by interest" in out and "Report in r" in out
    html, text = ((tmp_path / f"r/report.{kind}").read_text() for kind in ("html", "md"))
    for said in ("By interest alone, prices standing still", "held at 95", "looper"):
        assert said in html.replace("Looper", "looper") and said in text.replace("Looper", "looper")
    assert "nan" not in text
    assert command("rates", "campaign.yaml", "--out", "r", "--resume")[0] == 0
    code, _, err = command("rates", "campaign.yaml", "--set", "feedback=true", "--out", "t")
    assert code == 2 and err.count("\n") == 1 and not (tmp_path / "t").exists()
