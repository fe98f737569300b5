"""bin/keepfit release: the labels of a source that is held count again."""

import json
from datetime import UTC, datetime
from typing import Annotated

import typer

from control.answers import Answer
from keepfit.loading import DEFAULT, absolute


def release(
    source: Annotated[
        str, typer.Argument(help="Whose labels, as `status` names it: http:KEY, http or files.")
    ],
    project: Annotated[
        str, typer.Option("--project", "-p", help="A file, a folder or an import path.")
    ] = DEFAULT,
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")] = "by hand",
    as_of: Annotated[
        datetime | None, typer.Option("--as-of", help="Who looks as of this time or later sees them (UTC).")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Answer in JSON on standard output.")] = False,
) -> None:
    """Let the labels of a source that is held count again."""
    at = as_of.replace(tzinfo=UTC) if as_of is not None else None
    told = released(project, source, reason, at)
    typer.echo(json.dumps(told.json(), indent=2) if as_json else told.text())


def released(where: str, source: str, reason: str, as_of: datetime | None) -> Answer:
    """Release a source for every as_of from now on, or from a time on."""
    from data.records import now
    from tasks.loop import open_loop

    loop = open_loop(absolute(where))
    at = as_of or now()
    waited = sum(count for hold, count in loop.holds.waiting(at) if hold.source == source)
    loop.holds.release(source, at, reason)
    line = f"labels of {source} count again ({waited} waited): the next retrain learns from them"
    return Answer([line], {"source": source, "waited": waited})
