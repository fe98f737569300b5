"""The metric of the reference's rows, weighted so that columns have the shares of the current window."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from monitoring.binning import Bins
from monitoring.scoring import Numbers
from monitoring.tallies import SummedMetric

SWEEPS = 10
_STEP = 1e-3


@dataclass(frozen=True)
class Shift:
    """The reference's sums [bins, days, t] of one column, and its current rows [bins, days].

    The weights of the bins are part of what a day changes.
    """

    metric: SummedMetric
    sums: Numbers
    counts: Numbers

    def of_reference(self) -> Numbers:
        """Tell how far each day of the reference moves the change that the shares make."""
        wanted = self.counts.sum(axis=1)
        return self._slopes(np.moveaxis(self.sums, 1, 0), lambda part: self._change(part, wanted))

    def of_current(self) -> Numbers:
        """Tell how far each day of the current window moves it."""
        sums = self.sums.sum(axis=1)
        return self._slopes(self.counts.T, lambda part: self._change(sums, part))

    def _change(self, sums: Numbers, counts: Numbers) -> Numbers:
        """Tell what the metric gains under the shares of counts [bins], from sums [bins, t]."""
        rows = self.metric.count(sums)
        weights = np.divide(counts, rows, out=np.zeros_like(rows), where=rows > 0)
        return self.metric.value(weights @ sums) - self.metric.value(sums.sum(axis=0))

    @staticmethod
    def _slopes(days: Numbers, change: Callable[[Numbers], Numbers]) -> Numbers:
        whole = days.sum(axis=0)
        each = [change(whole + _STEP * day) - change(whole - _STEP * day) for day in days]
        return np.array(each) / (2 * _STEP)


def rake(columns: Sequence[Bins], wanted: Sequence[Numbers]) -> Numbers:
    """Weigh the reference's rows [n] until each column has the shares of its counts wanted [bins].

    One column after the other, again and again: Deming and Stephan, Annals of Mathematical Statistics 11
    (1940). What columns have to do with each other stays as it was.
    """
    weight = np.ones(len(columns[0].reference))
    for _ in range(SWEEPS):
        for bins, counts in zip(columns, wanted, strict=True):
            held = np.bincount(bins.reference, weight, minlength=bins.count)
            weight *= np.divide(counts, held, out=np.zeros_like(held), where=held > 0)[bins.reference]
    return weight


def count_by_day(bins: Bins, day: np.ndarray, rows: np.ndarray) -> Numbers:
    """Count the current rows of a mask by bin and day: [bins, days]."""
    days = int(day.max()) + 1
    cell = bins.current[rows] * days + day[rows]
    return np.bincount(cell, minlength=bins.count * days).reshape(bins.count, days).astype(np.float64)
