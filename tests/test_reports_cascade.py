"""The report of a campaign with feedback: what spreads, who pays, and nothing without feedback."""

import json
import re
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from collections.abc import Callable
from html import unescape

import numpy as np
import pytest
import synthetic_cascade
import synthetic_results
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports import (
    cascade,
    cascade_figures,
    cascade_gallery,
    context,
    gallery,
    memo,
    page,
    selection,
    units,
)
from reports.selection import Estimate
from reports.tables import summary

KEYS = ["cascade-timeline", "cascade-shortfall", "cascade-contagion", "cascade-static"]
CRASH = "correlated_crash"
ADDED = ("cascade_timeline", "cascade_channel", "shortfall_paid", "shortfall_paid_tail",
         "party_change", "contagion", "overshoot", "static_response")  # fmt: skip


@pytest.fixture(scope="module")
def results() -> xr.Dataset:
    return synthetic_results.build(cascade=True)


@pytest.fixture(scope="module")
def html(results: xr.Dataset) -> str:
    return page.render(results)


@pytest.fixture(scope="module")
def without() -> str:
    return page.render(synthetic_results.build())


def scaled(results: xr.Dataset, factor: float, names: tuple[str, ...] = ADDED) -> xr.Dataset:
    """The dataset with some of its variables multiplied, attributes kept."""
    return results.assign({n: (results[n] * factor).assign_attrs(results[n].attrs) for n in names})


def quiet(results: xr.Dataset) -> xr.Dataset:
    """Nothing is ever liquidated: shares of nothing are unknown, a sudden fall stays what it is."""
    changed = scaled(results, 0.0).copy(deep=True)
    changed["contagion"][:] = np.nan
    changed["static_response"][:] = changed["shock"]
    changed["system"][:] = 0.0
    return changed


def axes() -> Axes:
    return Figure(figsize=(6, 3)).subplots()


def alternatives(html: str) -> dict[str, str]:
    """Text alternatives of the page's figures, by key."""
    found = re.findall(r'<figure id="figure-([^"]*)">.*?alt="([^"]*)"', html, re.DOTALL)
    return {key: unescape(text) for key, text in found}


def texts(ax: Axes) -> list[str]:
    return [t.get_text() for t in ax.texts]


# the imagined data are consistent


def test_imagined_sums_agree(results: xr.Dataset) -> None:
    change = results["party_change"].sel(statistic="value")
    assert np.abs(change.sum("party")).max() < 1e-6 * np.abs(change).max()
    assert np.all(results["contagion"].sel(statistic="value").sum("source_asset") <= 1)
    fall = results["static_response"]
    assert np.all(fall.sel(bound="greatest") >= fall.sel(bound="least") - 1e-9)
    assert np.any(fall.sel(bound="greatest") > fall.sel(bound="least") + 0.05)


# the page


def test_sections_and_figures_appear_with_feedback_only(html: str, without: str) -> None:
    for mark in ('id="cascade"', "Cascade: how far it spreads", 'id="table-parties"',
                 'id="table-overshoot"', 'id="table-cascade-settings"', '<a href="#cascade">',
                 *(f'id="figure-{key}"' for key in KEYS)):  # fmt: skip
        assert mark in html, mark
        assert mark not in without, mark
    assert "ascade" not in without and "Feedback" not in without
    order = [html.index(f'id="{i}"') for i in ("figure-losses", "cascade", "pool", "accounts")]
    assert order == sorted(order)
    ids = re.findall(r' id="([^"]*)"', html)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r'href="#([^"]*)"', html)) <= set(ids)


def test_feedback_is_said_to_be_on(html: str, results: xr.Dataset) -> None:
    assert "<dt>Feedback</dt><dd>on</dd>" in html
    off = page.render(synthetic_results.build().assign_attrs(feedback="false"))
    assert "<dt>Feedback</dt><dd>off</dd>" in off and 'id="cascade"' not in off
    assert not re.search(r"feedback is off|is frozen", html, re.IGNORECASE)
    for name, value in json.loads(results.attrs["cascade_settings"]).items():
        assert units.title(name) in html and f">{context.setting(value)}<" in html
    assert ">400,000,000<" in html


def test_tables_show_the_dataset(html: str, results: xr.Dataset) -> None:
    vault = selection.estimate(results["party_change"].sel(scenario=CRASH, party="vault"))
    assert f">{units.value(vault, 'USDC')}<" in html
    lost = selection.estimate(results["party_change"].sel(scenario=CRASH, party="accounts"))
    assert f">{units.interval(lost, 'USDC')}<" in html and " to −$" in units.interval(lost, "USDC")
    pushed = results["overshoot"].sel(scenario=CRASH, asset="HYPE", quantile=0.99)
    assert f"1 in 100: {units.percent(float(pushed))}" in html


def test_summary_holds_the_metrics_of_the_cascade(results: xr.Dataset) -> None:
    rows = {row[1].data["metric"]: row[2] for row in summary(results).rows}
    assert set(synthetic_cascade.METRICS) <= set(rows)
    assert rows["system.amplification"].text == "1.42×"
    assert re.fullmatch(r"1\.\d\d–1\.\d\d×", rows["system.amplification"].detail)
    assert rows["system.branching_ratio"].text == "0.310"
    assert rows["system.rounds.p99"].text == "11"
    assert rows["system.probability_adl"].text.endswith("%")


# the lead


def test_lead_says_how_much_through_what_and_who_pays(results: xr.Dataset) -> None:
    spread, paid = memo.lead(results)[2:4]
    for amount in cascade.channels(results, CRASH).values():
        assert units.money(amount) in spread
    found = selection.system(results, CRASH, "system.amplification")
    assert f"{units.value(found, 'times')} ({units.interval(found, 'times')})" in spread
    for payer, found in cascade.payments(results, CRASH, tail=False).items():
        worst = cascade.payments(results, CRASH, tail=True)[payer]
        words = f"{cascade.called(payer)} {units.money(found.value)} / {units.money(worst.value)}"
        assert words in paid
    adl = selection.system(results, CRASH, "system.probability_adl")
    assert units.value(adl, "1") in paid and units.interval(adl, "1") in paid
    assert len(memo.lead(results)) == len(memo.lead(synthetic_results.build())) + 2


def test_lead_names_small_payers_only_where_they_matter(results: xr.Dataset) -> None:
    changed = results.copy(deep=True)
    for name in ("shortfall_paid", "shortfall_paid_tail"):
        changed[name].loc[{"payer": ["vault", "suppliers"]}] *= 1e-4
    changed["shortfall_paid_tail"].loc[{"payer": "suppliers"}] *= 1e4  # nothing but in the tail
    paid = memo.lead(changed)[3]
    assert "mostly by:" in paid and "liquidator vault" not in paid and "suppliers" in paid
    assert "mostly" not in memo.lead(results)[3]


def test_lead_follows_a_change_of_the_dataset(results: xr.Dataset) -> None:
    before = memo.lead(results)
    after = memo.lead(scaled(results, 0.5, ("cascade_channel",)))
    assert [a != b for a, b in zip(after, before, strict=True)].count(True) == 1


def test_lead_where_nothing_happens(results: xr.Dataset) -> None:
    said = " ".join(memo.lead(quiet(results)))
    assert "Liquidations feed back, but none occurs in any of 16,384 paths." in said
    assert "No shortfall arises in any of 16,384 paths." in said
    assert "Auto-deleveraging happens under no scenario" in said


# figures

DRAWN: dict[str, Callable[[xr.Dataset, Axes, str], Axes]] = {
    "timeline": cascade_figures.timeline,
    "channels": cascade_figures.channels,
    "shortfall": cascade_figures.shortfall,
    "shortfall, tail": lambda r, ax, s: cascade_figures.shortfall(r, ax, s, tail=True),
    "contagion": lambda r, ax, s: cascade_figures.contagion(r, ax, s, cascade.tightly_linked(r)),
    "static, added": lambda r, ax, s: cascade_figures.static_response(
        r, ax, cascade.falling_most(r), added=True
    ),
    "static": lambda r, ax, s: cascade_figures.static_response(r, ax, cascade.falling_most(r)),
}


@pytest.mark.parametrize("name", DRAWN)
def test_figures_return_axes_that_name_their_units(name: str, results: xr.Dataset) -> None:
    ax = axes()
    assert DRAWN[name](results, ax, CRASH) is ax
    assert re.search(r"\([^)]*[$%][^)]*\)", ax.get_xlabel() + ax.get_ylabel())
    assert ax.lines or ax.patches or ax.collections


def test_stacks_end_at_the_sum_of_the_channels(results: xr.Dataset) -> None:
    ax = cascade_figures.channels(results, axes(), CRASH)
    ends = [float(np.asarray(line.get_ydata())[-1]) for line in ax.lines]
    want = np.cumsum(list(cascade.channels(results, CRASH).values()))
    np.testing.assert_allclose(ends, want)


def test_waterfall_bars_are_what_each_payer_bears(results: xr.Dataset) -> None:
    for tail in (False, True):
        ax = cascade_figures.shortfall(results, axes(), CRASH, tail=tail)
        total, *bars = ax.patches
        paid = [e.value for e in cascade.payments(results, CRASH, tail=tail).values()]
        np.testing.assert_allclose([b.get_width() for b in bars], paid)  # type: ignore[attr-defined]
        starts = [b.get_x() for b in bars]  # type: ignore[attr-defined]
        np.testing.assert_allclose(starts, np.cumsum([0.0, *paid[:-1]]))
        assert total.get_width() == pytest.approx(sum(paid))  # type: ignore[attr-defined]
        assert {units.money(p) for p in paid} <= set(texts(ax))


def test_map_has_causes_in_rows_and_effects_in_columns(results: xr.Dataset) -> None:
    changed = scaled(results, 0.0, ("contagion",)).copy(deep=True)
    changed["contagion"].loc[{"source_asset": "BTC", "asset": "HYPE", "scenario": CRASH}] = 0.37
    ax = cascade_figures.contagion(changed, axes(), CRASH, ["BTC", "ETH", "HYPE"])
    (found,) = [t for t in ax.texts if t.get_text().startswith("37")]
    assert found.get_position() == (2, 0)
    assert cascade_figures.cell(0.004, "") == "<1"
    assert cascade_figures.cell(0.0, "") == "0"
    assert cascade_figures.cell(np.nan, "") == units.MISSING


def test_greatest_fall_is_drawn_where_it_differs(results: xr.Dataset) -> None:
    def dashed(found: xr.Dataset) -> int:
        ax = cascade_figures.static_response(found, axes(), cascade.falling_most(found))
        return sum(line.get_linestyle() == "--" for line in ax.lines)

    assert dashed(results) == 1  # the asset with the thinnest book
    same = results.copy(deep=True)
    same["static_response"][:] = same["static_response"].sel(bound="least")
    assert dashed(same) == 0


def test_alternatives_hold_the_numbers(html: str, results: xr.Dataset) -> None:
    said = alternatives(html)
    last = results["cascade_timeline"].sel(scenario=CRASH).isel(time=-1)
    numbers = [float(last.sel(quantile=q)) for q in (0.5, 0.99)]
    numbers += cascade.channels(results, CRASH).values()
    assert all(units.money(n) in said["cascade-timeline"] for n in numbers)
    for tail in (False, True):
        for payer, found in cascade.payments(results, CRASH, tail=tail).items():
            assert cascade.called(payer) in said["cascade-shortfall"]
            assert units.money(found.value) in said["cascade-shortfall"]
    largest = float(results["contagion"].sel(scenario=CRASH, statistic="value").max())
    assert f"HYPE to HYPE {units.percent(largest)}" in said["cascade-contagion"]
    fall = results["static_response"].sel(bound="least", asset="HYPE")
    fall = fall.sel(shock=0.3, method="nearest")
    assert f"HYPE {units.percent(float(fall))}" in said["cascade-static"]


# odd datasets: each renders without a warning (pytest makes warnings errors)

ODD: dict[str, Callable[[], xr.Dataset]] = {
    "one scenario": lambda: synthetic_results.build(scenarios=(CRASH,), cascade=True),
    "three scenarios": lambda: synthetic_results.build(cascade=True),
    "many": lambda: synthetic_results.build(
        scenarios=tuple(f"scenario_{i}" for i in range(5)),
        assets=tuple(f"ASSET{i}" for i in range(12)), hours=168, cascade=True,
    ),
    "one asset, one hour": lambda: synthetic_results.build(assets=("HYPE",), hours=1, cascade=True),
    "quiet": lambda: quiet(synthetic_results.build(cascade=True)),
    "zero": lambda: scaled(synthetic_results.build(cascade=True), 0.0, (*ADDED, "system")),
    "missing": lambda: scaled(synthetic_results.build(cascade=True), np.nan, (*ADDED, "system")),
    "hostile": lambda: hostile(),
}  # fmt: skip


def hostile() -> xr.Dataset:
    """Names that try to be markup or mathematics, and labels the report has no words for."""
    bad = '<script>alert(1)</script> & "$x_{2}$" ' + "long " * 9
    found = synthetic_results.build(assets=("BTC", bad), cascade=True)
    found.attrs["cascade_settings"] = json.dumps({bad: {"value": bad, "why": [1.5, None]}})
    names = {k: [f"{i}{bad}" for i in range(found.sizes[k])] for k in ("channel", "payer", "party")}
    return found.assign_coords(names)


@pytest.mark.parametrize("name", ODD)
def test_odd_datasets_render(name: str) -> None:
    html = page.render(ODD[name]())
    assert "<script" not in html
    assert set(KEYS) <= set(alternatives(html))
    for picture in re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', html):
        svg = b64decode(picture).decode()
        ElementTree.fromstring(svg)
        assert "<image" not in svg
    shown = " ".join(re.findall(r"<(?:td|p|figcaption)[^>]*>(.*?)</(?:td|p|figcaption)>", html))
    shown = " ".join([re.sub("<[^>]*>", " ", shown), *alternatives(html).values()])
    assert not re.search(r"\b(nan|inf|None)\b", shown)


def test_empty_panels_say_so(results: xr.Dataset) -> None:
    said = {"timeline": "any path", "channels": "any path", "shortfall": "no shortfall",
            "shortfall, tail": "no shortfall"}  # fmt: skip
    for name, words in said.items():
        for changed, want in ((quiet(results), words), (scaled(results, np.nan), "no estimate")):
            ax = axes()
            DRAWN[name](changed, ax, CRASH)
            assert want in " ".join(texts(ax))
    rare = scaled(results, 0.0, ("cascade_timeline",))
    assert "nothing in 99 of 100" in texts(cascade_figures.timeline(rare, axes(), CRASH))[0]


@pytest.mark.parametrize("variable", ADDED)
def test_each_variable_may_be_missing(variable: str) -> None:
    partial = synthetic_results.build(scenarios=(CRASH,), cascade=True).drop_vars(variable)
    assert memo.lead(partial)
    assert len(cascade_gallery.plots(partial)) >= 3


def test_figures_come_after_the_losses(results: xr.Dataset) -> None:
    keys = list(gallery.plots(results))
    assert keys[2:7] == ["losses", *KEYS]


@pytest.mark.parametrize(
    ("low", "high", "unit", "want"),
    [
        (-2e6, -1e6, "USDC", "−$2.00M to −$1.00M"),
        (-1e6, 1e6, "USDC", "−$1.00M to $1.00M"),
        (1.2, 1.31, "times", "1.20–1.31×"),
    ],
)
def test_intervals_read_well(low: float, high: float, unit: str, want: str) -> None:
    assert units.interval(Estimate(value=low, low=low, high=high), unit) == want
