"""One self-contained HTML page out of the dataset of a tuning."""

from pathlib import Path

import xarray as xr
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from reports import context, units
from reports.page import TEMPLATES, data_uri, unbroken
from reports.tuning import gallery, memo, tables, words


def write(results: xr.Dataset, folder: Path) -> list[Path]:
    """Writes memo.md, report.html and every figure as SVG.

    Args:
      results: dataset of a tuning; it is not changed.
      folder: where to; made if missing.

    Returns:
      The files. Each appears complete or not at all.

    Errors:
      Raises KeyError where a variable is missing, OSError where a file cannot be written.
    """
    folder = Path(folder)
    plots = gallery.plots(results)
    texts = {"memo.md": memo.markdown(results), "report.html": _page(results, plots)}
    texts |= {f"figures/{key}.svg": plot.svg for key, plot in plots.items()}
    written = []
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        draft = path.with_name(f".{path.name}.part")
        draft.write_text(text, encoding="utf-8")
        written.append(draft.replace(path))
    return written


def render(results: xr.Dataset) -> str:
    """The page as text."""
    return _page(results, gallery.plots(results))


def _page(results: xr.Dataset, plots: dict) -> str:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["uri"] = data_uri
    environment.filters["unbroken"] = unbroken
    attrs = results.attrs
    facts = [
        ("Venue rules", attrs["venue"]),
        ("Book", f"{attrs['book']}, {units.count(float(attrs['accounts']))} accounts"),
        ("Book as of", units.moment(str(attrs["book_as_of"]))),
        ("Campaign", attrs["campaign"]),
        ("Horizon", units.hours(float(attrs["horizon_hours"]))),
        ("Feedback", "on" if attrs["feedback"] == "true" else "off"),
        ("Borrowers respond", units.name(attrs["borrower_response"])),
        ("Candidates", f"{units.count(float(results.sizes['candidate']))}, {attrs['search']}"),
        ("Paths", f"{units.count(float(attrs['paths']))} each, seed {attrs['seed']}"),
        ("Fresh paths", f"{units.count(float(attrs['fresh_paths']))}, seed {attrs['fresh_seed']}"),
    ]
    return environment.get_template("tuning.html").render(
        title=f"Tuning: {units.name(attrs['name'])}",
        description=attrs["description"],
        facts=facts,
        lead=memo.lead(results),
        confidence=words.confidence(results),
        plots=plots,
        tables=[tables.limits(results), tables.candidates(results)],
        definitions=_definitions(results),
        provenance=context.provenance(results),
    )


def _definitions(results: xr.Dataset) -> list[tuple[str, str]]:
    """Names of variables and what they are."""
    found = []
    for name, variable in results.data_vars.items():
        if "definition" in variable.attrs:
            words_of = str(name).removeprefix("standing_").replace("_", " ")
            found.append((words_of.capitalize(), str(variable.attrs["definition"])))
    return found
