"""How good the answers were, on the labels known so far; and what can be said before labels arrive."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from keepfit.scores import interval_said, metric_words, said
from keepfit.spec import Project
from monitoring.resampling import (
    MIN_DAYS,
    RESAMPLES,
    SLOW_RESAMPLES,
    Interval,
    day_scores,
    draw_days,
    percentile_interval,
    unknown,
)
from monitoring.scoring import Numbers, answers, check_metrics, score

if TYPE_CHECKING:
    from data.examples import Examples

__all__ = ["Performance", "check_metrics", "measure", "score"]


@dataclass(frozen=True)
class Performance:
    """The scores of a window's stored answers, with the interval of the primary metric.

    `rows` are the window's predictions, `labelled` those whose label is known, `scored` those of them
    that have an answer (an imported row has none). `low` and `high` are NaN where there is no
    interval, and `unknown` says why.
    """

    metric: str
    value: float
    low: float
    high: float
    confidence: float
    scores: Mapping[str, float]
    rows: int
    labelled: int
    scored: int
    days: int
    unknown: str | None = None

    @property
    def matured(self) -> float:
        """The share of the predictions whose label has arrived; NaN of none."""
        return self.labelled / self.rows if self.rows else float("nan")

    @property
    def sentence(self) -> str:
        """Say the primary score and what it rests on for a person."""
        share = f" ({self.matured:.0%} have a label)" if self.rows else ""
        basis = f"on {self.scored} labelled of {self.rows} predictions{share}"
        score = f"{metric_words(self.metric)} is {said(self.metric, self.value)}"
        if self.unknown is not None:
            return f"{score} {basis}, without an interval: {self.unknown}"
        interval = f"{self.confidence:.0%} interval {interval_said(self.metric, self.low, self.high)}"
        return f"{score}, {interval} {basis}, over {self.days} days"


def measure(project: Project, examples: "Examples", outputs: Numbers | None = None) -> Performance:
    """Score the answers of a window on the labels known, by a bootstrap over days.

    Without `outputs` [n, target.outputs], one model's answers to the window, the stored ones are scored,
    of whichever versions gave them.

    The labelled part of a recent window is a biased one where the delay of a label depends on the
    label itself: `matured` says how much of the window is judged, and `estimate_performance` what the
    score of the whole will be.
    """
    if outputs is not None:
        examples = replace(examples, outputs=outputs)
    answered = np.isfinite(examples.outputs).all(axis=1)
    judged = examples.where(examples.labelled & answered)
    y_true, answer = judged.labels, answers(project.target, judged.outputs)
    days = judged.days()
    scores = score(project, y_true, answer)
    found = _interval(project, judged)
    return Performance(
        metric=project.primary,
        value=scores[project.primary],
        low=found.low,
        high=found.high,
        confidence=project.confidence,
        scores=scores,
        rows=len(examples),
        labelled=int(examples.labelled.sum()),
        scored=len(judged),
        days=len(np.unique(days)),
        unknown=found.unknown,
    )


def _interval(project: Project, judged: "Examples") -> Interval:
    if len(judged) == 0:
        return unknown("no prediction of the window has both an answer and a label yet")
    if len(judged) < project.min_rows:
        return unknown(
            f"{len(judged)} labelled predictions are fewer than the {project.min_rows} of min_rows"
        )
    numbers, day = np.unique(judged.days(), return_inverse=True)
    if len(numbers) < MIN_DAYS:
        return unknown(f"labels of {len(numbers)} days, an interval needs at least {MIN_DAYS}")
    scores = day_scores(project, judged.labels, answers(project.target, judged.outputs), day)
    if scores is None:
        return unknown("a label or an answer is not a number")
    draws = draw_days(len(numbers), RESAMPLES if scores.fast else SLOW_RESAMPLES, project.seed)
    return percentile_interval(scores.on(draws), project.confidence)
