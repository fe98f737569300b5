"""Where the bars of numbers begin and end: at round numbers, the same for two windows."""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

Scale = Literal["even", "each", "values", "log"]
Values = NDArray[np.floating]
Counts = NDArray[Any]

_BARS = 24
_EACH = 40
"""Whole numbers of a range no wider have a bar each, and so have values of which there are no more."""
_TAIL = 0.005
_WORTH = 1.5
"""Tails are cut where the range is more than so many times as wide with them."""
_CROWDED, _TIMES = 0.6, 100.0
"""Bars widen as powers do where one even bar would hold most rows of values that are so many times apart."""
_LOG_STEPS = ((3, (1.0, 1.5, 2.0, 3.0, 5.0, 7.0)), (8, (1.0, 2.0, 5.0)))
_LARGEST, _SMALLEST = 1e300, 1e-300
_CELL = 2.0**-11
"""How far a number can lie below the one it was counted as (`data.grid`)."""


class Side(NamedTuple):
    """The finite values of one window, ascending, with their counts and with how many rows it has in all."""

    values: NDArray[np.float64]
    counts: NDArray[np.float64]
    rows: float

    def quantiles(self, *shares: float) -> Values:
        """Give the values below or at which these shares of the values lie."""
        reached = self.counts.cumsum()
        places = np.searchsorted(reached, np.array(shares) * reached[-1])
        return self.values[np.minimum(places, len(self.values) - 1)]

    def bars(self, edges: Values) -> NDArray[np.float64]:
        """Count what lies between edges; the first and the last take all that lies beyond."""
        held = np.concatenate([np.zeros(1), self.counts.cumsum()])
        # A value that was counted on a grid may lie a little below the number that it is.
        lower = edges[1:-1] - np.minimum(np.abs(edges[1:-1]) * _CELL, np.diff(edges)[1:] * 0.01)
        reached = held[np.searchsorted(self.values, lower)]
        return np.diff(np.concatenate([[0.0], reached, [held[-1]]]))


def side_of(values: Values, counts: Counts, missing: int) -> Side:
    """Order the values of a window; what is no number, or one too large to draw, counts as missing."""
    rows = float(counts.sum()) + missing
    wide = values.astype(np.float64)
    keep = (np.abs(wide) <= _LARGEST) & (counts > 0)
    values, held = wide[keep], counts[keep].astype(np.float64)
    if (values[1:] < values[:-1]).any():
        order = np.argsort(values, kind="stable")
        values, held = values[order], held[order]
    return Side(values, held, rows)


def edges_of(sides: Sequence[Side]) -> tuple[Values, tuple[bool, bool], Scale]:
    """Choose the edges of the bars, whether the end bars are open, and how bars widen."""
    least, most = (float(pick(s.values[end] for s in sides)) for pick, end in ((min, 0), (max, -1)))
    ends = [side.quantiles(_TAIL, 1 - _TAIL) for side in sides]
    low, high = min(float(end[0]) for end in ends), max(float(end[1]) for end in ends)
    if low == high or most - least <= _WORTH * (high - low):
        low, high = least, most
    whole = all((np.floor(side.values) == side.values).all() for side in sides)
    # To a number above that no half can be added.
    if whole and high - low <= _EACH and max(abs(low), abs(high)) < 2**52:
        edges, scale = np.arange(low - 0.5, high + 1), "each"
    elif (few := _few(sides)) is not None:
        edges, scale = few, "values"
    else:
        edges, scale = _even(low, high, whole=whole), "even"
        powers = _powers(sides, least, high) if _crowded(sides, edges) else None
        if powers is not None:
            edges, scale = powers, "log"
    opened = (bool(least < edges[0]), bool(most > edges[-1]))
    return edges, opened, scale


def _few(sides: Sequence[Side]) -> Values | None:
    """Part values of which there are few halfway between them: even bars would show a comb."""
    # They are in order, and one may come again: counted so, many take no time.
    if any(np.count_nonzero(np.diff(side.values)) >= _EACH for side in sides):
        return None
    values = np.unique(np.concatenate([side.values for side in sides]))
    if len(values) == 1:
        return _around(float(values[0]))
    between = values[:-1] / 2 + values[1:] / 2
    first, last = values[0] - (between[0] - values[0]), values[-1] + (values[-1] - between[-1])
    return np.array([first, *between, last]) if len(values) <= _EACH else None


def _even(low: float, high: float, *, whole: bool) -> Values:
    """Part a range at round numbers: multiples of 1, 2, 2.5 or 5 times a power of ten."""
    rough = high / _BARS - low / _BARS
    if rough < _SMALLEST:
        return _around(low)
    power = 10.0 ** math.floor(math.log10(rough))
    times = (1, 2, 5, 10) if whole and power < 10 else (1, 2, 2.5, 5, 10)
    step = next(t * power for t in times if t * power >= rough * 0.999)
    step = max(step, 1.0) if whole else step
    # The last bar holds what is below its end: a value at the end needs one more.
    first, last = math.floor(low / step + 1e-9), math.floor(high / step + 1e-9) + 1
    edges = np.array([_plain(number * step) for number in range(first, last + 1)])
    return edges if (np.diff(edges) > 0).all() else np.linspace(low, high, _BARS + 1)


def _around(value: float) -> Values:
    """Give a single value a bar of its own."""
    half = abs(value) * 0.05 or 0.5
    return np.array([value - half, value + half])


def _crowded(sides: Sequence[Side], edges: Values) -> bool:
    shares = sum(side.bars(edges) / side.counts.sum() for side in sides)
    return bool(np.max(shares) > _CROWDED * len(sides))


def _powers(sides: Sequence[Side], least: float, high: float) -> Values | None:
    """Part what spans orders of magnitude above zero, from a first bar that begins there."""
    above = [Side(s.values[s.values > 0], s.counts[s.values > 0], s.rows) for s in sides]
    lows = [float(side.quantiles(_TAIL)[0]) for side in above if len(side.values)]
    if least < 0 or not lows or high / min(lows) < _TIMES:
        return None
    low = min(lows)
    decades = math.log10(high) - math.log10(low)
    apart = math.ceil(decades / _BARS)
    times = next((steps for most, steps in _LOG_STEPS if decades <= most), (1.0,))
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + apart, apart)
    edges = [_plain(time * 10.0**exponent) for exponent in exponents for time in times]
    first = max(place for place, edge in enumerate(edges) if edge <= low or place == 0)
    last = next((place for place, edge in enumerate(edges) if edge > high), len(edges) - 1)
    below = [0.0] if least < edges[first] else []
    return np.array([*below, *edges[first : last + 1]])


def _plain(edge: float) -> float:
    """Leave out the digits that arithmetic brought in."""
    return float(f"{edge:.12g}") + 0.0
