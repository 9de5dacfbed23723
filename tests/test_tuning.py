"""`tune` against a closed form, its own bands on other seeds, and what relaxing a limit must do."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tuning_cases import ALONE, BOOK_TUNING, SMALL, TUNING, ltv_of, odds, problem, tuned

from stress.decide.tuning.evaluate import Evaluator

LIMIT = 0.05


def best_of(results) -> float:
    """The largest objective that is confirmed; nothing is below everything."""
    best = int(results["best"])
    return float(results["objective"][best]) if best >= 0 else -np.inf


def limited(tuning: dict[str, Any], **limits: float) -> dict[str, Any]:
    """The tuning with other limits."""
    kept = {k: v | {"at_most": limits.get(k, v["at_most"])}
            for k, v in tuning["constraints"].items()}  # fmt: skip
    return tuning | {"constraints": kept}


def test_odds_of_the_closed_form(tmp_path: Path) -> None:
    """Candidates far apart, within 4 standard errors; the odds of another LTV are not."""
    made = problem(tmp_path)
    look = Evaluator(made, 1, 4096)
    for ltv in (0.5, 0.65, 0.8):
        seen = look.look((ltv,)).losses["base", "liquidated_accounts"]
        error = np.sqrt(odds(ltv) * (1 - odds(ltv)) / len(seen))
        assert abs(seen.mean() - odds(ltv)) < 4 * error
        assert abs(seen.mean() - odds(ltv + 0.05)) > 4 * error


def test_the_ltv_that_meets_a_limit(tmp_path: Path) -> None:
    """The closed form's LTV lies in the stated band, and the recommendation below it."""
    results, made = tuned(tmp_path, TUNING)
    exact = ltv_of(LIMIT)
    assert odds(exact) == pytest.approx(LIMIT, rel=1e-12)
    place = results["reached"].isel(variable=0, constraint=0)
    low, high = (float(place.sel(statistic=k)) for k in ("low", "high"))
    assert low < exact < high and high - low < 0.04
    recommended = float(results["values"][int(results["best"]), 0])
    assert exact - 0.04 < recommended < exact
    assert not low < ltv_of(0.1) < high  # another limit's LTV is outside
    assert made.today == (0.65,)


def test_the_winner_stays_inside_its_band(tmp_path: Path) -> None:
    """Fresh seeds of the chosen candidate fall into the band of the search, 100 repeats."""
    kept, narrow = 0, 0
    for seed in range(100):
        campaign = ALONE | {"seed": 1000 + 2 * seed, "paths": 512, "block": 512}
        tuning = TUNING | {
            "variables": {"ltv": {"of": "ltv", "token": "HYPE", "low": 0.4, "high": 0.6,
                                  "step": 0.05}},
            "search": {"method": "grid"},
        }  # fmt: skip
        results, _ = tuned(tmp_path, tuning, campaign)
        kept += results.attrs["inside_bands"] == "true"
        first = float(results["risk"].isel(candidate=int(results["best"]), constraint=0)[0])
        again = float(results["fresh_risk"].isel(fresh=int(results["best_fresh"]), constraint=0)[0])
        narrow += abs(again - first) < 0.5 * np.sqrt(first * (1 - first) / 512)
    assert kept >= 90
    assert narrow < 90  # half a standard error would not do


def test_relaxing_a_limit_never_costs(tmp_path: Path) -> None:
    """Tighter limits never raise the optimum, looser ones never lower it."""
    loose = limited(BOOK_TUNING, odds=0.9, debt=1e5)
    for name, levels in (("odds", (0.05, 0.1, 0.18, 0.25, 0.4)), ("debt", (2e3, 5e3, 7e3, 1e5))):
        found = [best_of(tuned(tmp_path, limited(loose, **{name: x}), SMALL)[0]) for x in levels]
        assert found == sorted(found)
        assert found[0] < found[-1]


def test_a_wider_search_never_costs(tmp_path: Path) -> None:
    narrow = BOOK_TUNING["variables"] | {
        "ltv": BOOK_TUNING["variables"]["ltv"] | {"values": [0.5, 0.6]}
    }
    wide, _ = tuned(tmp_path, BOOK_TUNING, SMALL)
    less, _ = tuned(tmp_path, BOOK_TUNING | {"variables": narrow}, SMALL)
    assert best_of(less) <= best_of(wide)


def test_an_interrupted_search_goes_on(tmp_path: Path) -> None:
    """Stopped after three candidates, gone on with in another process's place: the same dataset."""
    whole, _ = tuned(tmp_path, BOOK_TUNING, SMALL)
    seen = []

    def stop(found: bool) -> None:
        seen.append(found)
        if len(seen) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tuned(tmp_path, BOOK_TUNING, SMALL, folder=tmp_path, advance=stop)
    (tmp_path / "candidates" / "x.npz").write_bytes(b"")  # nobody's
    damaged = min((tmp_path / "candidates").glob("?*[0-9a-f].npz"))
    damaged.write_bytes(damaged.read_bytes()[:100])
    again, said = [], []
    results, _ = tuned(tmp_path, BOOK_TUNING, SMALL, folder=tmp_path, advance=again.append,
                       say=said.append)  # fmt: skip
    assert results.drop_attrs().identical(whole.drop_attrs())
    assert sum(again) == 2 and any("damaged" in sentence for sentence in said)


def test_optuna_finds_what_the_grid_finds(tmp_path: Path) -> None:
    grid, _ = tuned(tmp_path, BOOK_TUNING, SMALL)
    tuning = BOOK_TUNING | {"search": {"method": "optuna", "trials": 40, "seed": 3}}
    searched, _ = tuned(tmp_path, tuning, SMALL, folder=tmp_path)
    assert best_of(searched) == best_of(grid)
    assert searched.sizes["candidate"] <= grid.sizes["candidate"] + 1
    assert (tmp_path / "optuna.journal").stat().st_size > 1000
