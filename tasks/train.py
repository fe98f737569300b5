"""Train a challenger: a fresh estimator of the project, fitted on the older part of a snapshot."""

import inspect
from typing import Any, Protocol, runtime_checkable

import numpy as np
import pandas as pd

from data.examples import Examples, Numbers
from keepfit.errors import ProjectError, ProjectRefused, SnapshotTooSmall
from keepfit.spec import Project

# What a user's estimator raises is theirs to read; these are what estimators raise in practice.
FAULTS = (
    *(ValueError, TypeError, RuntimeError, LookupError, AttributeError, ArithmeticError, AssertionError),
    *(ImportError, OSError),  # a library that `build` asks for only now
)


@runtime_checkable
class Estimator(Protocol):
    """What `build` returns: anything with scikit-learn's fit and predict."""

    def fit(self, X: pd.DataFrame, y: Any) -> Any: ...  # noqa: ANN401, N803, D102 - scikit-learn's own words
    def predict(self, X: pd.DataFrame) -> Any: ...  # noqa: ANN401, N803, D102


def train(project: Project, examples: Examples) -> Estimator:
    """Fit a fresh estimator; a class is told as its place in `target.classes`.

    So the order of its probabilities is the project's, whatever the classes are called. Where examples
    weigh more than one, an estimator that takes no weights learns from rows drawn by them. Raises
    SnapshotTooSmall when a class has no example.
    """
    estimator = build(project)
    given: dict[str, Numbers] = {}
    if (weight := examples.weights()) is not None:
        name = takes_weights(estimator)
        given = {} if name is None else {name: weight}
        examples = _drawn(project, examples, weight) if name is None else examples
    labels = encode_labels(project, examples.labels)
    learner: Any = estimator  # its fit takes what `takes_weights` found, or no weights at all
    try:
        learner.fit(examples.features, labels, **given)
    except FAULTS as fault:
        said = next(iter(str(fault).strip().splitlines()), "")
        msg = f"project {project.name!r}: its estimator cannot learn: {type(fault).__name__}: {said}"
        raise ProjectError(msg) from fault
    return estimator


def build(project: Project) -> Estimator:
    """Build an unfitted estimator with the project's seed wherever it takes one and was given none."""
    estimator = project.build()
    if not isinstance(estimator, Estimator):
        kind = type(estimator).__name__
        msg = f"project {project.name!r}: build() gave {kind}, without fit and predict; return an estimator"
        raise ProjectRefused(msg)
    parameters = getattr(estimator, "get_params", dict[str, object])()
    unset = {n: project.seed for n, v in parameters.items() if n.endswith("random_state") and v is None}
    if unset:
        estimator.set_params(**unset)  # pyright: ignore[reportAttributeAccessIssue, reportUnknownMemberType]
    return estimator


def takes_weights(estimator: object) -> str | None:
    """Name the argument of `fit` that takes weights, of a pipeline its last step's; None where none does."""
    steps, prefix = getattr(estimator, "steps", None), ""
    last = estimator
    while steps:
        name, last = steps[-1]
        prefix, steps = f"{prefix}{name}__", getattr(last, "steps", None)
    fit = getattr(last, "fit", None)
    taken = fit is not None and "sample_weight" in inspect.signature(fit).parameters
    return f"{prefix}sample_weight" if taken else None


def _drawn(project: Project, examples: Examples, weight: Numbers) -> Examples:
    """Repeat each row as often as it weighs on average, by the project's seed, in its order.

    Of a weight of 1.4 the row itself is always there, and a second one in four of ten: systematic
    sampling (Madow and Madow, Annals of Mathematical Statistics 15, 1944).
    """
    start = np.random.default_rng(project.seed).random()
    ends = np.floor(np.cumsum(weight) + start).astype(np.intp)
    rows = np.repeat(np.arange(len(weight)), np.diff(ends, prepend=0))
    return examples.take(rows)


def encode_labels(project: Project, labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Turn labels into what an estimator is fitted to: the value, or the place of the class."""
    if project.target.kind == "regression":
        return labels.astype(np.float64)
    place = {c: i for i, c in enumerate(project.target.classes)}
    encoded = np.fromiter((place[label] for label in labels.tolist()), dtype=np.int64, count=len(labels))
    absent = [c for c, i in place.items() if not (encoded == i).any()]
    if absent:
        msg = (
            f"{project.name}: none of the {len(labels)} examples to learn from is labelled "
            f"{', '.join(map(repr, absent))}; wait for such labels, or take the class out of the target"
        )
        raise SnapshotTooSmall(msg)
    return encoded


def answer(project: Project, estimator: Estimator, features: pd.DataFrame) -> np.ndarray[Any, Any]:
    """Ask a fitted estimator itself, in the shape of a predictor's answer [n, target.outputs]."""
    if project.target.kind == "regression":
        return np.asarray(estimator.predict(features), dtype=np.float64).reshape(len(features), 1)
    predict_proba = getattr(estimator, "predict_proba", None)
    if predict_proba is None:
        msg = (
            f"project {project.name!r}: {type(estimator).__name__} has no predict_proba; "
            "wrap it in CalibratedClassifierCV, or choose one that gives probabilities"
        )
        raise ProjectRefused(msg)
    probabilities = np.asarray(predict_proba(features), dtype=np.float64)
    return probabilities[:, 1:] if project.target.kind == "binary" else probabilities
