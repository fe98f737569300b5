"""Check a project the way `check_estimator` tries an estimator, before it meets production."""

import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from data.examples import Examples, Numbers
from keepfit.errors import KeepfitError, ProjectRefused
from keepfit.spec import LARGEST, Column, Project
from monitoring.performance import check_metrics
from serving.predictor import Predictor
from tasks.convert import convert
from tasks.decide import PARITY_SHARE, parity_cure
from tasks.evaluate import parity
from tasks.export import unpublished
from tasks.train import FAULTS, Estimator, answer, build, train

_ROWS = 600
_UNKNOWN = "a category that nobody has seen"


@dataclass(frozen=True, slots=True)
class Trial:
    """One thing that was tried; `objection` is why it failed, with the cure."""

    name: str
    objection: str | None = None


def check_project(project: Project) -> list[Trial]:
    """Try a project on made rows of its columns, and report each trial in order; stop where none can follow.

    What is tried: its metrics score; two builds are two estimators; it learns and answers, alike for one
    row and for many, for an unknown category and a missing value; the same seed gives the same model; and
    it converts to ONNX, which agrees with it.
    """
    found: list[Trial] = []
    for name, tried in _trials(project):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # made rows warn about what real ones do not
                objection = tried()
        except KeepfitError as refusal:
            objection = str(refusal)
        except (*FAULTS, ImportError, OSError) as fault:
            objection = f"{type(fault).__name__}: {str(fault).strip().splitlines()[0] if str(fault) else ''}"
        found.append(Trial(name, objection))
        if objection is not None:
            return found
    return found


def require_working(project: Project) -> None:
    """Raise ProjectRefused with the first objection of `check_project`, if there is one."""
    for trial in check_project(project):
        if trial.objection is not None:
            msg = f"project {project.name!r}: {trial.name}: {trial.objection}"
            raise ProjectRefused(msg)


def made_examples(project: Project, rows: int, seed: int) -> Examples:
    """Make labelled rows that fit the project's columns; the label depends on them, with noise."""
    rng = np.random.default_rng(seed)
    features = pd.DataFrame({n: _made_column(c, rows, rng) for n, c in project.features.items()})
    # A category counts by the order in which it came; a missing number as the middle.
    numbers = (
        pd.Series(pd.factorize(features[n])[0]) if column.kind == "category" else features[n]
        for n, column in project.features.items()
    )
    places = (number.rank(pct=True).fillna(0.5) for number in numbers)
    signal = sum(places, start=pd.Series(rng.normal(0, 0.5, rows))).to_numpy()
    labels: np.ndarray[Any, Any] = signal
    if project.target.kind != "regression":
        count = len(project.target.classes)
        place = np.minimum((pd.Series(signal).rank(pct=True).to_numpy() * count).astype(int), count - 1)
        labels = np.empty(rows, dtype=object)
        labels[:] = [project.target.classes[i] for i in place]
    if project.target.kind == "binary":
        labels = labels.astype(np.float64)
    facts = pd.DataFrame({"prediction_id": [str(i) for i in range(rows)]})
    outputs = np.full((rows, project.target.outputs), np.nan)
    return Examples(features, facts, outputs, labels, np.ones(rows, dtype=bool))


def _trials(project: Project) -> Iterator[tuple[str, Callable[[], str | None]]]:
    examples = made_examples(project, _ROWS, seed=project.seed)
    models: list[Estimator] = []

    def learns() -> None:
        models.append(train(project, examples))

    yield "its metrics score", lambda: check_metrics(project)
    yield "two builds are two estimators", lambda: _fresh(project)
    yield "it learns from rows of its columns", learns
    model = models[0]
    yield "it answers", lambda: _answers(project, model, examples)
    yield "one row is answered as among many", lambda: _one_equals_many(project, model, examples)
    yield "an unknown category is answered", lambda: _survives_unknown(project, model, examples)
    yield "a missing optional value is answered", lambda: _survives_missing(project, model, examples)
    yield "the same seed gives the same model", lambda: _repeats(project, model, examples)
    yield "its ONNX agrees with it", lambda: _converts(project, model, examples)


def _fresh(project: Project) -> str | None:
    first, second = build(project), build(project)
    if first is second:
        return "build() gave the same object twice; build a new estimator at every call"
    others = _parts(second)
    shared = [part for name, part in _parts(first).items() if part is others.get(name)]
    if shared:
        return f"two builds share one {type(shared[0]).__name__}; build every step anew at every call"
    return None


def _parts(estimator: Estimator) -> dict[str, object]:
    parameters = getattr(estimator, "get_params", dict[str, object])()
    return {name: part for name, part in parameters.items() if hasattr(part, "fit")}


def _answers(project: Project, model: Estimator, examples: Examples) -> str | None:
    given = answer(project, model, examples.features)
    if given.shape != (len(examples), project.target.outputs):
        return f"it gave an answer of shape {given.shape}, not {(len(examples), project.target.outputs)}"
    return None if np.isfinite(given).all() else "an answer is not a finite number"


def _one_equals_many(project: Project, model: Estimator, examples: Examples) -> str | None:
    rows = examples.features.head(5)
    many = answer(project, model, rows)
    one = np.concatenate([answer(project, model, rows.iloc[[i]]) for i in range(len(rows))])
    if np.allclose(many, one, rtol=1e-5, atol=1e-8):
        return None
    return "a row's answer depends on the rows beside it; a step computes over the batch, fit it instead"


def _survives_unknown(project: Project, model: Estimator, examples: Examples) -> str | None:
    rows = examples.features.head(5).copy()
    for name, column in project.features.items():
        if column.kind == "category" and column.among is None:
            rows[name] = _UNKNOWN
    try:
        given = answer(project, model, rows)
    except ValueError as fault:
        return f"{str(fault).splitlines()[0]}; let the encoder take unknown categories (handle_unknown=)"
    return None if np.isfinite(given).all() else "the answer to a new category is not a finite number"


def _survives_missing(project: Project, model: Estimator, examples: Examples) -> str | None:
    for name, column in project.features.items():
        if not column.optional:
            continue
        rows = examples.features.head(5).copy()
        rows[name] = "" if column.kind == "category" else np.float32("nan")
        cure = f"{name} is optional; impute it, or take optional=True away"
        try:
            given = answer(project, model, rows)
        except ValueError as fault:
            return f"{str(fault).splitlines()[0]}; {cure}"
        if not np.isfinite(given).all():
            return f"the answer without {name} is not a finite number; {cure}"
    return None


def _repeats(project: Project, model: Estimator, examples: Examples) -> str | None:
    again = train(project, examples)
    given = [answer(project, m, examples.features) for m in (model, again)]
    if np.allclose(given[0], given[1], rtol=1e-5, atol=1e-8):
        return None
    return "two fits on the same rows differ; give every step a random_state"


def _converts(project: Project, model: Estimator, examples: Examples) -> str | None:
    converted = convert(project, model, examples.features)
    unseen = made_examples(project, _ROWS, seed=project.seed + 1)
    served = Predictor(unpublished(project, converted)).predict_columns(unseen.columns())
    trained: Numbers = answer(project, model, unseen.features)
    agreed = parity(project, served, trained, unseen.labels)
    if agreed.share >= PARITY_SHARE:
        return None
    return (
        f"the ONNX model differs on {1 - agreed.share:.1%} of the rows, by up to {agreed.largest:.3g}; "
        f"{parity_cure(project)}"
    )


def _made_column(column: Column, rows: int, rng: np.random.Generator) -> np.ndarray[Any, Any]:
    absent = rng.random(rows) < (0.1 if column.optional else 0.0)
    if column.kind == "category":
        names = np.array(column.among or [f"category {i}" for i in range(8)], dtype=object)
        made = names[rng.integers(0, len(names), rows)]
        made[absent] = ""
        return made
    if column.kind == "flag":
        numbers = rng.integers(0, 2, rows).astype(np.float32)
    elif column.between is not None:
        numbers = rng.uniform(*_finite(*column.between), rows).astype(np.float32)
    else:
        numbers = rng.normal(0, 1, rows).astype(np.float32)
    numbers[absent] = np.nan
    return numbers


def _finite(low: float, high: float) -> tuple[float, float]:
    """Give an open end a place, as far from the other as that is from zero."""
    if math.isinf(low):
        low = -1.0 if math.isinf(high) else high - max(1.0, abs(high))
    if math.isinf(high):
        high = low + max(1.0, abs(low))
    return max(low, -LARGEST), min(high, LARGEST)
