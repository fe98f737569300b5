"""Note in the audit log what a step takes in, inside the transaction that takes it in."""

from collections.abc import Callable

from sqlalchemy import Connection

from data import audit
from data.audit import Change, What
from data.parts import Part
from data.store import LandedFile, Taken
from tasks.loop import Loop

Noting = Callable[[Connection, Taken], None]
"""What `Store.take_in` does `also`."""


def file_taken(loop: Loop, file: LandedFile, imported: bool, part: Part) -> Noting:
    """Note a file by its name and content; of its rows only how many there were."""
    landed: tuple[What, str] = ("file landed", "it lay in the landing folder")
    what, why = ("file imported", f"only rows {part}" if part.bounded else "by hand") if imported else landed

    def noted(connection: Connection, taken: Taken) -> None:
        after = {
            "file": file.name,
            "sha256": file.sha256,
            "predictions": taken.predictions,
            "labels": taken.labels,
            "quarantined": taken.rejected,
        }
        change = Change(what=what, why=why, who=loop.who, project=loop.name, after=after)
        audit.append(connection, change)

    return noted


def row_readmitted(loop: Loop, number: int) -> Noting:
    """Note a row of the quarantine by its number, there as well."""

    def noted(connection: Connection, taken: Taken) -> None:
        loop.quarantine.readmitted(connection, [number], taken)

    return noted
