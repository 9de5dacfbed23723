"""The whole suite, in the order of what it takes to run."""

from collections.abc import Callable, Iterator

from stress.validate.accounts import account_checks
from stress.validate.check import Check, Checks
from stress.validate.processes import process_checks
from stress.validate.rules import rule_checks
from stress.validate.samplers import sampler_checks

GROUPS: dict[str, Callable[[bool], Checks]] = {
    "rules": lambda quick: rule_checks(),
    "samplers": sampler_checks,
    "accounts": account_checks,
    "processes": process_checks,
}


def checks(quick: bool, groups: tuple[str, ...] = ()) -> Iterator[Check]:
    """Runs the checks one by one.

    Args:
      quick: those that fit into a minute on two cores; else all, within ten.
      groups: of GROUPS; none: all.

    Returns:
      Checks as they are done.
    """
    for name, run in GROUPS.items():
        if not groups or name in groups:
            yield from run(quick)
