"""Every column over time: how far it moved at each watch, as a table whose cells are washed by that."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from monitoring.console.reading.watches import Moved, Watch

_STEPS = (0.05, 0.1, 0.2, 0.35)
"""From which effects on a cell has the next stronger wash."""
_WATCHES, _COLUMNS = 26, 24


@dataclass(frozen=True, slots=True)
class Cell:
    """What a watch found of a column; `level` is how strong its wash is, from 0 to 4."""

    percent: str
    level: int
    drift: bool
    words: str


@dataclass(frozen=True)
class Heat:
    """The last watches, and for each column what they found, the one that moved farthest first."""

    watches: Sequence[Watch]
    rows: Sequence[tuple[str, Sequence[Cell]]]
    columns: int = 0
    """How many columns there are to look for."""
    found: int = 0
    """How many of them are called so; the farthest of them are laid out."""

    @property
    def steps(self) -> list[str]:
        """Say what each wash stands for."""
        ends = [f"{100 * step:.0f}" for step in _STEPS]
        between = [f"{low} to {high} %" for low, high in pairwise(ends)]
        return [f"under {ends[0]} %", *between, f"{ends[-1]} % and more"]


def heat(watches: Sequence[Watch], wanted: str = "") -> Heat:
    """Lay out the last watches; of many columns whose name holds a text those that moved farthest."""
    shown = [watch for watch in watches if watch.verdict.findings][-_WATCHES:]
    # What a classifier tells apart by all columns is no share of the rows that moved.
    found = [{each.column: each for each in w.verdict.findings if each.what != "together"} for w in shown]
    every = list(dict.fromkeys(name for each in reversed(found) for name in each))
    names = [name for name in every if wanted.casefold() in name.casefold()]
    names.sort(key=lambda name: -max((each[name].effect or 0.0) for each in found if name in each))
    rows = [(name, [_cell(each.get(name)) for each in found]) for name in names[:_COLUMNS]]
    return Heat(shown, rows, len(every), len(names))


def _cell(found: Moved | None) -> Cell:
    if found is None or found.effect is None:
        return Cell("", 0, drift=False, words="not known")
    level = sum(found.effect >= step for step in _STEPS)
    return Cell(f"{100 * found.effect:.0f}", level, found.drift is True, found.words)
