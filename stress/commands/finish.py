"""What a finished study leaves in its folder."""

from pathlib import Path
from typing import Any


def leave(folder: Path, campaign, facts: dict[str, Any], results, told: dict[str, Any]) -> None:
    """Writes dataset, manifest and summary; summary.json last, it marks a finished run.

    Args:
      folder: of the run.
      campaign: that was studied.
      facts: where the numbers come from.
      results: the dataset.
      told: content of the summary.

    Errors:
      OSError where a file cannot be written.
    """
    from stress.results import as_json, save_dataset
    from stress.store import write_atomically

    save_dataset(results, folder)
    manifest = {"campaign": campaign.spec.model_dump(mode="json"), **facts}
    write_atomically(folder / "manifest.json", as_json(manifest).encode())
    write_atomically(folder / "summary.json", as_json(told).encode())
