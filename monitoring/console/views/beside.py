"""Two spans of days beside each other: each column, how far it is apart, and what was known of each span."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from msgspec import Struct

from data import grid
from data.days import KeptDays, read_days
from data.promotions import Promotion
from data.spans import DayCounts, Sparse
from monitoring.console.reading.sources import Sources
from monitoring.console.reading.watches import Watch
from monitoring.console.views.asked_spans import Days
from monitoring.console.views.reigns import reigns
from monitoring.drift.by_days import judge_days
from monitoring.drift.verdicts import DriftVerdict, Finding, Limits
from monitoring.histograms import Histogram, of_names, of_numbers

_MANY_COLUMNS = 40
_REMEMBERED = 16
"""Verdicts: a search among the columns, and the same as a file, ask for one again."""
_FEWER = 199
"""Permutations where there are many columns: enough for a p-value below 0.01, and done while one waits."""
_ONE = int(grid.cells(np.array([1.0]))[0])
_EPOCH = date(1970, 1, 1)


class Side(Struct, frozen=True):
    """What is known of one span; `days` are those that have rows."""

    first: date
    last: date
    days: int
    rows: int
    fewest: int
    most: int
    versions: tuple[int, ...]
    watches: int
    drifted: int
    """Of the watches whose window ended within the span."""

    @property
    def mean(self) -> float:
        """How many rows a day has that has any."""
        return self.rows / max(self.days, 1)


@dataclass(frozen=True)
class Beside:
    """Two spans, the verdict about them, and the last watch of each."""

    days: tuple[Days, Days]
    sides: tuple[Side, Side]
    verdict: DriftVerdict
    last: tuple[Watch | None, Watch | None]
    remarks: tuple[str, ...]
    counts: tuple[DayCounts, DayCounts]

    def found(self, wanted: str) -> list[Finding]:
        """Give what was found of the columns whose name holds a text, the farthest apart first."""
        named = [each for each in self.verdict.findings if wanted.casefold() in each.column.casefold()]
        return sorted(named, key=lambda each: (each.drift is not True, -(each.effect or 0.0)))

    def histogram(self, column: str) -> Histogram | None:
        """Lay a column out in both spans; None where there are too many categories to name them."""
        return histogram_of(column, self.counts[0].columns[column], self.counts[1].columns[column])


def set_beside(sources: Sources, days: tuple[Days, Days]) -> Beside:
    """Read two spans of days, and judge what lies between them."""
    kept = read_days(sources.store, sources.project, [each.numbers for each in days])
    first, second = kept.spans
    wide = len(first.columns) > _MANY_COLUMNS
    verdict = _judged(sources, first, second, Limits(resamples=_FEWER) if wide else Limits())
    watches, history = sources.watches(), sources.ledger.history()
    last = [_within(each, watches) for each in days]
    sides = [
        _side(each, counts, history, found)
        for each, counts, found in zip(days, kept.spans, last, strict=True)
    ]
    ends = [found[-1] if found else None for found in last]
    return Beside(
        days,
        (sides[0], sides[1]),
        verdict,
        (ends[0], ends[1]),
        _remarks(days, kept, wide=wide, sure=verdict.p_value is not None),
        (first, second),
    )


def _judged(sources: Sources, first: DayCounts, second: DayCounts, limits: Limits) -> DriftVerdict:
    """Judge two spans, or remember it: what a day holds only grows, so the same counts are the same rows."""
    asked = (
        *(bytes(part) for each in (first, second) for part in (each.days, each.rows)),
        " ".join(first.columns).encode(),
    )
    known = sources.judged.get(asked)
    if known is None:
        known = judge_days(first, second, limits)
        while len(sources.judged) >= _REMEMBERED:
            sources.judged.pop(next(iter(sources.judged), ()), None)
        sources.judged[asked] = known
    return known


def histogram_of(name: str, before: Sparse, after: Sparse) -> Histogram | None:
    """Lay out one column as it was counted by days."""
    missing = (int(before.missing.sum()), int(after.missing.sum()))
    if before.kind == "number":
        return of_numbers(
            name, grid.lowest(before.cell), before.count, grid.lowest(after.cell), after.count, missing
        )
    if before.hashed or after.hashed:
        return None
    told = [_flags(each) if each.kind == "flag" else _names(each) for each in (before, after)]
    return of_names(name, before.kind, told[0], told[1], missing)


def _flags(counted: Sparse) -> dict[str, int]:
    true = int(counted.count[counted.cell >= _ONE].sum())
    return {"false": int(counted.count.sum()) - true, "true": true}


def _names(counted: Sparse) -> Mapping[str, int]:
    sums = np.bincount(counted.cell, weights=counted.count, minlength=len(counted.names))
    return dict(zip(counted.names, sums.astype(np.int64).tolist(), strict=True))


def _within(days: Days, watches: Sequence[Watch]) -> list[Watch]:
    """Give the watches that ended within a span, the one at its very end with them."""
    if days.watch is not None:
        return [watch for watch in watches if watch.name == days.watch]
    return [watch for watch in watches if days.since < watch.as_of <= days.until]


def _side(days: Days, counts: DayCounts, history: Sequence[Promotion], found: Sequence[Watch]) -> Side:
    served = [each.version for each in reigns(history) if each.within(days.since, days.until)]
    return Side(
        days.first,
        days.last,
        len(counts.days),
        int(counts.rows.sum()),
        int(counts.rows.min()) if len(counts.rows) else 0,
        int(counts.rows.max(initial=0)),
        tuple(dict.fromkeys(served)),
        len(found),
        sum(watch.verdict.drift is True for watch in found),
    )


def _remarks(days: tuple[Days, Days], kept: KeptDays, *, wide: bool, sure: bool) -> tuple[str, ...]:
    told: list[str] = []
    if any(each.cut for each in days):
        told.append(
            "A window that begins or ends within a day is compared by whole days, so its numbers may differ "
            "a little from those of its report."
        )
    whole = kept.whole_since
    if whole is None:
        told.append("No day has been counted yet: the next watch counts those that it reads.")
    elif min(each.numbers[0] for each in days) < whole:
        since = _EPOCH + timedelta(days=whole)
        told.append(
            f"Rows before {since:%Y-%m-%d} came in before days were counted, and may be missing here: a "
            "watch that reads them counts them."
        )
    if sure:
        told.append("Of many pairs of spans that one tries, some differ this surely by chance alone.")
    if sure and wide:
        told.append(f"Of so many columns chance is told by {_FEWER} permutations of days.")
    return tuple(told)
