from typing import Any

import numpy as np
import pytest

from data.profiling import Rows, count
from data.spans import DayCounts, Sparse
from monitoring.coding import code
from monitoring.columns import WindowValues
from monitoring.permutation import block_by_days
from monitoring.profiles import profile
from monitoring.summed import judge_days, sum_up
from tests.monitoring.windows_of import COLUMNS, days, features, project

DAY = 86_400_000_000


def sparse(values: Any, kind: Any, at: Any, first: int) -> Sparse:
    """Count a column by day, as it is counted when it comes in."""
    times = (at + first) * DAY
    segments = count(Rows(times, times, np.ones(len(times)), {0: values}))
    names = tuple(dict.fromkeys(n for s in segments for n in s.columns[0].names or ()))
    parts = [s.columns[0] for s in segments]
    cells = [
        np.array([names.index(p.names[c]) for c in p.cells], np.int32) if kind == "category" else p.cells
        for p in parts
    ]
    block = np.repeat(np.arange(len(parts), dtype=np.int32), [len(p.cells) for p in parts])
    missing = np.array([p.missing for p in parts])
    counts = np.concatenate([p.counts for p in parts])
    return Sparse(kind, block, np.concatenate(cells), counts, missing, names)


def counted(frame: Any, span: int, first: int) -> DayCounts:
    at = days(len(frame), span)
    columns = {n: sparse(frame[n].to_numpy(), c.kind, at, first) for n, c in COLUMNS.items()}
    rows = np.bincount(at)
    return DayCounts(np.arange(first, first + span), rows, rows.astype(np.float64), columns)


def test_days_that_were_counted_are_judged_as_rows_are() -> None:
    before, after = features(1400, 1), features(700, 2)
    assert judge_days(project(), counted(before, 28, 20_000), counted(after, 14, 20_028)).drift is False
    moved = after.assign(distance=after["distance"] + 200, carrier="WN")
    found = judge_days(project(), counted(before, 28, 20_000), counted(moved, 14, 20_028))
    assert [f.column for f in found.findings if f.drift] == ["carrier", "distance"]
    assert "median of distance 24 % higher, 79" in found.findings[1].words
    assert "carrier 'WN' from" in found.findings[0].words


@pytest.mark.parametrize("name", ["carrier", "holiday"])
def test_counts_of_days_are_those_of_their_rows(name: Any) -> None:
    before, after = features(700, 1)[name].to_numpy(), features(350, 2)[name].to_numpy()
    day_r, day_c = days(700, 14), days(350, 7)
    blocking = block_by_days(day_r, day_c)
    assert blocking is not None
    summed = sum_up(*(sparse(v, COLUMNS[name].kind, d, 0) for v, d in ((before, day_r), (after, day_c))))
    if name == "holiday":
        rows = profile(code("flag", WindowValues(before, after)), blocking)
        assert (summed.counts == rows.counts).all()
    assert summed.counts.sum() + summed.missing.sum() == 1050
    assert summed.missing.sum() == (np.concatenate([before, after]) == "").sum() * (name == "carrier")


def test_few_days_cannot_say() -> None:
    found = judge_days(project(), counted(features(1400, 1), 28, 0), counted(features(700, 2), 3, 28))
    assert found.drift is None
    assert "700 rows of 3 days: too few to compare days" in found.reasons[0]
