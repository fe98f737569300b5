"""News: a notice becomes an event, which the automation that `bin/keepfit notify` makes sends on.

What sends it is Prefect's server, so no flow waits for a receiver, and one that is away fails none.
"""

import logging
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import msgspec
from prefect.events import emit_event

from data.durable import replace_file
from data.holds import SourceFound
from data.records import now
from monitoring.notices import MEMORY, NOTICE, Notice, is_recent, of_watch, standing
from monitoring.reports import Judged
from tasks.loop import Loop

_log = logging.getLogger(__name__)

_STANDING = "standing.json"


def tell(loop: Loop, notice: Notice | None, as_of: datetime) -> None:
    """Tell whoever wants to be told; nobody of what was known more than a day ago."""
    if notice is None or not is_recent(as_of, now()):
        return
    about = {"prefect.resource.id": f"keepfit.project.{loop.name}", "prefect.resource.name": loop.name}
    # Only strings: a template keeps the payload's type.
    payload = {"subject": notice.subject, "body": notice.body(loop.settings.console_url)}
    emit_event(NOTICE, resource=about, payload=payload)
    _log.info("told whoever wants to be told: %s", notice.subject)


def news_of_watch(judged: Judged, sources: Sequence[SourceFound], folder: Path) -> Notice | None:
    """Find what a watch should tell that those before it did not; the same watch run again tells nothing.

    What stands is remembered in the folder of its report.
    """
    kept = folder / _STANDING
    if kept.exists() or not is_recent(judged.as_of, now()):
        return None
    others = sorted(folder.parent.glob(f"*/{_STANDING}"), key=lambda path: path.parent.name, reverse=True)
    if others and others[0].parent.name > folder.name:
        return None  # a look back: what came after it was told already
    found = standing(judged, sources)
    # Before it is told: whoever dies between the two tells too little, and a failed run is told of itself.
    replace_file(kept, msgspec.json.encode(sorted(found)))
    before = [_read(path) for path in others[:MEMORY]]
    return of_watch(judged.project, found, before, f"/reports/{folder.name}")


def link(loop: Loop, words: str, path: str) -> str:
    """Write a link to a page of the console for Markdown; `path` is ours, and holds nothing that it reads."""
    return f"[{words}]({loop.settings.console_url}{path})"


def _read(path: Path) -> list[str]:
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[str])
    except (OSError, msgspec.MsgspecError):
        return []
