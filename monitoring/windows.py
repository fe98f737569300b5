"""Choose the reference and the current window, and say when they allow no verdict."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from keepfit.spec import Project

if TYPE_CHECKING:
    from data.examples import Examples


@dataclass(frozen=True, slots=True)
class Window:
    """A span of event time: `since` is included, `until` is not."""

    since: datetime
    until: datetime


@dataclass(frozen=True, slots=True)
class Windows:
    """What is compared: the newest that the champion learned from, and what came last."""

    reference: Window
    current: Window


def choose_windows(project: Project, training_until: datetime, as_of: datetime) -> Windows:
    """Compare the last `current` before as_of with the `reference_span` before the champion's training end.

    The current window never reaches back behind the training end: rows in both windows would hide a
    change. It is empty where as_of does not lie after the training end.
    """
    since = min(max(as_of - project.current, training_until), as_of)
    return Windows(Window(training_until - project.reference_span, training_until), Window(since, as_of))


def no_verdict_because(
    project: Project, windows: Windows, reference: "Examples", current: "Examples"
) -> str | None:
    """Say why these windows allow no verdict, or return None if they do.

    A window is too small below `min_rows`; the current one is long past when its newest prediction is
    older than half of `project.current`.
    """
    as_of = windows.current.until
    if windows.reference.until >= as_of:
        learned = f"the champion learned from data until {windows.reference.until:%F %R}"
        return f"cannot say: {learned}, which is not before {as_of:%F %R}"
    for name, window, examples in (
        ("reference", windows.reference, reference),
        ("current", windows.current, current),
    ):
        if len(examples) < project.min_rows:
            return (
                f"cannot say: the {name} window from {window.since:%F %R} to {window.until:%F %R} has "
                f"{len(examples)} predictions, and min_rows asks for {project.min_rows}"
            )
    newest: datetime = current.facts["predicted_at"].max()
    if as_of - newest > project.current / 2:
        return (
            f"cannot say: the newest prediction is of {newest:%F %R}, {(as_of - newest).days} days before "
            f"{as_of:%F %R}; see whether callers still reach the service and its journal is collected"
        )
    return None
