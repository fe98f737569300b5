"""Evaluate challenger and champion as bundles, on the same holdout: what is judged is what is served."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.bundles import Bundle
from data.examples import Examples, Numbers
from keepfit.errors import BundleUnusable
from keepfit.gates import Scores
from keepfit.spec import Project
from monitoring.comparison import Gain, compare
from monitoring.performance import score
from monitoring.scoring import answers
from serving.predictor import Predictor
from tasks.rescore import rescore
from tasks.train import Estimator, answer

_PARITY_TOLERANCE = 1e-4
_PROBED = 5
_UNSEEN = "a category that nobody has seen"


@dataclass(frozen=True, slots=True)
class Parity:
    """How far the bundle's answers are from the estimator's, over the holdout.

    `share` of the rows lie within 1e-4 (regression: of the target's standard deviation).
    """

    share: float
    largest: float


@dataclass(frozen=True)
class Evaluation:
    """The numbers that a decision is made of."""

    challenger: Scores
    champion: Scores | None
    gain: Gain | None
    parity: Parity
    rows: int
    unanswered: str | None = None
    """What callers may send and the challenger cannot answer."""


def evaluate(
    project: Project, holdout: Examples, estimator: Estimator, challenger: Bundle, champion: Bundle | None
) -> Evaluation:
    """Score both bundles on the holdout, which neither model learned from.

    A champion of another target (its classes were changed) answers another question: it is left out.
    """
    if champion is not None and champion.manifest.target != project.target:
        champion = None
    theirs = None if champion is None else rescore(champion, holdout)
    ours = rescore(challenger, holdout)
    scores, theirs_scores, gain = judge(project, holdout, ours, theirs)
    return Evaluation(
        challenger=scores,
        champion=theirs_scores,
        gain=gain,
        parity=parity(project, ours, answer(project, estimator, holdout.features), holdout.labels),
        rows=len(holdout),
        unanswered=unanswered(project, challenger, holdout),
    )


def judge(
    project: Project, holdout: Examples, ours: Numbers, theirs: Numbers | None
) -> tuple[Scores, Scores | None, Gain | None]:
    """Score two models' outputs on the holdout, each row counting as often as it weighs; and the gain."""
    y_true, weight, mine = holdout.labels, holdout.weights(), answers(project.target, ours)
    if theirs is None:
        return score(project, y_true, mine, weight), None, None
    other = answers(project.target, theirs)
    gain = compare(project, y_true, (mine, other), holdout.days(), weight)
    return score(project, y_true, mine, weight), score(project, y_true, other, weight), gain


def unanswered(project: Project, bundle: Bundle, holdout: Examples) -> str | None:
    """Ask about a new category in each open column and a gap in each optional one; say which is not answered.

    Only real rows tell: an encoder that dies on what it has not seen scores well on a holdout without it.
    """
    predictor, columns = Predictor(bundle), holdout.where(np.arange(len(holdout)) < _PROBED).columns()
    for name, column in project.features.items():
        missing = "" if column.kind == "category" else np.nan
        asked = {"a missing value": missing} if column.optional else {}
        if column.kind == "category" and column.among is None:
            asked["a category that it has not seen"] = _UNSEEN
        for what, value in asked.items():
            cells = np.full(
                len(columns[name]), value, dtype=object if column.kind == "category" else np.float32
            )
            try:
                answered = bool(np.isfinite(predictor.predict_columns({**columns, name: cells})).all())
            except BundleUnusable:
                answered = False
            if not answered:
                return f"it cannot answer {what} in {name!r}, which callers may send; see bin/keepfit check"
    return None


def parity(project: Project, bundle: Numbers, estimator: Numbers, labels: np.ndarray[Any, Any]) -> Parity:
    """Compare what is served with what was trained, row by row."""
    unit = float(np.std(labels.astype(np.float64))) if project.target.kind == "regression" else 1.0
    difference = np.abs(bundle - estimator).max(axis=1) / (unit or 1.0)
    # A NaN on either side is not near anything.
    within = np.less_equal(difference, _PARITY_TOLERANCE)
    return Parity(float(within.mean()), float(np.max(difference)))
