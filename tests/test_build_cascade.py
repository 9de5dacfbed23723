"""Settings of a cascade: resolved from file and campaign, refused where they do not fit."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from campaign_cases import small_campaign
from ruamel.yaml import YAML
from test_l2book import BOOK as ORDER_BOOK

from stress.attributes import cascade_settings
from stress.build_cascade import backstops, cascade_figures, impact_model
from stress.config import load_campaign
from stress.errors import InputError

ASSETS = ("HYPE", "BTC")


def figures(folder: Path, **cascade: Any):
    campaign = small_campaign(folder, ("feedback", True), ("cascade", cascade))
    return cascade_figures(campaign.spec, campaign.file, ASSETS)


def test_the_shipped_settings_have_sources_and_become_a_model(tmp_path):
    found = figures(tmp_path)
    impact = impact_model(found)
    assert impact.shapes == ("square_root", "square_root")
    want = 0.07848 / np.sqrt(243959738.7)
    assert float(impact.coefficient[0]) == pytest.approx(want, rel=1e-12)
    assert float(impact.capacity[0, 0]) == pytest.approx((0.5 / want) ** 2, rel=1e-12)
    assert float(impact.half_life) == pytest.approx(1 / 3)
    assert float(backstops(found).vault_capital) == 100e6
    assert "half_life (h)" in cascade_settings(found)


def test_a_campaign_replaces_any_figure(tmp_path):
    (tmp_path / "book.json").write_text(json.dumps(ORDER_BOOK), encoding="utf-8")
    found = figures(
        tmp_path, half_life="30m", vault_capital=5.0, depth_scale=2.0, impact_scale=3.0,
        impact={"BTC": {"shape": "linear", "depth": 1e6}, "HYPE": {"shape": "ladder",
                "ladder": "book.json"}},
    )  # fmt: skip
    impact = impact_model(found)
    assert impact.shapes == ("ladder", "linear")
    assert float(impact.coefficient[1]) == pytest.approx(3 / 2e6)
    assert np.asarray(impact.volumes[0, 0]) == pytest.approx([0, 1980, 2960])
    assert float(impact.distances[0, 1, 1]) == pytest.approx(3 * np.log(1.01))
    assert float(impact.half_life) == 0.5 and float(backstops(found).vault_capital) == 5.0


@pytest.mark.parametrize(
    ("cascade", "key", "found"),
    [
        ({"settings": "impact/nope"}, "cascade.settings", "no such file"),
        ({"impact": {"DOGE": {"volume": 1.0}}}, "cascade.impact.DOGE", "unknown asset"),
        ({"impact": {"HYPE": {"shape": "linear"}}}, "cascade.impact.HYPE.depth", "nothing"),
        ({"impact": {"HYPE": {"shape": "ladder"}}}, "cascade.impact.HYPE.bids", "nothing"),
        ({"impact": {"HYPE": {"ladder": "no.json"}}}, "cascade.impact.HYPE.ladder", "no such"),
        ({"impact": {"HYPE": {"bids": [[0.1, 5.0], [0.05, 9.0]]}}}, "cascade.impact.HYPE.bids",
         "0.05"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(tmp_path, cascade, key, found):
    with pytest.raises(InputError) as error:
        figures(tmp_path, **cascade)
    assert error.value.key == key and found in error.value.found


def test_a_figure_out_of_range_in_a_settings_file_names_that_file(tmp_path):
    from stress.files import config_dir, read_yaml

    data = read_yaml(config_dir() / "impact" / "default.yaml")
    data["depth_floor"]["value"] = 0.0
    with (tmp_path / "mine.yaml").open("w") as file:
        YAML(typ="safe").dump(data, file)
    with pytest.raises(InputError) as error:
        figures(tmp_path, settings="mine.yaml")
    assert error.value.file.endswith("mine.yaml") and error.value.key == "depth_floor"


def test_a_changed_settings_file_is_another_campaign(tmp_path):
    from stress.files import config_dir, read_yaml

    digests = []
    for floor in (0.05, 0.06):
        data = read_yaml(config_dir() / "impact" / "default.yaml")
        data["depth_floor"]["value"] = floor
        with (tmp_path / "mine.yaml").open("w") as file:
            YAML(typ="safe").dump(data, file)
        campaign = small_campaign(
            tmp_path, ("feedback", True), ("cascade", {"settings": "mine.yaml"})
        )
        digests.append(campaign.digest)
    assert digests[0] != digests[1]


def test_every_shipped_campaign_loads():
    from stress.files import config_dir

    for path in sorted((config_dir() / "campaigns").glob("*.yaml")):
        campaign = load_campaign(path)
        if campaign.spec.feedback:
            cascade_figures(campaign.spec, campaign.file, ("BTC", "ETH", "SOL", "HYPE"))
