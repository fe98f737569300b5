"""The command line: bin/keepfit up | down | status | check | import | retrain | rollback | serve | demo.

Nothing heavy is imported before a command needs it, so that --help answers at once.
"""

import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from keepfit.errors import KeepfitError
from keepfit.loading import DEFAULT

app = typer.Typer(
    name="keepfit",
    help="Keep a deployed model fit: serve, capture, label, watch, retrain, prove, swap.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ProjectOption = Annotated[
    str,
    typer.Option("--project", "-p", help="A file, a folder or an import path, with :attribute if need be."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")]
AsOfOption = Annotated[
    datetime | None,
    typer.Option(
        "--as-of",
        help="Use what was known at this time (UTC unless it has an offset).",
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"],
    ),
]


@app.command()
def up(project: ProjectOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Start every process, and stay until Ctrl-C."""
    from control.commands import up as run

    run(project, as_json=as_json)


@app.command()
def down(as_json: JsonOption = False) -> None:
    """End what `up` started on this home."""
    from control.commands import down as run

    _answer(run(), as_json)


@app.command()
def status(project: ProjectOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Say who is champion and why, what every worker serves, and what was decided last."""
    from control.commands import status as run

    _answer(run(project), as_json)


@app.command()
def check(project: ProjectOption = DEFAULT, as_json: JsonOption = False) -> None:
    """Try a project before it meets production."""
    from control.commands import check as run

    told = run(project)
    _answer(told, as_json)
    if not told.ok:
        raise typer.Exit(1)


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(help="History as CSV, Parquet or JSON lines.")],
    project: ProjectOption = DEFAULT,
    as_json: JsonOption = False,
) -> None:
    """Take in a file of history, as it was known at its own times."""
    from control.commands import import_history as run

    _answer(run(project, file), as_json)


@app.command()
def retrain(
    project: ProjectOption = DEFAULT,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")] = "by hand",
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Train a challenger now, and swap it in if it is better (needs `up`)."""
    from control.commands import retrain as run

    _answer(run(project, reason, as_of), as_json)


@app.command()
def rollback(
    project: ProjectOption = DEFAULT,
    to: Annotated[int | None, typer.Option("--to", help="The version; by default the one before.")] = None,
    reason: Annotated[str, typer.Option(help="Why, for the ledger.")] = "by hand",
    as_json: JsonOption = False,
) -> None:
    """Make an earlier version champion again (needs `up`)."""
    from control.commands import rollback as run

    told = run(project, to, reason)
    _answer(told, as_json)
    if not told.ok:
        raise typer.Exit(1)


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
def demo(
    exit_: Annotated[bool, typer.Option("--exit", help="End when it is over.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Turn the loop on real flights: January as history, then six weeks over HTTP in event time."""
    from control.demo import run

    run(stay=not exit_, as_json=as_json)


def _answer(told: Any, as_json: bool) -> None:  # noqa: ANN401 - whatever says itself in both ways
    if as_json:
        typer.echo(json.dumps(told.json(), indent=2, default=str))
    else:
        typer.echo(told.text())


def main() -> None:
    """Run the command line; a refusal is a sentence on standard error, and exit code 1."""
    try:
        app(prog_name="bin/keepfit")
    except KeepfitError as refusal:
        typer.echo(f"keepfit: {refusal}", err=True)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


if __name__ == "__main__":
    main()
