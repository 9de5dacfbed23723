"""The commands that decide: tune, reverse, sensitivity, rates."""

from pathlib import Path
from typing import Annotated

import typer

from stress.cli_options import Setting

decide_app = typer.Typer()


@decide_app.command()
def tune(
    tuning: Annotated[str, typer.Argument(help="tuning file, or a shipped tuning/<name>")],
    out: Annotated[Path | None, typer.Option(help="run directory [runs/<name>-<time>]")] = None,
    paths: Annotated[int | None, typer.Option(help="of the search instead of the file's")] = None,
    threads: Annotated[int | None, typer.Option(help="of this process [cores]")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in --out")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="leave the memo out")] = False,
) -> None:
    """Find the LTVs, caps and rate curve that lend most within limits on losses; a memo."""
    from stress.commands.tune import tune_command

    tune_command(tuning, out, paths, threads, resume, not no_report)


@decide_app.command()
def reverse(
    campaign: Annotated[str, typer.Argument(help="campaign file, or a shipped campaigns/<name>")],
    metric: Annotated[
        str, typer.Option(help="loss: bad_debt, equity_loss, liquidated_debt, ...", metavar="ID")
    ],
    at_least: Annotated[
        str, typer.Option(help="USDC, or a share of the book such as 5%", metavar="X")
    ],
    scenario: Annotated[str | None, typer.Option(help="of the campaign [its first]")] = None,
    factors: Annotated[
        str | None,
        typer.Option(
            help="that may move [all]", metavar="prices,basis,depth,utilization,oracle_lag"
        ),
    ] = None,
    answers: Annotated[int, typer.Option(help="worlds at most", min=1, max=10)] = 3,
    polish: Annotated[
        int, typer.Option(help="rounds without gradients, each answer", min=0, max=1000)
    ] = 24,
    out: Annotated[Path | None, typer.Option(help="folder [runs/<name>-reverse-<time>]")] = None,
    settings: Setting = None,
) -> None:
    """The most plausible worlds in which the book loses a given amount; each can be replayed."""
    from stress.commands.reverse import reverse_command

    kinds = factors.split(",") if factors else []
    reverse_command(
        campaign, metric, at_least, scenario, kinds, answers, polish, out, list(settings or [])
    )


@decide_app.command()
def sensitivity(
    campaign: Annotated[str, typer.Argument(help="campaign file with a section sensitivity")],
    out: Annotated[Path | None, typer.Option(help="run directory [runs/<name>-<time>]")] = None,
    paths: Annotated[int | None, typer.Option(help="paths instead of the file's")] = None,
    settings: Setting = None,
    threads: Annotated[int | None, typer.Option(help="of this process [cores]", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in --out")] = False,
) -> None:
    """Which assumption matters: Sobol indices, a tornado, and who makes up the tail."""
    from stress.commands.sensitivity import sensitivity_command

    changes = [*(settings or []), *([] if paths is None else [f"paths={paths}"])]
    sensitivity_command(campaign, out, changes, threads, resume)


@decide_app.command()
def rates(
    campaign: Annotated[str, typer.Argument(help="campaign file, or a shipped campaigns/<name>")],
    out: Annotated[Path | None, typer.Option(help="run directory [runs/<name>-<time>]")] = None,
    paths: Annotated[int | None, typer.Option(help="paths instead of the file's")] = None,
    settings: Setting = None,
    threads: Annotated[int | None, typer.Option(help="of this process [cores]", min=1)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in --out")] = False,
) -> None:
    """Rate greeks: time to liquidation at held utilization, dP(liquidation)/d utilization."""
    from stress.commands.rates import rates_command

    changes = [*(settings or []), *([] if paths is None else [f"paths={paths}"])]
    rates_command(campaign, out, changes, threads, resume)
