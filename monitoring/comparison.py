"""Two models on one holdout: the gain of the challenger, and where it may lie."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from keepfit.scores import metric_words
from keepfit.spec import Project
from monitoring.resampling import (
    MIN_DAYS,
    RESAMPLES,
    SLOW_RESAMPLES,
    DayScores,
    Interval,
    day_scores,
    draw_days,
    percentile_interval,
    unknown,
)
from monitoring.scoring import Labels, Numbers, score_metric


@dataclass(frozen=True)
class Gain:
    """How much better the challenger is on the primary metric, with the interval of that number.

    `low` and `high` are NaN where there is no interval, and `unknown` says why.
    """

    metric: str
    value: float
    low: float
    high: float
    confidence: float
    days: int
    resamples: int
    unknown: str | None = None

    @property
    def proven(self) -> bool:
        """Whether the interval lies above zero; never true of a NaN."""
        return self.low > 0

    @property
    def _said(self) -> str:
        return f"the gain on {metric_words(self.metric)} is {self.value:+.4f}"

    @property
    def sentence(self) -> str:
        """Say the gain and its interval for a person."""
        if self.unknown is not None:
            return f"{self._said}, without an interval: {self.unknown}"
        return (
            f"{self._said}, {self.confidence:.0%} interval "
            f"[{self.low:+.4f}, {self.high:+.4f}] over {self.days} days"
        )


def compare(
    project: Project,
    y_true: Labels,
    given: tuple[Labels, Labels],
    days: NDArray[Any],
    weight: Numbers | None = None,
    resamples: int | None = None,
) -> Gain:
    """Measure the challenger's gain on the primary metric by a paired bootstrap over days.

    `given` are the challenger's answers and the champion's, shaped as in `score`; `days` numbers the day
    of each row, in any way, and a row counts as often as its `weight` [n] says. Each resample draws whole
    days with replacement, the same for both models, so that what makes a day easy or hard cancels.
    Without `resamples` there are 2,000, or 200 where the metric must be computed anew on the rows of each.
    A NaN anywhere, or fewer than five days, gives no interval: it counts against the challenger.
    """
    metric = project.metrics[0]
    ours, theirs = (score_metric(project, metric, y_true, answer, weight) for answer in given)
    _, day = np.unique(np.asarray(days), return_inverse=True)
    count = int(day.max()) + 1 if len(day) else 0
    found = unknown("the holdout has no rows")
    if len(day):
        ours_by_day, theirs_by_day = (day_scores(project, y_true, answer, day, weight) for answer in given)
        found = _interval(project, (ours_by_day, theirs_by_day), count, resamples)
    if found.unknown is None and math.isnan(ours - theirs):
        found = unknown("the metric is not defined on the holdout")
    return Gain(
        project.primary,
        ours - theirs,
        found.low,
        found.high,
        project.confidence,
        count,
        found.resamples,
        found.unknown,
    )


def _interval(
    project: Project, scores: tuple[DayScores | None, DayScores | None], count: int, resamples: int | None
) -> Interval:
    challenger, champion = scores
    if challenger is None or champion is None:
        return unknown("a label or an answer is missing or is not a number")
    if count < MIN_DAYS:
        return unknown(f"the holdout has {count} days, an interval needs at least {MIN_DAYS}")
    draws = draw_days(count, resamples or (RESAMPLES if challenger.fast else SLOW_RESAMPLES), project.seed)
    return percentile_interval(challenger.on(draws) - champion.on(draws), project.confidence)
