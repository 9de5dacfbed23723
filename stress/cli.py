"""The command `hyperstress`: what people type, and the exit codes.

0 fine; 1 a check failed; 2 bad input; 3 the environment is unusable; 130 interrupted. Heavy
packages are imported inside the commands, so that `--help` is quick.
"""

import gc
import json
import signal
import sys
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from stress.cli_book import book_app, venue_app
from stress.cli_decide import decide_app
from stress.cli_options import Format, Setting, checked_format
from stress.environment import prepare_environment
from stress.errors import EnvironmentUnusable, InputError

GARBAGE = 50_000  # new objects before Python looks for cycles; tracing makes millions that stay

app = typer.Typer(
    help="Monte Carlo stress tests of portfolio margin: who is liquidated, how likely, how sure.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(book_app, name="book")
app.add_typer(venue_app, name="venue")


@app.command()
def run(
    campaign: Annotated[str, typer.Argument(help="campaign file, or a shipped campaigns/<name>")],
    out: Annotated[Path | None, typer.Option(help="run directory [runs/<name>-<time>]")] = None,
    paths: Annotated[int | None, typer.Option(help="paths instead of the file's")] = None,
    settings: Setting = None,
    threads: Annotated[int | None, typer.Option(help="of this process [cores]")] = None,
    devices: Annotated[
        str | None, typer.Option(help="of this process [all GPUs, or the CPU]", metavar="N|all")
    ] = None,
    workers: Annotated[int | None, typer.Option(help="processes of this machine")] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="dask scheduler whose workers compute", metavar="tcp://HOST:PORT"),
    ] = None,
    store: Annotated[
        str | None, typer.Option(help="folder or URL of the blocks [DIR/blocks.zarr]")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in --out")] = False,
    no_report: Annotated[bool, typer.Option("--no-report", help="leave the report out")] = False,
    models: Annotated[
        str | None,
        typer.Option(help="price models to run every scenario under", metavar="gbm,t,garch,..."),
    ] = None,
    candles: Annotated[
        Path | None, typer.Option(help="folder of <COIN>_1h candles, for bootstrap, fhs, replay")
    ] = None,
    venue: Annotated[str | None, typer.Option(help="rule book [the campaign's]")] = None,
    against: Annotated[
        str | None, typer.Option(help="rule book before it: compare the two, paired")
    ] = None,
) -> None:
    """Run a stress campaign: progress, summary, run directory, report."""
    from stress.commands.compute import Where
    from stress.commands.run import run_command

    changes = list(settings or [])
    rules = {"venue": venue, "against": against}
    changes += [f"{key}={json.dumps(name)}" for key, name in rules.items() if name is not None]
    if paths is not None:
        changes.append(f"paths={paths}")
    chosen = models.split(",") if models else None
    where = Where(
        threads=threads, devices=devices, workers=workers, scheduler=scheduler, store=store
    )
    run_command(campaign, out, changes, where, resume, not no_report, chosen, candles)


@app.command()
def margin(
    book: Annotated[str, typer.Argument(help="book file or shipped books/<name>")],
    venue: Annotated[str | None, typer.Option(help="rule book [the book's]")] = None,
    price: Annotated[
        list[str] | None, typer.Option(help="another price, may be repeated", metavar="COIN=PX")
    ] = None,
    against: Annotated[
        str | None, typer.Option(help="rules in force: who becomes liquidatable by --venue itself")
    ] = None,
    format: Format = "table",
) -> None:
    """Margin state of every account now, and against the venue's own figures.

    With --against: a change of rules at today's prices, at once and in pieces; exit code 1 where
    it makes an account liquidatable.
    """
    if against is not None:
        from stress.commands.margin_change import margin_change_command

        margin_change_command(book, venue, against, list(price or []), checked_format(format))
        return
    from stress.commands.margin import margin_command

    margin_command(book, venue, list(price or []), checked_format(format))


app.add_typer(decide_app)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="run directory")],
    out: Annotated[Path | None, typer.Option(help="HTML file [DIR/report.html]")] = None,
) -> None:
    """Write the report of a finished run again."""
    from stress.commands.report import report_command

    report_command(folder, out)


@app.command()
def calibrate(
    candles: Annotated[
        Path, typer.Option(help="folder of <COIN>_1h.csv.gz, .csv, .parquet or .json")
    ],
    out: Annotated[Path, typer.Option(help="folder, or FILE.yaml for the scenario")],
    utilization: Annotated[
        Path | None, typer.Option(help="csv.gz of lending pools; without it prices alone")
    ] = None,
    assets: Annotated[
        str | None, typer.Option(help="coins [all of the folder]", metavar="BTC,ETH,...")
    ] = None,
) -> None:
    """Fit price processes and lending pools to recorded data; standard errors and fit tests."""
    prepare_environment()
    from stress.calibrate import calibrate as fit

    typer.echo(fit(candles, utilization, out, assets=assets.split(",") if assets else None))


@app.command()
def backtest(
    candles: Annotated[
        Path, typer.Option(help="folder of <COIN>_1h.csv.gz, .csv, .parquet or .json")
    ],
    out: Annotated[Path, typer.Option(help="folder for backtest.json, .csv and figures")],
    assets: Annotated[
        str | None, typer.Option(help="coins [all of the folder]", metavar="BTC,ETH,...")
    ] = None,
    models: Annotated[
        str, typer.Option(help="price models", metavar="NAMES")
    ] = "gbm,student_t,garch,fhs,bootstrap",
    horizons: Annotated[str, typer.Option(help="1h or whole days", metavar="1h,24h,7d")] = (
        "1h,24h,7d"
    ),
    window: Annotated[str, typer.Option(help="what an estimate looks back")] = "365d",
    book: Annotated[
        str | None, typer.Option(help="book whose net exposure is the portfolio [equal parts]")
    ] = None,
    seed: Annotated[int, typer.Option(help="of the simulations", min=0)] = 0,
    workers: Annotated[int | None, typer.Option(help="threads [cores]", min=1)] = None,
) -> None:
    """Score price models on recorded prices they did not see."""
    prepare_environment()
    from stress.commands.backtest import backtest_command

    chosen = assets.split(",") if assets else None
    lists = models.split(","), horizons.split(",")
    backtest_command(candles, chosen, *lists, window, book, out, seed, workers)


@app.command()
def schema(
    kind: Annotated[
        str, typer.Argument(help="campaign, scenario, book, population, tuning or venue")
    ],
) -> None:
    """Print the JSON Schema of a file kind; editors complete from it."""
    from stress.commands.schema import schema_command

    schema_command(kind)


@app.command()
def validate(
    quick: Annotated[bool, typer.Option("--quick", help="what fits into a minute")] = False,
    format: Format = "table",
    out: Annotated[Path | None, typer.Option(help="JSON file besides")] = None,
) -> None:
    """Every value known without simulation against the simulator; exit code 1 if one fails."""
    from stress.commands.validate import validate_command

    validate_command(quick, checked_format(format), out)


@app.command()
def doctor() -> None:
    """Versions, devices and a self-test of the numerics on this machine."""
    from stress.commands.doctor import doctor_command

    doctor_command()


def main() -> None:
    """Entry point: runs a command and leaves with its exit code.

    A request to terminate, as schedulers of batch jobs send it, is an interruption.
    """
    prepare_environment()
    gc.set_threshold(GARBAGE)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        code = app(standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except InputError as error:
        _complain(str(error), 2)
    except EnvironmentUnusable as error:
        _complain(str(error), 3)
    except (KeyboardInterrupt, typer.Abort):
        _complain("interrupted.", 130)
    except typer.Exit as error:
        sys.exit(error.exit_code)
    except TyperException as error:
        sentence = getattr(error, "format_message", lambda: str(error))().rstrip(".")
        if not sentence:  # no command was given; the help has been printed
            sys.exit(2)
        _complain(f"{sentence}. See --help.", 2)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)


def _complain(sentence: str, code: int) -> None:
    print(f"hyperstress: {sentence}", file=sys.stderr)
    sys.exit(code)
