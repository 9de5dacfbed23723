"""One self-contained HTML page out of a results dataset."""

import base64
from pathlib import Path
from typing import Any

import xarray as xr
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports import (
    cascade_tables,
    context,
    gallery,
    memo,
    phrases,
    selection,
    spread_tables,
    sureness,
    tables,
    theme,
    units,
)
from reports.tables import Table

TEMPLATES = Path(__file__).parent / "templates"


def write_report(results: xr.Dataset, out: Path) -> Path:
    """Write the report of a campaign.

    The file loads nothing from elsewhere: style and figures are inside, there are no scripts. The
    same dataset gives the same bytes.

    Args:
      results: dataset of a campaign; it is not changed.
      out: file to write. It appears complete or not at all; its folder is made if missing.

    Returns:
      `out`.

    Errors:
      Raises KeyError if a variable that every page shows is missing, OSError if `out` cannot be
      written. NaN is shown as a dash.
    """
    return publish(render(results), Path(out))


def publish(text: str, out: Path) -> Path:
    """Writes a text whole or not at all; makes its folder if missing."""
    out.parent.mkdir(parents=True, exist_ok=True)
    draft = out.with_name(f".{out.name}.part")
    draft.write_text(text, encoding="utf-8")
    return draft.replace(out)


def write_figures(results: xr.Dataset, folder: Path) -> list[Path]:
    """Write every figure of the page as an SVG file of its own.

    Args:
      results: dataset of a campaign; it is not changed.
      folder: where to; made if missing.

    Returns:
      The files, in the order of the page.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for key, plot in gallery.plots(results.compute()).items():
        safe = "".join(c if c.isalnum() or c in "-_" else "_" for c in key)
        path = folder / f"{safe}.svg"
        path.write_text(plot.svg, encoding="utf-8")
        written.append(path)
    return written


def render(results: xr.Dataset) -> str:
    """The page as text."""
    results = results.compute()
    scenarios = selection.names(results, "scenario")
    plots = gallery.plots(results)
    found = tabled(results)
    cascaded = (
        found["parties"] or found["overshoot"] or any(k.startswith("cascade-") for k in plots)
    )
    return (
        templates()
        .get_template("report.html")
        .render(
            head=head(results),
            lead=memo.lead(results),
            scenarios=[
                {"id": s, "name": units.title(s), "text": str(described(results).get(s, ""))}
                for s in scenarios
            ],
            colours=theme.scenario_colours(scenarios),
            plots=plots,
            reserves=[plot for key, plot in plots.items() if key.startswith("reserve-")],
            cascaded=bool(cascaded),
            tables=found,
            sure=sureness.sentences(results),
            notes=selection.lines(results, "notes"),
            definitions=context.definitions(results),
            provenance=context.provenance(results),
        )
    )


def templates() -> Environment:
    """The templates, with what they need to set pictures and sentences."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["uri"] = data_uri
    environment.filters["unbroken"] = unbroken
    return environment


def tabled(results: xr.Dataset) -> dict[str, Table | None]:
    """Every table of the page; none for one whose variables the dataset does not hold."""
    return {
        "summary": tables.summary(results),
        "groups": tables.groups(results),
        "accounts": tables.accounts(results),
        "parties": cascade_tables.parties(results),
        "overshoot": cascade_tables.overshoot(results),
        "spread": spread_tables.spread(results),
        "events": sureness.events(results),
        "market": context.market(results),
        "statuses": context.statuses(results),
        "assumptions": context.assumptions(results),
        "settings": context.settings(results),
    }


def described(results: xr.Dataset) -> dict[str, Any]:
    """Scenario descriptions by name."""
    return selection.mapping(results, "scenario_descriptions")


def head(results: xr.Dataset) -> dict[str, str]:
    """Title, subject and dates of the report, and how it was sampled, in words."""

    def of(key: str) -> str:
        return str(selection.attribute(results, key, ""))

    def hours(key: str) -> str:
        return units.hours(float(selection.attribute(results, key, float("nan"))))

    venue, date = of("venue"), of("venue_date")
    return {
        "title": of("title") or of("campaign") or "Stress report",
        "description": of("description"),
        "campaign": of("campaign"),
        "venue": venue if date in venue else f"{venue} {date}",
        "book": of("book"),
        "book_as_of": units.moment(of("book_as_of")),
        "horizon": hours("horizon_hours"),
        "step": hours("step_hours"),
        "refinements": of("refinements"),
        "paths": units.count(phrases.paths(results)),
        "estimator": of("estimator"),
        "precision": of("precision"),
        "seed": of("seed"),
        "feedback": {"true": "on", "false": "off"}.get(of("feedback").lower(), ""),
        "created": units.moment(str(selection.mapping(results, "provenance").get("created", ""))),
    }


def data_uri(svg: str) -> str:
    """A picture as an address that contains it."""
    return "data:image/svg+xml;base64," + base64.b64encode(svg.encode()).decode()


def unbroken(sentence: str) -> str:
    """A sentence whose intervals stay on one line: a word joiner follows every en dash."""
    return sentence.replace("–", "–\N{WORD JOINER}")
