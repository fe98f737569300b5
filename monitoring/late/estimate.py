"""What a window's scores will be when all of its labels are there.

Labels that are known count as they are. Those that are out are filled in by what they turned out to be in
earlier windows, looked at as late after their end as this one now (landmarking: van Houwelingen,
Scandinavian Journal of Statistics 34, 2007): only what was out at the same age says what such rows
become, so that labels that came early cannot bias it. Confidence-based estimates (CBPE: NannyML's
documentation; PAPE: Bialek and others, NeurIPS 2025) calibrate on all that is labelled instead.

The interval is of the score that these rows will have. It is as wide as such estimates were off in earlier
windows, each made from the windows before it (split conformal prediction in time: Stankeviciute and others,
NeurIPS 2021, with Student's quantile in place of a rank, for windows are few).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import t as student

from keepfit.scores import interval_said, metric_words, said
from keepfit.spec import Project, metric_name
from monitoring.late.delay import Delays, ages, learn_delays
from monitoring.late.landmarks import Filling, Rows, fill, joined, reveal, see_as_then
from monitoring.scoring import Numbers, answers, score, score_metric

if TYPE_CHECKING:
    from data.examples import Examples

_NAN = float("nan")
_WINDOWS = 20
"""Earlier windows on which the estimate is tried; older ones tell little of now."""
_FEWEST_WINDOWS = 3
_SEEN = 0.5
"""Of what was out in an earlier window, the part that must be known by now for it to tell an error."""
_DRAWS = 20
_OTHERWISE, _ENOUGH = 2.0, 30
"""Labels that are so many times more or fewer than expected, of so many, tell that delays have changed."""


@dataclass(frozen=True)
class Estimate:
    """What the window's scores will be; `value` and all of `scores` are NaN where `unknown` says why.

    `low` and `high` bound the primary score of these very rows, not that of others like them; they are
    NaN where only the interval is unknown. `scored` rows have an answer, `labelled` of them a label.
    `windows` earlier ones told how far such estimates were off; `how` says what the number rests on.
    """

    metric: str
    value: float
    low: float
    high: float
    confidence: float
    scores: Mapping[str, float]
    rows: int
    scored: int
    labelled: int
    windows: int = 0
    unknown: str | None = None
    how: str = ""
    delays: Delays | None = None

    @property
    def matured(self) -> float:
        """The share of the answered rows whose label has come; NaN of none."""
        return self.labelled / self.scored if self.scored else float("nan")

    @property
    def sentence(self) -> str:
        """Say the estimate and what it rests on for a person."""
        name, value = metric_words(self.metric), said(self.metric, self.value)
        if not np.isfinite(self.value):
            return f"{name} of all {self.rows} predictions: cannot say, because {self.unknown}"
        basis = f"when the labels of all {self.scored} predictions are there ({self.matured:.0%} are)"
        if not np.isfinite(self.low):
            return f"{name} will be {value} {basis}, without an interval: {self.unknown}"
        if self.low == self.high:
            return f"{name} is {value}: {self.how}"
        interval = f"{self.confidence:.0%} interval {interval_said(self.metric, self.low, self.high)}"
        return f"{name} will be {value}, {interval}, {basis}; {self.how}"


def estimate_performance(
    project: Project,
    current: "Examples",
    past: "Examples",
    as_of: datetime,
    delays: Delays | str | None = None,
) -> Estimate:
    """Estimate the scores that the answers of `current` will have when all of its labels are known.

    `past` is what was predicted before, with the labels known at `as_of`: its answers should be those of
    the model that answered `current`, on rows that it did not learn from; rows without an answer tell
    of delays only. `delays` are learned from both unless they are given.
    """
    answered = np.asarray(np.isfinite(current.outputs).all(axis=1), dtype=bool)
    blank = Estimate(
        metric=project.primary,
        value=_NAN,
        low=_NAN,
        high=_NAN,
        confidence=project.confidence,
        scores=dict.fromkeys(project.metric_names, _NAN),
        rows=len(current),
        scored=int(answered.sum()),
        labelled=int((answered & current.labelled).sum()),
    )
    if len(current) == 0:
        return replace(blank, unknown="the window is empty")
    if not answered.any():
        return replace(blank, unknown="no prediction of the window has an answer")
    if (ages(current, as_of) < 0).any():
        return replace(
            blank, unknown=f"the window reaches beyond {as_of:%F %R}, of which nothing is known yet"
        )
    judged = current.where(answered)
    if judged.labelled.all():
        answer, weight = answers(project.target, judged.outputs), judged.weights()
        scores = score(project, judged.labels, answer, sample_weight=weight)
        value = scores[project.primary]
        return replace(blank, value=value, low=value, high=value, scores=scores, how="all labels are there")
    before = past.where((past.facts["predicted_at"] < judged.facts["predicted_at"].min()).to_numpy())
    if delays is None:
        delays = learn_delays(project, joined(before, judged), as_of)
    if isinstance(delays, str):
        return replace(blank, unknown=f"it is not known how long labels take: {delays}")
    before = before.where(np.asarray(np.isfinite(before.outputs).all(axis=1), dtype=bool))
    rows = see_as_then(project, judged, before, delays, as_of)
    return _estimated(project, rows, replace(blank, delays=delays))


def _estimated(project: Project, rows: Rows, blank: Estimate) -> Estimate:
    seen = int((rows.late & rows.known & (rows.window > 0)).sum())
    if seen < max(project.min_rows, 1):
        why = f"of earlier answers whose label was still out at this age, {seen} have one by now"
        return replace(blank, unknown=f"{why}, and min_rows asks for {project.min_rows}")
    if project.target.kind != "regression" and len(np.unique(rows.wait.kind[rows.known])) == 1:
        return replace(blank, unknown="all labels so far are of one class")
    if changed := _changed(rows):
        return replace(blank, unknown=changed)
    scores = _scores(project, rows, 0, fill(project, rows, 0))
    errors = _errors(project, rows)
    value = scores[project.primary]
    how = "" if blank.delays is None else blank.delays.sentence
    found = replace(blank, value=value, scores=scores, windows=len(errors), how=how)
    if not np.isfinite(value):
        return replace(found, unknown="the metric is not defined on these rows")
    if len(errors) < _FEWEST_WINDOWS:
        tell = f"{len(errors)} earlier windows tell how far such estimates are off"
        return replace(found, unknown=f"{tell}, and it takes {_FEWEST_WINDOWS}")
    # An error of which a share f is seen, divided by f, is known f squared as well as a whole one.
    off, precision = errors[:, 0], np.square(errors[:, 1])
    spread = float(np.sqrt((np.square(off) * precision).sum() / precision.sum()))
    freedom = precision.sum() ** 2 / np.square(precision).sum()
    width = float(student.ppf((1 + project.confidence) / 2, freedom)) * spread
    return replace(found, low=value - width, high=value + width)


def _changed(rows: Rows) -> str | None:
    """Say that labels arrive otherwise than they did: then nothing tells when the rest will."""
    now = rows.window == 0
    came, expected = float((now & rows.known).sum()), float(rows.expected[now].sum())
    if max(came, expected) < _ENOUGH or 1 / _OTHERWISE <= came / max(expected, 1e-9) <= _OTHERWISE:
        return None
    return (
        f"the delay of labels has changed: {came:.0f} labels of the window have come where "
        f"{expected:.0f} were to be expected"
    )


def _errors(project: Project, rows: Rows) -> Numbers:
    """Estimate earlier windows from those before them: how far off each was, and what share is seen [k, 2].

    Where some labels of an earlier window are still out, its error is as much larger as is unknown yet.
    """
    found: list[tuple[float, float]] = []
    for window in range(1, min(int(rows.window.max()), _WINDOWS) + 1):
        learned = rows.late & rows.known & (rows.window > window)
        here = rows.late & (rows.window == window)
        if learned.sum() < max(project.min_rows, 1) or not here.any():
            continue
        foretold, turned_out = fill(project, rows, window), reveal(project, rows, window)
        share = turned_out.seen(foretold)
        if share < _SEEN:
            continue
        off = (
            _scores(project, rows, window, foretold, primary=True)[project.primary]
            - _scores(project, rows, window, turned_out, primary=True)[project.primary]
        )
        if np.isfinite(off):
            found.append((off / share, share))
    return np.array(found).reshape(-1, 2)


def _scores(
    project: Project, rows: Rows, window: int, filling: Filling, *, primary: bool = False
) -> dict[str, float]:
    """Score a window: labels that had come at its landmark as they are, the others as they are filled in.

    A row whose label is filled in stands once for each candidate, weighed by its chance: the expected
    score where a score is a mean over rows. A user's own function knows no weights: it is averaged
    over labels drawn by chance.
    """
    early = np.flatnonzero((rows.window == window) & ~rows.late)
    late = np.flatnonzero((rows.window == window) & rows.late)
    many = filling.chance.shape[1]
    metrics = project.metrics[:1] if primary else project.metrics
    at = np.concatenate([early, np.repeat(late, many)])
    answer = answers(project.target, rows.examples.outputs[at])
    labels = np.concatenate([rows.examples.labels[early], filling.value.ravel()])
    own = rows.examples.weights()
    weight = np.concatenate([np.ones(len(early)), filling.chance.ravel()])
    weight = weight if own is None else weight * own[at]
    some = weight > 0
    named = [metric for metric in metrics if isinstance(metric, str)]
    found = {name: score_metric(project, name, labels[some], answer[some], weight[some]) for name in named}
    at, rng = np.concatenate([early, late]), np.random.default_rng(project.seed)
    for metric in metrics:
        if isinstance(metric, str):
            continue
        drawn = [
            score_metric(
                project,
                metric,
                np.concatenate([rows.examples.labels[early], filling.draw(rng)]),
                answers(project.target, rows.examples.outputs[at]),
            )
            for _ in range(_DRAWS)
        ]
        found[metric_name(metric)] = float(np.mean(drawn))
    return found
