"""Every process from files: fitted and given figures, the regime's level, data, refusals."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign_cases import small_campaign
from ruamel.yaml import YAML

from stress.campaign import plan
from stress.errors import InputError
from stress.model_variants import model_names
from stress.process_schema import PROCESS_NAMES

FITTED: Any = YAML(typ="safe").load(
    (Path(__file__).parents[1] / "configs" / "calibration" / "prices.yaml").read_text()
)
CALIBRATED = {"calibration": "calibration/prices"}


def built(folder: Path, prices: dict[str, Any], *changes: tuple[str, Any]) -> Any:
    """The process of a scenario with this section `prices`, assets BTC and HYPE."""
    edits = (("scenarios.run.prices", prices), *changes)
    made = plan(small_campaign(folder, *edits))
    assert made.inputs.assets == ("BTC", "HYPE")
    return made.scenarios["run"][0].process


def value(section: str, asset: str, name: str) -> float:
    found = FITTED[section][asset][name]
    return found["value"] if isinstance(found, dict) else found


def ratio(asset: str) -> float:
    level = FITTED["volatility"][asset]
    return level["typical"]["value"] / level["overall"]["value"]


def candles(folder: Path, hours: int = 600) -> dict[str, np.ndarray]:
    """Files of candles of both assets; HYPE is listed 100 hours later."""
    rng, closes = np.random.default_rng(0), {}
    first = datetime.datetime(2024, 1, 1)
    for asset, begin in (("BTC", 0), ("HYPE", 100)):
        price = 100 * np.exp(np.cumsum(0.005 * rng.standard_normal(hours - begin)))
        lines = ["time,open,high,low,close,volume"]
        for h, (a, b) in enumerate(zip([price[0], *price[:-1]], price, strict=True)):
            when = first + datetime.timedelta(hours=begin + h)
            text = [when.strftime("%Y-%m-%dT%H:%M:%SZ"), a, max(a, b), min(a, b), b]
            lines.append(",".join([*map(str, text), "1"]))
        (folder / f"{asset}_1h.csv").write_text("\n".join(lines) + "\n")
        closes[asset] = np.diff(np.log(price))
    return closes


def test_fitted_jumps_are_scaled_to_the_regime(tmp_path) -> None:
    kou = built(tmp_path, {"process": "kou", **CALIBRATED})
    for i, asset in enumerate(("BTC", "HYPE")):
        assert float(kou.volatility[i]) == pytest.approx(
            value("kou", asset, "volatility") * ratio(asset)
        )
        assert float(kou.mean_down[i]) == pytest.approx(
            value("kou", asset, "mean_down") * ratio(asset)
        )
        assert float(kou.up_probability[i]) == value("kou", asset, "up_probability")
        assert float(kou.own_intensity[i]) == value("kou", asset, "own_intensity")
    whole = built(tmp_path, {"process": "merton", "regime": "overall", **CALIBRATED})
    assert float(whole.jump_deviation[1]) == value("merton", "HYPE", "jump_deviation")
    hawkes = built(tmp_path, {"process": "hawkes", "regime": "overall", **CALIBRATED})
    assert float(hawkes.decay) == value("hawkes", "common", "decay")


def test_given_figures_go_before_fitted_ones(tmp_path) -> None:
    given = {"mean_down": {"BTC": 0.07, "HYPE": 0.09}, "common_intensity": 12.0}
    kou = built(tmp_path, {"process": "kou", **CALIBRATED, "volatility": {"BTC": 0.3},
                           "jumps": given})  # fmt: skip
    assert kou.mean_down.tolist() == [0.07, 0.09] and float(kou.common_intensity) == 12
    assert float(kou.volatility[0]) == 0.3
    assert float(kou.volatility[1]) == pytest.approx(
        value("kou", "HYPE", "volatility") * ratio("HYPE")
    )


def test_garch_starts_at_the_level_of_its_regime(tmp_path) -> None:
    for level in ("calm", "stressed"):
        garch = built(tmp_path, {"process": "garch", "regime": level, **CALIBRATED})
        expected = FITTED["volatility"]["BTC"][level]["value"] ** 2 / 8760
        assert float(garch.variance[0]) == pytest.approx(expected)
        assert float(garch.beta[1]) == value("garch", "HYPE", "beta")
    figures = {"omega": 1e-6, "alpha": 0.1, "gamma": 0.0, "beta": 0.95}
    given = {n: {"BTC": x, "HYPE": x} for n, x in figures.items()}
    prices = {"process": "garch", "garch": given, "correlation": 0.5, "degrees_of_freedom": 5}
    with pytest.raises(InputError, match="at most 1"):
        built(tmp_path, prices)


def test_regimes_start_where_the_scenario_says(tmp_path) -> None:
    for level, chance in (("calm", 0.0), ("stressed", 1.0)):
        regime = built(tmp_path, {"process": "regime", "regime": level, **CALIBRATED})
        assert float(regime.start[1]) == chance
    typical = built(tmp_path, {"process": "regime", **CALIBRATED, "stress_depth": 0.3})
    states = FITTED["regime"]["common"]
    leave = [states[s]["leave"]["value"] for s in ("calm", "stress")]
    assert float(typical.start[1]) == pytest.approx(leave[0] / sum(leave))
    assert typical.depth_of.tolist() == [1.0, 0.3]


def test_copula_has_fitted_or_given_marginals(tmp_path) -> None:
    fitted = built(tmp_path, {"process": "t_copula", **CALIBRATED})
    assert float(fitted.degrees_of_freedom) == value("t_copula", "common", "degrees_of_freedom")
    given = built(tmp_path, {"process": "t_copula", **CALIBRATED, "degrees_of_freedom": 7,
                             "marginals": {"default": 3.0}})  # fmt: skip
    assert float(given.degrees_of_freedom) == 7
    assert not np.allclose(given.table, fitted.table)


def test_real_hours_of_both_assets_on_one_clock(tmp_path) -> None:
    closes = candles(tmp_path)
    prices = {"process": "bootstrap", "candles": ".", "block": "12h"}
    table = np.asarray(built(tmp_path, prices).table)
    first = 100 + 168  # the listing and its first week
    np.testing.assert_allclose(table[:, 0], closes["BTC"][first:], rtol=1e-9)
    np.testing.assert_allclose(table[:, 1], closes["HYPE"][first - 100 :], rtol=1e-9)
    assert float(built(tmp_path, prices | CALIBRATED).mean_block) == 12
    del prices["block"]
    assert float(built(tmp_path, prices | CALIBRATED).mean_block) == value(
        "bootstrap", "common", "mean_block"
    )


def test_replay_with_a_proxy_before_the_listing(tmp_path) -> None:
    closes = candles(tmp_path)
    prices = {"process": "replay", "candles": ".", "from": "2024-01-04T00:00:00Z",
              "proxies": {"HYPE": {"asset": "BTC", "beta": 1.5}}}  # fmt: skip
    table = np.asarray(built(tmp_path, prices).table)
    np.testing.assert_allclose(table[:, 0], closes["BTC"][71:], rtol=1e-9)
    np.testing.assert_allclose(table[:28, 1], 1.5 * closes["BTC"][71:99], rtol=1e-9)
    np.testing.assert_allclose(table[29:, 1], closes["HYPE"], rtol=1e-9)
    with pytest.raises(InputError, match=r"prices\.to"):
        built(tmp_path, prices | {"to": "2024-01-04T10:00:00Z"})
    with pytest.raises(InputError, match=r"prices\.from"):
        built(tmp_path, prices | {"from": "2023-01-04T10:00:00Z"})


def test_filtered_simulation_uses_the_fitted_filter(tmp_path) -> None:
    candles(tmp_path)
    fhs = built(tmp_path, {"process": "fhs", "candles": ".", **CALIBRATED})
    assert np.asarray(fhs.table).std(axis=0) == pytest.approx(np.ones(2))
    assert float(fhs.alpha[0]) == value("garch", "BTC", "alpha")


def test_correlation_is_the_one_fitted_with_the_process(tmp_path) -> None:
    """A copula's of ranks, that of GARCH residuals; the scenario's own goes before both."""
    for name in ("t_copula", "garch"):
        block = FITTED[name]["common"]
        i, j = (block["assets"].index(a) for a in ("BTC", "HYPE"))
        factor = np.asarray(built(tmp_path, {"process": name, **CALIBRATED}).factor)
        assert (factor @ factor.T)[0, 1] == pytest.approx(block["correlation"]["value"][i][j])
        given = np.asarray(
            built(tmp_path, {"process": name, **CALIBRATED, "correlation": 0.1}).factor
        )
        assert (given @ given.T)[0, 1] == pytest.approx(0.1)


REFUSED = [
    ({"process": "bootstrap", "candles": ".", "from": "2024-01-10", "block": "30m"}, "a block of"),
    ({"process": "garch", **CALIBRATED, "garch": {"gamma": {"BTC": -0.5, "HYPE": 0}}}, "news"),
    ({"process": "bootstrap"}, "candles"),
    ({"process": "replay", "candles": "."}, "from"),
    ({"process": "bootstrap", "candles": "nowhere", "block": 5}, "no such folder"),
    ({"process": "kou", "volatility": {"default": 1.0}, "correlation": 0.5}, "common_intensity"),
    ({"process": "regime"}, "calibration"),
    ({"process": "t_copula", "volatility": {"default": 1.0}, "correlation": 0.5}, "marginals"),
    ({"process": "levy"}, "process"),
    ({"process": "kou", **CALIBRATED, "jumps": {"up_probability": {"BTC": 1.5}}}, "up_probability"),
    ({"process": "kou", **CALIBRATED, "jumps": {"mean_up": {"BTC": 1.5, "HYPE": 1}}}, "no mean"),
    ({"process": "hawkes", **CALIBRATED, "jumps": {"excitation": 9.0}}, "decay"),
]


@pytest.mark.parametrize(("prices", "words"), REFUSED)
def test_what_does_not_fit_is_refused(tmp_path, prices, words) -> None:
    candles(tmp_path)
    with pytest.raises(InputError) as caught:
        built(tmp_path, prices)
    assert words in str(caught.value) and "campaign.yaml" in str(caught.value)


def test_garch_refuses_steps_above_an_hour(tmp_path) -> None:
    with pytest.raises(InputError, match="an hour or less"):
        built(tmp_path, {"process": "garch", **CALIBRATED}, ("step", "2h"))
    candles(tmp_path)
    prices = {"process": "bootstrap", "candles": ".", "block": 5}
    assert built(tmp_path, prices, ("step", "2h")).hours_per_step == 2


def test_a_correlation_overlay_needs_one_matrix(tmp_path) -> None:
    overlay = ("scenarios.run.overlays", [{"correlation": {"level": 1.0}}])
    candles(tmp_path)
    built(tmp_path, {"process": "hawkes", **CALIBRATED}, overlay)
    for process in ("regime", "fhs", "bootstrap"):
        with pytest.raises(InputError, match="one of gbm"):
            built(tmp_path, {"process": process, "candles": ".", **CALIBRATED}, overlay)


def test_model_names() -> None:
    assert model_names(["t", "gbm"]) == ("student_t", "gbm")
    assert set(model_names(PROCESS_NAMES)) == set(PROCESS_NAMES)
    for wrong in (["levy"], ["t", "student_t"]):
        with pytest.raises(InputError):
            model_names(wrong)
