"""One metric on one set of labels and answers: scikit-learn's scorers, and the user's functions."""

import difflib
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import brier_score_loss, get_scorer, get_scorer_names, log_loss

from keepfit.errors import ProjectRefused
from keepfit.spec import Metric, Project, Target, metric_name

Numbers = NDArray[np.float64]
Labels = NDArray[Any]

# What a scorer or a user's metric raises on numbers that it cannot work with.
_CANNOT = (ValueError, TypeError, ArithmeticError, LookupError, AttributeError)


@dataclass(frozen=True)
class Scored:
    """Labels and answers as scikit-learn takes them.

    `y` holds class numbers in the order of `target.classes`, or the values. `answer` is [n, k]
    probabilities that sum to one (a binary target has two columns), or the values [n].
    """

    y: Numbers
    answer: Numbers


class _Classifier(ClassifierMixin, BaseEstimator):  # pyright: ignore[reportUntypedBaseClass]
    """An estimator that answers with the probabilities it is given."""

    def __init__(self, classes: int) -> None:
        self.classes = classes
        self.classes_ = np.arange(classes)

    def predict_proba(self, answer: Numbers) -> Numbers:
        return answer

    def predict(self, answer: Numbers) -> NDArray[np.intp]:
        return answer.argmax(axis=1)


class _Regressor(RegressorMixin, BaseEstimator):  # pyright: ignore[reportUntypedBaseClass]
    """An estimator that answers with the values it is given."""

    fitted_ = True

    def predict(self, answer: Numbers) -> Numbers:
        return answer


def score(
    project: Project, y_true: Labels, answer: Labels, sample_weight: Numbers | None = None
) -> dict[str, float]:
    """Score answers on each of the project's metrics, by name; higher is better.

    *answer* is P(positive) [n], probabilities [n, k] in the order of `target.classes`, or values [n].
    A metric that cannot be computed is NaN: a label or an answer is missing, no row, or one class
    only where the metric compares classes. A user's function knows no weights: rows are repeated as
    often as they weigh, other than whole weights to the eighth. An unknown scorer's name raises
    ProjectRefused.
    """
    return {
        metric_name(metric): score_metric(project, metric, y_true, answer, sample_weight)
        for metric in project.metrics
    }


def score_metric(
    project: Project,
    metric: Metric,
    y_true: Labels,
    answer: Labels,
    sample_weight: Numbers | None = None,
) -> float:
    """Score answers on one metric, as `score` does."""
    compute = _computation(project, metric)
    scored = as_scored(project.target, y_true, answer)
    if scored is None:
        return float("nan")
    try:
        return compute(y_true, answer, scored, sample_weight)
    except _CANNOT:
        return float("nan")


def as_scored(target: Target, y_true: Labels, answer: Labels) -> Scored | None:
    """Bring labels and answers into the form of Scored; None if one is missing or impossible."""
    answer = np.asarray(answer, dtype=np.float64)
    if target.kind != "multiclass" and answer.ndim == 2:
        answer = answer[:, 0]
    if len(answer) == 0 or len(answer) != len(y_true) or not np.isfinite(answer).all():
        return None
    if target.kind == "multiclass":
        y = pd.Index(np.array(target.classes, dtype=object)).get_indexer(pd.Index(np.asarray(y_true, object)))
        y = np.where(y < 0, np.nan, y.astype(np.float64))
        # ONNX answers in float32, whose rows miss one by 1e-7; scikit-learn warns about that.
        total = answer.sum(axis=1, keepdims=True)
        if not (total > 0).all():
            return None
        answer = answer / total
    else:
        y = np.asarray(y_true, dtype=np.float64)
        if target.kind == "binary":
            answer = np.column_stack([1 - answer, answer])
    return Scored(y, answer) if np.isfinite(y).all() else None


def answers(target: Target, outputs: Numbers) -> Numbers:
    """Shape stored outputs [n, target.outputs] into what metrics call the *answer*."""
    return outputs if target.kind == "multiclass" else outputs[:, 0]


def check_metrics(project: Project) -> None:
    """Try each metric on made labels and answers; raise ProjectRefused for one that cannot score.

    A metric that never gives a number would refuse every challenger without a word about why.
    """
    rng = np.random.default_rng(0)
    target, rows = project.target, 60
    y_true: Labels = rng.normal(size=rows)
    answer: Labels = y_true + rng.normal(size=rows)
    if target.kind != "regression":
        codes = np.arange(rows) % len(target.classes)
        chances = rng.dirichlet(np.ones(len(target.classes)), size=rows)
        y_true = codes.astype(np.float64)
        answer = chances[:, 1]
        if target.kind == "multiclass":
            y_true, answer = np.array(target.classes, dtype=object)[codes], chances
    scored = as_scored(target, y_true, answer)
    for metric in project.metrics:
        compute = _computation(project, metric)
        fault = "it gives NaN"
        try:
            if scored is not None and np.isfinite(compute(y_true, answer, scored, None)):
                continue
        except _CANNOT as raised:
            fault = f"{type(raised).__name__}: {raised}"
        msg = (
            f"project {project.name!r}: metrics: {metric_name(metric)!r} cannot score made answers to a "
            f"{target.kind} target ({fault}); choose a metric for that target or mend the function"
        )
        raise ProjectRefused(msg)


_Computation = Callable[[Labels, Labels, Scored, Numbers | None], float]


def _computation(project: Project, metric: Metric) -> _Computation:
    if callable(metric):
        return _of_function(metric)
    if metric not in get_scorer_names():
        near = difflib.get_close_matches(metric, get_scorer_names(), n=3, cutoff=0.5)
        advice = (
            f"did you mean {' or '.join(map(repr, near))}?"
            if near
            else "see sklearn.metrics.get_scorer_names()"
        )
        msg = f"project {project.name!r}: metrics: scikit-learn has no scorer {metric!r}; {advice}"
        raise ProjectRefused(msg)
    # These two alone can score a holdout without one of the classes, if they are told the classes.
    loss = {"neg_log_loss": log_loss, "neg_brier_score": brier_score_loss}.get(metric)
    if loss is not None and project.target.kind != "regression":
        return _of_loss(loss, len(project.target.classes))
    return _of_scorer(metric, project.target)


def _of_function(metric: Callable[[Labels, Labels], float]) -> _Computation:
    def compute(y_true: Labels, answer: Labels, _: Scored, weight: Numbers | None) -> float:
        if weight is None:
            return float(metric(y_true, answer))
        whole = np.array_equal(np.rint(weight), weight)
        times = np.rint(weight if whole else weight * 8).astype(np.intp)
        return float(metric(np.repeat(y_true, times), np.repeat(answer, times, axis=0)))

    return compute


def _of_loss(loss: Callable[..., float], classes: int) -> _Computation:
    def compute(_y: Labels, _a: Labels, scored: Scored, weight: Numbers | None) -> float:
        return -float(loss(scored.y, scored.answer, labels=np.arange(classes), sample_weight=weight))

    return compute


def _of_scorer(name: str, target: Target) -> _Computation:
    scorer: Callable[..., float] = get_scorer(name)
    classifies = target.kind != "regression"
    estimator = _Classifier(len(target.classes)) if classifies else _Regressor()

    def compute(_y: Labels, _a: Labels, scored: Scored, weight: Numbers | None) -> float:
        y = scored.y.astype(np.intp) if classifies else scored.y
        given = {} if weight is None else {"sample_weight": weight}
        with warnings.catch_warnings():
            # Where a class is absent scikit-learn warns, and answers NaN or 0: the number says it.
            warnings.simplefilter("ignore", UndefinedMetricWarning)
            warnings.filterwarnings("ignore", "y_pred contains classes not in y_true", UserWarning)
            return float(scorer(estimator, scored.answer, y, **given))

    return compute
