"""The page of a comparison, self-contained like the report of a campaign."""

from pathlib import Path

import xarray as xr

from reports import context, selection, theme, units
from reports.compare import figures, memo, tables
from reports.page import described, head, publish, templates


def write_comparison(results: xr.Dataset, out: Path) -> Path:
    """Writes the memo of a rule change as HTML, and as Markdown beside it.

    Args:
      results: dataset of a comparison; it is not changed.
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
    scenarios = selection.names(results, "scenario")
    return templates().get_template("compare.html").render(
        head=head(results) | {
            "before": str(selection.attribute(results, "before")),
            "after": str(selection.attribute(results, "after")),
            "home": str(selection.attribute(results, "home")),
        },
        lead=memo.lead(results),
        changes=tables.changes(results),
        standing=tables.standing(results),
        plots=figures.plots(results),
        scenarios=[
            {"id": s, "name": units.title(s), "text": str(described(results).get(s, "")),
             "sides": tables.sides(results, s), "readings": tables.readings(results, s)}
            for s in scenarios
        ],
        colours=theme.scenario_colours(scenarios),
        statuses=tables.statuses(results),
        assumptions=context.assumptions(results),
        notes=selection.lines(results, "notes"),
        definitions=definitions(results),
        provenance=context.provenance(results),
    )  # fmt: skip


def definitions(results: xr.Dataset) -> list[dict[str, str]]:
    """Measures and figures of the standing, with units."""
    found = []
    for kind in ("measure", "figure"):
        for name in selection.names(results, kind):
            at = results[kind].sel({kind: name})
            found.append(
                {"id": name}
                | {key: str(at[f"{kind}_{key}"].item()) for key in ("label", "unit", "definition")}
            )
    return found
