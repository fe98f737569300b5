"""What `bin/keepfit status` says: the console's glance in a terminal, and what is up on this home."""

import dataclasses
from typing import Any

import msgspec

from control.answers import Answer
from control.auditing import head_told
from control.running import Running, as_up, running
from data.audit import head
from data.records import now
from keepfit.loading import absolute, load_project
from keepfit.settings import Settings
from monitoring.console.reading.sources import Sources
from monitoring.console.views.glance import Glance, look


def status(where: str) -> Answer:
    """Say what is going on, from the store, the workers' own status files, and Prefect where it answers."""
    settings = as_up(Settings.from_env())
    name = load_project(absolute(where)).name
    stack = running(settings)
    if stack is not None and stack.name != name:
        stack = None  # what is up here serves another project
    sources = Sources(settings, name)
    seen = look(sources, now())
    with sources.store.reading() as connection:
        audited = head(connection)
    sources.close()
    state = f"not up: bin/keepfit up -p {where}" if stack is None else "up" if stack.ready else "starting"
    addresses = [f"{address.name}: {address.url}" for address in (stack.addresses if stack else ())]
    noted = f"entries in the audit log: {audited.entries}, the head is {audited.hash}"
    lines = [f"{name}: {state}", *seen.lines(), noted, *addresses]
    return Answer(lines, {**_told(seen, stack), "audit": head_told(audited)})


def _told(seen: Glance, stack: Running | None) -> dict[str, Any]:
    """Say it to a program: times as RFC 3339 has them, a number that is none as null."""
    told = {
        "project": seen.project,
        "at": seen.at,
        "up": stack is not None,
        "headline": seen.headline,
        "concerns": seen.concerns,
        "champion": seen.champion,
        "workers": seen.workers,
        "watch": seen.watch,
        "decisions": [{"key": kept.key, **_fields(kept.decision)} for kept in seen.decisions],
        "runs": seen.last.runs,
        "prefect_away": seen.last.away,
        "quarantine": seen.waiting,
        "quarantine_reasons": [{"reason": reason, "rows": rows} for reason, rows in seen.reasons],
        "held": [{**_fields(hold), "labels": labels} for hold, labels in seen.held],
        "addresses": stack.addresses if stack else (),
    }
    return msgspec.json.decode(msgspec.json.encode(told))


def _fields(decision: Any) -> dict[str, Any]:  # noqa: ANN401 - any dataclass
    return {field.name: getattr(decision, field.name) for field in dataclasses.fields(decision)}
