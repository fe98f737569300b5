"""What a drift does to the model: its primary metric, if one column were as it is now and all else as before.

The labelled rows of the reference are weighted until the column's shares are those of the current window,
under which the model is scored: importance weighting, as in Shimodaira, Journal of Statistical Planning and
Inference 90 (2000), and Sugiyama, Krauledat and Mueller, JMLR 8 (2007); by shares of bins it is
post-stratification, Holt and Smith, Journal of the Royal Statistical Society A 142 (1979). It takes the
chances of a label given a row as unchanged: where they changed themselves, only labels can tell.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from keepfit.scores import is_loss, metric_words
from keepfit.spec import Project
from monitoring.binning import OUTSIDE, Bins, bins_of
from monitoring.drift.columns import answer_names, label_name
from monitoring.drift.wording import share
from monitoring.resampling import MIN_DAYS
from monitoring.reweighting import Shift, count_by_day, rake
from monitoring.scoring import Numbers
from monitoring.tallies import (
    SummedMetric,
    answered_and_labelled,
    half_width,
    margin_of,
    serial,
    spoken,
    sum_metric,
)

if TYPE_CHECKING:
    from data.examples import Examples

MARGIN = 0.02
"""The least harm worth a retrain: two hundredths more loss, or less of what a metric lacks to its best. A
retrain on flights gains about 5 %, so a drift that costs less than half of that pays for none."""
TOGETHER = "all of them together"
"""What the harm of several columns at once is called."""
LEAST_EFFECTIVE = 50.0
"""Weighted rows that are worth fewer than so many plain ones say nothing."""
UNCOVERED = 0.01
"""More of the current rows where the reference has none, and nobody can say that they do no harm."""
FAR = 0.2
"""More of them, and nothing is said of the others either."""


@dataclass(frozen=True, slots=True)
class Harm:
    """What the drift of one column does to the primary metric; `change` below zero is worse.

    `low` and `high` are the ends of its interval, for as many columns as were asked about together;
    `harmful` is true where it lies below zero and `change` is beyond the margin, false where it leaves no
    room for such a change, and None where neither can be said. `uncovered` is the share of the current rows
    whose values the reference lacks, `effective_rows` what the weighted rows are worth, and `answers` the
    mean answer before and under the new shares; of several classes, that of the class that moved most.
    `measured` is true where no weights were needed, for it is the labels themselves that were compared.
    """

    column: str
    words: str
    change: float = math.nan
    low: float = math.nan
    high: float = math.nan
    harmful: bool | None = None
    unknown: str | None = None
    uncovered: float = 0.0
    effective_rows: float = math.nan
    answers: tuple[float, float] = (math.nan, math.nan)
    measured: bool = False


def harm_of_drift(
    project: Project, reference: "Examples", current: "Examples", columns: Sequence[str]
) -> tuple[Harm, ...]:
    """Estimate what the drift of each of `columns` does to the model, the worst first, the unknown last.

    Both windows are answered by the model; of the reference only labelled rows are used, of the current one
    no label is, but for the column of the label itself. Columns are features, and `answer_names` and
    `label_name` of monitoring.drift.columns. The interval is that of days of both windows; the weights are
    estimated anew with every change of a day.
    """
    asked = list(dict.fromkeys(columns))
    known = answered_and_labelled(reference)
    metric = sum_metric(project, known)
    tests = max(len(asked) + (sum(name in project.features for name in asked) > 1), 1)
    windows = _Windows(project, known, current, 1 - (1 - project.confidence) / tests)
    found = [_harm(windows, metric, name) for name in asked]
    weighed = [
        harm.column for harm in found if harm.column in project.features and math.isfinite(harm.change)
    ]
    if len(weighed) > 1 and isinstance(metric, SummedMetric):
        bins = [_bins(windows, name) for name in weighed]
        found.append(_estimated(windows, metric, TOGETHER, [each for each in bins if each is not None]))
    return tuple(sorted(found, key=lambda harm: (math.isnan(harm.change), harm.change, harm.column)))


@dataclass(frozen=True)
class _Windows:
    project: Project
    reference: "Examples"
    current: "Examples"
    confidence: float


def _harm(windows: _Windows, metric: SummedMetric | str, column: str) -> Harm:
    if isinstance(metric, str):
        return _unsaid(column, f"of the reference: {metric}")
    if metric.days < MIN_DAYS:
        return _unsaid(column, f"the reference has labelled answers of {metric.days} days, not {MIN_DAYS}")
    if column == label_name(windows.project):
        return _measured(windows, metric, column)
    if not len(windows.current):
        return _unsaid(column, "the current window has no rows")
    bins = _bins(windows, column)
    if bins is None:
        return _unsaid(column, "it is no column of both windows")
    return _estimated(windows, metric, column, [bins])


def _bins(windows: _Windows, column: str) -> Bins | None:
    names, both = answer_names(windows.project), (windows.reference, windows.current)
    if column in names:
        before, after = (each.outputs[:, names.index(column)] for each in both)
        return bins_of("number", before, after)
    if column not in windows.project.features or any(column not in each.features for each in both):
        return None
    before, after = (each.features[column].to_numpy() for each in both)
    return bins_of(windows.project.features[column].kind, before, after)


def _estimated(windows: _Windows, metric: SummedMetric, column: str, columns: list[Bins]) -> Harm:
    """Weigh by one column or by several; of several the weights count as fixed where a day changes."""
    project = windows.project
    inside = np.logical_and.reduce([bins.current != OUTSIDE for bins in columns])
    uncovered = float(1 - inside.mean())
    if uncovered > FAR:
        lacks = f"{share(uncovered)} of the current rows have a value that the labelled reference lacks"
        return _unsaid(column, lacks, uncovered)
    _, day = np.unique(windows.current.days(), return_inverse=True)
    counts = [count_by_day(bins, day, inside) for bins in columns]
    weight = rake(columns, [each.sum(axis=1) for each in counts])
    effective = float(weight.sum() ** 2 / (weight**2).sum())  # Kish, Survey Sampling (1965)
    if effective < LEAST_EFFECTIVE:
        worth = f"the weighted rows of the reference are worth {effective:.0f} plain ones"
        return _unsaid(column, f"{worth}, fewer than {LEAST_EFFECTIVE:.0f}", uncovered)
    before, after = (metric.by_day(each) for each in (None, weight))
    value = float(metric.value(before.sum(axis=0)))
    change = float(metric.value(after.sum(axis=0))) - value
    shifts = [
        Shift(metric, metric.tally(bins.reference, bins.count), each)
        for bins, each in zip(columns, counts, strict=True)
    ]
    of_current = np.sum([shift.of_current() for shift in shifts], axis=0)
    of_reference = metric.influence(after) - metric.influence(before)
    if len(shifts) == 1:
        of_reference = shifts[0].of_reference()
    wide = float(half_width([of_reference, of_current], windows.confidence))
    interval = (change, change - wide, change + wide)
    if not math.isfinite(interval[1]):
        return _unsaid(column, "the metric is not defined under the new shares", uncovered)
    harmful, why = _is_harmful(project, value, interval, uncovered)
    pooled = max(bins.pooled for bins in columns)
    if harmful is False and pooled > FAR:
        rare = f"{share(pooled)} of the current rows are in categories with few rows in the reference"
        harmful, why = None, f"cannot say whether it does harm: {rare}"
    answered = _answers(windows.reference.outputs, weight)
    moved = f"mean answer {answered[0]:.3g} -> {answered[1]:.3g}"
    if column in answer_names(project):
        moved = "if a score still means what it meant"
    words = f"{_told(project, column, value, interval)}, {moved}" + (f"; {why}" if why else "")
    return Harm(column, words, *interval, harmful, why, uncovered, effective, answered)


def _measured(windows: _Windows, metric: SummedMetric, column: str) -> Harm:
    """The labels themselves: no estimate, but what they say so far."""
    project = windows.project
    judged = answered_and_labelled(windows.current)
    now = sum_metric(project, judged)
    if isinstance(now, str):
        return _unsaid(column, f"of the current window: {now}")
    if len(judged) < LEAST_EFFECTIVE or now.days < MIN_DAYS:
        few = f"{len(judged)} labelled answers of {now.days} days in the current window are too few"
        return _unsaid(column, few)
    sums = [each.by_day() for each in (metric, now)]
    before, after = (float(m.value(s.sum(axis=0))) for m, s in zip((metric, now), sums, strict=True))
    influences = [m.influence(s) for m, s in zip((metric, now), sums, strict=True)]
    # Good and bad days come in spells, which the other comparisons are free of: they are within a day.
    wide = serial(influences) * float(half_width(influences, windows.confidence))
    interval = (after - before, after - before - wide, after - before + wide)
    if not math.isfinite(interval[1]):
        return _unsaid(column, "the metric is not defined on the labels so far")
    harmful, why = _is_harmful(project, before, interval, 0.0)
    told = _told(project, column, before, interval)
    words = f"{told}, measured on {len(judged):,} labels so far" + (f"; {why}" if why else "")
    return Harm(column, words, *interval, harmful, why, effective_rows=float(len(judged)), measured=True)


def _is_harmful(
    project: Project, before: float, interval: tuple[float, float, float], uncovered: float
) -> tuple[bool | None, str | None]:
    """Say whether a change is harm, and why not where that cannot be said."""
    change, low, high = interval
    margin = float(margin_of(project, before, MARGIN))
    if high < 0 and -change >= margin:
        return True, None
    if uncovered > UNCOVERED:
        lacks = f"{share(uncovered)} of the current rows have a value that the labelled reference lacks"
        return None, f"cannot say what else it does: {lacks}"
    if low > -margin:
        return False, None
    return None, f"cannot say whether it costs {margin:.2g} or more, which would be harm"


def _told(project: Project, column: str, before: float, interval: tuple[float, float, float]) -> str:
    change, low, high = interval
    sign = -1 if is_loss(project.primary) else 1
    ends = sorted((before + low, before + high), key=lambda value: sign * value)
    between = f"{spoken(project, ends[0])} to {spoken(project, ends[1])}"
    after = f"{spoken(project, before)} -> {spoken(project, before + change)} ({between})"
    return f"drift of {column}: {metric_words(project.primary)} {after}"


def _unsaid(column: str, why: str, uncovered: float = 0.0) -> Harm:
    return Harm(
        column,
        f"cannot say what the drift of {column} does: {why}",
        unknown=f"cannot say: {why}",
        uncovered=uncovered,
    )


def _answers(outputs: Numbers, weight: Numbers) -> tuple[float, float]:
    before, after = outputs.mean(axis=0), (weight[:, None] * outputs).sum(axis=0) / weight.sum()
    most = int(np.abs(after - before).argmax())
    return float(before[most]), float(after[most])
