"""Claim: where nothing has changed, `p_value` is at most .05 in one window of twenty, whatever the rows.

The protocol: made rows (independent and dependent, few and many columns and categories) and rows of flights
and of hotels whose order was shuffled, row by row and in runs. Every cell beside the tests of Evidently's
preset and NannyML's univariate calculator, on the same frames.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from benchmarks.drift.counting import above, between, holm, percent
from benchmarks.drift.crew import nannyml, work
from benchmarks.drift.rivals import as_the_preset, evidently
from benchmarks.drift.worlds import DAY, Cell, hotel_is_missing
from benchmarks.figures import Options, Table
from monitoring.drift import judge

LEVEL, FEW_BLOCKS = 0.05, 40
_SLICE = 25
"""Repetitions of one job."""

CELLS: Sequence[Cell] = (
    Cell("mixed", 50, 5, 100, repetitions=400),
    Cell("mixed", 50, 20, 40, repetitions=200),
    Cell("numbers", 200, 20, 40, repetitions=200),
    Cell("mixed", 200, 20, 40, repetitions=200),
    Cell("mixed", 200, 200, 10, repetitions=100),
    Cell("mixed", 1_000, 20, 40, repetitions=200),
    Cell("categories", 1_000, 5, 40, cardinality=1_000, repetitions=200),
    Cell("mixed", 1_000, 50, 5, repetitions=100),
    Cell("mixed", 5_000, 20, 10, cardinality=100, repetitions=100),
    Cell("mixed", 20_000, 10, 5, repetitions=100),
    Cell("mixed", 100_000, 5, 5, cardinality=1_000, repetitions=50),
    Cell("numbers", 50, 5, 100, 0.5, repetitions=200),
    Cell("mixed", 200, 20, 40, 0.5, repetitions=200),
    Cell("mixed", 1_000, 20, 40, 0.5, repetitions=100),
    Cell("mixed", 5_000, 20, 10, 0.5, repetitions=100),
    Cell("mixed", 20_000, 10, 5, 0.5, repetitions=100),
    Cell("numbers", 50, 5, 100, 0.9, repetitions=200),
    Cell("mixed", 200, 20, 100, 0.9, repetitions=100),
    Cell("numbers", 1_000, 20, 40, 0.9, repetitions=100),
    Cell("mixed", 1_000, 20, 40, 0.9, repetitions=100),
    Cell("categories", 1_000, 5, 40, 0.9, 1_000, repetitions=100),
    Cell("mixed", 1_000, 50, 5, 0.9, repetitions=100),
    Cell("mixed", 5_000, 20, 10, 0.9, repetitions=100),
    Cell("mixed", 20_000, 10, 5, 0.9, repetitions=100),
    Cell("mixed", 100_000, 5, 5, 0.9, repetitions=50),
    Cell("flights", 200, 14, 40, repetitions=200),
    Cell("flights", 2_000, 14, 40, repetitions=100),
    Cell("flights", 1_000, 14, 40, run=50, repetitions=100),
    Cell("flights", 2_000, 14, 40, run=500, repetitions=100),
    Cell("hotel", 200, 22, 40, repetitions=200),
    Cell("hotel", 1_000, 22, 40, repetitions=100),
    Cell("hotel", 1_000, 22, 40, run=50, repetitions=100),
    Cell("timetable", 6_400, 6, 12, repetitions=60),
)
_QUICK = (0, 3, 12, 17, 25)


@dataclass
class Counts:
    """What was counted in one cell; of Evidently and NannyML on fewer windows."""

    of: int = 0
    alarms: int = 0
    unsaid: int = 0
    moved: int = 0
    evidently: list[tuple[bool, bool, float]] = field(default_factory=list)
    nannyml: list[tuple[bool, float]] = field(default_factory=list)

    def add(self, other: "Counts") -> None:
        """Add what another process counted."""
        self.of += other.of
        self.alarms += other.alarms
        self.unsaid += other.unsaid
        self.moved += other.moved
        self.evidently += other.evidently
        self.nannyml += other.nannyml


def measure(options: Options) -> Table:
    """Count false alarms in all cells."""
    cells = [CELLS[i] for i in _QUICK] if options.quick else list(CELLS)
    lacking = hotel_is_missing()
    if lacking is not None:
        cells = [cell for cell in cells if cell.kind != "hotel"]
    if options.quick:
        cells = [replace(cell, repetitions=max(cell.repetitions // 10, 20)) for cell in cells]
    _same_as_the_preset(cells[1])
    counted = [Counts() for _ in cells]
    for (number, *_), counts in work(count, list(_jobs(cells, 2 if options.quick else 10))):
        counted[number].add(counts)
    table = _table(cells, counted)
    if lacking is not None:
        table.notes = [*table.notes, f"without hotel bookings: {lacking}"]
    return table


def _same_as_the_preset(cell: Cell) -> None:
    """Make sure that Evidently's tests without its drawings flag what its preset flags."""
    reference, current = cell.draw(np.random.default_rng(0))
    if evidently(reference, current).flagged != as_the_preset(reference, current).flagged:
        sys.exit("Evidently's preset flags other columns than the tests that were called in its place")


def _jobs(cells: Sequence[Cell], beside: int) -> Iterator[tuple[int, Cell, range, int]]:
    for number, cell in sorted(enumerate(cells), key=lambda at: -at[1].rows * at[1].multiple):
        for first in range(0, cell.repetitions, _SLICE):
            last = min(first + _SLICE, cell.repetitions)
            yield number, cell, range(first, last), max(min(beside, last) - first, 0)


def count(number: int, cell: Cell, repetitions: range, beside: int) -> Counts:
    """Judge some repetitions of a cell, the first `beside` of them by the others too."""
    counts = Counts()
    for repetition in repetitions:
        seed = [number, cell.rows, cell.columns, repetition]
        reference, current = cell.draw(np.random.default_rng(seed))
        days: dict[str, Any] = {}
        if DAY in reference:
            days = {"blocks_reference": reference.pop(DAY), "blocks_current": current.pop(DAY)}
        verdict = judge(reference, current, p_value=LEVEL, seed=repetition, **days)
        counts.of += 1
        counts.unsaid += verdict.p_value is None
        counts.alarms += verdict.p_value is not None and verdict.p_value <= LEVEL
        counts.moved += verdict.drift is True
        if repetition - repetitions.start < beside:
            theirs = evidently(reference, current)
            counts.evidently.append((theirs.any, theirs.half, theirs.share))
            told = nannyml().opinion(reference, current)
            if told is not None:
                counts.nannyml.append((told.any, told.share))
    return counts


def _table(cells: Sequence[Cell], counted: Sequence[Counts]) -> Table:
    table = Table(
        f"False alarms where nothing has changed: how often p_value <= {LEVEL}",
        (
            *("", "rows", "columns", "reference", "windows", "alarms %", "interval", "p (Holm)"),
            *("cannot say", "drift %", "Evidently: any", "data set", "columns"),
            *("NannyML: any", "columns"),
        ),
    )
    still = [(cell, c) for cell, c in zip(cells, counted, strict=True) if cell.kind != "timetable"]
    surely = holm([above(c.alarms, c.of, LEVEL) for _, c in still])
    # Real weeks come last: they do differ, and are no count of false alarms.
    told = [f"{p:.2f}" + (" TOO MANY" if p < LEVEL else "") for p in surely] + ["-"] * len(cells)
    for cell, counts, p in zip(cells, counted, told, strict=False):
        few = cell.multiple < FEW_BLOCKS
        table.add(
            cell.name,
            f"{cell.rows:,}",
            str(cell.columns),
            f"x {cell.multiple}" + (" (few)" if few else ""),
            str(counts.of),
            f"{100 * counts.alarms / counts.of:.1f}",
            between(counts.alarms, counts.of),
            p,
            str(counts.unsaid),
            f"{100 * counts.moved / counts.of:.1f}",
            *(_share([told[i] for told in counts.evidently]) for i in range(3)),
            *(_share([told[i] for told in counts.nannyml]) for i in range(2)),
        )
    table.notes = _notes(still, surely)
    return table


def _notes(still: Sequence[tuple[Cell, Counts]], surely: Sequence[float]) -> list[str]:
    counted = [c for _, c in still]
    many = [c for cell, c in still if cell.multiple >= FEW_BLOCKS]
    beside = f"{max(len(c.evidently) for c in counted)} windows of each cell"
    missing = nannyml().missing if not any(c.nannyml for c in counted) else None
    return [
        f"pooled over all cells: {_pooled(counted)}; goal 4.0 to 5.5 %",
        f"pooled over cells whose reference is at least {FEW_BLOCKS} windows: {_pooled(many)}",
        f"cells with surely more than {LEVEL}, after Holm: {sum(p < LEVEL for p in surely)}; goal 0",
        '"few": fewer than 40 windows in the reference: it may be conservative there',
        "weeks of the timetable are not shuffled and do differ (holidays, other plans): no false alarms",
        f'"cannot say" counts as no alarm; "drift" is at level {LEVEL} and at least the margin',
        f"Evidently and NannyML at their defaults, on {beside}: any column, half of the columns, "
        "mean share of columns" + (f"; NannyML is not installed: {missing}" if missing else ""),
    ]


def _pooled(counted: Sequence[Counts]) -> str:
    alarms, of = sum(c.alarms for c in counted), sum(c.of for c in counted)
    if not of:
        return "none"
    return f"{alarms:,} of {of:,} windows, {percent(alarms / of)} ({between(alarms, of)})"


def _share(values: Sequence[float]) -> str:
    return f"{100 * float(np.mean(values)):.0f} %" if values else "-"
