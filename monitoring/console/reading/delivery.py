"""Whether notices arrive: what Prefect noted of the last that it sent to each receiver."""

from collections.abc import Callable
from typing import Any

import msgspec

from monitoring.notices import NOT_SENT, SENT, automations

_MOST = 50
"""Prefect gives no more events at once."""


class _Action(msgspec.Struct, frozen=True):
    block_document_id: str = ""


class _Automation(msgspec.Struct, frozen=True):
    id: str
    actions: list[_Action] = []


class _Related(msgspec.Struct, frozen=True):
    id: str = msgspec.field(name="prefect.resource.id", default="")
    role: str = msgspec.field(name="prefect.resource.role", default="")
    name: str = msgspec.field(name="prefect.resource.name", default="")


class _Event(msgspec.Struct, frozen=True):
    event: str
    related: list[_Related] = []


class _Page(msgspec.Struct, frozen=True):
    events: list[_Event] = []


def undelivered(ask: Callable[[str, str, Any, object], Any], project: str) -> list[str]:
    """Name each receiver of whose last notice Prefect noted that it did not arrive."""
    named = {"automations": {"name": {"any_": list(automations(project))}}}
    made: list[_Automation] = ask("POST", "/automations/filter", list[_Automation], named)
    told = {f"prefect.block-document.{a.block_document_id}" for each in made for a in each.actions}
    if not told:
        return []
    ids = [f"prefect.automation.{each.id}" for each in made]
    wanted = {"event": {"name": [SENT, NOT_SENT]}, "resource": {"id": ids}}
    page: _Page = ask("POST", "/events/filter", _Page, {"filter": wanted, "limit": _MOST})
    last: dict[str, tuple[str, str]] = {}
    for event in page.events:  # newest first
        for each in event.related:
            if each.role == "block" and each.id in told:  # blocks of two types may have one name
                last.setdefault(each.id, (each.name, event.event))
    return sorted(name for name, became in last.values() if became == NOT_SENT)
