"""A tuning problem, checked: the campaign, what may change, and what has to hold."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from stress.campaign import Plan, plan
from stress.config import Campaign, find, load_campaign
from stress.decide.tuning.bounds import FEWEST_TAIL_LOSSES, Risk
from stress.decide.tuning.candidate import Change, today_of
from stress.decide.tuning.tuning_schema import OF_CASCADES, TuningFile, Variable
from stress.errors import InputError
from stress.files import canonical_digest, read_yaml, suggest, validate

OF_TOKENS = ("ltv", "user_supply_cap", "global_supply_cap")  # the others are of quote tokens
DIGITS = 12  # to which a multiple of a step is rounded
MOST_VALUES = 100_000  # of one variable
Values = tuple[float, ...]  # a candidate: a value per variable, in the order of the file


@dataclass(frozen=True, kw_only=True)
class Requirement:
    """A constraint under one scenario."""

    name: str  # of the constraint, with the scenario where there are several
    constraint: str
    scenario: str
    measure: str
    risk: Risk
    at_most: float


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A variable with the values it may take, ascending."""

    name: str
    change: Change  # which figure of the rule book
    values: Float[np.ndarray, "n"]
    today: float
    largest_step: float | None
    unit: str


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is to be decided."""

    file: Path
    spec: TuningFile
    campaign: Campaign
    plan: Plan
    axes: tuple[Axis, ...]
    requirements: tuple[Requirement, ...]
    fresh_seed: int
    fresh_paths: int
    digest: str  # SHA-256 of everything that a candidate's losses depend on

    @property
    def today(self) -> Values:
        """The figures in force."""
        return tuple(axis.today for axis in self.axes)


def load_problem(path: str | Path, paths: int | None = None) -> Problem:
    """Reads and checks a tuning file.

    Args:
      path: the file; shipped ones may be named `tuning/<name>`.
      paths: of the search instead of the campaign's.

    Returns:
      The problem, its campaign built.

    Errors:
      InputError for whatever cannot be used.
    """
    file = find(path, Path(), "tuning", None, "")
    spec = validate(TuningFile, read_yaml(file), file)
    return problem_of(spec, file, paths)


def problem_of(spec: TuningFile, file: Path, paths: int | None = None) -> Problem:
    """A problem from the content of its file; arguments and errors as `load_problem`."""
    place = find(spec.campaign, file.parent, "campaigns", file, "campaign")
    changes = [f"{key}={_text(value)}" for key, value in spec.set.items()]
    changes += [] if paths is None else [f"paths={paths}"]
    campaign = load_campaign(place, changes)
    if campaign.spec.estimator.method != "plain":
        found = f"a campaign with the estimator {campaign.spec.estimator.method}"
        raise InputError(file, "campaign", found, "plain: its paths are independent")
    made = plan(campaign)
    axes = tuple(_axis(name, v, made, spec, file) for name, v in spec.variables.items())
    pairs = [axis.change for axis in axes]
    for n, pair in enumerate(pairs):
        if pair in pairs[:n]:
            twice = f"{pair.of} of {pair.token} twice"
            raise InputError(file, f"variables.{axes[n].name}", twice, "every figure once")
    _check_search(spec, file)
    seed = campaign.spec.seed + 1 if spec.fresh.seed is None else spec.fresh.seed
    if seed == campaign.spec.seed:
        allowed = "a seed that the search has not seen"
        raise InputError(file, "fresh.seed", f"{seed}, the campaign's own", allowed)
    again = spec.fresh.paths or campaign.spec.paths
    return Problem(
        file=file,
        spec=spec,
        campaign=campaign,
        plan=made,
        axes=axes,
        requirements=_requirements(spec, campaign, min(again, campaign.spec.paths), file),
        fresh_seed=seed,
        fresh_paths=again,
        digest=canonical_digest(
            {
                "campaign": campaign.digest,
                "response": spec.borrower_response,
                "variables": [(a.name, a.change.of, a.change.token) for a in axes],
            }
        ),
    )


def _text(value: object) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return str(value)


def _axis(name: str, variable: Variable, made: Plan, spec: TuningFile, file: Path) -> Axis:
    """A variable on the axes of the rule book."""
    venue, key = made.inputs.venue, f"variables.{name}"
    known = venue.tokens if variable.of in OF_TOKENS else venue.quotes
    if variable.token not in known:
        allowed = suggest(variable.token, known)
        raise InputError(file, f"{key}.token", repr(variable.token), allowed)
    if variable.of == "global_supply_cap" and spec.borrower_response != "cap_filling":
        found = f"a global supply cap, with borrower_response {spec.borrower_response}"
        raise InputError(file, key, found, "cap_filling: without it nothing grows to a cap")
    values = _values(variable, file, key)
    most = {"ltv": 1.0, "kink": 1.0}.get(variable.of, np.inf)
    if not values[-1] < most:
        raise InputError(file, key, f"{values[-1]:g}", f"values below {most:g}")
    if values[0] <= 0:
        raise InputError(file, key, f"{values[0]:g}", "values above 0")
    change = Change(of=variable.of, token=variable.token)
    today = today_of(venue, change)
    if not np.isfinite(today):
        found = f"no {variable.of.replace('_', ' ')} of {variable.token} in force"
        raise InputError(file, key, found, "a figure that the rule book states")
    rates = {"ltv": "1", "kink": "1", "slope": "1/year"}
    return Axis(
        name=name,
        change=change,
        values=values,
        today=today,
        largest_step=variable.largest_step,
        unit=rates.get(variable.of, variable.token),
    )


def _values(variable: Variable, file: Path, key: str) -> Float[np.ndarray, "n"]:
    """Values of a variable, ascending; those of a step are its multiples.

    So a wider range holds the values of a narrower one.
    """
    if variable.values is not None:
        found = np.unique(np.array(variable.values))
        if len(found) < len(variable.values):
            raise InputError(file, f"{key}.values", "a value twice", "every value once")
        return found
    low, high, step = (float(x or 0.0) for x in (variable.low, variable.high, variable.step))
    if low > high:
        raise InputError(file, f"{key}.low", f"{low:g} above high {high:g}", "low up to high")
    first, last = (int(f(x / step)) for f, x in ((_up, low), (_down, high)))
    if last < first:
        found = f"no multiple of {step:g} in [{low:g}, {high:g}]"
        raise InputError(file, f"{key}.step", found, "a step with a multiple in the range")
    if last - first >= MOST_VALUES:
        found = f"{last - first + 1:,} values"
        raise InputError(file, f"{key}.step", found, f"at most {MOST_VALUES:,}")
    return np.round(np.arange(first, last + 1) * step, DIGITS)


def _up(x: float) -> float:
    return np.ceil(x - 1e-9)


def _down(x: float) -> float:
    return np.floor(x + 1e-9)


def _check_search(spec: TuningFile, file: Path) -> None:
    along, search = spec.search.along, spec.search
    if along is not None and search.method != "bisection":
        raise InputError(file, "search.along", f"along with {search.method}", "bisection")
    if along is not None and along not in spec.variables:
        raise InputError(file, "search.along", repr(along), suggest(along, list(spec.variables)))
    if search.method == "bisection" and along is None and len(spec.variables) > 1:
        allowed = f"one of {', '.join(spec.variables)}"
        raise InputError(file, "search.along", "nothing, with several variables", allowed)


def _requirements(
    spec: TuningFile, campaign: Campaign, paths: int, file: Path
) -> tuple[Requirement, ...]:
    """Every constraint under every scenario it is meant for."""
    result = []
    for name, one in spec.constraints.items():
        key = f"constraints.{name}"
        if one.measure in OF_CASCADES and not campaign.spec.feedback:
            found = f"{one.measure!r}, with a campaign without feedback"
            raise InputError(file, f"{key}.measure", found, "a measure of frozen books")
        if one.scenario is not None and one.scenario not in campaign.scenarios:
            allowed = suggest(one.scenario, list(campaign.scenarios))
            raise InputError(file, f"{key}.scenario", repr(one.scenario), allowed)
        if one.kind == "expected_shortfall":
            least = int(np.ceil(FEWEST_TAIL_LOSSES / (1 - one.level) * (1 - 1e-9)))
            if paths < least:
                allowed = f"at least {least:,} for the worst {1 - one.level:.3g} of them"
                raise InputError(file, key, f"{paths:,} paths", allowed)
        for scenario in campaign.scenarios if one.scenario is None else [one.scenario]:
            several = one.scenario is None and len(campaign.scenarios) > 1
            result.append(
                Requirement(
                    name=f"{name}/{scenario}" if several else name,
                    constraint=name,
                    scenario=scenario,
                    measure=one.measure,
                    risk=Risk(kind=one.kind, above=one.above, level=one.level),
                    at_most=one.at_most,
                )
            )
    return tuple(result)
