"""How long rows remember: what one row says of the next ones, and blocks of rows that are long enough.

Sources: the variance of a mean of n dependent values is phi(n) / n of one value's, where phi(n) = 1 + 2 sum
(1 - k/n) rho_k: Bartlett, JRSS Supplement 8 (1946). Where to stop adding up correlations that are mostly
noise: the initial positive sequence of Geyer, Statistical Science 7 (1992). The correction of correlations
for the estimated mean: Marriott and Pope, Biometrika 41 (1954).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.drift.coding import Coded

Numbers = NDArray[np.float64]

_LOOKED_AT = 1 << 13
"""Rows next to each other that correlations are estimated on, of each window."""
_ENOUGH = 500
"""A reference of fewer rows says little of how long they remember."""
_PROJECTIONS = 3
_TRUSTED_DAYS = 28
_MOST_ALIKE = 0.9


@dataclass(frozen=True)
class Memory:
    """How long the rows of some columns remember: correlations [columns, lags], from lag 1 on; 0 is noise."""

    correlation: Numbers

    def phi(self, rows: int) -> Numbers:
        """Tell by how much the variance of a sum of so many rows is more than if they were independent."""
        lags = np.arange(1, min(rows, self.correlation.shape[1] + 1))
        return 1 + 2 * (self.correlation[:, : len(lags)] @ (1 - lags / rows))

    def longest(self) -> "Memory":
        """Keep of several columns the most of each lag."""
        return Memory(self.correlation.max(axis=0, keepdims=True, initial=0.0))


def row_memory(columns: list[Coded], reference_rows: int, seed: int) -> Memory:
    """Estimate how long the rows of each column remember, from the reference, in the order of time.

    The current window is looked at only beside a reference that is short and no longer: a change within
    it would pass for memory, and hide itself.

    Of numbers the ranks are taken, of categories random numbers given to each: on average their covariance
    is that of the indicators of all categories, P(the same k rows later) - sum p^2. Rows of which a value
    is missing are a series too; the most of all series and windows is the column's.
    """
    rows = len(columns[0].codes) if columns else 0
    windows = [(max(0, reference_rows - _LOOKED_AT), reference_rows)]
    if reference_rows < min(_ENOUGH, rows - reference_rows):
        windows.append((reference_rows, min(rows, reference_rows + _LOOKED_AT)))
    most = np.zeros((len(columns), max(b - a for a, b in windows)))
    for start, stop in windows:
        for place, column in enumerate(columns):
            for series in _series(column, column.codes[start:stop], seed):
                found = _correlation(series)
                np.maximum(most[place, : len(found)], found, out=most[place, : len(found)])
    used = np.flatnonzero(most.any(axis=0))
    return Memory(most[:, : used[-1] + 1 if len(used) else 0])


def _series(column: Coded, codes: NDArray[Any], seed: int) -> list[Numbers]:
    """Give a column's values as series [alike, rows], and what is missing; a missing value is the mean."""
    missing = codes == column.width
    told = np.arange(column.width + 1, dtype=np.float64)[None]
    if column.kind == "category":
        told = np.random.default_rng(seed).normal(size=(_PROJECTIONS, column.width + 1))
    values = told[:, codes]
    if not missing.any():
        return [values]
    held = ~missing
    middle = values[:, held].mean(axis=1, keepdims=True) if held.any() else 0.0
    return [np.where(missing, middle, values), missing[None].astype(np.float64)]


def _correlation(series: Numbers) -> Numbers:
    """Estimate the autocorrelations from lag 1 on, of series that are alike [alike, rows]; 0 where noise."""
    rows = series.shape[1]
    centred = series - series.mean(axis=1, keepdims=True)
    if rows < 4 or (centred**2).mean() < 1e-12:
        return np.empty(0)
    size = 1 << (rows + rows // 2).bit_length()
    power = (np.abs(np.fft.rfft(centred, size, axis=1)) ** 2).sum(axis=0)
    # Divided by the pairs of each lag: without bias, but for the mean that is estimated too.
    covariance = np.fft.irfft(power, size)[: rows // 2] / np.arange(rows, rows - rows // 2, -1)
    correlation = covariance / covariance[0]
    pairs = len(correlation) // 2
    negative = np.flatnonzero(correlation[: 2 * pairs : 2] + correlation[1 : 2 * pairs : 2] <= 0)
    kept = correlation[1 : 2 * (negative[0] if len(negative) else pairs)]
    length = min(1 + 2 * np.maximum(kept, 0).sum(), rows / 4)
    return np.where(kept > 0, kept + (1 - kept) * length / rows, 0.0)


def day_widening(shares: Mapping[str, Numbers], days: NDArray[np.int64], most: int) -> dict[str, float]:
    """Tell how much wider chance is than for independent days, for each column.

    `shares` [days, bins] are of the rows of each of `days`, in a window where nothing moved; `most` is how
    many days the other window has. Weekdays are compared with themselves. What one day says of the next is
    taken to fade by the same factor each day; of few days it is uncertain, so each column's is drawn to
    the mean of all.
    """
    found = {name: _next_day(each, days) for name, each in shares.items()}
    known = [each for each in found.values() if each is not None]
    if not known:
        return {}
    mean, trust = sum(known) / len(known), len(days) / (len(days) + _TRUSTED_DAYS)
    lags = np.arange(1, most)
    told: dict[str, float] = {}
    for name, own in found.items():
        r = mean if own is None else trust * own + (1 - trust) * mean
        r += (1 - r) * (1 + r) / (1 - r) / len(days)  # for the mean that is estimated too
        told[name] = float(np.sqrt(1 + 2 * ((1 - lags / most) * max(0.0, min(r, _MOST_ALIKE)) ** lags).sum()))
    return told


def _next_day(shares: Numbers, days: NDArray[np.int64]) -> float | None:
    """Estimate the correlation of a day with the next, beyond what weekdays have in common."""
    left = shares.astype(np.float64)
    for weekday in range(7):
        alike = days % 7 == weekday
        if alike.any():
            left[alike] -= left[alike].mean(axis=0)
    spread = (left**2).sum() / len(days)
    follows = np.flatnonzero(np.diff(days) == 1)
    if spread < 1e-12 or len(follows) < 7:
        return None
    return float(min((left[follows] * left[follows + 1]).sum() / len(follows) / spread, 0.99))
