"""Does an estimator fit the paths, the scenarios and the events of its campaign?"""

import numpy as np

from stress.batches import PAIR_BATCHES
from stress.campaign import Plan, path_function
from stress.errors import InputError
from stress.events import RareEvent, rare_events
from stress.scenarios.student_t import StudentT


def check_estimator(plan: Plan) -> tuple[RareEvent, ...]:
    """The events of a campaign, once its estimator fits its paths, scenarios and events.

    Errors:
      InputError naming the key that does not fit.
    """
    spec, file = plan.campaign.spec, plan.campaign.file
    events, settings = tuple(rare_events(plan.campaign)), spec.estimator
    if settings.method == "sobol":
        points = spec.paths / settings.replicates
        if points < 2 or not float(points).is_integer() or int(points) & (int(points) - 1):
            near = settings.replicates * 2 ** max(1, round(np.log2(max(points, 2))))
            allowed = f"{settings.replicates} scramblings times a power of two, such as {near:,}"
            raise InputError(file, "paths", f"{spec.paths:,} Sobol points", allowed)
    if settings.method == "antithetic" and spec.paths % (2 * PAIR_BATCHES):
        allowed = f"a multiple of {2 * PAIR_BATCHES}"
        raise InputError(file, "paths", f"{spec.paths:,} mirrored paths", allowed)
    if settings.method == "radial":
        for name in plan.scenarios:
            process = plan.scenarios[name][0].process
            if not (isinstance(process, StudentT) and process.radius_per_path):
                found = f"radial with the prices of the scenario {name}"
                allowed = "scenarios of the process student_t with `radius: path`"
                raise InputError(file, "estimator.method", found, allowed)
    if settings.monitoring == "continuous":
        _check_continuous(plan, events)
    if spec.feedback and (settings.reaches or settings.cross_check):
        for event in events:
            if event.account:  # played alone it would move no price
                found = f"an account, with feedback and the estimator {settings.method}"
                allowed = "a measure of the book, or a method of the campaign's own paths"
                raise InputError(file, f"events.{event.name}.account", found, allowed)
    return events


def _check_continuous(plan: Plan, events: tuple[RareEvent, ...]) -> None:
    spec, file, key = plan.campaign.spec, plan.campaign.file, "estimator.monitoring"
    if not any(event.account for event in events):
        raise InputError(file, key, "continuous without an event of an account", "step, or one")
    if spec.feedback:
        raise InputError(file, key, "continuous with feedback", "step")
    method = spec.estimator.method
    if method in ("line", "radial", "splitting"):
        raise InputError(file, key, f"continuous by {method}", "plain, tilt, tilt_sobol or auto")
    for name in plan.scenarios:
        if not path_function(plan, name).brownian:
            found = f"continuous with the prices or the oracle of the scenario {name}"
            allowed = "step, or the process gbm or student_t with a live oracle"
            raise InputError(file, key, found, allowed)
