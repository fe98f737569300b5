"""What was counted of each day when it came in -> a Profile of two windows: no row is read again.

A cell of the grid is a two-thousandth wide: a number that moves by less of itself than that is not seen.
"""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from data import grid
from data.profiling import MOST_CATEGORIES, hashed
from monitoring.drift.coding import Coded, bin_ends, quantiles
from monitoring.drift.profiles import Profile, profile_of

if TYPE_CHECKING:
    from data.spans import Sparse

_ONE = int(grid.cells(np.array([1.0]))[0])
_COUNT_BITS = 40
"""A cell has 20 bits, and the count of one in a day never 40."""


def sum_up(reference: "Sparse", current: "Sparse") -> Profile:
    """Sum up one column of both windows as a profile of their days, with at most 64 bins of a number."""
    windows = (reference, current)
    if reference.kind == "category":
        column, codes = _texts(windows)
    else:
        column, codes = _numbers(windows)
    first = len(reference.missing)
    block = np.concatenate([reference.block, current.block + first]).astype(np.intp)
    days = first + len(current.missing)
    many = np.concatenate([reference.count, current.count])
    counts = np.bincount(block * column.width + codes, weights=many, minlength=days * column.width)
    missing = np.concatenate([reference.missing, current.missing]).astype(np.float64)
    return profile_of(column, counts.astype(np.float64).reshape(days, column.width), missing)


def _numbers(windows: "tuple[Sparse, Sparse]") -> tuple[Coded, NDArray[np.intp]]:
    cell = np.concatenate([window.cell for window in windows])
    if windows[0].kind == "flag":
        return Coded("flag", cell, 2), (cell >= _ONE).astype(np.intp)
    each = [_packed(window) for window in windows]
    cells, many = _unpacked(np.concatenate(each))
    ends = bin_ends(cells.astype(np.float64), many)
    told = np.array([_quantiles(window) for window in each])
    return Coded("number", cell, len(ends) + 1, quantiles=told), np.searchsorted(ends.astype(np.int32), cell)


def _packed(window: "Sparse") -> NDArray[np.int64]:
    """Put each count behind its cell: plain numbers are sorted many times faster than their places."""
    return (window.cell.astype(np.int64) << _COUNT_BITS) | window.count


def _unpacked(packed: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Give cells in ascending order with their counts."""
    packed = np.sort(packed)
    return packed >> _COUNT_BITS, (packed & ((1 << _COUNT_BITS) - 1)).astype(np.float64)


def _quantiles(window: NDArray[np.int64]) -> NDArray[np.float64]:
    cells, many = _unpacked(window)
    found = quantiles(cells.astype(np.float64), many)
    return grid.lowest(found.astype(np.int32)) if len(cells) else found


def _texts(windows: "tuple[Sparse, Sparse]") -> tuple[Coded, NDArray[Any]]:
    """Number the categories of both windows; by their hash where one of them could not name all."""
    names = tuple(dict.fromkeys(name for window in windows for name in window.names))
    many = any(window.hashed for window in windows) or len(names) > MOST_CATEGORIES
    place = {name: i for i, name in enumerate(names)}
    codes: list[NDArray[np.intp]] = []
    for window in windows:
        if many:
            of = [int(name) if window.hashed else hashed(name) for name in window.names]
        else:
            of = [place[name] for name in window.names]
        codes.append(np.array([*of, 0], np.intp)[window.cell])
    width = MOST_CATEGORIES if many else max(len(names), 1)
    shown = tuple(map(str, range(width))) if many else names
    # How many there really are is not known where a day could only hash them.
    column = Coded("category", codes[0], width, shown, len(names) if many else 0)
    return column, np.concatenate(codes)
