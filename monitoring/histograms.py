"""How the values of a column lie in two windows: bars that a person can read, the same for both."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from keepfit.spec import Project
from monitoring.bars import Counts, Scale, Side, Values, edges_of, side_of

if TYPE_CHECKING:
    from data.examples import Examples

CATEGORIES = 8
"""The categories that are most frequent, or moved most, have a bar each; all others share one."""

Kind = Literal["number", "category", "flag"]
Part = Literal["feature", "answer", "label"]
Quartiles = tuple[float, float, float]

ROWS = 20_000
"""Of more rows some stand for those beside them in their order: no eye sees the difference."""

_NAME = 60


class Histogram(Struct, frozen=True, omit_defaults=True):
    """The bars of one column; `reference` and `current` are shares of all rows of their window.

    With `missing` (rows without a value, or with one that is not finite) they add up to 1 where the window
    has rows. A bar of numbers holds what is at least its edge and below the next one; where `open` says so,
    the first or the last holds also all that lies beyond. `scale` is "each" where every whole number has its
    bar, half of one to each side, "values" where every value has, which `names` then say, and "log" where
    bars widen as powers do. The last of `names` stands for `others` rarer categories together where that is
    not 0. `quartiles` are None of a window without a value.
    """

    column: str
    kind: Kind
    reference: tuple[float, ...] = ()
    current: tuple[float, ...] = ()
    missing: tuple[float, float] = (0.0, 0.0)
    rows: tuple[int, int] = (0, 0)
    edges: tuple[float, ...] = ()
    names: tuple[str, ...] = ()
    quartiles: tuple[Quartiles | None, Quartiles | None] | None = None
    open: tuple[bool, bool] = (False, False)
    scale: Scale = "even"
    others: int = 0
    part: Part = "feature"


def of_numbers(
    column: str,
    values_a: Values,
    counts_a: Counts,
    values_b: Values,
    counts_b: Counts,
    missing: Sequence[int],
) -> Histogram:
    """Lay numbers out in bars: `counts` say how often each of `values` comes, in whatever order.

    About 24 even bars between round numbers hold the middle 99 % of each window, and their ends what lies
    beyond, where that is far. Values that are not finite count as missing, beside the `missing` rows.
    """
    sides = [
        side_of(values_a, counts_a, missing[0]),
        side_of(values_b, counts_b, missing[1]),
    ]
    rows = (round(sides[0].rows), round(sides[1].rows))
    held = [side for side in sides if len(side.values)]
    if not held:
        lost = [float(side.rows > 0) for side in sides]
        return Histogram(column, "number", missing=(lost[0], lost[1]), rows=rows)
    edges, opened, scale = edges_of(held)
    bars = [side.bars(edges) / max(side.rows, 1) for side in sides]
    lost = [1 - float(side.counts.sum()) / side.rows if side.rows else 0.0 for side in sides]
    quartiles = [_quartiles(side) for side in sides]
    return Histogram(
        column,
        "number",
        _shares(bars[0]),
        _shares(bars[1]),
        (round(lost[0], 6), round(lost[1], 6)),
        rows,
        tuple(edges.tolist()),
        _each(held) if scale == "values" else (),
        quartiles=(quartiles[0], quartiles[1]),
        open=opened,
        scale=scale,
    )


def of_names(
    column: str, kind: Kind, counts_a: Mapping[str, int], counts_b: Mapping[str, int], missing: Sequence[int]
) -> Histogram:
    """Lay categories out in bars, the most frequent first; a flag has its two, "false" and "true"."""
    rows = [sum(counts.values()) + lost for counts, lost in zip((counts_a, counts_b), missing, strict=True)]
    shares = [
        {name: count / max(all_rows, 1) for name, count in counts.items() if count}
        for counts, all_rows in zip((counts_a, counts_b), rows, strict=True)
    ]
    before, after = shares
    known = ["false", "true"] if kind == "flag" else list(dict.fromkeys([*before, *after]))

    def stands_out(name: str) -> tuple[float, str]:
        one, other = before.get(name, 0.0), after.get(name, 0.0)
        return -max(one, other) - abs(one - other), name

    # One more category has as much room as the sum of one.
    shown = known if len(known) <= CATEGORIES + 1 else sorted(known, key=stands_out)[:CATEGORIES]
    if kind != "flag":
        shown = sorted(shown, key=lambda name: (-before.get(name, 0.0) - after.get(name, 0.0), name))
    bars = [[of.get(name, 0.0) for name in shown] for of in shares]
    others = len(known) - len(shown)
    if others:
        for bar, of in zip(bars, shares, strict=True):
            bar.append(max(0.0, sum(of.values()) - sum(bar)))
    lost = [gone / all_rows if all_rows else 0.0 for gone, all_rows in zip(missing, rows, strict=True)]
    return Histogram(
        column,
        kind,
        _shares(bars[0]),
        _shares(bars[1]),
        (round(lost[0], 6), round(lost[1], 6)),
        (rows[0], rows[1]),
        names=(*(_shown(name) for name in shown), *(("all others",) if others else ())),
        others=others,
    )


def histograms(project: Project, reference: "Examples", current: "Examples") -> Iterator[Histogram]:
    """Lay out every feature, every answer and the label of two windows."""
    # The console reads what this writes, and goes without the libraries that judge.
    from monitoring.drift.columns import answer_names, label_name

    for name, column in project.features.items():
        before, after = reference.features[name].to_numpy(), current.features[name].to_numpy()
        yield _of_rows(name, column.kind, before, after)
    answers = zip(reference.outputs.T, current.outputs.T, strict=True)
    for name, (before, after) in zip(answer_names(project), answers, strict=True):
        yield replace(_of_rows(name, "number", before, after), part="answer")
    kinds: dict[str, Kind] = {"binary": "flag", "multiclass": "category", "regression": "number"}
    kind = kinds[project.target.kind]
    yield replace(_of_rows(label_name(project), kind, reference.labels, current.labels), part="label")


def _of_rows(name: str, kind: Kind, before: NDArray[Any], after: NDArray[Any]) -> Histogram:
    if kind == "number":
        (values_a, counts_a, gone_a), (values_b, counts_b, gone_b) = _sorted(before), _sorted(after)
        return of_numbers(name, values_a, counts_a, values_b, counts_b, (gone_a, gone_b))
    counts = [_counted(kind, rows) for rows in (before, after)]
    missing = [len(rows) - sum(held.values()) for rows, held in zip((before, after), counts, strict=True)]
    return of_names(name, kind, counts[0], counts[1], missing)


def _sorted(rows: NDArray[Any]) -> tuple[Values, Counts, int]:
    """Order numbers, and say how often each counts and how many are missing.

    Of many the middle one of each few stands for them, so that no bar is off by more than one in `ROWS`.
    """
    # float32 sorts as it is in a fraction of the time of what it would become.
    values = np.sort(rows)
    held = int(np.searchsorted(values, np.nan))
    many = -(-held // ROWS) or 1
    starts = np.arange(0, held, many)
    counts = np.minimum(held - starts, many)
    return values[starts + counts // 2], counts, len(values) - held


def _counted(kind: Kind, rows: NDArray[Any]) -> dict[str, int]:
    if kind == "flag":
        return {"false": int((rows == 0).sum()), "true": int((rows == 1).sum())}
    # A missing category is "", a label that is not there None or NaN, which is not even itself.
    return {str(v): n for v, n in Counter(rows.tolist()).items() if v not in ("", None) and v == v}


def _each(sides: Sequence[Side]) -> tuple[str, ...]:
    values = np.unique(np.concatenate([side.values for side in sides]))
    return tuple(f"{value:.6g}" for value in values.tolist())


def _quartiles(side: Side) -> Quartiles | None:
    if not len(side.values):
        return None
    # No more digits than a float32 has.
    low, middle, high = (float(f"{value:.7g}") for value in side.quantiles(0.25, 0.5, 0.75))
    return low, middle, high


def _shares(bars: Sequence[float] | NDArray[np.float64]) -> tuple[float, ...]:
    return tuple(round(float(share), 6) for share in bars)


def _shown(name: str) -> str:
    name = name.encode("utf-8", "replace").decode()
    return name if len(name) <= _NAME else f"{name[: _NAME - 3]}..."
