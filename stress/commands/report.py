"""`hyperstress report`, and the report at the end of a run."""

import sys
from pathlib import Path

from stress.errors import InputError


def report_command(folder: Path, out: Path | None) -> None:
    """Writes the report of a finished run."""
    from reports.compare.page import write_comparison
    from reports.page import write_report
    from reports.rates.page import write_rates
    from reports.reverse import write_reverse
    from reports.sensitivity.page import write_sensitivity
    from reports.tuning.page import write_tuning
    from stress.results import open_dataset

    if not (folder / "summary.json").exists():
        raise InputError(folder, "", "no finished run", "the directory of a finished run")
    try:
        results = open_dataset(folder)
    except (OSError, ValueError, KeyError) as error:
        found = f"an unreadable dataset ({' '.join(str(error).split())})"
        raise InputError(folder / "results.zarr", "", found, "that of a finished run") from None
    writers = {
        "comparison": write_comparison,
        "rates": write_rates,
        "reverse": write_reverse,
        "sensitivity": write_sensitivity,
        "tuning": write_tuning,
    }
    write = writers.get(str(results.attrs.get("kind")), write_report)
    place = write(results, out or folder / "report.html")
    print(f"Report in {place}")
    sys.stdout.flush()
