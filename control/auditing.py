"""bin/keepfit audit: the last changes, or whether the log of them is as it was written."""

import re
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from control.answers import Answer
from control.options import JsonOption, answer
from keepfit.errors import StateError
from keepfit.settings import Settings

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from data.audit import Entry, Head


def audit(
    project: Annotated[
        str | None, typer.Option("--project", "-p", help="Only what concerns this project: its name.")
    ] = None,
    last: Annotated[int, typer.Option(min=1, help="How many entries.")] = 20,
    verify: Annotated[bool, typer.Option("--verify", help="Check that nobody changed the log.")] = False,
    head: Annotated[str | None, typer.Option(help="Check also that it goes on from this head.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Say who changed what and why, or check that the log of it is as it was written."""
    answer(verified(head) if verify or head is not None else listed(project, last), as_json)


def listed(project: str | None, last: int) -> Answer:
    """Say what was changed last, the newest at the end; of one project, by its name, or of all."""
    from data.audit import head, last_entries

    with _reading() as connection:
        found = last_entries(connection, last, () if project is None else (project,))[::-1]
        end = head(connection)
    lines = [line for entry in found for line in _lines(entry)]
    of = "" if project is None else f" of {project}"
    lines.append(f"entries: {len(found)}{of} of {end.entries}; the head is {end.hash}")
    return Answer(lines, {"entries": [_told(entry) for entry in found], "head": head_told(end)})


def verified(known: str | None) -> Answer:
    """Check the whole log, from a head that was written down where one is given."""
    from data.chain import check_store

    if known is not None and re.fullmatch(r"[0-9a-f]{64}", known) is None:
        msg = f"--head {known}: is no head of an audit log; give the 64 digits that status or a backup named"
        raise StateError(msg)
    with _reading() as connection:
        checked = check_store(connection, known)
    end, objection = checked.head, checked.objection
    told = {"ok": objection is None, "objection": objection, "said": checked.said, "head": head_told(end)}
    if objection is not None:
        return Answer([f"the audit log does not hold: {objection}"], told, ok=False)
    lines = [f"the audit log holds, and the ledger agrees with it; entries: {end.entries}"]
    lines += [checked.said] if checked.said is not None else []
    lines.append(f"the head is {end.hash}: note it elsewhere, and check with --head later")
    return Answer(lines, told)


def head_told(end: "Head") -> dict[str, object]:
    """Say the end of the log to a program."""
    return {"entries": end.entries, "hash": end.hash}


@contextmanager
def _reading() -> "Generator[Connection]":
    from data.store import Store

    store = Store(Settings.from_env().store_url)
    try:
        with store.reading() as connection:
            yield connection
    finally:
        store.close()


def _lines(entry: "Entry") -> list[str]:
    of = "" if entry.project is None else f" {entry.project}:"
    lines = [f"{entry.number}  {entry.time:%F %T} UTC{of} {entry.what}, by {entry.who}, because: {entry.why}"]
    lines += [f"    before  {entry.before}"] if entry.before is not None else []
    return lines + ([f"    after   {entry.after}"] if entry.after is not None else [])


def _told(entry: "Entry") -> dict[str, Any]:
    told: dict[str, Any] = {name: getattr(entry, name) for name in entry.__slots__}
    return {**told, "at": entry.time.isoformat()}
