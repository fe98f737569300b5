"""The options that commands share, and how a command answers."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

ProjectOption = Annotated[
    str,
    typer.Option("--project", "-p", help="A file, a folder or an import path, with :attribute if need be."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")]
ReasonOption = Annotated[str, typer.Option(help="Why, for the ledger and the audit log.")]
HistoryArgument = Annotated[Path, typer.Argument(help="History as CSV, Parquet or JSON lines.")]

_TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]


def _aware(given: datetime | None) -> datetime | None:
    return given.replace(tzinfo=UTC) if given is not None and given.tzinfo is None else given


def _time(name: str, help_: str) -> Any:  # noqa: ANN401 - typer's own
    return typer.Option(name, help=f"{help_} (UTC unless it has an offset).", formats=_TIMES, callback=_aware)


AsOfOption = Annotated[datetime | None, _time("--as-of", "Use what was known at this time")]
FromOption = Annotated[datetime | None, _time("--from", "Only rows from this time on")]
UntilOption = Annotated[datetime | None, _time("--until", "Only rows before this time")]


def begin(doing: str) -> None:
    """Say at once what takes seconds to begin, for the libraries that it imports."""
    typer.echo(f"{doing} ...", err=True)


def answer(told: Any, as_json: bool) -> None:  # noqa: ANN401 - whatever says itself in both ways
    """Print what a command has to say; end with 1 where it says that something is not in order."""
    typer.echo(json.dumps(told.json(), indent=2, default=str) if as_json else told.text())
    if not getattr(told, "ok", True):
        raise typer.Exit(1)
