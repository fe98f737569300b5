"""A column of both windows as small whole numbers: the bin or the category that each row is in.

Bins of numbers end at quantiles of both windows together, each distinct value having its own where there are
few; so they do not depend on which window a row is in, as a permutation test asks.
"""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from data import grid
from data.profiling import MOST_CATEGORIES, hashed
from monitoring.drift.values import Texts, WindowValues

Kind = Literal["number", "category", "flag"]
Numbers = NDArray[np.float64]

NUMBER_BINS = 64
_SAMPLE = 1 << 14
"""The quantiles of so many rows are those of all to a hundredth, and they are sorted in milliseconds."""
_CHUNK = 1 << 15
"""Rows that are numbered at once: they stay in the processor's cache."""


AT = (0.05, 0.25, 0.5, 0.75, 0.95)
"""The quantiles that words are made of."""


@dataclass(frozen=True)
class Coded:
    """One column: `codes` [rows], the reference's first, from 0 to `width`, which is what is missing.

    `names` are the categories; `hashed` is their number where there were too many to name each, otherwise
    0. `quantiles` [2, 5] are those of a number column in the two windows, NaN where a window holds none.
    """

    kind: Kind
    codes: NDArray[Any]
    width: int
    names: tuple[str, ...] = ()
    hashed: int = 0
    quantiles: Numbers | None = None


def code(kind: Kind, windows: WindowValues) -> Coded:
    """Number the rows of both windows."""
    before, after = windows
    if isinstance(before, Texts) or isinstance(after, Texts):
        return _texts(*(held if isinstance(held, Texts) else Texts(_lost(held), ()) for held in windows))
    samples = [_sampled(window) for window in (before, after)]
    told = np.array([quantiles(sample, np.ones(len(sample))) for sample in samples])
    held = np.concatenate(samples)
    # A row of a sample stands for as many as were passed over.
    stands_for = [len(before) / max(len(samples[0]), 1), len(after) / max(len(samples[1]), 1)]
    weights = np.repeat(stands_for, [len(sample) for sample in samples])
    order = np.argsort(held)
    held, weights = held[order], weights[order]
    ends = np.array([0.0]) if kind == "flag" else bin_ends(held, weights)
    width = len(ends) + 1
    codes = np.empty(len(before) + len(after), np.uint8)
    few = len(held) >= len(codes) // 2 or width <= 2
    into = _compare(ends) if few else _look_up(ends, held)
    start = 0
    for window in (before, after):
        for at in range(0, len(window), _CHUNK):
            part = window[at : at + _CHUNK]
            into(part, codes[start : start + len(part)])
            start += len(part)
    return Coded(kind, codes, width, quantiles=told)


def bin_ends(ordered: Numbers, weights: Numbers) -> Numbers:
    """Choose the highest values of all bins but the last: at most 64 bins of about equal weight.

    Values are in ascending order, with a positive weight each.
    """
    if len(ordered) == 0:
        return np.empty(0)
    first = np.flatnonzero(np.append(True, ordered[1:] != ordered[:-1]))
    distinct = ordered[first]
    if len(distinct) <= NUMBER_BINS:
        return distinct[:-1]
    up_to = np.cumsum(weights)
    wanted = np.arange(1, NUMBER_BINS) / NUMBER_BINS * up_to[-1]
    ends = np.unique(ordered[np.minimum(np.searchsorted(up_to, wanted), len(ordered) - 1)])
    return ends[ends < distinct[-1]]


def quantiles(ordered: Numbers, weights: Numbers) -> Numbers:
    """Give the quantiles of values in ascending order; nearest values, as none lies between infinities."""
    if len(ordered) == 0:
        return np.full(len(AT), np.nan)
    up_to = np.cumsum(weights)
    return ordered[np.minimum(np.searchsorted(up_to, np.array(AT) * up_to[-1]), len(ordered) - 1)]


def _sampled(window: NDArray[Any]) -> Numbers:
    """Take evenly spaced rows, or all where they are few, and sort what they hold."""
    taken = window[:: max(1, -(-len(window) // _SAMPLE))].astype(np.float64)
    return np.sort(taken[~np.isnan(taken)])


def _compare(ends: Numbers) -> Any:  # noqa: ANN401 - a function of a part and where its codes go
    def into(part: NDArray[Any], codes: NDArray[np.uint8]) -> None:
        codes[:] = np.searchsorted(ends, part, side="left")
        codes[np.isnan(part)] = len(ends) + 1

    return into


def _look_up(ends: Numbers, ordered: Numbers) -> Any:  # noqa: ANN401 - as `_compare`
    """Number rows by a table from the cell of the grid to the bin: ten times as fast as comparing.

    The grid is fine next to zero, so that is where the median is put; the quartiles are brought to 1.
    """
    finite = ordered[np.isfinite(ordered)]
    finite = finite if len(finite) else np.zeros(1)
    low, middle, high = (float(finite[len(finite) * part // 4]) for part in (1, 2, 3))
    spread = next((s for s in (high - low, finite[-1] - finite[0]) if 0 < s < np.inf), 1.0)
    # Whole numbers must stay whole numbers: of these the grid has a cell for each.
    scale = float(2.0 ** -np.floor(np.log2(spread))) if spread < 1 or spread > 2_048 else 1.0
    end_cells = grid.cells((ends - middle) * scale)
    table = np.full(grid.CELLS + 1, len(ends) + 1, np.uint8)
    # A place of -1, which is what is missing, is the last of the table.
    begin = np.concatenate([[0], end_cells.astype(np.int64) + 1])
    for place, (start, stop) in enumerate(zip(begin, [*begin[1:], grid.CELLS], strict=True)):
        table[start:stop] = place

    def into(part: NDArray[Any], codes: NDArray[np.uint8]) -> None:
        table.take(grid.cells((part - middle) * scale), out=codes, mode="wrap")

    return into


def _lost(numbers: NDArray[Any]) -> NDArray[np.int32]:
    return np.full(len(numbers), -1, np.int32)


def _texts(before: Texts, after: Texts) -> Coded:
    names = tuple(dict.fromkeys((*before.names, *after.names)))
    place = {name: i for i, name in enumerate(names)}
    many = len(names) > MOST_CATEGORIES
    width = MOST_CATEGORIES if many else max(len(names), 1)
    codes: list[NDArray[np.int32]] = []
    for window in (before, after):
        to = [hashed(name) if many else place[name] for name in window.names]
        codes.append(np.array([*to, width], np.int32)[window.places])  # -1 is the last: what is missing
    if many:
        shown = tuple(map(str, range(MOST_CATEGORIES)))
        return Coded("category", np.concatenate(codes), width, names=shown, hashed=len(names))
    return Coded("category", np.concatenate(codes), width, names=names)
