"""Marks that would touch, as one that says how many they are."""

from collections.abc import Sequence
from dataclasses import dataclass

from monitoring.console.figures.charts import Mark
from monitoring.console.phrases import when

_TOUCH = 13
"""Nearer than this, two marks lie over each other."""

Placed = tuple[float, str, Mark]
"""Where a mark is, and what it is called."""


@dataclass(frozen=True, slots=True)
class Cluster:
    """Marks of one kind in one place, from `x` to `end`; words and link are the last one's."""

    x: float
    end: float
    middle: float
    name: str
    count: int
    words: str
    link: str | None


def clusters(marks: Sequence[Placed]) -> list[Cluster]:
    """Put neighbours of one name together; marks are in the order of their places."""
    runs: list[list[Placed]] = []
    for mark in marks:
        if runs and mark[1] == runs[-1][-1][1] and mark[0] - runs[-1][-1][0] < _TOUCH:
            runs[-1].append(mark)
        else:
            runs.append([mark])
    return [_cluster(run) for run in runs]


def _cluster(run: Sequence[Placed]) -> Cluster:
    (x, name, first), (end, _, last) = run[0], run[-1]
    words = f"{name}, {when(last.at)}" if last.words == name else f"{name}, {when(last.at)}: {last.words}"
    if len(run) > 1:
        words = f"{len(run)} times from {when(first.at)} on, the last: {words}"
    return Cluster(x, end, round((x + end) / 2, 1), name, len(run), words, last.link)
