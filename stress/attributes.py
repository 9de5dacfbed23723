"""What the results say about themselves: attributes of the dataset, all text or numbers."""

from stress.build_cascade import CascadeFigures
from stress.config import Campaign
from stress.results import as_json
from stress.units import written

ALWAYS = (
    "Events are observed on the time grid: a ratio that crosses its trigger and returns between "
    "two times is not seen, which makes probabilities too low against continuous monitoring.",
    "Intervals are sampling errors of this model. They say nothing about the error of the model.",
)
FROZEN = (
    "Feedback is off: the book is frozen. Liquidations move neither prices nor the lending pool, "
    "and an account keeps its positions until it is liquidated.",
    "Utilization is a process of the whole reserve; loans and supplies of the book do not move it.",
    "Interest of an account with positions stops at its first liquidation.",
)
FEEDBACK = (
    "Feedback is on: liquidations move prices and the lending pool. Impact, depth, capital of the "
    "backstops and pass-through to oracles are settings; those without a published figure are "
    "assumed, and the results hang on them.",
    "All positions of an account in the order book are ordered at once; orders of a round on one "
    "asset are netted and filled at one price.",
    "Nobody opens a position, adds collateral or closes by choice: accounts change by liquidation, "
    "auto-deleveraging, interest and funding alone.",
)
UNITS = {
    "permanent_share": "1", "half_life": "h", "reach": "1", "depth_collapse": "1",
    "depth_half_life": "h", "depth_floor": "1", "vault_capital": "USDC", "vault_lent_share": "1",
    "takeover_capital": "USDC", "scale": "(1)", "volatility": "per sqrt(day)",
    "volume": "USDC a day", "depth": "USDC", "pass_through": "(1)",
}  # fmt: skip
LENDING = {
    "process": "The reserve moves as without feedback; the book does not move it.",
    "book": "Loans and idle balances of the book move the reserve; outsiders do not answer.",
    "react": "Loans and idle balances of the book move the reserve, and outside lenders and "
    "borrowers answer to the utilization and prices that result.",
}


def notes(campaign: Campaign) -> list[str]:
    """Sentences a reader of the results must know."""
    if not campaign.spec.feedback:
        return [FROZEN[0], *ALWAYS, *FROZEN[1:]]
    return [*FEEDBACK, LENDING[campaign.spec.cascade.lending], *ALWAYS]


def cascade_settings(figures: CascadeFigures) -> dict[str, object]:
    """Resolved settings of a cascade as names and values for a reader, durations in hours."""
    told: dict[str, object] = {f"{k} ({UNITS[k]})": v for k, v in figures.scalars.items()}
    told |= {"impact_scale": figures.impact_scale, "depth_scale": figures.depth_scale}
    for asset, entry in figures.assets.items():
        known = (
            f"{k} {v:,.6g} {UNITS[k]}" if isinstance(v, float) else f"{k} {v}"
            for k, v in entry.items()
        )
        told[f"impact {asset}"] = "; ".join(x for x in known if not x.startswith(("bids", "asks")))
    return told


def attributes(
    campaign: Campaign, facts: dict[str, object], figures: CascadeFigures | None = None
) -> dict[str, object]:
    """Attributes of the results dataset.

    Args:
      campaign: the campaign.
      facts: `stress.provenance.provenance`.
      figures: with feedback, the settings of the cascade.

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
        "notes": as_json(notes(campaign)),
        "feedback": str(spec.feedback).lower(),
        **({"cascade_settings": as_json(cascade_settings(figures))} if figures else {}),
    }
