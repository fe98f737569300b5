"""The primary metric on any part or mixture of a window's rows, from sums per bin and day.

How far a day moves a number is its infinitesimal jackknife: the slope of the number when the rows of that
day weigh a little more. Source: Jaeckel, Bell Laboratories memorandum 72-1215 (1972); Efron and Tibshirani,
An Introduction to the Bootstrap (1993), chapter 21. Summed in squares over days it is the variance that
whole days drawn anew would give, without a draw.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from data.examples import Examples
from keepfit.scores import is_loss, said
from keepfit.spec import Project
from monitoring.resampling import decomposed
from monitoring.scoring import Numbers, answers, as_scored

SCORE_CELLS = 512
"""For ROC AUC scores are dealt into so many cells of the same size; a pair within one counts half."""

Codes = NDArray[np.intp]
_STEP = 1e-3


@dataclass(frozen=True)
class SummedMetric:
    """The primary metric of one window's labelled answers, where it is a function of sums over rows.

    `day` numbers the day of each row [n] from 0, `terms` are what is summed: [n, t], or for ROC AUC the
    number of the term that a row is one of: [n]. `finish` makes a value of the sums of a part: [k, t] -> [k].
    """

    day: Codes
    days: int
    terms: NDArray[np.float64] | Codes
    width: int
    finish: Callable[[Numbers], Numbers]

    def tally(self, code: Codes, bins: int) -> Numbers:
        """Sum the terms of the rows by bin and day: [bins, days, t]; a row of bin -1 is left out."""
        kept = code >= 0
        return self._sums(code[kept], bins, kept, None)

    def by_day(self, weight: Numbers | None = None) -> Numbers:
        """Sum the terms of all rows, each times its weight [n], by day: [days, t]."""
        return self._sums(np.zeros_like(self.day), 1, slice(None), weight)[0]

    def _sums(
        self, code: Codes, bins: int, kept: NDArray[np.bool_] | slice, weight: Numbers | None
    ) -> Numbers:
        cell, terms = code * self.days + self.day[kept], self.terms[kept]
        summed = np.empty((bins, self.days, self.width))
        if terms.ndim == 1:
            counted = np.bincount(cell * self.width + terms, weight, minlength=summed.size)
            summed[...] = counted.reshape(summed.shape)
            return summed
        for i in range(self.width):
            term = terms[:, i] if weight is None else weight * terms[:, i]
            summed[..., i] = np.bincount(cell, term, minlength=bins * self.days).reshape(bins, self.days)
        return summed

    def count(self, sums: Numbers) -> Numbers:
        """Tell how many rows are in sums [..., t]."""
        return sums[..., 0] if self.terms.ndim == 2 else sums.sum(axis=-1)

    def value(self, sums: Numbers) -> Numbers:
        """Compute the metric from sums [..., t]; NaN where it is not defined."""
        with np.errstate(divide="ignore", invalid="ignore"):
            return self.finish(sums.reshape(-1, self.width)).reshape(sums.shape[:-1])

    def influence(self, sums: Numbers) -> Numbers:
        """Tell from sums [..., days, t] how far each day moves the metric: [..., days], adding up to 0."""
        whole = sums.sum(axis=-2, keepdims=True)
        more, less = whole + _STEP * sums, whole - _STEP * sums
        return (self.value(more) - self.value(less)) / (2 * _STEP)


def sum_metric(project: Project, judged: Examples) -> SummedMetric | str:
    """Prepare the primary metric of rows that are labelled and answered, or say why it cannot be."""
    scored = as_scored(project.target, judged.labels, answers(project.target, judged.outputs))
    if scored is None:
        return "a label or an answer is missing or is not a number" if len(judged) else "no row is judged"
    _, day = np.unique(judged.days(), return_inverse=True)
    days = int(day.max()) + 1
    metric, kind = project.metrics[0], project.target.kind
    if metric == "roc_auc" and kind == "binary":
        chance = scored.answer[:, 1]
        edges = np.unique(np.quantile(chance, np.arange(1, SCORE_CELLS) / SCORE_CELLS, method="lower"))
        cell = np.searchsorted(edges, chance, side="left")
        cells = len(edges) + 1
        term = np.where(scored.y == 1, cell, cells + cell)
        return SummedMetric(day, days, term, 2 * cells, _auc)
    terms, finish = decomposed(metric if isinstance(metric, str) else "", kind, scored)
    if finish is None:
        return f"{project.primary} is no sum over rows, so differences of it are not tested"
    return SummedMetric(day, days, np.column_stack(terms), len(terms), finish)


def answered_and_labelled(examples: Examples) -> Examples:
    """Keep the rows that can be scored."""
    return examples.where(examples.labelled & np.isfinite(examples.outputs).all(axis=1))


def half_width(influences: list[Numbers], confidence: float) -> Numbers:
    """Tell how far an interval reaches to either side, from the influences in each window [..., days].

    Days of each window vary by themselves, so degrees of freedom are those of Welch, Biometrika 34 (1947);
    a day that has no part in the number is none. NaN where it hangs on one day alone.
    """
    variances, freedom = [], []
    for influence in influences:
        days = (influence != 0).sum(axis=-1)
        with np.errstate(divide="ignore", invalid="ignore"):
            spread = (influence**2).sum(axis=-1) * days / (days - 1)
        variances.append(np.where(days > 1, spread, np.where(days == 0, 0.0, np.nan)))
        freedom.append(np.maximum(days - 1, 1))
    variance = np.sum(variances, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.sum([v**2 / f for v, f in zip(variances, freedom, strict=True)], axis=0)
        degrees = np.where(variance > 0, variance**2 / parts, 1.0)
    return stdtrit(degrees, (1 + confidence) / 2) * np.sqrt(variance)


def serial(influences: list[Numbers]) -> float:
    """Tell how many times longer an interval must be where a day is like the one before it.

    Days [days] of a window are then worth fewer independent ones: Bayley and Hammersley, Journal of the
    Royal Statistical Society B 8 (1946), of an autoregression of the first order, whose coefficient is
    freed from its bias as in Marriott and Pope, Biometrika 41 (1954). Never less than 1.
    """
    along = sum(float(each[1:] @ each[:-1]) for each in influences)
    whole = sum(float(each @ each) for each in influences)
    days = sum(len(each) for each in influences) / len(influences)
    found = along / whole if whole > 0 else 0.0
    like = float(np.clip(found + (1 + 4 * found) / days, 0.0, 0.9))
    return float(np.sqrt((1 + like) / (1 - like)))


def margin_of(project: Project, value: Numbers | float, part: float) -> Numbers:
    """Tell what `part` of the way from a value to the best one is: 0 for losses, 1 for other metrics."""
    best = 0.0 if is_loss(project.primary) else 1.0
    return np.asarray(part * np.abs(best - value))


def spoken(project: Project, value: float) -> str:
    """Write a value of the primary metric as people say it: a loss is above zero."""
    return said(project.primary, value, ".3g")


def _auc(sums: Numbers) -> Numbers:
    """ROC AUC as the share of won pairs, a tie being half (Hanley and McNeil, Radiology 143, 1982)."""
    cells = sums.shape[1] // 2
    positive, negative = sums[:, :cells], sums[:, cells:]
    below = np.cumsum(negative, axis=1) - negative / 2
    return (positive * below).sum(axis=1) / (positive.sum(axis=1) * negative.sum(axis=1))
