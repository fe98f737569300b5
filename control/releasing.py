"""bin/keepfit release: the labels of a source that is held count again."""

from datetime import datetime
from typing import Annotated

import typer

from control.answers import Answer
from control.options import AsOfOption, JsonOption, ProjectOption, ReasonOption, answer
from keepfit.loading import DEFAULT, absolute


def release(
    source: Annotated[
        str, typer.Argument(help="Whose labels, as `status` names it: http:KEY, http or files.")
    ],
    project: ProjectOption = DEFAULT,
    reason: ReasonOption = "by hand",
    as_of: AsOfOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let the labels of a source that is held count again."""
    answer(released(project, source, reason, as_of), as_json)


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
