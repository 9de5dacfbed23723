"""The section on certainty: events, refusals, the time grid, tail curves."""

import numpy as np
import pytest
import xarray as xr
from synthetic_results import build

from reports import gallery, page, sureness, tail_figures, theme

EVENT = "event.tenth.probability"


def results(refused: bool = False, check: bool = True, failed: int = 3) -> xr.Dataset:
    """The imagined campaign with one event of probability 1.03e-5 and tails to 1e-6."""
    made = build(accounts=12)
    scenarios, metrics = made.sizes["scenario"], made.sizes["metric"] + 1
    event = xr.Dataset(
        {"system": (("scenario", "metric", "statistic"), np.tile(
            [np.nan] * 4 if refused else [1.03e-5, 5e-7, 9.3e-6, 1.14e-5], (scenarios, 1, 1)))},
        coords={
            "scenario": made["scenario"], "statistic": made["statistic"], "metric": [EVENT],
            "metric_label": ("metric", ["Liquidated loans above 10 %"]),
            "metric_unit": ("metric", ["1"]), "metric_bad": ("metric", ["up"]),
            "metric_definition": ("metric", ["Probability of it."]),
        },
    )  # fmt: skip
    joined = xr.concat([made["system"], event["system"]], "metric", coords="minimal")
    made = made.drop_dims("metric").assign(system=joined)
    shape = (scenarios, metrics)

    def text(value: str, last: str) -> tuple:
        values = np.full(shape, value, dtype=object)
        values[:, -1] = last
        return ("scenario", "metric"), values

    def figure(last: float) -> tuple:
        values = np.full(shape, np.nan)
        values[:, -1] = last
        return ("scenario", "metric"), values

    beside = np.full((*shape, 4), np.nan)
    beside[:, -1] = [1.15e-5, 9e-7, 9.6e-6, 1.37e-5]
    tail = 10.0 ** -np.arange(0.5, 6.01, 0.25)
    level = np.tile(1e6 * tail**-0.3, (scenarios, made.sizes["measure"], 1))
    chance = np.stack([tail, 0.05 * tail, 0.9 * tail, 1.1 * tail], axis=-1)
    gap = np.array([[6.3, 0.2, 5.9, 6.7], [5e5, 1e5, 3e5, 7e5]])
    return made.assign(
        metric_estimator=text("plain", "tilt"),
        metric_check=text("", "splitting" if check else ""),
        metric_refusal=text("", "its weights have a tail of shape 1.1" if refused else ""),
        metric_choice=text("", "least work by a pilot"),
        metric_paths=figure(1024.0), metric_failed_paths=figure(failed),
        metric_plain_paths=figure(30_999_999.0), metric_effective_paths=figure(260.2),
        metric_pareto_k=figure(-0.2), metric_agreement=figure(-1.2),
        cross_check=(("scenario", "metric", "statistic"), beside),
        tail_level=(("scenario", "measure", "tail"), level),
        tail_chance=(("scenario", "measure", "tail", "statistic"),
                     np.broadcast_to(chance, (*level.shape, 4))),
        monitoring_gap=(("scenario", "watched", "statistic"), np.tile(gap, (scenarios, 1, 1))),
        monitoring_step=(("scenario", "watched"), np.tile([93.0, 5e6], (scenarios, 1))),
    ).assign_coords(tail=tail, watched=["accounts", "loans"])  # fmt: skip


def texts(table) -> list[str]:
    return [cell.text + " " + cell.detail for row in table.rows for cell in row]


def test_events_name_method_paths_and_the_second_opinion() -> None:
    table = sureness.events(results())
    assert table is not None and len(table.rows) == 5
    said = " | ".join(texts(table))
    for words in ("0.0010", "97,087", "tilted paths 1,024 paths, 260 effective", "3 not finite",
                  "31,000,000", "splitting", "1.2 standard errors apart"):  # fmt: skip
        assert words in said
    told = sureness.events(results(failed=0))
    assert told is not None and "not finite" not in " | ".join(texts(told))
    alone = sureness.events(results(check=False))
    assert alone is not None and len(alone.rows) == 4
    assert sureness.events(build(accounts=12)) is None


def test_refused_numbers_say_why() -> None:
    found = results(refused=True)
    table = sureness.events(found)
    assert table is not None and "refused its weights have a tail" in " | ".join(texts(table))
    said = " ".join(sureness.sentences(found))
    assert "is not given under calm: its weights have a tail of shape 1.1." in said


def test_the_time_grid_is_told() -> None:
    said = " ".join(sureness.sentences(results()))
    assert "6.77" in said and "more accounts" in said and "10.0" in said and "more loans" in said
    unknown = results()
    unknown["monitoring_gap"][:] = np.nan
    assert "is not known under calm" in " ".join(sureness.sentences(unknown))
    assert sureness.sentences(build(accounts=12)) == []


def test_tails_are_drawn_with_bands() -> None:
    found = results()
    with theme.canvas(1, 1, panel_height=1.5) as (_, axes):
        ax = tail_figures.tail_probability(found, axes[0, 0], "bad_debt")
        assert len(ax.lines) >= found.sizes["scenario"] and len(ax.collections) >= 3
        assert ax.get_yscale() == ax.get_xscale() == "log"
        assert ax.get_ylim()[0] <= 1e-6
    empty = results()
    empty["tail_level"][:] = np.nan
    with theme.canvas(1, 1, panel_height=1.5) as (_, axes):
        ax = tail_figures.tail_probability(empty, axes[0, 0], "bad_debt")
        assert any("trusted" in t.get_text() for t in ax.texts)
    assert tail_figures.tails(build(accounts=12)) is None


def test_the_page_holds_the_section() -> None:
    found = results()
    html = page.render(found)
    assert "tails" in gallery.plots(found)
    for words in ("How far out the tails are known", "Effective paths", "Watched at every moment"):
        assert words in html


@pytest.mark.parametrize("refused", [False, True])
def test_the_page_of_either_kind_is_whole(refused: bool) -> None:
    assert page.render(results(refused=refused)).rstrip().endswith("</html>")
