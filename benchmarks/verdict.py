"""What a run under strain has to show: figures beside their goals, and laws that no figure excuses."""

import sys

from benchmarks.figures import Table

HEADER = ("", "measured", "goal", "")


class Verdict:
    """A table of lines with goals; one that breaks a law ends the command with 1."""

    def __init__(self, title: str) -> None:
        self._table = Table(title, HEADER)
        self._broken: list[str] = []

    def note(self, text: str) -> None:
        """Say what a reader must know."""
        self._table.notes = (*self._table.notes, text)

    def tell(self, name: str, measured: str) -> None:
        """Add a figure without a goal."""
        self._table.add(name, measured, "", "")

    def goal(self, name: str, measured: str, goal: str, *, kept: bool) -> None:
        """Add a figure with its goal."""
        self._table.add(name, measured, goal, "kept" if kept else "MISSED")

    def none(self, name: str, count: int, which: str = "") -> None:
        """Add a law: of these there are none; `which` says more of those there are."""
        self.law(name, f"{count:,}" + (f" ({which})" if count and which else ""), "0", kept=not count)

    def law(self, name: str, measured: str, goal: str, *, kept: bool) -> None:
        """Add a law."""
        self._table.add(name, measured, goal, "kept" if kept else "BROKEN")
        if not kept:
            self._broken.append(name)

    def table(self) -> Table:
        """Give the table; where a law is broken, print it and end with 1."""
        if self._broken:
            print(f"\n{self._table.text()}", flush=True)
            sys.exit(f"broken: {'; '.join(self._broken)}")
        return self._table
