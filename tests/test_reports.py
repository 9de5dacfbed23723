"""The report shows what the dataset holds, in words that mean it, and survives odd datasets."""

import ast
import json
import math
import re
import sys
import xml.etree.ElementTree as ElementTree
from base64 import b64decode
from collections.abc import Callable
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import synthetic_results
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import reports
from reports import figures, memo, page, selection, tables, theme, units
from reports.selection import Estimate

VOID = {"meta", "img", "br", "link", "wbr"}


class Reader(HTMLParser):
    """Elements of a page in order, each with attributes and text; checks that tags close."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str], list[str]]] = []
        self.open: list[tuple[str, dict[str, str], list[str]]] = []
        self.feed(text)
        assert not self.open, "elements left open"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        element = (tag, {k: v or "" for k, v in attrs}, [])
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1][0] == tag, f"</{tag}> closes nothing"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        for element in self.open:
            element[2].append(data)

    def named(self, *tags: str) -> list[tuple[str, dict[str, str], list[str]]]:
        return [e for e in self.elements if e[0] in tags]


@pytest.fixture(scope="module")
def results() -> xr.Dataset:
    return synthetic_results.build()


@pytest.fixture(scope="module")
def html(results: xr.Dataset) -> str:
    return page.render(results)


def parsed(text: str) -> float:
    """The number a formatted quantity stands for."""
    found = re.match(r"[^\d−]*([−\d,.]+)([kMBT]?)", text)
    assert found, text
    number = float(found[1].replace(",", "").replace("−", "-"))
    scale = {"": 1.0, "k": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}[found[2]]
    return number * scale / (100 if "%" in text else 1)


def axes() -> Axes:
    return Figure(figsize=(6, 3)).subplots()


# numbers in the page are those of the dataset


def system_cells(html: str) -> list[tuple[dict[str, str], str]]:
    return [(a, "|".join(t)) for tag, a, t in Reader(html).named("td") if "data-metric" in a]


def mismatches(html: str, results: xr.Dataset) -> int:
    """System values of the page, exact and as shown, that are not the dataset's."""
    wrong = 0
    for found, text in system_cells(html):
        entry = results["system"].sel(scenario=found["data-scenario"], metric=found["data-metric"])
        for statistic in ("value", "low", "high"):
            wrong += float(found[f"data-{statistic}"]) != float(entry.sel(statistic=statistic))
        value = float(entry.sel(statistic="value"))
        wrong += not math.isclose(parsed(text.split("|")[0]), value, rel_tol=0.06, abs_tol=1e-12)
    return wrong


def test_every_system_value_is_the_dataset_s(html: str, results: xr.Dataset) -> None:
    cells = system_cells(html)
    expected = {(s, m) for s in results.scenario.values for m in results.metric.values}
    assert {(c["data-scenario"], c["data-metric"]) for c, _ in cells} == expected
    assert mismatches(html, results) == 0


def test_another_dataset_does_not_match(html: str) -> None:
    other = synthetic_results.build(seed=1)
    assert mismatches(html, other) > len(system_cells(html))  # the check can fail


def test_lead_reads_its_numbers_from_the_dataset(results: xr.Dataset) -> None:
    sentences = memo.lead(results)
    assert 3 <= len(sentences) <= 6
    for scenario in selection.names(results, "scenario"):
        share = selection.group_probability(results, scenario, "all")
        assert f"{units.value(share, '1')} ({units.interval(share, '1')})" in sentences[0]
    tail = selection.system(results, "correlated_crash", "system.liquidated_notional.es_99")
    assert units.value(tail, "USDC") in sentences[1]
    assert "HYPE looper" in sentences[2]
    peak = selection.system(results, "correlated_crash", "pool.peak_utilization.mean")
    assert units.value(peak, "1") in sentences[-1]


def test_lead_follows_a_change_of_the_dataset(results: xr.Dataset) -> None:
    changed = results.copy(deep=True)
    changed["group_liquidation_probability"] *= 0.5
    assert memo.lead(changed)[0] != memo.lead(results)[0]
    assert memo.lead(changed)[1] == memo.lead(results)[1]


def test_lead_reports_events_that_no_path_showed(results: xr.Dataset) -> None:
    none = results.copy(deep=True)
    rare = none["system"].sel(metric="system.probability_bad_debt")
    rare.loc[{"scenario": "calm"}] = [0.0, 0.0, 0.0, 0.000234]
    sentence = next(s for s in memo.lead(none) if s.startswith("Bad debt"))
    assert "none of 16,384 paths; below 0.024\N{NO-BREAK SPACE}% at 95" in sentence
    rare[:] = 0.0
    assert "arises under no scenario: none of 16,384 paths" in " ".join(memo.lead(none))


def test_status_and_assumptions_and_provenance_stand_in_the_page(
    html: str, results: xr.Dataset
) -> None:
    text = " ".join("".join(t) for _, _, t in Reader(html).named("td", "th", "dd", "p", "li"))
    found = json.loads(results.attrs["provenance"])
    for expected in ("16,381", "liquidation order", found["commit"], found["command"],
                     found["device"], *found["digests"].values(), *found["sources"],
                     *json.loads(results.attrs["notes"]), "jax 0.10.1", "41.7 s"):  # fmt: skip
        assert expected.lower() in text.lower()


def test_every_metric_is_defined_and_linked(html: str) -> None:
    reader = Reader(html)
    places = {a["id"] for _, a, _ in reader.elements if "id" in a}
    links = [a["href"] for _, a, _ in reader.named("a")]
    assert links and all(x.startswith("#") and x[1:] in places for x in links)
    assert {
        f"def-{m.replace('.', '-').replace('_', '-')}" for m in synthetic_results.METRICS
    } <= places


# the file


def test_file_is_written_whole_and_repeatably(
    tmp_path: Path, results: xr.Dataset, html: str
) -> None:
    before = results.copy(deep=True)
    out = page.write_report(results, tmp_path / "deep" / "report.html")
    assert out == tmp_path / "deep" / "report.html"
    assert out.read_text(encoding="utf-8") == html
    assert [p.name for p in out.parent.iterdir()] == ["report.html"]
    xr.testing.assert_identical(before, results)
    shuffled = results[sorted(map(str, results.data_vars), reverse=True)]
    assert page.render(shuffled) == html


def test_figures_can_be_written_on_their_own(tmp_path: Path, results: xr.Dataset) -> None:
    settings = dict(matplotlib.rcParams)
    written = page.write_figures(results, tmp_path / "figures")
    assert len(written) == 5
    assert dict(matplotlib.rcParams) == settings  # and leave none behind
    for path in written:
        assert ElementTree.parse(path).getroot().tag.endswith("svg")


def test_nothing_is_loaded_from_elsewhere(html: str) -> None:
    reader = Reader(html)
    assert not reader.named("script", "link", "iframe", "object", "embed")
    for _, found, _ in reader.elements:
        for key in ("src", "href", "srcset", "action", "data", "poster"):
            assert found.get(key, "#")[:1] in "#d" and "//" not in found.get(key, "")[:40]
    style = "".join("".join(t) for _, _, t in reader.named("style"))
    assert "url(" not in style and "@import" not in style
    for _, found, _ in reader.named("img"):
        svg = b64decode(found["src"].partition("base64,")[2]).decode()
        links = re.findall(r'(?:href|src)="([^"]*)"|url\(([^)]*)\)', svg)
        assert all((a or b).startswith("#") for a, b in links)


def test_page_is_accessible(html: str) -> None:
    reader = Reader(html)
    assert reader.named("html")[0][1]["lang"] == "en"
    assert len(reader.named("h1")) == 1 and reader.named("main") and reader.named("title")
    assert all(len(a["alt"]) > 30 for _, a, _ in reader.named("img"))
    assert len(reader.named("caption")) == len(reader.named("table")) >= 5
    assert all(a.get("scope") in ("col", "row") for _, a, _ in reader.named("th"))
    levels = [int(tag[1]) for tag, _, _ in reader.named("h1", "h2", "h3")]
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_a_book_of_thousands_stays_small() -> None:
    assert len(page.render(synthetic_results.build(accounts=2000, hours=168))) < 2e6


# figures

DRAWN: dict[str, Callable[[xr.Dataset, Axes], Axes]] = {
    "liquidation": lambda r, ax: figures.liquidation_probability(r, ax, "calm"),
    "ratio": lambda r, ax: figures.margin_ratio(r, ax),
    "ratio by loan": lambda r, ax: figures.margin_ratio(r, ax, "loan"),
    "utilization": lambda r, ax: figures.reserve_fan(r, ax, "calm", "USDC"),
    "rate": lambda r, ax: figures.reserve_fan(r, ax, "calm", "USDC", "borrow_rate"),
    "loss": lambda r, ax: figures.equity_loss(r, ax),
    "accounts": lambda r, ax: figures.top_accounts(r, ax, "calm", selection.top_accounts(r)),
}


@pytest.mark.parametrize("name", DRAWN)
def test_figures_return_axes_that_name_their_units(name: str, results: xr.Dataset) -> None:
    ax = axes()
    assert DRAWN[name](results, ax) is ax
    labels = [ax.get_xlabel()] if name == "accounts" else [ax.get_xlabel(), ax.get_ylabel()]
    assert all(re.search(r"\([^)]+\)", label) for label in labels)
    assert ax.lines or ax.patches


def test_lines_show_the_dataset(results: xr.Dataset) -> None:
    ax = figures.liquidation_probability(results, axes(), "correlated_crash")
    want = selection.group_probability(results, "correlated_crash", "all").value
    ends = [float(np.asarray(line.get_ydata())[-1]) for line in ax.lines]
    assert want in ends
    ax = figures.margin_ratio(results, axes())
    above = np.mean(np.nan_to_num(results["account_pmr"].values) > 0.5)
    now = ax.lines[0]
    x, y = np.asarray(now.get_xdata()), np.asarray(now.get_ydata())
    assert y[np.searchsorted(x, 0.5, side="right") - 1] == pytest.approx(above, abs=1e-9)


def test_bars_are_probability_times_exposure(results: xr.Dataset) -> None:
    chosen = selection.top_accounts(results, 5)
    ax = figures.top_accounts(results, axes(), "calm", chosen)
    size = results["account_debt"].values + results["account_notional"].values
    chance = results["account_liquidation_probability"].sel(scenario="calm", statistic="value")
    widths = [bar.get_width() for bar in ax.patches]  # type: ignore[attr-defined]
    np.testing.assert_allclose(widths, (chance.values * size)[chosen])
    everywhere = results["account_liquidation_probability"].sel(statistic="value").values * size
    assert everywhere.max() == everywhere.max(axis=0)[chosen[0]]


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=9),
    st.floats(0.01, 0.11),
)
def test_labels_never_overlap_and_stay_in_order(heights: list[float], gap: float) -> None:
    placed = theme.spread(np.array(heights), gap)
    order = np.argsort(heights, kind="stable")
    assert np.all(np.diff(placed[order]) >= gap - 1e-9)
    assert placed.max() <= 1 + 1e-9


# numbers in words


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (units.money(12.34e6), "$12.3M"),
        (units.money(999_960), "$1.00M"),
        (units.money(-1500), "−$1.50k"),
        (units.money(0.0), "$0"),
        (units.money(math.nan), "–"),
        (units.percent(0.0043), "0.43\N{NO-BREAK SPACE}%"),
        (units.percent(0.00997), "1.00\N{NO-BREAK SPACE}%"),
        (units.percent(0.99999), "99.99900\N{NO-BREAK SPACE}%"),
        (units.percent(0.9996), "99.960\N{NO-BREAK SPACE}%"),
        (units.percent(1.0), "100\N{NO-BREAK SPACE}%"),
        (units.hours(3.1), "3.1\N{NO-BREAK SPACE}h"),
        (units.hours(168), "7\N{NO-BREAK SPACE}days"),
        (units.count(16384), "16,384"),
        (units.ratio(math.inf), "∞"),
        (units.moment("2026-09-08T04:25:36Z"), "2026-09-08 04:25 UTC"),
        (units.title("hype_looper"), "HYPE looper"),
        (units.interval(Estimate(value=0.05, low=0.041, high=0.043), "1"),
         "4.10–4.30\N{NO-BREAK SPACE}%"),
    ],
)  # fmt: skip
def test_words(got: str, want: str) -> None:
    assert got == want


@given(st.floats(1e-8, 0.9))
def test_bounds_are_rounded_up(bound: float) -> None:
    assert bound <= parsed(units.below(bound)) * (1 + 1e-9) <= bound * 1.11


@given(st.floats(1e-2, 1e14))
def test_money_reads_back(amount: float) -> None:
    assert parsed(units.money(amount)) == pytest.approx(amount, rel=0.0051)


# odd datasets: each renders without a warning (pytest makes warnings errors)


def zeroed(results: xr.Dataset) -> xr.Dataset:
    """Nothing ever happens, nobody owes anything."""
    return results.map(lambda v: v * 0 if v.dtype.kind in "fi" else v, keep_attrs=True)


def unknown(results: xr.Dataset) -> xr.Dataset:
    """Every number is missing."""
    return results.map(lambda v: v * np.nan if v.dtype.kind in "fi" else v, keep_attrs=True)


def infinite(results: xr.Dataset) -> xr.Dataset:
    """Ratios that are infinite or missing."""
    changed = results.copy(deep=True)
    changed["account_pmr"][:] = np.inf
    changed["account_pmr_horizon"][:] = np.inf
    changed["account_pmr"][::2] = np.nan
    return changed


def bare(results: xr.Dataset) -> xr.Dataset:
    """No attributes and no reserves."""
    changed = results.drop_dims(["token", "asset"])
    changed.attrs = {}
    return changed


HOSTILE = '<script>alert(1)</script> & "$x_{2}$" \'é中🙂\x00\n' + "long " * 40

ODD = {
    "zero": lambda: zeroed(synthetic_results.build()),
    "missing": lambda: unknown(synthetic_results.build()),
    "infinite": lambda: infinite(synthetic_results.build()),
    "bare": lambda: bare(synthetic_results.build()),
    "one scenario, no token, no asset": lambda: synthetic_results.build(
        scenarios=("calm",), tokens=(), assets=()
    ),
    "one account, one hour, few paths": lambda: synthetic_results.build(
        accounts=1, groups=("carry",), hours=1, paths=8
    ),
    "many": lambda: synthetic_results.build(
        scenarios=tuple(f"scenario_{i}" for i in range(5)),
        groups=tuple(f"group_{i}" for i in range(14)),
        tokens=("USDC", "USDT0"),
    ),
    "hostile names": lambda: hostile(),
}


def hostile() -> xr.Dataset:
    """Names and texts that try to be markup, mathematics or many lines."""
    changed = synthetic_results.build(scenarios=("a" + HOSTILE, "b"), groups=("g" + HOSTILE, "h"))
    changed = changed.assign_coords(
        account=[f"{i}{HOSTILE}" for i in range(changed.sizes["account"])],
        status=[f"{i}{HOSTILE}" for i in range(changed.sizes["status"])],
    )
    for key in ("title", "description", "book", "venue", "estimator"):
        changed.attrs[key] = HOSTILE
    changed.attrs["notes"] = json.dumps([HOSTILE])
    changed.attrs["assumptions"] = json.dumps({HOSTILE: {"value": HOSTILE, "why": [1, None]}})
    changed.attrs["provenance"] = json.dumps({"command": HOSTILE, "versions": {HOSTILE: HOSTILE}})
    return changed


@pytest.mark.parametrize("name", ODD)
def test_odd_datasets_render(name: str) -> None:
    odd = ODD[name]()
    html = page.render(odd)
    reader = Reader(html)
    assert "<script" not in html
    assert ("&lt;script&gt;" in html) == (name == "hostile names")
    assert len(reader.named("img")) == 4 + len(selection.tokens(odd))
    for _, found, _ in reader.named("img"):
        ElementTree.fromstring(b64decode(found["src"].partition("base64,")[2]))
    text = " ".join("".join(t) for _, _, t in reader.named("td", "p", "figcaption"))
    assert not re.search(r"\b(nan|inf|None)\b", text)


def test_nothing_happened_is_said_as_such() -> None:
    sentences = " ".join(memo.lead(zeroed(synthetic_results.build())))
    assert "no account is liquidated in any of 16,384 paths" in sentences
    assert "impossible" not in sentences


def test_worst_scenario_follows_which_way_is_bad(results: xr.Dataset) -> None:
    def worst(found: xr.Dataset) -> list[str]:
        cells = tables.summary(found).rows[0][1:]
        return [c.data["scenario"] for c in cells if c.worst]

    assert worst(results) == ["correlated_crash"]
    down = results.assign_coords(metric_bad=("metric", ["down"] * results.sizes["metric"]))
    assert worst(down) == ["calm"]


def test_reports_imports_only_what_draws_and_reads() -> None:
    allowed = {"numpy", "xarray", "matplotlib", "seaborn", "jinja2", "reports"}
    for path in Path(reports.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [str(node.module)] if isinstance(node, ast.ImportFrom) else []
            roots = {n.partition(".")[0] for n in names}
            assert roots <= allowed | sys.stdlib_module_names, path
