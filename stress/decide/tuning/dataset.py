"""Everything a tuning found, with labels, units and definitions."""

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
import xarray as xr

from stress.decide.tuning.bounds import risk_difference
from stress.decide.tuning.choose import Choice, bands, front
from stress.decide.tuning.curves import reached
from stress.decide.tuning.judge import Judge, Judged
from stress.decide.tuning.problem import Problem, Values
from stress.estimate import Estimate

STATISTICS = ("value", "standard_error", "low", "high")
STANDING = {
    "loans": ("USDC", "Loans of portfolio accounts at the start."),
    "lent_more": ("USDC", "Change of these loans against today."),
    "refused": ("USDC", "Loans wanted that the reserve has no room for at the start."),
    "collateral": ("USDC", "Collateral of portfolio accounts at oracle prices."),
    "power": ("USDC", "Borrowing power of this collateral: value within the user cap times LTV."),
    "power_used": ("USDC", "Loans of portfolio accounts within their borrowing power."),
    "notional": ("USDC", "Perpetual notional of portfolio accounts with collateral that are not "
                 "liquidatable at the start."),
    "liquidatable": ("accounts", "Portfolio accounts that are liquidatable at the start."),
    "supported": ("USDC", "Loans within the borrowing power, and notional."),
    "capital_efficiency": ("1", "Loans within the borrowing power and notional, per USDC of "
                           "collateral of portfolio accounts."),
}  # fmt: skip
NAMES = {
    "bad_debt": "bad debt",
    "liquidated_accounts": "liquidated accounts",
    "liquidated_debt": "liquidated loans",
    "liquidated_notional": "liquidated perpetuals",
    "equity_loss": "loss of equity",
    "peak_utilization": "peak utilization",
    "full_utilization": "full utilization",
    "shortfall": "shortfall of accounts",
    "supplier_loss": "loss of suppliers",
}
UNITS = {"liquidated_accounts": "accounts", "peak_utilization": "1", "full_utilization": "1"}


def build(
    problem: Problem, judge: Judge, fresh: Judge, choice: Choice, facts: dict[str, Any]
) -> xr.Dataset:
    """The dataset of a tuning.

    Args:
      problem: checked.
      judge: of the search.
      fresh: of the check.
      choice: made.
      facts: where the numbers come from, for the footer of a page.

    Returns:
      Dims candidate (as looked at, today first), fresh (the same, on fresh seeds), variable,
      constraint (a limit under a scenario), statistic, step.
    """
    found, again = list(judge.found.values()), list(fresh.found.values())
    names = [one.name for one in problem.requirements]
    coords = {
        "candidate": np.arange(len(found)),
        "fresh": np.arange(len(again)),
        "variable": [axis.name for axis in problem.axes],
        "constraint": names,
        "statistic": list(STATISTICS),
        "end": ["low", "high"],
    }
    parts = _candidates(problem, found) | _fresh(problem, again) | _rules(problem)
    parts |= _choice(problem, found, again, choice)
    return xr.Dataset(parts, coords, _attributes(problem, choice, facts))


def _candidates(problem: Problem, found: list[Judged]) -> dict[str, Any]:
    objectives = [one.objective for one in found]
    dims = ("candidate", "constraint")
    values = np.array([[float(r.value) for r in one.risks] for one in found])
    fronts = np.stack([front(objectives, column) for column in values.T], axis=1)
    differences = [_differences(problem, one, found[0]) for one in found]
    parts: dict[str, Any] = {
        "values": (("candidate", "variable"), np.array([one.values for one in found])),
        "objective": ("candidate", np.array(objectives), _objective(problem)),
        "risk": ((*dims, "statistic"), _risks(found), {
            "definition": "Risk of a constraint; low and high are one-sided confidence bounds.",
        }),
        "broken": (dims, np.array([one.broken for one in found])),
        "feasible": ("candidate", np.array([one.feasible for one in found])),
        "usage": ("candidate", np.array([one.usage for one in found]), {
            "units": "1", "definition": "Greatest upper bound over its limit.",
        }),
        "front": ("candidate", front(objectives, [one.usage for one in found])),
        "front_of": (dims, fronts),
        "difference": ((*dims, "statistic"), np.array(differences), {
            "definition": "Risk less that of the figures in force on the same paths, 95 %.",
        }),
        "failed": ("candidate", np.array([one.outcome.failed for one in found])),
        "flagged": ("candidate", np.array([one.outcome.flagged for one in found])),
    }  # fmt: skip
    for name, (unit, text) in STANDING.items():
        series = np.array([one.outcome.standing[name] for one in found])
        parts[f"standing_{name}"] = ("candidate", series, {"units": unit, "definition": text})
    return parts


def _fresh(problem: Problem, again: list[Judged]) -> dict[str, Any]:
    dims = ("fresh", "constraint")
    return {
        "fresh_values": (("fresh", "variable"), np.array([one.values for one in again])),
        "fresh_objective": ("fresh", np.array([one.objective for one in again])),
        "fresh_risk": ((*dims, "statistic"), _risks(again)),
        "fresh_broken": (dims, np.array([one.broken for one in again])),
        "fresh_feasible": ("fresh", np.array([one.feasible for one in again])),
        "fresh_failed": ("fresh", np.array([one.outcome.failed for one in again])),
        "fresh_difference": (
            (*dims, "statistic"),
            np.array([_differences(problem, one, again[0]) for one in again]),
        ),
    }


def _rules(problem: Problem) -> dict[str, Any]:
    """Variables and constraints themselves."""
    axes, needs = problem.axes, problem.requirements
    given = problem.spec.constraints

    def texts(values: Sequence[str]) -> np.ndarray:
        return np.array(list(values), dtype=object)

    return {
        "variable_of": ("variable", texts([axis.change.of for axis in axes])),
        "variable_token": ("variable", texts([axis.change.token for axis in axes])),
        "variable_unit": ("variable", texts([axis.unit for axis in axes])),
        "variable_today": ("variable", np.array([axis.today for axis in axes])),
        "variable_range": (
            ("variable", "end"),
            np.array([(axis.values[0], axis.values[-1]) for axis in axes]),
        ),
        "variable_largest_step": (
            "variable", np.array([axis.largest_step or np.nan for axis in axes]),
        ),
        "limit": ("constraint", np.array([one.at_most for one in needs])),
        "constraint_kind": ("constraint", texts([one.risk.kind for one in needs])),
        "constraint_measure": ("constraint", texts([NAMES[one.measure] for one in needs])),
        "constraint_above": ("constraint", np.array([one.risk.above for one in needs])),
        "constraint_level": ("constraint", np.array([one.risk.level for one in needs])),
        "constraint_scenario": ("constraint", texts([one.scenario for one in needs])),
        "constraint_source": ("constraint", texts([given[r.constraint].source for r in needs])),
        "constraint_as_of": ("constraint", texts([given[r.constraint].as_of for r in needs])),
        "constraint_unit": ("constraint", texts([_unit(one) for one in needs])),
        "constraint_measure_unit": (
            "constraint", texts([UNITS.get(one.measure, "USDC") for one in needs]),
        ),
    }  # fmt: skip


def _unit(one: Any) -> str:
    return "1" if one.risk.kind == "probability" else UNITS.get(one.measure, "USDC")


def _choice(
    problem: Problem, found: list[Judged], again: list[Judged], choice: Choice
) -> dict[str, Any]:
    place = {one.values: n for n, one in enumerate(found)}
    later = {one.values: n for n, one in enumerate(again)}
    center = choice.best or choice.today
    steps = [*choice.steps, *([choice.blocked] if choice.blocked else [])]
    nowhere = (np.nan,) * len(problem.axes)
    prices, first = choice.prices, choice.tried[0] if choice.tried else choice.fresh_today
    stated = bands(problem, found[place[first.values]])
    return {
        "best": ((), -1 if choice.best is None else place[choice.best.values]),
        "best_fresh": ((), -1 if choice.fresh is None else later[choice.fresh.values]),
        "tried": ("attempt", np.array([later[one.values] for one in choice.tried], int)),
        "band": (("constraint", "end"), np.array(stated), {
            "definition": "Where the search says that the first candidate tried falls on fresh "
            "seeds in 95 of 100 repeats.",
        }),
        "reached": (
            ("variable", "constraint", "statistic"),
            np.array([[_row(e) for e in row] for row in reached(problem, found, center)]),
            {"definition": "Value of a variable at which a risk reaches its limit, all else as "
             "recommended; low and high where its bounds do."},
        ),
        "price": (("constraint", "statistic"), np.array([_row(p.price) for p in prices]), {
            "definition": "Growth of the objective per growth of the risk, to the next candidate "
            "that this limit alone bars.",
        }),
        "price_limit": ("constraint", np.array([p.limit for p in prices])),
        "price_gain": ("constraint", np.array([p.gain for p in prices])),
        "price_next": (
            ("constraint", "variable"), np.array([p.next or nowhere for p in prices], float),
        ),
        "step_values": (
            ("step", "variable"),
            np.array([s.values for s in steps], float).reshape(-1, len(problem.axes)),
        ),
        "step_fresh": ("step", np.array([later[s.values] for s in steps], int)),
        "step_feasible": ("step", np.array([s.judged.feasible for s in steps], bool)),
    }  # fmt: skip


def _attributes(problem: Problem, choice: Choice, facts: dict[str, Any]) -> dict[str, Any]:
    spec, campaign = problem.spec, problem.campaign
    grid = spec.search.method == "grid"
    return {
        "kind": "tuning",
        "name": spec.name,
        "description": spec.description,
        "campaign": campaign.spec.name,
        "venue": campaign.venue.name,
        "book": campaign.book.name,
        "book_as_of": campaign.book.as_of,
        "accounts": len(campaign.book.ids),
        "scenarios": json.dumps(list(campaign.scenarios)),
        "horizon_hours": float(campaign.spec.horizon),
        "step_hours": float(campaign.spec.step),
        "feedback": str(campaign.spec.feedback).lower(),
        "precision": campaign.spec.precision,
        "borrower_response": spec.borrower_response,
        "objective_measure": spec.objective.measure,
        "confidence": spec.confidence,
        "search": spec.search.method,
        "complete": str(grid).lower(),
        "paths": campaign.spec.paths,
        "seed": campaign.spec.seed,
        "fresh_paths": problem.fresh_paths,
        "fresh_seed": problem.fresh_seed,
        "feasible_candidates": choice.feasible,
        "inside_bands": {True: "true", False: "false", None: ""}[choice.inside],
        "provenance": json.dumps(facts, default=str),
    }


def _objective(problem: Problem) -> dict[str, str]:
    unit, text = STANDING[problem.spec.objective.measure]
    return {"units": unit, "definition": text}


def _risks(found: list[Judged]) -> np.ndarray:
    return np.array([[_row(risk) for risk in one.risks] for one in found])


def _differences(problem: Problem, one: Judged, today: Judged) -> list[tuple[float, ...]]:
    rows = []
    for need in problem.requirements:
        name = (need.scenario, need.measure)
        pair = one.outcome.losses[name], today.outcome.losses[name]
        rows.append(_row(risk_difference(need.risk, *pair)))
    return rows


def _row(one: Estimate) -> tuple[float, ...]:
    return tuple(float(getattr(one, name)) for name in STATISTICS)


__all__ = ["STATISTICS", "Values", "build"]
