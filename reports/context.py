"""What stands behind the results: prices, outcomes, assumptions, definitions, provenance."""

import json
import math

import xarray as xr

from reports import selection, units
from reports.tables import Cell, Column, Table, anchor, scenario_columns


def market(results: xr.Dataset) -> Table | None:
    """Worst price moves that the scenarios contain; none without the variable."""
    assets = selection.names(results, "asset")
    if "worst_price_return" not in results or not assets:
        return None
    scenarios = selection.names(results, "scenario")
    rows = []
    for asset in assets:
        row = [Cell(text=units.shorten(asset))]
        for s in scenarios:
            moves = results["worst_price_return"].sel(scenario=s, asset=asset)
            middle, tail = (float(selection.at_quantile(moves, q)) for q in (0.5, 0.01))
            row.append(Cell(text=units.percent(middle), detail=f"1 in 100: {units.percent(tail)}"))
        rows.append(row)
    return Table(
        key="market",
        caption="Deepest fall of each price below its start: median path, and 1 path in 100",
        columns=[Column(heading="Price", numeric=False), *scenario_columns(results)],
        rows=rows,
    )


def statuses(results: xr.Dataset) -> Table:
    """How the paths ended."""
    scenarios = selection.names(results, "scenario")
    known = selection.names(results, "status")
    told = (
        results["status_meaning"].values
        if "status_meaning" in results.coords
        else [""] * len(known)
    )
    meaning = dict(zip(known, map(str, told), strict=True))
    rows = []
    for status in selection.names(results, "status"):
        row = [
            Cell(text=units.shorten(units.name(status), 48), title=status, detail=meaning[status])
        ]
        for s in scenarios:
            counts = results["status_count"].sel(scenario=s)
            number, total = float(counts.sel(status=status)), float(counts.sum())
            share = units.percent(number / total) if total > 0 else units.MISSING
            row.append(Cell(text=units.count(number), detail=share))
        rows.append(row)
    return Table(
        key="statuses",
        caption="Paths by how they ended",
        columns=[Column(heading="Outcome", numeric=False), *scenario_columns(results)],
        rows=rows,
    )


def assumptions(results: xr.Dataset) -> Table | None:
    """Named assumptions of the venue file and their settings; none if there are none."""
    return named_settings(
        results, "assumptions", "Assumption", "Assumptions where the venue publishes no rule"
    )


def settings(results: xr.Dataset) -> Table | None:
    """Settings of the cascade: impact, depth, who stands behind losses; none without feedback."""
    return named_settings(
        results, "cascade_settings", "Setting", "How liquidations move prices, and who pays"
    )


def named_settings(results: xr.Dataset, key: str, heading: str, caption: str) -> Table | None:
    """Names and values of an attribute that is a mapping; none if it is empty."""
    found = selection.attribute(results, key, {})
    pairs = list(found.items()) if isinstance(found, dict) else [(key, found)]
    rows = [
        [Cell(text=units.title(name), title=str(name)), Cell(text=setting(value))]
        for name, value in pairs
        if value not in ("", None)
    ]
    if not rows:
        return None
    return Table(
        key=key.replace("_", "-"),
        caption=caption,
        columns=[
            Column(heading=heading, numeric=False),
            Column(heading="Value" if heading == "Setting" else "Setting", numeric=False),
        ],
        rows=rows,
    )


def setting(value: object) -> str:
    """The setting of an assumption in words; nested ones as `key: value` pairs."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return "; ".join(f"{units.name(k)}: {setting(v)}" for k, v in value.items())
    if isinstance(value, list):
        return ", ".join(setting(v) for v in value)
    if isinstance(value, float) and math.isfinite(value):
        return f"{value:,.0f}" if value.is_integer() else f"{value:.6g}"
    return value if isinstance(value, str) else json.dumps(value)


def definitions(results: xr.Dataset) -> list[dict[str, str]]:
    """Definition and unit of every system metric, then of every other variable, by name."""
    found = []
    for metric in selection.names(results, "metric"):
        entry = results["metric_definition"].sel(metric=metric)
        found.append({
            "anchor": anchor(metric), "id": metric, "label": str(entry["metric_label"].item()),
            "unit": str(entry["metric_unit"].item()), "text": str(entry.item()),
        })  # fmt: skip
    for name, variable in sorted(results.data_vars.items(), key=lambda pair: str(pair[0])):
        text = str(variable.attrs.get("definition", ""))
        if text and name != "system":
            found.append({
                "anchor": anchor(str(name)), "id": str(name),
                "label": capital(str(variable.attrs.get("long_name", units.name(name)))),
                "unit": str(variable.attrs.get("units", "")), "text": text,
            })  # fmt: skip
    return found


def capital(text: str) -> str:
    """The text with its first letter as a capital."""
    return text[:1].upper() + text[1:]


def provenance(results: xr.Dataset) -> dict[str, list]:
    """How the numbers were made: facts, versions and digests as pairs, sources as sentences."""
    found = selection.mapping(results, "provenance")
    wall = found.get("wall_seconds")
    facts = [
        ("Command", found.get("command")),
        ("Commit", found.get("commit")),
        ("Device", found.get("device")),
        ("Seed", selection.attribute(results, "seed", None)),
        ("Precision", selection.attribute(results, "precision", None)),
        ("Created", found.get("created")),
        ("Wall time", None if wall is None else f"{units.significant(float(wall))} s"),
    ]
    named = {"command", "commit", "device", "created", "wall_seconds"}
    named |= {"versions", "digests", "sources"}
    facts += [(units.title(k), setting(v)) for k, v in found.items() if k not in named]
    return {
        "facts": [(k, str(v)) for k, v in facts if v not in (None, "")],
        "versions": pairs(found.get("versions")),
        "digests": pairs(found.get("digests")),
        "sources": [str(s) for s in found.get("sources") or []],
    }


def pairs(found: object) -> list[tuple[str, str]]:
    """The entries of a mapping as text; none if it is something else."""
    return [(str(k), str(v)) for k, v in found.items()] if isinstance(found, dict) else []
