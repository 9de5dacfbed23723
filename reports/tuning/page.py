"""One self-contained HTML page out of the dataset of a tuning."""

from pathlib import Path

import xarray as xr

from reports import context, units
from reports.page import publish, templates
from reports.tuning import gallery, memo, tables, words


def write_tuning(results: xr.Dataset, out: Path) -> Path:
    """Writes the memo of a tuning as HTML, and as Markdown beside it.

    Args:
      results: dataset of a tuning; it is not changed.
      out: HTML file to write; the Markdown has the same name with `.md`.

    Returns:
      `out`.

    Errors:
      As `reports.page.write_report`.
    """
    results = results.compute()
    publish(memo.markdown(results), Path(out).with_suffix(".md"))
    return publish(render(results), Path(out))


def render(results: xr.Dataset) -> str:
    """The page as text."""
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
    return (
        templates()
        .get_template("tuning.html")
        .render(
            title=f"Tuning: {units.name(attrs['name'])}",
            description=attrs["description"],
            facts=facts,
            lead=memo.lead(results),
            confidence=words.confidence(results),
            plots=gallery.plots(results),
            tables=[tables.limits(results), tables.candidates(results)],
            definitions=_definitions(results),
            provenance=context.provenance(results),
        )
    )


def _definitions(results: xr.Dataset) -> list[tuple[str, str]]:
    """Names of variables and what they are."""
    found = []
    for name, variable in sorted(results.data_vars.items()):
        if "definition" in variable.attrs:
            words_of = str(name).removeprefix("standing_").replace("_", " ")
            found.append((words_of.capitalize(), str(variable.attrs["definition"])))
    return found
