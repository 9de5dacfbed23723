"""`hyperstress doctor`: is this machine fit to compute on?"""

from stress.commands.tables import show_table
from stress.errors import EnvironmentUnusable


def doctor_command() -> None:
    """Prints versions, machine, devices and canaries; exit code 3 where one fails."""
    from stress.doctor import report
    from stress.engine_canary import engine_canary
    from stress.environment import check_versions

    rows = report(engine_canary)
    verdict = {True: "ok", False: "WRONG", None: ""}
    show_table(
        "hyperstress doctor",
        ["section", "name", "value", ""],
        [[r.section, r.name, r.value, verdict[r.passed]] for r in rows],
    )
    check_versions()
    wrong = [row.name for row in rows if row.passed is False]
    if wrong:
        raise EnvironmentUnusable(f"wrong numbers: {', '.join(wrong)}.")
