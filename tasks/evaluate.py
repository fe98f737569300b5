"""Evaluate challenger and champion as bundles, on the same holdout: what is judged is what is served."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from data.bundles import Bundle
from data.examples import Examples, Numbers
from keepfit.gates import Scores
from keepfit.spec import Project
from monitoring.comparison import Gain, compare
from monitoring.performance import score
from monitoring.scoring import answers
from serving.predictor import Predictor
from tasks.train import Estimator, answer

_PARITY_TOLERANCE = 1e-4


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


def evaluate(
    project: Project, holdout: Examples, estimator: Estimator, challenger: Bundle, champion: Bundle | None
) -> Evaluation:
    """Score both bundles on the holdout, which neither model learned from.

    A champion of another target (its classes were changed) answers another question: it is left out.
    """
    if champion is not None and champion.manifest.target != project.target:
        champion = None
    theirs = None if champion is None else _ask(champion, holdout)
    ours = _ask(challenger, holdout)
    given = answers(project.target, ours)
    gain = None
    if theirs is not None:
        gain = compare(project, holdout.labels, given, answers(project.target, theirs), holdout.days())
    return Evaluation(
        challenger=score(project, holdout.labels, given),
        champion=None if theirs is None else score(project, holdout.labels, answers(project.target, theirs)),
        gain=gain,
        parity=parity(project, ours, answer(project, estimator, holdout.features), holdout.labels),
        rows=len(holdout),
    )


def parity(project: Project, bundle: Numbers, estimator: Numbers, labels: np.ndarray[Any, Any]) -> Parity:
    """Compare what is served with what was trained, row by row."""
    unit = float(np.std(labels.astype(np.float64))) if project.target.kind == "regression" else 1.0
    difference = np.abs(bundle - estimator).max(axis=1) / (unit or 1.0)
    # A NaN on either side is not near anything.
    within = np.less_equal(difference, _PARITY_TOLERANCE)
    return Parity(float(within.mean()), float(np.max(difference)))


def _ask(bundle: Bundle, holdout: Examples) -> Numbers:
    """Ask a bundle about rows that may lack its columns: features leave a project, or change their kind."""
    columns = holdout.columns()
    for name, column in bundle.manifest.columns.items():
        is_text = column.kind == "category"
        if name not in columns or (columns[name].dtype == object) != is_text:
            missing = "" if is_text else np.nan
            columns[name] = np.full(len(holdout), missing, dtype=object)
    return Predictor(bundle).predict_columns(columns)
