"""A project's arguments of another type than they should be, each with what to write instead."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from numbers import Real
from typing import Any

_TEXTS = ("name", "time", "label_time", "reference", "subject", "timezone")
_SPANS = ("holdout", "training", "current", "reference_span")
_NUMBERS = ("min_rows", "windows_per_false_alarm", "drift_effect", "confidence", "seed")
_MAY_BE_NONE = {"label_time", "reference", "subject", "timezone", "training"}


def mistyped(project: Any) -> str | None:  # noqa: ANN401 - what types would tell, somebody wrote otherwise
    """Say which argument of a project is no such thing, or return None."""
    return _plain(project) or _features(project.features) or _lists(project)


def _plain(project: Any) -> str | None:  # noqa: ANN401
    for names, kind, example in (
        (_TEXTS, str, '"..."'),
        (_SPANS, timedelta, "timedelta(days=14)"),
        (_NUMBERS, int | float, "a number"),
    ):
        for name in names:
            given = getattr(project, name)
            if not isinstance(given, kind) and not (given is None and name in _MAY_BE_NONE):
                return f"{name}: write {example}, got {_shown(given)}"
    if not _is(project.target, "Target"):
        return f'target: write such as Target.binary("left"), got {_shown(project.target)}'
    if not _is(project.suspicion, "Suspicion"):
        return f"suspicion: write such as Suspicion(hold=True), got {_shown(project.suspicion)}"
    if not _is(project.retraining, "Retraining"):
        return f"retraining: write such as Retraining(stop_after=5), got {_shown(project.retraining)}"
    if not callable(project.build):
        return f"build: write a function that returns an estimator, got {_shown(project.build)}"
    return None


def _features(features: object) -> str | None:
    if not isinstance(features, Mapping):
        return f'features: write such as {{"months": Column.number()}}, got {_shown(features)}'
    for name, column in features.items():
        if not isinstance(name, str):
            return f"features: write each name as text, got {_shown(name)}"
        if not _is(column, "Column"):
            return f"features.{name}: write such as Column.number(), got {_shown(column)}"
        ends = column.between
        numbers = isinstance(ends, tuple | list) and all(isinstance(end, Real) for end in ends)
        if ends is not None and not (numbers and len(ends) == 2):
            return f"features.{name}: write between=(lowest, highest) in numbers, got {_shown(ends)}"
    return None


def _lists(project: Any) -> str | None:  # noqa: ANN401
    if not _is_list(project.metrics) or not all(isinstance(m, str) or callable(m) for m in project.metrics):
        return f'metrics: write a list such as ["neg_log_loss", "roc_auc"], got {_shown(project.metrics)}'
    if not _is_list(project.gates) or not all(_is(gate, "Gate") for gate in project.gates):
        return f'gates: write a list such as [Gate("roc_auc", at_least=0.6)], got {_shown(project.gates)}'
    slices = project.slices
    if not isinstance(slices, Mapping) or not all(
        isinstance(name, str) and callable(rule) for name, rule in slices.items()
    ):
        return f'slices: write such as {{"short": lambda rows: rows["distance"] < 300}}, got {_shown(slices)}'
    return None


def _is_list(given: object) -> bool:
    return isinstance(given, Sequence) and not isinstance(given, str | bytes)


def _is(given: object, name: str) -> bool:
    # By name: the classes are made from this module's answers, and it cannot import them.
    return type(given).__name__ == name


def _shown(given: object) -> str:
    text = repr(given)
    return text if len(text) <= 60 else f"{text[:57]}..."
