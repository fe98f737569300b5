"""Claim: one column of twenty that moved by .25 sd is found in 19 of 20 windows of 2,000 rows.

Changes of many kinds put into windows of 200, 2,000 and 20,000 independent rows, each judged beside a
reference ten times as long by `monitoring.drift.judge`, by the tests of Evidently's preset and by NannyML.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from benchmarks.drift.counting import interval
from benchmarks.drift.crew import nannyml, work
from benchmarks.drift.rivals import evidently
from benchmarks.drift.shifts import base, shifts
from benchmarks.figures import Options, Table
from monitoring.drift import judge

LEVEL, MULTIPLE = 0.05, 10
_ROWS = {200: 100, 2_000: 100, 20_000: 20}
"""Repetitions by rows."""
_GOAL = ("mean by 0.25 sd", 1, 2_000)


@dataclass
class Found:
    """Of a shift at one size: in which windows each found something (None: it had no answer)."""

    ours: list[tuple[bool, bool, bool]] = field(default_factory=list)
    evidently: list[tuple[bool, bool]] = field(default_factory=list)
    nannyml: list[bool] = field(default_factory=list)


def measure(options: Options) -> Table:
    """Count how often each change is found."""
    repetitions = {200: 20, 2_000: 10} if options.quick else _ROWS
    beside = 2 if options.quick else 10
    jobs = [
        (number, rows, range(first, min(first + 10, of)), max(min(beside, first + 10) - first, 0))
        for rows, of in sorted(repetitions.items(), reverse=True)
        for number in range(len(shifts()))
        for first in range(0, of, 10)
    ]
    found = {(number, rows): Found() for rows in repetitions for number in range(len(shifts()))}
    for (number, rows, *_), more in work(find, jobs):
        at = found[number, rows]
        at.ours += more.ours
        at.evidently += more.evidently
        at.nannyml += more.nannyml
    return _table(found, list(repetitions), beside)


def find(number: int, rows: int, repetitions: range, beside: int) -> Found:
    """Judge a shift some times, the first `beside` of them by the others too."""
    shift, found = shifts()[number], Found()
    for repetition in repetitions:
        rng = np.random.default_rng([rows, repetition])
        reference, current = base(rows * MULTIPLE, rng), base(rows, rng)
        current = shift(current, rng)
        verdict = judge(reference, current, p_value=LEVEL, seed=repetition)
        p = 1.0 if verdict.p_value is None else verdict.p_value
        found.ours.append((p <= LEVEL, p <= LEVEL / 5, verdict.drift is True))
        if repetition - repetitions.start < beside:
            theirs = evidently(reference, current)
            # A flag on a column that did not move is no find.
            moved = [f"{shift.of}{i}" for i in range(shift.columns)]
            found.evidently.append((any(theirs.flagged[name] for name in moved), theirs.half))
            told = nannyml().opinion(reference, current)
            if told is not None:
                found.nannyml.append(any(told.flagged[name] for name in moved))
    return found


def _table(found: dict[tuple[int, int], Found], sizes: Sequence[int], beside: int) -> Table:
    parts = ("p <= .05", "p <= .01", "drift", "Evidently", "data set", "NannyML")
    table = Table(
        f"Power: 20 columns, the reference {MULTIPLE} times the window, how often a change is found, in %",
        ("change", "columns", "rows", *parts),
        _notes(found, sizes, beside),
    )
    for number, shift in enumerate(shifts()):
        for rows in sizes:
            at = found[number, rows]
            ours = [_percent([told[i] for told in at.ours]) for i in range(3)]
            theirs = [_percent([told[i] for told in at.evidently]) for i in range(2)]
            table.add(shift.name, str(shift.columns), f"{rows:,}", *ours, *theirs, _percent(at.nannyml))
    return table


def _notes(found: dict[tuple[int, int], Found], sizes: Sequence[int], beside: int) -> list[str]:
    numbers = [i for i, s in enumerate(shifts()) if (s.name, s.columns) == _GOAL[:2]]
    goal = [told[0] for told in found[numbers[0], _GOAL[2]].ours]
    low, high = interval(sum(goal), len(goal))
    counts = ", ".join(f"{len(found[0, rows].ours)} of {rows:,} rows" for rows in sizes)
    return [
        f"{_GOAL[0]}, one column, {_GOAL[2]:,} rows: {_percent(goal)} % at level .05 "
        f"({100 * low:.0f}-{100 * high:.0f}); goal at least 95 %",
        f"windows of ours: {counts}; of Evidently and NannyML the first {beside} of each",
        '"drift" is significant at .05 and at least the margin: small shifts of one column are no drift',
        "Evidently and NannyML: a column that moved is flagged (Evidently flags others as well, see "
        "drift.calibration); data set: half of all columns are",
    ]


def _percent(hits: Sequence[bool]) -> str:
    return f"{100 * float(np.mean(hits)):.0f}" if hits else "-"
