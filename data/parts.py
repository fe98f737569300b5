"""A part of a file of rows: those whose time lies between two bounds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from data.bundles import sha256
from data.cells import parse_time
from data.files import BadRow, Row
from keepfit.errors import RowRefused
from keepfit.spec import Project


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of a file whose time lies in [since, until); None is an open end.

    A row without a time that can be read belongs to the part without a beginning.
    """

    since: datetime | None = None
    until: datetime | None = None

    def __str__(self) -> str:
        since = "" if self.since is None else f"from {self.since:%FT%R}"
        until = "" if self.until is None else f"before {self.until:%FT%R}"
        return f"{since} and {until}" if since and until else since or until

    @property
    def bounded(self) -> bool:
        """Whether it is a part, not the whole."""
        return self.since is not None or self.until is not None

    def digest(self, content: str) -> str:
        """Name this part of a file with this content: another part of it is another file."""
        return sha256(f"{content}\n{self.since}\n{self.until}".encode()) if self.bounded else content

    def holds(self, project: Project, row: Row | BadRow) -> bool:
        """Say whether a row is of this part."""
        try:
            time = parse_time(
                project, project.time, None if isinstance(row, BadRow) else row.get(project.time)
            )
        except RowRefused:
            return self.since is None
        return (self.since is None or time >= self.since) and (self.until is None or time < self.until)


WHOLE = Part()


@dataclass
class Chosen:
    """The rows of a part, counting those that are left out as they go by."""

    project: Project
    part: Part
    rows: Iterable[Row | BadRow]
    left_out: int = 0

    def __iter__(self) -> Iterator[Row | BadRow]:
        for row in self.rows:
            if self.part.bounded and not self.part.holds(self.project, row):
                self.left_out += 1
            else:
                yield row
