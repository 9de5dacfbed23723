"""What the results say about themselves: attributes of the dataset, all text or numbers."""

from stress.config import Campaign
from stress.results import as_json
from stress.units import written

NOTES = (
    "Feedback is off: the book is frozen. Liquidations move neither prices nor the lending pool, "
    "and an account keeps its positions until it is liquidated.",
    "Events are observed on the time grid: a ratio that crosses its trigger and returns between "
    "two times is not seen, which makes probabilities too low against continuous monitoring.",
    "Utilization is a process of the whole reserve; loans and supplies of the book do not move it.",
    "Intervals are sampling errors of this model. They say nothing about the error of the model.",
    "Interest of an account with positions stops at its first liquidation.",
)


def attributes(campaign: Campaign, facts: dict[str, object]) -> dict[str, object]:
    """Attributes of the results dataset.

    Args:
      campaign: the campaign.
      facts: `stress.provenance.provenance`.

    Returns:
      Names and values as documented for results.zarr.
    """
    spec = campaign.spec
    named = {name: entry.value for name, entry in campaign.venue.assumptions.items()}
    told = {
        name: " ".join(part.strip() for part in (s.description, s.origin) if part.strip())
        for name, s in campaign.scenarios.items()
    }
    return {
        "title": f"Stress campaign {spec.name}",
        "campaign": spec.name,
        "description": spec.description.strip(),
        "venue": campaign.venue.name,
        "venue_date": str(campaign.venue.date),
        "book": campaign.book.name,
        "book_as_of": campaign.book.as_of,
        "horizon_hours": spec.horizon,
        "step_hours": spec.step,
        "refinements": ", ".join(
            f"{written(w.step)} from {written(w.start)} to {written(w.to)}" for w in spec.refine
        ),
        "paths": spec.paths,
        "seed": spec.seed,
        "precision": spec.precision,
        "estimator": spec.estimator.method,
        "assumptions": as_json(named | dict(spec.assumptions)),
        "scenario_descriptions": as_json(told),
        "provenance": as_json(facts),
        "notes": as_json(list(NOTES)),
    }
