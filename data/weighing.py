"""How much a file from outside may hold: its rows are weighed as if they were JSON lines."""

from collections.abc import Collection

from keepfit.errors import FileUnreadable

LONGEST_ROW = 1 << 20
"""The most characters of one row, as text: enough for 1,000 columns of 1,000 characters."""
MOST_COLUMNS = 10_000
_EACH = 200
"""What the record of a row weighs beside its cells: a file of short lines takes memory too."""


class Scale:
    """What of one file was read so far; more than `most` is refused (None: of a person's own, however much).

    `left` is public because it is counted down for every line of every file.
    """

    def __init__(self, name: str, most: int | None) -> None:
        self.name, self._most = name, most
        self.left: float = float("inf") if most is None else most
        self.row = _EACH
        """What each row weighs beyond its own text."""

    def name_columns(self, columns: Collection[str]) -> None:
        """Weigh every row with the names of its columns: what is set aside is kept with them."""
        if not columns or len(set(columns)) < len(columns):
            msg = f"{self.name}: its header must name each column, and each once; write it again"
            raise FileUnreadable(msg)
        if len(columns) > MOST_COLUMNS:
            raise self.too_wide(len(columns))
        self.row = _EACH + sum(len(column) + 4 for column in columns)

    def add(self, size: int) -> None:
        """Count what was read; raise FileUnreadable when it is too much."""
        self.left -= size
        if self.left < 0:
            raise self.too_much()

    def too_much(self) -> FileUnreadable:
        """Say that the file holds more than may be taken at once."""
        return FileUnreadable(
            f"{self.name}: its rows are more than {self._most} bytes, written as JSON lines with "
            f"{_EACH} more for each; split it, or let KEEPFIT_LANDING_BYTES be larger"
        )

    def too_long(self, where: str) -> FileUnreadable:
        """Say that a row has no end."""
        return FileUnreadable(
            f"{self.name}: {where} has more than {LONGEST_ROW} characters, and no row may; "
            "close the quotes that it leaves open, or leave out what is no feature"
        )

    def too_wide(self, columns: int) -> FileUnreadable:
        """Say that the file has more columns than a model could have features."""
        return FileUnreadable(
            f"{self.name}: has {columns} columns or more, and {MOST_COLUMNS} may be; "
            "leave out what is no feature"
        )
