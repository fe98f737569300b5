"""A table of what takes minutes: each line is printed as it is known, and all of them at the end."""

from dataclasses import dataclass

from benchmarks.figures import Table


@dataclass
class KnownTable(Table):
    """A table that says each of its lines at once: a run that is ended early has not measured for nothing."""

    def add(self, *cells: str) -> None:
        """Add a row, and print its figures by their names."""
        super().add(*cells)
        named = zip(self.header[1:], cells[1:], strict=True)
        said = ", ".join(f"{name} {cell}" for name, cell in named if cell)
        print(f"{cells[0]}: {said}", flush=True)

    def note(self, text: str) -> None:
        """Add what a reader must know, and print it."""
        self.notes = (*self.notes, text)
        print(text, flush=True)
