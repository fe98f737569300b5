"""How the slices of a window differ from their rest, day by day, and how surely: of all slices at once.

Sources: the p-value turns whole days around, of all slices alike, around the value that a slice has where
nothing differs: the wild cluster bootstrap of Cameron, Gelbach and Miller, Review of Economics and
Statistics 90 (2008); the largest over all slices: Westfall and Young, Resampling-Based Multiple Testing
(1993).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from monitoring.scoring import Numbers
from monitoring.slicing import Cut
from monitoring.tallies import SummedMetric

FLIPS = 1_999


@dataclass(frozen=True)
class Sliced:
    """One window in slices: values [slices]; influences and shares of the rows per day [slices, days]."""

    whole: float
    rows: Numbers
    days: NDArray[np.intp]
    value: Numbers
    rest: Numbers
    influence: Numbers
    of_rest: Numbers
    share: Numbers
    share_of_rest: Numbers

    @property
    def gap(self) -> Numbers:
        """Each slice minus its rest."""
        return self.value - self.rest

    @property
    def of_gap(self) -> Numbers:
        """How far each day moves it."""
        return self.influence - self.of_rest


def slice_window(metric: SummedMetric, cuts: Sequence[Cut], frame: int) -> Sliced:
    """Cut one window; a column after the other, for ROC AUC has a thousand sums for each day and slice."""
    everything = metric.by_day()
    parts: list[tuple[Numbers, ...]] = []
    for cut in cuts:
        sums = metric.tally(cut.codes[frame], len(cut.names))
        rest = everything - sums
        rows, others = metric.count(sums), metric.count(rest)
        values = [metric.value(each.sum(axis=1)) for each in (sums, rest)]
        parts.append((rows, others, *values, metric.influence(sums), metric.influence(rest)))
    rows, others, value, of_rest_value, influence, of_rest = (
        np.concatenate(each) for each in zip(*parts, strict=True)
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        share, share_of_rest = (each / each.sum(axis=1, keepdims=True) for each in (rows, others))
    return Sliced(
        float(metric.value(everything.sum(axis=0))),
        rows.sum(axis=1),
        (rows > 0).sum(axis=1),
        value,
        of_rest_value,
        influence,
        of_rest,
        share,
        share_of_rest,
    )


def differs(now: Sliced) -> Numbers:
    """What each day adds to the difference from the rest, if both had the value of the whole window."""
    return (
        now.of_gap
        + (now.value - now.whole)[:, None] * now.share
        - (now.rest - now.whole)[:, None] * now.share_of_rest
    )


def moved(now: Sliced, before: Sliced) -> Numbers:
    """What each day of both windows adds to the change of the difference, if that were the same in both."""
    with np.errstate(divide="ignore", invalid="ignore"):
        sure = [1 / (each.of_gap**2).sum(axis=1) for each in (now, before)]
        same = (sure[0] * now.gap + sure[1] * before.gap) / (sure[0] + sure[1])
    late, early = (each.of_gap + (each.gap - same)[:, None] * each.share for each in (now, before))
    return np.column_stack([late, -early])


def p_values(each_day: Numbers, judged: NDArray[np.bool_], seed: int) -> Numbers:
    """Adjusted one-sided p-values of sums over days [slices, days] below zero; 1 where not judged."""
    found = np.ones(len(each_day))
    if not judged.any():
        return found
    scale = np.sqrt((each_day[judged] ** 2).sum(axis=1, keepdims=True))
    scaled = np.divide(each_day[judged], scale, out=np.zeros_like(each_day[judged]), where=scale > 0)
    flips = np.random.default_rng(seed).choice([-1.0, 1.0], size=(FLIPS, each_day.shape[1]))
    largest = np.sort((flips @ scaled.T).max(axis=1))
    # Sums are rounded: the same signs in another order must not count as less.
    reached = FLIPS - np.searchsorted(largest, -scaled.sum(axis=1) - 1e-9, side="left")
    found[judged] = (1 + reached) / (FLIPS + 1)
    return found
