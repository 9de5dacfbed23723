"""Reverse stress of books: closed forms, another optimiser, and replays of what it found."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from campaign_cases import write
from reverse_cases import CAMPAIGN, HOURS, MARKS, RHO, SIZES, VOLATILITY, solved
from ruamel.yaml import YAML
from scipy import optimize

from stress.cli import main
from stress.decide.reverse import Reverse
from stress.decide.still import NAME


@pytest.fixture(scope="module")
def thirty() -> Reverse:
    """The rich account loses three tenths of its positions."""
    return solved(0.3 * sum(SIZES[m] * MARKS[m] for m in SIZES))


def test_the_law_of_a_brownian_motion(thirty):
    """Sampled covariance within 4 standard errors of the exact one; the mean is exact."""
    sigma = np.array(list(VOLATILITY.values()))
    exact = np.outer(sigma, sigma) * np.array([[1, RHO], [RHO, 1]]) * HOURS / 8760
    law = thirty.law
    got, pairs = law.covariance[:2, :2], len(law.sampled) / 2  # a pair has one square
    error = np.sqrt((np.outer(np.diag(exact), np.diag(exact)) + exact**2) / pairs)
    assert (np.abs(got - exact) < 4 * error).all()
    np.testing.assert_allclose(law.mean[:2], -np.diag(exact) / 2, rtol=1e-9)
    assert law.source[:2] == ("sampled",) * 2 and set(law.source[2:]) == {"still"}
    twice = np.outer(sigma, sigma) * np.array([[1, 0.4], [0.4, 1]]) * HOURS / 8760
    assert not (np.abs(got - twice) < 4 * error).all()  # negative control


def test_a_linear_book_has_its_closed_form():
    """Moves so small that the book is linear: x* = Sigma a X / (a' Sigma a) to 1e-6."""
    law = solved(1.0).law
    value = np.array([SIZES[m] * MARKS[m] for m in ("BTC", "HYPE")])
    mean, sigma = law.mean[:2], law.covariance[:2, :2]
    at_mean = float(np.sum(value * -np.expm1(mean)))
    a, more = value * np.exp(mean), 1e-7 * value.sum()  # less PnL of a long per unit of log price
    (world,) = solved(at_mean + more).worlds
    exact = -sigma @ a * more / (a @ sigma @ a)
    np.testing.assert_allclose(world.moves[:2] - mean, exact, rtol=1e-6)
    assert world.distance == pytest.approx(more / np.sqrt(a @ sigma @ a), rel=1e-6)
    alone = np.diag(np.diag(sigma)) @ a  # negative control: as if the coins were independent
    missed = np.abs(world.moves[:2] - mean + alone * more / (a @ alone)) / np.abs(exact)
    assert missed.max() > 1e-2


def test_a_crash_agrees_with_another_optimiser(thirty):
    """Far out the book is curved in log prices: SLSQP on three lines of NumPy finds the same."""
    value = np.array([SIZES[m] * MARKS[m] for m in ("BTC", "HYPE")])
    law = thirty.law
    mean, inverse = law.mean[:2], np.linalg.inv(law.covariance[:2, :2])
    level = 0.3 * value.sum()
    found = optimize.minimize(
        lambda x: (x - mean) @ inverse @ (x - mean),
        np.array([-0.3, -0.4]),
        constraints={"type": "eq", "fun": lambda x: (value @ -np.expm1(x) - level) / level},
        options={"ftol": 1e-15, "maxiter": 500},
        method="SLSQP",
    )
    (world,) = thirty.worlds
    assert world.led and world.loss >= level
    np.testing.assert_allclose(world.moves[:2], found.x, rtol=2e-6)
    assert world.distance == pytest.approx(np.sqrt(found.fun), rel=1e-7)
    assert world.loss == pytest.approx(level, rel=1e-7)


def test_one_coin_has_its_closed_form():
    """log(1 - X / N) whatever the volatility; the distance counts it in deviations."""
    found = solved(2e5, ("scenarios.base.prices.volatility.HYPE", 0.0))
    (world,) = found.worlds
    assert found.law.source[:2] == ("sampled", "still") and world.moves[1] == 0
    assert world.moves[0] == pytest.approx(np.log(1 - 2e5 / 8e5), rel=1e-8)
    away = (world.moves[0] - found.law.mean[0]) / found.law.deviation[0]
    assert world.distance == pytest.approx(-away, rel=1e-8)


def test_what_no_world_reaches_and_what_is_lost_already():
    beyond = solved(2e9)
    assert beyond.worlds == ()
    assert 0 < beyond.most < sum(SIZES[m] * MARKS[m] for m in SIZES)
    crashed = solved(1e4, ("scenarios.base.overlays", [{"crash": {"size": -0.3}}]))
    (world,) = crashed.worlds
    assert world.distance == 0 and world.probability == 0.5 and world.loss > 1e4


def test_assumed_factors_move_where_they_help():
    """Marks below the oracle cost a long too; the deviation is the assumed one."""
    premium = ("scenarios.base.funding.premium", 0.0)  # funding that no small basis changes
    found = solved(0.1 * 800000.0, premium, kinds=("prices", "basis"))
    (world,) = found.worlds[:1]
    layout = found.law.names
    at = layout.index("basis.BTC")
    assert found.law.source[at] == "assumed" and found.law.deviation[at] == 0.02
    assert world.moves[at] < -1e-4 and np.isnan(world.sampled.value)
    alone = solved(0.1 * 800000.0, premium)
    assert world.distance < alone.worlds[0].distance  # a further factor never makes it harder
    assert alone.worlds[0].sampled.value == pytest.approx(alone.worlds[0].probability, rel=0.2)


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    write(tmp_path, CAMPAIGN)
    arguments = ["reverse", "campaign.yaml", "--metric", "equity_loss", "--at-least", "2e5",
                 "--factors", "prices", "--polish", "2", "--out", "found"]  # fmt: skip
    monkeypatch.setattr(sys, "argv", ["hyperstress", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    shown = capsys.readouterr()
    assert not left.value.code and shown.err == ""
    assert "price.HYPE" in shown.out and "rich" in shown.out
    files = {p.name for p in Path("found").iterdir()}
    assert files == {
        "results.zarr",
        "report.html",
        "manifest.json",
        "summary.json",
        "replay-1.yaml",
    }
    told = json.loads(Path("found/summary.json").read_text())
    page = Path("found/report.html").read_text()
    assert "Losses of equity above 200k USDC" in page and "replay-1.yaml" in page
    replay = YAML(typ="safe").load(Path("found/replay-1.yaml"))
    assert replay["scenarios"][NAME]["overlays"][0]["crash"]["over"] == HOURS
    loss = told["answers"][0]["losses"]["equity_loss"]
    assert loss == pytest.approx(2e5, rel=1e-6)
