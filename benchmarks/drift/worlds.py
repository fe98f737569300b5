"""Two windows in which nothing has changed: made rows, and rows of flights and of hotels in random order."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.signal import lfilter

Frames = tuple[pd.DataFrame, pd.DataFrame]
Kind = Literal["numbers", "categories", "mixed", "flights", "hotel", "timetable"]
DAY = "day"
"""Where there is such a column it is no feature: rows of one day are a block, as in a project."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One world of the protocol.

    The reference has `multiple` windows of `rows`. `dependence` is the correlation of a made value with
    the one before it. Of real rows, blocks of `run` are put in random order: 1 shuffles the rows.
    """

    kind: Kind
    rows: int
    columns: int = 0
    multiple: int = 40
    dependence: float = 0.0
    cardinality: int = 8
    run: int = 1
    repetitions: int = 200

    @property
    def name(self) -> str:
        """Say what it is."""
        if self.kind == "timetable":
            return "flights, a week of the timetable among those around it"
        if self.kind in ("flights", "hotel"):
            runs = "rows" if self.run == 1 else f"runs of {self.run:,} rows"
            return f"{self.kind}, {runs} shuffled"
        categories = "" if self.kind == "numbers" else f", {self.cardinality:,} categories"
        return f"{self.kind}{categories}, AR {self.dependence:g}"

    def draw(self, rng: np.random.Generator) -> Frames:
        """Make a reference and a current window that follows it."""
        if self.kind == "timetable":
            return weeks(self.multiple, rng)
        total = self.rows * (self.multiple + 1)
        if self.kind in ("flights", "hotel"):
            frame = shuffled(self.kind, total, self.run, rng)
        else:
            frame = made(self, total, rng)
        cut = total - self.rows
        return frame.iloc[:cut].reset_index(drop=True), frame.iloc[cut:].reset_index(drop=True)


def made(cell: Cell, rows: int, rng: np.random.Generator) -> pd.DataFrame:
    """Make columns: normal, skewed and rounded numbers that share a factor; sticky categories and flags.

    In `mixed` three of ten are categories, one is a flag, and a third of the numbers lacks a twentieth.
    """
    shared = wave(rows, cell.dependence, rng)
    columns: dict[str, Any] = {}
    for i in range(cell.columns):
        if cell.kind == "categories" or (cell.kind == "mixed" and i % 10 in (3, 6, 8)):
            columns[f"c{i}"] = sticky(rows, cell.cardinality, cell.dependence, rng)
        elif cell.kind == "mixed" and i % 10 == 9:
            columns[f"c{i}"] = wave(rows, cell.dependence, rng) > 0.85
        else:
            values = np.sqrt(0.7) * wave(rows, cell.dependence, rng) + np.sqrt(0.3) * shared
            columns[f"c{i}"] = _shape(values, i)
            if cell.kind == "mixed" and i % 3 == 1:
                lacking = wave(rows, cell.dependence, rng) > 1.645
                columns[f"c{i}"][lacking] = np.nan
    return pd.DataFrame(columns)


def _shape(values: NDArray[np.float64], i: int) -> NDArray[np.float64]:
    if i % 3 == 1:
        return np.exp(values)
    return np.round(2 * values) if i % 3 == 2 else values


def wave(rows: int, dependence: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Make a stationary AR(1) of variance 1."""
    steps = rng.standard_normal(rows)
    if not dependence:
        return steps
    steps[1:] *= np.sqrt(1 - dependence**2)
    return np.asarray(lfilter([1.0], [1.0, -dependence], steps))


def sticky(rows: int, cardinality: int, dependence: float, rng: np.random.Generator) -> NDArray[Any]:
    """Make categories, a few frequent and most rare, each kept from the row before with this probability."""
    weights = 1 / np.arange(1, cardinality + 1)
    drawn = rng.choice(cardinality, rows, p=weights / weights.sum())
    if dependence:
        new = rng.random(rows) >= dependence
        new[0] = True
        drawn = drawn[np.maximum.accumulate(np.where(new, np.arange(rows), 0))]
    return np.array([f"k{i}" for i in range(cardinality)], dtype=object)[drawn]


def shuffled(name: str, rows: int, run: int, rng: np.random.Generator) -> pd.DataFrame:
    """Take runs of a year's rows in random order."""
    frame = _year(name)
    runs = len(frame) // run
    chosen = rng.permutation(runs)[: -(-rows // run)]
    places = (chosen[:, None] * run + np.arange(run)).ravel()[:rows]
    if len(places) < rows:
        msg = f"{name} has {len(places)} rows, not {rows}"
        raise ValueError(msg)
    return frame.take(places)


def weeks(around: int, rng: np.random.Generator) -> Frames:
    """Take whole weeks that follow each other, and any one of them as the current one."""
    frame = _year("timetable")
    first = int(rng.integers(0, 364 // 7 - around)) * 7
    week = (frame[DAY] - frame[DAY].iloc[0] - first) // 7
    chosen = int(rng.integers(0, around + 1))
    others = (week >= 0) & (week <= around) & (week != chosen)
    return frame[others].reset_index(drop=True), frame[week == chosen].reset_index(drop=True)


def hotel_is_missing() -> str | None:
    """Say why there are no hotel bookings, where they are not at hand."""
    try:
        _year("hotel")
    except SystemExit as fault:
        return str(fault)
    return None


@cache
def _year(name: str) -> pd.DataFrame:
    if name in ("flights", "timetable"):
        from examples.flights.history import WEATHER, read_history

        frame = read_history().to_pandas()
        numbers, texts = ["minute_of_day", "distance", "planned_minutes"], ["carrier", "origin", "dest"]
        if name == "timetable":
            days = frame["predicted_at"].dt.tz_convert("America/New_York").dt.tz_localize(None)
            days = (days - pd.Timestamp(0)).dt.days
            return _plain(frame, numbers, texts).assign(**{DAY: days})
        return _plain(frame, ["weekday", *numbers, *WEATHER], texts)
    from benchmarks.drift.hotel import FLAGS, NUMBERS, TEXTS, bookings

    return _plain(bookings(), NUMBERS, [*TEXTS, *FLAGS])


def _plain(frame: pd.DataFrame, numbers: Sequence[str], texts: Sequence[str]) -> pd.DataFrame:
    columns = {n: frame[n].to_numpy(dtype=np.float64, na_value=np.nan) for n in numbers}
    filled = {n: frame[n].astype(object).where(frame[n].notna(), None) for n in texts}
    strings = {n: v.map(lambda held: held if held is None else str(held)) for n, v in filled.items()}
    return pd.DataFrame(columns | strings)
