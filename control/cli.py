"""The command line: bin/keepfit new | check | up | import | retrain | status | down, and the others.

Nothing heavy is imported before a command needs it, so that --help answers at once.
"""

import sys
from pathlib import Path
from typing import Annotated

import typer

from control import access, auditing, judging, measuring, notifying, releasing
from control.options import (
    AsOfOption,
    FromOption,
    HistoryArgument,
    JsonOption,
    ProjectOption,
    ReasonOption,
    UntilOption,
    answer,
    begin,
)
from keepfit.errors import NO_ROOM, KeepfitError
from keepfit.loading import DEFAULT

app = typer.Typer(
    name="keepfit",
    help="Keep a deployed model fit: serve, capture, label, watch, retrain, prove, swap.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

app.add_typer(access.app, name="keys")
app.add_typer(notifying.app, name="notify")
app.command()(auditing.audit)
app.command()(releasing.release)
app.command()(judging.drift)
app.command()(measuring.performance)


@app.command()
def new(  # noqa: PLR0913 - each is an option of the command
    file: HistoryArgument,
    target: Annotated[str | None, typer.Option(help="The column to predict; guessed without it.")] = None,
    time: Annotated[str | None, typer.Option(help="The column with the time of a prediction.")] = None,
    label_time: Annotated[str | None, typer.Option(help="The column with the time of the label.")] = None,
    name: Annotated[str | None, typer.Option(help="The project's name; the file's by default.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write it; NAME.py by default.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Look at a file of history and draft a project file, each guess with a comment."""
    begin(f"looking at {file.name}")
    from control.drafting.beginning import Place
    from control.drafting.beginning import new as run
    from control.drafting.roles import Asked

    answer(run(file, Asked(target, time, label_time), Place(name, out)), as_json)


@app.command()
def up(
    project: ProjectOption = DEFAULT,
    replay: Annotated[bool, typer.Option("--replay", help="Let `replay` set the service's clock.")] = False,
    public: Annotated[
        bool, typer.Option("--public", help="Listen beyond this machine, and ask everybody for a key.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Start every process, and stay until Ctrl-C."""
    begin(f"checking {project}")
    from control.commands import up as run

    run(project, as_json=as_json, replay=replay, public=public)


@app.command()
def down(as_json: JsonOption = False) -> None:
    """End what `up` started on this home."""
    from control.commands import down as run

    answer(run(), as_json)


@app.command()
def status(project: ProjectOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Say who is champion and why, what every worker serves, what ran and what was decided last."""
    from control.status import status as run

    answer(run(project), as_json)


@app.command()
def check(project: ProjectOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Try a project before it meets production."""
    begin(f"checking {project}")
    from control.commands import check as run

    answer(run(project), as_json)


@app.command("import")
def import_(
    file: HistoryArgument,
    project: ProjectOption = DEFAULT,
    since: FromOption = None,
    until: UntilOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take in a file of history, or a part of it, as it was known at its own times."""
    begin(f"importing {file.name}")
    from control.commands import import_history as run
    from data.parts import Part

    answer(run(project, file, Part(since, until)), as_json)


@app.command()
def feedback(project: ProjectOption = DEFAULT, as_of: AsOfOption = None, as_json: JsonOption = False) -> None:
    """Take in now what came over HTTP and what lies in the landing folder (needs `up`)."""
    begin(f"collecting for {project}")
    from control.turning import feedback as run

    answer(run(project, as_of), as_json)


@app.command()
def watch(project: ProjectOption = DEFAULT, as_of: AsOfOption = None, as_json: JsonOption = False) -> None:
    """Judge drift and performance now, and ask for a retrain if there is a reason (needs `up`)."""
    begin(f"watching {project}")
    from control.turning import watch as run

    answer(run(project, as_of), as_json)


@app.command()
def retrain(
    project: ProjectOption = DEFAULT,
    reason: ReasonOption = "by hand",
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a challenger now, and swap it in if it is better (needs `up`)."""
    begin(f"retraining {project}")
    from control.turning import retrain as run

    answer(run(project, reason, as_of), as_json)


@app.command()
def rollback(
    project: ProjectOption = DEFAULT,
    to: Annotated[int | None, typer.Option("--to", help="The version; by default the one before.")] = None,
    reason: ReasonOption = "by hand",
    as_json: JsonOption = False,
) -> None:
    """Make an earlier version champion again (needs `up`)."""
    begin(f"rolling back {project}")
    from control.turning import rollback as run

    answer(run(project, to, reason), as_json)


@app.command()
def backup(
    file: Annotated[
        Path | None, typer.Argument(help="Where to; a new file in the home's `backups` by default.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Write the whole store, of all projects, into one file, while everything runs."""
    begin("taking a backup")
    from control.safekeeping import backup as run

    answer(run(file), as_json)


@app.command()
def restore(
    file: Annotated[Path, typer.Argument(help="A file that `backup` wrote.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Also where a store is; it is kept as a backup of its own.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a backup the store again, and take in what came after it (needs `down`)."""
    begin(f"restoring {file.name}")
    from control.safekeeping import restore as run

    answer(run(file, replace=replace), as_json)


@app.command("rotate-key")
def rotate_key(
    finish: Annotated[
        bool, typer.Option("--finish", help="Sign with the next key, and trust the old one no longer.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Make the next key that bundles are signed with; --finish when all servers trust it (needs `up`)."""
    begin("signing anew what was promoted" if finish else "making the next key")
    from control.commands import rotate_key as run

    answer(run(finish=finish), as_json)


@app.command()
def serve(
    project: ProjectOption = DEFAULT,
    port: Annotated[int | None, typer.Option(help="The port; KEEPFIT_SERVING_PORT by default.")] = None,
    workers: Annotated[int | None, typer.Option(min=1, help="Processes; KEEPFIT_WORKERS by default.")] = None,
) -> None:
    """Serve the champion over HTTP, and nothing else."""
    from control.commands import serve as run

    run(project, port, workers)


@app.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Labelled rows as CSV, Parquet or JSON lines.")],
    project: ProjectOption = DEFAULT,
    since: FromOption = None,
    until: UntilOption = None,
    every: Annotated[
        str, typer.Option(help="Event time between two runs of the flows: 14d, 12h, 30m.")
    ] = "14d",
    as_json: JsonOption = False,
) -> None:
    """Drive a labelled file through the running service in event time (needs `up --replay`)."""
    begin(f"reading {file.name}")
    from control.durations import duration
    from control.replay.driver import replay as run

    answer(run(project, file, since, until, duration(every)), as_json)


@app.command()
def demo(
    exit_: Annotated[bool, typer.Option("--exit", help="End when it is over.")] = False,
    full: Annotated[bool, typer.Option("--full", help="Take every flight, not a part of them.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Turn the loop on real flights: January 2013 as history, then the year over HTTP in event time."""
    from control.demo import run

    run(stay=not exit_, as_json=as_json, full=full)


def main() -> None:
    """Run the command line; a refusal is a sentence on standard error, and exit code 1."""
    try:
        app(prog_name="bin/keepfit")
    except KeepfitError as refusal:
        typer.echo(f"keepfit: {refusal}", err=True)
        sys.exit(1)
    except OSError as fault:
        if fault.errno not in NO_ROOM:
            raise
        place = fault.filename or "a file below KEEPFIT_HOME"
        typer.echo(f"keepfit: {place}: {fault.strerror}; free space there and run it again", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
