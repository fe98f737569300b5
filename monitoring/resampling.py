"""The bootstrap over days: whole days are drawn anew, because the rows of one day are not independent.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993), percentile interval (chapter 13);
resampling whole clusters: Davison and Hinkley, Bootstrap Methods and their Application (1997), 3.8.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from keepfit.spec import Project
from monitoring.scoring import Labels, Numbers, Scored, as_scored, score_metric

MIN_DAYS = 5
"""Fewer days have too few distinct resamples for an interval of 95 %."""

RESAMPLES = 2_000
SLOW_RESAMPLES = 200
"""For a metric that must be computed anew on the rows of every resample."""

Draws = NDArray[np.float64]
"""[resamples, days]: how often each day was drawn."""


@dataclass(frozen=True)
class Interval:
    """Where a number may lie; both ends are NaN where that cannot be said, and `unknown` says why."""

    low: float
    high: float
    resamples: int
    unknown: str | None = None


@dataclass(frozen=True)
class DayScores:
    """The primary metric of one model on any mixture of days, without scoring rows twice if it can be."""

    on: Callable[[Draws], Numbers]
    fast: bool


def draw_days(days: int, resamples: int, seed: int) -> Draws:
    """Draw as many days as there are, with replacement, `resamples` times."""
    rng = np.random.default_rng(seed)
    return rng.multinomial(days, np.full(days, 1 / days), size=resamples).astype(np.float64)


def percentile_interval(values: Numbers, confidence: float) -> Interval:
    """Take the middle `confidence` of the resampled values; one NaN among them makes it unknown."""
    undefined = int(np.isnan(values).sum())
    if undefined:
        why = f"the metric is not defined on {undefined} of {len(values)} resamples of the days"
        return unknown(why, len(values))
    low, high = np.quantile(values, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(float(low), float(high), len(values))


def unknown(why: str, resamples: int = 0) -> Interval:
    """Say that there is no interval, and why."""
    return Interval(float("nan"), float("nan"), resamples, why)


def day_scores(
    project: Project, y_true: Labels, answer: Labels, day: NDArray[np.intp], weight: Numbers | None = None
) -> DayScores | None:
    """Prepare the primary metric for resampling; `day` numbers the days of the rows from 0.

    A row counts as often as its `weight` [n] says; without weights, once.

    Metrics that are functions of sums over rows are computed from sums per day, ROC AUC from wins per
    pair of days, all others on the rows of each resample. None where a label or an answer is missing.
    """
    scored = as_scored(project.target, y_true, answer)
    if scored is None:
        return None
    days = int(day.max()) + 1
    metric, kind = project.metrics[0], project.target.kind
    if kind == "binary" and metric == "roc_auc":
        return DayScores(_auc(scored, day, days, weight), fast=True)
    terms, finish = decomposed(project.primary if isinstance(metric, str) else "", kind, scored)
    if finish is not None:
        times = 1.0 if weight is None else weight
        sums = np.column_stack([np.bincount(day, term * times, minlength=days) for term in terms])
        return DayScores(lambda draws: finish(draws @ sums), fast=True)

    rows = np.argsort(day, kind="stable")
    parts = np.split(rows, np.cumsum(np.bincount(day, minlength=days))[:-1])

    def anew(draws: Draws) -> Numbers:
        scores = np.empty(len(draws))
        for i, times in enumerate(draws.astype(np.intp)):
            chosen = np.concatenate([parts[d] for d in np.repeat(np.arange(days), times)])
            weighs = None if weight is None else weight[chosen]
            scores[i] = score_metric(project, metric, y_true[chosen], answer[chosen], weighs)
        return scores

    return DayScores(anew, fast=False)


def _mean(sums: Numbers) -> Numbers:
    return sums[:, 1] / sums[:, 0]


def _root_mean(sums: Numbers) -> Numbers:
    return -np.sqrt(_mean(sums))


def _r2(sums: Numbers) -> Numbers:
    n, error, y, squares = sums.T
    spread = squares - y**2 / n
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 0, 1 - error / spread, np.nan)


_Terms = list[Numbers]
_Finish = Callable[[Numbers], Numbers]


def decomposed(name: str, kind: str, scored: Scored) -> tuple[_Terms, _Finish | None]:
    """Write a metric as a function of sums over rows; the first term is always the count.

    The formulas are those of the scikit-learn user guide, section 3.4 (log loss, Brier score, accuracy,
    mean squared and absolute error, R2), which `score` computes by scikit-learn itself.
    """
    y, answer, one = scored.y, scored.answer, np.ones(len(scored.y))
    if kind == "regression":
        squared = (y - answer) ** 2
        centred = y - y.mean()  # sums of squares of far-off numbers would lose their digits
        found: dict[str, tuple[_Terms, _Finish]] = {
            "neg_mean_squared_error": ([one, -squared], _mean),
            "neg_root_mean_squared_error": ([one, squared], _root_mean),
            "neg_mean_absolute_error": ([one, -np.abs(y - answer)], _mean),
            "r2": ([one, squared, centred, centred**2], _r2),
        }
        return found.get(name, ([], None))
    code = y.astype(np.intp)
    if name == "neg_log_loss":
        eps = np.finfo(np.float64).eps
        right = answer[np.arange(len(code)), code]
        return [one, np.log(np.clip(right, eps, 1 - eps))], _mean
    if name == "neg_brier_score":
        hit = np.eye(answer.shape[1])[code]
        half = 0.5 if kind == "binary" else 1.0
        return [one, -half * ((hit - answer) ** 2).sum(axis=1)], _mean
    if name == "accuracy":
        return [one, (answer.argmax(axis=1) == code).astype(np.float64)], _mean
    return [], None


def _auc(scored: Scored, day: NDArray[np.intp], days: int, weight: Numbers | None) -> _Finish:
    """ROC AUC as the share of won pairs, a tie being half (Hanley and McNeil, Radiology 143, 1982).

    Pairs of a positive of one day and a negative of another are counted once; a resample weighs each
    pair of days by the product of how often both were drawn, and a pair of rows by that of their weights.
    """
    positive, chance = scored.y == 1, scored.answer[:, 1]
    weighs = np.ones(len(chance)) if weight is None else weight
    won = np.zeros((days, days))
    for d in range(days):
        rows = np.flatnonzero(~positive & (day == d))
        rows = rows[np.argsort(chance[rows])]
        total = np.concatenate([[0.0], np.cumsum(weighs[rows])])
        below = sum(
            total[np.searchsorted(chance[rows], chance[positive], side)] for side in ("left", "right")
        )
        won[:, d] = np.bincount(day[positive], weighs[positive] * below / 2, minlength=days)
    positives = np.bincount(day[positive], weighs[positive], minlength=days)
    negatives = np.bincount(day[~positive], weighs[~positive], minlength=days)

    def finish(draws: Draws) -> Numbers:
        pairs = (draws @ positives) * (draws @ negatives)
        wins = ((draws @ won) * draws).sum(axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(pairs > 0, wins / pairs, np.nan)

    return finish
