from datetime import timedelta
from typing import Any

import numpy as np
import pytest

from data.profiling import Rows, count
from data.spans import DayCounts, Sparse
from monitoring.drift import judge_examples
from monitoring.drift.coding import code
from monitoring.drift.profiles import profile
from monitoring.drift.summed import sum_up
from monitoring.drift.two_windows import block_by_days
from monitoring.drift.values import WindowValues
from tests.monitoring.windows_of import COLUMNS, START, days, features, project, window

DAY = 86_400_000_000
LATER = START + timedelta(days=28)


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


def test_of_windows_that_are_parts_features_are_judged_by_what_was_counted_of_all_rows() -> None:
    before, after = window(1400, seed=1, span_days=28), window(700, seed=2, since=LATER)
    first = int(before.days()[0])
    moved = features(1400, 3).assign(carrier="WN")
    moved["distance"] += 200
    counts = (counted(features(2800, 1), 28, first), counted(moved, 14, first + 28))
    assert judge_examples(project(), before, after).drift is False
    found = judge_examples(project(), before, after, counts=counts)
    assert [f.column for f in found.findings if f.drift] == ["carrier", "distance"]
    assert "median of distance 2" in found.findings[1].words
    assert "carrier 'WN' from" in found.findings[0].words
    assert (found.reference_rows, found.current_rows) == (2800, 1400)
    assert any("1,400 of the 2,800 reference and 700 of the 1,400 current rows" in r for r in found.reasons)


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
